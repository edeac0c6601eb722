//! `ProtobufConverter`: Protocol Buffers with schemas in a registry.
//!
//! Schemas are `.proto` text, compiled by `protox`; `from_connect` writes and `to_connect` reads them as
//! Confluent's `ProtobufData` does. Values go to bytes and back along a `plan`, without dynamic messages
//! between (`wire`). A payload begins with the path of its message in the file. Messages that refer to
//! themselves are refused.

mod files;
mod from_connect;
mod plan;
mod to_connect;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use prost_reflect::{FileDescriptor, MessageDescriptor};
use sluice_api::config::ConfigDef;
use sluice_api::plugin::ConverterPlugin;
use sluice_api::{ConnectError, ParsedConfig, Result, Schema, SchemaAndValue, SchemaType, Value};

use crate::schema_registry::client::{RegisteredSchema, SchemaFormat};
use crate::schema_registry::codec::{self, Codec, PayloadReader};
use crate::schema_registry::converter::{self, Format, RegistryConverter};
use crate::schema_registry::settings::switches;
use plan::{MessagePlan, Scalar};

const UNION_PREFIX: &str = "io.confluent.connect.protobuf.Union.";
const ENUM: &str = "io.confluent.connect.protobuf.Enum";
const TAG: &str = "io.confluent.connect.protobuf.Tag";
const TYPE: &str = "io.confluent.connect.protobuf.Type";
const GENERALIZED_UNION: &str = "org.apache.kafka.connect.data.Union";
const GENERALIZED_ENUM: &str = "org.apache.kafka.connect.data.Enum";
const DECIMAL_PRECISION: &str = "connect.decimal.precision";
const CONNECT_TYPE: &str = "connect.type";

/// Descriptor of the converter of keys and values.
pub fn plugin() -> ConverterPlugin {
    ConverterPlugin::of(
        "io.confluent.connect.protobuf.ProtobufConverter",
        crate::schema_registry::CONFLUENT_VERSION,
        converter::config_def::<Protobuf>,
        || Box::new(RegistryConverter::<Protobuf>::default()),
    )
}

/// Encoding and decoding of values of a Connect schema without a registry; `settings` are keys of the
/// converter.
///
/// # Errors
/// A setting or schema that has no form in Protocol Buffers.
pub fn codec(settings: &[(&str, &str)], schema: &Arc<Schema>) -> Result<Box<dyn Codec>> {
    codec::codec(codec::configured::<Protobuf>(settings)?, Some(schema))
}

/// A reader of payloads by the text of a `.proto` file, without a registry. Payloads begin with the path of
/// their message.
///
/// # Errors
/// Text that is not a schema, or one that has no form in Connect.
pub fn reader(settings: &[(&str, &str)], text: &str) -> Result<PayloadReader> {
    codec::reader(codec::configured::<Protobuf>(settings)?, text)
}

/// Whether a struct stands for a `oneof`.
fn is_union(schema: &Schema) -> bool {
    schema.schema_type() == SchemaType::Struct
        && (schema
            .name()
            .is_some_and(|name| name.starts_with(UNION_PREFIX))
            || schema
                .parameters()
                .is_some_and(|all| all.contains_key(GENERALIZED_UNION)))
}

/// The keys of `ProtobufDataConfig` that are supported.
#[derive(Debug, Clone, Copy)]
struct Settings {
    enhanced: bool,
    scrub_names: bool,
    int_for_enums: bool,
    optional_for_nullables: bool,
    wrapper_for_nullables: bool,
    wrapper_for_raw_primitives: bool,
    index_for_unions: bool,
    flatten_unions: bool,
    generalized_sums: bool,
    ignore_defaults: bool,
}

impl Settings {
    /// A name as Protocol Buffers have it.
    fn name(self, name: &str) -> String {
        if !self.scrub_names {
            return name.to_owned();
        }
        let scrubbed = crate::avro::scrubbed_name(name);
        if scrubbed.starts_with('_') {
            format!("x{scrubbed}")
        } else {
            scrubbed
        }
    }
}

struct Protobuf {
    settings: Settings,
}

/// How values of one Connect schema are written.
struct Writer {
    /// The path of the message in its file, as it is written.
    path: Vec<u8>,
    plan: Root,
}

/// What a payload holds.
enum Root {
    Message(Arc<MessagePlan>),
    /// A wrapper message that stands for a primitive.
    Wrapped(Scalar, Arc<Schema>),
}

/// How messages of a file are read, by their path.
struct Reader {
    messages: HashMap<Vec<i32>, Result<Root>>,
}

impl Protobuf {
    fn root(&self, message: &MessageDescriptor, version: Option<i32>) -> Result<Root> {
        let settings = self.settings;
        if settings.wrapper_for_raw_primitives
            && let Some(scalar) = plan::wrapped(message.full_name())
        {
            let schema = to_connect::unwrapped(scalar, version)?;
            return Ok(Root::Wrapped(scalar, schema));
        }
        let schema = to_connect::message_schema(settings, message, version)?;
        Ok(Root::Message(plan::message_plan(
            settings, message, &schema,
        )?))
    }
}

/// The messages of a file with their paths, nested ones too.
fn messages(file: &FileDescriptor) -> Vec<(Vec<i32>, MessageDescriptor)> {
    let mut all = Vec::new();
    let mut open: Vec<(Vec<i32>, MessageDescriptor)> = file
        .messages()
        .zip(0..)
        .map(|(message, index)| (vec![index], message))
        .collect();
    while let Some((path, message)) = open.pop() {
        open.extend(message.child_messages().zip(0..).map(|(child, index)| {
            let mut path = path.clone();
            path.push(index);
            (path, child)
        }));
        all.push((path, message));
    }
    all
}

