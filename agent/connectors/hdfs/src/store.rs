//! HDFS as the connector sees it: few operations, each with a limit of time and an error that says what was
//! done where.
//!
//! Clients are shared by all tasks of a process that reach the same cluster as the same user: hdfs-native
//! keeps a task of its own for the leases of each client that has ever written.

use std::collections::HashMap;
use std::future::Future;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hdfs_native::client::FileStatus;
use hdfs_native::file::FileWriter;
use hdfs_native::{Client, ClientBuilder, HdfsError, WriteOptions};
use parking_lot::Mutex;

use crate::config::ConnectionSettings;
use crate::error::{Fault, StoreError, StoreResult};

/// Mode of folders, as the `hdfs` command makes them with its default umask.
const FOLDER_MODE: u32 = 0o755;
/// Mode of files.
const FILE_MODE: u32 = 0o644;

/// What makes two clients the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ClientKey {
    settings: ConnectionSettings,
    /// When the files of `hadoop.conf.dir` were changed last.
    changed: Vec<Option<SystemTime>>,
}

static CLIENTS: LazyLock<Mutex<HashMap<ClientKey, Client>>> = LazyLock::new(Mutex::default);

/// A cluster, reached as a user.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    client: Client,
    place: String,
    timeout: Duration,
}

impl Store {
    /// The cluster of the settings. Nothing is sent yet.
    ///
    /// # Errors
    /// The URL, or a file of `hadoop.conf.dir`, cannot be used.
    pub(crate) fn new(settings: &ConnectionSettings) -> StoreResult<Self> {
        let changed = ["core-site.xml", "hdfs-site.xml"]
            .iter()
            .map(|name| {
                let folder = settings.conf_dir.as_deref()?;
                std::fs::metadata(folder.join(name)).ok()?.modified().ok()
            })
            .collect();
        let key = ClientKey {
            settings: settings.clone(),
            changed,
        };
        let mut clients = CLIENTS.lock();
        let client = match clients.get(&key) {
            Some(client) => client.clone(),
            None => {
                let client = build(settings)?;
                clients.insert(key, client.clone());
                client
            }
        };
        Ok(Self {
            client,
            place: settings.url.clone(),
            timeout: settings.timeout,
        })
    }

    async fn within<T>(
        &self,
        what: impl Fn() -> String,
        call: impl Future<Output = Result<T, HdfsError>>,
    ) -> StoreResult<T> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(StoreError::of(&error, what(), &self.place)),
            Err(_) => Err(self.late(what())),
        }
    }

    fn late(&self, what: String) -> StoreError {
        let message = format!("no answer within {} ms", self.timeout.as_millis());
        StoreError::new(Fault::Unreachable, what, &self.place, message)
    }

    /// An error of this cluster.
    pub(crate) fn fault(&self, fault: Fault, what: String, message: String) -> StoreError {
        StoreError::new(fault, what, &self.place, message)
    }

    /// Makes a folder and those above it; it is fine if they are there.
    pub(crate) async fn make_folder(&self, path: &str) -> StoreResult<()> {
        let call = self.client.mkdirs(path, FOLDER_MODE, true);
        self.within(|| format!("making folder {path}"), call).await
    }

    /// Makes a folder in one that exists.
    pub(crate) async fn make_subfolder(&self, path: &str) -> StoreResult<()> {
        let call = self.client.mkdirs(path, FOLDER_MODE, false);
        self.within(|| format!("making folder {path}"), call).await
    }

    /// Renames a file or folder within an existing folder; nothing is ever replaced.
    pub(crate) async fn rename(&self, from: &str, to: &str) -> StoreResult<()> {
        let call = self.client.rename(from, to, false);
        self.within(|| format!("renaming {from} to {to}"), call)
            .await
    }

    /// Deletes a file, or a folder with all that is in it; it is fine if there is none.
    pub(crate) async fn delete(&self, path: &str) -> StoreResult<()> {
        let call = self.client.delete(path, true);
        self.within(|| format!("deleting {path}"), call)
            .await
            .map(drop)
    }

    /// What is in a folder; nothing if there is no such folder.
    pub(crate) async fn children(&self, folder: &str) -> StoreResult<Vec<FileStatus>> {
        let mut found = Vec::new();
        self.visit(folder, false, |status| found.push(status))
            .await?;
        Ok(found)
    }

    /// Calls `see` with everything in a folder, and in all folders below if `deep`; with nothing if there is
    /// no such folder.
    pub(crate) async fn visit(
        &self,
        folder: &str,
        deep: bool,
        mut see: impl FnMut(FileStatus),
    ) -> StoreResult<()> {
        let what = || format!("listing {folder}");
        let listing = self.client.list_status_iter(folder, deep);
        loop {
            let next = match tokio::time::timeout(self.timeout, listing.next()).await {
                Err(_) => return Err(self.late(what())),
                Ok(next) => next,
            };
            match next {
                None => return Ok(()),
                Some(Ok(status)) => see(status),
                Some(Err(error)) => {
                    let error = StoreError::of(&error, what(), &self.place);
                    if error.fault == Fault::Gone {
                        return Ok(());
                    }
                    return Err(error);
                }
            }
        }
    }

    /// All of a small file.
    pub(crate) async fn read(&self, path: &str) -> StoreResult<Bytes> {
        let call = async {
            let mut reader = self.client.read(path).await?;
            let length = reader.file_length();
            reader.read_bytes(length).await
        };
        self.within(|| format!("reading {path}"), call).await
    }

    /// Begins a file in an existing folder.
    pub(crate) async fn create(&self, path: &str) -> StoreResult<OpenFile> {
        let options = WriteOptions::default()
            .permission(FILE_MODE)
            .create_parent(false);
        let call = self.client.create(path, options);
        let writer = self.within(|| format!("creating {path}"), call).await?;
        Ok(OpenFile {
            store: self.clone(),
            path: path.to_owned(),
            writer,
        })
    }
}

fn build(settings: &ConnectionSettings) -> StoreResult<Client> {
    let mut builder = ClientBuilder::new()
        .with_url(&settings.url)
        .with_config(settings.hadoop.iter().cloned());
    if let Some(folder) = &settings.conf_dir {
        builder = builder.with_config_dir(folder.display().to_string());
    }
    if let Some(user) = &settings.user {
        builder = builder.with_user(user);
    }
    #[cfg(feature = "kerberos")]
    if let Some(kerberos) = &settings.kerberos {
        builder = builder
            .with_kerberos_principal(&kerberos.principal)
            .with_kerberos_keytab(&kerberos.keytab);
    }
    builder.build().map_err(|error| {
        let error = StoreError::of(&error, "configuring the client".to_owned(), &settings.url);
        StoreError::new(
            Fault::Other,
            "configuring the client",
            &settings.url,
            error.to_string(),
        )
    })
}

/// A file that is being written. Dropped without [`OpenFile::close`] it is not finished.
pub(crate) struct OpenFile {
    store: Store,
    path: String,
    writer: FileWriter,
}

impl OpenFile {
    /// Adds bytes. Waits while data nodes have too much to do: a few megabytes per file are on their way at
    /// most.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> StoreResult<()> {
        let path = &self.path;
        let call = self.writer.write_bytes(bytes);
        self.store
            .within(|| format!("writing {path}"), call)
            .await
            .map(drop)
    }

    /// Finishes the file: its data nodes have all bytes on disk, and the name node its length.
    pub(crate) async fn close(mut self) -> StoreResult<()> {
        let path = &self.path;
        let call = self.writer.close();
        self.store.within(|| format!("closing {path}"), call).await
    }
}
