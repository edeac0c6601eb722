//! Datagen: a source that makes plausible orders, clicks and sensor readings, with schemas, at a settable
//! rate.
//!
//! What the n-th record of a task holds follows from seed, task number and n alone, times aside; the offset
//! stored is n. So a task resumes where it stopped, and the same settings make the same data again.
//!
//! [`source_of_confluent`] is another connector, with the class name and keys of Confluent's Datagen: it
//! makes records of any Avro schema.

mod config;
mod confluent;
mod connector;
mod generators;
mod task;

use sluice_api::plugin::{Definition, SourceConnectorPlugin, connectors, source_tasks};

/// `DatagenSourceConnector`.
#[must_use]
pub fn source() -> SourceConnectorPlugin {
    SourceConnectorPlugin {
        class: "io.sluice.connect.datagen.DatagenSourceConnector".into(),
        task_class: "io.sluice.connect.datagen.DatagenSourceTask".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        config_def: Definition::at_hand(config::config_def),
        new_connector: connectors(connector::DatagenSourceConnector::default),
        start_task: source_tasks(task::DatagenSourceTask::start),
    }
}

pub use confluent::source as source_of_confluent;

#[cfg(test)]
mod tests;
