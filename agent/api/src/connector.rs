//! Connectors: they check a configuration, watch the external system, and split the work into task
//! configurations.
//!
//! The runtime calls one connector's methods one after another, never at the same time. `start` and `stop`
//! may follow each other several times on one instance (pause and resume).

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::config::{ConfigDef, Props, ValidatedKey};
use crate::error::{ConnectError, KeyFault, Result};
use crate::record::{SourceOffset, SourcePartition, TopicPartition};

/// What the runtime offers a running connector.
pub trait ConnectorContext: Send + Sync {
    /// Asks the runtime to call [`Connector::task_configs`] again, soon, and to restart tasks if they
    /// changed.
    fn request_task_reconfiguration(&self);

    /// Makes the connector FAILED. Has no effect after it was stopped.
    fn raise_error(&self, error: ConnectError);

    /// Reads stored source offsets; `None` for sinks.
    fn offset_storage_reader(&self) -> Option<Arc<dyn OffsetStorageReader>>;

    /// Is cancelled when the connector is being stopped; background work of the connector ends with it.
    fn stopping(&self) -> CancellationToken;
}

/// Reads the offsets stored for the partitions of one connector, at the end of the offsets topic.
#[async_trait]
pub trait OffsetStorageReader: Send + Sync {
    /// Offsets in the order of the partitions asked for, `None` where nothing is stored. Integers come back
    /// as 64-bit whatever their type was when written.
    async fn offsets(&self, partitions: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>>;

    /// The offset of one partition.
    async fn offset(&self, partition: &SourcePartition) -> Result<Option<SourceOffset>> {
        Ok(self
            .offsets(std::slice::from_ref(partition))
            .await?
            .pop()
            .flatten())
    }
}

/// Whether a source connector can be exactly-once with a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExactlyOnceSupport {
    /// It can.
    Supported,
    /// It can't.
    Unsupported,
}

impl From<bool> for ExactlyOnceSupport {
    fn from(supported: bool) -> Self {
        if supported {
            Self::Supported
        } else {
            Self::Unsupported
        }
    }
}

/// A connector.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Begins to watch the external system. Must not wait for work to finish.
    ///
    /// # Errors
    /// Any error makes the connector FAILED.
    async fn start(&mut self, context: Arc<dyn ConnectorContext>, props: &Props) -> Result<()>;

    /// Full class name of its tasks where the instance decides that, and not its descriptor
    /// ([`task_class`](crate::plugin::SourceConnectorPlugin::task_class)). After `start`.
    fn task_class(&self) -> Option<String> {
        None
    }

    /// One configuration for each task, at most `max_tasks`, after `start`.
    async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>>;

    /// Ends what `start` began.
    async fn stop(&mut self) -> Result<()> {
        Ok(())
    }

    /// The keys with their values, recommended values and faults, by `def`, its own definition. Called on an
    /// instance that was not started.
    ///
    /// # Errors
    /// The plugin itself failed: the configuration can be called neither right nor wrong.
    async fn validate_config(&self, def: &ConfigDef, props: &Props) -> Result<Vec<ValidatedKey>> {
        Ok(def.validate(props))
    }

    /// Faults beyond what [`Connector::validate_config`] finds, which may ask the external system. Called on
    /// an instance that was not started, and only if the configuration reaches nothing that it must not.
    async fn validate(&self, props: &Props) -> Vec<KeyFault> {
        let _ = props;
        Vec::new()
    }

    /// Sources: whether the connector can be exactly-once. `None` is "does not say".
    ///
    /// # Errors
    /// The plugin failed.
    async fn exactly_once_support(&self, props: &Props) -> Result<Option<ExactlyOnceSupport>> {
        let _ = props;
        Ok(None)
    }

    /// Sources: whether tasks can define the boundaries of transactions.
    ///
    /// # Errors
    /// The plugin failed.
    async fn can_define_transaction_boundaries(&self, props: &Props) -> Result<bool> {
        let _ = props;
        Ok(false)
    }

    /// Sources: checks offsets a user wants to store (`None` resets a partition), and does in the external
    /// system what must go with them. Answers whether the connector has handled them; an error refuses the
    /// change.
    async fn alter_source_offsets(
        &self,
        props: &Props,
        offsets: &[(SourcePartition, Option<SourceOffset>)],
    ) -> Result<bool> {
        let _ = (props, offsets);
        Ok(false)
    }

    /// Sinks: as [`Connector::alter_source_offsets`] for consumer offsets.
    async fn alter_sink_offsets(
        &self,
        props: &Props,
        offsets: &BTreeMap<TopicPartition, Option<i64>>,
    ) -> Result<bool> {
        let _ = (props, offsets);
        Ok(false)
    }
}
