//! The connector: every task makes records of the same schema.

use std::sync::Arc;

use sluice_api::{
    ConnectError, Connector, ConnectorContext, ExactlyOnceSupport, KeyFault, Props, Reach, Result,
    SourceOffset, SourcePartition, Value, async_trait,
};
use tokio::task::spawn_blocking;

use super::config::{Settings, TASK_ID, config_def};
use super::task::{CURRENT_ITERATION, RANDOM_SEED, TASK_GENERATION};
use crate::connector::numbered;

#[derive(Default)]
pub(crate) struct DatagenConnector {
    props: Props,
}

#[async_trait]
impl Connector for DatagenConnector {
    async fn start(&mut self, _context: Arc<dyn ConnectorContext>, props: &Props) -> Result<()> {
        config_def().parse(props)?;
        self.props = props.clone();
        Ok(())
    }

    async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>> {
        Ok(numbered(&self.props, TASK_ID, max_tasks))
    }

    async fn validate(&self, props: &Props) -> Vec<KeyFault> {
        let props = props.clone();
        // The worker has compared the file with what may be reached.
        let read = spawn_blocking(move || Settings::read(&props, &Reach::default()).err());
        read.await.ok().flatten().unwrap_or_default()
    }

    async fn exactly_once_support(&self, _props: &Props) -> Result<Option<ExactlyOnceSupport>> {
        Ok(Some(ExactlyOnceSupport::Supported))
    }

    async fn alter_source_offsets(
        &self,
        _props: &Props,
        offsets: &[(SourcePartition, Option<SourceOffset>)],
    ) -> Result<bool> {
        for (partition, offset) in offsets {
            if partition.get(TASK_ID).is_none() {
                return Err(ConnectError::connect(format!(
                    "Partition objects should contain the key '{TASK_ID}'"
                )));
            }
            let Some(offset) = offset else {
                continue;
            };
            let is_number = |key: &&str| matches!(offset.get(key), Some(Value::Int64(_)));
            let keys = [TASK_GENERATION, CURRENT_ITERATION, RANDOM_SEED];
            if let Some(key) = keys.iter().find(|key| !is_number(key)) {
                return Err(ConnectError::connect(format!(
                    "Offset objects should either be null or contain the key '{key}' with a number"
                )));
            }
        }
        Ok(true)
    }
}
