//! `Filter`: drops every record; meant to be used with a predicate.

use sluice_api::{ConfigDef, ConnectRecord, Props, RecordOrigin, Result, Transformation};

super::whole_record!(Filter);

fn config_def() -> ConfigDef {
    ConfigDef::new()
}

#[derive(Debug, Default)]
struct Filter;

impl Transformation for Filter {
    fn configure(&mut self, _props: &Props) -> Result<()> {
        Ok(())
    }

    fn apply(
        &self,
        _record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        Ok(None)
    }
}
