//! Converters, header converters, transformations and predicates under Kafka's class names.
//!
//! [`converters`], [`header_converters`], [`transforms::transformations`] and [`predicates::predicates`] list
//! them all; the worker's list of plugins takes them from there.

pub mod avro;
pub mod byte_array;
pub mod config_providers;
pub mod json;
pub mod json_schema;
pub mod number;
pub mod predicates;
pub mod protobuf;
pub mod schema_registry;
pub mod simple_header;
pub mod string;
pub mod transforms;

#[cfg(test)]
mod generated;
#[cfg(test)]
mod round_trips;

use sluice_api::plugin::{ConverterPlugin, HeaderConverterPlugin};

/// Version of Confluent's converters that those under their names follow, and report as theirs.
pub const CONFLUENT_VERSION: &str = "8.1.0";

/// All converters of keys and values.
#[must_use]
pub fn converters() -> Vec<ConverterPlugin> {
    let mut all = vec![
        json::plugin(),
        string::plugin(),
        byte_array::plugin(),
        avro::plugin(),
        json_schema::plugin(),
        protobuf::plugin(),
    ];
    all.extend(number::plugins());
    all
}

/// All converters of headers.
#[must_use]
pub fn header_converters() -> Vec<HeaderConverterPlugin> {
    let mut all = vec![
        simple_header::plugin(),
        json::header_plugin(),
        string::header_plugin(),
        byte_array::header_plugin(),
    ];
    all.extend(number::header_plugins());
    all
}

/// Makes a converter of keys and values serve headers too, as the converters of Kafka do.
macro_rules! header_converter_by_converter {
    ($name:ty) => {
        impl sluice_api::HeaderConverter for $name {
            fn configure(&mut self, props: &sluice_api::Props) -> sluice_api::Result<()> {
                sluice_api::Converter::configure(self, props, sluice_api::ConverterType::Header)
            }

            fn from_connect_header<'a>(
                &self,
                topic: &str,
                _header_key: &str,
                schema: Option<&std::sync::Arc<sluice_api::Schema>>,
                value: &'a sluice_api::Value,
                buffer: &'a mut Vec<u8>,
            ) -> sluice_api::Result<Option<&'a [u8]>> {
                sluice_api::Converter::from_connect_data(self, topic, schema, value, buffer)
            }

            fn to_connect_header(
                &self,
                topic: &str,
                _header_key: &str,
                data: Option<&bytes::Bytes>,
            ) -> sluice_api::Result<sluice_api::SchemaAndValue> {
                sluice_api::Converter::to_connect_data(self, topic, data)
            }
        }
    };
}
pub(crate) use header_converter_by_converter;

/// The key `converter.type` that every converter of Kafka defines.
pub(crate) fn converter_type_key() -> sluice_api::ConfigKey {
    use sluice_api::config::{ConfigType, Importance, validators};
    sluice_api::ConfigKey::new("converter.type", ConfigType::String)
        .validator(validators::one_of(&["key", "value", "header"]))
        .importance(Importance::Low)
        .doc("How this converter will be used.")
}
