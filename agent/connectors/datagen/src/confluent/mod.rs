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

use sluice_api::plugin::{Definition, SourceConnectorPlugin, connectors, source_tasks};

/// `DatagenConnector`.
#[must_use]
pub fn source() -> SourceConnectorPlugin {
    SourceConnectorPlugin {
        class: "io.confluent.kafka.connect.datagen.DatagenConnector".into(),
        task_class: "io.confluent.kafka.connect.datagen.DatagenTask".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        config_def: Definition::at_hand(config::config_def),
        new_connector: connectors(connector::DatagenConnector::default),
        start_task: source_tasks(task::DatagenTask::start),
    }
}

#[cfg(test)]
mod tests;
