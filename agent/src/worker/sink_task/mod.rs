//! The loop of a sink task (`WorkerSinkTask`): consume, convert, transform, put, commit offsets.
//!
//! Offsets are committed for records that a `put` took and that the task says are safe, every
//! `offset.flush.interval.ms`, on request, and before partitions are given up. A batch whose `put`
//! failed with a retriable error is put again, with all partitions paused meanwhile.

mod batch;
mod clock;
mod commit;
mod conversion;
mod ends;
mod offsets;
mod partitions;
mod reporting;
mod subscription;

use std::sync::Arc;

use sluice_api::plugin::StartSinkTask;
use sluice_api::{ConnectError, Result, SinkTask, SinkTaskContext, TopicPartition};
use sluice_kafka::client::keys::OffsetReset;
use sluice_kafka::consumer::{BatchConsumer, ConsumerEvent};
use sluice_protocol::TargetState;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::client_configs;
use super::producer::ProducerPool;
use super::sink_context::{Flow, SinkContext};
use super::task_context::TaskContext;
use super::worker_task::{self, End, catch, wait_for_start};
use batch::Batch;
use clock::Clock;
use conversion::Conversion;
use offsets::Offsets;
use reporting::Reporting;
use subscription::Subscription;

/// A sink task that is not run yet.
pub struct SinkTaskLoop {
    context: TaskContext,
    start: StartSinkTask,
    producers: Arc<ProducerPool>,
}

impl SinkTaskLoop {
    /// The loop of one task; `producers` serves dead letter queues.
    #[must_use]
    pub fn new(context: TaskContext, start: StartSinkTask, producers: Arc<ProducerPool>) -> Self {
        Self {
            context,
            start,
            producers,
        }
    }

    /// Runs the task to its end.
    pub async fn run(self) {
        let Self {
            mut context,
            start,
            producers,
        } = self;
        let stopping = context.stopping.child_token();
        let mut task = None;
        let run = run_task(&mut context, &start, &mut task, &producers, &stopping);
        let outcome = catch(run).await;
        worker_task::end(&context, &stopping, task.map(SinkTask::stop), outcome).await;
    }
}

/// Runs the task, which is in `running` from its start on.
async fn run_task(
    context: &mut TaskContext,
    start: &StartSinkTask,
    running: &mut Option<Box<dyn SinkTask>>,
    producers: &ProducerPool,
    stopping: &CancellationToken,
) -> Result<End> {
    if !wait_for_start(context).await {
        return Ok(End::Stopped);
    }
    let reporting = Reporting::open(context, producers, stopping).await?;
    let subscription = Subscription::of(context)?;
    let settings = client_configs::consumer_config(context)?;
    client_configs::check_servers(&settings.config).await?;
    let consumer = BatchConsumer::new(&settings.config, settings.max_records)?;
    let plugin = Arc::new(SinkContext::new(
        context.task_props.clone(),
        stopping.clone(),
        reporting.reporter.clone(),
        context.worker.reach.clone(),
    ));
    let worker = &context.worker;
    let mut state = Loop {
        clock: Clock::new(worker.offset_flush_interval, worker.offset_flush_timeout),
        consumer,
        reset: settings.reset,
        subscription,
        plugin,
        reporting,
        batch: Batch::default(),
        offsets: Offsets::default(),
        events: Vec::new(),
        paused: false,
        stopping: stopping.clone(),
        context,
    };
    let ends = ends::watch(state.consumer.ends(), Arc::clone(&state.context.metrics));
    let outcome = tokio::select! {
        outcome = catch(state.start_and_execute(start, running)) => outcome,
        never = ends => match never {},
    };
    let cancelled = state.context.cancelled.clone();
    if let Some(task) = running {
        worker_task::finish(&outcome, &cancelled, state.finish(task)).await;
    }
    let close = state.consumer.close();
    tokio::pin!(close);
    tokio::select! {
        () = &mut close => {}
        () = cancelled.cancelled() => {}
    }
    outcome
}

/// A running sink task, by what belongs together: records are in `batch`, what is known of
/// partitions in `offsets`, times in `clock`, and each of these has no access to the others.
struct Loop<'a> {
    context: &'a mut TaskContext,
    consumer: BatchConsumer,
    /// What the plugin requests, and the partitions it has.
    plugin: Arc<SinkContext>,
    subscription: Subscription,
    /// Where partitions without a committed offset begin.
    reset: OffsetReset,
    batch: Batch,
    offsets: Offsets,
    clock: Clock,
    reporting: Reporting,
    /// What the consumer reported and is not handled yet.
    events: Vec<ConsumerEvent>,
    /// The connector is paused.
    paused: bool,
    stopping: CancellationToken,
}

