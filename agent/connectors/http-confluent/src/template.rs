//! Texts with `${topic}`, `${key}` and `${NAME}` in them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sluice_api::{ConnectError, ConnectRecord, Result, Value, values};

/// What stays as it is in a part of a URL (RFC 3986, unreserved).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A text of which parts come from a record.
#[derive(Debug)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Topic,
    Key,
    /// A field of the key, or else of the value.
    Field(String),
}

impl Template {
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, name, after)) = variable(rest) {
            parts.push(Part::Text(before.to_owned()));
            parts.push(match name {
                "topic" => Part::Topic,
                "key" => Part::Key,
                field => Part::Field(field.to_owned()),
            });
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Self { parts }
    }

    /// Whether all records give the same text.
    pub(crate) fn is_constant(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    pub(crate) fn has_key(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Key))
    }

    /// The text for a record, whose parts are encoded as those of a URL.
    ///
    /// # Errors
    /// A field is not there or null.
    pub(crate) fn fill(&self, record: &ConnectRecord) -> Result<String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Topic => text.push_str(&encoded(&record.topic)),
                Part::Key => text.push_str(&key_text(record)?),
                Part::Field(name) => {
                    let field = field(&record.key, name).or_else(|| field(&record.value, name));
                    let field = match field {
                        Some(field) => values::convert_to_string(None, field)?,
                        None => None,
                    };
                    let Some(field) = field else {
                        let text =
                            format!("neither key nor value has a field {name:?} for ${{{name}}}");
                        return Err(ConnectError::data(text));
                    };
                    text.push_str(&encoded(&field));
                }
            }
        }
        Ok(text)
    }
}

/// The text of a record's key, encoded.
pub(crate) fn key_text(record: &ConnectRecord) -> Result<String> {
    let key = values::convert_to_string(record.key_schema.as_deref(), &record.key)?;
    match key {
        Some(key) => Ok(encoded(&key)),
        None => Err(ConnectError::data("the record has no key for ${key}")),
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn variable(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("${")?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Struct(value) => value
            .schema()
            .field(name)
            .map(|field| value.get_field(field)),
        Value::Map(map) => map.get_str(name),
        _ => None,
    }
}
