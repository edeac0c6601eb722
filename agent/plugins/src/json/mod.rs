//! `JsonConverter`: JSON with or without an envelope that holds the schema.
//!
//! Writing goes from values straight into the buffer; the envelope of a schema is kept as bytes. Reading goes
//! from bytes straight to values, guided by the schema; texts without escapes are slices of the message.

pub(crate) mod decode;
pub mod encode;
mod schema_json;
mod token;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use indexmap::IndexMap;
use sluice_api::config::{ConfigDef, ConfigKey, ConfigType, Importance, Width, validators};
use sluice_api::plugin::{ConverterPlugin, HeaderConverterPlugin, KAFKA_VERSION};
use sluice_api::{
    ConnectError, Converter, ConverterType, Props, Result, Schema, SchemaAndValue, Value,
};

use self::encode::{DecimalFormat, Dialect, Encoder};

const CLASS: &str = "org.apache.kafka.connect.json.JsonConverter";
const SCHEMAS_ENABLE: &str = "schemas.enable";
const SCHEMAS_CACHE_SIZE: &str = "schemas.cache.size";
const SCHEMA_CONTENT: &str = "schema.content";
const DECIMAL_FORMAT: &str = "decimal.format";
const REPLACE_NULL: &str = "replace.null.with.default";

/// Descriptor for keys and values.
pub fn plugin() -> ConverterPlugin {
    ConverterPlugin::of(CLASS, KAFKA_VERSION, config_def, || {
        Box::new(JsonConverter::default())
    })
}

/// Descriptor of the converter of headers.
pub fn header_plugin() -> HeaderConverterPlugin {
    HeaderConverterPlugin::of(CLASS, KAFKA_VERSION, config_def, || {
        Box::new(JsonConverter::default())
    })
}

fn config_def() -> ConfigDef {
    ConfigDef::new()
        .define(crate::converter_support::converter_type_key())
        .define(
            ConfigKey::new(SCHEMAS_ENABLE, ConfigType::Boolean)
                .default("true")
                .group("Schemas", 0, Width::Medium, "Enable Schemas")
                .importance(Importance::High)
                .doc("Include schemas within each of the serialized values and keys."),
        )
        .define(
            ConfigKey::new(SCHEMAS_CACHE_SIZE, ConfigType::Int)
                .default("1000")
                .group("Schemas", 1, Width::Medium, "Schema Cache Size")
                .importance(Importance::High)
                .doc("The maximum number of schemas that can be cached in this converter instance."),
        )
        .define(
            ConfigKey::new(SCHEMA_CONTENT, ConfigType::String)
                .optional()
                .group("Schemas", 2, Width::Medium, "Schema Content")
                .importance(Importance::High)
                .doc(
                    "When set, this is used as the schema for all messages, and should be schemas in the \
                     format of this converter. Otherwise, the schema should be included in the contents of \
                     each message. Applies only to messages that are read, and only if schemas.enable is \
                     true.",
                ),
        )
        .define(
            ConfigKey::new(DECIMAL_FORMAT, ConfigType::String)
                .default("BASE64")
                .group("Serialization", 0, Width::Medium, "Decimal Format")
                .validator(validators::one_of_ignoring_case(&["BASE64", "NUMERIC"]))
                .importance(Importance::Low)
                .doc(
                    "Controls which format this converter will serialize decimals in. This value is case \
                     insensitive and can be either 'BASE64' (default) or 'NUMERIC'",
                ),
        )
        .define(
            ConfigKey::new(REPLACE_NULL, ConfigType::Boolean)
                .default("true")
                .group("Serialization", 1, Width::Medium, "Replace null with default")
                .importance(Importance::Low)
                .doc(
                    "Whether to replace fields that have a default value and that are null to the default \
                     value. When set to true, the default value is used, otherwise null is used.",
                ),
        )
}

/// A schema that was written before, found by the identity of the shared object.
struct WrittenSchema {
    /// Kept so that no other schema can take its address.
    schema: Arc<Schema>,
    /// What stands before each value: `{"schema":{...},"payload":`.
    prefix: Arc<[u8]>,
}

