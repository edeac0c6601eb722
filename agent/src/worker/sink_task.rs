//! The loop of a sink task (`WorkerSinkTask`): consume, convert, transform, put, commit offsets.
//!
//! Offsets are committed for records that a `put` took and that the task says are safe, every
//! `offset.flush.interval.ms`, on request, and before partitions are given up. A batch whose `put` failed with a
//! retriable error is put again, with all partitions paused meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sluice_api::java_regex::JavaRegex;
use sluice_api::record::same_name;
use sluice_api::{
    ConnectError, ConnectRecord, Headers, OffsetAndMetadata, RawRecord, RecordOrigin, Result,
    SchemaAndValue, SinkOffsets, SinkRecord, SinkTask, SinkTaskContext, TimestampType,
    TopicPartition,
};
use sluice_protocol::TargetState;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::client_configs;
use super::consumer::{BatchConsumer, ConsumerEvent};
use super::dead_letter_queue::DeadLetterQueue;
use super::errors::{Attempts, Decision, ErrorOperator, ErrorSettings, Stage, Tolerated};
use super::metrics::SinkPartitionState;
use super::producer::ProducerPool;
use super::sink_context::{ConsumedSubject, Flow, Reporter, SinkContext};
use super::task_context::TaskContext;
use super::worker_task::{self, End, catch, wait_for_start};

/// The longest wait, so that the group does not take the consumer for dead.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// How often positions are shown.
const METRICS_INTERVAL: Duration = Duration::from_secs(1);
/// How often topics of a pattern are looked up (`metadata.max.age.ms` of the Java consumer).
const TOPIC_REFRESH: Duration = Duration::from_secs(300);

/// Topics of a sink connector.
enum Subscription {
    Topics(Vec<String>),
    Pattern(JavaRegex),
}

impl Subscription {
    fn of(context: &TaskContext) -> Result<Self> {
        let key = |name: &str| {
            context
                .task_props
                .get(name)
                .or_else(|| context.connector_props.get(name))
                .map(|text| text.trim())
                .filter(|text| !text.is_empty())
        };
        match (key("topics"), key("topics.regex")) {
            (Some(_), Some(_)) => Err(ConnectError::config(
                "topics and topics.regex are mutually exclusive options, but both are set.",
            )),
            (None, None) => Err(ConnectError::config(
                "Must configure one of topics or topics.regex",
            )),
            (Some(topics), None) => {
                let mut distinct = Vec::new();
                for topic in topics
                    .split(',')
                    .map(str::trim)
                    .filter(|topic| !topic.is_empty())
                {
                    if !distinct.iter().any(|known| known == topic) {
                        distinct.push(topic.to_owned());
                    }
                }
                Ok(Self::Topics(distinct))
            }
            (None, Some(pattern)) => JavaRegex::new(pattern)
                .map(Self::Pattern)
                .map_err(|error| ConnectError::config(format!("Invalid regex: {error}"))),
        }
    }
}

/// See the module.
pub struct SinkTaskLoop {
    context: TaskContext,
    task: Box<dyn SinkTask>,
    producers: Arc<ProducerPool>,
}

impl SinkTaskLoop {
    /// The loop of one task; `producers` serves dead letter queues.
    #[must_use]
    pub fn new(
        context: TaskContext,
        task: Box<dyn SinkTask>,
        producers: Arc<ProducerPool>,
    ) -> Self {
        Self {
            context,
            task,
            producers,
        }
    }

    /// Runs the task to its end.
    pub async fn run(self) {
        let Self {
            mut context,
            mut task,
            producers,
        } = self;
        let stopping = context.stopping.child_token();
        let outcome = catch(run_task(&mut context, &mut task, &producers, &stopping)).await;
        worker_task::end(&context, &stopping, task.stop(), outcome).await;
    }
}

