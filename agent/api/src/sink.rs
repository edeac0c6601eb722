//! Sink tasks: they take records from the runtime and write them to an external system.
//!
//! A task comes into being by starting ([`StartSinkTask`](crate::plugin::StartSinkTask)), so there is none
//! that is not started. Order: `open`, `put` and `pre_commit` as partitions and records come, `close` when
//! partitions go, then `stop`. All calls come one after another from one tokio task.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::config::Props;
use crate::error::{ConnectError, Result};
use crate::reach::Reach;
use crate::record::{OffsetAndMetadata, SinkRecord, TopicPartition};

/// Offsets by partition.
pub type SinkOffsets = BTreeMap<TopicPartition, OffsetAndMetadata>;

/// What the runtime offers a sink task. All methods may be called at any time while the task runs.
pub trait SinkTaskContext: Send + Sync {
    /// Configuration of the task, with variables resolved.
    fn configs(&self) -> &Props;

    /// Reads on from these offsets, before the next `put`, or right after `open`.
    fn offsets(&self, offsets: &BTreeMap<TopicPartition, i64>);

    /// Limits the next wait for records, once; also the wait before a failed `put` is repeated.
    fn timeout(&self, timeout: Duration);

    /// Partitions assigned at the moment.
    fn assignment(&self) -> Vec<TopicPartition>;

    /// Stops reading from partitions.
    ///
    /// # Errors
    /// A partition is not assigned.
    fn pause(&self, partitions: &[TopicPartition]) -> Result<()>;

    /// Reads from paused partitions again.
    ///
    /// # Errors
    /// A partition is not assigned.
    fn resume(&self, partitions: &[TopicPartition]) -> Result<()>;

    /// Commits soon rather than at the next interval.
    fn request_commit(&self);

    /// Reports bad records; `None` without dead letter queue and error log.
    fn errant_record_reporter(&self) -> Option<Arc<dyn ErrantRecordReporter>>;

    /// Is cancelled when the task is to stop.
    fn stopping(&self) -> CancellationToken;

    /// What the task may reach, for files that it opens.
    fn reach(&self) -> &Reach;
}

/// Takes records that a sink task can't write (KIP-610).
pub trait ErrantRecordReporter: Send + Sync {
    /// Reports a record. The future ends when the report is written; offsets are committed only after it.
    ///
    /// # Errors
    /// Errors are not tolerated: the task must fail.
    fn report(
        &self,
        record: &SinkRecord,
        error: ConnectError,
    ) -> Result<BoxFuture<'static, Result<()>>>;
}

/// A sink task that runs.
#[async_trait]
pub trait SinkTask: Send {
    /// Version of the task where it is not that of its descriptor, for its status.
    fn version(&self) -> Option<&str> {
        None
    }

    /// Partitions were newly assigned.
    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let _ = partitions;
        Ok(())
    }

    /// Takes records; also called with none, in each turn of the loop.
    ///
    /// # Errors
    /// A retriable error brings the same records again; any other makes the task FAILED.
    async fn put(&mut self, records: &[SinkRecord]) -> Result<()>;

    /// Answers the offsets that are safe to commit, given those of all records that were put.
    ///
    /// Calls `flush` and answers `current` by default. An empty answer commits nothing.
    async fn pre_commit(&mut self, current: &SinkOffsets) -> Result<SinkOffsets> {
        self.flush(current).await?;
        Ok(current.clone())
    }

    /// Makes all records that were put durable.
    async fn flush(&mut self, current: &SinkOffsets) -> Result<()> {
        let _ = current;
        Ok(())
    }

    /// Partitions are taken away: after `pre_commit`, or without it if they are lost already.
    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let _ = partitions;
        Ok(())
    }

    /// Ends the task, after the last `put` and the last commit.
    ///
    /// # Errors
    /// Logged: the task has ended all the same.
    async fn stop(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
