use sluice_api::{SchemaBuilder, Struct, logical, schemas};

use super::*;

fn built(builder: SchemaBuilder) -> Arc<Schema> {
    builder.build().unwrap()
}

fn text(settings: &[(&str, &str)], schema: &Arc<Schema>) -> serde_json::Value {
    let codec = codec(settings, schema).unwrap();
    serde_json::from_str(codec.schema_text()).unwrap()
}

fn read_by(settings: &[(&str, &str)], text: &str, payload: &Bytes) -> Result<SchemaAndValue> {
    reader(settings, text)?(payload)
}

#[test]
fn the_schema_is_that_of_the_jvm_converter() {
    let schema = built(
        SchemaBuilder::structure()
            .name("com.R")
            .version(2)
            .doc("d")
            .field("i8", schemas::INT8.clone())
            .field("s", schemas::OPTIONAL_STRING.clone())
            .field("dec", logical::decimal_schema(2).unwrap())
            .field(
                "m",
                built(SchemaBuilder::map(
                    schemas::INT32.clone(),
                    schemas::FLOAT64.clone(),
                )),
            ),
    );
    let expected = serde_json::json!({
        "type": "object", "title": "com.R", "connect.version": 2, "description": "d",
        "properties": {
            "i8": {"type": "integer", "connect.type": "int8", "connect.index": 0},
            "s": {"oneOf": [{"type": "null"}, {"type": "string"}], "connect.index": 1},
            "dec": {"type": "string", "connect.type": "bytes", "title": logical::DECIMAL, "connect.version": 1,
                    "connect.parameters": {"scale": "2"}, "connect.index": 2},
            "m": {"type": "array", "connect.type": "map", "connect.index": 3, "items": {"type": "object", "properties": {
                "key": {"type": "integer", "connect.type": "int32", "connect.index": 0},
                "value": {"type": "number", "connect.type": "float64", "connect.index": 1}}}},
        }
    });
    assert_eq!(text(&[], &schema), expected);
    let numeric = text(&[("decimal.format", "NUMERIC")], &schema);
    assert_eq!(numeric["properties"]["dec"]["type"], "number");
    let closed = text(&[("object.additional.properties", "false")], &schema);
    assert_eq!(closed["additionalProperties"], false);
}

#[test]
fn maps_with_other_keys_are_lists_of_objects() {
    let map = built(SchemaBuilder::map(
        schemas::INT32.clone(),
        schemas::STRING.clone(),
    ));
    let value = Value::Map([(Value::from(1), Value::from("a"))].into_iter().collect());
    let codec = codec(&[], &map).unwrap();
    let mut buffer = Vec::new();
    codec.write(&value, &mut buffer).unwrap();
    assert_eq!(buffer, br#"[{"key":1,"value":"a"}]"#);
    assert_eq!(codec.read(&buffer.into()).unwrap().value, value);
}

#[test]
fn unions_are_their_member() {
    let schema = concat!(
        r#"{"type":"object","properties":{"u":{"oneOf":[{"type":"null"},{"type":"integer"},{"type":"boolean"},"#,
        r##"{"$ref":"#/definitions/a"},{"type":"object","properties":{"x":{"type":"string"},"y":{"type":"string"}}}]}},"##,
        r#""definitions":{"a":{"type":"object","title":"A","properties":{"x":{"type":"string"}}}}}"#
    );
    for (payload, text) in [
        (
            r#"{"u":7}"#,
            "Struct{u=Struct{io.confluent.connect.json.OneOf.field.0=7}}",
        ),
        (
            r#"{"u":true}"#,
            "Struct{u=Struct{io.confluent.connect.json.OneOf.field.1=true}}",
        ),
        (
            r#"{"u":{"x":"b"}}"#,
            "Struct{u=Struct{io.confluent.connect.json.OneOf.field.2=Struct{x=b}}}",
        ),
        (
            r#"{"u":{"x":"b","y":"c"}}"#,
            "Struct{u=Struct{io.confluent.connect.json.OneOf.field.3=Struct{x=b,y=c}}}",
        ),
        (r#"{"u":null}"#, "Struct{}"),
    ] {
        let read = read_by(&[], schema, &Bytes::from(payload)).unwrap();
        assert_eq!(read.value.to_string(), text);
        let codec = codec(&[], read.schema.as_ref().unwrap()).unwrap();
        let mut buffer = Vec::new();
        codec.write(&read.value, &mut buffer).unwrap();
        assert_eq!(String::from_utf8(buffer).unwrap(), payload);
    }
    let error = read_by(&[], schema, &Bytes::from(r#"{"u":"text"}"#)).unwrap_err();
    assert_eq!(
        error.message(),
        "Did not find matching oneof field for data"
    );
}

#[test]
fn foreign_schemas_are_understood() {
    let schema = concat!(
        r#"{"$defs":{"n":{"type":"number"}},"allOf":[{"properties":{"a":{"type":["null","string"]}},"required":["a"]},"#,
        r##"{"properties":{"b":{"$ref":"#/$defs/n"},"c":{"enum":["x","y"]}}}]}"##
    );
    let settings = [("use.optional.for.nonrequired", "true")];
    let read = read_by(
        &settings,
        schema,
        &Bytes::from(r#"{"a":null,"b":1,"c":"y","d":[]}"#),
    )
    .unwrap();
    assert_eq!(read.value.to_string(), "Struct{b=1.0,c=y}");
    let schema = read.schema.unwrap();
    let optional = |name: &str| schema.field(name).unwrap().schema().is_optional();
    assert!(optional("a") && optional("b") && optional("c"));
}

#[test]
fn what_cannot_be_mapped_is_refused() {
    for schema in [
        "{}",
        "true",
        "[",
        r#"{"type":"null"}"#,
        r#"{"type":"array"}"#,
        r##"{"$ref":"#/no/where"}"##,
        r##"{"type":"object","properties":{"next":{"$ref":"#"}}}"##,
        r##"{"allOf":[{"$ref":"#"}]}"##,
        r##"{"$ref":"#"}"##,
    ] {
        assert!(
            read_by(&[], schema, &Bytes::from_static(b"{}")).is_err(),
            "{schema}"
        );
    }
}

#[test]
fn null_is_json_null_where_it_may_be() {
    let format: JsonSchema = codec::configured(&[]).unwrap();
    let null = Value::Null;
    assert!(format.is_null(None, &null).unwrap());
    assert!(format.is_null(Some(&schemas::STRING), &null).unwrap());
    assert!(
        !format
            .is_null(Some(&schemas::OPTIONAL_STRING), &null)
            .unwrap()
    );
    let value = Struct::new(built(SchemaBuilder::structure())).unwrap();
    assert!(!format.is_null(None, &Value::from(value)).unwrap());
}
