//! How the fields of a message and those of a struct belong together, worked out once per schema.

use std::collections::HashMap;
use std::sync::Arc;

use bytestring::ByteString;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use sluice_api::{ConnectError, Result, Schema, SchemaType, Value, logical};

use super::{Settings, is_union};

/// A value that is not a message of a struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Int32,
    Sint32,
    Sfixed32,
    Uint32,
    Fixed32,
    Int64,
    Sint64,
    Sfixed64,
    Uint64,
    Fixed64,
    Float,
    Double,
    Bool,
    String,
    Bytes,
}

impl Scalar {
    /// Whether a list of them is written in one piece.
    pub(super) fn is_packed(self) -> bool {
        !matches!(self, Self::String | Self::Bytes)
    }

    /// The value that is not written.
    pub(super) fn default(self, connect: SchemaType) -> Value {
        match connect {
            SchemaType::Int8 => Value::Int8(0),
            SchemaType::Int16 => Value::Int16(0),
            SchemaType::Int32 => Value::Int32(0),
            SchemaType::Int64 => Value::Int64(0),
            SchemaType::Float32 => Value::Float32(0.0),
            SchemaType::Float64 => Value::Float64(0.0),
            SchemaType::Boolean => Value::Boolean(false),
            SchemaType::String => Value::from_static(""),
            _ => Value::Bytes(bytes::Bytes::new()),
        }
    }
}

/// The symbols of an enum and their numbers.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    pub(super) name: String,
    pub(super) numbers: HashMap<String, i32>,
    pub(super) symbols: HashMap<i32, ByteString>,
}

/// How a value of a field is written and read.
#[derive(Debug)]
pub(super) enum Shape {
    Scalar(Scalar, SchemaType),
    /// A wrapper message around a scalar.
    Wrapper(Scalar, SchemaType),
    /// An enum, as text or as number.
    Enum(Symbols, SchemaType),
    Decimal,
    Date,
    Time,
    Timestamp,
    Message(Arc<MessagePlan>),
    List(Box<Shape>),
    Map {
        key: Box<Shape>,
        value: Box<Shape>,
    },
}

/// Where the value of a field is in its struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Field(usize),
    /// A member of the union in a field.
    Member {
        field: usize,
        member: usize,
    },
}

#[derive(Debug)]
pub(super) struct FieldPlan {
    pub(super) name: String,
    pub(super) number: u32,
    pub(super) slot: Slot,
    pub(super) shape: Shape,
    /// Whether the default is written, and absence is null.
    pub(super) has_presence: bool,
    /// What is written for null.
    pub(super) connect_default: Value,
}

#[derive(Debug)]
pub(super) struct MessagePlan {
    pub(super) schema: Arc<Schema>,
    /// In the order of their numbers.
    pub(super) fields: Vec<FieldPlan>,
}

/// A parameter of a schema.
pub(super) fn parameter<'a>(schema: &'a Schema, name: &str) -> Option<&'a str> {
    schema.parameters()?.get(name).map(String::as_str)
}

/// The scalar in a wrapper message of that full name.
pub(super) fn wrapped(name: &str) -> Option<Scalar> {
    Some(match name.strip_prefix("google.protobuf.")? {
        "DoubleValue" => Scalar::Double,
        "FloatValue" => Scalar::Float,
        "Int64Value" => Scalar::Int64,
        "UInt64Value" => Scalar::Uint64,
        "Int32Value" => Scalar::Int32,
        "UInt32Value" => Scalar::Uint32,
        "BoolValue" => Scalar::Bool,
        "StringValue" => Scalar::String,
        "BytesValue" => Scalar::Bytes,
        _ => return None,
    })
}

/// Whether a message is the entry of a map: declared as one, or named like one and made of `key` and `value`.
pub(super) fn is_entry(field: &FieldDescriptor, message: &MessageDescriptor) -> bool {
    if !field.is_list() && !field.is_map() {
        return false;
    }
    let parts: Vec<FieldDescriptor> = message.fields().collect();
    let is_part = |part: &FieldDescriptor, name: &str| {
        part.name() == name && part.cardinality() != prost_reflect::Cardinality::Repeated
    };
    message.name().ends_with("Entry")
        && matches!(parts.as_slice(), [key, value] if is_part(key, "key") && is_part(value, "value"))
}

/// The plan of a message for structs of a schema; fields that only one of them has are passed over.
pub(super) fn message_plan(
    settings: Settings,
    message: &MessageDescriptor,
    schema: &Arc<Schema>,
) -> Result<Arc<MessagePlan>> {
    if schema.schema_type() != SchemaType::Struct {
        return Err(misfit(schema, message.full_name()));
    }
    let mut slots: HashMap<String, (Slot, &Arc<Schema>)> = HashMap::new();
    for field in schema.fields() {
        if is_union(field.schema()) {
            for member in field.schema().fields() {
                let slot = Slot::Member {
                    field: field.index(),
                    member: member.index(),
                };
                slots.insert(settings.name(member.name()), (slot, member.schema()));
            }
        } else {
            let slot = Slot::Field(field.index());
            slots.insert(settings.name(field.name()), (slot, field.schema()));
        }
    }
    let mut fields = Vec::new();
    for field in message.fields() {
        let Some((slot, schema)) = slots.get(field.name()) else {
            continue;
        };
        let shape = shape(settings, &field, schema)?;
        let is_message = matches!(field.kind(), Kind::Message(_));
        let in_oneof = field.containing_oneof().is_some();
        fields.push(FieldPlan {
            name: field.name().to_owned(),
            number: field.number(),
            slot: *slot,
            has_presence: is_message || in_oneof || field.supports_presence(),
            connect_default: if settings.ignore_defaults {
                Value::Null
            } else {
                schema.default_value().cloned().unwrap_or_default()
            },
            shape,
        });
    }
    fields.sort_by_key(|field| field.number);
    Ok(Arc::new(MessagePlan {
        schema: Arc::clone(schema),
        fields,
    }))
}

