//! What is written is read again, by every converter, for generated schemas and values.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use sluice_api::{
    Converter, ConverterType, HeaderConverter as _, Props, Schema, SchemaAndValue, Value, schemas,
};

use crate::generated::{Limits, any_struct, any_typed, schemaless, texts};
use crate::json::JsonConverter;
use crate::schema_registry::codec::Codec;

fn there_and_back(
    converter: &dyn Converter,
    schema: Option<&Arc<Schema>>,
    value: &Value,
) -> SchemaAndValue {
    let mut buffer = Vec::new();
    let data = converter
        .from_connect_data("t", schema, value, &mut buffer)
        .unwrap()
        .map(Bytes::copy_from_slice);
    converter.to_connect_data("t", data.as_ref()).unwrap()
}

fn coded(codec: &dyn Codec, value: &Value) -> SchemaAndValue {
    let mut buffer = Vec::new();
    codec.write(value, &mut buffer).unwrap();
    codec.read(&Bytes::from(buffer)).unwrap()
}

fn json(settings: &[(&str, &str)]) -> JsonConverter {
    let props: Props = settings
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let mut converter = JsonConverter::default();
    Converter::configure(&mut converter, &props, ConverterType::Value).unwrap();
    converter
}

/// JSON has no text for what is not a number.
const JSON_LIMITS: Limits = Limits {
    special_floats: false,
    ..Limits::NONE
};

