//! `ValueToKey`: makes a new key from fields of the value.

use std::sync::Arc;

use sluice_api::config::ConfigType;
use sluice_api::{
    ConfigDef, ConnectError, ConnectRecord, Props, RecordOrigin, Result, Schema, SchemaBuilder,
    Struct, Transformation, Value,
};

use super::keys::{REPLACE_NULL_WITH_DEFAULT, replace_null_with_default, required};
use super::schema_cache::SchemaCache;
use super::struct_values::{copied, read};

super::whole_record!(ValueToKey);

const PURPOSE: &str = "copying fields from value to key";

fn config_def() -> ConfigDef {
    ConfigDef::new()
        .define(
            required(
                "fields",
                ConfigType::List,
                "Field names on the record value to extract as the record key.",
            )
            .distinct(false),
        )
        .define(replace_null_with_default())
}

/// The key's schema, and where its fields stand in the value.
#[derive(Debug)]
struct Plan {
    schema: Arc<Schema>,
    sources: Vec<usize>,
}

#[derive(Debug, Default)]
struct ValueToKey {
    fields: Vec<String>,
    defaults: bool,
    plans: SchemaCache<Plan>,
}

impl ValueToKey {
    fn plan(&self, schema: &Schema) -> Result<Plan> {
        let mut builder = SchemaBuilder::structure();
        let mut sources = Vec::with_capacity(self.fields.len());
        for name in &self.fields {
            let field = schema
                .field(name)
                .ok_or_else(|| ConnectError::data(format!("Field does not exist: {name}")))?;
            builder = builder.field(field.name().clone(), Arc::clone(field.schema()));
            sources.push(field.index());
        }
        Ok(Plan {
            schema: builder.build()?,
            sources,
        })
    }

    fn key_of(&self, value: &Struct, plan: &Plan) -> Result<Struct> {
        let fields = value.schema().fields();
        let values: Result<Vec<Value>> = plan
            .sources
            .iter()
            .filter_map(|index| fields.get(*index))
            .map(|field| copied(field, read(value, field, self.defaults), false))
            .collect();
        Struct::from_values(Arc::clone(&plan.schema), values?)
    }
}

impl Transformation for ValueToKey {
    fn configure(&mut self, props: &Props) -> Result<()> {
        let config = config_def().parse(props)?;
        self.fields = config.list("fields").to_vec();
        self.defaults = config.boolean(REPLACE_NULL_WITH_DEFAULT);
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        if record.value_schema.is_none() {
            let Value::Map(map) = &record.value else {
                return Err(ConnectError::data(format!(
                    "Only Map objects supported in absence of schema for [{PURPOSE}], found: {}",
                    record.value.java_class()
                )));
            };
            let key = self
                .fields
                .iter()
                .map(|name| {
                    let value = map.get_str(name).cloned().unwrap_or_default();
                    (Value::from(name.as_str()), value)
                })
                .collect();
            record.key_schema = None;
            record.key = Value::Map(key);
            return Ok(Some(record));
        }
        let Value::Struct(value) = &record.value else {
            return Err(ConnectError::data(format!(
                "Only Struct objects supported for [{PURPOSE}], found: {}",
                record.value.java_class()
            )));
        };
        let plan = self.plans.get(value.schema(), |schema| self.plan(schema))?;
        record.key = self.key_of(value, &plan)?.into();
        record.key_schema = Some(Arc::clone(&plan.schema));
        Ok(Some(record))
    }
}
