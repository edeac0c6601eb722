//! `ExtractField`: replaces a key or value by one of its fields, nested ones with `field.syntax.version=V2`.

use std::sync::Arc;

use sluice_api::config::{ConfigKey, ConfigType};
use sluice_api::error::ErrorKind;
use sluice_api::{
    ConfigDef, ConnectError, ConnectRecord, Props, RecordOrigin, Result, Transformation, Value,
};

use super::field_path::{FieldPath, SYNTAX_VERSION, syntax_version_key};
use super::keys::{REPLACE_NULL_WITH_DEFAULT, replace_null_with_default};
use super::requirements;
use super::side::Side;

super::key_and_value!(ExtractField);

const PURPOSE: &str = "field extraction";

fn config_def() -> ConfigDef {
    ConfigDef::new()
        .define(ConfigKey::new("field", ConfigType::String).doc("Field name to extract."))
        .define(replace_null_with_default())
        .define(syntax_version_key())
}

#[derive(Debug)]
struct ExtractField {
    side: Side,
    original: String,
    path: FieldPath,
    defaults: bool,
}

impl ExtractField {
    fn of(side: Side) -> Self {
        Self {
            side,
            original: String::new(),
            path: FieldPath::default(),
            defaults: true,
        }
    }
}

impl Transformation for ExtractField {
    fn configure(&mut self, props: &Props) -> Result<()> {
        let config = config_def().parse(props)?;
        config.string("field").clone_into(&mut self.original);
        self.path = FieldPath::parse(&self.original, config.string(SYNTAX_VERSION))?;
        self.defaults = config.boolean(REPLACE_NULL_WITH_DEFAULT);
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        let value = self.side.take(&mut record);
        let (schema, value) = match self.side.schema(&record) {
            None if value.is_null() => (None, Value::Null),
            None => {
                let map = requirements::map(value, PURPOSE)?;
                (None, self.path.value_in_map(&map)?)
            }
            Some(schema) => {
                let value = requirements::structure_or_null(value, PURPOSE)?;
                let field = self.path.field(schema)?.ok_or_else(|| {
                    ConnectError::new(
                        ErrorKind::IllegalArgument,
                        format!("Unknown field: {}", self.original),
                    )
                })?;
                let extracted = match value {
                    Some(value) => self.path.value_in_struct(value, self.defaults)?,
                    None => Value::Null,
                };
                (Some(Arc::clone(field.schema())), extracted)
            }
        };
        self.side.set(&mut record, schema, value);
        Ok(Some(record))
    }
}
