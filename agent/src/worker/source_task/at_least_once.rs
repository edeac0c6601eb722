//! The loop of a source task, at least once (`WorkerSourceTask`): poll, send, commit offsets.
//!
//! Offsets are committed for records the broker has, in order per source partition (see
//! [`super::super::submitted`]), every `offset.flush.interval.ms` and at the end, never before.
//! When the producer's queue is full the loop waits; a task that polls faster than Kafka takes is
//! so held back, and memory stays bounded.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytestring::ByteString;
use sluice_api::record::same_name;
use sluice_api::{CommittedRecord, ConnectError, ErrorKind, Result, SourceRecord, SourceTask};
use sluice_protocol::TargetState;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::polled_batch;
use super::record_sender::{AtOnce, Dispatch, RecordSender, Subject};
use crate::storage::OffsetBackingStore;
use crate::worker::errors::{Stage, Tolerated};
use crate::worker::offset_writer::{OffsetWriter, OffsetsByPartition, storage_error};
use crate::worker::producer::MAX_CHUNK;
use crate::worker::submitted::SubmittedRecords;
use crate::worker::task_context::TaskContext;
use crate::worker::worker_task::{self, End, catch, target_state_changed};

/// Runs a started task to its end.
pub(super) async fn run(
    context: &mut TaskContext,
    task: &mut Box<dyn SourceTask>,
    sender: RecordSender,
    store: Arc<dyn OffsetBackingStore>,
    stopping: &CancellationToken,
) -> Result<End> {
    let interval = context
        .worker
        .offset_flush_interval
        .max(Duration::from_millis(1));
    let mut state = Loop {
        next_commit: tokio::time::Instant::now() + interval,
        interval,
        commits: Commits {
            writer: OffsetWriter::default(),
            store,
            under_way: None,
        },
        sender,
        submitted: SubmittedRecords::default(),
        dropped: Vec::new(),
        commit_due: false,
        active: 0,
        async_error: None,
        stopping: stopping.clone(),
        context,
    };
    let outcome = catch(state.execute(task)).await;
    let cancelled = state.context.cancelled.clone();
    worker_task::finish(&outcome, &cancelled, state.finish(task)).await;
    crate::worker::producer::release(state.sender.producer);
    outcome
}

/// A commit whose records are on their way to the offsets topic.
struct CommitUnderWay {
    flush: u64,
    started: Instant,
    write: JoinHandle<Result<()>>,
}

/// Offsets to store, and the commit under way.
struct Commits {
    writer: OffsetWriter,
    store: Arc<dyn OffsetBackingStore>,
    under_way: Option<CommitUnderWay>,
}

impl Commits {
    /// Waits for the end of the commit under way; for ever if there is none.
    async fn ended(&mut self) -> (u64, Instant, Result<()>) {
        let Some(commit) = &mut self.under_way else {
            return std::future::pending().await;
        };
        let result = match (&mut commit.write).await {
            Ok(result) => result,
            Err(error) => Err(ConnectError::connect(error.to_string())),
        };
        let ended = (commit.flush, commit.started, result);
        self.under_way = None;
        ended
    }
}

struct Loop<'a> {
    context: &'a mut TaskContext,
    sender: RecordSender,
    submitted: SubmittedRecords,
    commits: Commits,
    next_commit: tokio::time::Instant,
    interval: Duration,
    /// `SourceTask::commit` is to be called when the task is free.
    commit_due: bool,
    /// Records that were dropped, for tasks that want to hear of each.
    dropped: Vec<CommittedRecord>,
    /// Records polled and neither acknowledged nor dropped.
    active: u64,
    async_error: Option<ConnectError>,
    stopping: CancellationToken,
}

