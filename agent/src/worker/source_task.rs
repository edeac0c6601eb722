//! The loop of a source task, at least once (`WorkerSourceTask`): poll, transform, convert, produce, commit offsets.
//!
//! Offsets are committed for records the broker has, in order per source partition (see [`super::submitted`]), every
//! `offset.flush.interval.ms` and at the end, never before. When the producer's queue is full the loop waits; a task
//! that polls faster than Kafka takes is so held back, and memory stays bounded.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytestring::ByteString;
use rdkafka::message::{Header as KafkaHeader, OwnedHeaders};
use sluice_api::config::Props;
use sluice_api::{
    CommittedRecord, ConnectError, ErrorKind, OffsetStorageReader, RecordOrigin, Result,
    SourceRecord, SourceTask, SourceTaskContext,
};
use sluice_protocol::TargetState;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::client_configs;
use super::errors::{
    Attempts, Decision, ErrorOperator, ErrorSettings, FailureSubject, Stage, Tolerated,
};
pub use super::offset_writer::OffsetReader;
use super::offset_writer::{OffsetWriter, OffsetsByPartition, storage_error};
use super::producer::{AckChunk, AckSignal, MAX_CHUNK, ProducerPool, SendError, SharedProducer};
use super::submitted::SubmittedRecords;
use super::task_context::TaskContext;
use super::task_end::catch;
use super::topic_creation::{TopicCreation, TopicCreationRules};
use crate::storage::OffsetBackingStore;

/// Wait before a record is tried again after a retriable error outside the error operator.
const SEND_RETRY_DELAY: Duration = Duration::from_millis(100);

struct PluginContext {
    props: Props,
    reader: Arc<OffsetReader>,
    stopping: CancellationToken,
}

impl SourceTaskContext for PluginContext {
    fn configs(&self) -> &Props {
        &self.props
    }

    fn offset_storage_reader(&self) -> Arc<dyn OffsetStorageReader> {
        self.reader.clone()
    }

    fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }
}

/// What an error report says of the record at hand.
struct Subject(Option<String>);

impl FailureSubject for Subject {
    fn describe(&self) -> String {
        self.0.clone().unwrap_or_default()
    }
}

/// Why the loop ended.
enum End {
    /// In order.
    Stopped,
    /// The time for an orderly end is over.
    Cancelled,
}

/// See the module.
pub struct SourceTaskLoop {
    context: TaskContext,
    task: Box<dyn SourceTask>,
    store: Arc<dyn OffsetBackingStore>,
    producers: Arc<ProducerPool>,
}

impl SourceTaskLoop {
    /// The loop of one task; offsets are read from and written to `store`.
    #[must_use]
    pub fn new(
        context: TaskContext,
        task: Box<dyn SourceTask>,
        store: Arc<dyn OffsetBackingStore>,
        producers: Arc<ProducerPool>,
    ) -> Self {
        Self {
            context,
            task,
            store,
            producers,
        }
    }

    /// Runs the task to its end.
    pub async fn run(self) {
        let Self {
            mut context,
            mut task,
            store,
            producers,
        } = self;
        let stopping = context.stopping.child_token();
        let outcome = catch(run_task(
            &mut context,
            &mut task,
            store,
            &producers,
            &stopping,
        ))
        .await;
        stopping.cancel();
        if let Err(error) = catch(task.stop()).await {
            tracing::warn!(task = %context.id, "stopping the task failed: {}", error.trace());
        }
        context.metrics.set_state(false, false);
        if context.cancelled.is_cancelled() {
            return;
        }
        match outcome {
            Ok(End::Stopped) => context.listener.on_shutdown(&context.id),
            Ok(End::Cancelled) => {}
            Err(error) => {
                tracing::error!(
                    connector = %context.id.connector,
                    task = context.id.task,
                    "Task threw an uncaught and unrecoverable exception. Task is being killed and will not recover \
                     until manually restarted: {}",
                    error.trace().trim_end()
                );
                context.listener.on_failure(&context.id, error.trace());
            }
        }
    }
}

