//! The sink connector: as many tasks as asked for, all appending to one file.

use std::collections::BTreeMap;
use std::sync::Arc;

use sluice_api::config::{ConfigType, Importance};
use sluice_api::{
    ConfigDef, ConfigKey, Connector, ConnectorContext, Props, Result, TopicPartition, async_trait,
};

use crate::FILE;

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new().define(
        ConfigKey::new(FILE, ConfigType::String)
            .optional()
            .names_file()
            .importance(Importance::High)
            .doc("Destination filename. If not specified, the standard output will be used"),
    )
}

#[derive(Default)]
pub(crate) struct FileStreamSinkConnector {
    props: Props,
}

#[async_trait]
impl Connector for FileStreamSinkConnector {
    async fn start(&mut self, _context: Arc<dyn ConnectorContext>, props: &Props) -> Result<()> {
        config_def().parse(props)?;
        self.props = props.clone();
        Ok(())
    }

    async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>> {
        Ok(vec![self.props.clone(); max_tasks])
    }

    async fn alter_sink_offsets(
        &self,
        _props: &Props,
        _offsets: &BTreeMap<TopicPartition, Option<i64>>,
    ) -> Result<bool> {
        // Nothing about offsets is kept outside Kafka.
        Ok(true)
    }
}
