//! `InsertField`: adds topic, partition, offset, timestamp or a fixed text to a key or value.

use std::sync::Arc;

use bytestring::ByteString;
use sluice_api::config::{ConfigError, ConfigKey, ConfigType, ParsedConfig};
use sluice_api::logical::{OPTIONAL_TIMESTAMP_SCHEMA, TIMESTAMP_SCHEMA};
use sluice_api::{
    ConfigDef, ConnectError, ConnectRecord, Props, RecordOrigin, Result, Schema, SchemaBuilder,
    Transformation, Value, schemas,
};

use super::keys::{REPLACE_NULL_WITH_DEFAULT, replace_null_with_default};
use super::requirements;
use super::schema_cache::SchemaCache;
use super::side::Side;
use super::struct_values::{copy_all, rebuild};

super::key_and_value!(InsertField);

const PURPOSE: &str = "field insertion";

fn config_def() -> ConfigDef {
    let optionality = "Suffix with <code>!</code> to make this a required field, or <code>?</code> to keep \
                       it optional (the default).";
    let mut def = ConfigDef::new();
    for (name, doc) in [
        ("topic.field", "Field name for Kafka topic. "),
        ("partition.field", "Field name for Kafka partition. "),
        (
            "offset.field",
            "Field name for Kafka offset - only applicable to sink connectors.<br/>",
        ),
        ("timestamp.field", "Field name for record timestamp. "),
        ("static.field", "Field name for static data field. "),
    ] {
        def.add(
            ConfigKey::new(name, ConfigType::String)
                .optional()
                .doc(format!("{doc}{optionality}")),
        );
    }
    def.define(
        ConfigKey::new("static.value", ConfigType::String)
            .optional()
            .doc("Static field value, if field name configured."),
    )
    .define(replace_null_with_default())
}

/// A field to insert; `name!` is required, `name?` and `name` are optional.
#[derive(Debug)]
struct Insertion {
    name: ByteString,
    optional: bool,
    what: What,
}

#[derive(Debug)]
enum What {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Static(ByteString),
}

impl Insertion {
    fn parse(config: &ParsedConfig, key: &str, what: What) -> Option<Self> {
        let text = config.optional_string(key)?;
        let (name, optional) = match (text.strip_suffix('?'), text.strip_suffix('!')) {
            (Some(name), _) => (name, true),
            (None, Some(name)) => (name, false),
            (None, None) => (text, true),
        };
        Some(Self {
            name: name.into(),
            optional,
            what,
        })
    }

    fn schema(&self) -> Arc<Schema> {
        let (required, optional): (&Arc<Schema>, &Arc<Schema>) = match self.what {
            What::Topic | What::Static(_) => (&schemas::STRING, &schemas::OPTIONAL_STRING),
            What::Partition => (&schemas::INT32, &schemas::OPTIONAL_INT32),
            What::Offset => (&schemas::INT64, &schemas::OPTIONAL_INT64),
            What::Timestamp => (&TIMESTAMP_SCHEMA, &OPTIONAL_TIMESTAMP_SCHEMA),
        };
        Arc::clone(if self.optional { optional } else { required })
    }

    /// The value, or nothing if the record has none. Timestamps are dates with schema, numbers without.
    fn value(
        &self,
        record: &ConnectRecord,
        origin: &RecordOrigin<'_>,
        with_schema: bool,
    ) -> Result<Option<Value>> {
        Ok(match &self.what {
            What::Topic => Some(Value::String(record.topic.clone())),
            What::Partition => record.kafka_partition.map(Value::Int32),
            What::Offset => match origin {
                RecordOrigin::Sink { offset, .. } => Some(Value::Int64(*offset)),
                RecordOrigin::Source { .. } => {
                    return Err(ConnectError::data(format!(
                        "Only SinkRecord supported for [{PURPOSE}], found: \
                         org.apache.kafka.connect.source.SourceRecord"
                    )));
                }
            },
            What::Timestamp if with_schema => record.timestamp.map(Value::Date),
            What::Timestamp => record.timestamp.map(Value::Int64),
            What::Static(text) => Some(Value::String(text.clone())),
        })
    }
}

#[derive(Debug)]
struct InsertField {
    side: Side,
    insertions: Vec<Insertion>,
    defaults: bool,
    schemas: SchemaCache<Arc<Schema>>,
}

impl InsertField {
    fn of(side: Side) -> Self {
        Self {
            side,
            insertions: Vec::new(),
            defaults: true,
            schemas: SchemaCache::default(),
        }
    }

    fn updated(&self, schema: &Schema) -> Result<Arc<Schema>> {
        let mut builder = SchemaBuilder::shape_of(schema).basics_of(schema);
        for insertion in &self.insertions {
            builder = builder.field(insertion.name.clone(), insertion.schema());
        }
        builder.build()
    }
}

impl Transformation for InsertField {
    fn configure(&mut self, props: &Props) -> Result<()> {
        let config = config_def().parse(props)?;
        let text = config.optional_string("static.value");
        let fixed = What::Static(text.unwrap_or_default().into());
        let insertion = |key, what| Insertion::parse(&config, key, what);
        self.insertions = [
            insertion("topic.field", What::Topic),
            insertion("partition.field", What::Partition),
            insertion("offset.field", What::Offset),
            insertion("timestamp.field", What::Timestamp),
            insertion("static.field", fixed),
        ]
        .into_iter()
        .flatten()
        .collect();
        if self.insertions.is_empty() {
            return Err(ConnectError::config("No field insertion configured"));
        }
        if let (Some(field), None) = (config.optional_string("static.field"), text) {
            let why = format!("No value specified for static field: {field}");
            return Err(ConfigError::invalid("static.value", "null", why).into());
        }
        self.defaults = config.boolean(REPLACE_NULL_WITH_DEFAULT);
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        let value = self.side.take(&mut record);
        if value.is_null() {
            return Ok(Some(record));
        }
        if self.side.schema(&record).is_none() {
            let mut map = requirements::map(value, PURPOSE)?;
            for insertion in &self.insertions {
                if let Some(inserted) = insertion.value(&record, origin, false)? {
                    map.insert(Value::String(insertion.name.clone()), inserted);
                }
            }
            self.side.set_value(&mut record, Value::Map(map));
            return Ok(Some(record));
        }
        let value = requirements::structure(value, PURPOSE)?;
        let schema = Arc::clone(value.schema());
        let updated = self.schemas.get(&schema, |schema| self.updated(schema))?;
        let value = rebuild(value, |mut values| {
            copy_all(&schema, &mut values, self.defaults)?;
            values.reserve_exact(self.insertions.len());
            for insertion in &self.insertions {
                values.push(insertion.value(&record, origin, true)?.unwrap_or_default());
            }
            Ok((Arc::clone(&updated), values))
        })?;
        self.side
            .set(&mut record, Some(Arc::clone(&updated)), value);
        Ok(Some(record))
    }
}
