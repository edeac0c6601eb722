//! Schemas as JSON, in the envelope's format.

use std::sync::Arc;

use crate::json::encode::{Encoder, write_string};
use bytes::Bytes;
use serde_json::Value as Json;
use sluice_api::{ConnectError, Result, Schema, SchemaBuilder, SchemaType};

use super::decode::Decoder;

fn type_name(schema_type: SchemaType) -> &'static str {
    match schema_type {
        SchemaType::Int8 => "int8",
        SchemaType::Int16 => "int16",
        SchemaType::Int32 => "int32",
        SchemaType::Int64 => "int64",
        SchemaType::Float32 => "float",
        SchemaType::Float64 => "double",
        SchemaType::Boolean => "boolean",
        SchemaType::String => "string",
        SchemaType::Bytes => "bytes",
        SchemaType::Array => "array",
        SchemaType::Map => "map",
        SchemaType::Struct => "struct",
    }
}

/// Appends the JSON of a schema.
pub(super) fn write_schema(
    buffer: &mut Vec<u8>,
    schema: &Arc<Schema>,
    encoder: Encoder,
) -> Result<()> {
    write_with_field(buffer, schema, None, encoder)
}

fn write_with_field(
    buffer: &mut Vec<u8>,
    schema: &Arc<Schema>,
    field: Option<&str>,
    encoder: Encoder,
) -> Result<()> {
    buffer.extend_from_slice(b"{\"type\":");
    write_string(buffer, type_name(schema.schema_type()));
    match schema.schema_type() {
        SchemaType::Struct => {
            buffer.extend_from_slice(b",\"fields\":[");
            for (index, field) in schema.fields().iter().enumerate() {
                if index > 0 {
                    buffer.push(b',');
                }
                write_with_field(buffer, field.schema(), Some(field.name()), encoder)?;
            }
            buffer.push(b']');
        }
        SchemaType::Array => {
            buffer.extend_from_slice(b",\"items\":");
            write_inner(buffer, schema.value_schema()?, encoder)?;
        }
        SchemaType::Map => {
            buffer.extend_from_slice(b",\"keys\":");
            write_inner(buffer, schema.key_schema()?, encoder)?;
            buffer.extend_from_slice(b",\"values\":");
            write_inner(buffer, schema.value_schema()?, encoder)?;
        }
        _ => {}
    }
    buffer.extend_from_slice(if schema.is_optional() {
        b",\"optional\":true"
    } else {
        b",\"optional\":false"
    });
    if let Some(name) = schema.name() {
        buffer.extend_from_slice(b",\"name\":");
        write_string(buffer, name);
    }
    if let Some(version) = schema.version() {
        buffer.extend_from_slice(format!(",\"version\":{version}").as_bytes());
    }
    if let Some(doc) = schema.doc() {
        buffer.extend_from_slice(b",\"doc\":");
        write_string(buffer, doc);
    }
    if let Some(parameters) = schema.parameters() {
        buffer.extend_from_slice(b",\"parameters\":{");
        for (index, (key, value)) in parameters.iter().enumerate() {
            if index > 0 {
                buffer.push(b',');
            }
            write_string(buffer, key);
            buffer.push(b':');
            write_string(buffer, value);
        }
        buffer.push(b'}');
    }
    if let Some(default) = schema.default_value() {
        buffer.extend_from_slice(b",\"default\":");
        encoder.write_value(buffer, Some(schema), default)?;
    }
    if let Some(field) = field {
        buffer.extend_from_slice(b",\"field\":");
        write_string(buffer, field);
    }
    buffer.push(b'}');
    Ok(())
}

fn write_inner(buffer: &mut Vec<u8>, schema: Option<&Arc<Schema>>, encoder: Encoder) -> Result<()> {
    match schema {
        Some(schema) => write_schema(buffer, schema, encoder),
        None => {
            buffer.extend_from_slice(b"null");
            Ok(())
        }
    }
}

/// The schema of its JSON; null is no schema.
pub(super) fn read_schema(
    json: &Json,
    replace_null_with_default: bool,
) -> Result<Option<Arc<Schema>>> {
    if json.is_null() {
        return Ok(None);
    }
    let Some(type_name) = json.get("type").and_then(Json::as_str) else {
        return Err(ConnectError::data("Schema must contain 'type' field"));
    };
    let inner = |key: &str, message: &str| match json.get(key) {
        Some(inner) if !inner.is_null() => read_schema(inner, replace_null_with_default)?
            .ok_or_else(|| ConnectError::data(message)),
        _ => Err(ConnectError::data(message)),
    };
    let mut builder = match type_name {
        "int8" => SchemaBuilder::int8(),
        "int16" => SchemaBuilder::int16(),
        "int32" => SchemaBuilder::int32(),
        "int64" => SchemaBuilder::int64(),
        "float" => SchemaBuilder::float32(),
        "double" => SchemaBuilder::float64(),
        "boolean" => SchemaBuilder::boolean(),
        "string" => SchemaBuilder::string(),
        "bytes" => SchemaBuilder::bytes(),
        "array" => SchemaBuilder::array(inner(
            "items",
            "Array schema did not specify the element type",
        )?),
        "map" => SchemaBuilder::map(
            inner("keys", "Map schema did not specify the key type")?,
            inner("values", "Map schema did not specify the value type")?,
        ),
        "struct" => {
            let Some(fields) = json.get("fields").and_then(Json::as_array) else {
                return Err(ConnectError::data(
                    "Struct schema's \"fields\" argument is not an array.",
                ));
            };
            let mut builder = SchemaBuilder::structure();
            for field in fields {
                let Some(name) = field.get("field").and_then(Json::as_str) else {
                    return Err(ConnectError::data(
                        "Struct schema's field name not specified properly",
                    ));
                };
                let schema = read_schema(field, replace_null_with_default)?
                    .ok_or_else(|| ConnectError::data("Schema must contain 'type' field"))?;
                builder = builder.field(name, schema);
            }
            builder
        }
        other => return Err(ConnectError::data(format!("Unknown schema type: {other}"))),
    };
    builder = if json.get("optional").and_then(Json::as_bool) == Some(true) {
        builder.optional()
    } else {
        builder.required()
    };
    if let Some(name) = json.get("name").and_then(Json::as_str) {
        builder = builder.name(name);
    }
    if let Some(version) = json.get("version").and_then(Json::as_i64) {
        #[expect(clippy::cast_possible_truncation, reason = "as Jackson's intValue")]
        let version = version as i32;
        builder = builder.version(version);
    }
    if let Some(doc) = json.get("doc").and_then(Json::as_str) {
        builder = builder.doc(doc);
    }
    if let Some(parameters) = json.get("parameters").and_then(Json::as_object) {
        for (key, value) in parameters {
            let Some(value) = value.as_str() else {
                return Err(ConnectError::data(
                    "Schema parameters must have string values.",
                ));
            };
            builder = builder.parameter(key, value);
        }
    }
    if let Some(default) = json.get("default") {
        let text = Bytes::from(default.to_string());
        let so_far = builder.clone().build()?;
        let default = Decoder::new(&text, replace_null_with_default).read_value(&so_far)?;
        builder = builder.default_value(default);
    }
    builder.build().map(Some)
}
