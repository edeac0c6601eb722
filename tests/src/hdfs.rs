//! A real HDFS on loopback, one NameNode and one DataNode that ask for permissions, which can be crashed,
//! frozen and started again; and a client for it that speaks WebHDFS, so that what a connector wrote is read
//! another way.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use reqwest::{Client, Method, RequestBuilder, Url};
use serde_json::Value;
use tempfile::TempDir;

use crate::ports::free_port;
use crate::process::Process;
use crate::rest::{client_builder, runtime};
use crate::servers::{cache, tests_folder};
use crate::wait::{seconds, wait_until};

/// The version of Hadoop, as `tests/servers/hdfs/pom.xml` says.
pub const HADOOP_VERSION: &str = "3.4.2";
/// The superuser; the root folder belongs to it.
pub const SUPERUSER: &str = "hdfs";

/// A server of a test's own, which ends with it.
#[derive(Debug)]
pub struct Hdfs {
    folder: TempDir,
    libs: PathBuf,
    /// NameNode (RPC, WebHDFS), DataNode (data, HTTP, IPC).
    ports: [u16; 5],
    starts: u32,
    process: Option<Process>,
    client: Client,
}

/// A file or folder, as WebHDFS lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path from the root.
    pub path: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Bytes of a file; 0 for a folder.
    pub length: u64,
    /// The user it belongs to.
    pub owner: String,
    /// The mode in octal, such as `755`.
    pub permission: String,
}

/// The installed jars.
fn libs() -> Result<PathBuf> {
    let folder = cache()?.join(format!("hdfs-{HADOOP_VERSION}"));
    if !folder.join("complete").is_file() {
        bail!(
            "{} is not complete: run tests/servers/install",
            folder.display()
        );
    }
    Ok(folder.join("libs"))
}

/// Whether its jars are there.
pub fn is_installed() -> bool {
    libs().is_ok()
}

impl Hdfs {
    /// Starts a server without files, and waits until it takes some.
    ///
    /// # Errors
    /// When it is not installed or does not come up.
    pub fn start() -> Result<Self> {
        let mut ports = [0; 5];
        for port in &mut ports {
            *port = free_port()?;
        }
        let mut server = Self {
            folder: TempDir::with_prefix("sluice-hdfs-")?,
            libs: libs()?,
            ports,
            starts: 0,
            process: None,
            client: client_builder().build()?,
        };
        server.restart()?;
        Ok(server)
    }

    /// The value of `hdfs.url`, `hdfs://host:port`.
    pub fn url(&self) -> String {
        format!("hdfs://{}", self.place())
    }

    /// How errors name the place, `host:port` of the NameNode.
    pub fn place(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    /// The process, while the server is up: to be frozen and thawed.
    ///
    /// # Errors
    /// While it is down.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("HDFS is stopped")
    }

