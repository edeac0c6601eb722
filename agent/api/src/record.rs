//! Records as they pass from tasks to converters and back, with headers, partitions and offsets.
//!
//! Nothing here allocates for a record without headers: topics and offset names are shared, an offset of one
//! field is stored inline.

use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use bytestring::ByteString;
use smallvec::SmallVec;

use crate::data::schema::{Schema, SchemaAndValue};
use crate::data::value::Value;
use crate::error::{ConnectError, Result};

/// A name that lives as long as the process, so that cloning it costs nothing, not even a shared counter.
///
/// For names of which there are few and which every record carries, such as topics: each distinct name is
/// kept for ever, once. Never for text from records.
#[must_use]
pub fn shared_name(name: &str) -> ByteString {
    static NAMES: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let names = names.get_or_insert_default();
    let kept = match names.get(name) {
        Some(kept) => kept,
        None => {
            let kept: &'static str = Box::leak(name.into());
            names.insert(kept);
            kept
        }
    };
    ByteString::from_static(kept)
}

/// Whether two names are equal; those of [`shared_name`] are compared without their text.
#[must_use]
pub fn same_name(a: &ByteString, b: &ByteString) -> bool {
    std::ptr::eq::<str>(&**a, &**b) || a == b
}

/// A topic and one of its partitions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// Topic.
    pub topic: ByteString,
    /// Partition, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Of a topic and a partition.
    pub fn new(topic: impl Into<ByteString>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

/// `topic-partition`.
impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// One header.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Key; may repeat within a record.
    pub key: ByteString,
    /// Schema.
    pub schema: Option<Arc<Schema>>,
    /// Value.
    pub value: Value,
}

/// Headers in order (`ConnectHeaders`). An empty list does not allocate.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Headers {
    list: Vec<Header>,
}

impl Headers {
    /// No headers.
    #[must_use]
    pub const fn new() -> Self {
        Self { list: Vec::new() }
    }

    /// Room for `count` headers.
    #[must_use]
    pub fn with_capacity(count: usize) -> Self {
        Self {
            list: Vec::with_capacity(count),
        }
    }

    /// Adds a header; the value's class must fit the schema, if there is one
    /// (`ConnectHeaders.checkSchemaMatches`).
    pub fn add(
        &mut self,
        key: impl Into<ByteString>,
        schema: Option<Arc<Schema>>,
        value: Value,
    ) -> Result<()> {
        if let Some(schema) = &schema {
            if value.is_null() && !schema.is_optional() {
                return Err(ConnectError::data(format!(
                    "A null value requires an optional schema but was {schema}"
                )));
            }
            if !value.is_null() && !schema.accepts(&value) {
                return Err(ConnectError::data(format!(
                    "The value {value} is not compatible with the schema {schema}"
                )));
            }
        }
        self.list.push(Header {
            key: key.into(),
            schema,
            value,
        });
        Ok(())
    }

    /// Adds what a header converter made of bytes.
    pub fn add_converted(&mut self, key: ByteString, data: SchemaAndValue) {
        self.list.push(Header {
            key,
            schema: data.schema,
            value: data.value,
        });
    }

    /// Removes all headers of that key.
    pub fn remove(&mut self, key: &str) {
        self.list.retain(|header| header.key != key);
    }

    /// Keeps only the last header of each key.
    pub fn retain_latest(&mut self) {
        let mut seen = std::collections::HashSet::new();
        let mut kept: Vec<Header> = self
            .list
            .drain(..)
            .rev()
            .filter(|header| seen.insert(header.key.clone()))
            .collect();
        kept.reverse();
        self.list = kept;
    }

    /// The last header of that key.
    #[must_use]
    pub fn last_with_name(&self, key: &str) -> Option<&Header> {
        self.list.iter().rev().find(|header| header.key == key)
    }

    /// All headers of that key, in order.
    pub fn all_with_name<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Header> + 'a {
        self.list.iter().filter(move |header| header.key == key)
    }

    /// All headers, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.list.iter()
    }

    /// Number of headers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

/// `ConnectHeaders(headers=...)`.
impl fmt::Display for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectHeaders(headers=")?;
        for (index, header) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(
                f,
                "ConnectHeader(key={}, value={}, schema=",
                header.key, header.value
            )?;
            write_schema(f, header.schema.as_ref())?;
            f.write_str(")")?;
        }
        f.write_str(")")
    }
}

