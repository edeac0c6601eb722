//! `HeaderFrom`: moves or copies fields of a key or value into headers.

use std::sync::Arc;

use bytestring::ByteString;
use sluice_api::config::{ConfigType, validators};
use sluice_api::error::ErrorKind;
use sluice_api::{
    ConfigDef, ConnectError, ConnectRecord, Headers, Props, RecordOrigin, Result, Schema,
    SchemaBuilder, Struct, Transformation, Value,
};

use super::keys::{REPLACE_NULL_WITH_DEFAULT, non_empty_list, replace_null_with_default, required};
use super::requirements;
use super::schema_cache::SchemaCache;
use super::side::Side;
use super::struct_values::{copied, read, rebuild};

super::key_and_value!(HeaderFrom);

fn config_def() -> ConfigDef {
    ConfigDef::new()
        .define(
            required(
                "fields",
                ConfigType::List,
                "Field names in the record whose values are to be copied or moved to headers.",
            )
            .validator(non_empty_list()),
        )
        .define(
            required(
                "headers",
                ConfigType::List,
                "Header names, in the same order as the field names listed in the fields configuration \
                 property.",
            )
            .validator(non_empty_list()),
        )
        .define(
            required(
                "operation",
                ConfigType::String,
                "Either <code>move</code> if the fields are to be moved to the headers (removed from the \
                 key/value), or <code>copy</code> if the fields are to be copied to the headers (retained in \
                 the key/value).",
            )
            .validator(validators::one_of(&["move", "copy"])),
        )
        .define(replace_null_with_default())
}

#[derive(Debug)]
struct HeaderFrom {
    side: Side,
    /// Name of the field and key of the header it belongs to.
    pairs: Vec<(String, ByteString)>,
    moves: bool,
    defaults: bool,
    remaining: SchemaCache<Arc<Schema>>,
}

impl HeaderFrom {
    fn of(side: Side) -> Self {
        Self {
            side,
            pairs: Vec::new(),
            moves: false,
            defaults: true,
            remaining: SchemaCache::default(),
        }
    }

    fn is_moved(&self, name: &str) -> bool {
        self.pairs.iter().any(|(field, _)| field == name)
    }

    fn purpose(&self) -> &'static str {
        if self.moves {
            "header move"
        } else {
            "header copy"
        }
    }

    fn remaining_schema(&self, schema: &Schema) -> Result<Arc<Schema>> {
        let mut builder = SchemaBuilder::structure().basics_of(schema);
        for field in schema.fields() {
            if !self.is_moved(field.name()) {
                builder = builder.field(field.name().clone(), Arc::clone(field.schema()));
            }
        }
        builder.build()
    }

    fn apply_to_map(&self, value: Value, headers: &mut Headers) -> Result<Value> {
        let mut map = requirements::map(value, self.purpose())?;
        for (field, header) in &self.pairs {
            let value = map.get_str(field).cloned().unwrap_or_default();
            headers.add(header.clone(), None, value)?;
        }
        if self.moves {
            for (field, _) in &self.pairs {
                map.remove_str(field);
            }
        }
        Ok(Value::Map(map))
    }

    fn apply_to_struct(&self, value: Value, headers: &mut Headers) -> Result<(Arc<Schema>, Value)> {
        let value = requirements::structure(value, self.purpose())?;
        let schema = Arc::clone(value.schema());
        let moved: Vec<Option<(Arc<Schema>, Value)>> = self
            .pairs
            .iter()
            .map(|(name, _)| {
                let field = schema.field(name)?;
                let read = read(&value, field, self.defaults);
                Some((Arc::clone(field.schema()), read))
            })
            .collect();
        let (schema, value) = if self.moves {
            self.without_moved(value)?
        } else {
            (schema, Value::Struct(value))
        };
        for ((_, header), moved) in self.pairs.iter().zip(moved) {
            // The JVM dereferences null here.
            let (schema, value) = moved.ok_or_else(|| {
                ConnectError::new(
                    ErrorKind::NullPointer,
                    "Cannot invoke \"org.apache.kafka.connect.data.Field.schema()\" because the return value \
                     of \"org.apache.kafka.connect.data.Schema.field(String)\" is null",
                )
            })?;
            headers.add(header.clone(), Some(schema), value)?;
        }
        Ok((schema, value))
    }

    fn without_moved(&self, value: Arc<Struct>) -> Result<(Arc<Schema>, Value)> {
        let schema = Arc::clone(value.schema());
        let remaining = self
            .remaining
            .get(&schema, |schema| self.remaining_schema(schema))?;
        let value = rebuild(value, |values| {
            let kept: Result<Vec<Value>> = schema
                .fields()
                .iter()
                .zip(values)
                .filter(|(field, _)| !self.is_moved(field.name()))
                .map(|(field, value)| copied(field, value, self.defaults))
                .collect();
            Ok((Arc::clone(&remaining), kept?))
        })?;
        Ok((Arc::clone(&remaining), value))
    }
}

impl Transformation for HeaderFrom {
    fn configure(&mut self, props: &Props) -> Result<()> {
        let config = config_def().parse(props)?;
        let (fields, headers) = (config.list("fields"), config.list("headers"));
        if fields.len() != headers.len() {
            return Err(ConnectError::config(
                "'fields' config must have the same number of elements as 'headers' config.",
            ));
        }
        self.pairs = fields
            .iter()
            .zip(headers)
            .map(|(field, header)| (field.clone(), header.as_str().into()))
            .collect();
        self.moves = config.string("operation") == "move";
        self.defaults = config.boolean(REPLACE_NULL_WITH_DEFAULT);
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        let value = self.side.take(&mut record);
        let mut headers = std::mem::take(&mut record.headers);
        if self.side.schema(&record).is_none() {
            let value = self.apply_to_map(value, &mut headers)?;
            self.side.set_value(&mut record, value);
        } else {
            let (schema, value) = self.apply_to_struct(value, &mut headers)?;
            self.side.set(&mut record, Some(schema), value);
        }
        record.headers = headers;
        Ok(Some(record))
    }
}
