//! The loop of a source task, exactly once (`ExactlyOnceWorkerSourceTask`, KIP-618): records and
//! their offsets are committed in one transaction of the task's own producer.
//!
//! Any failure of a transaction fails the task: what it polled since the last commit is not seen by
//! readers of committed records, and is read again after a restart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sluice_api::record::same_name;
use sluice_api::{
    CommittedRecord, ConnectError, ErrorKind, RecordMetadata, Result, SourceOffset,
    SourcePartition, SourceRecord, SourceTask, TopicPartition, TransactionContext,
};
use sluice_protocol::TargetState;
use tokio_util::sync::CancellationToken;

use super::polled_batch;
use super::record_sender::{AtOnce, Dispatch, RecordSender};
use crate::settings::TransactionBoundary;
use crate::worker::connector_offsets::ConnectorOffsets;
use crate::worker::offset_writer::OffsetWriter;
use crate::worker::producer::{AckChunk, MAX_CHUNK};
use crate::worker::task_context::TaskContext;
use crate::worker::transactional_producer::{TransactionalProducer, first_refusal, with_refusal};
use crate::worker::worker_task::{End, catch, target_state_changed};

/// Where transactions end, and when the next one does.
pub(super) enum Boundary {
    /// A transaction ends after each batch.
    Poll,
    /// After the batch that ends an interval.
    Interval {
        interval: Duration,
        next: tokio::time::Instant,
    },
    /// Where the task says.
    Connector(Arc<TransactionRequests>),
}

impl Boundary {
    /// The boundary of a task that starts now.
    pub(super) fn of(boundary: TransactionBoundary) -> Self {
        match boundary {
            TransactionBoundary::Poll => Self::Poll,
            TransactionBoundary::Connector => Self::Connector(Arc::default()),
            TransactionBoundary::Interval(interval) => Self::Interval {
                interval,
                next: tokio::time::Instant::now() + interval,
            },
        }
    }

    /// What the task can ask for, if it defines the boundaries.
    pub(super) fn requests(&self) -> Option<Arc<TransactionRequests>> {
        match self {
            Self::Connector(requests) => Some(Arc::clone(requests)),
            Self::Poll | Self::Interval { .. } => None,
        }
    }

    /// What is to be done after a batch.
    fn after_batch(&self) -> Result<Option<Ending>> {
        match self {
            Self::Poll => Ok(Some(Ending::Commit)),
            Self::Interval { next, .. } => {
                Ok((tokio::time::Instant::now() >= *next).then_some(Ending::Commit))
            }
            Self::Connector(requests) => requests.take_for_batch(),
        }
    }

    /// What is to be done when the task pauses or stops.
    fn at_pause(&self) -> Result<Option<Ending>> {
        match self {
            Self::Poll | Self::Interval { .. } => Ok(Some(Ending::Commit)),
            Self::Connector(requests) => requests.take_for_batch(),
        }
    }

    fn committed(&mut self) {
        if let Self::Interval { interval, next } = self {
            *next = tokio::time::Instant::now() + *interval;
        }
    }
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Commit,
    /// Its records are thrown away, their offsets are stored all the same.
    Abort,
}

#[derive(Default)]
struct Asked {
    commit: bool,
    abort: bool,
    commit_after: Vec<SourceRecord>,
    abort_after: Vec<SourceRecord>,
}

/// What a task asked for through its [`TransactionContext`] (`WorkerTransactionContext`).
#[derive(Default)]
pub(super) struct TransactionRequests(Mutex<Asked>);

fn ending(commit: bool, abort: bool, of: &str) -> Result<Option<Ending>> {
    match (commit, abort) {
        (true, true) => Err(ConnectError::new(
            ErrorKind::IllegalState,
            format!("Connector requested both commit and abort of {of} transaction"),
        )),
        (true, false) => Ok(Some(Ending::Commit)),
        (false, true) => Ok(Some(Ending::Abort)),
        (false, false) => Ok(None),
    }
}

impl TransactionRequests {
    fn take_for_batch(&self) -> Result<Option<Ending>> {
        let mut asked = self.0.lock();
        let commit = std::mem::take(&mut asked.commit);
        let abort = std::mem::take(&mut asked.abort);
        ending(commit, abort, "the same batch's")
    }

    fn take_for_record(&self, record: &SourceRecord) -> Result<Option<Ending>> {
        let mut asked = self.0.lock();
        let take = |records: &mut Vec<SourceRecord>| {
            let place = records.iter().position(|known| known == record);
            place.map(|place| records.swap_remove(place)).is_some()
        };
        let commit = take(&mut asked.commit_after);
        let abort = take(&mut asked.abort_after);
        ending(commit, abort, "the same record's")
    }
}

