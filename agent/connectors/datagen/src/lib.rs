//! Datagen: a source that makes plausible orders, clicks and sensor readings, with schemas, at a settable
//! rate.
//!
//! What the n-th record of a task holds follows from seed, task number and n alone, times aside; the offset
//! stored is n. So a task resumes where it stopped, and the same settings make the same data again.
//!
//! [`SOURCE_OF_CONFLUENT`] is another connector, with the class name and keys of Confluent's Datagen: it
//! makes records of any Avro schema.

mod config;
mod confluent;
mod connector;
mod generators;
mod task;

use sluice_api::plugin::SourceConnectorPlugin;

/// `DatagenSourceConnector`.
pub const SOURCE: SourceConnectorPlugin = SourceConnectorPlugin {
    class: "io.sluice.connect.datagen.DatagenSourceConnector",
    task_class: "io.sluice.connect.datagen.DatagenSourceTask",
    version: env!("CARGO_PKG_VERSION"),
    config_def: config::config_def,
    new_connector: || Box::<connector::DatagenSourceConnector>::default(),
    new_task: || Box::<task::DatagenSourceTask>::default(),
};

/// Confluent's `DatagenConnector`.
pub const SOURCE_OF_CONFLUENT: SourceConnectorPlugin = confluent::SOURCE;

#[cfg(test)]
mod tests;
