//! Records, schemas and values in the form of `golden/README.md`.

#![expect(
    clippy::unwrap_used,
    reason = "a form that is not well-formed is a fault of the test's files"
)]
#![allow(
    dead_code,
    reason = "each of the tests that share this needs a part of it"
)]

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};
use sluice_api::{
    ConnectRecord, Headers, MapValue, Schema, SchemaBuilder, SchemaType, Struct, Value,
};
use sluice_jvm_text::text::FloatText;

/// The record of a template.
pub(crate) fn record(template: &Json) -> ConnectRecord {
    let (key_schema, key) = data(&template["key"]);
    let (value_schema, value) = data(&template["value"]);
    let mut headers = Headers::new();
    for header in template["headers"].as_array().into_iter().flatten() {
        let (schema, value) = data(&header[1]);
        headers
            .add(header[0].as_str().unwrap(), schema, value)
            .unwrap();
    }
    ConnectRecord {
        topic: template["topic"].as_str().unwrap_or("topic").into(),
        kafka_partition: template["partition"]
            .as_i64()
            .map(|partition| i32::try_from(partition).unwrap())
            .or_else(|| template.get("offset").map(|_| 0)),
        key_schema,
        key,
        value_schema,
        value,
        timestamp: template["timestamp"].as_i64(),
        headers,
    }
}

pub(crate) fn data(node: &Json) -> (Option<Arc<Schema>>, Value) {
    let schema = node.get("schema").map(schema);
    let value = value(schema.as_ref(), &node["value"]);
    (schema, value)
}

/// The schema of a form.
pub(crate) fn schema(node: &Json) -> Arc<Schema> {
    let mut builder = match node["type"].as_str().unwrap() {
        "INT8" => SchemaBuilder::int8(),
        "INT16" => SchemaBuilder::int16(),
        "INT32" => SchemaBuilder::int32(),
        "INT64" => SchemaBuilder::int64(),
        "FLOAT32" => SchemaBuilder::float32(),
        "FLOAT64" => SchemaBuilder::float64(),
        "BOOLEAN" => SchemaBuilder::boolean(),
        "STRING" => SchemaBuilder::string(),
        "BYTES" => SchemaBuilder::bytes(),
        "ARRAY" => SchemaBuilder::array(schema(&node["values"])),
        "MAP" => SchemaBuilder::map(schema(&node["keys"]), schema(&node["values"])),
        "STRUCT" => SchemaBuilder::structure(),
        other => panic!("unknown type {other}"),
    };
    if let Some(name) = node["name"].as_str() {
        builder = builder.name(name);
    }
    if let Some(version) = node["version"].as_i64() {
        builder = builder.version(i32::try_from(version).unwrap());
    }
    if let Some(doc) = node["doc"].as_str() {
        builder = builder.doc(doc);
    }
    for (key, value) in node["parameters"].as_object().into_iter().flatten() {
        builder = builder.parameter(key, value.as_str().unwrap());
    }
    if node.get("optional").is_some() {
        builder = builder.optional();
    }
    for field in node["fields"].as_array().into_iter().flatten() {
        builder = builder.field(field[0].as_str().unwrap(), schema(&field[1]));
    }
    if let Some(default) = node.get("default") {
        let plain = builder.clone().build().unwrap();
        builder = builder.default_value(value(Some(&plain), default));
    }
    builder.build().unwrap()
}

fn value(of: Option<&Arc<Schema>>, node: &Json) -> Value {
    match node {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Boolean(*value),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => {
            let inner = of.and_then(|schema| schema.value_schema().unwrap());
            Value::Array(items.iter().map(|item| value(inner, item)).collect())
        }
        Json::Object(tagged) => {
            let (tag, content) = tagged.iter().find(|(tag, _)| *tag != "schema").unwrap();
            let own = tagged.get("schema").map(schema);
            tagged_value(own.as_ref().or(of), tag, content)
        }
        Json::Number(number) => panic!("a number without type: {number}"),
    }
}

