//! The folder of a record below its topic's, as the Confluent connector's partitioners find it, and the time
//! of a record.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Offset as _, TimeZone as _};
use chrono_tz::Tz;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sluice_api::{ConnectError, Result, SinkRecord, Value};

use sluice_jvm_text::simple_date_format::SimpleDateFormat;

/// What a name of a folder cannot hold; Hive escapes it alike.
const UNSAFE: &AsciiSet = &CONTROLS.add(b'/').add(b':').add(b'%').add(b'\\');
/// The folder of no value where its name would be empty, as Hive has it.
const EMPTY: &str = "__HIVE_DEFAULT_PARTITION__";

/// How a record's folder is found (`partitioner.class`), with the keys it needs.
#[derive(Debug, Clone)]
pub enum PartitionerKind {
    /// By Kafka's partition, as `partition=N`.
    Default,
    /// By values of fields.
    Field {
        /// Paths of fields, with dots.
        fields: Vec<String>,
        /// Whether folders are `field=value`, and not values alone.
        named: bool,
    },
    /// By time.
    Time {
        /// Milliseconds that share a folder.
        duration: i64,
        /// The folder's name, made of the beginning of that time.
        format: SimpleDateFormat,
        /// The zone that its days and hours are those of.
        zone: Tz,
    },
}

/// Which time is a record's (`timestamp.extractor`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extractor {
    /// The clock's when it is written.
    Wallclock,
    /// The Kafka record's own timestamp.
    Record,
    /// That of the field at this path.
    Field(String),
}

/// Where records go.
#[derive(Debug, Clone)]
pub struct PartitionerSettings {
    /// The folder below the topic's.
    pub kind: PartitionerKind,
    /// The time that folders and rotation go by.
    pub extractor: Extractor,
}

impl PartitionerSettings {
    /// Appends the folder of a record, such as `partition=0` or `year=2026/month=11`.
    ///
    /// # Errors
    /// The record lacks the field or the time.
    pub fn folder(&self, record: &SinkRecord, time: Option<i64>, path: &mut String) -> Result<()> {
        use std::fmt::Write as _;
        match &self.kind {
            PartitionerKind::Default => {
                // Writing to a String can't fail.
                let _ = write!(path, "partition={}", record.original_kafka_partition);
            }
            PartitionerKind::Field { fields, named } => {
                for (index, field) in fields.iter().enumerate() {
                    if index > 0 {
                        path.push('/');
                    }
                    let value = field_text(record, field)?;
                    if *named {
                        path.extend(utf8_percent_encode(field, UNSAFE));
                        path.push('=');
                    }
                    match &*value {
                        "" | "." | ".." if !named => path.push_str(EMPTY),
                        value => path.extend(utf8_percent_encode(value, UNSAFE)),
                    }
                }
            }
            PartitionerKind::Time {
                duration,
                format,
                zone,
            } => {
                let time = time.ok_or_else(|| ConnectError::data("the record has no timestamp"))?;
                let local = time + offset_of(*zone, time);
                path.push_str(&format.format(local.div_euclid(*duration) * duration));
            }
        }
        Ok(())
    }

    /// Whether time is the clock's, and goes on without records.
    pub fn is_wallclock(&self) -> bool {
        self.extractor == Extractor::Wallclock
    }

    /// The time of a record by the extractor, in milliseconds since the epoch; `now` is the clock's.
    ///
    /// # Errors
    /// The record has no such time.
    pub fn time(&self, record: &SinkRecord, now: i64) -> Result<i64> {
        match &self.extractor {
            Extractor::Wallclock => Ok(now),
            Extractor::Record => record
                .record
                .timestamp
                .ok_or_else(|| ConnectError::data("the record has no timestamp")),
            Extractor::Field(path) => time_of(path, field(record, path)?),
        }
    }
}

/// Milliseconds to add to UTC in a zone.
pub(super) fn offset_of(zone: Tz, millis: i64) -> i64 {
    let Some(time) = DateTime::from_timestamp_millis(millis) else {
        return 0;
    };
    let offset = zone.offset_from_utc_datetime(&time.naive_utc());
    i64::from(offset.fix().local_minus_utc()) * 1000
}

/// The value of a field, given by its path.
fn field<'a>(record: &'a SinkRecord, path: &str) -> Result<&'a Value> {
    let mut value = &record.record.value;
    for name in path.split('.') {
        value = match value {
            Value::Struct(fields) => fields.get(name)?,
            Value::Map(map) => map
                .iter()
                .find(|(key, _)| key.as_str() == Some(name))
                .map(|(_, value)| value)
                .ok_or_else(|| ConnectError::data(format!("the value has no field {path}")))?,
            other => {
                return Err(ConnectError::data(format!(
                    "the value has no field {path}: class {}",
                    other.java_class()
                )));
            }
        };
    }
    Ok(value)
}

fn field_text(record: &SinkRecord, path: &str) -> Result<String> {
    let value = field(record, path)?;
    match value {
        Value::Int8(_)
        | Value::Int16(_)
        | Value::Int32(_)
        | Value::Int64(_)
        | Value::Boolean(_)
        | Value::String(_)
        | Value::Null => Ok(value.to_string()),
        other => Err(ConnectError::data(format!(
            "field {path} cannot name a folder: class {}; integers, texts and booleans can",
            other.java_class()
        ))),
    }
}

fn time_of(path: &str, value: &Value) -> Result<i64> {
    match value {
        Value::Date(millis) | Value::Int64(millis) => Ok(*millis),
        Value::Int32(millis) => Ok((*millis).into()),
        Value::String(text) => iso_millis(text).ok_or_else(|| {
            ConnectError::data(format!("field {path} is no ISO 8601 time: {text:?}"))
        }),
        other => Err(ConnectError::data(format!(
            "field {path} is no time: class {}; a Timestamp, milliseconds or an ISO 8601 text is one",
            other.java_class()
        ))),
    }
}

/// Milliseconds of an ISO 8601 time; without an offset it is meant in UTC, without a time of day at midnight.
fn iso_millis(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M%z"] {
        if let Ok(time) = DateTime::parse_from_str(text, format) {
            return Some(time.timestamp_millis());
        }
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, format) {
            return Some(time.and_utc().timestamp_millis());
        }
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_from_iso_texts() {
        for (text, millis) in [
            ("1970-01-01", Some(0)),
            ("1970-01-01T01:00:00Z", Some(3_600_000)),
            ("1970-01-01T01:00:00.250+01:00", Some(250)),
            ("1970-01-01T01:00:00+0100", Some(0)),
            ("1970-01-01T00:01", Some(60_000)),
            ("1970-01-01T00:00:01.5", Some(1_500)),
            ("yesterday", None),
        ] {
            assert_eq!(iso_millis(text), millis, "{text}");
        }
    }
}
