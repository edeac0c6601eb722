//! The source connector: one task with the connector's own configuration.

use std::sync::Arc;

use sluice_api::config::{ConfigType, Importance, validators};
use sluice_api::{
    ConfigDef, ConfigKey, ConnectError, Connector, ConnectorContext, ExactlyOnceSupport, Props,
    Result, SourceOffset, SourcePartition, Value, async_trait,
};

use crate::FILE;
use crate::source_task::{FILENAME_FIELD, POSITION_FIELD};

pub(crate) const TOPIC: &str = "topic";
pub(crate) const BATCH_SIZE: &str = "batch.size";

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new()
        .define(
            ConfigKey::new(FILE, ConfigType::String)
                .optional()
                .names_file()
                .importance(Importance::High)
                .doc("Source filename. If not specified, the standard input will be used"),
        )
        .define(
            ConfigKey::new(TOPIC, ConfigType::String)
                .validator(validators::non_empty())
                .importance(Importance::High)
                .doc("The topic to publish data to"),
        )
        .define(
            ConfigKey::new(BATCH_SIZE, ConfigType::Int)
                .default("2000")
                .importance(Importance::Low)
                .doc(
                    "The maximum number of records the source task can read from the file each time it is \
                     polled",
                ),
        )
}

/// The file's path; `None` is stdin.
pub(crate) fn filename(config: &sluice_api::ParsedConfig) -> Option<&str> {
    config.optional_string(FILE).filter(|name| !name.is_empty())
}

#[derive(Default)]
pub(crate) struct FileStreamSourceConnector {
    props: Props,
}

#[async_trait]
impl Connector for FileStreamSourceConnector {
    async fn start(&mut self, _context: Arc<dyn ConnectorContext>, props: &Props) -> Result<()> {
        let config = config_def().parse(props)?;
        match filename(&config) {
            Some(name) => tracing::info!(file = name, "starting file source connector"),
            None => tracing::info!("starting file source connector reading from stdin"),
        }
        self.props = props.clone();
        Ok(())
    }

    async fn task_configs(&mut self, _max_tasks: usize) -> Result<Vec<Props>> {
        // One file is one stream, so there is one task.
        Ok(vec![self.props.clone()])
    }

    async fn exactly_once_support(&self, props: &Props) -> Result<Option<ExactlyOnceSupport>> {
        let has_file = props.get(FILE).is_some_and(|name| !name.trim().is_empty());
        Ok(Some(has_file.into()))
    }

    async fn alter_source_offsets(
        &self,
        props: &Props,
        offsets: &[(SourcePartition, Option<SourceOffset>)],
    ) -> Result<bool> {
        let config = config_def().parse(props)?;
        if filename(&config).is_none() {
            return Err(ConnectError::connect(format!(
                "Offsets cannot be modified if the '{FILE}' configuration is unspecified. This is because \
                 stdin is used for input and offsets are not tracked."
            )));
        }
        for (partition, offset) in offsets {
            // Tombstones are allowed for anything, so that users can clean up.
            let Some(offset) = offset else {
                continue;
            };
            let Some(position) = offset.get(POSITION_FIELD) else {
                return Err(ConnectError::connect(format!(
                    "Offset objects should either be null or contain the key '{POSITION_FIELD}'"
                )));
            };
            let Value::Int64(position) = position else {
                return Err(ConnectError::connect(format!(
                    "The value for the '{POSITION_FIELD}' key in the offset is expected to be a Long value"
                )));
            };
            if *position < 0 {
                return Err(ConnectError::connect(format!(
                    "The value for the '{POSITION_FIELD}' key in the offset should be a non-negative value"
                )));
            }
            if partition.get(FILENAME_FIELD).is_none() {
                return Err(ConnectError::connect(format!(
                    "Partition objects should contain the key '{FILENAME_FIELD}'"
                )));
            }
        }
        Ok(true)
    }
}
