use sluice_api::{SchemaBuilder, Struct, logical, schemas};

use super::*;

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
            .field("id", schemas::INT64.clone())
            .field("small", schemas::INT8.clone())
            .field("note", schemas::OPTIONAL_STRING.clone())
            .field("dec", logical::decimal_schema(2).unwrap())
            .field("day", logical::DATE_SCHEMA.clone())
            .field("tags", built(SchemaBuilder::array(schemas::STRING.clone())))
            .field(
                "inner",
                built(
                    SchemaBuilder::structure()
                        .name("com.acme.inner")
                        .field("x", schemas::FLOAT64.clone()),
                ),
            ),
    );
    let codec = codec(&[("optional.for.nullables", "true")], &schema).unwrap();
    assert_eq!(
        codec.schema_text(),
        "syntax = \"proto3\";\npackage com.acme;\n\nimport \"confluent/meta.proto\";\n\
         import \"confluent/type/decimal.proto\";\nimport \"google/type/date.proto\";\n\n\
         message Order {\n  int64 id = 1;\n  \
         int32 small = 2 [(confluent.field_meta) = { params: [{ key: \"connect.type\", value: \"int8\" }] }];\n  \
         optional string note = 3;\n  \
         .confluent.type.Decimal dec = 4 [(confluent.field_meta) = { params: [{ key: \"scale\", value: \"2\" }] }];\n  \
         .google.type.Date day = 5;\n  repeated string tags = 6;\n  innerMessage inner = 7;\n  \
         message innerMessage {\n    double x = 1;\n  }\n}\n"
    );
}

#[test]
fn bytes_are_those_of_the_specification() {
    let text = concat!(
        "syntax = \"proto3\"; message Unused {} message M \
         { int32 a = 1; sint64 b = 2; string s = 3; repeated int32 r = 4; ",
        "oneof u { bool t = 5; string v = 6; } map<string, int32> m = 7; enum E { NONE = 0; ONE = 1; } E e = \
         8; ",
        "M2 n = 9; message M2 { fixed32 f = 1; } optional int32 o = 10; uint32 big = 11; }"
    );
    // The second message: one index, 1, zig-zag.
    let payload: Vec<u8> = [
        &[2, 2][..],
        &[
            0x08, 0x96, 0x01, 0x10, 3, 0x1A, 2, b'h', b'i', 0x22, 3, 1, 2, 3,
        ],
        &[0x32, 1, b'x', 0x3A, 5, 0x0A, 1, b'k', 0x10, 7, 0x40, 1],
        &[
            0x4A, 5, 0x0D, 1, 0, 0, 0, 0x50, 0, 0x58, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F,
        ],
        // A field nobody knows.
        &[0xA0, 0x06, 1],
    ]
    .concat();
    let read = read_by(&[], text, &payload.clone().into()).unwrap();
    assert_eq!(
        read.value.to_string(),
        "Struct{u_0=Struct{v=x},a=150,b=-2,s=hi,r=[1, 2, 3],m={k=7},e=ONE,n=Struct{f=1},o=0,big=4294967295}"
    );
    let schema = read.schema.unwrap();
    assert_eq!(schema.name(), Some("M"));
    let format: Protobuf = codec::configured(&[]).unwrap();
    let registered = RegisteredSchema {
        text: text.to_owned(),
        references: Vec::new(),
    };
    let writer = format.writer(Some(&schema), &registered).unwrap();
    let mut buffer = Vec::new();
    format.write(&writer, &read.value, &mut buffer).unwrap();
    assert_eq!(buffer, payload[..payload.len() - 3]);
    // A message of nothing but defaults is empty.
    let empty = read_by(&[], text, &Bytes::from_static(&[2, 2])).unwrap();
    assert_eq!(
        empty.value.to_string(),
        "Struct{a=0,b=0,s=,r=[],m={},e=NONE,big=0}"
    );
    buffer.clear();
    format.write(&writer, &empty.value, &mut buffer).unwrap();
    assert_eq!(buffer, [2, 2]);
}

