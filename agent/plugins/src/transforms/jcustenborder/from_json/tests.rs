use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use sluice_api::{Headers, Schema, SchemaBuilder, logical, schemas};

use super::*;
use crate::transforms::transformations;

fn props(pairs: &[(&str, &str)]) -> Props {
    let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(pair).collect()
}

fn plan(schema: &str, more: &[(&str, &str)]) -> Result<FromJson> {
    let mut given = props(&[(LOCATION, "Inline"), (INLINE, schema)]);
    given.extend(props(more));
    let mut transformation = FromJson::of(Side::Value);
    transformation.configure(&given)?;
    Ok(transformation)
}

fn refused(schema: &str) -> String {
    plan(schema, &[]).map(|_| ()).unwrap_err().to_string()
}

fn schema_of(schema: &str) -> Arc<Schema> {
    let made = plan(schema, &[]).unwrap().plan.unwrap();
    Arc::clone(made.root.schema())
}

fn apply(transformation: &FromJson, value: Value) -> Result<ConnectRecord> {
    let record = ConnectRecord {
        topic: "orders".into(),
        kafka_partition: None,
        key_schema: None,
        key: Value::Null,
        value_schema: Some(schemas::OPTIONAL_STRING.clone()),
        value,
        timestamp: None,
        headers: Headers::new(),
    };
    let origin = RecordOrigin::Sink {
        offset: 0,
        timestamp_type: sluice_api::TimestampType::NoTimestampType,
    };
    Ok(transformation.apply(record, &origin)?.unwrap())
}

/// The value of a document by a schema, as text.
fn value(schema: &str, document: &str) -> std::result::Result<String, String> {
    let transformation = plan(schema, &[]).unwrap();
    match apply(&transformation, Value::from(document)) {
        Ok(record) => Ok(record.value.to_string()),
        Err(why) => Err(why.to_string()),
    }
}

const ORDER: &str = r##"{
  "$id": "https://schemas/order", "title": "shop/Order", "description": "An order",
  "definitions": { "money": { "type": "string", "format": "decimal", "scale": 2 } },
  "required": ["id", "lines"],
  "properties": {
    "$schema": { "type": "string" },
    "id": { "type": "integer", "description": "Number" },
    "total": { "$ref": "#/definitions/money" },
    "paid": { "type": ["null", "boolean"] },
    "weight": { "type": "number" },
    "ordered": { "type": "string", "format": "date-time" },
    "due": { "type": "string", "format": "date" },
    "at": { "type": "string", "format": "time" },
    "seen": { "type": "string", "format": "custom-timestamp", "dateTimeFormat": "yyyy-MM-dd HH:mm:ss" },
    "photo": { "type": "string", "contentEncoding": "base64" },
    "state": { "type": "string", "enum": ["new", "sent"] },
    "lines": { "type": "array", "items": { "type": "object", "properties": { "sku": { "type": "string" } } } },
    "customer": { "anyOf": [ { "type": "null" }, { "type": "object", "required": ["name"],
                  "properties": { "name": { "type": "string", "format": "email" } } } ] }
  }
}"##;

