//! Values to JSON, as Jackson writes Connect's `JsonNode`s: compact, JVM number texts. It goes straight into
//! a buffer.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use sluice_api::schema::same_schema;
use sluice_api::{ConnectError, Decimal, MapValue, Result, Schema, SchemaType, Value, logical};
use sluice_jvm_text::text::FloatText;

/// Name of the schema of a struct that stands for a union.
pub const ONE_OF: &str = "io.confluent.connect.json.OneOf";
/// Parameter of the schema of such a struct, if it has a name of its own.
pub const GENERALIZED_UNION: &str = "org.apache.kafka.connect.data.Union";

/// The two ways to write Connect data as JSON, which differ in maps with keys that are no texts and in
/// unions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// `JsonConverter`: such a map is a list of pairs; it knows no unions.
    #[default]
    Connect,
    /// `JsonSchemaConverter`: a list of objects with `key` and `value`; a struct that stands for a union is
    /// its member.
    JsonSchema,
}

impl Dialect {
    /// Whether a struct stands for a union.
    #[must_use]
    pub fn is_union(self, schema: &Schema) -> bool {
        self == Self::JsonSchema && is_union(schema)
    }
}

/// Whether a struct stands for a union in a JSON Schema.
#[must_use]
pub fn is_union(schema: &Schema) -> bool {
    schema.schema_type() == SchemaType::Struct
        && (schema.name() == Some(ONE_OF)
            || schema
                .parameters()
                .is_some_and(|all| all.contains_key(GENERALIZED_UNION)))
}

/// How decimals are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DecimalFormat {
    /// Base64 of the unscaled value's bytes.
    #[default]
    Base64,
    /// A JSON number with all its digits.
    Numeric,
}

/// Writes values. The default writes nulls as such.
#[derive(Debug, Clone, Copy, Default)]
pub struct Encoder {
    /// How decimals are written.
    pub decimal_format: DecimalFormat,
    /// Whether the default of a field stands in the place of a null.
    pub replace_null_with_default: bool,
    /// How maps and unions are written.
    pub dialect: Dialect,
}

/// Appends a JSON string.
pub fn write_string(buffer: &mut Vec<u8>, text: &str) {
    /// First byte of the UTF-8 of a character beyond the basic plane, or a greater one.
    const FOUR_BYTES: u8 = 0xF0;
    buffer.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if (0x20..FOUR_BYTES).contains(byte) && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        buffer.extend_from_slice(bytes.get(written..index).unwrap_or_default());
        written = index + 1;
        match byte {
            b'"' => buffer.extend_from_slice(b"\\\""),
            b'\\' => buffer.extend_from_slice(b"\\\\"),
            b'\n' => buffer.extend_from_slice(b"\\n"),
            b'\r' => buffer.extend_from_slice(b"\\r"),
            b'\t' => buffer.extend_from_slice(b"\\t"),
            0x08 => buffer.extend_from_slice(b"\\b"),
            0x0C => buffer.extend_from_slice(b"\\f"),
            FOUR_BYTES.. => {
                // Jackson writes characters beyond the basic plane as two escaped surrogates.
                let character = text.get(index..).and_then(|rest| rest.chars().next());
                for unit in character.unwrap_or_default().encode_utf16(&mut [0; 2]) {
                    write_escape(buffer, *unit);
                }
                written = index + 4;
            }
            other => write_escape(buffer, u16::from(*other)),
        }
    }
    buffer.extend_from_slice(bytes.get(written..).unwrap_or_default());
    buffer.push(b'"');
}

fn write_escape(buffer: &mut Vec<u8>, unit: u16) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    buffer.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        let nibble = usize::from(unit >> shift & 15);
        buffer.push(HEX.get(nibble).copied().unwrap_or(b'0'));
    }
}

fn write_base64(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.push(b'"');
    let start = buffer.len();
    let length = bytes.len().div_ceil(3) * 4;
    buffer.resize(start + length, 0);
    if let Some(target) = buffer.get_mut(start..) {
        // The target has exactly the room that the text needs.
        let written = STANDARD.encode_slice(bytes, target).unwrap_or(0);
        buffer.truncate(start + written);
    }
    buffer.push(b'"');
}