impl Loop<'_> {
    async fn execute(&mut self, task: &mut Box<dyn SourceTask>) -> Result<End> {
        loop {
            if self.context.is_stopping() || self.stopping.is_cancelled() {
                self.stopping.cancel();
                return Ok(End::Stopped);
            }
            if self.context.is_paused() {
                self.pause(task).await?;
                continue;
            }
            self.take_acknowledged(task).await;
            self.call_commit(task).await;
            self.raise_async_error()?;
            let Some(batch) = self.poll(task).await? else {
                return Ok(End::Cancelled);
            };
            if !batch.is_empty() {
                self.send(batch).await?;
            }
            // Other tasks on this thread get their turn even if this one never waits.
            tokio::task::yield_now().await;
        }
    }

    async fn pause(&mut self, task: &mut Box<dyn SourceTask>) -> Result<()> {
        self.context.metrics.set_state(false, true);
        self.context.listener.on_pause(&self.context.id);
        while self.context.is_paused() && !self.context.is_stopping() {
            self.call_commit(task).await;
            tokio::select! {
                () = target_state_changed(self.context) => {}
                () = tokio::time::sleep_until(self.next_commit) => self.begin_commit(),
                ended = self.commits.ended() => self.end_commit(ended),
            }
        }
        if !self.context.is_stopping() {
            self.context.metrics.set_state(true, false);
            self.context.listener.on_resume(&self.context.id);
        }
        Ok(())
    }

    /// Polls, and commits offsets meanwhile; `None` if the task was cancelled.
    async fn poll(&mut self, task: &mut Box<dyn SourceTask>) -> Result<Option<Vec<SourceRecord>>> {
        let started = Instant::now();
        let polled = {
            let mut poll: Pin<Box<_>> = Box::pin(catch(task.poll()));
            loop {
                tokio::select! {
                    biased;
                    polled = &mut poll => break polled,
                    () = self.context.cancelled.cancelled() => return Ok(None),
                    ended = self.commits.ended() => self.end_commit(ended),
                    () = tokio::time::sleep_until(self.next_commit) => {
                        let taken = self.take_committable();
                        self.dropped.extend(taken);
                        self.begin_commit();
                    }
                    changed = self.context.target_state.changed(), if !self.stopping.is_cancelled() => {
                        if changed.is_err() || *self.context.target_state.borrow() == TargetState::Stopped {
                            self.stopping.cancel();
                        }
                    }
                }
            }
        };
        // A poll that always has something must not keep commits from their turn.
        if tokio::time::Instant::now() >= self.next_commit {
            let taken = self.take_committable();
            self.dropped.extend(taken);
            self.begin_commit();
        }
        let batch = polled_batch(self.context, &self.stopping, started, polled).await?;
        if !batch.is_empty() {
            self.active += batch.len() as u64;
            self.context.metrics.set_active(self.active);
        }
        Ok(Some(batch))
    }

    /// Moves acknowledged offsets to the writer; answers records for tasks that want to hear of each.
    fn take_committable(&mut self) -> Vec<CommittedRecord> {
        let mut offsets = OffsetsByPartition::new();
        let taken = self.submitted.take_committable(&mut offsets);
        for (partition, offset) in offsets {
            self.commits.writer.offset(partition, offset);
        }
        if taken.records > 0 {
            self.context.metrics.on_records_out(taken.records);
            self.active = self.active.saturating_sub(taken.records);
            self.context.metrics.set_active(self.active);
        }
        for topic in &taken.topics {
            self.context.topics.on_topic_used(&self.context.id, topic);
        }
        taken.committed
    }

    async fn take_acknowledged(&mut self, task: &mut Box<dyn SourceTask>) {
        self.take_failures().await;
        let committed = self.take_committable();
        if !self.sender.keep_records {
            return;
        }
        let mut records = std::mem::take(&mut self.dropped);
        records.extend(committed);
        if !records.is_empty()
            && let Err(error) = catch(task.commit_records(&records)).await
        {
            tracing::error!(
                task = %self.context.id,
                "the task's handling of committed records failed: {}",
                error.trace().trim_end()
            );
        }
    }

    async fn take_failures(&mut self) {
        if !self.sender.signal.take_failed() {
            return;
        }
        for failed in self.submitted.take_failures() {
            let error = ConnectError::new(ErrorKind::Kafka, failed.error.to_string());
            tracing::error!(
                task = %self.context.id,
                "failed to send a record: {}",
                failed.error
            );
            if !self.sender.errors.settings().tolerate_all {
                if self.async_error.is_none() {
                    self.async_error = Some(
                        ConnectError::connect(
                            "Unrecoverable exception from producer send callback",
                        )
                        .caused_by(error),
                    );
                }
                continue;
            }
            let subject = Subject(Some(failed.described.clone()));
            let class = "org.apache.kafka.connect.source.SourceTask";
            let _: Tolerated<()> = self
                .sender
                .errors
                .failed(Stage::KafkaProduce, class, &subject, error)
                .await;
            failed.tolerate();
        }
    }

    fn raise_async_error(&mut self) -> Result<()> {
        self.async_error.clone().map_or(Ok(()), Err)
    }

    async fn call_commit(&mut self, task: &mut Box<dyn SourceTask>) {
        if !std::mem::take(&mut self.commit_due) {
            return;
        }
        if let Err(error) = catch(task.commit()).await {
            tracing::error!(
                task = %self.context.id,
                "the task's handling of the offset commit failed: {}",
                error.trace().trim_end()
            );
        }
    }

    /// Begins to store the offsets noted so far, unless a commit is under way.
    fn begin_commit(&mut self) {
        self.next_commit = tokio::time::Instant::now() + self.interval;
        if self.commits.under_way.is_some() {
            tracing::warn!(task = %self.context.id, "the previous offset commit is still under way");
            return;
        }
        let started = Instant::now();
        let Some(flush) = self.commits.writer.begin_flush() else {
            self.context.metrics.on_commit(started.elapsed(), true);
            self.commit_due = true;
            return;
        };
        let records = match self.commits.writer.records(&self.context.id.connector) {
            Ok(records) => records,
            Err(error) => {
                tracing::error!(
                    task = %self.context.id,
                    "CRITICAL: Failed to serialize offset data, cannot commit offsets: {}",
                    error.trace().trim_end()
                );
                self.commits.writer.cancel_flush();
                self.context.metrics.on_commit(started.elapsed(), false);
                return;
            }
        };
        let store = Arc::clone(&self.commits.store);
        let timeout = self.context.worker.offset_flush_timeout;
        let write = tokio::spawn(async move {
            match tokio::time::timeout(timeout, store.set(records)).await {
                Ok(written) => written.map_err(|error| storage_error(&error)),
                Err(_) => Err(ConnectError::timeout(format!(
                    "offsets were not written within {} ms",
                    timeout.as_millis()
                ))),
            }
        });
        self.commits.under_way = Some(CommitUnderWay {
            flush,
            started,
            write,
        });
    }

    fn end_commit(&mut self, (flush, started, result): (u64, Instant, Result<()>)) {
        match result {
            Ok(()) => {
                if let Some(stored) = self.commits.writer.finish_flush(flush) {
                    self.context.metrics.on_source_offsets(stored.into_iter());
                }
                self.context.metrics.on_commit(started.elapsed(), true);
                self.commit_due = true;
            }
            Err(error) => {
                tracing::error!(
                    task = %self.context.id,
                    "failed to commit offsets, will try again: {}",
                    error.trace().trim_end()
                );
                self.commits.writer.cancel_flush();
                self.context.metrics.on_commit(started.elapsed(), false);
            }
        }
    }

    /// Waits for acknowledgements and commits, at the end of the task.
    async fn finish(&mut self, task: &mut Box<dyn SourceTask>) {
        let timeout = self.context.worker.offset_flush_timeout;
        let deadline = tokio::time::Instant::now() + timeout;
        while !self.submitted.all_reported() {
            let notified = self.sender.signal.notify.notified();
            if tokio::time::timeout_at(deadline, notified).await.is_err() {
                tracing::warn!(
                    task = %self.context.id,
                    pending = self.submitted.pending(),
                    "not all records were acknowledged in time; they will be sent again after a restart"
                );
                break;
            }
        }
        self.take_acknowledged(task).await;
        if self.commits.under_way.is_some() {
            let ended = self.commits.ended().await;
            self.end_commit(ended);
        }
        self.begin_commit();
        if self.commits.under_way.is_some() {
            let ended = self.commits.ended().await;
            self.end_commit(ended);
        }
        self.call_commit(task).await;
    }

    async fn send(&mut self, mut batch: Vec<SourceRecord>) -> Result<()> {
        for part in batch.chunks_mut(MAX_CHUNK) {
            let mut open = self.sender.producer.open_chunk(
                part.len(),
                &self.sender.signal,
                self.sender.keep_records,
            );
            self.submitted.begin_chunk(Arc::clone(open.chunk()));
            let mut last_topic = ByteString::new();
            let mut outcome = Ok(true);
            for (index, record) in part.iter_mut().enumerate() {
                if self.sender.signal.has_failed() || self.async_error.is_some() {
                    self.take_failures().await;
                    if let Err(error) = self.raise_async_error() {
                        outcome = Err(error);
                        break;
                    }
                }
                let dispatched = match self.sender.dispatch_at_once(&mut open, index, record) {
                    AtOnce::Sent => Ok(Dispatch::Sent(None)),
                    AtOnce::Dropped => Ok(Dispatch::Dropped(None)),
                    AtOnce::Rest(transformed) => {
                        self.sender
                            .dispatch(&mut open, index, record, transformed)
                            .await
                    }
                };
                let kept = match dispatched {
                    Ok(Dispatch::Sent(kept)) => kept,
                    Ok(Dispatch::Dropped(kept)) => {
                        self.active = self.active.saturating_sub(1);
                        self.dropped.extend(kept.map(|record| CommittedRecord {
                            record: *record,
                            metadata: None,
                        }));
                        continue;
                    }
                    Ok(Dispatch::Stopping) => {
                        outcome = Ok(false);
                        break;
                    }
                    Err(error) => {
                        outcome = Err(error);
                        break;
                    }
                };
                if !same_name(&last_topic, &record.record.topic) {
                    last_topic = std::mem::take(&mut record.record.topic);
                    self.submitted.use_topic(&last_topic);
                }
                self.submitted.submit(
                    index,
                    record.source_partition.take(),
                    record.source_offset.take(),
                    kept,
                );
            }
            drop(open);
            self.context.metrics.on_bytes(self.sender.take_bytes());
            if !outcome? {
                // What was not sent is read again after the restart.
                self.stopping.cancel();
                return Ok(());
            }
        }
        Ok(())
    }
}
