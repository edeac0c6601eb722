//! `RecordIsTombstone`: true for records whose value is null.

use sluice_api::{ConfigDef, ConnectRecord, Predicate, Props, RecordOrigin, Result};

super::predicate!(RecordIsTombstone);

fn config_def() -> ConfigDef {
    ConfigDef::new()
}

#[derive(Debug, Default)]
struct RecordIsTombstone;

impl Predicate for RecordIsTombstone {
    fn configure(&mut self, _props: &Props) -> Result<()> {
        Ok(())
    }

    fn test(&self, record: &ConnectRecord, _origin: &RecordOrigin<'_>) -> Result<bool> {
        Ok(record.value.is_null())
    }
}
