//! `DropHeaders`: removes all headers of some names. The others keep their order.

use sluice_api::config::ConfigType;
use sluice_api::{ConfigDef, ConnectRecord, Props, RecordOrigin, Result, Transformation};

use super::keys::required;

super::whole_record!(DropHeaders);

fn config_def() -> ConfigDef {
    ConfigDef::new().define(
        required(
            "headers",
            ConfigType::List,
            "The name of the headers to be removed.",
        )
        .distinct(false),
    )
}

#[derive(Debug, Default)]
struct DropHeaders {
    headers: Vec<String>,
}

impl Transformation for DropHeaders {
    fn configure(&mut self, props: &Props) -> Result<()> {
        self.headers = config_def().parse(props)?.list("headers").to_vec();
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        if !record.headers.is_empty() {
            for name in &self.headers {
                record.headers.remove(name);
            }
        }
        Ok(Some(record))
    }
}