async fn run_task(
    context: &mut TaskContext,
    task: &mut Box<dyn SourceTask>,
    store: Arc<dyn OffsetBackingStore>,
    producers: &ProducerPool,
    stopping: &CancellationToken,
) -> Result<End> {
    if context.is_stopping() {
        return Ok(End::Stopped);
    }
    if context.is_paused() {
        context.metrics.set_state(false, true);
        context.listener.on_pause(&context.id);
        if !wait_while_paused(context, stopping).await {
            return Ok(End::Stopped);
        }
    }
    refuse_what_is_missing(context)?;
    let errors = ErrorOperator::new(
        context.id.clone(),
        ErrorSettings::from_props(&context.connector_props)?,
        Arc::clone(&context.metrics.errors),
        stopping.clone(),
        context.cancelled.clone(),
    );
    let topic_creation = if context.settings.topic_creation_enabled {
        match TopicCreationRules::from_props(&context.connector_props)? {
            Some(rules) => Some(TopicCreation::new(
                rules,
                client_configs::admin_config(context)?,
            )),
            None => None,
        }
    } else {
        None
    };
    let producer = producers.get(&client_configs::producer_config(context)?)?;
    let reader = OffsetReader::new(context.id.connector.clone(), Arc::clone(&store))
        .closed_by(context.cancelled.clone());
    let plugin_context = Arc::new(PluginContext {
        props: context.task_props.clone(),
        reader: Arc::new(reader),
        stopping: stopping.clone(),
    });
    let props = context.task_props.clone();
    let cancelled = context.cancelled.clone();
    tokio::select! {
        started = catch(task.start(plugin_context, &props)) => started?,
        () = cancelled.cancelled() => return Ok(End::Cancelled),
    }
    context.metrics.set_state(true, false);
    context.listener.on_startup(&context.id);

    let interval = context
        .settings
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
        keep_records: task.wants_record_commits(),
        signal: Arc::default(),
        submitted: SubmittedRecords::default(),
        dropped: Vec::new(),
        commit_due: false,
        active: 0,
        key_buffer: Vec::new(),
        value_buffer: Vec::new(),
        async_error: None,
        errors,
        topic_creation,
        producer,
        stopping: stopping.clone(),
        context,
    };
    let outcome = catch(state.execute(task)).await;
    let ended = match outcome {
        Ok(End::Cancelled) => Ok(End::Cancelled),
        other => {
            let cancelled = state.context.cancelled.clone();
            tokio::select! {
                () = state.finish(task) => {}
                () = cancelled.cancelled() => {}
            }
            other
        }
    };
    super::producer::release(state.producer);
    ended
}

/// Settings that ask for more than this loop gives; going on without would lose what they promise.
fn refuse_what_is_missing(context: &TaskContext) -> Result<()> {
    let worker = &context.settings.worker_props;
    let own_topic = context
        .connector_props
        .get("offsets.storage.topic")
        .map(|topic| topic.trim())
        .filter(|topic| !topic.is_empty());
    if let Some(topic) = own_topic
        && worker.get("offset.storage.topic").map(|topic| topic.trim()) != Some(topic)
    {
        return Err(ConnectError::unsupported(format!(
            "offsets.storage.topic is set to \"{topic}\", but offsets topics of single connectors are not available in \
             this version; remove the key to use the worker's"
        )));
    }
    let exactly_once = worker
        .get("exactly.once.source.support")
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("enabled"));
    if exactly_once {
        return Err(ConnectError::unsupported(
            "exactly.once.source.support is enabled, but exactly-once source tasks are not available in this version; \
             set it to disabled to run source tasks at least once",
        ));
    }
    Ok(())
}

