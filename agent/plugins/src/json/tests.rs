use super::*;
use sluice_api::{Decimal, SchemaBuilder, Struct, logical, schemas};

fn converter(settings: &[(&str, &str)]) -> JsonConverter {
    let mut converter = JsonConverter::default();
    let props = settings
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    Converter::configure(&mut converter, &props, ConverterType::Value).unwrap();
    converter
}

fn write(converter: &JsonConverter, schema: Option<&Arc<Schema>>, value: &Value) -> String {
    let mut buffer = Vec::new();
    let written = converter
        .from_connect_data("t", schema, value, &mut buffer)
        .unwrap();
    written.map_or("<none>".to_owned(), |bytes| {
        String::from_utf8(bytes.to_vec()).unwrap()
    })
}

fn read(converter: &JsonConverter, text: &str) -> Result<SchemaAndValue> {
    converter.to_connect_data("t", Some(&Bytes::from(text.to_owned())))
}

fn plain() -> JsonConverter {
    converter(&[("schemas.enable", "false")])
}

#[test]
fn numbers_with_a_fraction_or_an_exponent_become_integers_as_big_decimals_do() {
    for (text, expected) in [
        ("1e20", 7_766_279_631_452_241_920),
        ("-1E20", -7_766_279_631_452_241_920),
        ("1.7e3", 1700),
        ("1.79e1", 17),
        ("-0.25", 0),
        ("12345e-2", 123),
        ("9007199254740993.0", 9_007_199_254_740_993),
        ("1e-99999999999999999999", 0),
        ("1e64", 0),
    ] {
        let text = format!(r#"{{"schema":{{"type":"int64"}},"payload":{text}}}"#);
        let read = read(&converter(&[]), &text).unwrap();
        assert_eq!(read.value, Value::Int64(expected), "{text}");
    }
}

#[test]
fn broken_blank_and_unfitting_json_is_told_as_by_the_jvm() {
    let fixed = converter(&[("schema.content", r#"{"type":"struct","fields":[]}"#)]);
    for (converter, text, expected) in [
        (&converter(&[]), "", "requires \"schema\" and \"payload\""),
        (&converter(&[]), " ", "requires \"schema\" and \"payload\""),
        (
            &fixed,
            " ",
            "Structs should be encoded as JSON objects, but found MISSING",
        ),
        (
            &fixed,
            "[1,2]",
            "Structs should be encoded as JSON objects, but found ARRAY",
        ),
        (&fixed, "[1,2", "serialization error"),
    ] {
        let error = read(converter, text).unwrap_err();
        assert!(error.message().contains(expected), "{text:?}: {error}");
    }
    assert_eq!(read(&plain(), " ").unwrap(), SchemaAndValue::NULL);
}

#[test]
fn arrays_are_whatever_jackson_iterates_over() {
    for (payload, expected) in [
        (r#"{"a":1,"b":2,"a":3}"#, vec![3, 2]),
        ("{}", vec![]),
        ("7", vec![]),
        (r#""text""#, vec![]),
    ] {
        let text = format!(
            r#"{{"schema":{{"type":"array","items":{{"type":"int32"}}}},"payload":{payload}}}"#
        );
        let items = expected.into_iter().map(Value::Int32).collect();
        assert_eq!(
            read(&converter(&[]), &text).unwrap().value,
            Value::Array(items),
            "{payload}"
        );
    }
}

#[test]
fn characters_beyond_the_basic_plane_are_written_as_escaped_surrogates() {
    let text = Value::from("caf\u{e9} \u{20ac} \u{1f600}!");
    let written = write(&plain(), None, &text);
    assert_eq!(written, "\"caf\u{e9} \u{20ac} \\uD83D\\uDE00!\"");
    assert_eq!(read(&plain(), &written).unwrap().value, text);
}

#[test]
fn the_envelope_is_that_of_the_jvm() {
    let schema = SchemaBuilder::structure()
        .name("com.S")
        .version(2)
        .doc("d")
        .parameter("p1", "v1")
        .field(
            "i16",
            SchemaBuilder::int16()
                .default_value(Value::Int16(5))
                .build()
                .unwrap(),
        )
        .field("dec", logical::decimal_schema(2).unwrap())
        .build()
        .unwrap();
    let value = Struct::new(schema.clone())
        .unwrap()
        .with("dec", "12.34".parse::<Decimal>().unwrap())
        .unwrap();
    assert_eq!(
        write(&converter(&[]), Some(&schema), &Value::from(value.clone())),
        concat!(
            r#"{"schema":{"type":"struct","fields":[{"type":"int16","optional":false,"default":5,"field":"i16"},"#,
            r#"{"type":"bytes","optional":false,"name":"org.apache.kafka.connect.data.Decimal","version":1,"#,
            r#""parameters":{"scale":"2"},"field":"dec"}],"optional":false,"name":"com.S","version":2,"doc":"d","#,
            r#""parameters":{"p1":"v1"}},"payload":{"i16":5,"dec":"BNI="}}"#
        )
    );
    let numeric = converter(&[("decimal.format", "numeric"), ("schemas.enable", "false")]);
    assert_eq!(
        write(&numeric, Some(&schema), &Value::from(value)),
        r#"{"i16":5,"dec":12.34}"#
    );
}

#[test]
fn nulls_are_written_as_the_table_says() {
    let with = converter(&[]);
    let without = plain();
    assert_eq!(write(&with, None, &Value::Null), "<none>");
    assert_eq!(
        write(&with, Some(&schemas::OPTIONAL_STRING), &Value::Null),
        r#"{"schema":{"type":"string","optional":true},"payload":null}"#
    );
    assert_eq!(
        write(&without, Some(&schemas::OPTIONAL_STRING), &Value::Null),
        "null"
    );
    assert_eq!(
        write(&with, None, &Value::from(1)),
        r#"{"schema":null,"payload":1}"#
    );
    let mut buffer = b"kept".to_vec();
    let error = without
        .from_connect_data("t", Some(&schemas::STRING), &Value::Null, &mut buffer)
        .unwrap_err();
    assert_eq!(
        error.message(),
        "Conversion error: null value for field that is required and has no default value"
    );
    assert_eq!(buffer, b"kept");
    let default = SchemaBuilder::int32()
        .optional()
        .default_value(Value::from(7))
        .build()
        .unwrap();
    assert_eq!(write(&without, Some(&default), &Value::Null), "7");
    let keep = converter(&[
        ("schemas.enable", "false"),
        ("replace.null.with.default", "false"),
    ]);
    assert_eq!(write(&keep, Some(&default), &Value::Null), "null");
}

#[test]
fn values_are_written_as_jackson_does() {
    let plain = plain();
    for (value, text) in [
        (Value::from(1.5), "1.5"),
        (Value::from(1e20), "1.0E20"),
        (Value::from(f64::NAN), "\"NaN\""),
        (Value::from(f64::INFINITY), "\"Infinity\""),
        (Value::from("a\"\\\n\u{1}é/"), r#""a\"\\\n\u0001é/""#),
        (Value::Bytes(Bytes::from_static(b"abcd")), "\"YWJjZA==\""),
        (
            Value::Array(vec![Value::from(true), Value::Null]),
            "[true,null]",
        ),
    ] {
        assert_eq!(write(&plain, None, &value), text);
    }
    let map = |key: Value| Value::Map([(key, Value::from("z"))].into_iter().collect());
    assert_eq!(write(&plain, None, &map(Value::from("k"))), r#"{"k":"z"}"#);
    assert_eq!(write(&plain, None, &map(Value::from(7))), r#"[[7,"z"]]"#);
    let mut buffer = Vec::new();
    let error = plain
        .from_connect_data("t", None, &Value::Date(1), &mut buffer)
        .unwrap_err();
    assert!(
        error
            .message()
            .contains("does not have corresponding schema type.")
    );
    let error = plain
        .from_connect_data("t", Some(&schemas::INT32), &Value::from("x"), &mut buffer)
        .unwrap_err();
    assert_eq!(
        error.message(),
        "Invalid type for INT32: class java.lang.String"
    );
    assert_eq!(
        write(
            &plain,
            Some(&logical::DATE_SCHEMA),
            &Value::Date(86_400_000)
        ),
        "1"
    );
    assert_eq!(
        write(&plain, Some(&logical::TIMESTAMP_SCHEMA), &Value::Date(5)),
        "5"
    );
}

#[test]
fn reading_without_schemas() {
    let plain = plain();
    let value = |text: &str| read(&plain, text).unwrap().value;
    assert_eq!(value("5"), Value::Int64(5));
    assert_eq!(value("9223372036854775808"), Value::Int64(i64::MIN));
    assert_eq!(value("-18446744073709551617"), Value::Int64(-1));
    assert_eq!(value("1e400"), Value::Float64(f64::INFINITY));
    assert_eq!(value("1.5"), Value::Float64(1.5));
    assert_eq!(value("\u{feff}007 8"), Value::Int64(7));
    assert_eq!(value("null"), Value::Null);
    assert_eq!(
        value("{\"a\":[1,\"x\"]} trailing").to_string(),
        "{a=[1, x]}"
    );
    assert_eq!(value("{\"a\":1,\"a\":2}").to_string(), "{a=2}");
    assert_eq!(value(r#""a\u00e9\ud83d\ude00\n""#), Value::from("aé😀\n"));
    assert_eq!(value("  "), Value::Null);
    for text in [
        "NaN",
        "{",
        "[1,",
        "1_000",
        "2024-05-27",
        "\"a",
        "{\"a\"}",
        "nul",
        "{a:1}",
        "\"\\x\"",
        "-",
    ] {
        let error = read(&plain, text).unwrap_err();
        assert_eq!(
            error.message(),
            "Converting byte[] to Kafka Connect data failed due to serialization error: ",
            "{text}"
        );
    }
    assert!(read(&plain, &"[".repeat(100_000)).is_err());
    assert_eq!(
        plain.to_connect_data("t", None).unwrap(),
        SchemaAndValue::NULL
    );
}

#[test]
fn reading_with_schemas_is_as_lenient_as_jackson() {
    let with = converter(&[]);
    let value = |schema: &str, payload: &str| {
        read(
            &with,
            &format!(r#"{{"schema":{schema},"payload":{payload}}}"#),
        )
        .map(|read| read.value)
    };
    let of = |name: &str| format!(r#"{{"type":"{name}"}}"#);
    assert_eq!(value(&of("int8"), "300").unwrap(), Value::Int8(44));
    assert_eq!(value(&of("int32"), "\"5\"").unwrap(), Value::Int32(0));
    assert_eq!(
        value(&of("boolean"), "\"true\"").unwrap(),
        Value::Boolean(false)
    );
    assert_eq!(value(&of("string"), "5").unwrap(), Value::Null);
    assert_eq!(value("null", "[1]").unwrap().to_string(), "[1]");
    assert_eq!(
        value(&of("float64"), "1").unwrap_err().message(),
        "Unknown schema type: float64"
    );
    assert_eq!(
        value(&of("int32"), "null").unwrap_err().message(),
        "Invalid null value for required INT32 field"
    );
    for text in [
        "null",
        "5",
        "{}",
        r#"{"schema":null}"#,
        r#"{"schema":null,"payload":1,"x":1}"#,
    ] {
        assert!(
            read(&with, text)
                .unwrap_err()
                .message()
                .starts_with("JsonConverter with schemas.enable requires"),
            "{text}"
        );
    }
    let schema = r#"{"type":"struct","fields":[{"type":"int32","field":"a"},{"type":"string","optional":true,"field":"b"},{"type":"int8","default":3,"field":"c"}]}"#;
    assert_eq!(
        value(schema, r#"{"x":{"y":[1]},"a":1}"#)
            .unwrap()
            .to_string(),
        "Struct{a=1,c=3}"
    );
    let date = r#"{"type":"int32","name":"org.apache.kafka.connect.data.Date","version":1}"#;
    assert_eq!(value(date, "2").unwrap(), Value::Date(2 * 86_400_000));
    assert!(value(date, "1.5").is_err());
    let decimal = r#"{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"}}"#;
    assert_eq!(value(decimal, "\"BNI=\"").unwrap().to_string(), "12.34");
    assert_eq!(value(decimal, "1.5").unwrap().to_string(), "1.5");
    let map = r#"{"type":"map","keys":{"type":"int32"},"values":{"type":"string"}}"#;
    assert_eq!(value(map, r#"[[7,"z"]]"#).unwrap().to_string(), "{7=z}");
    assert!(value(map, r#"{"7":"z"}"#).is_err());
}

#[test]
fn schemas_are_read_once_and_shared() {
    let with = converter(&[]);
    let text = r#"{"schema":{"type":"int32","optional":true},"payload":1}"#;
    let a = read(&with, text).unwrap().schema.unwrap();
    let b = read(&with, text).unwrap().schema.unwrap();
    assert!(Arc::ptr_eq(&a, &b));
    assert_eq!(a, schemas::OPTIONAL_INT32.clone());
}

/// A message that begins as the one before is read without its schema, and gives what it would give alone.
#[test]
fn messages_that_begin_alike_are_read_as_each_alone() {
    let schema = r#"{"type":"array","items":{"type":"int32"}}"#;
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let filled = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let beginning = format!(r#"{{"schema":{schema},"payload":"#);
    let mut ends = vec![
        "[1,2]}".to_owned(),
        " [1] } trailing".to_owned(),
        "[1],\"payload\":[2]}".to_owned(),
        "[1],\"schema\":null}".to_owned(),
        "[1],\"more\":1}".to_owned(),
        "[\"text\"]}".to_owned(),
        "[\"text\",}".to_owned(),
        "[1".to_owned(),
        "[1]".to_owned(),
        "null}".to_owned(),
        "}".to_owned(),
        String::new(),
        "1x}".to_owned(),
        "[\"a\tb\"]}".to_owned(),
        "[\"a\\\"b\"]}".to_owned(),
    ];
    for depth in 498..503 {
        ends.extend([nested(depth) + "}", filled(depth) + "}"]);
    }
    let shown = |read: Result<SchemaAndValue>| {
        read.map(|read| (read.schema, read.value.to_string()))
            .map_err(|error| error.trace())
    };
    for schema in [schema, "null"] {
        let beginning = beginning.replace(r#"{"type":"array","items":{"type":"int32"}}"#, schema);
        for end in &ends {
            let text = format!("{beginning}{end}");
            let (alone, after) = (converter(&[]), converter(&[]));
            read(&after, &format!("{beginning}[7]}}")).expect("an envelope");
            assert_eq!(
                shown(read(&after, &text)),
                shown(read(&alone, &text)),
                "{text}"
            );
        }
    }
    // One that begins otherwise is read with its own schema.
    let with = converter(&[]);
    read(&with, &format!("{beginning}[1]}}")).expect("an envelope");
    let other = r#"{"payload":"x","schema":{"type":"string"}}"#;
    assert_eq!(
        read(&with, other).expect("an envelope").value,
        Value::from("x")
    );
}

#[test]
fn a_fixed_schema_applies_to_reading_only() {
    let fixed = converter(&[("schema.content", r#"{"type":"int32"}"#)]);
    assert_eq!(read(&fixed, "5").unwrap().value, Value::Int32(5));
    assert_eq!(
        write(&fixed, Some(&schemas::INT32), &Value::from(5)),
        r#"{"schema":{"type":"int32","optional":false},"payload":5}"#
    );
    let mut converter = JsonConverter::default();
    let props = Props::from([("schema.content".to_owned(), "{".to_owned())]);
    assert!(Converter::configure(&mut converter, &props, ConverterType::Value).is_err());
}

#[test]
fn what_was_written_is_read_back() {
    let schema = SchemaBuilder::structure()
        .field("s", schemas::STRING.clone())
        .field("f", schemas::OPTIONAL_FLOAT64.clone())
        .field("b", schemas::BYTES.clone())
        .field(
            "a",
            SchemaBuilder::array(schemas::INT64.clone())
                .build()
                .unwrap(),
        )
        .build()
        .unwrap();
    let value = Struct::new(schema.clone())
        .unwrap()
        .with("s", "x\u{0}\"é")
        .unwrap()
        .with("f", 0.1)
        .unwrap()
        .with("b", Bytes::from_static(&[0, 255]))
        .unwrap()
        .with("a", vec![Value::Int64(i64::MIN), Value::Int64(7)])
        .unwrap();
    let with = converter(&[]);
    let text = write(&with, Some(&schema), &Value::from(value.clone()));
    let read = read(&with, &text).unwrap();
    assert_eq!(read.schema, Some(schema));
    assert_eq!(read.value, Value::from(value));
}