fn write_schema(f: &mut fmt::Formatter<'_>, schema: Option<&Arc<Schema>>) -> fmt::Result {
    match schema {
        Some(schema) => write!(f, "{schema}"),
        None => f.write_str("null"),
    }
}

/// What source and sink records have in common.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConnectRecord {
    /// Topic to write to, or read from.
    pub topic: ByteString,
    /// Partition; `None` lets the producer choose.
    pub kafka_partition: Option<i32>,
    /// Schema of the key.
    pub key_schema: Option<Arc<Schema>>,
    /// The key, null if the record has none.
    pub key: Value,
    /// Schema of the value.
    pub value_schema: Option<Arc<Schema>>,
    /// Value.
    pub value: Value,
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// Headers.
    pub headers: Headers,
}

impl ConnectRecord {
    /// A record of a value only.
    pub fn new(topic: ByteString, value_schema: Option<Arc<Schema>>, value: Value) -> Self {
        Self {
            topic,
            kafka_partition: None,
            key_schema: None,
            key: Value::Null,
            value_schema,
            value,
            timestamp: None,
            headers: Headers::new(),
        }
    }

    /// Sets the key.
    #[must_use]
    pub fn with_key(mut self, schema: Option<Arc<Schema>>, key: Value) -> Self {
        self.key_schema = schema;
        self.key = key;
        self
    }

    /// Sets the timestamp, in milliseconds since the epoch.
    #[must_use]
    pub fn with_timestamp(mut self, timestamp: Option<i64>) -> Self {
        self.timestamp = timestamp;
        self
    }
}

/// The text of `ConnectRecord.toString`.
impl fmt::Display for ConnectRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectRecord{{topic='{}', kafkaPartition=", self.topic)?;
        write_optional(f, self.kafka_partition)?;
        write!(f, ", key={}, keySchema=", self.key)?;
        write_schema(f, self.key_schema.as_ref())?;
        write!(f, ", value={}, valueSchema=", self.value)?;
        write_schema(f, self.value_schema.as_ref())?;
        f.write_str(", timestamp=")?;
        write_optional(f, self.timestamp)?;
        write!(f, ", headers={}}}", self.headers)
    }
}

fn write_optional<T: fmt::Display>(f: &mut fmt::Formatter<'_>, value: Option<T>) -> fmt::Result {
    match value {
        Some(value) => value.fmt(f),
        None => f.write_str("null"),
    }
}

type OffsetFields = SmallVec<[(ByteString, Value); 1]>;

/// Fields of a source partition or offset: text keys, null or primitive values, in the order given.
///
/// The order matters for partitions, whose JSON text is compared byte by byte in the offsets topic.
#[derive(Debug, Clone, Default)]
struct OffsetMap(OffsetFields);

impl OffsetMap {
    fn insert(&mut self, key: ByteString, value: Value) {
        match self.0.iter_mut().find(|(existing, _)| *existing == key) {
            Some((_, slot)) => *slot = value,
            None => self.0.push((key, value)),
        }
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(existing, _)| existing == key)
            .map(|(_, value)| value)
    }

    fn validate(&self) -> Result<()> {
        for (key, value) in &self.0 {
            if !value.is_offset_primitive() {
                return Err(ConnectError::data(format!(
                    "Offsets may only contain primitive types as values, but field {key} contains {}",
                    value.java_class()
                )));
            }
        }
        Ok(())
    }
}

/// Equality of maps: the order does not matter.
impl PartialEq for OffsetMap {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && (self.0 == other.0
                || self
                    .0
                    .iter()
                    .all(|(key, value)| other.get(key) == Some(value)))
    }
}

impl Eq for OffsetMap {}

impl Hash for OffsetMap {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Equal maps may differ in order, so entries are hashed apart and added up.
        let mut sum = 0_u64;
        for entry in &self.0 {
            let mut hasher = std::hash::DefaultHasher::new();
            entry.hash(&mut hasher);
            sum = sum.wrapping_add(hasher.finish());
        }
        state.write_u64(sum);
    }
}

