//! The connector: every task makes its own sequence.

use std::sync::Arc;

use sluice_api::{
    ConnectError, Connector, ConnectorContext, ExactlyOnceSupport, Props, Result, SourceOffset,
    SourcePartition, Value, async_trait,
};

use crate::config::{TASK_NUMBER, TaskSettings};
use crate::task::{COUNT_FIELD, GENERATOR_FIELD, TASK_FIELD};

#[derive(Default)]
pub(crate) struct DatagenSourceConnector {
    props: Props,
}

#[async_trait]
impl Connector for DatagenSourceConnector {
    async fn start(&mut self, _context: Arc<dyn ConnectorContext>, props: &Props) -> Result<()> {
        TaskSettings::parse(props)?;
        self.props = props.clone();
        Ok(())
    }

    async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>> {
        Ok(numbered(&self.props, TASK_NUMBER, max_tasks))
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
            let Some(offset) = offset else {
                continue;
            };
            if partition.get(GENERATOR_FIELD).is_none() || partition.get(TASK_FIELD).is_none() {
                return Err(ConnectError::connect(format!(
                    "Partition objects should contain the keys '{GENERATOR_FIELD}' and '{TASK_FIELD}'"
                )));
            }
            match offset.get(COUNT_FIELD) {
                Some(Value::Int64(count)) if *count >= 0 => {}
                _ => {
                    return Err(ConnectError::connect(format!(
                        "Offset objects should either be null or contain the key '{COUNT_FIELD}' with a \
                         value that is not negative"
                    )));
                }
            }
        }
        Ok(true)
    }
}

/// The same configuration for each task, with its number from 0 at a key.
pub(crate) fn numbered(props: &Props, key: &str, tasks: usize) -> Vec<Props> {
    let numbered = (0..tasks).map(|task| {
        let mut props = props.clone();
        props.insert(key.to_owned(), task.to_string());
        props
    });
    numbered.collect()
}