async fn run_task(
    context: &mut TaskContext,
    task: &mut Box<dyn SinkTask>,
    producers: &ProducerPool,
    stopping: &CancellationToken,
) -> Result<End> {
    if !wait_for_start(context).await {
        return Ok(End::Stopped);
    }
    let settings = ErrorSettings::from_props(&context.connector_props)?;
    let dead_letters = DeadLetterQueue::open(context, &settings, producers)
        .await?
        .map(Arc::new);
    let reports = settings.log || dead_letters.is_some();
    let mut operator = ErrorOperator::new(
        context.id.clone(),
        settings,
        Arc::clone(&context.metrics.errors),
        stopping.clone(),
        context.cancelled.clone(),
    );
    if let Some(queue) = &dead_letters {
        operator = operator.with_reporter(queue.clone());
    }
    let operator = Arc::new(operator);
    let reporter = reports.then(|| {
        Arc::new(Reporter::new(
            Arc::clone(&operator),
            Arc::clone(&context.plugins),
        ))
    });
    let subscription = Subscription::of(context)?;
    let (config, max_records) = client_configs::consumer_config(context)?;
    let consumer = BatchConsumer::new(&config, max_records)?;
    let plugin_context = Arc::new(SinkContext::new(
        context.task_props.clone(),
        stopping.clone(),
        reporter.clone(),
    ));
    let now = Instant::now();
    let interval = context
        .settings
        .offset_flush_interval
        .max(Duration::from_millis(1));
    let mut state = Loop {
        interval,
        next_commit: now + interval,
        next_metrics: now,
        next_refresh: now,
        refresh_after: Duration::from_secs(1),
        consumer,
        subscription,
        subscribed: Vec::new(),
        plugin: plugin_context,
        operator,
        reporter,
        dead_letters,
        batch: Vec::new(),
        raw: Vec::new(),
        events: Vec::new(),
        more: false,
        put_failed: false,
        original: BTreeMap::new(),
        current: SinkOffsets::new(),
        last_committed: SinkOffsets::new(),
        committed_at: None,
        commit_requested: false,
        committing: None,
        sent: SinkOffsets::new(),
        seq: 0,
        paused: false,
        retry_at: None,
        stopping: stopping.clone(),
        context,
    };
    let outcome = catch(state.start_and_execute(task)).await;
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
    let cancelled = state.context.cancelled.clone();
    let close = state.consumer.close();
    tokio::pin!(close);
    tokio::select! {
        () = &mut close => {}
        () = cancelled.cancelled() => {}
    }
    ended
}

/// A commit on its way.
struct Committing {
    seq: u64,
    started: Instant,
}

struct Loop<'a> {
    context: &'a mut TaskContext,
    consumer: BatchConsumer,
    subscription: Subscription,
    subscribed: Vec<String>,
    plugin: Arc<SinkContext>,
    operator: Arc<ErrorOperator>,
    reporter: Option<Arc<Reporter>>,
    dead_letters: Option<Arc<DeadLetterQueue>>,
    /// Converted records that no `put` took yet.
    batch: Vec<SinkRecord>,
    raw: Vec<RawRecord>,
    events: Vec<ConsumerEvent>,
    /// The last poll filled its room, so there may be more.
    more: bool,
    /// The batch is put again; all partitions are paused.
    put_failed: bool,
    /// Next offsets of the records in `batch`, dropped ones included.
    original: BTreeMap<TopicPartition, i64>,
    /// Next offsets of all records that a `put` took.
    current: SinkOffsets,
    last_committed: SinkOffsets,
    committed_at: Option<i64>,
    next_commit: Instant,
    commit_requested: bool,
    committing: Option<Committing>,
    /// Offsets of the commit on its way.
    sent: SinkOffsets,
    seq: u64,
    /// The connector is paused.
    paused: bool,
    retry_at: Option<Instant>,
    interval: Duration,
    next_metrics: Instant,
    next_refresh: Instant,
    refresh_after: Duration,
    stopping: CancellationToken,
}

fn unrecoverable(cause: ConnectError) -> ConnectError {
    ConnectError::connect("Exiting WorkerSinkTask due to unrecoverable exception.").caused_by(cause)
}

