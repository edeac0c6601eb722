//! `Drop`: makes the key or the value null, and does with its schema what `schema.behavior` says.

use sluice_api::config::{ConfigKey, ConfigType, validators};
use sluice_api::{
    ConfigDef, ConnectError, ConnectRecord, Props, RecordOrigin, Result, SchemaBuilder,
    Transformation, Value,
};

use super::super::schema_cache::SchemaCache;
use super::super::side::Side;

super::confluent!(key_plugin, "Drop$Key", Drop::of(Side::Key));
super::confluent!(value_plugin, "Drop$Value", Drop::of(Side::Value));

fn config_def() -> ConfigDef {
    ConfigDef::new().define(
        ConfigKey::new("schema.behavior", ConfigType::String)
            .default("nullify")
            .validator(validators::one_of(&["nullify", "retain", "validate", "force_optional"]))
            .doc(
                "What happens to a schema that is there: nullify makes it null, retain keeps it, validate \
                 keeps it and fails unless it is optional, force_optional makes it optional.",
            ),
    )
}

#[derive(Debug, Clone, Copy)]
enum Behavior {
    Nullify,
    Retain,
    Validate,
    ForceOptional,
}

#[derive(Debug)]
struct Drop {
    side: Side,
    behavior: Behavior,
    optional: SchemaCache<std::sync::Arc<sluice_api::Schema>>,
}

impl Drop {
    fn of(side: Side) -> Self {
        Self {
            side,
            behavior: Behavior::Nullify,
            optional: SchemaCache::default(),
        }
    }
}

/// The same schema, optional.
fn optional(schema: &sluice_api::Schema) -> Result<std::sync::Arc<sluice_api::Schema>> {
    let mut builder = SchemaBuilder::shape_of(schema).basics_of(schema).optional();
    if let Some(default) = schema.default_value() {
        builder = builder.default_value(default.clone());
    }
    builder.build()
}

impl Transformation for Drop {
    fn configure(&mut self, props: &Props) -> Result<()> {
        self.behavior = match config_def().parse(props)?.string("schema.behavior") {
            "retain" => Behavior::Retain,
            "validate" => Behavior::Validate,
            "force_optional" => Behavior::ForceOptional,
            _ => Behavior::Nullify,
        };
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        let schema = self.side.schema(&record).cloned();
        let schema = match (schema, self.behavior) {
            (None, _) | (_, Behavior::Nullify) => None,
            (Some(schema), Behavior::Validate) if !schema.is_optional() => {
                return Err(ConnectError::data(format!(
                    "Drop with schema.behavior=validate: the schema {schema} is not optional"
                )));
            }
            (Some(schema), Behavior::ForceOptional) if !schema.is_optional() => {
                let optional = self.optional.get(&schema, |schema| optional(schema))?;
                Some((*optional).clone())
            }
            (schema, _) => schema,
        };
        self.side.set(&mut record, schema, Value::Null);
        Ok(Some(record))
    }
}