#[derive(Default)]
struct Caches {
    /// The schema used last, which is nearly always the one used next.
    last_written: Option<(Arc<Schema>, Arc<[u8]>)>,
    written: HashMap<usize, WrittenSchema>,
    /// What the last envelope had before its payload, `{"schema":{...},"payload":` mostly, and the schema in
    /// it. As long as messages begin with these bytes, nothing of that is read again.
    last_beginning: Option<(Bytes, Option<Arc<Schema>>)>,
    read: IndexMap<Bytes, Option<Arc<Schema>>>,
}

/// Both directions of the conversion; usable once `configure` has read the settings.
pub struct JsonConverter {
    schemas_enabled: bool,
    cache_size: usize,
    fixed_schema: Option<Arc<Schema>>,
    decimal_format: DecimalFormat,
    replace_null_with_default: bool,
    caches: Mutex<Caches>,
}

impl Default for JsonConverter {
    fn default() -> Self {
        Self {
            schemas_enabled: true,
            cache_size: 1000,
            fixed_schema: None,
            decimal_format: DecimalFormat::Base64,
            replace_null_with_default: true,
            caches: Mutex::default(),
        }
    }
}

impl JsonConverter {
    /// A converter without envelope, as offsets and configurations use it.
    #[must_use]
    pub fn without_schemas() -> Self {
        Self {
            schemas_enabled: false,
            ..Self::default()
        }
    }

    fn envelope_prefix(&self, schema: &Arc<Schema>) -> Result<Arc<[u8]>> {
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((last, prefix)) = &caches.last_written
            && Arc::ptr_eq(last, schema)
        {
            return Ok(Arc::clone(prefix));
        }
        let address = Arc::as_ptr(schema).addr();
        let prefix = match caches.written.get(&address) {
            Some(known) if Arc::ptr_eq(&known.schema, schema) => Arc::clone(&known.prefix),
            _ => {
                let mut text = b"{\"schema\":".to_vec();
                schema_json::write_schema(&mut text, schema, self.encoder())?;
                text.extend_from_slice(b",\"payload\":");
                let prefix: Arc<[u8]> = text.into();
                if caches.written.len() >= self.cache_size {
                    caches.written.clear();
                }
                if self.cache_size > 0 {
                    caches.written.insert(
                        address,
                        WrittenSchema {
                            schema: Arc::clone(schema),
                            prefix: Arc::clone(&prefix),
                        },
                    );
                }
                prefix
            }
        };
        caches.last_written = Some((Arc::clone(schema), Arc::clone(&prefix)));
        Ok(prefix)
    }

    fn encoder(&self) -> Encoder {
        Encoder {
            decimal_format: self.decimal_format,
            replace_null_with_default: self.replace_null_with_default,
            dialect: Dialect::Connect,
        }
    }

    /// The length of what a message has before its payload, and its schema, if it begins as the last one.
    fn known_beginning(&self, data: &Bytes) -> Option<(usize, Option<Arc<Schema>>)> {
        let caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        let (beginning, schema) = caches.last_beginning.as_ref()?;
        data.starts_with(beginning)
            .then(|| (beginning.len(), schema.clone()))
    }

    fn read_schema(&self, text: &Bytes) -> Result<Option<Arc<Schema>>> {
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = caches.read.get(text) {
            return Ok(known.clone());
        }
        let json: serde_json::Value = serde_json::from_slice(text)
            .map_err(|error| serialization_error(&format!("schema is not valid JSON: {error}")))?;
        let schema = schema_json::read_schema(&json, self.replace_null_with_default)?;
        if caches.read.len() >= self.cache_size {
            caches.read.clear();
        }
        if self.cache_size > 0 {
            // A copy, so that the cache does not hold on to the whole batch of messages.
            caches
                .read
                .insert(Bytes::copy_from_slice(text), schema.clone());
        }
        Ok(schema)
    }
}

fn serialization_error(cause: &str) -> ConnectError {
    ConnectError::data(
        "Converting byte[] to Kafka Connect data failed due to serialization error: ",
    )
    .caused_by(ConnectError::serialization(cause))
}

