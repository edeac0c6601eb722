//! The connector of a sink: its tasks share partitions as the consumer group assigns them, so all have the
//! connector's own configuration.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use sluice_api::{Connector, ConnectorContext, KeyFault, Props, Result, TopicPartition};

/// What one system's sink connector knows, beside being a connector.
#[async_trait]
pub trait System: Send + Sync + 'static {
    /// Looks at the configuration before the connector starts.
    ///
    /// # Errors
    /// It cannot be used: the connector is FAILED.
    fn starting(props: &Props) -> Result<()>;

    /// Faults beyond what the definition of single keys finds ([`Connector::validate`]).
    async fn validate(props: &Props) -> Vec<KeyFault> {
        let _ = props;
        Vec::new()
    }

    /// What must go with other consumer offsets ([`Connector::alter_sink_offsets`]). Nothing where the system
    /// keeps none, which is the default.
    ///
    /// # Errors
    /// The change is refused.
    async fn alter_offsets(
        props: &Props,
        offsets: &BTreeMap<TopicPartition, Option<i64>>,
    ) -> Result<()> {
        let _ = (props, offsets);
        Ok(())
    }
}

/// A sink connector of a system, with the same configuration for each task.
pub struct SameForEachTask<S> {
    props: Props,
    system: PhantomData<fn() -> S>,
}

impl<S> Default for SameForEachTask<S> {
    fn default() -> Self {
        Self {
            props: Props::new(),
            system: PhantomData,
        }
    }
}

#[async_trait]
impl<S: System> Connector for SameForEachTask<S> {
    async fn start(&mut self, _context: Arc<dyn ConnectorContext>, props: &Props) -> Result<()> {
        S::starting(props)?;
        self.props = props.clone();
        Ok(())
    }

    async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>> {
        Ok(vec![self.props.clone(); max_tasks])
    }

    async fn validate(&self, props: &Props) -> Vec<KeyFault> {
        S::validate(props).await
    }

    async fn alter_sink_offsets(
        &self,
        props: &Props,
        offsets: &BTreeMap<TopicPartition, Option<i64>>,
    ) -> Result<bool> {
        S::alter_offsets(props, offsets).await?;
        Ok(true)
    }
}
