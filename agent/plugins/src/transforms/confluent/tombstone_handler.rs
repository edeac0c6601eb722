//! `TombstoneHandler`: what becomes of records whose value is null.

use sluice_api::config::{ConfigKey, ConfigType, validators};
use sluice_api::{
    ConfigDef, ConnectError, ConnectRecord, Props, RecordOrigin, Result, Transformation,
};

super::confluent!(plugin, "TombstoneHandler", TombstoneHandler::default());

fn config_def() -> ConfigDef {
    ConfigDef::new().define(
        ConfigKey::new("behavior", ConfigType::String)
            .default("warn")
            .validator(validators::one_of(&["ignore", "warn", "fail"]))
            .doc(
                "ignore drops records without value, warn drops them and writes a warning to the log, fail \
                 is an error for each.",
            ),
    )
}

#[derive(Debug, Clone, Copy, Default)]
enum TombstoneHandler {
    Ignore,
    #[default]
    Warn,
    Fail,
}

impl Transformation for TombstoneHandler {
    fn configure(&mut self, props: &Props) -> Result<()> {
        *self = match config_def().parse(props)?.string("behavior") {
            "ignore" => Self::Ignore,
            "fail" => Self::Fail,
            _ => Self::Warn,
        };
        Ok(())
    }

    fn apply(
        &self,
        record: ConnectRecord,
        origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        if !record.value.is_null() {
            return Ok(Some(record));
        }
        let topic = &*record.topic;
        match self {
            Self::Ignore => tracing::debug!(topic, "a record without value is dropped"),
            Self::Warn => tracing::warn!(topic, "a record without value is dropped"),
            Self::Fail => {
                return Err(ConnectError::data(format!(
                    "TombstoneHandler with behavior=fail: a record without value: {}",
                    origin.text_of(&record)
                )));
            }
        }
        Ok(None)
    }
}
