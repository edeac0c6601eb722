//! Messages to Connect schemas, as Confluent's `ProtobufData.toConnectSchema` maps them.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use prost_reflect::{FieldDescriptor, Kind, MapKey, MessageDescriptor, OneofDescriptor};
use sluice_api::{ConnectError, Result, Schema, SchemaBuilder, SchemaType, logical};

use super::plan::{Scalar, is_entry, wrapped};
use super::{
    CONNECT_TYPE, DECIMAL_PRECISION, ENUM, GENERALIZED_ENUM, GENERALIZED_UNION, Settings, TAG,
    TYPE, UNION_PREFIX,
};

/// Schemas made of one message at most: messages can repeat each other.
const MAX_SCHEMAS: usize = 100_000;

/// The schema of a message; `version` is that of the registry.
pub(super) fn message_schema(
    settings: Settings,
    message: &MessageDescriptor,
    version: Option<i32>,
) -> Result<Arc<Schema>> {
    let mut reader = Reader {
        settings,
        open: Vec::new(),
        made: Cell::new(0),
    };
    let builder = reader.message(message)?;
    match version {
        Some(version) => builder.version(version),
        None => builder,
    }
    .build()
}

/// The schema of a value in a wrapper message.
pub(super) fn unwrapped(scalar: Scalar, version: Option<i32>) -> Result<Arc<Schema>> {
    let builder = scalar_builder(scalar);
    match version {
        Some(version) => builder.version(version),
        None => builder,
    }
    .build()
}

fn scalar_builder(scalar: Scalar) -> SchemaBuilder {
    match scalar {
        Scalar::Int32 | Scalar::Sint32 | Scalar::Sfixed32 => SchemaBuilder::int32(),
        Scalar::Uint32
        | Scalar::Fixed32
        | Scalar::Int64
        | Scalar::Sint64
        | Scalar::Sfixed64
        | Scalar::Uint64
        | Scalar::Fixed64 => SchemaBuilder::int64(),
        Scalar::Float => SchemaBuilder::float32(),
        Scalar::Double => SchemaBuilder::float64(),
        Scalar::Bool => SchemaBuilder::boolean(),
        Scalar::String => SchemaBuilder::string(),
        Scalar::Bytes => SchemaBuilder::bytes(),
    }
}

struct Reader {
    settings: Settings,
    /// Full names of the messages around the current one.
    open: Vec<String>,
    made: Cell<usize>,
}

impl Reader {
    fn name<'a>(&self, full: &'a str, short: &'a str) -> &'a str {
        if self.settings.enhanced { full } else { short }
    }

    fn message(&mut self, message: &MessageDescriptor) -> Result<SchemaBuilder> {
        let full = message.full_name();
        self.made.set(self.made.get() + 1);
        if self.open.iter().any(|open| open == full) || self.made.get() > MAX_SCHEMAS {
            return Err(ConnectError::data(format!(
                "message {full} refers to itself, or to too many others, which is not supported"
            )));
        }
        self.open.push(full.to_owned());
        let mut builder = SchemaBuilder::structure().name(self.name(full, message.name()));
        for (index, oneof) in message.oneofs().filter(is_real).enumerate() {
            if self.settings.flatten_unions {
                for field in oneof.fields() {
                    builder = builder.field(field.name(), self.field(&field, true)?);
                }
            } else {
                let name = if self.settings.index_for_unions {
                    format!("{}_{index}", oneof.name())
                } else {
                    oneof.name().to_owned()
                };
                builder = builder.field(name, self.union(&oneof)?);
            }
        }
        for field in message.fields() {
            if field.containing_oneof().as_ref().is_some_and(is_real) {
                continue;
            }
            builder = builder.field(field.name(), self.field(&field, false)?);
        }
        self.open.pop();
        Ok(builder)
    }

    fn union(&mut self, oneof: &OneofDescriptor) -> Result<Arc<Schema>> {
        let mut builder = SchemaBuilder::structure();
        builder = if self.settings.generalized_sums {
            builder
                .name(oneof.name())
                .parameter(GENERALIZED_UNION, oneof.name())
        } else {
            let name = self.name(oneof.full_name(), oneof.name());
            builder.name(format!("{UNION_PREFIX}{name}"))
        };
        for field in oneof.fields() {
            builder = builder.field(field.name(), self.field(&field, true)?);
        }
        builder.optional().build()
    }

    fn field(&mut self, field: &FieldDescriptor, is_member: bool) -> Result<Arc<Schema>> {
        let mut builder = self.value(field)?;
        let is_map = builder.schema_type() == SchemaType::Map;
        let mut optional = matches!(field.kind(), Kind::Message(_) | Kind::Enum(_));
        if (field.is_list() || field.is_map()) && !is_map {
            builder = SchemaBuilder::array(builder.optional().build()?);
            optional = true;
        }
        if is_member {
            optional = true;
        } else if self.settings.optional_for_nullables {
            optional |= has_optional_keyword(field);
        } else if !self.settings.wrapper_for_nullables {
            optional = true;
        }
        if optional {
            builder = builder.optional();
        }
        builder.parameter(TAG, field.number().to_string()).build()
    }

