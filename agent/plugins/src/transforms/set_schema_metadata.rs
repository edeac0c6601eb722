//! `SetSchemaMetadata`: gives a schema another name, version, or both.

use std::sync::Arc;

use sluice_api::config::{ConfigKey, ConfigType, Importance};
use sluice_api::{
    ConfigDef, ConnectError, ConnectRecord, Props, RecordOrigin, Result, Schema, Transformation,
    Value,
};

use super::keys::{REPLACE_NULL_WITH_DEFAULT, replace_null_with_default};
use super::schema_cache::SchemaCache;
use super::side::Side;
use super::struct_values::{copy_all, rebuild};

super::key_and_value!(SetSchemaMetadata);

fn config_def() -> ConfigDef {
    ConfigDef::new()
        .define(
            ConfigKey::new("schema.name", ConfigType::String)
                .optional()
                .importance(Importance::High)
                .doc("Schema name to set."),
        )
        .define(
            ConfigKey::new("schema.version", ConfigType::Int)
                .optional()
                .importance(Importance::High)
                .doc("Schema version to set."),
        )
        .define(replace_null_with_default())
}

#[derive(Debug)]
struct SetSchemaMetadata {
    side: Side,
    name: Option<String>,
    version: Option<i32>,
    defaults: bool,
    schemas: SchemaCache<Arc<Schema>>,
}

impl SetSchemaMetadata {
    fn of(side: Side) -> Self {
        Self {
            side,
            name: None,
            version: None,
            defaults: true,
            schemas: SchemaCache::default(),
        }
    }
}

impl Transformation for SetSchemaMetadata {
    fn configure(&mut self, props: &Props) -> Result<()> {
        let config = config_def().parse(props)?;
        self.name = config.optional_string("schema.name").map(str::to_owned);
        self.version = config.optional_int("schema.version");
        self.defaults = config.boolean(REPLACE_NULL_WITH_DEFAULT);
        if self.name.is_none() && self.version.is_none() {
            return Err(ConnectError::config(
                "Neither schema name nor version configured",
            ));
        }
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        let value = self.side.take(&mut record);
        let Some(schema) = self.side.schema(&record) else {
            if value.is_null() {
                return Ok(Some(record));
            }
            return Err(ConnectError::data(
                "Schema required for [updating schema metadata]",
            ));
        };
        let updated = self.schemas.get(schema, |schema| {
            // The JVM copies the fields of whatever schema, which fails for others than structs.
            schema.try_fields()?;
            Ok(schema.with_metadata(self.name.as_deref(), self.version))
        })?;
        let value = match value {
            Value::Struct(value) => rebuild(value, |mut values| {
                copy_all(&updated, &mut values, self.defaults)?;
                Ok((Arc::clone(&updated), values))
            })?,
            other => other,
        };
        self.side
            .set(&mut record, Some(Arc::clone(&updated)), value);
        Ok(Some(record))
    }
}
