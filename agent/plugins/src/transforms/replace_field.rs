//! `ReplaceField`: keeps, drops and renames fields.

use std::sync::Arc;

use bytestring::ByteString;
use sluice_api::config::{ConfigKey, ConfigType, ConfigValue};
use sluice_api::{
    ConfigDef, ConnectError, ConnectRecord, Props, RecordOrigin, Result, Schema, SchemaBuilder,
    Transformation, Value,
};

use super::keys::{REPLACE_NULL_WITH_DEFAULT, rename_mappings, replace_null_with_default};
use super::requirements;
use super::schema_cache::SchemaCache;
use super::side::Side;
use super::struct_values::{copied, copy_all, rebuild};

super::key_and_value!(ReplaceField);

const PURPOSE: &str = "field replacement";

fn config_def() -> ConfigDef {
    ConfigDef::new()
        .define(
            ConfigKey::new("exclude", ConfigType::List)
                .default("")
                .distinct(true)
                .doc("Fields to exclude. This takes precedence over the fields to include."),
        )
        .define(
            ConfigKey::new("include", ConfigType::List)
                .default("")
                .distinct(true)
                .doc("Fields to include. If specified, only these fields will be used."),
        )
        .define(
            ConfigKey::new("renames", ConfigType::List)
                .default("")
                .validator(Arc::new(|_, value| match value {
                    ConfigValue::List(list) => rename_mappings(list).map(drop),
                    _ => Ok(()),
                }))
                .doc("Field rename mappings."),
        )
        .define(replace_null_with_default())
}

/// How structs of one schema are changed.
#[derive(Debug)]
struct Plan {
    schema: Arc<Schema>,
    /// Position of each new field's value in the old struct, or the name that the old struct does not have.
    sources: Vec<Result<usize, ByteString>>,
    /// All fields stay in their places.
    in_place: bool,
}

#[derive(Debug)]
struct ReplaceField {
    side: Side,
    exclude: Vec<String>,
    include: Vec<String>,
    renames: Vec<(String, ByteString)>,
    defaults: bool,
    plans: SchemaCache<Plan>,
}

impl ReplaceField {
    fn of(side: Side) -> Self {
        Self {
            side,
            exclude: Vec::new(),
            include: Vec::new(),
            renames: Vec::new(),
            defaults: true,
            plans: SchemaCache::default(),
        }
    }

    fn keeps(&self, name: &str) -> bool {
        !self.exclude.iter().any(|one| one == name)
            && (self.include.is_empty() || self.include.iter().any(|one| one == name))
    }

    fn renamed(&self, name: &str) -> Option<&ByteString> {
        let (_, new) = self.renames.iter().find(|(old, _)| old == name)?;
        Some(new)
    }

    fn plan(&self, schema: &Schema) -> Result<Plan> {
        let mut builder = SchemaBuilder::structure().basics_of(schema);
        for field in schema
            .fields()
            .iter()
            .filter(|field| self.keeps(field.name()))
        {
            let name = self.renamed(field.name()).unwrap_or(field.name()).clone();
            builder = builder.field(name, Arc::clone(field.schema()));
        }
        let updated = builder.build()?;
        // The old name is found by the new one, as the JVM does: a field whose name another would have been
        // renamed to is looked for under that other name.
        let sources: Vec<Result<usize, ByteString>> = updated
            .fields()
            .iter()
            .map(|field| {
                let old = self
                    .renames
                    .iter()
                    .rev()
                    .find(|(_, new)| new == field.name());
                let name = old.map_or(&**field.name(), |(old, _)| old.as_str());
                schema
                    .field(name)
                    .map(sluice_api::schema::Field::index)
                    .ok_or_else(|| name.into())
            })
            .collect();
        let in_place = sources.len() == schema.fields().len()
            && sources
                .iter()
                .enumerate()
                .all(|(index, source)| *source == Ok(index));
        Ok(Plan {
            schema: updated,
            sources,
            in_place,
        })
    }
}

impl Plan {
    fn change(&self, mut values: Vec<Value>, defaults: bool) -> Result<Vec<Value>> {
        if self.in_place {
            copy_all(&self.schema, &mut values, defaults)?;
            return Ok(values);
        }
        self.sources
            .iter()
            .zip(self.schema.fields())
            .map(|(source, field)| match source {
                Ok(index) => {
                    let value = values.get_mut(*index).map(std::mem::take);
                    copied(field, value.unwrap_or_default(), defaults)
                }
                Err(name) => Err(ConnectError::data(format!(
                    "{name} is not a valid field name"
                ))),
            })
            .collect()
    }
}

impl Transformation for ReplaceField {
    fn configure(&mut self, props: &Props) -> Result<()> {
        let config = config_def().parse(props)?;
        self.exclude = config.list("exclude").to_vec();
        self.include = config.list("include").to_vec();
        self.renames = rename_mappings(config.list("renames"))?
            .into_iter()
            .map(|(old, new)| (old, new.into()))
            .collect();
        self.defaults = config.boolean(REPLACE_NULL_WITH_DEFAULT);
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        let value = self.side.take(&mut record);
        if value.is_null() {
            return Ok(Some(record));
        }
        if self.side.schema(&record).is_none() {
            let map = requirements::map(value, PURPOSE)?
                .into_iter()
                .filter(|(key, _)| self.keeps(key.as_str().unwrap_or_default()))
                .map(
                    |(key, value)| match key.as_str().and_then(|name| self.renamed(name)) {
                        Some(new) => (Value::String(new.clone()), value),
                        None => (key, value),
                    },
                )
                .collect();
            self.side.set_value(&mut record, Value::Map(map));
            return Ok(Some(record));
        }
        let value = requirements::structure(value, PURPOSE)?;
        let plan = self.plans.get(value.schema(), |schema| self.plan(schema))?;
        let value = rebuild(value, |values| {
            Ok((
                Arc::clone(&plan.schema),
                plan.change(values, self.defaults)?,
            ))
        })?;
        self.side
            .set(&mut record, Some(Arc::clone(&plan.schema)), value);
        Ok(Some(record))
    }
}