fn misfit(schema: &Schema, what: &str) -> ConnectError {
    ConnectError::serialization(format!("{schema} does not fit the Protobuf type {what}"))
}

fn shape(settings: Settings, field: &FieldDescriptor, schema: &Arc<Schema>) -> Result<Shape> {
    let inner = |schema: Option<&Arc<Schema>>| {
        schema
            .cloned()
            .ok_or_else(|| ConnectError::data("schema of elements is not known"))
    };
    if let Kind::Message(message) = field.kind()
        && is_entry(field, &message)
        && schema.schema_type() == SchemaType::Map
    {
        let part = |name: &str, schema: &Arc<Schema>| {
            let field = message
                .get_field_by_name(name)
                .ok_or_else(|| misfit(schema, name))?;
            single(settings, &field, schema).map(Box::new)
        };
        return Ok(Shape::Map {
            key: part("key", &inner(schema.key_schema()?)?)?,
            value: part("value", &inner(schema.value_schema()?)?)?,
        });
    }
    if field.is_list() || field.is_map() {
        if schema.schema_type() != SchemaType::Array {
            return Err(misfit(schema, "repeated"));
        }
        let element = inner(schema.value_schema()?)?;
        return Ok(Shape::List(Box::new(single(settings, field, &element)?)));
    }
    single(settings, field, schema)
}

fn single(settings: Settings, field: &FieldDescriptor, schema: &Arc<Schema>) -> Result<Shape> {
    use SchemaType as S;
    let connect = schema.schema_type();
    let fail = || {
        misfit(
            schema,
            &format!("{:?} of field {}", field.kind(), field.name()),
        )
    };
    let small = matches!(connect, S::Int8 | S::Int16 | S::Int32);
    let scalar = match field.kind() {
        Kind::Int32 => (Scalar::Int32, small),
        Kind::Sint32 => (Scalar::Sint32, small),
        Kind::Sfixed32 => (Scalar::Sfixed32, small),
        Kind::Uint32 => (Scalar::Uint32, small || connect == S::Int64),
        Kind::Fixed32 => (Scalar::Fixed32, small || connect == S::Int64),
        Kind::Int64 => (Scalar::Int64, small || connect == S::Int64),
        Kind::Sint64 => (Scalar::Sint64, small || connect == S::Int64),
        Kind::Sfixed64 => (Scalar::Sfixed64, small || connect == S::Int64),
        Kind::Uint64 => (Scalar::Uint64, small || connect == S::Int64),
        Kind::Fixed64 => (Scalar::Fixed64, small || connect == S::Int64),
        Kind::Float => (Scalar::Float, connect == S::Float32),
        Kind::Double => (Scalar::Double, matches!(connect, S::Float32 | S::Float64)),
        Kind::Bool => (Scalar::Bool, connect == S::Boolean),
        Kind::String => (Scalar::String, connect == S::String),
        Kind::Bytes => (Scalar::Bytes, connect == S::Bytes),
        Kind::Enum(descriptor) => {
            if !matches!(connect, S::String | S::Int32) {
                return Err(fail());
            }
            let mut symbols = Symbols {
                name: descriptor.name().to_owned(),
                ..Symbols::default()
            };
            for value in descriptor.values() {
                symbols
                    .numbers
                    .insert(value.name().to_owned(), value.number());
                // Of several names of a number the first is shown.
                symbols
                    .symbols
                    .entry(value.number())
                    .or_insert_with(|| value.name().into());
            }
            return Ok(Shape::Enum(symbols, connect));
        }
        Kind::Message(message) => {
            return Ok(match (message.full_name(), schema.name()) {
                ("confluent.type.Decimal", Some(logical::DECIMAL)) => Shape::Decimal,
                ("google.type.Date", Some(logical::DATE)) => Shape::Date,
                ("google.type.TimeOfDay", Some(logical::TIME)) => Shape::Time,
                ("google.protobuf.Timestamp", Some(logical::TIMESTAMP)) => Shape::Timestamp,
                (name, _) => match wrapped(name) {
                    Some(scalar) if connect.is_primitive() => Shape::Wrapper(scalar, connect),
                    _ => Shape::Message(message_plan(settings, &message, schema)?),
                },
            });
        }
    };
    let logical_name = matches!(
        schema.name(),
        Some(logical::DECIMAL | logical::DATE | logical::TIME | logical::TIMESTAMP)
    );
    match scalar {
        (scalar, true) if !logical_name => Ok(Shape::Scalar(scalar, connect)),
        _ => Err(fail()),
    }
}