#[test]
fn values_that_are_no_structs_are_in_wrappers() {
    for (schema, value, bytes) in [
        (
            schemas::STRING.clone(),
            Value::from("a"),
            &[2, 14, 0x0A, 1, b'a'][..],
        ),
        (
            schemas::INT32.clone(),
            Value::from(-1),
            &[
                2, 8, 8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1,
            ],
        ),
        (schemas::FLOAT64.clone(), Value::from(0.0), &[0]),
    ] {
        let codec = codec(&[], &schema).unwrap();
        let mut buffer = Vec::new();
        codec.write(&value, &mut buffer).unwrap();
        assert_eq!(buffer, bytes);
        let read = codec.read(&buffer.into()).unwrap();
        assert_eq!((read.schema, read.value), (Some(schema), value));
    }
}

#[test]
fn what_has_no_form_is_refused() {
    let list = built(SchemaBuilder::array(schemas::INT32.clone()));
    let of = |inner: &Arc<Schema>| built(SchemaBuilder::structure().field("f", inner.clone()));
    let nested = built(SchemaBuilder::array(list.clone()));
    let map = built(SchemaBuilder::map(schemas::STRING.clone(), list.clone()));
    for schema in [&list, &of(&nested), &of(&map)] {
        assert!(codec(&[], schema).is_err());
    }
    let named = built(SchemaBuilder::structure().field("a-b", schemas::INT32.clone()));
    assert!(codec(&[], &named).is_err());
    assert!(codec(&[("scrub.invalid.names", "true")], &named).is_ok());
    for text in [
        "",
        "message {",
        "syntax = \"proto3\"; import \"no/such.proto\";",
    ] {
        assert!(
            read_by(&[], text, &Bytes::from_static(&[0])).is_err(),
            "{text}"
        );
    }
    let recursive = "syntax = \"proto3\"; message R { R r = 1; }";
    let error = read_by(&[], recursive, &Bytes::from_static(&[0])).unwrap_err();
    assert!(error.message().contains("refers to itself"), "{error}");
}

#[test]
fn damaged_messages_are_refused() {
    let text = "syntax = \"proto3\"; message M { string s = 1; }";
    for bytes in [
        &[][..],
        &[2],
        &[4, 0, 0],
        &[0xFE, 0xFF, 0xFF, 0xFF, 0x0F],
        &[0, 0x0A, 5, b'a'],
        &[0, 0x0A, 1, 0xFF],
        &[0, 0],
        &[0, 0x08, 1],
        &[0, 0x0F],
    ] {
        assert!(
            read_by(&[], text, &Bytes::copy_from_slice(bytes)).is_err(),
            "{bytes:?}"
        );
    }
}

#[test]
fn unions_become_oneofs() {
    let union = built(
        SchemaBuilder::structure()
            .name("io.confluent.connect.protobuf.Union.choice")
            .optional()
            .field("a", schemas::OPTIONAL_INT32.clone())
            .field("b", schemas::OPTIONAL_STRING.clone()),
    );
    let schema = built(
        SchemaBuilder::structure()
            .name("U")
            .field("choice_0", union.clone()),
    );
    let codec = codec(&[], &schema).unwrap();
    assert!(
        codec
            .schema_text()
            .contains("  oneof choice {\n    int32 a = 1;\n    string b = 2;\n  }\n")
    );
    let inner = Struct::new(union).unwrap().with("a", 0).unwrap();
    let value = Value::from(
        Struct::new(schema)
            .unwrap()
            .with("choice_0", inner)
            .unwrap(),
    );
    let mut buffer = Vec::new();
    codec.write(&value, &mut buffer).unwrap();
    // Zero is written: it says which member is set.
    assert_eq!(buffer, [0, 8, 0]);
    let read = codec.read(&buffer.into()).unwrap();
    assert_eq!(read.value.to_string(), "Struct{choice_0=Struct{a=0}}");
}
