//! The loop of a sink task (`WorkerSinkTask`): consume, convert, transform, put, commit offsets.
//!
//! Offsets are committed for records that a `put` took and that the task says are safe, every
//! `offset.flush.interval.ms`, on request, and before partitions are given up. A batch whose `put` failed with a
//! retriable error is put again, with all partitions paused meanwhile.

mod conversion;
mod ends;
mod offsets;
mod partitions;
mod subscription;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sluice_api::{
    ConnectError, OffsetAndMetadata, RawRecord, Result, SinkOffsets, SinkRecord, SinkTask,
    SinkTaskContext, TopicPartition,
};
use sluice_kafka::client_keys::OffsetReset;
use sluice_kafka::consumer::{BatchConsumer, ConsumerEvent};
use sluice_protocol::TargetState;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::client_configs;
use super::dead_letter_queue::DeadLetterQueue;
use super::errors::{ErrorOperator, ErrorSettings};
use super::metrics::SinkPartitionState;
use super::producer::ProducerPool;
use super::sink_context::{Flow, Reporter, SinkContext};
use super::task_context::TaskContext;
use super::worker_task::{self, End, catch, wait_for_start};
use offsets::Committing;
use subscription::Subscription;

/// The longest wait, so that the group does not take the consumer for dead.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// How often positions are shown.
const METRICS_INTERVAL: Duration = Duration::from_secs(1);

/// A sink task that is not run yet.
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
    let settings = client_configs::consumer_config(context)?;
    client_configs::check_servers(&settings.config).await?;
    let consumer = BatchConsumer::new(&settings.config, settings.max_records)?;
    let plugin_context = Arc::new(SinkContext::new(
        context.task_props.clone(),
        stopping.clone(),
        reporter.clone(),
        context.settings.reach.clone(),
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
        reset: settings.reset,
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
    let ends = ends::watch(state.consumer.ends(), Arc::clone(&state.context.metrics));
    let outcome = tokio::select! {
        outcome = catch(state.start_and_execute(task)) => outcome,
        never = ends => match never {},
    };
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

struct Loop<'a> {
    context: &'a mut TaskContext,
    consumer: BatchConsumer,
    reset: OffsetReset,
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

    fn wait_until(&mut self, now: Instant) -> Instant {
        let mut until = (now + MAX_WAIT).min(self.next_refresh);
        // A commit that is due waits for the one on its way, and so must the loop: it would spin otherwise.
        until = until.min(match &self.committing {
            Some(committing) => committing.started + self.context.settings.offset_flush_timeout,
            None => self.next_commit,
        });
        if let Some(retry_at) = self.retry_at {
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

    async fn put(&mut self, task: &mut Box<dyn SinkTask>) -> Result<()> {
        let started = Instant::now();
        if let Some(retry_at) = self.retry_at {
            if self.put_failed && started < retry_at {
                // Records that were refused wait for as long as the task asked. The JVM worker brings them again with each
                // commit that is due, so that a system which asks for minutes of rest is called every few seconds.
                return self.apply_requests(false).await;
            }
            self.retry_at = None;
        }
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
        if let Some(dead_letters) = &self.dead_letters {
            dead_letters.check().map_err(unrecoverable)?;
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
                ConsumerEvent::NoOffset(partition, error) => {
                    self.no_offset(partition, error).await?;
                }
                ConsumerEvent::Warning(text) => {
                    tracing::warn!(task = %self.context.id, "consumer: {text}");
                }
                ConsumerEvent::Fatal(error) => return Err(unrecoverable(error)),
            }
        }
        Ok(())
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
        let fetching = !self.paused && !self.put_failed && self.plugin.paused_by_task().is_empty();
        self.context
            .metrics
            .set_sink_partitions(partitions, fetching);
    }
}
