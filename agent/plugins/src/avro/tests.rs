use sluice_api::{Decimal, SchemaBuilder, Struct, logical, schemas};

use super::*;

fn text(settings: &[(&str, &str)], schema: &Arc<Schema>) -> String {
    codec(settings, Some(schema))
        .unwrap()
        .schema_text()
        .to_owned()
}

fn coded(settings: &[(&str, &str)], schema: &Arc<Schema>, value: &Value) -> (Vec<u8>, Value) {
    let codec = codec(settings, Some(schema)).unwrap();
    let mut buffer = Vec::new();
    codec.write(value, &mut buffer).unwrap();
    let read = codec.read(&Bytes::from(buffer.clone())).unwrap();
    (buffer, read.value)
}

fn built(builder: SchemaBuilder) -> Arc<Schema> {
    builder.build().unwrap()
}

fn read_by(settings: &[(&str, &str)], text: &str, payload: &Bytes) -> Result<SchemaAndValue> {
    reader(settings, text)?(payload)
}

#[test]
fn the_schema_is_that_of_the_jvm_converter() {
    let schema = built(
        SchemaBuilder::structure()
            .name("com.acme.Order")
            .version(2)
            .doc("an order")
            .field("id", schemas::INT64.clone())
            .field("small", schemas::INT8.clone())
            .field("coupon", schemas::OPTIONAL_STRING.clone())
            .field(
                "count",
                built(
                    SchemaBuilder::int32()
                        .optional()
                        .default_value(Value::from(7)),
                ),
            )
            .field("price", logical::decimal_schema(2).unwrap())
            .field("at", logical::TIMESTAMP_SCHEMA.clone())
            .field("day", logical::OPTIONAL_DATE_SCHEMA.clone())
            .field(
                "tags",
                built(SchemaBuilder::map(
                    schemas::INT32.clone(),
                    schemas::STRING.clone(),
                )),
            ),
    );
    assert_eq!(
        text(&[], &schema),
        concat!(
            r#"{"type":"record","name":"Order","namespace":"com.acme","fields":["#,
            r#"{"name":"id","type":"long"},"#,
            r#"{"name":"small","type":{"type":"int","connect.type":"int8"}},"#,
            r#"{"name":"coupon","type":["null","string"],"default":null},"#,
            r#"{"name":"count","type":[{"type":"int","connect.default":7},"null"],"default":7},"#,
            r#"{"name":"price","type":{"type":"bytes","scale":2,"precision":64,"connect.version":1,"#,
            r#""connect.parameters":{"scale":"2"},"connect.name":"org.apache.kafka.connect.data.Decimal","#,
            r#""logicalType":"decimal"}},"#,
            r#"{"name":"at","type":{"type":"long","connect.version":1,"#,
            r#""connect.name":"org.apache.kafka.connect.data.Timestamp","logicalType":"timestamp-millis"}},"#,
            r#"{"name":"day","type":["null",{"type":"int","connect.version":1,"#,
            r#""connect.name":"org.apache.kafka.connect.data.Date","logicalType":"date"}],"default":null},"#,
            r#"{"name":"tags","type":{"type":"array","items":{"type":"record","name":"MapEntry","#,
            r#""namespace":"io.confluent.connect.avro","fields":[{"name":"key","type":"int"},"#,
            r#"{"name":"value","type":"string"}]}}}],"#,
            r#""connect.doc":"an order","connect.version":2,"connect.name":"com.acme.Order"}"#,
        )
    );
}