impl TransactionContext for TransactionRequests {
    fn commit_transaction(&self) {
        self.0.lock().commit = true;
    }

    fn commit_transaction_after(&self, record: &SourceRecord) {
        self.0.lock().commit_after.push(record.clone());
    }

    fn abort_transaction(&self) {
        self.0.lock().abort = true;
    }

    fn abort_transaction_after(&self, record: &SourceRecord) {
        self.0.lock().abort_after.push(record.clone());
    }
}

/// The producer of a task, and what belongs into its transactions.
pub(super) struct Transactions {
    producer: TransactionalProducer,
    offsets: ConnectorOffsets,
    boundary: Boundary,
}

impl Transactions {
    /// Transactions of an initialised producer.
    pub(super) fn new(
        producer: TransactionalProducer,
        offsets: ConnectorOffsets,
        boundary: Boundary,
    ) -> Self {
        Self {
            producer,
            offsets,
            boundary,
        }
    }
}

/// Runs a started task to its end.
pub(super) async fn run(
    context: &mut TaskContext,
    task: &mut Box<dyn SourceTask>,
    sender: RecordSender,
    transactions: Transactions,
    stopping: &CancellationToken,
) -> Result<End> {
    let mut state = Loop {
        context,
        sender,
        transactions,
        writer: OffsetWriter::default(),
        run: None,
        sent: 0,
        chunks: Vec::new(),
        remembered: Vec::new(),
        topics: Vec::new(),
        stopping: stopping.clone(),
    };
    let outcome = catch(state.execute_and_commit(task)).await;
    let Loop {
        sender,
        transactions,
        ..
    } = state;
    drop(sender);
    match &outcome {
        Ok(End::Stopped) => drop(transactions),
        Ok(End::Cancelled) => {}
        Err(_) => {
            let cancelled = context.cancelled.clone();
            tokio::select! {
                () = transactions.producer.abandon() => {}
                () = cancelled.cancelled() => {}
            }
        }
    }
    outcome
}

/// A record whose fate the task wants to hear of after the commit.
struct Remembered {
    record: SourceRecord,
    /// Chunk and number of a record that was sent.
    sent: Option<(Arc<AckChunk>, usize)>,
}

struct Loop<'a> {
    context: &'a mut TaskContext,
    sender: RecordSender,
    transactions: Transactions,
    writer: OffsetWriter,
    /// The partition of the last records and the offset of the last one, not yet noted in `writer`.
    run: Option<(Arc<SourcePartition>, Option<SourceOffset>)>,
    /// Records sent in the open transaction.
    sent: u64,
    /// Chunks of the open transaction, each with the number of its first record in there.
    chunks: Vec<(Arc<AckChunk>, usize)>,
    remembered: Vec<Remembered>,
    /// Topics written to in the open transaction.
    topics: Vec<bytestring::ByteString>,
    stopping: CancellationToken,
}