impl Converter for JsonConverter {
    fn configure(&mut self, props: &Props, _kind: ConverterType) -> Result<()> {
        let mut props = props.clone();
        props
            .entry("converter.type".to_owned())
            .or_insert_with(|| "value".to_owned());
        let config = config_def().parse(&props)?;
        self.schemas_enabled = config.boolean(SCHEMAS_ENABLE);
        self.cache_size = usize::try_from(config.int(SCHEMAS_CACHE_SIZE)).unwrap_or(0);
        self.decimal_format = if config
            .string(DECIMAL_FORMAT)
            .eq_ignore_ascii_case("NUMERIC")
        {
            DecimalFormat::Numeric
        } else {
            DecimalFormat::Base64
        };
        self.replace_null_with_default = config.boolean(REPLACE_NULL);
        self.fixed_schema = match config.optional_string(SCHEMA_CONTENT) {
            Some(text) if !text.is_empty() => {
                let invalid =
                    || ConnectError::data(format!("Failed to parse schema in {SCHEMA_CONTENT}"));
                let json: serde_json::Value = serde_json::from_str(text).map_err(|error| {
                    invalid().caused_by(ConnectError::serialization(error.to_string()))
                })?;
                schema_json::read_schema(&json, self.replace_null_with_default)
                    .map_err(|error| invalid().caused_by(error))?
            }
            _ => None,
        };
        Ok(())
    }

    fn from_connect_data<'a>(
        &self,
        _topic: &str,
        schema: Option<&Arc<Schema>>,
        value: &'a Value,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>> {
        let start = buffer.len();
        if schema.is_none() && value.is_null() {
            return Ok(None);
        }
        let encoder = self.encoder();
        if self.schemas_enabled {
            match schema {
                Some(schema) => {
                    let prefix = self.envelope_prefix(schema)?;
                    buffer.extend_from_slice(&prefix);
                }
                None => buffer.extend_from_slice(b"{\"schema\":null,\"payload\":"),
            }
        }
        if let Err(error) = encoder.write_value(buffer, schema, value) {
            buffer.truncate(start);
            return Err(error);
        }
        if self.schemas_enabled {
            buffer.push(b'}');
        }
        Ok(buffer.get(start..))
    }

    fn to_connect_data(&self, _topic: &str, data: Option<&Bytes>) -> Result<SchemaAndValue> {
        let Some(data) = data else {
            return Ok(SchemaAndValue::NULL);
        };
        let mut decoder = decode::Decoder::new(data, self.replace_null_with_default);
        if !self.schemas_enabled {
            if decoder.is_blank() {
                return Ok(SchemaAndValue::NULL);
            }
            return Ok(SchemaAndValue::new(None, decoder.read_schemaless()?));
        }
        if let Some(schema) = &self.fixed_schema {
            let value = decoder.read_all(schema)?;
            return Ok(SchemaAndValue::new(Some(Arc::clone(schema)), value));
        }
        if let Some((position, schema)) = self.known_beginning(data)
            && let Some(value) = decoder.read_payload_from(position, schema.as_ref())
        {
            return Ok(SchemaAndValue::new(schema, value));
        }
        let mut decoder = decode::Decoder::new(data, self.replace_null_with_default);
        let envelope = decoder.read_envelope()?;
        let schema = self.read_schema(&data.slice(envelope.schema))?;
        if envelope.schema_leads {
            let beginning = data.get(..envelope.payload.start).unwrap_or_default();
            let beginning = Bytes::copy_from_slice(beginning);
            let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
            caches.last_beginning = Some((beginning, schema.clone()));
        }
        let payload = data.slice(envelope.payload);
        let mut decoder = decode::Decoder::new(&payload, self.replace_null_with_default);
        let value = match &schema {
            Some(schema) => decoder.read_value(schema)?,
            None => decoder.read_schemaless()?,
        };
        Ok(SchemaAndValue::new(schema, value))
    }
}

crate::converter_support::header_converter_by_converter!(JsonConverter);

#[cfg(test)]
mod tests;
