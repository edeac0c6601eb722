//! Random records of a scenario.

use std::sync::{Arc, LazyLock};

use sluice_api::{
    ConnectRecord, Schema, SchemaBuilder, SinkRecord, Struct, TimestampType, Value, schemas,
};

use crate::scenario::{Random, Scenario};

/// A key or a value of one field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Field {
    Null,
    Text(String),
    Number(i64),
}

impl Field {
    fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Text(text) => Value::from(text.clone()),
            Self::Number(number) => Value::Int64(*number),
        }
    }
}

/// A record as both sides understand it.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) offset: i64,
    pub(crate) key: Field,
    /// Names and values of columns; `None` deletes.
    pub(crate) fields: Option<Vec<(&'static str, Field)>>,
}

static FIELDS: [&str; 3] = ["name", "amount", "note"];

/// Schemas of values with the first one, two or three fields.
static SCHEMAS: LazyLock<Vec<Arc<Schema>>> = LazyLock::new(|| {
    let kinds = [
        &schemas::OPTIONAL_STRING,
        &schemas::OPTIONAL_INT64,
        &schemas::OPTIONAL_STRING,
    ];
    (1..=3)
        .filter_map(|count| {
            let mut schema = SchemaBuilder::structure();
            for (name, kind) in FIELDS.iter().zip(kinds).take(count) {
                schema = schema.field(*name, Arc::clone(kind));
            }
            schema.build().ok()
        })
        .collect()
});

impl Record {
    /// As the worker hands it over.
    pub(crate) fn to_sink(&self) -> SinkRecord {
        let (schema, value) = match &self.fields {
            None => (None, Value::Null),
            Some(fields) => {
                let schema = Arc::clone(&SCHEMAS[fields.len() - 1]);
                let values = fields.iter().map(|(_, field)| field.value()).collect();
                let value = Struct::from_values(Arc::clone(&schema), values);
                (Some(schema), value.map_or(Value::Null, Value::from))
            }
        };
        let mut record = ConnectRecord::new("t".into(), schema, value);
        record.kafka_partition = Some(0);
        record.key_schema = Some(match self.key {
            Field::Number(_) => schemas::INT64.clone(),
            _ => schemas::STRING.clone(),
        });
        record.key = self.key.value();
        SinkRecord {
            original_topic: record.topic.clone(),
            record,
            kafka_offset: self.offset,
            timestamp_type: TimestampType::CreateTime,
            original_kafka_partition: 0,
            original_kafka_offset: self.offset,
        }
    }
}

/// Makes batches; offsets go on from one to the next.
pub(crate) struct Maker<'a> {
    scenario: &'a Scenario,
    offset: i64,
}

impl<'a> Maker<'a> {
    pub(crate) fn new(scenario: &'a Scenario) -> Self {
        Self {
            scenario,
            offset: 0,
        }
    }

    fn key(&self, random: &mut Random) -> Field {
        let text = *random.of(self.scenario.keys);
        match text.parse() {
            Ok(number) if self.scenario.numeric_keys => Field::Number(number),
            _ => Field::Text(text.to_owned()),
        }
    }

    fn fields(&self, count: usize, random: &mut Random) -> Vec<(&'static str, Field)> {
        let mut fields = Vec::new();
        for name in FIELDS.into_iter().take(count) {
            let field = match name {
                _ if random.once_in(9) => Field::Null,
                "amount" => Field::Number(*random.of(self.scenario.amounts)),
                _ => Field::Text((*random.of(self.scenario.names)).to_owned()),
            };
            fields.push((name, field));
        }
        fields
    }

    /// Some kind of batch: all inserts of good rows at times, since bulk is used for those alone.
    pub(crate) fn batch(&mut self, size: usize, random: &mut Random) -> Vec<Record> {
        let deletes = *random.of(&[0, 2, 4, 9]);
        let schemas = if self.scenario.notes {
            *random.of(&[0, 1, 2, 3])
        } else {
            *random.of(&[0, 2])
        };
        let fresh = random.once_in(3);
        let mut batch = Vec::with_capacity(size + 1);
        for _ in 0..size {
            let count = match schemas {
                0 => 1 + random.below(if self.scenario.notes { 3 } else { 2 }),
                count => count,
            };
            let count = count.max(if self.scenario.always_amounts { 2 } else { 1 });
            let mut record = Record {
                offset: self.offset,
                key: self.key(random),
                fields: (deletes == 0 || !random.once_in(deletes))
                    .then(|| self.fields(count, random)),
            };
            if fresh {
                self.freshen(&mut record);
            }
            self.offset += 1;
            batch.push(record);
        }
        if self.scenario.ends_well {
            let mut record = Record {
                offset: self.offset,
                key: Field::Null,
                fields: Some(vec![
                    ("name", Field::Text("ok".to_owned())),
                    ("amount", Field::Number(1)),
                ]),
            };
            self.freshen(&mut record);
            self.offset += 1;
            batch.push(record);
        }
        batch
    }

    /// Gives a record a key that no other has, where numbers are keys, and a name of its own.
    fn freshen(&self, record: &mut Record) {
        let number = 100 + self.offset;
        record.key = match self.scenario.numeric_keys {
            true => Field::Number(number),
            false if self.scenario.keys.iter().all(|key| key.len() > 30) => {
                Field::Text(format!("00000000-0000-0000-0000-{number:012}"))
            }
            false => Field::Text(number.to_string()),
        };
        if let Some((_, name @ Field::Text(_))) =
            record.fields.as_mut().and_then(|fields| fields.first_mut())
            && *name != Field::Text("bad".to_owned())
        {
            *name = Field::Text(number.to_string());
        }
    }
}