impl Loop<'_> {
    async fn execute_and_commit(&mut self, task: &mut Box<dyn SourceTask>) -> Result<End> {
        let cancelled = self.context.cancelled.clone();
        tokio::select! {
            ended = self.execute(task) => ended,
            () = cancelled.cancelled() => Ok(End::Cancelled),
        }
    }

    async fn execute(&mut self, task: &mut Box<dyn SourceTask>) -> Result<End> {
        loop {
            if self.context.is_stopping() || self.stopping.is_cancelled() {
                self.stopping.cancel();
                let ending = self.transactions.boundary.at_pause()?;
                self.end_transaction(ending, task).await?;
                return Ok(End::Stopped);
            }
            if self.context.is_paused() {
                self.pause(task).await?;
                continue;
            }
            let batch = self.poll(task).await?;
            self.send(batch, task).await?;
            let ending = self.transactions.boundary.after_batch()?;
            self.end_transaction(ending, task).await?;
            // Other tasks on this thread get their turn even if this one never waits.
            tokio::task::yield_now().await;
        }
    }

    async fn pause(&mut self, task: &mut Box<dyn SourceTask>) -> Result<()> {
        let ending = self.transactions.boundary.at_pause()?;
        self.end_transaction(ending, task).await?;
        self.context.metrics.set_state(false, true);
        self.context.listener.on_pause(&self.context.id);
        while self.context.is_paused() && !self.context.is_stopping() {
            target_state_changed(self.context).await;
        }
        if !self.context.is_stopping() {
            self.context.metrics.set_state(true, false);
            self.context.listener.on_resume(&self.context.id);
        }
        Ok(())
    }

    async fn poll(&mut self, task: &mut Box<dyn SourceTask>) -> Result<Vec<SourceRecord>> {
        let started = Instant::now();
        let polled = {
            let mut poll = Box::pin(catch(task.poll()));
            loop {
                tokio::select! {
                    biased;
                    polled = &mut poll => break polled,
                    changed = self.context.target_state.changed(), if !self.stopping.is_cancelled() => {
                        if changed.is_err() || *self.context.target_state.borrow() == TargetState::Stopped {
                            self.stopping.cancel();
                        }
                    }
                }
            }
        };
        polled_batch(self.context, &self.stopping, started, polled).await
    }

    async fn send(
        &mut self,
        mut batch: Vec<SourceRecord>,
        task: &mut Box<dyn SourceTask>,
    ) -> Result<()> {
        self.context
            .metrics
            .set_active(self.sent + batch.len() as u64);
        let requests = self.transactions.boundary.requests();
        for part in batch.chunks_mut(MAX_CHUNK) {
            let mut open = self.sender.producer.open_chunk(
                part.len(),
                &self.sender.signal,
                self.sender.keep_records,
            );
            let chunk = Arc::clone(open.chunk());
            self.chunks.push((Arc::clone(&chunk), 0));
            for (index, record) in part.iter_mut().enumerate() {
                self.raise_refusal()?;
                let ending = match &requests {
                    None => None,
                    Some(requests) => requests.take_for_record(record)?,
                };
                let dispatched = match self.sender.dispatch_at_once(&mut open, index, record) {
                    AtOnce::Sent => Dispatch::Sent(None),
                    AtOnce::Dropped => Dispatch::Dropped(None),
                    AtOnce::Rest(transformed) => {
                        self.sender
                            .dispatch(&mut open, index, record, transformed)
                            .await?
                    }
                };
                match dispatched {
                    Dispatch::Sent(kept) => self.note(record, kept, &chunk, index),
                    Dispatch::Dropped(kept) => {
                        self.remembered.extend(kept.map(|record| Remembered {
                            record: *record,
                            sent: None,
                        }));
                    }
                    Dispatch::Stopping => {
                        // What was not sent is read again after the restart.
                        self.stopping.cancel();
                        return Ok(());
                    }
                }
                if ending.is_some() {
                    self.end_transaction(ending, task).await?;
                    // The rest of the chunk belongs to the next transaction.
                    self.chunks.push((Arc::clone(&chunk), index + 1));
                }
            }
            drop(open);
            self.context.metrics.on_bytes(self.sender.take_bytes());
        }
        Ok(())
    }

    fn note(
        &mut self,
        source: &mut SourceRecord,
        kept: Option<Box<SourceRecord>>,
        chunk: &Arc<AckChunk>,
        index: usize,
    ) {
        self.sent += 1;
        let topic = &source.record.topic;
        let is_last = self
            .topics
            .last()
            .is_some_and(|last| same_name(last, topic));
        if !is_last && !self.topics.contains(topic) {
            self.topics.push(topic.clone());
        }
        if let Some(record) = kept {
            self.remembered.push(Remembered {
                record: *record,
                sent: Some((Arc::clone(chunk), index)),
            });
        }
        let Some(partition) = source.source_partition.take() else {
            return;
        };
        let offset = source.source_offset.take();
        match &mut self.run {
            Some((last, last_offset)) if Arc::ptr_eq(last, &partition) => *last_offset = offset,
            run => {
                if let Some((partition, offset)) = run.replace((partition, offset)) {
                    self.writer.offset(partition, offset);
                }
            }
        }
    }

    async fn end_transaction(
        &mut self,
        ending: Option<Ending>,
        task: &mut Box<dyn SourceTask>,
    ) -> Result<()> {
        match ending {
            None => Ok(()),
            Some(Ending::Commit) => self.commit(task).await,
            Some(Ending::Abort) => {
                if self.sent == 0 {
                    tracing::warn!(
                        task = %self.context.id,
                        "the task asked to abort a transaction, but none is open"
                    );
                } else {
                    tracing::info!(task = %self.context.id, records = self.sent, "aborting a transaction");
                    self.transactions
                        .producer
                        .abort()
                        .await
                        .map_err(|error| self.failed(error))?;
                    self.chunks.clear();
                    self.sent = 0;
                }
                self.commit(task).await
            }
        }
    }

    /// Commits the records sent and their offsets, if none of the records was refused.
    async fn commit(&mut self, task: &mut Box<dyn SourceTask>) -> Result<()> {
        let started = Instant::now();
        if let Err(error) = self.raise_refusal() {
            self.context.metrics.on_commit(started.elapsed(), false);
            return Err(error);
        }
        if let Some((partition, offset)) = self.run.take() {
            self.writer.offset(partition, offset);
        }
        let flush = self.writer.begin_flush();
        if flush.is_some() || self.sent > 0 {
            let records = self.writer.records(&self.context.id.connector)?;
            let Transactions {
                producer, offsets, ..
            } = &self.transactions;
            if let Err(error) = offsets.commit_with(producer, records).await {
                self.context.metrics.on_commit(started.elapsed(), false);
                return Err(self.failed(error));
            }
            if let Some(stored) = flush.and_then(|flush| self.writer.finish_flush(flush)) {
                self.context.metrics.on_source_offsets(stored.into_iter());
            }
            self.context.metrics.on_records_out(self.sent);
            self.context.metrics.transaction_size.record(self.sent);
            for topic in self.topics.drain(..) {
                self.context.topics.on_topic_used(&self.context.id, &topic);
            }
        }
        self.context.metrics.on_commit(started.elapsed(), true);
        self.context.metrics.set_active(0);
        self.transactions.boundary.committed();
        self.sent = 0;
        self.chunks.clear();
        self.tell(task).await;
        Ok(())
    }

    /// Fails if a record of the open transaction was refused. librdkafka aborts a transaction of which the
    /// broker did not take a record, but commits one of which it refused a record itself: too large, of an
    /// unknown partition or topic.
    fn raise_refusal(&mut self) -> Result<()> {
        if !self.sender.signal.take_failed() {
            return Ok(());
        }
        match self.refusal() {
            Some(refused) => Err(self.not_flushed(refused)),
            // What failed was aborted.
            None => Ok(()),
        }
    }

    fn refusal(&self) -> Option<ConnectError> {
        self.chunks
            .iter()
            .find_map(|(chunk, first)| first_refusal(chunk, *first))
    }

    fn failed(&self, error: ConnectError) -> ConnectError {
        self.not_flushed(with_refusal(error, self.refusal()))
    }

    fn not_flushed(&self, cause: ConnectError) -> ConnectError {
        ConnectError::connect(format!(
            "Failed to flush offsets and/or records for task {}",
            self.context.id
        ))
        .caused_by(cause)
    }

    /// Tells the task of its records and of the commit.
    async fn tell(&mut self, task: &mut Box<dyn SourceTask>) {
        if !self.remembered.is_empty() {
            let committed: Vec<CommittedRecord> =
                self.remembered.drain(..).map(committed).collect();
            if let Err(error) = catch(task.commit_records(&committed)).await {
                tracing::error!(
                    task = %self.context.id,
                    "the task's handling of committed records failed: {}",
                    error.trace().trim_end()
                );
            }
        }
        if let Err(error) = catch(task.commit()).await {
            tracing::error!(
                task = %self.context.id,
                "the task's handling of the offset commit failed: {}",
                error.trace().trim_end()
            );
        }
    }
}