    fn value(&mut self, field: &FieldDescriptor) -> Result<SchemaBuilder> {
        let scalar = |scalar: Scalar, own: Option<&str>| {
            let builder = scalar_builder(scalar);
            match own {
                Some(name) => builder.parameter(TYPE, name),
                None => builder,
            }
        };
        Ok(match field.kind() {
            kind @ (Kind::Int32 | Kind::Sint32 | Kind::Sfixed32) => {
                match meta(field).get(CONNECT_TYPE).map(String::as_str) {
                    Some("int8") => SchemaBuilder::int8(),
                    Some("int16") => SchemaBuilder::int16(),
                    _ => match kind {
                        Kind::Sint32 => scalar(Scalar::Sint32, Some("sint32")),
                        Kind::Sfixed32 => scalar(Scalar::Sfixed32, Some("sfixed32")),
                        _ => scalar(Scalar::Int32, None),
                    },
                }
            }
            Kind::Uint32 => scalar(Scalar::Uint32, Some("uint32")),
            Kind::Fixed32 => scalar(Scalar::Fixed32, Some("fixed32")),
            Kind::Int64 => scalar(Scalar::Int64, None),
            Kind::Uint64 => scalar(Scalar::Uint64, Some("uint64")),
            Kind::Sint64 => scalar(Scalar::Sint64, Some("sint64")),
            Kind::Fixed64 => scalar(Scalar::Fixed64, Some("fixed64")),
            Kind::Sfixed64 => scalar(Scalar::Sfixed64, Some("sfixed64")),
            Kind::Float => scalar(Scalar::Float, None),
            Kind::Double => scalar(Scalar::Double, None),
            Kind::Bool => scalar(Scalar::Bool, None),
            Kind::String => scalar(Scalar::String, None),
            Kind::Bytes => scalar(Scalar::Bytes, None),
            Kind::Enum(descriptor) => {
                let mut builder = if self.settings.int_for_enums {
                    SchemaBuilder::int32()
                } else {
                    SchemaBuilder::string()
                };
                builder = builder.name(self.name(descriptor.full_name(), descriptor.name()));
                let parameter = if self.settings.generalized_sums {
                    GENERALIZED_ENUM
                } else {
                    ENUM
                };
                builder = builder.parameter(parameter, descriptor.name());
                for value in descriptor.values() {
                    let key = format!("{parameter}.{}", value.name());
                    builder = builder.parameter(key, value.number().to_string());
                }
                builder
            }
            Kind::Message(message) => match message.full_name() {
                "confluent.type.Decimal" => {
                    let meta = meta(field);
                    let number =
                        |key: &str| meta.get(key).and_then(|text| text.parse::<i32>().ok());
                    let builder = logical::decimal_builder(number("scale").unwrap_or(0));
                    match number("precision") {
                        Some(precision) => {
                            builder.parameter(DECIMAL_PRECISION, precision.to_string())
                        }
                        None => builder,
                    }
                }
                "google.type.Date" => SchemaBuilder::int32().name(logical::DATE).version(1),
                "google.type.TimeOfDay" => SchemaBuilder::int32().name(logical::TIME).version(1),
                "google.protobuf.Timestamp" => {
                    SchemaBuilder::int64().name(logical::TIMESTAMP).version(1)
                }
                name => match wrapped(name) {
                    Some(scalar) if self.settings.wrapper_for_nullables => scalar_builder(scalar),
                    _ if is_entry(field, &message) => self.map(&message)?,
                    _ => self.message(&message)?,
                },
            },
        })
    }

    fn map(&mut self, entry: &MessageDescriptor) -> Result<SchemaBuilder> {
        let part = |reader: &mut Self, name: &str| {
            let field = entry
                .get_field_by_name(name)
                .ok_or_else(|| ConnectError::data(format!("a map entry without {name}")))?;
            reader.field(&field, false)
        };
        let key = part(self, "key")?;
        let value = part(self, "value")?;
        let name = self.name(entry.full_name(), entry.name());
        let name = name.strip_suffix("Entry").unwrap_or(name);
        Ok(SchemaBuilder::map(key, value).name(name))
    }
}

/// Whether a `oneof` is one in the text, and not that of a field with the label `optional`.
fn is_real(oneof: &OneofDescriptor) -> bool {
    !oneof.fields().any(|field| is_proto3_optional(&field))
}

fn is_proto3_optional(field: &FieldDescriptor) -> bool {
    field.field_descriptor_proto().proto3_optional == Some(true)
}

fn has_optional_keyword(field: &FieldDescriptor) -> bool {
    let is_proto2 = field.parent_file().syntax() == prost_reflect::Syntax::Proto2;
    is_proto3_optional(field)
        || (is_proto2
            && field.cardinality() == prost_reflect::Cardinality::Optional
            && field.containing_oneof().is_none())
}

/// The parameters of the option `confluent.field_meta`.
fn meta(field: &FieldDescriptor) -> HashMap<String, String> {
    let Some(extension) = field
        .parent_pool()
        .get_extension_by_name("confluent.field_meta")
    else {
        return HashMap::new();
    };
    let options = field.options();
    let meta = options.get_extension(&extension);
    let parameters = meta
        .as_message()
        .and_then(|meta| meta.get_field_by_name("params"));
    parameters
        .iter()
        .filter_map(|parameters| parameters.as_map())
        .flatten()
        .filter_map(|(key, value)| match key {
            MapKey::String(key) => Some((key.clone(), value.as_str()?.to_owned())),
            _ => None,
        })
        .collect()
}