fn write_integer(buffer: &mut Vec<u8>, value: impl itoa::Integer) {
    buffer.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn write_float(buffer: &mut Vec<u8>, text: FloatText, finite: bool) {
    if finite {
        buffer.extend_from_slice(text.as_bytes());
    } else {
        write_string(buffer, text.as_str());
    }
}

impl Encoder {
    /// Appends the JSON of a value; `schema` may be unknown.
    ///
    /// # Errors
    /// The value does not fit the schema, or needs one.
    pub fn write_value(
        self,
        buffer: &mut Vec<u8>,
        schema: Option<&Arc<Schema>>,
        value: &Value,
    ) -> Result<()> {
        if value.is_null() {
            return self.write_null(buffer, schema);
        }
        if let Some(schema) = schema {
            if let Some(name) = schema.name()
                && self.write_logical(buffer, schema, name, value)?
            {
                return Ok(());
            }
            if !fits(schema.schema_type(), value) {
                return Err(ConnectError::data(format!(
                    "Invalid type for {}: class {}",
                    schema.schema_type(),
                    value.java_class()
                )));
            }
        }
        match value {
            Value::Null => buffer.extend_from_slice(b"null"),
            Value::Int8(v) => write_integer(buffer, *v),
            Value::Int16(v) => write_integer(buffer, *v),
            Value::Int32(v) => write_integer(buffer, *v),
            Value::Int64(v) => write_integer(buffer, *v),
            Value::Float32(v) => write_float(buffer, FloatText::from_f32(*v), v.is_finite()),
            Value::Float64(v) => write_float(buffer, FloatText::from_f64(*v), v.is_finite()),
            Value::Boolean(v) => buffer.extend_from_slice(if *v { b"true" } else { b"false" }),
            Value::String(v) => write_string(buffer, v),
            Value::Bytes(v) => write_base64(buffer, v),
            Value::Array(items) => {
                let inner = schema
                    .map(|schema| schema.value_schema())
                    .transpose()?
                    .flatten();
                buffer.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        buffer.push(b',');
                    }
                    self.write_value(buffer, inner, item)?;
                }
                buffer.push(b']');
            }
            Value::Map(map) => {
                let key_schema = schema
                    .map(|schema| schema.key_schema())
                    .transpose()?
                    .flatten();
                let value_schema = schema
                    .map(|schema| schema.value_schema())
                    .transpose()?
                    .flatten();
                let as_object = match (schema, key_schema) {
                    (Some(_), Some(key)) => {
                        key.schema_type() == SchemaType::String
                            && (self.dialect == Dialect::Connect || !key.is_optional())
                    }
                    _ => map.iter().all(|(key, _)| matches!(key, Value::String(_))),
                };
                self.write_map(buffer, map, key_schema, value_schema, as_object)?;
            }
            Value::Struct(v) => {
                let Some(schema) = schema.filter(|schema| same_schema(schema, v.schema())) else {
                    return Err(ConnectError::data("Mismatching schema."));
                };
                if self.dialect.is_union(schema) {
                    let set = schema.fields().iter().find_map(|field| {
                        let value = v.value_at(field.index());
                        (!value.is_null()).then_some((field.schema(), value))
                    });
                    return match set {
                        Some((schema, value)) => self.write_value(buffer, Some(schema), value),
                        None => self.write_null(buffer, Some(schema)),
                    };
                }
                buffer.push(b'{');
                for (index, field) in schema.fields().iter().enumerate() {
                    if index > 0 {
                        buffer.push(b',');
                    }
                    write_string(buffer, field.name());
                    buffer.push(b':');
                    self.write_value(buffer, Some(field.schema()), v.value_at(index))?;
                }
                buffer.push(b'}');
            }
            Value::Decimal(_) | Value::Date(_) => {
                return Err(ConnectError::data(format!(
                    "Java class class {} does not have corresponding schema type.",
                    value.java_class()
                )));
            }
        }
        Ok(())
    }

    fn write_null(self, buffer: &mut Vec<u8>, schema: Option<&Arc<Schema>>) -> Result<()> {
        if let Some(schema) = schema {
            if let Some(default) = schema.default_value()
                && self.replace_null_with_default
            {
                return self.write_value(buffer, Some(schema), default);
            }
            if !schema.is_optional() {
                return Err(ConnectError::data(
                    "Conversion error: null value for field that is required and has no default value",
                ));
            }
        }
        buffer.extend_from_slice(b"null");
        Ok(())
    }

    fn write_map(
        self,
        buffer: &mut Vec<u8>,
        map: &MapValue,
        key_schema: Option<&Arc<Schema>>,
        value_schema: Option<&Arc<Schema>>,
        as_object: bool,
    ) -> Result<()> {
        let (open, close) = if as_object {
            (b'{', b'}')
        } else {
            (b'[', b']')
        };
        buffer.push(open);
        for (index, (key, value)) in map.iter().enumerate() {
            if index > 0 {
                buffer.push(b',');
            }
            if as_object {
                match key {
                    Value::String(key) => write_string(buffer, key),
                    Value::Null => buffer.extend_from_slice(b"\"null\""),
                    other => {
                        return Err(ConnectError::data(format!(
                            "Invalid type for STRING: class {}",
                            other.java_class()
                        )));
                    }
                }
                buffer.push(b':');
                self.write_value(buffer, value_schema, value)?;
            } else if self.dialect == Dialect::JsonSchema {
                buffer.extend_from_slice(b"{\"key\":");
                self.write_value(buffer, key_schema, key)?;
                buffer.extend_from_slice(b",\"value\":");
                self.write_value(buffer, value_schema, value)?;
                buffer.push(b'}');
            } else {
                buffer.push(b'[');
                self.write_value(buffer, key_schema, key)?;
                buffer.push(b',');
                self.write_value(buffer, value_schema, value)?;
                buffer.push(b']');
            }
        }
        buffer.push(close);
        Ok(())
    }

    /// Writes a logical value; false if the name is not that of a logical type.
    fn write_logical(
        self,
        buffer: &mut Vec<u8>,
        schema: &Schema,
        name: &str,
        value: &Value,
    ) -> Result<bool> {
        let kind = match name {
            logical::DECIMAL => "Decimal",
            logical::DATE => "Date",
            logical::TIME => "Time",
            logical::TIMESTAMP => "Timestamp",
            _ => return Ok(false),
        };
        match (name, value) {
            (logical::DECIMAL, Value::Decimal(decimal)) => {
                self.write_decimal(buffer, schema, decimal)?;
            }
            (logical::DATE, Value::Date(millis)) => {
                write_integer(buffer, logical::date_to_days(*millis)?);
            }
            (logical::TIME, Value::Date(millis)) => {
                write_integer(buffer, logical::time_to_millis(*millis)?);
            }
            (logical::TIMESTAMP, Value::Date(millis)) => write_integer(buffer, *millis),
            _ => {
                let wanted = if name == logical::DECIMAL {
                    "BigDecimal"
                } else {
                    "Date"
                };
                return Err(ConnectError::data(format!(
                    "Invalid type for {kind}, expected {wanted} but was class {}",
                    value.java_class()
                )));
            }
        }
        Ok(true)
    }

    fn write_decimal(self, buffer: &mut Vec<u8>, schema: &Schema, value: &Decimal) -> Result<()> {
        match self.decimal_format {
            DecimalFormat::Base64 => {
                write_base64(buffer, &logical::decimal_to_bytes(schema, value)?);
            }
            DecimalFormat::Numeric => buffer.extend_from_slice(value.to_string().as_bytes()),
        }
        Ok(())
    }
}

fn fits(schema_type: SchemaType, value: &Value) -> bool {
    matches!(
        (schema_type, value),
        (SchemaType::Int8, Value::Int8(_))
            | (SchemaType::Int16, Value::Int16(_))
            | (SchemaType::Int32, Value::Int32(_))
            | (SchemaType::Int64, Value::Int64(_))
            | (SchemaType::Float32, Value::Float32(_))
            | (SchemaType::Float64, Value::Float64(_))
            | (SchemaType::Boolean, Value::Boolean(_))
            | (SchemaType::String, Value::String(_))
            | (SchemaType::Bytes, Value::Bytes(_))
            | (SchemaType::Array, Value::Array(_))
            | (SchemaType::Map, Value::Map(_))
            | (SchemaType::Struct, Value::Struct(_))
    )
}
