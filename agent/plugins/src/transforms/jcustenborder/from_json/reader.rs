//! JSON text into Connect values by the nodes of a schema, without a tree between.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chrono::{DateTime, NaiveDate, NaiveTime, Timelike as _};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use sluice_api::{ConnectError, Decimal, Result, Struct, Value};

use super::json_schema::{Node, Shape};

/// Guava's `BaseEncoding.base64()`, which takes texts with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn unfit(why: &serde_json::Error) -> ConnectError {
    ConnectError::data(format!("the JSON does not fit its schema: {why}"))
}

/// The value of a text.
///
/// # Errors
/// A data error that names the field.
pub(super) fn read_text(root: &Node, text: &[u8]) -> Result<Value> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = read(root, &mut deserializer)?;
    deserializer.end().map_err(|why| unfit(&why))?;
    Ok(value)
}

/// The value of JSON in any form; a text is read further than its document by [`read_text`] alone.
///
/// # Errors
/// A data error that names the field.
pub(super) fn read<'de>(
    root: &Node,
    json: impl Deserializer<'de, Error = serde_json::Error>,
) -> Result<Value> {
    let seed = Seed {
        node: root,
        at: &Place {
            name: "the document",
            outer: None,
        },
    };
    let value = seed.deserialize(json).map_err(|why| unfit(&why))?;
    if value.is_null() {
        return Err(ConnectError::data(
            "the JSON does not fit its schema: the document is null",
        ));
    }
    Ok(value)
}

/// Where a value is, for errors.
struct Place<'a> {
    name: &'a str,
    outer: Option<&'a Place<'a>>,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.outer {
            // The document itself is not named before its fields.
            Some(outer) if outer.outer.is_some() => write!(f, "{outer}.{}", self.name),
            _ => f.write_str(self.name),
        }
    }
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    node: &'a Node,
    at: &'a Place<'a>,
}

