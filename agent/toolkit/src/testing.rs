//! What the tests and benches of connectors give their tasks instead of a worker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::{
    ConnectError, ErrantRecordReporter, OffsetStorageReader, Props, Reach, Result, SinkRecord,
    SinkTaskContext, SourceOffset, SourcePartition, SourceTaskContext, TopicPartition,
};

/// A context for one task of either kind. What the task asks of it has no effect but that it can be looked
/// at.
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