impl fmt::Display for OffsetMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (key, value)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{key}={value}")?;
        }
        f.write_str("}")
    }
}

macro_rules! offset_map {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
        pub struct $name(OffsetMap);

        impl $name {
            /// No fields.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            /// One field.
            pub fn of(key: impl Into<ByteString>, value: impl Into<Value>) -> Self {
                Self(OffsetMap(SmallVec::from_buf([(key.into(), value.into())])))
            }

            /// Adds a field, or replaces its value.
            #[must_use]
            pub fn with(mut self, key: impl Into<ByteString>, value: impl Into<Value>) -> Self {
                self.0.insert(key.into(), value.into());
                self
            }

            /// Adds a field, or replaces its value.
            pub fn insert(&mut self, key: impl Into<ByteString>, value: impl Into<Value>) {
                self.0.insert(key.into(), value.into());
            }

            /// The value of a field.
            #[must_use]
            pub fn get(&self, key: &str) -> Option<&Value> {
                self.0.get(key)
            }

            /// Fields in order.
            pub fn iter(&self) -> impl Iterator<Item = (&ByteString, &Value)> {
                self.0.0.iter().map(|(key, value)| (key, value))
            }

            /// Number of fields.
            #[must_use]
            pub fn len(&self) -> usize {
                self.0.0.len()
            }

            /// Whether there are no fields.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.0.0.is_empty()
            }

            /// Checks that values are null or primitive, as Kafka's `OffsetUtils`.
            pub fn validate(&self) -> Result<()> {
                self.0.validate()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromIterator<(ByteString, Value)> for $name {
            fn from_iter<T: IntoIterator<Item = (ByteString, Value)>>(fields: T) -> Self {
                let mut map = Self::new();
                for (key, value) in fields {
                    map.0.insert(key, value);
                }
                map
            }
        }
    };
}

offset_map! {
    /// Names one sequence of records of a source, such as a file or a table. Equality is that of maps.
    SourcePartition
}
offset_map! {
    /// Position within a [`SourcePartition`], stored when the record was written.
    SourceOffset
}

/// A record from a source task.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SourceRecord {
    /// Topic, key, value and so on.
    pub record: ConnectRecord,
    /// Where it came from; share one object among the records of a partition.
    pub source_partition: Option<Arc<SourcePartition>>,
    /// Position to resume after; `None` is stored as a tombstone.
    pub source_offset: Option<SourceOffset>,
}

/// The text of `SourceRecord.toString`.
impl fmt::Display for SourceRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceRecord{sourcePartition=")?;
        write_optional(f, self.source_partition.as_ref())?;
        f.write_str(", sourceOffset=")?;
        write_optional(f, self.source_offset.as_ref())?;
        write!(f, "}} {}", self.record)
    }
}

/// What a record's timestamp means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The record has none.
    NoTimestampType,
    /// Set by the producer.
    CreateTime,
    /// Set by the broker.
    LogAppendTime,
}

impl fmt::Display for TimestampType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoTimestampType => "NoTimestampType",
            Self::CreateTime => "CreateTime",
            Self::LogAppendTime => "LogAppendTime",
        })
    }
}

/// A record for a sink task. The original coordinates survive transformations (KIP-793).
#[derive(Debug, Clone, PartialEq)]
pub struct SinkRecord {
    /// Topic, key, value and so on, after transformations.
    pub record: ConnectRecord,
    /// Offset in the topic it was read from.
    pub kafka_offset: i64,
    /// Meaning of the timestamp.
    pub timestamp_type: TimestampType,
    /// Topic it was read from.
    pub original_topic: ByteString,
    /// Partition it was read from.
    pub original_kafka_partition: i32,
    /// Offset it was read from.
    pub original_kafka_offset: i64,
}

impl SinkRecord {
    /// The partition it was read from.
    #[must_use]
    pub fn original_partition(&self) -> TopicPartition {
        TopicPartition::new(self.original_topic.clone(), self.original_kafka_partition)
    }
}

/// The text of `SinkRecord.toString`.
impl fmt::Display for SinkRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SinkRecord{{kafkaOffset={}, timestampType={}, originalTopic={}, originalKafkaPartition={}, \
             originalKafkaOffset={}}} {}",
            self.kafka_offset,
            self.timestamp_type,
            self.original_topic,
            self.original_kafka_partition,
            self.original_kafka_offset,
            self.record
        )
    }
}

