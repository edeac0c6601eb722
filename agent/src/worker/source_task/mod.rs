//! Source tasks: poll, transform, convert, produce, store offsets.
//!
//! * [`SourceTaskLoop`] prepares a task and runs it by one of two loops: `at_least_once` or `exactly_once`.
//! * `record_sender` is what both do with a record up to the producer.

mod at_least_once;
mod exactly_once;
mod record_sender;

use std::sync::Arc;
use std::time::Instant;

use sluice_api::config::Props;
use sluice_api::plugin::StartSourceTask;
use sluice_api::{
    ConnectError, OffsetStorageReader, Reach, Result, SourceRecord, SourceTask, SourceTaskContext,
    TransactionContext,
};
use tokio_util::sync::CancellationToken;

use self::exactly_once::{Boundary, TransactionRequests};
use self::record_sender::{RecordSender, SEND_RETRY_DELAY};
use super::client_configs;
use super::connector_offsets::{ConnectorOffsets, OffsetStores};
use super::offset_writer::{OffsetReader, storage_error};
use super::producer::ProducerPool;
use super::task_context::TaskContext;
use super::transactional_producer::TransactionalProducer;
use super::worker_task::{self, End, catch, wait_for_start};

/// What a source task asks of the cluster around the start of its transactional producer (KIP-618).
#[sluice_api::async_trait]
pub trait ProducerChecks: Send + Sync {
    /// Before the producer is initialised: fences the producers of earlier sets of tasks.
    ///
    /// # Errors
    /// The leader could not do that; the task fails.
    async fn before(&self) -> Result<()>;

    /// After it was initialised: the task is still the one to run.
    ///
    /// # Errors
    /// New task configs came, or the task was given to another worker.
    async fn after(&self) -> Result<()>;
}

/// Exactly-once of one task.
pub struct ExactlyOnce {
    /// `transactional.id` of the task.
    pub transactional_id: String,
    /// Checks around the start of the producer.
    pub checks: Arc<dyn ProducerChecks>,
}

struct PluginContext {
    props: Props,
    reader: Arc<OffsetReader>,
    stopping: CancellationToken,
    transactions: Option<Arc<TransactionRequests>>,
    reach: Reach,
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

    fn reach(&self) -> &Reach {
        &self.reach
    }

    fn transaction_context(&self) -> Option<Arc<dyn TransactionContext>> {
        self.transactions
            .clone()
            .map(|requests| requests as Arc<dyn TransactionContext>)
    }
}

/// A source task that is not run yet.
pub struct SourceTaskLoop {
    context: TaskContext,
    start: StartSourceTask,
    /// From its start on.
    task: Option<Box<dyn SourceTask>>,
    offsets: Arc<OffsetStores>,
    producers: Arc<ProducerPool>,
    exactly_once: Option<ExactlyOnce>,
}

impl SourceTaskLoop {
    /// The loop of one task, at least once unless `exactly_once` is given.
    #[must_use]
    pub fn new(
        context: TaskContext,
        start: StartSourceTask,
        offsets: Arc<OffsetStores>,
        producers: Arc<ProducerPool>,
        exactly_once: Option<ExactlyOnce>,
    ) -> Self {
        Self {
            context,
            start,
            task: None,
            offsets,
            producers,
            exactly_once,
        }
    }

    /// Runs the task to its end.
    pub async fn run(mut self) {
        let stopping = self.context.stopping.child_token();
        let outcome = catch(self.run_task(&stopping)).await;
        worker_task::end(
            &self.context,
            &stopping,
            self.task.map(SourceTask::stop),
            outcome,
        )
        .await;
    }

    async fn run_task(&mut self, stopping: &CancellationToken) -> Result<End> {
        if !wait_for_start(&mut self.context).await {
            return Ok(End::Stopped);
        }
        match self.exactly_once.take() {
            None => self.run_at_least_once(stopping).await,
            Some(exactly_once) => self.run_exactly_once(exactly_once, stopping).await,
        }
    }

    async fn run_at_least_once(&mut self, stopping: &CancellationToken) -> Result<End> {
        let Some(offsets) = self.open_offsets().await? else {
            return Ok(End::Cancelled);
        };
        let store = offsets.store();
        let config = client_configs::producer_config(&self.context)?;
        client_configs::check_servers(&config).await?;
        let producer = self.producers.get(&config)?;
        let mut sender = RecordSender::new(&self.context, producer, stopping)?;
        let Some(started) = self.start(&offsets, None, stopping).await? else {
            return Ok(End::Cancelled);
        };
        let task = self.task.insert(started);
        sender.keep_records = task.wants_record_commits();
        at_least_once::run(&mut self.context, task, sender, store, stopping).await
    }