/// Numbers in schemas are read as doubles, so a decimal default would lose digits.
const NUMERIC_LIMITS: Limits = Limits {
    defaults: false,
    ..JSON_LIMITS
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn json_with_schemas_gives_back_schema_and_value(typed in any_typed(JSON_LIMITS)) {
        let converter = json(&[]);
        for value in &typed.values {
            let read = there_and_back(&converter, Some(&typed.schema), value);
            prop_assert_eq!(read.schema.as_ref(), Some(&typed.schema));
            prop_assert_eq!(&read.value, value);
        }
    }

    #[test]
    fn json_with_decimals_as_numbers_gives_back_schema_and_value(typed in any_typed(NUMERIC_LIMITS)) {
        let converter = json(&[("decimal.format", "NUMERIC")]);
        for value in &typed.values {
            let read = there_and_back(&converter, Some(&typed.schema), value);
            prop_assert_eq!(read.schema.as_ref(), Some(&typed.schema));
            prop_assert_eq!(&read.value, value);
        }
    }

    #[test]
    fn json_without_schemas_gives_back_the_value(value in schemaless()) {
        let read = there_and_back(&json(&[("schemas.enable", "false")]), None, &value);
        prop_assert_eq!(read, SchemaAndValue::new(None, value));
    }

    #[test]
    fn strings_come_back(typed in texts()) {
        let converter = crate::string::StringConverter::default();
        for value in &typed.values {
            let read = there_and_back(&converter, Some(&typed.schema), value);
            prop_assert_eq!(&read.value, value);
        }
    }

    #[test]
    fn bytes_and_numbers_come_back(
        bytes in prop::collection::vec(any::<u8>(), 0..20),
        numbers in any::<(i16, i32, i64, f32, f64, bool)>(),
    ) {
        let of = |class: &str| {
            let plugin = crate::converters()
                .into_iter()
                .find(|plugin| plugin.class.ends_with(class))
                .unwrap();
            (plugin.new)()
        };
        for (class, value, schema) in [
            (".ByteArrayConverter", Value::Bytes(bytes.into()), &schemas::OPTIONAL_BYTES),
            (".ShortConverter", Value::from(numbers.0), &schemas::OPTIONAL_INT16),
            (".IntegerConverter", Value::from(numbers.1), &schemas::OPTIONAL_INT32),
            (".LongConverter", Value::from(numbers.2), &schemas::OPTIONAL_INT64),
            (".FloatConverter", Value::from(numbers.3), &schemas::OPTIONAL_FLOAT32),
            (".DoubleConverter", Value::from(numbers.4), &schemas::OPTIONAL_FLOAT64),
            (".BooleanConverter", Value::from(numbers.5), &schemas::OPTIONAL_BOOLEAN),
        ] {
            for value in [value, Value::Null] {
                let read = there_and_back(&*of(class), Some(schema), &value);
                prop_assert_eq!(read.schema.as_ref(), Some(&**schema));
                prop_assert_eq!(read.value, value);
            }
        }
    }

    #[test]
    fn simple_headers_come_back_if_their_text_says_their_type(
        number in 100_000_i32..2_000_000_000,
        text in "[a-z]{1,8}",
        flag in any::<bool>(),
    ) {
        let converter = crate::simple_header::SimpleHeaderConverter;
        // `true` and `false` as text would be read as booleans.
        prop_assume!(!matches!(text.as_str(), "true" | "false" | "null"));
        for value in [Value::from(number), Value::from(text), Value::from(flag)] {
            let mut buffer = Vec::new();
            let data = converter
                .from_connect_header("t", "h", None, &value, &mut buffer)
                .unwrap()
                .map(Bytes::copy_from_slice);
            let read = converter.to_connect_header("t", "h", data.as_ref()).unwrap();
            prop_assert_eq!(read.value, value);
        }
    }

    #[test]
    fn avro_gives_back_schema_and_value(typed in any_typed(Limits::NONE)) {
        let codec = crate::avro::codec(&[], Some(&typed.schema)).unwrap();
        for value in &typed.values {
            if value.is_null() {
                continue;
            }
            let read = coded(&*codec, value);
            prop_assert_eq!(read.schema.as_ref(), Some(&typed.schema), "{}", codec.schema_text());
            prop_assert_eq!(&read.value, value);
        }
    }

    #[test]
    fn avro_gives_back_data_without_schema(value in schemaless()) {
        let codec = crate::avro::codec(&[], None).unwrap();
        prop_assert_eq!(coded(&*codec, &value), SchemaAndValue::new(None, value));
    }

    #[test]
    fn what_is_no_avro_does_no_harm(
        typed in any_typed(Limits::NONE),
        bytes in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let codec = crate::avro::codec(&[], Some(&typed.schema)).unwrap();
        let _ = codec.read(&Bytes::from(bytes));
    }

    #[test]
    fn json_schema_gives_back_schema_and_value(
        typed in any_typed(JSON_LIMITS),
        numeric in any_typed(NUMERIC_LIMITS),
    ) {
        for (settings, typed) in [(&[][..], typed), (&[("decimal.format", "NUMERIC")], numeric)] {
            let codec = crate::json_schema::codec(settings, &typed.schema).unwrap();
            for value in &typed.values {
                let read = coded(&*codec, value);
                prop_assert_eq!(read.schema.as_ref(), Some(&typed.schema), "{}", codec.schema_text());
                prop_assert_eq!(&read.value, value);
            }
        }
    }

    #[test]
    fn protobuf_gives_back_the_value(typed in any_struct(PROTOBUF_LIMITS)) {
        let settings = [("optional.for.nullables", "true")];
        let codec = crate::protobuf::codec(&settings, &typed.schema).unwrap();
        for value in &typed.values {
            let mut buffer = Vec::new();
            codec.write(value, &mut buffer).unwrap();
            let read = codec.read(&Bytes::from(buffer)).unwrap();
            // The schema gets numbers of fields and loses defaults; lists and maps that are null are empty.
            prop_assert_eq!(plain(&read.value), plain(value), "{}", codec.schema_text());
        }
    }

    #[test]
    fn what_is_no_protobuf_does_no_harm(
        typed in any_struct(PROTOBUF_LIMITS),
        bytes in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let codec = crate::protobuf::codec(&[], &typed.schema).unwrap();
        let _ = codec.read(&Bytes::from(bytes));
    }
}

/// Protocol Buffers have no null in lists, and keep neither defaults nor documentation.
const PROTOBUF_LIMITS: Limits = Limits {
    optional_elements: false,
    defaults: false,
    metadata: false,
    nested_collections: false,
    ..Limits::NONE
};

/// A value without its schemas: structs as lists of their fields, nothing for what is empty.
fn plain(value: &Value) -> Value {
    match value {
        Value::Struct(own) => Value::Array(own.values().iter().map(plain).collect()),
        Value::Array(items) if items.is_empty() => Value::Null,
        Value::Array(items) => Value::Array(items.iter().map(plain).collect()),
        Value::Map(map) if map.is_empty() => Value::Null,
        Value::Map(map) => Value::Map(
            map.iter()
                .map(|(key, value)| (key.clone(), plain(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}