    /// Stops the server in good order (SIGTERM); its files stay.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.terminate(seconds(60))?;
        }
        Ok(())
    }

    /// Kills the server (SIGKILL), NameNode and DataNode at once; what it has promised to keep stays.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn crash(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
        }
        Ok(())
    }

    /// Starts the server again on its data and ports, and waits until it takes files.
    ///
    /// # Errors
    /// When it does not come up in time; the end of its log is in the error.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.starts += 1;
        let log = self.folder.path().join(format!("{}.log", self.starts));
        let mut command = vec![
            "java".to_owned(),
            "-Xmx384m".to_owned(),
            "-XX:TieredStopAtLevel=1".to_owned(),
            "-XX:+UseSerialGC".to_owned(),
            "-Djava.net.preferIPv4Stack=true".to_owned(),
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn".to_owned(),
            "-cp".to_owned(),
            format!("{}/*", self.libs.display()),
            tests_folder()
                .join("servers/hdfs/Hdfs.java")
                .display()
                .to_string(),
            self.folder.path().join("data").display().to_string(),
        ];
        command.extend(self.ports.map(|port| port.to_string()));
        let mut process =
            Process::start("hdfs", &command, &[("HADOOP_USER_NAME", SUPERUSER)], &log)?;
        wait_until("HDFS to take files", seconds(120), || {
            process.check_running()?;
            Ok(process.output().contains("READY"))
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// Makes a folder, and those above it, which belongs to `owner` and has this mode (octal, such as `755`).
    ///
    /// # Errors
    /// When the server refuses.
    pub fn make_folder(&self, path: &str, owner: &str, mode: &str) -> Result<()> {
        self.operation(Method::PUT, path, &[("op", "MKDIRS")])?;
        self.operation(
            Method::PUT,
            path,
            &[("op", "SETOWNER"), ("owner", owner), ("group", owner)],
        )?;
        self.set_permission(path, mode)
    }

    /// Changes the mode (octal, such as `755`) of a file or folder.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn set_permission(&self, path: &str, mode: &str) -> Result<()> {
        let query = [("op", "SETPERMISSION"), ("permission", mode)];
        self.operation(Method::PUT, path, &query)?;
        Ok(())
    }

    /// Creates or replaces a file.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let query = [
            ("op", "CREATE"),
            ("overwrite", "true"),
            ("noredirect", "true"),
        ];
        let place: Value = serde_json::from_slice(&self.operation(Method::PUT, path, &query)?)?;
        let place = place["Location"].as_str().context("no Location")?;
        let request = self.client.put(place).body(bytes.to_vec());
        answer(request).with_context(|| format!("write {path}"))?;
        Ok(())
    }

    /// All of a file.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        self.operation(Method::GET, path, &[("op", "OPEN")])
    }

    /// Deletes a file, or a folder and all that is in it; it is fine if there is none.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn delete(&self, path: &str) -> Result<()> {
        let query = [("op", "DELETE"), ("recursive", "true")];
        self.operation(Method::DELETE, path, &query)?;
        Ok(())
    }

    /// What is in a folder, sorted by name; nothing if there is no such folder.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        let request = self.request(Method::GET, folder, &[("op", "LISTSTATUS")])?;
        let (status, body) = send(request)?;
        if status == 404 {
            return Ok(Vec::new());
        }
        let body: Value = serde_json::from_slice(&body)?;
        let entries = body["FileStatuses"]["FileStatus"].as_array();
        let mut entries: Vec<Entry> = entries
            .with_context(|| format!("list {folder}: {status} {body}"))?
            .iter()
            .map(|status| {
                let text = |name: &str| status[name].as_str().unwrap_or_default().to_owned();
                Entry {
                    path: format!("{}/{}", folder.trim_end_matches('/'), text("pathSuffix")),
                    is_folder: text("type") == "DIRECTORY",
                    length: status["length"].as_u64().unwrap_or_default(),
                    owner: text("owner"),
                    permission: text("permission"),
                }
            })
            .collect();
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(entries)
    }

    /// The paths of all files below a folder, sorted; none if there is no such folder.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn files(&self, folder: &str) -> Result<Vec<String>> {
        let mut open = vec![folder.to_owned()];
        let mut found = Vec::new();
        while let Some(folder) = open.pop() {
            for entry in self.list(&folder)? {
                if entry.is_folder {
                    open.push(entry.path);
                } else {
                    found.push(entry.path);
                }
            }
        }
        found.sort();
        Ok(found)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<RequestBuilder> {
        let mut url = Url::parse(&format!("http://127.0.0.1:{}/webhdfs/v1", self.ports[1]))?;
        url.path_segments_mut()
            .ok()
            .context("a URL with a path")?
            .extend(path.split('/').filter(|part| !part.is_empty()));
        Ok(self
            .client
            .request(method, url)
            .query(&[("user.name", SUPERUSER)])
            .query(query))
    }

    /// The body of the answer to an operation, as the superuser.
    fn operation(&self, method: Method, path: &str, query: &[(&str, &str)]) -> Result<Vec<u8>> {
        answer(self.request(method, path, query)?).with_context(|| format!("{query:?} {path}"))
    }
}

/// Status and body.
fn send(request: RequestBuilder) -> Result<(u16, Vec<u8>)> {
    runtime().block_on(async {
        let reply = request.send().await?;
        Ok((reply.status().as_u16(), reply.bytes().await?.to_vec()))
    })
}

/// The body, unless the status says that it failed.
fn answer(request: RequestBuilder) -> Result<Vec<u8>> {
    let (status, body) = send(request)?;
    if !(200..300).contains(&status) {
        bail!("{status} {}", String::from_utf8_lossy(&body));
    }
    Ok(body)
}