fn committed(remembered: Remembered) -> CommittedRecord {
    let Remembered { record, sent } = remembered;
    let metadata = sent
        .and_then(|(chunk, index)| chunk.take_written(index))
        .map(|written| RecordMetadata {
            topic_partition: TopicPartition::new(record.record.topic.clone(), written.partition),
            offset: written.offset,
        });
    CommittedRecord { record, metadata }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_api::{ConnectRecord, Value};

    fn record(text: &str) -> SourceRecord {
        SourceRecord {
            record: ConnectRecord {
                topic: "t".into(),
                kafka_partition: None,
                key_schema: None,
                key: Value::Null,
                value_schema: None,
                value: Value::from(text),
                timestamp: None,
                headers: sluice_api::Headers::new(),
            },
            source_partition: None,
            source_offset: None,
        }
    }

    #[test]
    fn a_request_counts_for_its_record_once() {
        let requests = TransactionRequests::default();
        requests.commit_transaction_after(&record("a"));
        requests.abort_transaction_after(&record("b"));
        assert_eq!(requests.take_for_record(&record("c")).unwrap(), None);
        let first = requests.take_for_record(&record("a")).unwrap();
        assert_eq!(first, Some(Ending::Commit));
        assert_eq!(requests.take_for_record(&record("a")).unwrap(), None);
        let second = requests.take_for_record(&record("b")).unwrap();
        assert_eq!(second, Some(Ending::Abort));
        assert_eq!(requests.take_for_batch().unwrap(), None);
    }

    #[test]
    fn commit_and_abort_of_the_same_thing_are_refused() {
        let requests = TransactionRequests::default();
        requests.commit_transaction();
        requests.abort_transaction();
        let error = requests.take_for_batch().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IllegalState);
        requests.commit_transaction_after(&record("a"));
        requests.abort_transaction_after(&record("a"));
        assert!(requests.take_for_record(&record("a")).is_err());
    }
}