fn tagged_value(of: Option<&Arc<Schema>>, tag: &str, content: &Json) -> Value {
    let text = match content {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    match tag {
        "i8" => Value::Int8(text.parse().unwrap()),
        "i16" => Value::Int16(text.parse().unwrap()),
        "i32" => Value::Int32(text.parse().unwrap()),
        "i64" => Value::Int64(text.parse().unwrap()),
        "f32" => Value::Float32(text.parse().unwrap()),
        "f64" => Value::Float64(text.parse().unwrap()),
        "bytes" => Value::Bytes(STANDARD.decode(text).unwrap().into()),
        "decimal" => text.parse::<sluice_api::Decimal>().unwrap().into(),
        "date" => Value::Date(text.parse().unwrap()),
        "map" => {
            let keys = of.and_then(|schema| schema.key_schema().unwrap());
            let values = of.and_then(|schema| schema.value_schema().unwrap());
            let entries = content.as_array().unwrap();
            let map: MapValue = entries
                .iter()
                .map(|entry| (value(keys, &entry[0]), value(values, &entry[1])))
                .collect();
            Value::Map(map)
        }
        "struct" => {
            let schema = of.unwrap();
            let values = schema
                .fields()
                .iter()
                .zip(content.as_array().unwrap())
                .map(|(field, item)| value(Some(field.schema()), item))
                .collect();
            Struct::from_values(Arc::clone(schema), values)
                .unwrap()
                .into()
        }
        other => panic!("unknown tag {other}"),
    }
}

/// The form of a record.
pub(crate) fn from_record(record: &ConnectRecord) -> Json {
    let headers: Vec<Json> = record
        .headers
        .iter()
        .map(|header| {
            json!([
                header.key.to_string(),
                from_schema(header.schema.as_deref()),
                from_value(&header.value)
            ])
        })
        .collect();
    json!({
        "topic": record.topic.to_string(),
        "partition": record.kafka_partition,
        "timestamp": record.timestamp,
        "keySchema": from_schema(record.key_schema.as_deref()),
        "key": from_value(&record.key),
        "valueSchema": from_schema(record.value_schema.as_deref()),
        "value": from_value(&record.value),
        "headers": headers,
    })
}

pub(crate) fn from_schema(schema: Option<&Schema>) -> Json {
    let Some(schema) = schema else {
        return Json::Null;
    };
    let mut node = Map::new();
    let mut put = |key: &str, value: Json| node.insert(key.to_owned(), value);
    put("type", json!(schema.schema_type().as_str()));
    if schema.is_optional() {
        put("optional", json!(true));
    }
    if let Some(name) = schema.name() {
        put("name", json!(name));
    }
    if let Some(version) = schema.version() {
        put("version", json!(version));
    }
    if let Some(doc) = schema.doc() {
        put("doc", json!(doc));
    }
    if let Some(default) = schema.default_value() {
        put("default", from_value(default));
    }
    if let Some(parameters) = schema.parameters() {
        put("parameters", json!(parameters));
    }
    if let Ok(keys) = schema.key_schema() {
        put("keys", from_schema(keys.map(Arc::as_ref)));
    }
    if let Ok(values) = schema.value_schema() {
        put("values", from_schema(values.map(Arc::as_ref)));
    }
    if schema.schema_type() == SchemaType::Struct {
        let fields = schema
            .fields()
            .iter()
            .map(|field| json!([field.name().to_string(), from_schema(Some(field.schema()))]))
            .collect();
        put("fields", fields);
    }
    Json::Object(node)
}

pub(crate) fn from_value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => json!(value),
        Value::String(text) => json!(text.to_string()),
        Value::Array(items) => items.iter().map(from_value).collect(),
        Value::Int8(value) => json!({"i8": value.to_string()}),
        Value::Int16(value) => json!({"i16": value.to_string()}),
        Value::Int32(value) => json!({"i32": value.to_string()}),
        Value::Int64(value) => json!({"i64": value.to_string()}),
        Value::Float32(value) => json!({"f32": FloatText::from_f32(*value).as_str()}),
        Value::Float64(value) => json!({"f64": FloatText::from_f64(*value).as_str()}),
        Value::Bytes(bytes) => json!({"bytes": STANDARD.encode(bytes)}),
        Value::Decimal(value) => json!({"decimal": value.to_string()}),
        Value::Date(millis) => json!({"date": millis.to_string()}),
        Value::Map(map) => {
            let mut entries: Vec<(String, Json)> = map
                .iter()
                .map(|(key, value)| {
                    let key = from_value(key);
                    (key.to_string(), json!([key, from_value(value)]))
                })
                .collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            let entries: Vec<Json> = entries.into_iter().map(|(_, entry)| entry).collect();
            json!({"map": entries})
        }
        Value::Struct(value) => {
            let values: Vec<Json> = value.values().iter().map(from_value).collect();
            json!({"struct": values})
        }
    }
}

/// A form whose floating point numbers are written with as few digits as tell them apart.
pub(crate) fn with_shortest_numbers(node: Json) -> Json {
    match node {
        Json::Array(items) => items.into_iter().map(with_shortest_numbers).collect(),
        Json::Object(entries) => entries
            .into_iter()
            .map(|(key, content)| {
                let content = match (key.as_str(), content) {
                    ("f32", Json::String(text)) => {
                        json!(FloatText::from_f32(java_number(&text)).as_str())
                    }
                    ("f64", Json::String(text)) => {
                        json!(FloatText::from_f64(java_number(&text)).as_str())
                    }
                    (_, content) => with_shortest_numbers(content),
                };
                (key, content)
            })
            .collect(),
        other => other,
    }
}

fn java_number<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// A form whose texts have no identity hashes, and no more digits of a floating point number than tell it
/// apart: as a float if it has up to nine, else as a double.
pub(crate) fn with_short_texts(node: &Json) -> Json {
    match node {
        Json::Array(items) => items.iter().map(with_short_texts).collect(),
        Json::Object(entries) => entries
            .iter()
            .map(|(key, content)| (key.clone(), with_short_texts(content)))
            .collect(),
        Json::String(text) => json!(short_text(text)),
        other => other.clone(),
    }
}

fn short_text(text: &str) -> String {
    let mut short = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit() || c == '[') {
        if let Some(address) = rest[start..].strip_prefix("[B@") {
            // Java shows the identity hash of bytes, ours their number.
            short.push_str(&rest[..start + 3]);
            rest = address.trim_start_matches(|c: char| c.is_ascii_hexdigit());
            continue;
        }
        if rest[start..].starts_with('[') {
            short.push_str(&rest[..=start]);
            rest = &rest[start + 1..];
            continue;
        }
        let number = &rest[start..];
        let digit = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | 'E');
        let end = number.find(|c| !digit(c)).unwrap_or(number.len());
        short.push_str(&rest[..start]);
        let token = &number[..end];
        let mantissa = token.split('E').next().unwrap_or_default();
        match (token.parse::<f32>(), token.parse::<f64>()) {
            (Ok(float), _) if mantissa.contains('.') && mantissa.len() <= 10 => {
                short.push_str(FloatText::from_f32(float).as_str());
            }
            (_, Ok(double)) if mantissa.contains('.') => {
                short.push_str(FloatText::from_f64(double).as_str());
            }
            _ => short.push_str(token),
        }
        rest = &number[end..];
    }
    short + rest
}