/// Waits for another target state than PAUSED; false if the task is to end.
async fn wait_while_paused(context: &mut TaskContext, stopping: &CancellationToken) -> bool {
    loop {
        if context.is_stopping() {
            stopping.cancel();
            return false;
        }
        if !context.is_paused() {
            return true;
        }
        tokio::select! {
            changed = context.target_state.changed() => {
                if changed.is_err() {
                    // Nobody can change the state any more: only a stop can follow.
                    context.stopping.cancelled().await;
                }
            }
            () = context.stopping.cancelled() => {}
        }
    }
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
    errors: ErrorOperator,
    topic_creation: Option<TopicCreation>,
    producer: Arc<SharedProducer>,
    signal: Arc<AckSignal>,
    submitted: SubmittedRecords,
    commits: Commits,
    next_commit: tokio::time::Instant,
    interval: Duration,
    /// `SourceTask::commit` is to be called when the task is free.
    commit_due: bool,
    keep_records: bool,
    /// Records that were dropped, for tasks that want to hear of each.
    dropped: Vec<CommittedRecord>,
    /// Records polled and neither acknowledged nor dropped.
    active: u64,
    key_buffer: Vec<u8>,
    value_buffer: Vec<u8>,
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
                changed = self.context.target_state.changed() => {
                    if changed.is_err() {
                        self.context.stopping.cancelled().await;
                    }
                }
                () = self.context.stopping.cancelled() => {}
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
        match polled {
            Ok(Some(records)) => {
                let count = records.len() as u64;
                self.context
                    .metrics
                    .batch_time
                    .record_time(started.elapsed());
                self.context.metrics.on_batch_in(count);
                self.active += count;
                self.context.metrics.set_active(self.active);
                Ok(Some(records))
            }
            Ok(None) => Ok(Some(Vec::new())),
            Err(error) if error.is_retriable_for_kafka() => {
                tracing::warn!(
                    task = %self.context.id,
                    "failed to poll records from the source task, will try again: {}",
                    error.trace().trim_end()
                );
                // A task that fails at once must not spin.
                tokio::select! {
                    () = tokio::time::sleep(SEND_RETRY_DELAY) => {}
                    () = self.stopping.cancelled() => {}
                }
                Ok(Some(Vec::new()))
            }
            Err(error) => Err(error),
        }
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
        if self.signal.take_failed() {
            self.take_failures().await;
        }
        let committed = self.take_committable();
        if !self.keep_records {
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
        for failed in self.submitted.take_failures() {
            let error = ConnectError::new(ErrorKind::Kafka, failed.error.to_string());
            tracing::error!(
                task = %self.context.id,
                "failed to send a record: {}",
                failed.error
            );
            if !self.errors.settings().tolerate_all {
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
        let timeout = self.context.settings.offset_flush_timeout;
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
        let timeout = self.context.settings.offset_flush_timeout;
        let deadline = tokio::time::Instant::now() + timeout;
        while !self.submitted.all_reported() {
            let notified = self.signal.notify.notified();
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

    async fn send(&mut self, batch: Vec<SourceRecord>) -> Result<()> {
        let mut batch = VecDeque::from(batch);
        while !batch.is_empty() {
            let size = batch.len().min(MAX_CHUNK);
            let open = self
                .producer
                .open_chunk(size, &self.signal, self.keep_records);
            let chunk = open.chunk();
            self.submitted.begin_chunk(Arc::clone(chunk));
            let mut bytes = 0;
            let mut last_topic = ByteString::new();
            let mut outcome = Ok(true);
            for (index, record) in batch.drain(..size).enumerate() {
                let record =
                    match self.send_at_once(chunk, index, record, &mut bytes, &mut last_topic) {
                        None => continue,
                        Some(record) => record,
                    };
                outcome = self
                    .send_record(chunk, index, record, &mut bytes, &mut last_topic)
                    .await;
                if !matches!(outcome, Ok(true)) {
                    break;
                }
            }
            drop(open);
            self.context.metrics.on_bytes(bytes);
            if !outcome? {
                // Stopping: what was not sent is read again after the restart.
                return Ok(());
            }
        }
        Ok(())
    }

    /// Sends a record that needs nothing but its converters, without the cost of a future. Gives the record back for
    /// [`Loop::send_record`] if it needs more, or if anything went wrong, which happens there again.
    fn send_at_once(
        &mut self,
        chunk: &Arc<AckChunk>,
        index: usize,
        source: SourceRecord,
        bytes: &mut u64,
        last_topic: &mut ByteString,
    ) -> Option<SourceRecord> {
        let record = &source.record;
        let plugins = &self.context.plugins;
        if self.keep_records
            || !plugins.transformations.is_empty()
            || !record.headers.is_empty()
            || self.signal.has_failed()
            || self.async_error.is_some()
        {
            return Some(source);
        }
        if let Some(creation) = &mut self.topic_creation
            && !creation.is_known(&record.topic)
        {
            return Some(source);
        }
        self.key_buffer.clear();
        self.value_buffer.clear();
        let key = plugins.key_converter.from_connect_data(
            &record.topic,
            record.key_schema.as_ref(),
            &record.key,
            &mut self.key_buffer,
        );
        let value = plugins.value_converter.from_connect_data(
            &record.topic,
            record.value_schema.as_ref(),
            &record.value,
            &mut self.value_buffer,
        );
        let (Ok(key), Ok(value)) = (key, value) else {
            return Some(source);
        };
        let sent = self.producer.send(
            chunk,
            index,
            &record.topic,
            record.kafka_partition,
            record.timestamp,
            key,
            value,
            None,
        );
        if sent.is_err() {
            return Some(source);
        }
        *bytes += (key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)) as u64;
        let SourceRecord {
            record,
            source_partition,
            source_offset,
        } = source;
        if *last_topic != record.topic {
            self.submitted.use_topic(&record.topic);
            *last_topic = record.topic;
        }
        self.submitted
            .submit(index, source_partition, source_offset, None);
        None
    }

    /// Sends one record, or drops it; false if the task is stopping and the record was not taken.
    async fn send_record(
        &mut self,
        chunk: &Arc<AckChunk>,
        index: usize,
        record: SourceRecord,
        bytes: &mut u64,
        last_topic: &mut ByteString,
    ) -> Result<bool> {
        if self.signal.take_failed() {
            self.take_failures().await;
        }
        self.raise_async_error()?;
        let kept = self.keep_records.then(|| Box::new(record.clone()));
        let subject = Subject(
            self.errors
                .settings()
                .log_messages
                .then(|| format!(", where source record is = {record}")),
        );
        let SourceRecord {
            record,
            source_partition,
            source_offset,
        } = record;
        let record = if self.context.plugins.transformations.is_empty() {
            record
        } else {
            let origin = RecordOrigin::Source {
                partition: source_partition.as_deref(),
                offset: source_offset.as_ref(),
            };
            let transformed = self
                .context
                .plugins
                .transformations
                .apply(record, &origin, &self.errors, &subject)
                .await;
            match transformed {
                Tolerated::Done(record) => record,
                Tolerated::Skipped => return Ok(self.drop_record(kept)),
                Tolerated::Fatal(error) => return Err(error),
            }
        };

        let plugins = &self.context.plugins;
        let mut headers = None;
        if !record.headers.is_empty() {
            let mut converted = OwnedHeaders::new_with_capacity(record.headers.len());
            for header in &record.headers {
                self.value_buffer.clear();
                let mut attempts = Attempts::default();
                let value = loop {
                    let result = plugins.header_converter.from_connect_header(
                        &record.topic,
                        &header.key,
                        header.schema.as_ref(),
                        &header.value,
                        &mut self.value_buffer,
                    );
                    match result {
                        Ok(value) => break value,
                        Err(error) => match self
                            .errors
                            .after_failure(
                                Stage::HeaderConverter,
                                &plugins.header_converter_class,
                                &subject,
                                &mut attempts,
                                error,
                            )
                            .await
                        {
                            Decision::Retry => {}
                            Decision::Skip => return Ok(self.drop_record(kept)),
                            Decision::Fail(error) => return Err(error),
                        },
                    }
                };
                converted = converted.insert(KafkaHeader {
                    key: &header.key,
                    value,
                });
            }
            headers = Some(converted);
        }
        self.key_buffer.clear();
        self.value_buffer.clear();
        let mut attempts = Attempts::default();
        let key = loop {
            let result = plugins.key_converter.from_connect_data(
                &record.topic,
                record.key_schema.as_ref(),
                &record.key,
                &mut self.key_buffer,
            );
            match result {
                Ok(key) => break key,
                Err(error) => match self
                    .errors
                    .after_failure(
                        Stage::KeyConverter,
                        &plugins.key_converter_class,
                        &subject,
                        &mut attempts,
                        error,
                    )
                    .await
                {
                    Decision::Retry => {}
                    Decision::Skip => return Ok(self.drop_record(kept)),
                    Decision::Fail(error) => return Err(error),
                },
            }
        };
        let mut attempts = Attempts::default();
        let value = loop {
            let result = plugins.value_converter.from_connect_data(
                &record.topic,
                record.value_schema.as_ref(),
                &record.value,
                &mut self.value_buffer,
            );
            match result {
                Ok(value) => break value,
                Err(error) => match self
                    .errors
                    .after_failure(
                        Stage::ValueConverter,
                        &plugins.value_converter_class,
                        &subject,
                        &mut attempts,
                        error,
                    )
                    .await
                {
                    Decision::Retry => {}
                    Decision::Skip => return Ok(self.drop_record(kept)),
                    Decision::Fail(error) => return Err(error),
                },
            }
        };
        *bytes += (key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)) as u64;

        if let Some(creation) = &mut self.topic_creation {
            while !creation.is_known(&record.topic) {
                match creation.ensure(&record.topic).await {
                    Ok(()) => {}
                    Err(error) if error.is_retriable() => {
                        tracing::warn!(
                            task = %self.context.id,
                            "will try again: {}",
                            error.trace().trim_end()
                        );
                        tokio::select! {
                            () = tokio::time::sleep(SEND_RETRY_DELAY) => {}
                            () = self.stopping.cancelled() => return Ok(false),
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        loop {
            let sent = self.producer.send(
                chunk,
                index,
                &record.topic,
                record.kafka_partition,
                record.timestamp,
                key,
                value,
                headers.clone(),
            );
            match sent {
                Ok(()) => break,
                Err(SendError::QueueFull) => {
                    if self.context.is_stopping() {
                        self.stopping.cancel();
                        return Ok(false);
                    }
                    tokio::select! {
                        () = self.producer.space() => {}
                        () = self.context.stopping.cancelled() => {}
                        () = self.context.cancelled.cancelled() => return Ok(false),
                    }
                }
                Err(SendError::Kafka(error)) => {
                    return Err(
                        ConnectError::connect("Unrecoverable exception trying to send")
                            .caused_by(ConnectError::new(ErrorKind::Kafka, error.to_string())),
                    );
                }
            }
        }
        if *last_topic != record.topic {
            self.submitted.use_topic(&record.topic);
            *last_topic = record.topic;
        }
        self.submitted
            .submit(index, source_partition, source_offset, kept);
        Ok(true)
    }

    /// Counts a dropped record; its offset is not stored.
    fn drop_record(&mut self, kept: Option<Box<SourceRecord>>) -> bool {
        self.active = self.active.saturating_sub(1);
        if let Some(record) = kept {
            self.dropped.push(CommittedRecord {
                record: *record,
                metadata: None,
            });
        }
        true
    }
}