impl Seed<'_> {
    fn wrong<T, E: Error>(&self, found: impl fmt::Display) -> std::result::Result<T, E> {
        let found = found.to_string();
        let wanted = match self.node.shape() {
            Shape::Boolean => "a boolean",
            Shape::Text => "a text",
            Shape::Integer => "a whole number of 64 bits",
            Shape::Float => "a number",
            Shape::Date => "a date (2024-05-27)",
            Shape::Time => "a time of day (10:15:30)",
            Shape::Timestamp => "a date and time (2024-05-27T10:15:30Z)",
            Shape::CustomTimestamp(pattern) => pattern.text(),
            Shape::Base64 => "bytes in Base64",
            Shape::Decimal(scale) => {
                let at = self.at;
                return Err(E::custom(format_args!(
                    "{at}: {found:.100} is not a decimal number of at most {scale} digits after the point"
                )));
            }
            Shape::Array(_) => "an array",
            Shape::Object(_) => "an object",
        };
        Err(E::custom(format_args!(
            "{}: {found:.100} is not {wanted}",
            self.at
        )))
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    /// Null is a value of every place; whether it may be there is for the struct around it to say.
    fn visit_unit<E: Error>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> std::result::Result<Value, E> {
        match self.node.shape() {
            Shape::Boolean => Ok(Value::Boolean(value)),
            _ => self.wrong(value),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a JSON number of a double's field, as Jackson's doubleValue"
    )]
    fn visit_i64<E: Error>(self, value: i64) -> std::result::Result<Value, E> {
        match self.node.shape() {
            Shape::Integer => Ok(Value::Int64(value)),
            Shape::Float => Ok(Value::Float64(value as f64)),
            _ => self.wrong(value),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a JSON number of a double's field, as Jackson's doubleValue"
    )]
    fn visit_u64<E: Error>(self, value: u64) -> std::result::Result<Value, E> {
        match (self.node.shape(), i64::try_from(value)) {
            (Shape::Integer, Ok(value)) => Ok(Value::Int64(value)),
            (Shape::Float, _) => Ok(Value::Float64(value as f64)),
            _ => self.wrong(value),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole, and within the range"
    )]
    fn visit_f64<E: Error>(self, value: f64) -> std::result::Result<Value, E> {
        // Whole numbers that a double holds exactly, such as 3.0 and 1e3.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match self.node.shape() {
            Shape::Float => Ok(Value::Float64(value)),
            Shape::Integer if value.fract() == 0.0 && value.abs() <= EXACT => {
                Ok(Value::Int64(value as i64))
            }
            _ => self.wrong(value),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> std::result::Result<Value, E> {
        let value = match self.node.shape() {
            Shape::Text => Some(Value::String(text.into())),
            Shape::Date => date(text),
            Shape::Time => time(text),
            Shape::Timestamp => timestamp(text),
            Shape::CustomTimestamp(pattern) => pattern.read(text).map(Value::Date),
            Shape::Base64 => BASE64
                .decode(text)
                .ok()
                .map(|bytes| Value::Bytes(bytes.into())),
            Shape::Decimal(scale) => text
                .parse::<Decimal>()
                .ok()
                .and_then(|decimal| decimal.rescaled(*scale))
                .map(|decimal| Value::Decimal(Arc::new(decimal))),
            _ => None,
        };
        match value {
            Some(value) => Ok(value),
            None => self.wrong(format_args!("{text:?}")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Value, A::Error> {
        let Shape::Array(node) = self.node.shape() else {
            return self.wrong("an array");
        };
        let item = Seed {
            node,
            at: &Place {
                name: "[]",
                outer: Some(self.at),
            },
        };
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(item)? {
            if value.is_null() {
                return item.wrong("null");
            }
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> std::result::Result<Value, A::Error> {
        let Shape::Object(nodes) = self.node.shape() else {
            return self.wrong("an object");
        };
        let schema = self.node.schema();
        let mut values = vec![Value::Null; nodes.len()];
        while let Some(name) = entries.next_key::<std::borrow::Cow<'_, str>>()? {
            let index = schema.field(&name).map(sluice_api::schema::Field::index);
            let Some((node, value)) =
                index.and_then(|index| nodes.get(index).zip(values.get_mut(index)))
            else {
                entries.next_value::<IgnoredAny>()?;
                continue;
            };
            let at = &Place {
                name: &name,
                outer: Some(self.at),
            };
            *value = entries.next_value_seed(Seed { node, at })?;
        }
        for (node, (value, field)) in nodes.iter().zip(values.iter().zip(schema.fields())) {
            if value.is_null() && !node.schema().is_optional() {
                let at = Place {
                    name: field.name(),
                    outer: Some(self.at),
                };
                return Err(A::Error::custom(format_args!(
                    "{at} is required, but null or missing"
                )));
            }
        }
        let value = Struct::from_values(Arc::clone(schema), values).map_err(A::Error::custom)?;
        Ok(Value::Struct(Arc::new(value)))
    }
}

const MILLIS_PER_SECOND: i64 = 1_000;

/// `DateTimeFormatter.ISO_LOCAL_DATE`: the midnight, in UTC.
fn date(text: &str) -> Option<Value> {
    let date = (text.len() == 10).then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok())??;
    Some(Value::Date(
        date.and_time(NaiveTime::MIN).and_utc().timestamp_millis(),
    ))
}

/// `DateTimeFormatter.ISO_LOCAL_TIME`: milliseconds of the day; seconds and their fraction may be missing.
fn time(text: &str) -> Option<Value> {
    // chrono takes a sixtieth second, blanks and single digits; Java does not.
    let shape = text.bytes().enumerate().all(|(at, byte)| match at {
        2 | 5 => byte == b':',
        8 => byte == b'.',
        _ => byte.is_ascii_digit(),
    });
    if !shape || text.get(6..8) == Some("60") || text.len() > 18 || text.ends_with('.') {
        return None;
    }
    let format = match text.len() {
        5 => "%H:%M",
        8 => "%H:%M:%S",
        10.. => "%H:%M:%S%.f",
        _ => return None,
    };
    let time = NaiveTime::parse_from_str(text, format).ok()?;
    let seconds = i64::from(time.num_seconds_from_midnight());
    Some(Value::Date(
        seconds * MILLIS_PER_SECOND + i64::from(time.nanosecond() / 1_000_000),
    ))
}

/// `DateTimeFormatter.ISO_INSTANT`, with the offsets that it takes since Java 12.
fn timestamp(text: &str) -> Option<Value> {
    // chrono also takes a blank for the T, and a sixtieth second.
    let separated = matches!(text.as_bytes().get(10), Some(b'T' | b't'));
    if !separated || text.get(17..19) == Some("60") {
        return None;
    }
    let moment = DateTime::parse_from_rfc3339(text).ok()?;
    Some(Value::Date(moment.timestamp_millis()))
}
