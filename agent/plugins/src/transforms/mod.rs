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

/// All transformations, under the names of Kafka's classes and of those that are common beside it.
#[must_use]
pub fn transformations() -> Vec<TransformationPlugin> {
    vec![
        cast::key_plugin(),
        cast::value_plugin(),
        confluent::drop::key_plugin(),
        confluent::drop::value_plugin(),
        confluent::extract_topic::header_plugin(),
        confluent::extract_topic::key_plugin(),
        confluent::extract_topic::value_plugin(),
        confluent::filter::key_plugin(),
        confluent::filter::value_plugin(),
        confluent::message_timestamp_router::plugin(),
        confluent::tombstone_handler::plugin(),
        debezium::extract_new_record_state::plugin(),
        debezium::extract_new_record_state::old_name_plugin(),
        drop_headers::plugin(),
        extract_field::key_plugin(),
        extract_field::value_plugin(),
        filter::plugin(),
        flatten::key_plugin(),
        flatten::value_plugin(),
        header_from::key_plugin(),
        header_from::value_plugin(),
        hoist_field::key_plugin(),
        hoist_field::value_plugin(),
        insert_field::key_plugin(),
        insert_field::value_plugin(),
        insert_header::plugin(),
        jcustenborder::change_topic_case::plugin(),
        jcustenborder::from_json::key_plugin(),
        jcustenborder::from_json::value_plugin(),
        mask_field::key_plugin(),
        mask_field::value_plugin(),
        regex_router::plugin(),
        replace_field::key_plugin(),
        replace_field::value_plugin(),
        set_schema_metadata::key_plugin(),
        set_schema_metadata::value_plugin(),
        timestamp_converter::key_plugin(),
        timestamp_converter::value_plugin(),
        timestamp_router::plugin(),
        value_to_key::plugin(),
    ]
}

/// Defines the functions `key_plugin` and `value_plugin` that give the descriptors of a transformation made
/// by `NAME::of(side)`.
macro_rules! key_and_value {
    ($name:ident) => {
        /// Descriptor of the transformation of keys.
        pub(super) fn key_plugin() -> sluice_api::plugin::TransformationPlugin {
            sluice_api::plugin::TransformationPlugin::of(
                concat!(
                    "org.apache.kafka.connect.transforms.",
                    stringify!($name),
                    "$Key"
                ),
                sluice_api::plugin::KAFKA_VERSION,
                config_def,
                || Box::new($name::of(crate::transforms::side::Side::Key)),
            )
        }

        /// Descriptor of the transformation of values.
        pub(super) fn value_plugin() -> sluice_api::plugin::TransformationPlugin {
            sluice_api::plugin::TransformationPlugin::of(
                concat!(
                    "org.apache.kafka.connect.transforms.",
                    stringify!($name),
                    "$Value"
                ),
                sluice_api::plugin::KAFKA_VERSION,
                config_def,
                || Box::new($name::of(crate::transforms::side::Side::Value)),
            )
        }
    };
}
use key_and_value;

/// Defines the function `plugin` that gives the descriptor of a transformation of whole records.
macro_rules! whole_record {
    ($name:ident) => {
        pub(super) fn plugin() -> sluice_api::plugin::TransformationPlugin {
            sluice_api::plugin::TransformationPlugin::of(
                concat!("org.apache.kafka.connect.transforms.", stringify!($name)),
                sluice_api::plugin::KAFKA_VERSION,
                config_def,
                || Box::new($name::default()),
            )
        }
    };
}
use whole_record;
