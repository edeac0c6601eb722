//! Where the data is: an LSM store in two keyspaces, `log` for batches and `state` for everything else.
//!
//! One thread writes (`writer`); everybody may read. A commit of the writer is atomic over both keyspaces,
//! so a batch, the producer's sequence numbers, the end of a transaction and its offsets are on disk together
//! or not at all.

mod commit;
pub(crate) mod keys;
mod reader;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fjall::config::{BlockSizePolicy, CompressionPolicy, FilterPolicy};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode};
use parking_lot::RwLock;

pub(crate) use commit::{Changed, Commit};
pub(crate) use reader::StoreReader;

/// Bytes of batches in memory before they are sorted into files.
pub(crate) const LOG_MEMTABLE: usize = 4 << 20;
/// So often may that much wait to be written to files.
const SEALED: usize = 1;
/// Longest wait for files to be written; after it the store's own limit holds.
const FLUSH_LIMIT: Duration = Duration::from_secs(10);
/// The same for everything else.
const STATE_MEMTABLE: u64 = 1 << 20;
/// Blocks of files kept in memory.
const CACHE: u64 = 8 << 20;
/// Batches up to this size lie in the tables themselves; larger ones in files of their own, which are not
/// rewritten when tables are merged.
const SEPARATED_FROM: u32 = 256;
/// Size of the files of large batches.
const BLOB_FILE: u64 = 16 << 20;
/// Journals are dropped when they reach this size and what is in them is in tables.
const JOURNAL: u64 = 64 << 20;

/// Why data cannot be read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another process has the folder.
    #[error("{path} is in use by another broker", path = .0.display())]
    InUse(PathBuf),
    /// The store failed, or the system did.
    #[error("cannot {doing}: {reason}")]
    Failed {
        /// What was attempted, in words that follow "cannot".
        doing: &'static str,
        /// What the store or the system says about it.
        reason: String,
    },
    /// A stored value makes no sense.
    #[error("stored {0} is damaged")]
    Damaged(&'static str),
    /// The disk is full, or nearly so.
    #[error("no space is left on the disk")]
    Full,
    /// The broker has stopped, or the store is being opened again after a failure.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    pub(crate) fn failed(doing: &'static str) -> impl FnOnce(fjall::Error) -> Self {
        move |error| Self::Failed {
            doing,
            reason: match error {
                fjall::Error::Io(error) => error.to_string(),
                other => other.to_string(),
            },
        }
    }
}

/// The open store; whoever holds it keeps it from being opened again.
pub(crate) struct Store {
    pub(crate) database: Database,
    pub(crate) log: Keyspace,
    pub(crate) state: Keyspace,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `path`, or makes it.
    ///
    /// # Errors
    /// If another process has it, or it cannot be read.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let database = Database::builder(path)
            .cache_size(CACHE)
            .worker_threads(1)
            .max_journaling_size(JOURNAL)
            .open()
            .map_err(|error| match error {
                fjall::Error::Locked => StoreError::InUse(path.to_owned()),
                other => StoreError::failed("open the store")(other),
            })?;
        let log = database
            .keyspace("log", || {
                KeyspaceCreateOptions::default()
                    // Only a limit: the writer has them written before.
                    .max_memtable_size(4 * LOG_MEMTABLE as u64)
                    .data_block_compression_policy(CompressionPolicy::disabled())
                    .data_block_size_policy(BlockSizePolicy::all(16 << 10))
                    .filter_policy(FilterPolicy::disabled())
                    .with_kv_separation(Some(
                        KvSeparationOptions::default()
                            .separation_threshold(SEPARATED_FROM)
                            .file_target_size(BLOB_FILE),
                    ))
            })
            .map_err(StoreError::failed("open the log"))?;
        let state = database
            .keyspace("state", || {
                KeyspaceCreateOptions::default().max_memtable_size(STATE_MEMTABLE)
            })
            .map_err(StoreError::failed("open the state"))?;
        Ok(Self {
            database,
            log,
            state,
        })
    }

    /// Forces everything written to the disk.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.database
            .persist(PersistMode::SyncData)
            .map_err(StoreError::failed("force data to the disk"))
    }

    /// Has what the log holds in memory written to files, and waits while more than a little waits for that
    /// already.
    ///
    /// The store would do so by itself, but on the thread that also writes the files and merges them: while
    /// that is busy, what is held in memory grows without a bound.
    ///
    /// # Errors
    /// If the store does not work.
    pub(crate) fn write_out(&self) -> Result<(), StoreError> {
        self.log
            .rotate_memtable()
            .map_err(StoreError::failed("write"))?;
        let begin = Instant::now();
        while self.log.sealed_memtable_count() > SEALED && begin.elapsed() < FLUSH_LIMIT {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Bytes that the log takes on the disk.
    pub(crate) fn log_size(&self) -> u64 {
        self.log.disk_space()
    }

    /// Gives back the space of batches that were removed. Large batches lie in files of their own, so this
    /// writes little but their keys.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub(crate) fn reclaim(&self) -> Result<(), StoreError> {
        self.log
            .rotate_memtable_and_wait()
            .and_then(|()| self.log.major_compact())
            .map_err(StoreError::failed("reclaim space"))
    }

    /// One value of the state.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.state
            .get(key)
            .map(|value| value.map(Bytes::from))
            .map_err(StoreError::failed("read the state"))
    }

    /// All values of the state whose key begins with `prefix`.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(crate) fn prefix(&self, prefix: &[u8]) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.state
            .prefix(prefix)
            .map(|item| {
                item.into_inner()
                    .map(|(key, value)| (Bytes::from(key), Bytes::from(value)))
                    .map_err(StoreError::failed("read the state"))
            })
            .collect()
    }
}

/// The store as readers reach it: away for a moment when it is opened again after a failure.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoreHandle(Arc<RwLock<Option<Arc<Store>>>>);

impl StoreHandle {
    /// The store. Held only while something is read, since it is opened again when no reader holds it.
    ///
    /// # Errors
    /// If it is not open.
    pub(crate) fn get(&self) -> Result<Arc<Store>, StoreError> {
        self.0.read().clone().ok_or(StoreError::Closed)
    }

    pub(crate) fn set(&self, store: Option<Arc<Store>>) -> Option<Arc<Store>> {
        std::mem::replace(&mut *self.0.write(), store)
    }
}