impl Format for Protobuf {
    const FORMAT: SchemaFormat = SchemaFormat::Protobuf;
    type Writer = Writer;
    type Reader = Reader;

    fn config_def() -> ConfigDef {
        let rows = [
            (
                "enhanced.protobuf.schema.support",
                "false",
                "Whether schemas have the full names of messages and enums.",
            ),
            (
                "scrub.invalid.names",
                "false",
                "Whether names that Protocol Buffers do not allow are changed so that they do.",
            ),
            (
                "int.for.enums",
                "false",
                "Whether enums are read as numbers.",
            ),
            (
                "optional.for.nullables",
                "false",
                "Whether optional fields have the label optional.",
            ),
            (
                "wrapper.for.nullables",
                "false",
                "Whether optional primitives are written as wrapper messages.",
            ),
            (
                "wrapper.for.raw.primitives",
                "true",
                "Whether values that are no structs are written as wrapper messages.",
            ),
            (
                "generate.index.for.unions",
                "true",
                "Whether the field of a oneof has its number behind its name.",
            ),
            (
                "flatten.unions",
                "false",
                "Whether members of a oneof are fields of the message.",
            ),
            (
                "generalized.sum.type.support",
                "false",
                "Whether unions and enums take the form that all converters share.",
            ),
            (
                "ignore.default.for.nullables",
                "false",
                "Whether null stays null where the schema has a default.",
            ),
        ];
        switches(&rows)
    }

    fn configured(config: &ParsedConfig) -> Result<Self> {
        Ok(Self {
            settings: Settings {
                enhanced: config.boolean("enhanced.protobuf.schema.support"),
                scrub_names: config.boolean("scrub.invalid.names"),
                int_for_enums: config.boolean("int.for.enums"),
                optional_for_nullables: config.boolean("optional.for.nullables"),
                wrapper_for_nullables: config.boolean("wrapper.for.nullables"),
                wrapper_for_raw_primitives: config.boolean("wrapper.for.raw.primitives"),
                index_for_unions: config.boolean("generate.index.for.unions"),
                flatten_unions: config.boolean("flatten.unions"),
                generalized_sums: config.boolean("generalized.sum.type.support"),
                ignore_defaults: config.boolean("ignore.default.for.nullables"),
            },
        })
    }

    fn schema_text(&self, schema: Option<&Arc<Schema>>) -> Result<String> {
        let schema = schema.ok_or_else(|| {
            ConnectError::data("data without schema cannot be written as Protocol Buffers")
        })?;
        from_connect::proto_text(self.settings, schema)
    }

    fn record_name(&self, schema: &RegisteredSchema) -> Result<Option<String>> {
        let file = files::compile(schema)?;
        Ok(file
            .messages()
            .next()
            .map(|message| message.full_name().to_owned()))
    }

    fn writer(
        &self,
        schema: Option<&Arc<Schema>>,
        registered: &RegisteredSchema,
    ) -> Result<Writer> {
        let schema = schema.ok_or_else(|| ConnectError::data("no schema to write by"))?;
        let file = files::compile(registered)?;
        let all = messages(&file);
        let wanted = from_connect::root_name(self.settings, schema);
        let (path, message) = all
            .iter()
            .find(|(_, message)| message.full_name() == wanted)
            .or_else(|| all.iter().find(|(path, _)| path == &[0]))
            .ok_or_else(|| ConnectError::serialization("the schema has no message"))?;
        let plan = if schema.schema_type() == SchemaType::Struct {
            Root::Message(plan::message_plan(self.settings, message, schema)?)
        } else {
            let scalar = plan::wrapped(message.full_name()).ok_or_else(|| {
                ConnectError::serialization(format!(
                    "{schema} does not fit the message {}",
                    message.full_name()
                ))
            })?;
            Root::Wrapped(scalar, Arc::clone(schema))
        };
        Ok(Writer {
            path: wire::path_bytes(path),
            plan,
        })
    }

    fn write(&self, writer: &Writer, value: &Value, buffer: &mut Vec<u8>) -> Result<()> {
        buffer.extend_from_slice(&writer.path);
        match &writer.plan {
            Root::Message(plan) => wire::write_message(plan, value, buffer),
            Root::Wrapped(scalar, _) => wire::write_wrapper_body(*scalar, value, buffer),
        }
    }

    fn has_version(&self, _registered: &RegisteredSchema) -> bool {
        false
    }

    fn reader(&self, registered: &RegisteredSchema, version: Option<i32>) -> Result<Reader> {
        let file = files::compile(registered)?;
        let messages = messages(&file)
            .into_iter()
            .map(|(path, message)| (path, self.root(&message, version)))
            .collect();
        Ok(Reader { messages })
    }

    fn read(&self, reader: &Reader, payload: &Bytes) -> Result<SchemaAndValue> {
        let (path, rest) = wire::read_path(payload)?;
        let root = reader.messages.get(&path).ok_or_else(|| {
            ConnectError::serialization(format!("the schema has no message at {path:?}"))
        })?;
        match root {
            Ok(Root::Message(plan)) => {
                let value = wire::read_message(plan, &rest)?;
                Ok(SchemaAndValue::new(Some(Arc::clone(&plan.schema)), value))
            }
            Ok(Root::Wrapped(scalar, schema)) => {
                let value = wire::read_wrapper(*scalar, schema, &rest)?;
                Ok(SchemaAndValue::new(Some(Arc::clone(schema)), value))
            }
            Err(error) => Err(error.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
