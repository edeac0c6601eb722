//! `JsonSchemaConverter`: JSON with a JSON Schema in a registry.
//!
//! Values are written and read by the code of `crate::json`, in its dialect for this converter;
//! `from_connect` and `to_connect` map schemas as Confluent's `JsonSchemaData` does. Schemas that refer to
//! themselves, and those that allow anything, are refused.

mod from_connect;
mod to_connect;

use std::sync::Arc;

use crate::json::encode::{DecimalFormat, Dialect, Encoder, GENERALIZED_UNION, ONE_OF, is_union};
use bytes::Bytes;
use sluice_api::config::{ConfigDef, ConfigKey, ConfigType, Importance, validators};
use sluice_api::plugin::ConverterPlugin;
use sluice_api::{ConnectError, ParsedConfig, Result, Schema, SchemaAndValue, Value};

use crate::json::decode::Decoder;
use crate::schema_registry::client::{RegisteredSchema, SchemaFormat};
use crate::schema_registry::codec::{self, Codec, PayloadReader};
use crate::schema_registry::converter::{self, Format, RegistryConverter};
use crate::schema_registry::settings::switches;

const NAMESPACE: &str = "io.confluent.connect.json";
const ENUM: &str = "io.confluent.connect.json.Enum";
const GENERALIZED_ENUM: &str = "org.apache.kafka.connect.data.Enum";
const NULL_MARKER: &str = "<NULL>";
const CONNECT_TYPE: &str = "connect.type";
const CONNECT_VERSION: &str = "connect.version";
const CONNECT_PARAMETERS: &str = "connect.parameters";
const CONNECT_INDEX: &str = "connect.index";

/// Descriptor of the converter of keys and values.
pub fn plugin() -> ConverterPlugin {
    ConverterPlugin::of(
        "io.confluent.connect.json.JsonSchemaConverter",
        crate::schema_registry::CONFLUENT_VERSION,
        converter::config_def::<JsonSchema>,
        || Box::new(RegistryConverter::<JsonSchema>::default()),
    )
}

/// Encoding and decoding of values of a Connect schema without a registry; `settings` are keys of the
/// converter.
///
/// # Errors
/// A setting or schema that has no form in JSON Schema.
pub fn codec(settings: &[(&str, &str)], schema: &Arc<Schema>) -> Result<Box<dyn Codec>> {
    codec::codec(codec::configured::<JsonSchema>(settings)?, Some(schema))
}

/// A reader of payloads by the text of a JSON Schema, without a registry.
///
/// # Errors
/// Text that is not a schema, or one that has no form in Connect.
pub fn reader(settings: &[(&str, &str)], text: &str) -> Result<PayloadReader> {
    codec::reader(codec::configured::<JsonSchema>(settings)?, text)
}

/// The keys of `JsonSchemaDataConfig` that are supported.
#[derive(Debug, Clone, Copy)]
struct Settings {
    additional_properties: bool,
    optional_for_nonrequired: bool,
    decimal_format: DecimalFormat,
    flatten_singleton_unions: bool,
    generalized_sums: bool,
    ignore_defaults: bool,
}

struct JsonSchema {
    settings: Settings,
}

impl JsonSchema {
    fn encoder(&self) -> Encoder {
        self.settings.encoder()
    }
}

impl Settings {
    fn encoder(self) -> Encoder {
        Encoder {
            decimal_format: self.decimal_format,
            replace_null_with_default: !self.ignore_defaults,
            dialect: Dialect::JsonSchema,
        }
    }

    fn decoder(self, data: &Bytes) -> Decoder<'_> {
        Decoder::of_dialect(data, !self.ignore_defaults, Dialect::JsonSchema)
    }
}

impl Format for JsonSchema {
    const FORMAT: SchemaFormat = SchemaFormat::Json;
    type Writer = Option<Arc<Schema>>;
    type Reader = Arc<Schema>;

    fn config_def() -> ConfigDef {
        let rows = [
            (
                "object.additional.properties",
                "true",
                "Whether schemas of objects allow fields that they do not name.",
            ),
            (
                "use.optional.for.nonrequired",
                "false",
                "Whether properties that are not required become optional fields.",
            ),
            (
                "flatten.singleton.unions",
                "true",
                "Whether a union of one member is read as that member.",
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
        switches(&rows).define(
            ConfigKey::new("decimal.format", ConfigType::String)
                .default("BASE64")
                .validator(validators::one_of_ignoring_case(&["BASE64", "NUMERIC"]))
                .importance(Importance::Low)
                .doc("How decimals are written: BASE64 or NUMERIC."),
        )
    }

    fn configured(config: &ParsedConfig) -> Result<Self> {
        let numeric = config
            .string("decimal.format")
            .eq_ignore_ascii_case("NUMERIC");
        Ok(Self {
            settings: Settings {
                additional_properties: config.boolean("object.additional.properties"),
                optional_for_nonrequired: config.boolean("use.optional.for.nonrequired"),
                decimal_format: if numeric {
                    DecimalFormat::Numeric
                } else {
                    DecimalFormat::Base64
                },
                flatten_singleton_unions: config.boolean("flatten.singleton.unions"),
                generalized_sums: config.boolean("generalized.sum.type.support"),
                ignore_defaults: config.boolean("ignore.default.for.nullables"),
            },
        })
    }

    /// Null of a required schema is null bytes; else it is the default, or JSON's null.
    fn is_null(&self, schema: Option<&Arc<Schema>>, value: &Value) -> Result<bool> {
        let written = schema.is_some_and(|schema| {
            schema.is_optional()
                || (schema.default_value().is_some() && !self.settings.ignore_defaults)
        });
        Ok(value.is_null() && !written)
    }

    fn schema_text(&self, schema: Option<&Arc<Schema>>) -> Result<String> {
        let schema = schema.ok_or_else(|| {
            ConnectError::data("data without schema cannot be written with a JSON Schema")
        })?;
        Ok(from_connect::json_schema(self.settings, schema)?.to_string())
    }

    fn record_name(&self, schema: &RegisteredSchema) -> Result<Option<String>> {
        let json: serde_json::Value = serde_json::from_str(&schema.text).map_err(|error| {
            ConnectError::serialization(format!("invalid JSON Schema: {error}"))
        })?;
        Ok(json["title"].as_str().map(str::to_owned))
    }

    fn writer(
        &self,
        schema: Option<&Arc<Schema>>,
        _registered: &RegisteredSchema,
    ) -> Result<Option<Arc<Schema>>> {
        // JSON names its fields itself: the same text, whichever version of the schema its id means.
        Ok(schema.cloned())
    }

    fn write(
        &self,
        writer: &Option<Arc<Schema>>,
        value: &Value,
        buffer: &mut Vec<u8>,
    ) -> Result<()> {
        self.encoder().write_value(buffer, writer.as_ref(), value)
    }

    fn has_version(&self, registered: &RegisteredSchema) -> bool {
        serde_json::from_str::<serde_json::Value>(&registered.text)
            .is_ok_and(|json| json.get(CONNECT_VERSION).is_some())
    }

    fn reader(&self, registered: &RegisteredSchema, version: Option<i32>) -> Result<Arc<Schema>> {
        to_connect::connect_schema(self.settings, registered, version)
    }

    fn read(&self, reader: &Arc<Schema>, payload: &Bytes) -> Result<SchemaAndValue> {
        let value = self.settings.decoder(payload).read_value(reader)?;
        Ok(SchemaAndValue::new(Some(Arc::clone(reader)), value))
    }
}

#[cfg(test)]
mod tests;
