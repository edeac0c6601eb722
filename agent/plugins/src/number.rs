//! Converters of numbers and booleans: big-endian bytes of a fixed size.

use std::sync::Arc;

use bytes::Bytes;
use sluice_api::config::ConfigDef;
use sluice_api::plugin::{ConverterPlugin, HeaderConverterPlugin, KAFKA_VERSION};
use sluice_api::{
    ConnectError, Converter, ConverterType, Props, Result, Schema, SchemaAndValue, Value, schemas,
};

fn config_def() -> ConfigDef {
    ConfigDef::new().define(crate::converter_support::converter_type_key())
}

macro_rules! class {
    ($converter:ident) => {
        concat!(
            "org.apache.kafka.connect.converters.",
            stringify!($converter)
        )
    };
}

macro_rules! number_converters {
    ($(
        $converter:ident, $name:literal, $deserializer:literal, $variant:ident, $kind:ty, $schema:ident;
    )*) => {
        $(
            #[doc = concat!("Big-endian `", stringify!($kind), "` (Kafka's `", stringify!($converter), "`).")]
            #[derive(Debug, Clone, Copy, Default)]
            pub struct $converter;

            impl Converter for $converter {
                fn configure(&mut self, _props: &Props, _kind: ConverterType) -> Result<()> {
                    Ok(())
                }

                fn from_connect_data<'a>(
                    &self,
                    _topic: &str,
                    _schema: Option<&Arc<Schema>>,
                    value: &'a Value,
                    buffer: &'a mut Vec<u8>,
                ) -> Result<Option<&'a [u8]>> {
                    match value {
                        Value::Null => Ok(None),
                        Value::$variant(number) => {
                            let start = buffer.len();
                            buffer.extend_from_slice(&number.to_be_bytes());
                            Ok(buffer.get(start..))
                        }
                        other => Err(ConnectError::data(format!(
                            "Failed to serialize to {} (was class {}): ",
                            $name,
                            other.java_class()
                        ))),
                    }
                }

                fn to_connect_data(&self, _topic: &str, data: Option<&Bytes>) -> Result<SchemaAndValue> {
                    let value = match data {
                        None => Value::Null,
                        Some(data) => match <[u8; size_of::<$kind>()]>::try_from(&data[..]) {
                            Ok(bytes) => Value::$variant(<$kind>::from_be_bytes(bytes)),
                            Err(_) => {
                                return Err(ConnectError::data(concat!("Failed to deserialize ", $name, ": "))
                                    .caused_by(ConnectError::serialization(format!(
                                        "Size of data received by {} is not {}",
                                        $deserializer,
                                        size_of::<$kind>()
                                    ))));
                            }
                        },
                    };
                    Ok(SchemaAndValue::new(Some(schemas::$schema.clone()), value))
                }
            }

            crate::converter_support::header_converter_by_converter!($converter);
        )*

        /// Descriptors for keys and values.
        pub fn plugins() -> [ConverterPlugin; 6] { [
            $(ConverterPlugin::of(class!($converter), KAFKA_VERSION, config_def, || Box::new($converter)),)*
            ConverterPlugin::of(class!(BooleanConverter), KAFKA_VERSION, config_def, || {
                Box::new(BooleanConverter)
            }),
        ] }

        /// Descriptors of the converters of headers, in the same order.
        pub fn header_plugins() -> [HeaderConverterPlugin; 6] { [
            $(HeaderConverterPlugin::of(class!($converter), KAFKA_VERSION, config_def, || {
                Box::new($converter)
            }),)*
            HeaderConverterPlugin::of(class!(BooleanConverter), KAFKA_VERSION, config_def, || {
                Box::new(BooleanConverter)
            }),
        ] }
    };
}

number_converters! {
    ShortConverter, "short", "ShortDeserializer", Int16, i16, OPTIONAL_INT16;
    IntegerConverter, "integer", "IntegerDeserializer", Int32, i32, OPTIONAL_INT32;
    LongConverter, "long", "LongDeserializer", Int64, i64, OPTIONAL_INT64;
    FloatConverter, "float", "FloatDeserializer", Float32, f32, OPTIONAL_FLOAT32;
    DoubleConverter, "double", "DoubleDeserializer", Float64, f64, OPTIONAL_FLOAT64;
}

/// One byte, 1 for true and 0 for false.
#[derive(Debug, Clone, Copy, Default)]
pub struct BooleanConverter;

impl Converter for BooleanConverter {
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
            && schema.schema_type() != sluice_api::SchemaType::Boolean
        {
            return Err(ConnectError::data(format!(
                "Invalid schema type for BooleanConverter: {}",
                schema.schema_type()
            )));
        }
        match value {
            Value::Null => Ok(None),
            Value::Boolean(true) => Ok(Some(&[1])),
            Value::Boolean(false) => Ok(Some(&[0])),
            other => Err(ConnectError::data(format!(
                "BooleanConverter is not compatible with objects of type class {}",
                other.java_class()
            ))),
        }
    }

    fn to_connect_data(&self, _topic: &str, data: Option<&Bytes>) -> Result<SchemaAndValue> {
        let fail = |cause: &str| {
            ConnectError::data("Failed to deserialize boolean: ")
                .caused_by(ConnectError::serialization(cause))
        };
        let value = match data.map(|data| &data[..]) {
            None => Value::Null,
            Some([1]) => Value::Boolean(true),
            Some([0]) => Value::Boolean(false),
            Some([other]) => {
                return Err(fail(&format!(
                    "Unexpected byte received by BooleanDeserializer: {other}"
                )));
            }
            Some(_) => {
                return Err(fail(
                    "Size of data received by BooleanDeserializer is not 1",
                ));
            }
        };
        Ok(SchemaAndValue::new(
            Some(schemas::OPTIONAL_BOOLEAN.clone()),
            value,
        ))
    }
}

crate::converter_support::header_converter_by_converter!(BooleanConverter);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_there_and_back() {
        let mut buffer = Vec::new();
        let written = IntegerConverter
            .from_connect_data("t", None, &Value::Int32(-2), &mut buffer)
            .unwrap()
            .map(Bytes::copy_from_slice);
        assert_eq!(written.as_deref(), Some(&[0xFF, 0xFF, 0xFF, 0xFE][..]));
        let read = IntegerConverter
            .to_connect_data("t", written.as_ref())
            .unwrap();
        assert_eq!(read.value, Value::Int32(-2));
        assert_eq!(read.schema, Some(schemas::OPTIONAL_INT32.clone()));
    }

    #[test]
    fn wrong_sizes_and_types_are_told_as_kafka_does() {
        let error = IntegerConverter
            .to_connect_data("t", Some(&Bytes::from_static(b"abc")))
            .unwrap_err();
        assert_eq!(error.message(), "Failed to deserialize integer: ");
        assert_eq!(
            error.root_cause().message(),
            "Size of data received by IntegerDeserializer is not 4"
        );
        let mut buffer = Vec::new();
        let error = IntegerConverter
            .from_connect_data("t", None, &Value::from("x"), &mut buffer)
            .unwrap_err();
        assert_eq!(
            error.message(),
            "Failed to serialize to integer (was class java.lang.String): "
        );
        assert!(
            BooleanConverter
                .to_connect_data("t", Some(&Bytes::from_static(b"x")))
                .is_err()
        );
    }
}