/// An offset to commit, and the text kept with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// Next offset to read.
    pub offset: i64,
    /// Text stored beside it.
    pub metadata: Option<String>,
}

impl OffsetAndMetadata {
    /// An offset without text.
    #[must_use]
    pub fn new(offset: i64) -> Self {
        Self {
            offset,
            metadata: None,
        }
    }
}

/// Where the broker put a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMetadata {
    /// Topic and partition.
    pub topic_partition: TopicPartition,
    /// Offset; -1 if the broker did not tell.
    pub offset: i64,
}

/// A record as it was consumed, before any conversion.
#[derive(Debug, Clone, PartialEq)]
pub struct RawRecord {
    /// Topic.
    pub topic: ByteString,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Milliseconds since the epoch, -1 for none.
    pub timestamp: i64,
    /// Meaning of the timestamp.
    pub timestamp_type: TimestampType,
    /// Bytes of the key; `None` is a null key.
    pub key: Option<Bytes>,
    /// Value.
    pub value: Option<Bytes>,
    /// Headers.
    pub headers: Vec<(ByteString, Option<Bytes>)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::schema::schemas;

    #[test]
    fn source_partitions_are_equal_as_maps_are() {
        let a = SourcePartition::of("a", 1).with("b", "x");
        let b = SourcePartition::of("b", "x").with("a", 1);
        assert_eq!(a, b);
        let hash = |p: &SourcePartition| {
            let mut hasher = std::hash::DefaultHasher::new();
            p.hash(&mut hasher);
            hasher.finish()
        };
        assert_eq!(hash(&a), hash(&b));
        assert_eq!(a.to_string(), "{a=1, b=x}");
    }

    #[test]
    fn offsets_hold_primitives_only() {
        let error = SourceOffset::of("f", Value::Array(Vec::new()))
            .validate()
            .unwrap_err();
        assert_eq!(
            error.message(),
            "Offsets may only contain primitive types as values, but field f contains java.util.ArrayList"
        );
        SourceOffset::of("f", Value::Null).validate().unwrap();
    }

    #[test]
    fn source_record_text_is_that_of_java() {
        let record = SourceRecord {
            record: ConnectRecord::new(
                "t".into(),
                Some(schemas::STRING.clone()),
                Value::from("hello"),
            )
            .with_timestamp(Some(5)),
            source_partition: Some(Arc::new(SourcePartition::of("filename", "f"))),
            source_offset: Some(SourceOffset::of("position", 1_i64)),
        };
        assert_eq!(
            record.to_string(),
            "SourceRecord{sourcePartition={filename=f}, sourceOffset={position=1}} ConnectRecord{topic='t', \
             kafkaPartition=null, key=null, keySchema=null, value=hello, valueSchema=Schema{STRING}, timestamp=5, \
             headers=ConnectHeaders(headers=)}"
        );
    }

    #[test]
    fn headers_repeat_and_keep_their_order() {
        let mut headers = Headers::new();
        headers.add("a", None, Value::from(1)).unwrap();
        headers.add("b", None, Value::from(2)).unwrap();
        headers.add("a", None, Value::from(3)).unwrap();
        assert!(
            headers
                .add("c", Some(schemas::STRING.clone()), Value::from(1))
                .is_err()
        );
        assert_eq!(headers.last_with_name("a").unwrap().value, Value::from(3));
        assert_eq!(headers.all_with_name("a").count(), 2);
        headers.retain_latest();
        assert_eq!(
            headers.iter().map(|h| &*h.key).collect::<Vec<_>>(),
            ["b", "a"]
        );
        headers.remove("a");
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn a_shared_name_is_kept_once() {
        let (a, b) = (shared_name("topic-x"), shared_name("topic-x"));
        assert_eq!(a, "topic-x");
        assert_eq!(a.as_ptr(), b.as_ptr());
    }

    #[test]
    fn records_stay_small() {
        assert!(
            size_of::<SourceRecord>() <= 288,
            "{}",
            size_of::<SourceRecord>()
        );
    }
}
