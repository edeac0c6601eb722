//! Connect schemas to JSON Schemas, as Confluent's `JsonSchemaData.fromConnectSchema` maps them.

use std::sync::Arc;

use crate::json::encode::DecimalFormat;
use serde_json::{Map, Value as Json, json};
use sluice_api::{ConnectError, Result, Schema, SchemaType, logical};

use super::{
    CONNECT_INDEX, CONNECT_PARAMETERS, CONNECT_TYPE, CONNECT_VERSION, ENUM, GENERALIZED_ENUM,
    NAMESPACE, NULL_MARKER, Settings, is_union,
};

/// The JSON Schema of a Connect schema.
pub(super) fn json_schema(settings: Settings, schema: &Arc<Schema>) -> Result<Json> {
    let builder = Builder { settings };
    builder.schema(schema, None, schema.is_optional())
}

struct Builder {
    settings: Settings,
}

impl Builder {
    /// The schema with its place among the fields of a struct. `optional` is said apart from the schema,
    /// since the members of a union are written without it.
    fn schema(&self, schema: &Arc<Schema>, index: Option<usize>, optional: bool) -> Result<Json> {
        let mut json = if is_union(schema) {
            let mut members = Vec::new();
            if optional {
                members.push(json!({ "type": "null" }));
            }
            for field in schema.fields() {
                members.push(self.schema(field.schema(), Some(field.index()), false)?);
            }
            json!({ "oneOf": members })
        } else {
            let plain = self.plain(schema)?;
            if optional {
                json!({ "oneOf": [{ "type": "null" }, plain] })
            } else {
                plain
            }
        };
        if let Some(index) = index {
            json[CONNECT_INDEX] = json!(index);
        }
        Ok(json)
    }

    fn plain(&self, schema: &Arc<Schema>) -> Result<Json> {
        let mut object = Map::new();
        let mut set = |key: &str, value: Json| object.insert(key.to_owned(), value);
        let number =
            |json_type: &str, connect_type: &str| (json_type.to_owned(), connect_type.to_owned());
        let numeric = match schema.schema_type() {
            SchemaType::Int8 => Some(number("integer", "int8")),
            SchemaType::Int16 => Some(number("integer", "int16")),
            SchemaType::Int32 => Some(number("integer", "int32")),
            SchemaType::Int64 => Some(number("integer", "int64")),
            SchemaType::Float32 => Some(number("number", "float32")),
            SchemaType::Float64 => Some(number("number", "float64")),
            SchemaType::Bytes => {
                let is_number = schema.name() == Some(logical::DECIMAL)
                    && self.settings.decimal_format == DecimalFormat::Numeric;
                Some(number(if is_number { "number" } else { "string" }, "bytes"))
            }
            _ => None,
        };
        if let Some((json_type, connect_type)) = numeric {
            set("type", json!(json_type));
            set(CONNECT_TYPE, json!(connect_type));
        }
        match schema.schema_type() {
            SchemaType::Boolean => {
                set("type", json!("boolean"));
            }
            SchemaType::String => match self.symbols(schema) {
                Some(symbols) => {
                    set("enum", symbols);
                }
                None => {
                    set("type", json!("string"));
                }
            },
            SchemaType::Array => {
                set("type", json!("array"));
                set("items", self.inner(schema.value_schema()?, None)?);
            }
            SchemaType::Map => {
                let keys = known(schema.key_schema()?)?;
                if keys.schema_type() == SchemaType::String && !keys.is_optional() {
                    set("type", json!("object"));
                    set(
                        "additionalProperties",
                        self.inner(schema.value_schema()?, None)?,
                    );
                } else {
                    let key = self.inner(Some(keys), Some(0))?;
                    let value = self.inner(schema.value_schema()?, Some(1))?;
                    set("type", json!("array"));
                    let properties = json!({ "key": key, "value": value });
                    set(
                        "items",
                        json!({ "type": "object", "properties": properties }),
                    );
                }
                set(CONNECT_TYPE, json!("map"));
            }
            SchemaType::Struct => {
                let mut properties = Map::new();
                for field in schema.fields() {
                    let json = self.inner(Some(field.schema()), Some(field.index()))?;
                    properties.insert(field.name().to_string(), json);
                }
                set("type", json!("object"));
                set("properties", Json::Object(properties));
                if !self.settings.additional_properties {
                    set("additionalProperties", json!(false));
                }
            }
            _ => {}
        }
        self.metadata(schema, &mut object)?;
        Ok(Json::Object(object))
    }

    fn inner(&self, schema: Option<&Arc<Schema>>, index: Option<usize>) -> Result<Json> {
        let schema = known(schema)?;
        self.schema(schema, index, schema.is_optional())
    }

    fn symbols(&self, schema: &Schema) -> Option<Json> {
        let parameters = schema.parameters()?;
        if !parameters.contains_key(ENUM) && !parameters.contains_key(GENERALIZED_ENUM) {
            return None;
        }
        let name = if self.settings.generalized_sums {
            GENERALIZED_ENUM
        } else {
            ENUM
        };
        let prefix = format!("{name}.");
        let symbols: Vec<Json> = parameters
            .keys()
            .filter_map(|key| key.strip_prefix(&prefix))
            .map(|symbol| match symbol {
                NULL_MARKER => Json::Null,
                symbol => json!(symbol),
            })
            .collect();
        Some(symbols.into())
    }

    fn metadata(&self, schema: &Arc<Schema>, object: &mut Map<String, Json>) -> Result<()> {
        let mut set = |key: &str, value: Json| object.insert(key.to_owned(), value);
        if let Some(name) = schema.name() {
            set("title", json!(name));
        }
        if let Some(version) = schema.version() {
            set(CONNECT_VERSION, json!(version));
        }
        if let Some(doc) = schema.doc() {
            set("description", json!(doc));
        }
        let parameters: Map<String, Json> = schema
            .parameters()
            .into_iter()
            .flatten()
            .filter(|(key, _)| !key.starts_with(NAMESPACE))
            .map(|(key, value)| (key.clone(), json!(value)))
            .collect();
        if !parameters.is_empty() {
            set(CONNECT_PARAMETERS, Json::Object(parameters));
        }
        if let Some(default) = schema.default_value() {
            let mut text = Vec::new();
            self.settings
                .encoder()
                .write_value(&mut text, Some(schema), default)?;
            let default = serde_json::from_slice(&text)
                .map_err(|error| ConnectError::data(format!("Invalid default value: {error}")))?;
            set("default", default);
        }
        Ok(())
    }
}

fn known(schema: Option<&Arc<Schema>>) -> Result<&Arc<Schema>> {
    schema.ok_or_else(|| ConnectError::data("schema of elements is not known"))
}
