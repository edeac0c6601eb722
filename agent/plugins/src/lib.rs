//! Converters, header converters, transformations and predicates under Kafka's class names.
//!
//! [`converters`], [`header_converters`], [`transforms::transformations`] and [`predicates::predicates`] list
//! them all; the worker's list of plugins takes them from there.

pub mod avro;
pub mod byte_array;
pub mod config_providers;
mod converter_support;
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