#[test]
fn structs_without_name_are_numbered_and_equal_ones_declared_once() {
    let inner = built(SchemaBuilder::structure().field("a", schemas::INT32.clone()));
    let named = built(
        SchemaBuilder::structure()
            .name("com.N")
            .field("b", schemas::INT32.clone()),
    );
    let schema = built(
        SchemaBuilder::structure()
            .field("x", inner.clone())
            .field("y", inner)
            .field("n", named.clone())
            .field("ns", built(SchemaBuilder::array(named))),
    );
    assert_eq!(
        text(&[("connect.meta.data", "false")], &schema),
        concat!(
            r#"{"type":"record","name":"ConnectDefault","namespace":"io.confluent.connect.avro","fields":["#,
            r#"{"name":"x","type":{"type":"record","name":"ConnectDefault2","fields":[{"name":"a","type":"int"}]}},"#,
            r#"{"name":"y","type":"ConnectDefault2"},"#,
            r#"{"name":"n","type":{"type":"record","name":"N","namespace":"com","fields":[{"name":"b","type":"int"}]}},"#,
            r#"{"name":"ns","type":{"type":"array","items":"com.N"}}]}"#,
        )
    );
}

#[test]
fn bytes_are_those_of_the_avro_specification() {
    let schema = built(
        SchemaBuilder::structure()
            .name("com.R")
            .field("i", schemas::INT32.clone())
            .field("l", schemas::INT64.clone())
            .field("s", schemas::STRING.clone())
            .field("o", schemas::OPTIONAL_STRING.clone())
            .field("p", schemas::OPTIONAL_STRING.clone())
            .field("d", logical::decimal_schema(2).unwrap())
            .field("a", built(SchemaBuilder::array(schemas::INT8.clone()))),
    );
    let value = Struct::new(schema.clone())
        .unwrap()
        .with("i", -65)
        .unwrap()
        .with("l", 64_i64)
        .unwrap()
        .with("s", "foo")
        .unwrap()
        .with("p", "é")
        .unwrap()
        .with("d", "12.34".parse::<Decimal>().unwrap())
        .unwrap()
        .with("a", vec![Value::Int8(1), Value::Int8(-1)])
        .unwrap();
    let value = Value::from(value);
    let (bytes, read) = coded(&[], &schema, &value);
    assert_eq!(
        bytes,
        [
            0x81, 0x01, 0x80, 0x01, 6, b'f', b'o', b'o', 0, 2, 4, 0xC3, 0xA9, 4, 0x04, 0xD2, 4, 2,
            1, 0
        ]
    );
    assert_eq!(read, value);
    // A schema of nothing but bytes has no length before them.
    let bytes = Value::Bytes(Bytes::from_static(b"raw"));
    assert_eq!(
        coded(&[], &schemas::BYTES, &bytes),
        (b"raw".to_vec(), bytes)
    );
}

#[test]
fn unions_are_structs_with_a_field_per_member() {
    let avro = concat!(
        r#"["null","int",{"type":"enum","name":"E","namespace":"n","symbols":["A","B"]},"#,
        r#"{"type":"record","name":"R","namespace":"n","fields":[{"name":"f","type":"string"}]}]"#
    );
    let read = |bytes: &'static [u8]| read_by(&[], avro, &Bytes::from_static(bytes)).unwrap();
    assert_eq!(read(&[0]).value, Value::Null);
    let union = read(&[2, 14]);
    let schema = union.schema.unwrap();
    assert_eq!(schema.name(), Some("io.confluent.connect.avro.Union"));
    let names: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| &**field.name())
        .collect();
    assert_eq!(names, ["int", "E", "R"]);
    assert!(schema.is_optional());
    assert_eq!(
        union.value.as_struct().unwrap().get("int").unwrap(),
        &Value::from(7)
    );
    let union = read(&[4, 2]);
    assert_eq!(
        union.value.as_struct().unwrap().get("E").unwrap(),
        &Value::from("B")
    );
    let union = read(&[6, 2, b'x']);
    let (schema, value) = (union.schema.unwrap(), union.value);
    assert_eq!(value.to_string(), "Struct{R=Struct{f=x}}");
    // Enums survive the way back with enhanced support only; without it they are texts.
    let enhanced = [("enhanced.avro.schema.support", "true")];
    let (bytes, again) = coded(&enhanced, &schema, &value);
    assert_eq!(
        (bytes, again.to_string()),
        (vec![6, 2, b'x'], "Struct{n.R=Struct{f=x}}".to_owned())
    );
}

