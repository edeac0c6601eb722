//! What the converters that come with Kafka have in common: each of them also serves headers, and defines
//! `converter.type`.

use sluice_api::ConfigKey;
use sluice_api::config::{ConfigType, Importance, validators};

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

/// The key `converter.type`, which says what a converter serves (`ConverterConfig.TYPE_CONFIG`).
pub(crate) fn converter_type_key() -> ConfigKey {
    ConfigKey::new("converter.type", ConfigType::String)
        .validator(validators::one_of(&["key", "value", "header"]))
        .importance(Importance::Low)
        .doc("How this converter will be used.")
}
