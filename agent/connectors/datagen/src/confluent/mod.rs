//! Confluent's Datagen under its class name: records by an Avro schema with the properties of
//! avro-random-generator.
//!
//! `config` reads the keys, `plan` the schema, `generator` makes records of it, `task` sends them.
//! `quickstarts` has the schemas that the key `quickstart` names.

mod config;
mod connector;
mod generator;
mod iteration;
mod java_random;
mod pattern;
mod plan;
mod quickstarts;
mod task;

use sluice_api::plugin::SourceConnectorPlugin;

/// `DatagenConnector`.
pub(crate) const SOURCE: SourceConnectorPlugin = SourceConnectorPlugin {
    class: "io.confluent.kafka.connect.datagen.DatagenConnector",
    task_class: "io.confluent.kafka.connect.datagen.DatagenTask",
    version: env!("CARGO_PKG_VERSION"),
    config_def: config::config_def,
    new_connector: || Box::<connector::DatagenConnector>::default(),
    new_task: || Box::<task::DatagenTask>::default(),
};

#[cfg(test)]
mod tests;