impl Loop<'_> {
    async fn start_and_execute(&mut self, task: &mut Box<dyn SinkTask>) -> Result<End> {
        if let Subscription::Topics(topics) = &self.subscription {
            self.consumer.subscribe(topics)?;
            self.subscribed.clone_from(topics);
        }
        let props = self.context.task_props.clone();
        let cancelled = self.context.cancelled.clone();
        let context: Arc<dyn SinkTaskContext> = self.plugin.clone();
        tokio::select! {
            started = catch(task.start(context, &props)) => started?,
            () = cancelled.cancelled() => return Ok(End::Cancelled),
        }
        self.context.metrics.set_state(true, false);
        self.context.listener.on_startup(&self.context.id);
        loop {
            if self.context.cancelled.is_cancelled() {
                return Ok(End::Cancelled);
            }
            if self.context.is_stopping() || self.stopping.is_cancelled() {
                self.stopping.cancel();
                return Ok(End::Stopped);
            }
            self.iterate(task).await?;
            tokio::task::yield_now().await;
        }
    }

    async fn iterate(&mut self, task: &mut Box<dyn SinkTask>) -> Result<()> {
        self.follow_target_state()?;
        self.refresh_topics().await?;
        let now = Instant::now();
        if self.committing.is_none() && (self.commit_requested || now >= self.next_commit) {
            self.commit_requested = false;
            self.next_commit = now + self.interval;
            let partitions = self.plugin.assigned();
            self.commit(task, &partitions, false).await?;
        }
        if let Some(committing) = &self.committing
            && now >= committing.started + self.context.settings.offset_flush_timeout
        {
            tracing::warn!(task = %self.context.id, "commit of offsets timed out");
            self.context.metrics.on_commit(Duration::ZERO, false);
            self.committing = None;
        }
        self.apply_requests(true).await?;
        let until = self.wait_until(now);
        self.consume(until).await;
        self.convert().await?;
        self.put(task).await?;
        self.handle_events(task).await?;
        self.show_metrics(false);
        Ok(())
    }

    fn follow_target_state(&mut self) -> Result<()> {
        let paused = self.context.is_paused();
        if paused == self.paused || self.context.is_stopping() {
            return Ok(());
        }
        self.paused = paused;
        if paused {
            self.consumer.pause(&self.plugin.assignment())?;
            self.context.metrics.set_state(false, true);
            self.context.listener.on_pause(&self.context.id);
            self.commit_requested = true;
        } else {
            if !self.put_failed {
                self.resume_all()?;
            }
            self.context.metrics.set_state(true, false);
            self.context.listener.on_resume(&self.context.id);
        }
        Ok(())
    }

    /// Reads from all partitions again, except those the task itself paused.
    fn resume_all(&self) -> Result<()> {
        let paused = self.plugin.paused_by_task();
        let partitions: Vec<TopicPartition> = self
            .plugin
            .assigned()
            .into_iter()
            .filter(|tp| !paused.contains(tp))
            .collect();
        self.consumer.resume(&partitions)
    }

    /// Looks for topics of the pattern, and for subscribed topics that did not exist.
    async fn refresh_topics(&mut self) -> Result<()> {
        let now = Instant::now();
        if now < self.next_refresh {
            return Ok(());
        }
        if let Subscription::Pattern(pattern) = &self.subscription {
            match self.consumer.list_topics().await {
                Ok(topics) => {
                    let mut matching: Vec<String> = topics
                        .into_iter()
                        .filter(|topic| {
                            pattern.matches(topic).unwrap_or_else(|error| {
                                tracing::warn!(task = %self.context.id, topic, %error, "topics.regex");
                                false
                            })
                        })
                        .collect();
                    matching.sort_unstable();
                    if matching != self.subscribed && !matching.is_empty() {
                        self.consumer.subscribe(&matching)?;
                        self.subscribed = matching;
                    }
                }
                Err(error) => tracing::warn!(task = %self.context.id, %error, "cannot list topics"),
            }
        } else if self.plugin.assigned().is_empty() && self.refresh_after > Duration::from_secs(1) {
            // A topic that is created after the subscription is found by looking again.
            if let Err(error) = self.consumer.refresh_metadata().await {
                tracing::debug!(task = %self.context.id, %error, "cannot refresh metadata");
            }
        }
        let limit = if self.plugin.assigned().is_empty() {
            MAX_WAIT
        } else {
            TOPIC_REFRESH
        };
        self.refresh_after = (self.refresh_after * 2).min(limit);
        self.next_refresh = now + self.refresh_after;
        Ok(())
    }

    fn wait_until(&mut self, now: Instant) -> Instant {
        let mut until = (now + MAX_WAIT).min(self.next_refresh);
        // A commit that is due waits for the one on its way, and so must the loop: it would spin otherwise.
        until = until.min(match &self.committing {
            Some(committing) => committing.started + self.context.settings.offset_flush_timeout,
            None => self.next_commit,
        });
        if let Some(retry_at) = self.retry_at.take() {
            until = until.min(retry_at);
        }
        until
    }

    /// Polls; waits until there is something to do.
    async fn consume(&mut self, until: Instant) {
        loop {
            self.more = self.consumer.poll(&mut self.raw, &mut self.events);
            if !self.raw.is_empty() || !self.events.is_empty() || Instant::now() >= until {
                return;
            }
            tokio::select! {
                () = self.consumer.wait() => {}
                () = tokio::time::sleep_until(until) => return,
                () = self.stopping.cancelled() => return,
                () = self.context.stopping.cancelled() => return,
                () = self.plugin.wake.notified() => return,
                changed = self.context.target_state.changed() => {
                    if changed.is_err() || *self.context.target_state.borrow() == TargetState::Stopped {
                        self.stopping.cancel();
                    }
                    return;
                }
            }
        }
    }

    async fn convert(&mut self) -> Result<()> {
        if self.raw.is_empty() {
            return Ok(());
        }
        let raw = std::mem::take(&mut self.raw);
        self.context.metrics.on_batch_in(raw.len() as u64);
        self.batch.reserve(raw.len());
        let mut bytes = 0_u64;
        let mut run: Option<(&RawRecord, i64)> = None;
        for record in &raw {
            bytes += (record.key.as_ref().map_or(0, bytes::Bytes::len)
                + record.value.as_ref().map_or(0, bytes::Bytes::len)) as u64;
            match &mut run {
                Some((first, next))
                    if first.partition == record.partition
                        && same_name(&first.topic, &record.topic) =>
                {
                    *next = record.offset + 1;
                }
                _ => {
                    self.note_run(run.take());
                    self.note_position(record);
                    run = Some((record, record.offset + 1));
                }
            }
            if !self.convert_at_once(record)
                && let Some(converted) = self.convert_record(record).await?
            {
                self.batch.push(converted);
            }
        }
        self.note_run(run);
        self.context.metrics.on_bytes(bytes);
        // The room is used again.
        self.raw = raw;
        match &self.reporter {
            Some(reporter) => reporter.keep(&mut self.raw),
            None => self.raw.clear(),
        }
        Ok(())
    }

    fn note_run(&mut self, run: Option<(&RawRecord, i64)>) {
        if let Some((record, next)) = run {
            self.original.insert(
                TopicPartition::new(record.topic.clone(), record.partition),
                next,
            );
        }
    }

    /// The first record of a partition shows where reading began; and its topic is in use.
    fn note_position(&mut self, record: &RawRecord) {
        let tp = TopicPartition::new(record.topic.clone(), record.partition);
        self.last_committed
            .entry(tp)
            .or_insert_with(|| OffsetAndMetadata::new(record.offset));
        self.context
            .topics
            .on_topic_used(&self.context.id, &record.topic);
    }

    /// Converts a record that needs nothing but its converters, without the cost of a future; false if it needs more,
    /// or if anything went wrong, which happens in [`Loop::convert_record`] again.
    fn convert_at_once(&mut self, raw: &RawRecord) -> bool {
        let plugins = &self.context.plugins;
        if !plugins.transformations.is_empty() || !raw.headers.is_empty() || raw.timestamp < -1 {
            return false;
        }
        let (Ok(key), Ok(value)) = (
            plugins
                .key_converter
                .to_connect_data(&raw.topic, raw.key.as_ref()),
            plugins
                .value_converter
                .to_connect_data(&raw.topic, raw.value.as_ref()),
        ) else {
            return false;
        };
        let has_timestamp =
            raw.timestamp >= 0 && raw.timestamp_type != TimestampType::NoTimestampType;
        self.batch.push(SinkRecord {
            record: ConnectRecord {
                topic: raw.topic.clone(),
                kafka_partition: Some(raw.partition),
                key_schema: key.schema,
                key: key.value,
                value_schema: value.schema,
                value: value.value,
                timestamp: has_timestamp.then_some(raw.timestamp),
                headers: Headers::new(),
            },
            kafka_offset: raw.offset,
            timestamp_type: raw.timestamp_type,
            original_topic: raw.topic.clone(),
            original_kafka_partition: raw.partition,
            original_kafka_offset: raw.offset,
        });
        true
    }

    async fn convert_record(&self, raw: &RawRecord) -> Result<Option<SinkRecord>> {
        let plugins = &self.context.plugins;
        let subject = ConsumedSubject(raw);
        macro_rules! step {
            ($call:expr, $after_error:ident($($argument:expr),*)) => {
                match $call {
                    Ok(converted) => converted,
                    Err(first) => {
                        let mut attempts = Attempts::default();
                        let mut error = first;
                        loop {
                            let decision = self
                                .operator
                                .$after_error($($argument),*, &subject, &mut attempts, error)
                                .await;
                            match decision {
                                Decision::Skip => return Ok(None),
                                Decision::Fail(error) => return Err(error),
                                Decision::Retry => match $call {
                                    Ok(converted) => break converted,
                                    Err(next) => error = next,
                                },
                            }
                        }
                    }
                }
            };
        }
        let key: SchemaAndValue = step!(
            plugins
                .key_converter
                .to_connect_data(&raw.topic, raw.key.as_ref()),
            after_conversion(
                &*plugins.key_converter,
                Stage::KeyConverter,
                &plugins.key_converter_class
            )
        );
        let value: SchemaAndValue = step!(
            plugins
                .value_converter
                .to_connect_data(&raw.topic, raw.value.as_ref()),
            after_conversion(
                &*plugins.value_converter,
                Stage::ValueConverter,
                &plugins.value_converter_class
            )
        );
        let mut headers = Headers::new();
        if !raw.headers.is_empty() {
            headers = Headers::with_capacity(raw.headers.len());
            for (name, data) in &raw.headers {
                let converted = step!(
                    plugins
                        .header_converter
                        .to_connect_header(&raw.topic, name, data.as_ref()),
                    after_failure(Stage::HeaderConverter, &plugins.header_converter_class)
                );
                headers.add_converted(name.clone(), converted);
            }
        }
        let timestamp = match raw.timestamp {
            -1 => None,
            millis if millis < 0 => {
                return Err(ConnectError::data(format!(
                    "Invalid record timestamp {millis}"
                )));
            }
            millis => Some(millis),
        };
        let mut record = ConnectRecord {
            topic: raw.topic.clone(),
            kafka_partition: Some(raw.partition),
            key_schema: key.schema,
            key: key.value,
            value_schema: value.schema,
            value: value.value,
            timestamp: timestamp.filter(|_| raw.timestamp_type != TimestampType::NoTimestampType),
            headers,
        };
        if !plugins.transformations.is_empty() {
            let origin = RecordOrigin::Sink {
                offset: raw.offset,
                timestamp_type: raw.timestamp_type,
            };
            let transformed = plugins
                .transformations
                .apply(record, &origin, &self.operator, &subject)
                .await;
            record = match transformed {
                Tolerated::Done(record) => record,
                Tolerated::Skipped => return Ok(None),
                Tolerated::Fatal(error) => return Err(error),
            };
        }
        Ok(Some(SinkRecord {
            record,
            kafka_offset: raw.offset,
            timestamp_type: raw.timestamp_type,
            original_topic: raw.topic.clone(),
            original_kafka_partition: raw.partition,
            original_kafka_offset: raw.offset,
        }))
    }

    async fn put(&mut self, task: &mut Box<dyn SinkTask>) -> Result<()> {
        let started = Instant::now();
        match catch(task.put(&self.batch)).await {
            Ok(()) => {
                let count = self.batch.len() as u64;
                if count > 0 || !self.original.is_empty() {
                    self.context.metrics.on_records_out(count);
                    self.context
                        .metrics
                        .batch_time
                        .record_time(started.elapsed());
                }
                for (tp, offset) in std::mem::take(&mut self.original) {
                    self.current.insert(tp, OffsetAndMetadata::new(offset));
                }
                self.batch.clear();
                if let Some(reporter) = &self.reporter {
                    reporter.forget_batch();
                }
                if self.put_failed {
                    self.put_failed = false;
                    if !self.paused {
                        self.resume_all()?;
                    }
                }
            }
            Err(error) if error.is_retriable() => {
                tracing::warn!(
                    task = %self.context.id,
                    "the task asks for the same records again: {}",
                    error.trace().trim_end()
                );
                if !self.put_failed {
                    self.put_failed = true;
                    self.consumer.pause(&self.plugin.assignment())?;
                }
            }
            Err(error) => return Err(unrecoverable(error)),
        }
        if let Some(error) = self
            .reporter
            .as_ref()
            .and_then(|reporter| reporter.not_tolerated())
        {
            return Err(error);
        }
        self.apply_requests(false).await
    }

    /// Does what the plugin asked for through its context. Rewinds wait for the next poll.
    async fn apply_requests(&mut self, with_rewinds: bool) -> Result<()> {
        let mut requests = self.plugin.take_requests();
        self.commit_requested |= requests.commit;
        if let Some(timeout) = requests.timeout {
            self.retry_at = Some(Instant::now() + timeout);
        }
        for flow in requests.flows {
            match flow {
                Flow::Pause(partitions) => self.consumer.pause(&partitions)?,
                Flow::Resume(partitions) if !self.paused && !self.put_failed => {
                    self.consumer.resume(&partitions)?;
                }
                Flow::Resume(_) => {}
            }
        }
        if !with_rewinds {
            if !requests.rewinds.is_empty() {
                self.plugin.offsets(&requests.rewinds);
            }
            return Ok(());
        }
        let assigned = self.plugin.assigned();
        requests.rewinds.retain(|tp, _| assigned.contains(tp));
        if requests.rewinds.is_empty() {
            return Ok(());
        }
        let offsets: Vec<(TopicPartition, i64)> = requests.rewinds.into_iter().collect();
        self.consumer.seek(&offsets).await?;
        for (tp, offset) in offsets {
            let offset = OffsetAndMetadata::new(offset);
            self.last_committed.insert(tp.clone(), offset.clone());
            self.current.insert(tp, offset);
        }
        Ok(())
    }

    async fn handle_events(&mut self, task: &mut Box<dyn SinkTask>) -> Result<()> {
        for event in std::mem::take(&mut self.events) {
            match event {
                ConsumerEvent::Assign(partitions) => self.assigned(task, partitions).await?,
                ConsumerEvent::Revoke(partitions) => self.revoked(task, partitions).await?,
                ConsumerEvent::Lost(partitions) => self.lost(task, partitions).await?,
                ConsumerEvent::Committed { seq, result } => self.committed(seq, result),
                // Not asked for.
                ConsumerEvent::EndOfPartition(_) => {}
                ConsumerEvent::Warning(text) => {
                    tracing::warn!(task = %self.context.id, "consumer: {text}");
                }
                ConsumerEvent::Fatal(error) => return Err(unrecoverable(error)),
            }
        }
        Ok(())
    }

    async fn assigned(
        &mut self,
        task: &mut Box<dyn SinkTask>,
        partitions: Vec<TopicPartition>,
    ) -> Result<()> {
        tracing::debug!(task = %self.context.id, ?partitions, "partitions assigned");
        let mut assignment = self.plugin.assigned();
        assignment.extend(partitions.iter().cloned());
        self.plugin.set_assignment(assignment);
        let committed = if partitions.is_empty() {
            Vec::new()
        } else {
            match self.consumer.committed(&partitions).await {
                Ok(committed) => committed,
                Err(error) => {
                    tracing::warn!(task = %self.context.id, %error, "cannot look up committed offsets");
                    vec![None; partitions.len()]
                }
            }
        };
        let mut starts: Vec<(TopicPartition, Option<i64>)> =
            partitions.iter().cloned().zip(committed).collect();
        if !partitions.is_empty() {
            catch(task.open(&partitions)).await.map_err(unrecoverable)?;
            // Rewinds asked for in `open` are where reading begins.
            let requests = self.plugin.take_requests();
            self.commit_requested |= requests.commit;
            for (tp, start) in &mut starts {
                if let Some(offset) = requests.rewinds.get(tp) {
                    *start = Some(*offset);
                }
            }
            let others: BTreeMap<TopicPartition, i64> = requests
                .rewinds
                .into_iter()
                .filter(|(tp, _)| !partitions.contains(tp))
                .collect();
            self.plugin.offsets(&others);
        }
        for (tp, start) in &starts {
            if let Some(offset) = start {
                let offset = OffsetAndMetadata::new(*offset);
                self.last_committed.insert(tp.clone(), offset.clone());
                self.current.insert(tp.clone(), offset);
            }
        }
        self.consumer.assign(&starts)?;
        if self.put_failed && self.batch.is_empty() {
            self.put_failed = false;
            if !self.paused {
                self.resume_all()?;
            }
        }
        if self.paused || self.put_failed {
            self.consumer.pause(&partitions)?;
        } else {
            let by_task = self.plugin.paused_by_task();
            let again: Vec<TopicPartition> = partitions
                .iter()
                .filter(|tp| by_task.contains(tp))
                .cloned()
                .collect();
            if !again.is_empty() {
                self.consumer.pause(&again)?;
            }
        }
        self.show_metrics(true);
        Ok(())
    }

    async fn revoked(
        &mut self,
        task: &mut Box<dyn SinkTask>,
        partitions: Vec<TopicPartition>,
    ) -> Result<()> {
        tracing::debug!(task = %self.context.id, ?partitions, "partitions revoked");
        let gone: BTreeSet<TopicPartition> = partitions.iter().cloned().collect();
        let outcome = if gone.is_empty() {
            Ok(())
        } else {
            self.commit(task, &gone, true).await
        };
        self.forget(&gone);
        // The group waits for this, whatever became of the commit.
        self.consumer.unassign(&partitions)?;
        outcome
    }

    async fn lost(
        &mut self,
        task: &mut Box<dyn SinkTask>,
        partitions: Vec<TopicPartition>,
    ) -> Result<()> {
        tracing::warn!(task = %self.context.id, ?partitions, "partitions lost");
        let gone: BTreeSet<TopicPartition> = partitions.iter().cloned().collect();
        let outcome = if gone.is_empty() {
            Ok(())
        } else {
            catch(task.close(&partitions)).await.map_err(unrecoverable)
        };
        self.forget(&gone);
        self.consumer.unassign(&partitions)?;
        outcome
    }

    fn forget(&mut self, gone: &BTreeSet<TopicPartition>) {
        self.original.retain(|tp, _| !gone.contains(tp));
        self.current.retain(|tp, _| !gone.contains(tp));
        self.last_committed.retain(|tp, _| !gone.contains(tp));
        self.sent.retain(|tp, _| !gone.contains(tp));
        // As in Kafka, by the topic after transformations.
        self.batch.retain(|record| {
            let partition = record
                .record
                .kafka_partition
                .unwrap_or(record.original_kafka_partition);
            !gone.contains(&TopicPartition::new(record.record.topic.clone(), partition))
        });
        let mut assignment = self.plugin.assigned();
        assignment.retain(|tp| !gone.contains(tp));
        self.plugin.set_assignment(assignment);
        self.show_metrics(true);
    }

    /// Commits what is safe of these partitions; the task closes them if they are given up.
    async fn commit(
        &mut self,
        task: &mut Box<dyn SinkTask>,
        partitions: &BTreeSet<TopicPartition>,
        closing: bool,
    ) -> Result<()> {
        if let Some(reporter) = &self.reporter {
            reporter.settle().await;
        }
        if let Some(dead_letters) = &self.dead_letters {
            dead_letters.settle().await;
        }
        let offsets: SinkOffsets = self
            .current
            .iter()
            .filter(|(tp, _)| partitions.contains(tp))
            .map(|(tp, offset)| (tp.clone(), offset.clone()))
            .collect();
        if offsets.is_empty() && !closing {
            return Ok(());
        }
        let started = Instant::now();
        self.seq += 1;
        let seq = self.seq;
        self.context
            .metrics
            .commit_seq
            .store(seq, Ordering::Relaxed);
        let committable = if offsets.is_empty() {
            Ok(SinkOffsets::new())
        } else {
            catch(task.pre_commit(&offsets)).await
        };
        if closing {
            let list: Vec<TopicPartition> = partitions.iter().cloned().collect();
            catch(task.close(&list)).await.map_err(unrecoverable)?;
        } else {
            self.apply_requests(false).await?;
        }
        let committable = match committable {
            Ok(committable) => committable,
            Err(error) => {
                self.context.metrics.on_commit(started.elapsed(), false);
                if closing {
                    tracing::warn!(
                        task = %self.context.id,
                        "Offset commit failed during close: {}",
                        error.trace().trim_end()
                    );
                    return Ok(());
                }
                tracing::error!(
                    task = %self.context.id,
                    "Offset commit failed, rewinding to last committed offsets: {}",
                    error.trace().trim_end()
                );
                return self.rewind_to_committed().await;
            }
        };
        if committable.is_empty() {
            self.context.metrics.on_commit(started.elapsed(), true);
            return Ok(());
        }
        let mut to_commit: SinkOffsets = self
            .last_committed
            .iter()
            .filter(|(tp, _)| partitions.contains(tp))
            .map(|(tp, offset)| (tp.clone(), offset.clone()))
            .collect();
        let mut changed = false;
        for (tp, offset) in committable {
            match offsets.get(&tp) {
                Some(current) if offset.offset <= current.offset => {
                    changed |= to_commit.get(&tp) != Some(&offset);
                    to_commit.insert(tp, offset);
                }
                Some(current) => tracing::warn!(
                    task = %self.context.id,
                    "Ignoring invalid task provided offset {}/{} -- not yet consumed, taskOffset={} currentOffset={}",
                    tp, offset.offset, offset.offset, current.offset
                ),
                None => tracing::warn!(
                    task = %self.context.id,
                    "Ignoring invalid task provided offset {}/{} -- partition not assigned",
                    tp, offset.offset
                ),
            }
        }
        if !changed {
            self.context.metrics.on_commit(started.elapsed(), true);
            return Ok(());
        }
        if closing {
            let result = self.consumer.commit_sync(&to_commit).await;
            self.sent = to_commit;
            self.committing = Some(Committing { seq, started });
            self.committed(seq, result);
            return Ok(());
        }
        self.sent = to_commit;
        self.committing = Some(Committing { seq, started });
        if let Err(error) = self.consumer.commit_async(&self.sent, seq) {
            self.committed(seq, Err(error));
        }
        Ok(())
    }

    async fn rewind_to_committed(&mut self) -> Result<()> {
        let assigned = self.plugin.assigned();
        let back: Vec<(TopicPartition, i64)> = self
            .last_committed
            .iter()
            .filter(|(tp, _)| assigned.contains(tp))
            .map(|(tp, offset)| (tp.clone(), offset.offset))
            .collect();
        if back.is_empty() {
            return Ok(());
        }
        self.consumer.seek(&back).await?;
        for (tp, offset) in back {
            self.current.insert(tp, OffsetAndMetadata::new(offset));
        }
        Ok(())
    }

    fn committed(&mut self, seq: u64, result: Result<()>) {
        let Some(committing) = self.committing.take_if(|committing| committing.seq == seq) else {
            tracing::debug!(task = %self.context.id, seq, "late answer to a commit of offsets");
            self.context.metrics.commit_skip.add(1);
            return;
        };
        match result {
            Ok(()) => {
                self.context.metrics.commit_completion.add(1);
                self.context
                    .metrics
                    .on_commit(committing.started.elapsed(), true);
                self.committed_at = Some(super::metrics::now_millis());
                let sent = std::mem::take(&mut self.sent);
                self.last_committed.extend(sent);
                self.show_metrics(true);
            }
            Err(error) => {
                tracing::error!(
                    task = %self.context.id,
                    "Commit of offsets threw an unexpected exception for sequence number {seq}: {}",
                    error.trace().trim_end()
                );
                self.context
                    .metrics
                    .on_commit(committing.started.elapsed(), false);
            }
        }
    }

    /// The last commit, at the end of the task; what an earlier `put` took is committed whatever failed after it.
    async fn finish(&mut self, task: &mut Box<dyn SinkTask>) {
        let partitions = self.plugin.assigned();
        if partitions.is_empty() {
            return;
        }
        if let Err(error) = self.commit(task, &partitions, true).await {
            tracing::error!(
                task = %self.context.id,
                "closing the task's partitions failed: {}",
                error.trace().trim_end()
            );
        }
    }

    fn show_metrics(&mut self, now: bool) {
        let time = Instant::now();
        if !now && time < self.next_metrics {
            return;
        }
        self.next_metrics = time + METRICS_INTERVAL;
        let mut active = 0;
        let partitions: Vec<SinkPartitionState> = self
            .plugin
            .assigned()
            .into_iter()
            .map(|tp| {
                let position = self.current.get(&tp).map(|offset| offset.offset);
                let committed = self.last_committed.get(&tp).map(|offset| offset.offset);
                let consumed = self.original.get(&tp).copied().or(position);
                if let (Some(consumed), Some(committed)) = (consumed, committed) {
                    active += u64::try_from(consumed - committed).unwrap_or(0);
                }
                SinkPartitionState {
                    end_offset: self.consumer.end_offset(&tp),
                    partition: tp,
                    position,
                    committed,
                    committed_at: self.committed_at,
                }
            })
            .collect();
        self.context.metrics.set_active(active);
        self.context.metrics.set_sink_partitions(partitions);
    }
}
