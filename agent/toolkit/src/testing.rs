//! What the tests and benches of connectors give their tasks instead of a worker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use sluice_api::plugin::{StartSinkTask, StartSourceTask, sink_tasks, source_tasks};
use tokio_util::sync::CancellationToken;

use sluice_api::{
    ConnectError, ConnectorContext, ErrantRecordReporter, OffsetStorageReader, Props, Reach,
    Result, SinkRecord, SinkTask, SinkTaskContext, SourceOffset, SourcePartition, SourceTask,
    SourceTaskContext, TopicPartition,
};

/// A context for a connector, or for one task of either kind. What it is asked has no effect but that it can be
/// looked at.
#[derive(Debug, Default)]
pub struct TestContext {
    /// Configuration of the task.
    pub props: Props,
    /// The offset that is stored for every source partition.
    pub stored: Option<SourceOffset>,
    /// Partitions of a sink task.
    pub assignment: Vec<TopicPartition>,
    /// Offsets that a sink task went back to.
    pub rewound: Mutex<BTreeMap<TopicPartition, i64>>,
    /// Messages of errors that a sink task reported; `None` if nothing can be reported.
    pub reported: Option<Reported>,
    /// Tells the task to stop.
    pub stopping: CancellationToken,
    /// What the task may reach.
    pub reach: Reach,
}

impl TestContext {
    /// A context with these props alone.
    #[must_use]
    pub fn new(props: Props) -> Self {
        Self {
            props,
            ..Self::default()
        }
    }
}

/// What starts the one task that a test has made; a second start is an error.
pub fn source_task_of(task: impl SourceTask + 'static) -> StartSourceTask {
    let task = Mutex::new(Some(task));
    source_tasks(move |_| ready(taken(&task)))
}

/// What starts the one task that a test has made; a second start is an error.
pub fn sink_task_of(task: impl SinkTask + 'static) -> StartSinkTask {
    let task = Mutex::new(Some(task));
    sink_tasks(move |_| ready(taken(&task)))
}

fn taken<T>(task: &Mutex<Option<T>>) -> Result<T> {
    let task = task.lock().unwrap_or_else(PoisonError::into_inner).take();
    task.ok_or_else(|| ConnectError::connect("the task of this test was started before"))
}

/// Messages of reported errors.
#[derive(Debug, Clone, Default)]
pub struct Reported(Arc<Mutex<Vec<String>>>);

impl Reported {
    /// All up to now.
    #[must_use]
    pub fn messages(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl ErrantRecordReporter for Reported {
    fn report(
        &self,
        _: &SinkRecord,
        error: ConnectError,
    ) -> Result<BoxFuture<'static, Result<()>>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(error.message().to_owned());
        Ok(async { Ok(()) }.boxed())
    }
}

struct Stored(Option<SourceOffset>);

#[async_trait]
impl OffsetStorageReader for Stored {
    async fn offsets(&self, partitions: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>> {
        Ok(vec![self.0.clone(); partitions.len()])
    }
}

impl SourceTaskContext for TestContext {
    fn configs(&self) -> &Props {
        &self.props
    }

    fn offset_storage_reader(&self) -> Arc<dyn OffsetStorageReader> {
        Arc::new(Stored(self.stored.clone()))
    }

    fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    fn reach(&self) -> &Reach {
        &self.reach
    }
}

impl ConnectorContext for TestContext {
    fn request_task_reconfiguration(&self) {}

    fn raise_error(&self, _: ConnectError) {}

    fn offset_storage_reader(&self) -> Option<Arc<dyn OffsetStorageReader>> {
        Some(Arc::new(Stored(self.stored.clone())))
    }

    fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }
}

impl SinkTaskContext for TestContext {
    fn configs(&self) -> &Props {
        &self.props
    }

    fn offsets(&self, offsets: &BTreeMap<TopicPartition, i64>) {
        self.rewound
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(offsets.clone());
    }

    fn timeout(&self, _: Duration) {}

    fn assignment(&self) -> Vec<TopicPartition> {
        self.assignment.clone()
    }

    fn pause(&self, _: &[TopicPartition]) -> Result<()> {
        Ok(())
    }

    fn resume(&self, _: &[TopicPartition]) -> Result<()> {
        Ok(())
    }

    fn request_commit(&self) {}

    fn errant_record_reporter(&self) -> Option<Arc<dyn ErrantRecordReporter>> {
        let reported = self.reported.clone()?;
        Some(Arc::new(reported))
    }

    fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    fn reach(&self) -> &Reach {
        &self.reach
    }
}
