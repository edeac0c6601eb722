//! Sink tasks: they take records from the runtime and write them to an external system.
//!
//! Order: `start`, then `open`, `put` and `pre_commit` as partitions and records come, `close` when
//! partitions go, then `stop`. All calls come one after another from one tokio task.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::config::{ParsedConfig, Props};
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

/// A sink task.
#[async_trait]
pub trait SinkTask: Send {
    /// Prepares for `open` and `put`.
    ///
    /// # Errors
    /// Any error makes the task FAILED; `stop` is still called.
    async fn start(&mut self, context: Arc<dyn SinkTaskContext>, props: &Props) -> Result<()>;

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

    /// Ends the task.
    async fn stop(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Reports a bad record, the error naming it by topic, partition and offset. The future ends when the report
/// is written.
///
/// # Errors
/// The error itself if nobody takes reports; errors are not tolerated.
pub fn report(
    reporter: Option<&dyn ErrantRecordReporter>,
    record: &SinkRecord,
    error: &ConnectError,
) -> Result<BoxFuture<'static, Result<()>>> {
    let error = ConnectError::new(
        error.kind(),
        format!(
            "record {}-{}@{}: {}",
            record.original_topic,
            record.original_kafka_partition,
            record.original_kafka_offset,
            error.message()
        ),
    );
    match reporter {
        Some(reporter) => reporter.report(record, error),
        None => Err(error),
    }
}

/// Counts failed attempts, for the keys `max.retries` and `retry.backoff.ms` of most sinks.
#[derive(Debug, Clone)]
pub struct Retries {
    most: u32,
    backoff: Duration,
    failed: u32,
}

impl Retries {
    /// As a configuration says, whose definition has both keys, of type INT.
    #[must_use]
    pub fn of(config: &ParsedConfig) -> Self {
        let backoff = u64::try_from(config.int("retry.backoff.ms")).unwrap_or_default();
        Self {
            most: u32::try_from(config.int("max.retries")).unwrap_or_default(),
            backoff: Duration::from_millis(backoff),
            failed: 0,
        }
    }

    /// Whether the attempt under way is the last one.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.failed >= self.most
    }

    /// An attempt was successful; the next one is the first again.
    pub fn succeeded(&mut self) {
        self.failed = 0;
    }

    /// What `put` answers after a failed attempt: the error as it is, whose repetition waits for the backoff,
    /// or one that is not retriable when no attempt is left.
    #[must_use]
    pub fn failed(&mut self, error: ConnectError, context: &dyn SinkTaskContext) -> ConnectError {
        self.failed_for(error, Duration::ZERO, context)
    }

    /// The same for a system that says how long to wait: the backoff is at least `pause`.
    #[must_use]
    pub fn failed_for(
        &mut self,
        error: ConnectError,
        pause: Duration,
        context: &dyn SinkTaskContext,
    ) -> ConnectError {
        if !error.is_retriable() {
            return error;
        }
        self.failed += 1;
        if self.failed > self.most {
            let most = self.most;
            let text = format!(
                "gave up after {} attempts (max.retries={most})",
                self.failed
            );
            return ConnectError::connect(text).caused_by(error);
        }
        tracing::warn!(attempt = self.failed, "{}", error.message());
        context.timeout(self.backoff.max(pause));
        error
    }
}
