//! `HoistField`: wraps a key or value as the single field of a struct or map.

use std::sync::Arc;

use bytestring::ByteString;
use sluice_api::config::{ConfigKey, ConfigType};
use sluice_api::{
    ConfigDef, ConnectRecord, Props, RecordOrigin, Result, Schema, SchemaBuilder, Struct,
    Transformation, Value,
};

use super::schema_cache::SchemaCache;
use super::side::Side;

super::key_and_value!(HoistField);

fn config_def() -> ConfigDef {
    ConfigDef::new().define(ConfigKey::new("field", ConfigType::String).doc(
        "Field name for the single field that will be created in the resulting Struct or Map.",
    ))
}

#[derive(Debug)]
struct HoistField {
    side: Side,
    field: ByteString,
    schemas: SchemaCache<Arc<Schema>>,
}

impl HoistField {
    fn of(side: Side) -> Self {
        Self {
            side,
            field: ByteString::new(),
            schemas: SchemaCache::default(),
        }
    }
}

impl Transformation for HoistField {
    fn configure(&mut self, props: &Props) -> Result<()> {
        self.field = config_def().parse(props)?.string("field").into();
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        let value = self.side.take(&mut record);
        let Some(schema) = self.side.schema(&record) else {
            let entry = (Value::String(self.field.clone()), value);
            let map = Value::Map([entry].into_iter().collect());
            self.side.set(&mut record, None, map);
            return Ok(Some(record));
        };
        let hoisted = self.schemas.get(schema, |schema| {
            SchemaBuilder::structure()
                .field(self.field.clone(), Arc::clone(schema))
                .build()
        })?;
        schema.validate_field(&self.field, &value)?;
        let value = Struct::from_values(Arc::clone(&hoisted), vec![value])?;
        self.side
            .set(&mut record, Some(Arc::clone(&hoisted)), value.into());
        Ok(Some(record))
    }
}
