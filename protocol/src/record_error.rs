//! The one error of reading records of the internal topics.

use serde_json::Value;

/// Why a record of an internal topic can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The value is no JSON at all. A JVM worker does not count such a record as read: it does not move the
    /// config offset.
    #[error("value is no JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// The record has no key.
    #[error("record has no key")]
    NoKey,
    /// The key has a known prefix but does not name what it should.
    #[error("key {key:?}: {what}")]
    Key {
        /// The key of the record, shortened for a line.
        key: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A field is missing or of the wrong kind.
    #[error("field {field:?}: expected {expected}, found {found}")]
    Field {
        /// Name of the field; `value` for the record's value as a whole.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
        /// What it is: its kind, and its text when that is short and can't be a secret.
        found: String,
    },
}

impl RecordError {
    /// Whether a worker that meets the record counts it as read, so that its config offset moves past it.
    pub const fn counts_as_read(&self) -> bool {
        !matches!(self, Self::NotJson(_))
    }

    pub(crate) fn field(
        field: &'static str,
        expected: &'static str,
        found: Option<&Value>,
    ) -> Self {
        Self::Field {
            field,
            expected,
            found: describe(found),
        }
    }

    pub(crate) fn key(key: &str, what: &'static str) -> Self {
        Self::Key {
            key: shorten(key),
            what,
        }
    }
}

/// The kind of a JSON value, and its text when it is a number, a boolean or a short plain string.
fn describe(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::Null) => "null".to_owned(),
        Some(Value::Bool(value)) => format!("boolean {value}"),
        Some(Value::Number(value)) => format!("number {value}"),
        Some(Value::String(text)) => format!("string {:?}", shorten(text)),
        Some(Value::Array(items)) => format!("array of {}", items.len()),
        Some(Value::Object(fields)) => format!("object of {} fields", fields.len()),
    }
}

/// At most 80 characters of a text, so that errors stay short whatever was in the topic.
pub(crate) fn shorten(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
    }
}
