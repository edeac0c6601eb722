//! Source tasks: they read an external system and hand records to the runtime.
//!
//! A task comes into being by starting ([`StartSourceTask`](crate::plugin::StartSourceTask)), so there is
//! none that is not started. Order: `poll` again and again with `commit` in between, then `stop`. All calls
//! come one after another from one tokio task; a long computation should give way now and then.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::config::Props;
use crate::connector::OffsetStorageReader;
use crate::error::Result;
use crate::reach::Reach;
use crate::record::{RecordMetadata, SourceRecord};

/// What the runtime offers a source task.
pub trait SourceTaskContext: Send + Sync {
    /// Configuration of the task, with variables resolved.
    fn configs(&self) -> &Props;

    /// Reads stored offsets of the connector.
    fn offset_storage_reader(&self) -> Arc<dyn OffsetStorageReader>;

    /// Is cancelled when the task is to stop: a waiting `poll` returns soon, with what it has or with `None`.
    fn stopping(&self) -> CancellationToken;

    /// What the task may reach, for files that it opens.
    fn reach(&self) -> &Reach;

    /// Defines transactions; only with exactly-once and `transaction.boundary=connector`.
    fn transaction_context(&self) -> Option<Arc<dyn TransactionContext>> {
        None
    }
}

/// Asks for the end of the transaction that holds the records of a task (KIP-618).
pub trait TransactionContext: Send + Sync {
    /// Commits after the batch that the next `poll` returns.
    fn commit_transaction(&self);
    /// Commits after this record, a record of the batch that the next `poll` returns.
    fn commit_transaction_after(&self, record: &SourceRecord);
    /// Aborts after the batch that the next `poll` returns.
    fn abort_transaction(&self);
    /// Aborts after this record.
    fn abort_transaction_after(&self, record: &SourceRecord);
}

/// A record that was written, or dropped.
#[derive(Debug, Clone, PartialEq)]
pub struct CommittedRecord {
    /// The record as polled, before transformations.
    pub record: SourceRecord,
    /// Where it was written; `None` if it was dropped by a transformation or a tolerated error.
    pub metadata: Option<RecordMetadata>,
}

/// A source task that runs.
#[async_trait]
pub trait SourceTask: Send {
    /// Version of the task where it is not that of its descriptor, for its status.
    fn version(&self) -> Option<&str> {
        None
    }

    /// The next records; `None` if there are none at the moment.
    ///
    /// The task paces itself: it waits for data, but no longer than about a second, and returns at once when
    /// [`SourceTaskContext::stopping`] is cancelled. The runtime does not drop a `poll` that is under way,
    /// unless the time for an orderly stop is over.
    ///
    /// # Errors
    /// A retriable error is logged and `poll` is called again; any other makes the task FAILED.
    async fn poll(&mut self) -> Result<Option<Vec<SourceRecord>>>;

    /// Called after offsets of all records so far acknowledged were stored. Errors are logged.
    async fn commit(&mut self) -> Result<()> {
        Ok(())
    }

    /// Whether [`SourceTask::commit_records`] shall be called; costs a copy of each record, so off by
    /// default.
    fn wants_record_commits(&self) -> bool {
        false
    }

    /// Called with records that were acknowledged by the broker, or dropped, in this order. Errors are
    /// logged.
    async fn commit_records(&mut self, records: &[CommittedRecord]) -> Result<()> {
        let _ = records;
        Ok(())
    }

    /// Ends the task, after the last `poll` and the last commit.
    ///
    /// # Errors
    /// Logged: the task has ended all the same.
    async fn stop(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
