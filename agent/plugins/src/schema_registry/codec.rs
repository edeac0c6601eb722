//! Encoding and decoding with a schema at hand, without a registry: for benches, fuzzing and tests.

use std::sync::Arc;

use bytes::Bytes;
use sluice_api::{Result, Schema, SchemaAndValue, Value};

use super::client::RegisteredSchema;
use super::converter::Format;

/// Values of one schema to payloads and back; the header with the schema's id is not part of them.
pub trait Codec: Send + Sync {
    /// The text of the schema, as a registry would hold it.
    fn schema_text(&self) -> &str;

    /// Appends the payload of a value.
    ///
    /// # Errors
    /// The value does not fit the schema.
    fn write(&self, value: &Value, buffer: &mut Vec<u8>) -> Result<()>;

    /// Reads a payload.
    ///
    /// # Errors
    /// It is none of the schema.
    fn read(&self, payload: &Bytes) -> Result<SchemaAndValue>;
}

struct FormatCodec<F: Format> {
    format: F,
    text: String,
    writer: F::Writer,
    reader: F::Reader,
}

/// A codec for a Connect schema.
pub(crate) fn codec<F: Format>(format: F, schema: Option<&Arc<Schema>>) -> Result<Box<dyn Codec>> {
    let registered = RegisteredSchema {
        text: format.schema_text(schema)?,
        references: Vec::new(),
    };
    let writer = format.writer(schema, &registered)?;
    let reader = format.reader(&registered, None)?;
    Ok(Box::new(FormatCodec {
        format,
        text: registered.text,
        writer,
        reader,
    }))
}

/// Reads payloads of one schema.
pub type PayloadReader = Box<dyn Fn(&Bytes) -> Result<SchemaAndValue> + Send + Sync>;

/// A reader of payloads by the text of a schema.
pub(crate) fn reader<F: Format>(format: F, text: &str) -> Result<PayloadReader> {
    let registered = RegisteredSchema {
        text: text.to_owned(),
        references: Vec::new(),
    };
    let reader = format.reader(&registered, None)?;
    Ok(Box::new(move |payload| format.read(&reader, payload)))
}

impl<F: Format> Codec for FormatCodec<F> {
    fn schema_text(&self) -> &str {
        &self.text
    }

    fn write(&self, value: &Value, buffer: &mut Vec<u8>) -> Result<()> {
        self.format.write(&self.writer, value, buffer)
    }

    fn read(&self, payload: &Bytes) -> Result<SchemaAndValue> {
        self.format.read(&self.reader, payload)
    }
}

/// A format as the given keys configure it.
pub(crate) fn configured<F: Format>(settings: &[(&str, &str)]) -> Result<F> {
    let props = settings
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    F::configured(&F::config_def().parse(&props)?)
}
