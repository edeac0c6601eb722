//! `HasHeaderKey`: true for records with a header of some name.

use sluice_api::config::{ConfigKey, ConfigType, validators};
use sluice_api::{ConfigDef, ConnectRecord, Predicate, Props, RecordOrigin, Result};

super::predicate!(HasHeaderKey);

fn config_def() -> ConfigDef {
    ConfigDef::new().define(
        ConfigKey::new("name", ConfigType::String)
            .validator(validators::non_empty())
            .doc("The header name."),
    )
}

#[derive(Debug, Default)]
struct HasHeaderKey {
    name: String,
}

impl Predicate for HasHeaderKey {
    fn configure(&mut self, props: &Props) -> Result<()> {
        config_def()
            .parse(props)?
            .string("name")
            .clone_into(&mut self.name);
        Ok(())
    }

    fn test(&self, record: &ConnectRecord, _origin: &RecordOrigin<'_>) -> Result<bool> {
        Ok(record.headers.last_with_name(&self.name).is_some())
    }
}
