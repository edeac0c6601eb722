//! `InsertHeader`: adds a header of a fixed value, whose type is guessed from its text.

use bytestring::ByteString;
use sluice_api::config::ConfigType;
use sluice_api::values::parse_string;
use sluice_api::{
    ConfigDef, ConnectRecord, Props, RecordOrigin, Result, SchemaAndValue, Transformation,
};

use super::keys::{non_null, required};

super::whole_record!(InsertHeader);

fn config_def() -> ConfigDef {
    ConfigDef::new()
        .define(
            required("header", ConfigType::String, "The name of the header.").validator(non_null()),
        )
        .define(
            required(
                "value.literal",
                ConfigType::String,
                "The literal value that is to be set as the header value on all records.",
            )
            .validator(non_null()),
        )
}

#[derive(Debug, Default)]
struct InsertHeader {
    header: ByteString,
    literal: SchemaAndValue,
}

impl Transformation for InsertHeader {
    fn configure(&mut self, props: &Props) -> Result<()> {
        let config = config_def().parse(props)?;
        self.header = config.string("header").into();
        self.literal = parse_string(Some(config.string("value.literal")));
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        record
            .headers
            .add_converted(self.header.clone(), self.literal.clone());
        Ok(Some(record))
    }
}