#[test]
fn enums_and_fixed_stay_what_they_are_with_enhanced_support() {
    let avro = concat!(
        r#"{"type":"record","name":"R","namespace":"n","fields":["#,
        r#"{"name":"e","type":{"type":"enum","name":"E","doc":"d","symbols":["Z","A"],"default":"Z"}},"#,
        r#"{"name":"f","type":{"type":"fixed","name":"F","size":2}},"#,
        r#"{"name":"m","type":{"type":"fixed","name":"M","size":4,"logicalType":"decimal","precision":9,"scale":2}}]}"#
    );
    let settings = [("enhanced.avro.schema.support", "true")];
    let payload = Bytes::from_static(&[2, 8, 9, 0xFF, 0xFF, 0xFF, 0x9C]);
    let read = read_by(&settings, avro, &payload).unwrap();
    assert_eq!(
        read.value.as_struct().unwrap().get("e").unwrap(),
        &Value::from("A")
    );
    assert_eq!(
        read.value.as_struct().unwrap().get("m").unwrap(),
        &Value::from("-1.00".parse::<Decimal>().unwrap())
    );
    let schema = read.schema.unwrap();
    let back = text(&settings, &schema);
    assert!(
        back.contains(r#""type":"enum","name":"E","doc":"d","symbols":["Z","A"],"default":"Z""#),
        "{back}"
    );
    assert!(
        back.contains(r#"{"type":"fixed","name":"F","size":2"#),
        "{back}"
    );
    // The name of a fixed decimal is lost, as with the JVM converter: it becomes one that has the name of its
    // logical type.
    let codec = codec(&settings, Some(&schema)).unwrap();
    let mut buffer = Vec::new();
    codec.write(&read.value, &mut buffer).unwrap();
    assert_eq!(buffer, payload);
}

#[test]
fn defaults_of_avro_fields_become_those_of_connect_schemas() {
    let avro = concat!(
        r#"{"type":"record","name":"R","fields":[{"name":"i","type":"int","default":5,"doc":"x"},"#,
        r#"{"name":"b","type":"bytes","default":"\u00ff"},{"name":"o","type":["null","int"],"default":null},"#,
        r#"{"name":"r","type":{"type":"record","name":"I","fields":[{"name":"s","type":"string"}]},"default":{"s":"t"}},"#,
        r#"{"name":"w","type":"string","default":7}]}"#
    );
    let payload = Bytes::from_static(&[2, 0, 0, 2, b'y', 0]);
    let schema = read_by(&[], avro, &payload).unwrap().schema.unwrap();
    let default = |name: &str| {
        schema
            .field(name)
            .unwrap()
            .schema()
            .default_value()
            .cloned()
    };
    assert_eq!(default("i"), Some(Value::from(5)));
    assert_eq!(
        default("b"),
        Some(Value::Bytes(Bytes::from_static(&[0xFF])))
    );
    assert_eq!(default("o"), None);
    assert_eq!(
        default("r").map(|v| v.to_string()),
        Some("Struct{s=t}".to_owned())
    );
    assert_eq!(default("w"), None);
    assert_eq!(
        names::parameter(&schema, "io.confluent.connect.avro.field.doc.i"),
        Some("x")
    );
    assert_eq!(
        names::parameter(
            schema.field("i").unwrap().schema(),
            names::FIELD_DEFAULT_FLAG
        ),
        Some("true")
    );
}

#[test]
fn data_can_be_written_with_another_version_of_its_schema() {
    let schema = built(
        SchemaBuilder::structure()
            .name("R")
            .field("extra", schemas::INT32.clone())
            .field("a", schemas::INT32.clone()),
    );
    let value = Struct::new(schema.clone())
        .unwrap()
        .with("a", 1)
        .unwrap()
        .with("extra", 9)
        .unwrap();
    let latest = RegisteredSchema {
        text: concat!(
            r#"{"type":"record","name":"R","fields":[{"name":"new","type":["null","string"],"default":null},"#,
            r#"{"name":"a","type":["null","long"]},{"name":"k","type":"int","default":3}]}"#
        )
        .to_owned(),
        references: Vec::new(),
    };
    let format: Avro = codec::configured(&[]).unwrap();
    let writer = format.writer(Some(&schema), &latest).unwrap();
    let mut buffer = Vec::new();
    format
        .write(&writer, &Value::from(value), &mut buffer)
        .unwrap();
    assert_eq!(buffer, [0, 2, 2, 6]);
    let missing = RegisteredSchema {
        text: r#"{"type":"record","name":"R","fields":[{"name":"new","type":"int"}]}"#.to_owned(),
        references: Vec::new(),
    };
    let error = format.writer(Some(&schema), &missing).unwrap_err();
    assert!(
        error.message().contains("field new of the Avro schema"),
        "{error}"
    );
}

#[test]
fn invalid_names_are_refused_or_scrubbed() {
    let schema = built(
        SchemaBuilder::structure()
            .name("com.my-app.R")
            .field("a-b", schemas::INT32.clone()),
    );
    let error = codec(&[], Some(&schema)).err().unwrap();
    assert_eq!(error.message(), "Illegal character in: my-app");
    let scrubbing = [("scrub.invalid.names", "true")];
    let scrubbed = text(&scrubbing, &schema);
    assert!(
        scrubbed.contains(r#""name":"R","namespace":"com.my_app","fields":[{"name":"a_b""#),
        "{scrubbed}"
    );
    let value = Value::from(Struct::new(schema.clone()).unwrap().with("a-b", 4).unwrap());
    assert_eq!(coded(&scrubbing, &schema, &value).0, [8]);
}

#[test]
fn a_wrong_value_is_told_with_its_field() {
    let schema = built(SchemaBuilder::structure().field("a", schemas::INT32.clone()));
    let codec = codec(&[], Some(&schema)).unwrap();
    let value = |value| Value::from(Struct::from_values(schema.clone(), vec![value]).unwrap());
    for (wrong, message) in [
        (
            value(Value::Null),
            "field a: Found null value for non-optional schema",
        ),
        (
            value(Value::from("x")),
            "field a: Invalid type for an integer type: class java.lang.String",
        ),
        (
            Value::from(1),
            "Invalid type for STRUCT: class java.lang.Integer",
        ),
    ] {
        let error = codec.write(&wrong, &mut Vec::new()).unwrap_err();
        assert_eq!(error.message(), message);
    }
}

#[test]
fn damaged_payloads_are_refused_with_their_place() {
    let avro = r#"{"type":"record","name":"R","fields":[{"name":"s","type":"string"}]}"#;
    for (bytes, message) in [
        (&[][..], "the message ends within a value, at byte 1"),
        (&[6, b'a'], "the message ends within a value, at byte 1"),
        (&[1, 0], "Malformed data. Length is negative: -1, at byte 1"),
        (&[2, 0xFF], "invalid UTF-8 at byte 1"),
        (&[0x80; 11], "a number that never ends, at byte 10"),
    ] {
        let error = read_by(&[], avro, &Bytes::copy_from_slice(bytes)).unwrap_err();
        assert_eq!(error.message(), message);
    }
    // An array that says it has a billion elements of nothing.
    let empty = r#"{"type":"array","items":{"type":"record","name":"E","fields":[]}}"#;
    let error = read_by(
        &[],
        empty,
        &Bytes::from_static(&[0x80, 0xA8, 0xD6, 0xB9, 7]),
    )
    .unwrap_err();
    assert!(error.message().contains("without bytes"), "{error}");
}

#[test]
fn records_within_themselves_are_refused() {
    let avro = r#"{"type":"record","name":"T","fields":[{"name":"next","type":["null","T"]}]}"#;
    let error = read_by(&[], avro, &Bytes::from_static(&[0])).unwrap_err();
    assert_eq!(
        error.message(),
        "record T refers to itself, which is not supported"
    );
}