#[test]
fn a_schema_becomes_what_the_class_makes_of_it() {
    let optional = |builder: SchemaBuilder| builder.optional().build().unwrap();
    let line = SchemaBuilder::structure()
        .name("properties.lines.items")
        .field("sku", schemas::OPTIONAL_STRING.clone())
        .build()
        .unwrap();
    let customer = SchemaBuilder::structure()
        .name("properties.customer.anyOf.1")
        .field("name", schemas::STRING.clone());
    let expected = SchemaBuilder::structure()
        .name("shop.Order")
        .doc("An order")
        .field("at", logical::OPTIONAL_TIME_SCHEMA.clone())
        .field("customer", optional(customer))
        .field("due", logical::OPTIONAL_DATE_SCHEMA.clone())
        .field("id", SchemaBuilder::int64().doc("Number").build().unwrap())
        .field("lines", SchemaBuilder::array(line).build().unwrap())
        .field("ordered", logical::OPTIONAL_TIMESTAMP_SCHEMA.clone())
        .field("paid", schemas::OPTIONAL_BOOLEAN.clone())
        .field("photo", optional(SchemaBuilder::bytes()))
        .field(
            "seen",
            optional(logical::timestamp_builder().parameter("dateFormat", "yyyy-MM-dd HH:mm:ss")),
        )
        .field("state", schemas::OPTIONAL_STRING.clone())
        .field("total", optional(logical::decimal_builder(2)))
        .field("weight", schemas::OPTIONAL_FLOAT64.clone())
        .build()
        .unwrap();
    assert_eq!(schema_of(ORDER), expected);
    for (text, expected) in [
        (
            r#"{"type":"string","format":"uri"}"#,
            schemas::STRING.clone(),
        ),
        (r#"{"minimum":1}"#, schemas::FLOAT64.clone()),
        (r#"{"pattern":"a"}"#, schemas::STRING.clone()),
        (
            r#"{"type":"string","format":"date","contentEncoding":"base64"}"#,
            schemas::STRING.clone(),
        ),
    ] {
        assert_eq!(schema_of(text), expected, "{text}");
    }
}

#[test]
fn documents_become_values() {
    let document = r#" {"id": 7, "total": "12.5", "paid": null, "weight": 3, "ordered": "2020-01-07T04:47:05.1239Z",
        "due": "2020-01-07", "at": "10:15", "seen": "2020-01-07 04:47:05", "photo": "AQI", "state": "else",
        "lines": [{"sku": "a", "left": {"out": [1, {}]}}, {}], "customer": {"name": "A\u00e4"}, "id": 8} "#;
    let transformation = plan(ORDER, &[]).unwrap();
    for given in [
        Value::from(document),
        Value::Bytes(document.to_owned().into()),
    ] {
        let record = apply(&transformation, given).unwrap();
        record
            .value_schema
            .unwrap()
            .validate(&record.value)
            .unwrap();
        let Value::Struct(order) = record.value else {
            panic!("not a struct: {}", record.value)
        };
        for (field, expected) in [
            ("id", Value::Int64(8)),
            ("total", Value::Decimal(Arc::new("12.50".parse().unwrap()))),
            ("paid", Value::Null),
            ("weight", Value::Float64(3.0)),
            ("ordered", Value::Date(1_578_372_425_123)),
            ("due", Value::Date(1_578_355_200_000)),
            ("at", Value::Date(36_900_000)),
            ("seen", Value::Date(1_578_372_425_000)),
            ("photo", Value::Bytes(vec![1, 2].into())),
            ("state", Value::from("else")),
        ] {
            assert_eq!(order.get(field).unwrap(), &expected, "{field}");
        }
        assert_eq!(
            order.get("lines").unwrap().to_string(),
            "[Struct{sku=a}, Struct{}]"
        );
        assert_eq!(
            order.get("customer").unwrap().to_string(),
            "Struct{name=A\u{e4}}"
        );
    }
    let tombstone = apply(&transformation, Value::Null).unwrap();
    assert!(tombstone.value.is_null() && tombstone.value_schema.is_none());
}

#[test]
fn what_does_not_fit_fails_the_record_and_names_the_field() {
    for (document, part) in [
        ("", "EOF"),
        ("null", "the document is null"),
        ("[]", "the document: an array is not an object"),
        (r#"{"id":1}"#, "lines is required"),
        (r#"{"id":1,"lines":[]} x"#, "trailing characters"),
        (r#"{"id":1.5,"lines":[]}"#, "id: 1.5 is not a whole number"),
        (
            r#"{"id":9223372036854775808,"lines":[]}"#,
            "id: 9223372036854775808 is not",
        ),
        (
            r#"{"id":123456789012345678901234567890,"lines":[]}"#,
            "id: ",
        ),
        (r#"{"id":"1","lines":[]}"#, r#"id: "1" is not"#),
        (r#"{"id":1,"lines":[null]}"#, "lines.[]: null is not"),
        (
            r#"{"id":1,"lines":[{"sku":{}}]}"#,
            "lines.[].sku: an object is not a text",
        ),
        (
            r#"{"id":1,"lines":[],"total":"12.345"}"#,
            "at most 2 digits",
        ),
        (r#"{"id":1,"lines":[],"total":"12.3x"}"#, "total: \"12.3x\""),
        (r#"{"id":1,"lines":[],"total":12.3}"#, "total: 12.3"),
        (
            r#"{"id":1,"lines":[],"paid":1}"#,
            "paid: 1 is not a boolean",
        ),
        (r#"{"id":1,"lines":[],"ordered":"2020-01-07"}"#, "ordered"),
        (
            r#"{"id":1,"lines":[],"ordered":"2020-01-07 04:47:05Z"}"#,
            "ordered",
        ),
        (r#"{"id":1,"lines":[],"due":"2020-02-30"}"#, "due"),
        (r#"{"id":1,"lines":[],"due":"2020-1-7"}"#, "due"),
        (r#"{"id":1,"lines":[],"at":"24:00"}"#, "at"),
        (r#"{"id":1,"lines":[],"at":"10:15:60"}"#, "at"),
        (r#"{"id":1,"lines":[],"photo":"?"}"#, "photo"),
        (
            r#"{"id":1,"lines":[],"customer":{}}"#,
            "customer.name is required",
        ),
    ] {
        let refused = value(ORDER, document).unwrap_err();
        assert!(refused.contains(part), "{document}: {refused}");
    }
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(value(r#"{"items":{"items":{}}, "type":"array"}"#.replace("{}", r#"{"type":"string"}"#).as_str(), &deep).is_err());
    let transformation = plan(ORDER, &[]).unwrap();
    let refused = apply(&transformation, Value::Int32(1))
        .unwrap_err()
        .to_string();
    assert!(refused.contains("java.lang.Integer"), "{refused}");
}

#[test]
fn schemas_without_a_connect_schema_are_refused_with_their_place() {
    for (schema, part) in [
        ("", "not a JSON Schema"),
        ("[1", "not a JSON Schema"),
        ("{}", "a schema without a type is not supported, at #"),
        ("true", "a schema without a type"),
        (r#"{"type":["string","integer"]}"#, "more than one choice"),
        (
            r#"{"properties":{"a":{"oneOf":[{"type":"string"},{"type":"integer"}]}}}"#,
            "at #/properties/a",
        ),
        (
            r#"{"type":"object","anyOf":[{"required":["a"]}]}"#,
            "more than one choice",
        ),
        (r#"{"type":"null"}"#, "the type null is not supported"),
        (r#"{"type":"array"}"#, "one schema in items"),
        (
            r#"{"type":"array","items":[{"type":"string"}]}"#,
            "one schema in items",
        ),
        (r##"{"$ref":"#/definitions/x"}"##, "leads nowhere"),
        (
            r#"{"properties":{"a/b":{"$ref":"https://other/x"}}}"#,
            "another document, which is not loaded, at #/properties/a~1b",
        ),
        (r##"{"properties":{"a":{"$ref":"#"}}}"##, "refers to itself"),
        (r##"{"$ref":"#"}"##, "refers to itself"),
        (r##"{"anyOf":[{"$ref":"#"}]}"##, "refers to itself"),
        (r#"{"type":"string","format":"decimal"}"#, "needs its scale"),
        (
            r#"{"type":"string","format":"decimal","scale":2000000000}"#,
            "needs its scale",
        ),
        (
            r#"{"type":"string","format":"custom-timestamp"}"#,
            "dateTimeFormat is missing",
        ),
        (
            r#"{"type":"string","format":"custom-timestamp","dateTimeFormat":"yyyy"}"#,
            "dateTimeFormat yyyy",
        ),
    ] {
        let refused = refused(schema);
        assert!(
            refused.contains(part) && refused.contains(INLINE),
            "{schema}: {refused}"
        );
    }
    let several = r#"{"properties":{"a":{"type":["string","integer"]},"b":{"type":"string"}}}"#;
    let left = plan(several, &[(EXCLUDED, "#/properties/a")]).unwrap();
    let record = apply(&left, Value::from(r#"{"a":1,"b":"x"}"#)).unwrap();
    assert_eq!(record.value.to_string(), "Struct{b=x}");
}

#[test]
fn documents_are_checked_against_the_whole_schema_if_wanted() {
    let schema = r##"{"properties":{"a":{"type":"string","pattern":"^x"},"b":{"type":"integer","minimum":3},
                     "c":{"type":"string","format":"ipv4"},"d":{"$ref":"#/definitions/e"}},
                     "definitions":{"e":{"type":"string","enum":["f"]}}}"##;
    let lax = plan(schema, &[]).unwrap();
    let strict = plan(schema, &[(VALIDATE, "true")]).unwrap();
    apply(
        &strict,
        Value::from(r#"{"a":"x","b":3,"c":"127.0.0.1","d":"f"}"#),
    )
    .unwrap();
    for document in [r#"{"a":"y"}"#, r#"{"b":2}"#, r#"{"c":"z"}"#, r#"{"d":"g"}"#] {
        apply(&lax, Value::from(document)).unwrap();
        let refused = apply(&strict, Value::from(document))
            .unwrap_err()
            .to_string();
        assert!(refused.contains("Could not validate JSON"), "{refused}");
    }
    let other = plan(
        r#"{"type":"string","not":{"$ref":"file:///etc/passwd"}}"#,
        &[(VALIDATE, "true")],
    );
    let refused = other.map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("nothing else is loaded"), "{refused}");
}

/// Answers one request with `answer`.
fn server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
    });
    format!("http://{address}/order.json")
}

#[test]
fn schemas_come_from_files_and_servers() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a b.json");
    std::fs::write(&file, r#"{"type":"integer"}"#).unwrap();
    let by_url = |url: &str| {
        let mut transformation = FromJson::of(Side::Key);
        transformation
            .configure(&props(&[(URL, url)]))
            .map(|()| transformation)
    };
    let served = server(
        "HTTP/1.1 200 OK\r\nContent-Length: 18\r\nConnection: close\r\n\r\n{\"type\":\"integer\"}",
    );
    for url in [url::Url::from_file_path(&file).unwrap().as_str(), &served] {
        let made = by_url(url).unwrap().plan.unwrap();
        assert_eq!(made.root.schema(), &*schemas::INT64, "{url}");
    }
    let missing =
        server("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let elsewhere = server(
        "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    for (url, part) in [
        ("File:///doesNotExist", "cannot be read"),
        ("file:///dev/zero", "not a regular file"),
        ("ftp://x/y", "http://"),
        ("order.json", "http://"),
        (missing.as_str(), "404"),
        (elsewhere.as_str(), "302"),
    ] {
        let refused = by_url(url).map(|_| ()).unwrap_err().to_string();
        assert!(
            refused.contains(part) && refused.contains(URL),
            "{url}: {refused}"
        );
    }
    assert_eq!(
        source::place("file:///a/b"),
        Some(Place::File("/a/b".into()))
    );
    assert_eq!(
        source::place("https://h/x"),
        Some(Place::host("h", Some(443)))
    );
}

#[test]
fn both_classes_are_there() {
    let found = transformations();
    for side in ["Key", "Value"] {
        let class = format!("com.github.jcustenborder.kafka.connect.json.FromJson${side}");
        assert!(
            found.iter().any(|plugin| *plugin.class == *class),
            "{class}"
        );
    }
}
