//! The sink connector: as many tasks as asked for, all appending to one file.

use sluice_api::config::{ConfigType, Importance};
use sluice_api::{ConfigDef, ConfigKey, Props, Result};
use sluice_toolkit::sink_connector::System;

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

/// All tasks append to one file; nothing about offsets is kept outside Kafka.
pub(crate) struct SinkFile;

impl System for SinkFile {
    fn starting(props: &Props) -> Result<()> {
        config_def().parse(props).map(drop)?;
        Ok(())
    }
}