fn unrecoverable(cause: ConnectError) -> ConnectError {
    ConnectError::connect("Exiting WorkerSinkTask due to unrecoverable exception.").caused_by(cause)
}

impl Loop<'_> {
    async fn start_and_execute(
        &mut self,
        start: &StartSinkTask,
        running: &mut Option<Box<dyn SinkTask>>,
    ) -> Result<End> {
        self.subscription.begin(&self.consumer)?;
        let cancelled = self.context.cancelled.clone();
        let context: Arc<dyn SinkTaskContext> = self.plugin.clone();
        let task = tokio::select! {
            started = catch(start(context)) => running.insert(started?),
            () = cancelled.cancelled() => return Ok(End::Cancelled),
        };
        self.context.metrics.set_state(true, false);
        self.context
            .listener
            .on_startup(&self.context.id, task.version());
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
        self.subscription
            .refresh(&self.consumer, &self.context.id, &self.plugin)
            .await?;
        let now = Instant::now();
        self.commit_if_due(task, now).await?;
        self.apply_requests(true).await?;
        let until = self
            .clock
            .wait_until(now, self.offsets.committing.as_ref())
            .min(self.subscription.next_refresh);
        self.consume(until).await;
        let conversion = Conversion {
            context: self.context,
            reporting: &self.reporting,
        };
        self.batch.convert(&conversion, &mut self.offsets).await?;
        self.put(task).await?;
        self.handle_events(task).await?;
        if self.clock.metrics_due() {
            self.show_metrics();
        }
        Ok(())
    }

    /// Nothing is read from any partition.
    fn is_held(&self) -> bool {
        self.paused || self.batch.refused
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
            self.clock.request_commit(true);
        } else {
            if !self.batch.refused {
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

    /// Polls; waits until there is something to do.
    async fn consume(&mut self, until: Instant) {
        loop {
            self.consumer.poll(&mut self.batch.raw, &mut self.events);
            if !self.batch.raw.is_empty() || !self.events.is_empty() || Instant::now() >= until {
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
        if let Some(retry_at) = self.clock.retry_at {
            if self.batch.refused && started < retry_at {
                // Records that were refused wait for as long as the task asked. The JVM worker
                // brings them again with each commit that is due, so that a system which asks for
                // minutes of rest is called every few seconds.
                return self.apply_requests(false).await;
            }
            self.clock.retry_at = None;
        }
        match catch(task.put(&self.batch.records)).await {
            Ok(()) => self.taken(started)?,
            Err(error) if error.is_retriable() => {
                tracing::warn!(
                    task = %self.context.id,
                    "the task asks for the same records again: {}",
                    error.trace().trim_end()
                );
                if !self.batch.refused {
                    self.batch.refused = true;
                    self.consumer.pause(&self.plugin.assignment())?;
                }
            }
            Err(error) => return Err(unrecoverable(error)),
        }
        self.reporting.check()?;
        self.apply_requests(false).await
    }

    /// A `put` that began then took the batch.
    fn taken(&mut self, started: Instant) -> Result<()> {
        let count = self.batch.records.len() as u64;
        if count > 0 || self.offsets.has_batch() {
            let metrics = &self.context.metrics;
            metrics.on_records_out(count);
            metrics.batch_time.record_time(started.elapsed());
        }
        self.offsets.batch_taken();
        self.batch.records.clear();
        self.reporting.forget_batch();
        if std::mem::take(&mut self.batch.refused) && !self.paused {
            self.resume_all()?;
        }
        Ok(())
    }

    /// Does what the plugin requested through its context. Rewinds wait for the next poll.
    async fn apply_requests(&mut self, with_rewinds: bool) -> Result<()> {
        let mut requests = self.plugin.take_requests();
        self.clock.request_commit(requests.commit);
        if let Some(timeout) = requests.timeout {
            self.clock.retry_at = Some(Instant::now() + timeout);
        }
        for flow in requests.flows {
            match flow {
                Flow::Pause(partitions) => self.consumer.pause(&partitions)?,
                Flow::Resume(partitions) if !self.is_held() => {
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
        self.offsets.start_at(offsets);
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

    /// Shows the positions of all partitions at once, also before it is time to.
    fn show_metrics(&mut self) {
        self.clock.metrics_shown();
        let end_offset = |tp: &TopicPartition| self.consumer.end_offset(tp);
        let (partitions, active) = self.offsets.figures(self.plugin.assigned(), end_offset);
        let metrics = &self.context.metrics;
        metrics.set_active(active);
        let fetching = !self.is_held() && self.plugin.paused_by_task().is_empty();
        metrics.set_sink_partitions(partitions, fetching);
    }
}
