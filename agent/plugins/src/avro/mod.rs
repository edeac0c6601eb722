//! `AvroConverter`: Avro with schemas in a registry.
//!
//! `from_connect` and `to_connect` map schemas as Confluent's `AvroData` does; `encode` and `decode` go from
//! values to bytes and back along plans, without a tree of Avro values between. Records that refer to
//! themselves are refused, since Connect schemas here are finite.

mod decode;
mod encode;
mod from_connect;
mod names;
pub mod schema;
mod to_connect;

use std::sync::Arc;

use bytes::Bytes;
use sluice_api::config::ConfigDef;
use sluice_api::plugin::ConverterPlugin;
use sluice_api::{ParsedConfig, Result, Schema, SchemaAndValue, Value};

use crate::schema_registry::client::{RegisteredSchema, SchemaFormat};
use crate::schema_registry::codec::{self, Codec, PayloadReader};
use crate::schema_registry::converter::{self, Format, RegistryConverter};
use crate::schema_registry::settings::switches;
pub use encode::{write_bytes, write_long};
pub use names::fixed_size;
use schema::AvroSchema;

/// Descriptor of the converter of keys and values.
pub fn plugin() -> ConverterPlugin {
    ConverterPlugin::of(
        "io.confluent.connect.avro.AvroConverter",
        crate::schema_registry::CONFLUENT_VERSION,
        converter::config_def::<Avro>,
        || Box::new(RegistryConverter::<Avro>::default()),
    )
}

/// Encoding and decoding of values of a Connect schema without a registry; `settings` are keys of the
/// converter.
///
/// # Errors
/// A setting or schema that has no Avro form.
pub fn codec(settings: &[(&str, &str)], schema: Option<&Arc<Schema>>) -> Result<Box<dyn Codec>> {
    codec::codec(codec::configured::<Avro>(settings)?, schema)
}

/// A reader of payloads by the text of an Avro schema, without a registry.
///
/// # Errors
/// Text that is not a schema, or one that has no form in Connect.
pub fn reader(settings: &[(&str, &str)], text: &str) -> Result<PayloadReader> {
    codec::reader(codec::configured::<Avro>(settings)?, text)
}

/// A name made of letters, digits and underscores, as `scrub.invalid.names` asks for.
pub(crate) fn scrubbed_name(name: &str) -> String {
    names::scrub(name).into_owned()
}

/// The keys of `AvroDataConfig`.
#[derive(Debug, Clone, Copy)]
struct Settings {
    enhanced: bool,
    connect_meta_data: bool,
    scrub_names: bool,
    optional_map_keys: bool,
    flatten_singleton_unions: bool,
    discard_docs: bool,
    generalized_sums: bool,
    ignore_defaults: bool,
}

struct Avro {
    settings: Settings,
}

struct Reader {
    schema: Option<Arc<Schema>>,
    plan: decode::Plan,
}

impl Format for Avro {
    const FORMAT: SchemaFormat = SchemaFormat::Avro;
    type Writer = encode::Plan;
    type Reader = Reader;

    fn config_def() -> ConfigDef {
        let rows = [
            (
                "enhanced.avro.schema.support",
                "false",
                "Whether enums stay enums and unions keep the full names of their members.",
            ),
            (
                "connect.meta.data",
                "true",
                "Whether the Avro schema holds what only Connect schemas have.",
            ),
            (
                "scrub.invalid.names",
                "false",
                "Whether names that Avro does not allow are changed so that it does.",
            ),
            (
                "allow.optional.map.keys",
                "false",
                "Whether maps with optional text keys become Avro maps.",
            ),
            (
                "flatten.singleton.unions",
                "true",
                "Whether a union of one member is read as that member.",
            ),
            (
                "discard.type.doc.default",
                "false",
                "Whether documentation of Avro types and fields becomes that of Connect schemas, as older \
                 versions had it.",
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
                enhanced: config.boolean("enhanced.avro.schema.support"),
                connect_meta_data: config.boolean("connect.meta.data"),
                scrub_names: config.boolean("scrub.invalid.names"),
                optional_map_keys: config.boolean("allow.optional.map.keys"),
                flatten_singleton_unions: config.boolean("flatten.singleton.unions"),
                discard_docs: config.boolean("discard.type.doc.default"),
                generalized_sums: config.boolean("generalized.sum.type.support"),
                ignore_defaults: config.boolean("ignore.default.for.nullables"),
            },
        })
    }

    fn schema_text(&self, schema: Option<&Arc<Schema>>) -> Result<String> {
        let (avro, root) = from_connect::avro_schema(self.settings, schema)?;
        avro.to_json(root)
    }

    fn record_name(&self, schema: &RegisteredSchema) -> Result<Option<String>> {
        let (avro, root) = AvroSchema::parse(&schema.text, &schema.references)?;
        let kind = &avro.node(root).kind;
        Ok(match kind {
            schema::Kind::Record { name, .. } => Some(name.full()),
            _ => None,
        })
    }

    fn writer(
        &self,
        schema: Option<&Arc<Schema>>,
        registered: &RegisteredSchema,
    ) -> Result<encode::Plan> {
        let (avro, root) = AvroSchema::parse(&registered.text, &registered.references)?;
        encode::plan(self.settings, schema, &avro, root)
    }

    fn write(&self, writer: &encode::Plan, value: &Value, buffer: &mut Vec<u8>) -> Result<()> {
        encode::write(writer, value, buffer)
    }

    fn has_version(&self, registered: &RegisteredSchema) -> bool {
        AvroSchema::parse(&registered.text, &registered.references).is_ok_and(|(avro, root)| {
            let node = avro.node(root);
            node.prop(names::CONNECT_VERSION).is_some() || to_connect::is_anything(node)
        })
    }

    fn reader(&self, registered: &RegisteredSchema, version: Option<i32>) -> Result<Reader> {
        let (avro, root) = AvroSchema::parse(&registered.text, &registered.references)?;
        let (schema, plan) = to_connect::connect_schema(self.settings, &avro, root, version)?;
        Ok(Reader { schema, plan })
    }

    fn read(&self, reader: &Reader, payload: &Bytes) -> Result<SchemaAndValue> {
        let value = decode::read(&reader.plan, reader.schema.as_ref(), payload)?;
        Ok(SchemaAndValue::new(reader.schema.clone(), value))
    }
}

#[cfg(test)]
mod tests;
