//! `ByteArrayConverter`: bytes as they are.

use std::sync::Arc;

use bytes::Bytes;
use sluice_api::config::ConfigDef;
use sluice_api::plugin::{ConverterPlugin, HeaderConverterPlugin, KAFKA_VERSION};
use sluice_api::{
    ConnectError, Converter, ConverterType, Props, Result, Schema, SchemaAndValue, SchemaType,
    Value, schemas,
};

const CLASS: &str = "org.apache.kafka.connect.converters.ByteArrayConverter";

/// Descriptor for keys and values.
pub fn plugin() -> ConverterPlugin {
    ConverterPlugin::of(CLASS, KAFKA_VERSION, config_def, || {
        Box::new(ByteArrayConverter)
    })
}

/// Descriptor of the converter of headers.
pub fn header_plugin() -> HeaderConverterPlugin {
    HeaderConverterPlugin::of(CLASS, KAFKA_VERSION, config_def, || {
        Box::new(ByteArrayConverter)
    })
}

fn config_def() -> ConfigDef {
    ConfigDef::new().define(crate::converter_support::converter_type_key())
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ByteArrayConverter;

impl Converter for ByteArrayConverter {
    fn configure(&mut self, _props: &Props, _kind: ConverterType) -> Result<()> {
        Ok(())
    }

    fn from_connect_data<'a>(
        &self,
        _topic: &str,
        schema: Option<&Arc<Schema>>,
        value: &'a Value,
        _buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>> {
        if let Some(schema) = schema
            && schema.schema_type() != SchemaType::Bytes
        {
            return Err(ConnectError::data(format!(
                "Invalid schema type for ByteArrayConverter: {}",
                schema.schema_type()
            )));
        }
        match value {
            Value::Null => Ok(None),
            Value::Bytes(bytes) => Ok(Some(bytes)),
            other => Err(ConnectError::data(format!(
                "ByteArrayConverter is not compatible with objects of type class {}",
                other.java_class()
            ))),
        }
    }

    fn to_connect_data(&self, _topic: &str, data: Option<&Bytes>) -> Result<SchemaAndValue> {
        let value = data.cloned().map_or(Value::Null, Value::Bytes);
        Ok(SchemaAndValue::new(
            Some(schemas::OPTIONAL_BYTES.clone()),
            value,
        ))
    }
}

crate::converter_support::header_converter_by_converter!(ByteArrayConverter);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_pass_without_copying_and_other_values_are_refused() {
        let value = Value::Bytes(Bytes::from_static(b"abc"));
        let mut buffer = Vec::new();
        let converter = ByteArrayConverter;
        let written = converter
            .from_connect_data("t", Some(&schemas::BYTES), &value, &mut buffer)
            .unwrap()
            .unwrap();
        assert_eq!(written, b"abc");
        let error = converter
            .from_connect_data("t", Some(&schemas::STRING), &Value::from("x"), &mut buffer)
            .unwrap_err();
        assert_eq!(
            error.message(),
            "Invalid schema type for ByteArrayConverter: STRING"
        );
        let error = converter
            .from_connect_data("t", None, &Value::from("x"), &mut buffer)
            .unwrap_err();
        assert_eq!(
            error.message(),
            "ByteArrayConverter is not compatible with objects of type class java.lang.String"
        );
    }
}
