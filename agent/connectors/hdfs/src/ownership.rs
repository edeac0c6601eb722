//! Which task may write the files of a topic's partition: the one whose folder stands.
//!
//! A task keeps what is not finished in a folder of its own, `topics.dir/+tmp/topic/partition/connector+id`.
//! Whoever takes a partition makes such a folder first and then deletes those of all others. Finished files
//! are renamed out of the folder, so a task that was left for dead (a frozen process, a lost network) has
//! nothing left to rename when it comes back: name nodes do one thing after another, and either its rename
//! came before the deletion, and the new owner, who looks at names after deleting, sees the file; or it
//! fails. Of two tasks that take a partition at the same time at most one is left.
//!
//! A rotation that ends several files at once (one per folder of the partitioner) has to be all or nothing
//! too. Such files are in a folder with a list of their final names; the folder is renamed to `commit+...`,
//! which is the moment that counts, and then emptied file by file, by whoever comes first.

use std::collections::HashMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sluice_api::TopicPartition;
use uuid::Uuid;

use crate::error::{Fault, StoreResult};
use crate::file_name::FileName;
use crate::store::Store;

/// The folder of what is not finished, below `topics.dir`.
pub(crate) const TEMPORARY: &str = "+tmp";
/// Begins the names of folders whose files count but are not where they belong yet.
const COMMIT: &str = "commit+";
/// The list of final names in such a folder.
const LIST: &str = "list";
/// Characters that stay as they are in the name of a connector's folder.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// The right to write the files of a partition, until another task takes it.
#[derive(Debug, Clone)]
pub(crate) struct Ownership {
    /// `topics.dir/+tmp/topic/partition`.
    base: String,
    /// `connector+id`.
    id: String,
    groups: u64,
}

/// A file that is finished but for its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finished {
    /// Name in the group's folder.
    pub(crate) name: String,
    /// Final path; its folder exists.
    pub(crate) path: String,
}

impl Ownership {
    /// Takes a partition from whoever had it, for a connector.
    ///
    /// # Errors
    /// HDFS's; [`Fault::Shared`] if another connector writes it.
    pub(crate) async fn take(
        store: &Store,
        topics_dir: &str,
        connector: &str,
        partition: &TopicPartition,
    ) -> StoreResult<Self> {
        let connector = utf8_percent_encode(connector, PLAIN).to_string();
        let base = format!(
            "{topics_dir}/{TEMPORARY}/{}/{}",
            partition.topic, partition.partition
        );
        let own = Self {
            id: format!("{connector}+{}", Uuid::new_v4().simple()),
            base,
            groups: 0,
        };
        store.make_folder(&own.folder()).await?;
        for name in own.names(store).await? {
            if name == own.id || name.starts_with(COMMIT) {
                continue;
            }
            let path = format!("{}/{name}", own.base);
            if name.split('+').next() != Some(&connector) {
                store.delete(&own.folder()).await?;
                let what = format!("taking {partition} in {topics_dir}");
                let message =
                    format!("another connector writes it too, or has not ended well: {path}");
                return Err(store.fault(Fault::Shared, what, message));
            }
            tracing::info!("deleting what a task has left: {path}");
            store.delete(&path).await?;
        }
        // Nobody else can commit from here on; what was committed before and is not in place is put there.
        for name in own.names(store).await? {
            if name.starts_with(COMMIT) {
                finish(store, &format!("{}/{name}", own.base)).await?;
            }
        }
        Ok(own)
    }

    fn folder(&self) -> String {
        format!("{}/{}", self.base, self.id)
    }

    async fn names(&self, store: &Store) -> StoreResult<Vec<String>> {
        let children = store.children(&self.base).await?;
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(children.iter().map(|child| name(&child.path)).collect())
    }

    /// Begins a group of files that will be committed together, and answers its folder.
    pub(crate) async fn begin_group(&mut self, store: &Store) -> StoreResult<String> {
        self.groups += 1;
        let group = format!("{}/{}", self.folder(), self.groups);
        // Not below a folder that was deleted: that would bring it back.
        store.make_subfolder(&group).await?;
        Ok(group)
    }

    /// Commits a group: each of its files has its final name, or none has.
    pub(crate) async fn commit(
        &self,
        store: &Store,
        group: &str,
        files: &[Finished],
    ) -> StoreResult<()> {
        if let [only] = files {
            return store
                .rename(&format!("{group}/{}", only.name), &only.path)
                .await;
        }
        let mut list = String::new();
        for Finished { name, path } in files {
            list.push_str(name);
            list.push('\t');
            list.push_str(path);
            list.push('\n');
        }
        let mut file = store.create(&format!("{group}/{LIST}")).await?;
        file.write(list.into()).await?;
        file.close().await?;
        let committed = format!("{}/{COMMIT}{}+{}", self.base, self.id, self.groups);
        store.rename(group, &committed).await?;
        finish(store, &committed).await
    }

    /// Deletes what is not committed. Best effort: the next owner does it too.
    pub(crate) async fn give_up(self, store: &Store) {
        if let Err(error) = store.delete(&self.folder()).await {
            tracing::warn!("{error}");
        }
    }
}

/// Moves files of a committed group to where they belong. Several may do it at the same time.
async fn finish(store: &Store, committed: &str) -> StoreResult<()> {
    let list = match store.read(&format!("{committed}/{LIST}")).await {
        Ok(list) => list,
        // Another has finished it.
        Err(error) if error.fault == Fault::Gone => return Ok(()),
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&list);
    for line in text.lines() {
        let Some((name, path)) = line.split_once('\t') else {
            continue;
        };
        let from = format!("{committed}/{name}");
        match store.rename(&from, path).await {
            Ok(()) => continue,
            Err(error) if error.fault != Fault::Gone => return Err(error),
            Err(_) => {}
        }
        // Another has moved it, or somebody has deleted the folder where it belongs.
        if let Some((folder, _)) = path.rsplit_once('/') {
            store.make_folder(folder).await?;
        }
        match store.rename(&from, path).await {
            Err(error) if error.fault != Fault::Gone => return Err(error),
            _ => {}
        }
    }
    store.delete(committed).await
}

/// The greatest end offset of each partition of a topic, by the names of its files.
pub(crate) async fn last_offsets(
    store: &Store,
    topics_dir: &str,
    topic: &str,
) -> StoreResult<HashMap<i32, i64>> {
    let mut last: HashMap<i32, i64> = HashMap::new();
    store
        .visit(&format!("{topics_dir}/{topic}"), true, |status| {
            let Some(name) = FileName::parse(&status.path).filter(|_| !status.isdir) else {
                return;
            };
            if name.topic == topic {
                let known = last.entry(name.partition).or_insert(name.end);
                *known = (*known).max(name.end);
            }
        })
        .await?;
    Ok(last)
}
