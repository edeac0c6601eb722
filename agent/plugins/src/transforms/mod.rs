//! Kafka's transformations of single records, under their class names.
//!
//! Those that change keys or values exist twice, as `Name$Key` and `Name$Value`. With schemas, each builds
//! what it needs to know of a schema once and keeps it (`SchemaCache`); values move from the old record to
//! the new one, and a struct that nobody else holds is changed in place.
//!
//! Differences to the JVM, each on purpose:
//! * Maps without schema keep the order of their entries; the JVM's have the order of a hash.
//! * The text of a broken regular expression's fault is ours, since it is that of the regex engine.

mod cast;
mod confluent;
mod debezium;
mod drop_headers;
mod extract_field;
mod field_path;
mod filter;
mod flatten;
mod header_from;
mod hoist_field;
mod insert_field;
mod insert_header;
mod jcustenborder;
mod keys;
mod mask_field;
mod regex_router;
mod replace_field;
mod requirements;
mod schema_cache;
mod set_schema_metadata;
mod side;
mod struct_values;
mod timestamp_converter;
mod timestamp_router;
mod value_to_key;

use sluice_api::plugin::TransformationPlugin;

pub(crate) use self::keys::regex as regex_validator;

/// All transformations.
#[must_use]
pub fn transformations() -> Vec<TransformationPlugin> {
    vec![
        cast::KEY,
        cast::VALUE,
        confluent::drop::KEY,
        confluent::drop::VALUE,
        confluent::extract_topic::HEADER,
        confluent::extract_topic::KEY,
        confluent::extract_topic::VALUE,
        confluent::filter::KEY,
        confluent::filter::VALUE,
        confluent::message_timestamp_router::PLUGIN,
        confluent::tombstone_handler::PLUGIN,
        debezium::extract_new_record_state::PLUGIN,
        debezium::extract_new_record_state::OLD_NAME,
        drop_headers::PLUGIN,
        extract_field::KEY,
        extract_field::VALUE,
        filter::PLUGIN,
        flatten::KEY,
        flatten::VALUE,
        header_from::KEY,
        header_from::VALUE,
        hoist_field::KEY,
        hoist_field::VALUE,
        insert_field::KEY,
        insert_field::VALUE,
        insert_header::PLUGIN,
        jcustenborder::change_topic_case::PLUGIN,
        jcustenborder::from_json::KEY,
        jcustenborder::from_json::VALUE,
        mask_field::KEY,
        mask_field::VALUE,
        regex_router::PLUGIN,
        replace_field::KEY,
        replace_field::VALUE,
        set_schema_metadata::KEY,
        set_schema_metadata::VALUE,
        timestamp_converter::KEY,
        timestamp_converter::VALUE,
        timestamp_router::PLUGIN,
        value_to_key::PLUGIN,
    ]
}

/// Defines the descriptors `KEY` and `VALUE` of a transformation made by `NAME::of(side)`.
macro_rules! key_and_value {
    ($name:ident) => {
        /// Descriptor of the transformation of keys.
        pub(super) const KEY: sluice_api::plugin::TransformationPlugin =
            sluice_api::plugin::TransformationPlugin {
                class: concat!(
                    "org.apache.kafka.connect.transforms.",
                    stringify!($name),
                    "$Key"
                ),
                version: sluice_api::plugin::KAFKA_VERSION,
                config_def,
                new: || Box::new($name::of(crate::transforms::side::Side::Key)),
            };

        /// Descriptor of the transformation of values.
        pub(super) const VALUE: sluice_api::plugin::TransformationPlugin =
            sluice_api::plugin::TransformationPlugin {
                class: concat!(
                    "org.apache.kafka.connect.transforms.",
                    stringify!($name),
                    "$Value"
                ),
                version: sluice_api::plugin::KAFKA_VERSION,
                config_def,
                new: || Box::new($name::of(crate::transforms::side::Side::Value)),
            };
    };
}
use key_and_value;

/// Defines the descriptor `PLUGIN` of a transformation of whole records.
macro_rules! whole_record {
    ($name:ident) => {
        /// Descriptor.
        pub(super) const PLUGIN: sluice_api::plugin::TransformationPlugin =
            sluice_api::plugin::TransformationPlugin {
                class: concat!("org.apache.kafka.connect.transforms.", stringify!($name)),
                version: sluice_api::plugin::KAFKA_VERSION,
                config_def,
                new: || Box::new($name::default()),
            };
    };
}
use whole_record;
