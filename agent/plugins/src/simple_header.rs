//! `SimpleHeaderConverter`: headers as text, whose type is guessed when read.

use std::sync::Arc;

use bytes::Bytes;
use sluice_api::config::ConfigDef;
use sluice_api::plugin::{HeaderConverterPlugin, KAFKA_VERSION};
use sluice_api::{HeaderConverter, Props, Result, Schema, SchemaAndValue, Value, schemas, values};

/// Descriptor of the converter of headers.
pub fn plugin() -> HeaderConverterPlugin {
    HeaderConverterPlugin::of(
        "org.apache.kafka.connect.storage.SimpleHeaderConverter",
        KAFKA_VERSION,
        ConfigDef::new,
        || Box::new(SimpleHeaderConverter),
    )
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SimpleHeaderConverter;

impl HeaderConverter for SimpleHeaderConverter {
    fn configure(&mut self, _props: &Props) -> Result<()> {
        Ok(())
    }

    fn from_connect_header<'a>(
        &self,
        _topic: &str,
        _header_key: &str,
        schema: Option<&Arc<Schema>>,
        value: &'a Value,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>> {
        if let Value::String(text) = value {
            return Ok(Some(text.as_bytes()));
        }
        let Some(text) = values::convert_to_string(schema.map(|schema| &**schema), value)? else {
            return Ok(None);
        };
        let start = buffer.len();
        buffer.extend_from_slice(text.as_bytes());
        Ok(buffer.get(start..))
    }

    fn to_connect_header(
        &self,
        topic: &str,
        header_key: &str,
        data: Option<&Bytes>,
    ) -> Result<SchemaAndValue> {
        let Some(data) = data else {
            return Ok(SchemaAndValue::NULL);
        };
        match std::str::from_utf8(data) {
            Ok(text) => Ok(values::parse_string(Some(text))),
            Err(_) => {
                tracing::warn!(
                    topic,
                    header = header_key,
                    "failed to deserialize a header as text, so it is passed on as bytes"
                );
                Ok(SchemaAndValue::new(
                    Some(schemas::BYTES.clone()),
                    Value::Bytes(data.clone()),
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_guessed_and_written_back_as_text() {
        let converter = SimpleHeaderConverter;
        let read = converter
            .to_connect_header("t", "h", Some(&Bytes::from_static(b"[1, 2.5, 300]")))
            .unwrap();
        let mut buffer = Vec::new();
        let written = converter
            .from_connect_header("t", "h", read.schema.as_ref(), &read.value, &mut buffer)
            .unwrap();
        assert_eq!(written, Some(&b"[1.0,2.5,300.0]"[..]));
    }

    #[test]
    fn bytes_that_are_no_text_stay_bytes() {
        let data = Bytes::from_static(b"\xff\xfe");
        let read = SimpleHeaderConverter
            .to_connect_header("t", "h", Some(&data))
            .unwrap();
        assert_eq!(read.value, Value::Bytes(data));
        assert_eq!(
            SimpleHeaderConverter
                .to_connect_header("t", "h", None)
                .unwrap(),
            SchemaAndValue::NULL
        );
    }
}
