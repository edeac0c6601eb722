//! What the writer will commit: changes to both keyspaces of the store in one atomic batch, and what readers
//! are shown once they are in it.

use std::collections::BTreeSet;
use std::sync::Arc;

use fjall::{OwnedWriteBatch as WriteBatch, PersistMode};

use super::keys::{self, PartitionId};
use super::{Store, StoreError};

/// The changes of all jobs that are committed together.
pub(crate) struct Commit {
    batch: WriteBatch,
    store: Arc<Store>,
    bytes: usize,
    pub(crate) changed: Changed,
    /// Whether there is space for more.
    has_space: bool,
    /// Time of the commit, in milliseconds since 1970.
    pub(crate) now: i64,
}

/// What a commit changed of the picture that readers have.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    pub(crate) partitions: BTreeSet<PartitionId>,
    /// Bytes appended, by partition.
    pub(crate) appended: Vec<(PartitionId, u64)>,
    /// Whether topics were made, changed or deleted.
    pub(crate) topics: bool,
}

impl Commit {
    /// An empty commit; `now` is its time in milliseconds since 1970.
    pub(crate) fn new(store: Arc<Store>, has_space: bool, now: i64) -> Self {
        Self {
            batch: store.database.batch(),
            store,
            bytes: 0,
            changed: Changed::default(),
            has_space,
            now,
        }
    }

    /// Whether something may grow.
    ///
    /// # Errors
    /// If the disk is full.
    pub(crate) fn check_space(&self) -> Result<(), StoreError> {
        if self.has_space {
            Ok(())
        } else {
            Err(StoreError::Full)
        }
    }

    /// Stores a batch of a partition.
    pub(crate) fn put_batch(&mut self, partition: PartitionId, last_offset: i64, bytes: Vec<u8>) {
        self.changed.appended.push((partition, bytes.len() as u64));
        self.changed.partitions.insert(partition);
        self.replace_batch(partition, last_offset, Some(bytes));
    }

    /// Writes another batch in the place of one, or nothing.
    pub(crate) fn replace_batch(
        &mut self,
        partition: PartitionId,
        last_offset: i64,
        bytes: Option<Vec<u8>>,
    ) {
        let key = keys::batch(partition, last_offset);
        match bytes {
            Some(bytes) => {
                self.bytes += bytes.len();
                self.batch.insert(&self.store.log, key, bytes);
            }
            None => self.batch.remove(&self.store.log, key),
        }
    }

    /// Stores a value of the state.
    pub(crate) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.bytes += key.len() + value.len();
        self.batch.insert(&self.store.state, key, value);
    }

    /// Removes a value of the state.
    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.batch.remove(&self.store.state, key);
    }

    /// The store as of the last commit.
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Bytes of what was put in, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Writes everything or nothing; readers may be shown what is returned.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub(crate) fn write(self, mode: PersistMode) -> Result<Changed, StoreError> {
        if !self.batch.is_empty() {
            self.batch
                .durability(Some(mode))
                .commit()
                .map_err(StoreError::failed("write"))?;
        }
        Ok(self.changed)
    }
}