    async fn run_exactly_once(
        &mut self,
        exactly_once: ExactlyOnce,
        stopping: &CancellationToken,
    ) -> Result<End> {
        let ExactlyOnce {
            transactional_id,
            checks,
        } = exactly_once;
        let boundary = Boundary::of(self.context.connector.boundary);
        let config = client_configs::transactional_producer_config(
            &self.context.worker,
            &self.context.connector,
            &self.context.id,
            &transactional_id,
        )?;
        let cancelled = self.context.cancelled.clone();
        let prepared = async {
            client_configs::check_servers(&config).await?;
            checks.before().await?;
            let producer = TransactionalProducer::new(&config, &self.context.id)?;
            producer.initialise().await?;
            checks.after().await?;
            Ok(producer)
        };
        let producer = tokio::select! {
            prepared = catch(prepared) => prepared?,
            () = cancelled.cancelled() => return Ok(End::Cancelled),
            // The herder does not answer while it waits for this task to stop.
            () = stopping.cancelled() => return Ok(End::Stopped),
        };
        let Some(offsets) = self.open_offsets().await? else {
            return Ok(End::Cancelled);
        };
        let mut sender = RecordSender::new(&self.context, producer.shared()?, stopping)?;
        sender.refuse_topic(offsets.topic().to_owned());
        let requests = boundary.requests();
        let Some(started) = self.start(&offsets, requests, stopping).await? else {
            return Ok(End::Cancelled);
        };
        let task = self.task.insert(started);
        sender.keep_records = task.wants_record_commits();
        exactly_once::run(
            &mut self.context,
            task,
            sender,
            exactly_once::Transactions::new(producer, offsets, boundary),
            stopping,
        )
        .await
    }

    /// The offsets of the connector; `None` if the task was cancelled meanwhile.
    async fn open_offsets(&mut self) -> Result<Option<ConnectorOffsets>> {
        let context = &self.context;
        let opened = self
            .offsets
            .of_connector(&context.id.connector, &context.connector);
        tokio::select! {
            opened = opened => opened.map(Some).map_err(|error| {
                ConnectError::connect("cannot open the connector's offsets")
                    .caused_by(storage_error(&error))
            }),
            () = context.cancelled.cancelled() => Ok(None),
        }
    }

    /// Starts the task and reports RUNNING; `None` if it was cancelled meanwhile.
    async fn start(
        &mut self,
        offsets: &ConnectorOffsets,
        transactions: Option<Arc<TransactionRequests>>,
        stopping: &CancellationToken,
    ) -> Result<Option<Box<dyn SourceTask>>> {
        let context = &self.context;
        let reader = OffsetReader::new(context.id.connector.clone(), offsets.store())
            .closed_by(context.cancelled.clone());
        let plugin_context = Arc::new(PluginContext {
            props: context.task_props.clone(),
            reader: Arc::new(reader),
            stopping: stopping.clone(),
            transactions,
            reach: context.worker.reach.clone(),
        });
        let task = tokio::select! {
            started = catch((self.start)(plugin_context)) => started?,
            () = context.cancelled.cancelled() => return Ok(None),
        };
        context.metrics.set_state(true, false);
        context.listener.on_startup(&context.id, task.version());
        Ok(Some(task))
    }
}

/// The records of a poll; none after an error that may pass.
async fn polled_batch(
    context: &TaskContext,
    stopping: &CancellationToken,
    started: Instant,
    polled: Result<Option<Vec<SourceRecord>>>,
) -> Result<Vec<SourceRecord>> {
    match polled {
        Ok(Some(records)) => {
            context.metrics.batch_time.record_time(started.elapsed());
            context.metrics.on_batch_in(records.len() as u64);
            Ok(records)
        }
        Ok(None) => Ok(Vec::new()),
        Err(error) if error.is_retriable_for_kafka() => {
            tracing::warn!(
                task = %context.id,
                "failed to poll records from the source task, will try again: {}",
                error.trace().trim_end()
            );
            // A task that fails at once must not spin.
            tokio::select! {
                () = tokio::time::sleep(SEND_RETRY_DELAY) => {}
                () = stopping.cancelled() => {}
            }
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}
