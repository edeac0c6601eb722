//! What crosses a process border in a Sluice (Kafka Connect) cluster.
//!
//! This crate turns bytes and JSON into types and back, and does nothing else: no sockets, no files, no
//! clock.
//!
//! * [`ids`]: names and numbers with a meaning (connector, task, worker, generation, offset, time).
//! * [`state`]: the states of connectors and tasks, and the target states asked for.
//! * [`rest`]: bodies of the REST API and its errors.
//! * [`telemetry`]: records of the telemetry topic.
//! * [`config_topic`], [`status_topic`], [`offset_topic`]: records of Connect's three internal topics.
//! * [`group`]: member metadata and assignments of the group protocol `connect`.
//! * [`visible`]: text from outside, with what cannot be seen in it shown.
//! * [`jvm_json`]: JSON text as the JVM writes it, for keys and values of those topics.
//! * [`partitioner`]: the key partitioner of the Java producer, which the internal topics rely on.
//!
//! Invariant: what a JVM worker wrote is read here, and what is written here is what a JVM worker would have
//! written, byte for byte where bytes are compared (topic keys, group protocol).

pub mod config_map;
pub mod config_topic;
pub mod finding;
pub mod group;
pub mod ids;
pub mod jvm_json;
pub mod offset_topic;
pub mod partitioner;
mod record_error;
pub mod rest;
pub mod state;
pub mod status_topic;
pub mod telemetry;
pub mod visible;

pub use config_map::ConfigMap;
pub use finding::{Finding, Level};
pub use ids::{
    ConnectorName, ConnectorTaskId, Generation, MemberId, Millis, Offset, TopicName, WorkerId,
};
pub use record_error::RecordError;
pub use state::{ConnectorType, State, TargetState};

/// A JSON object whose fields keep the order in which they were written.
///
/// Offset keys are compared by their bytes, so the order of fields must survive reading and writing.
pub type JsonObject = indexmap::IndexMap<String, serde_json::Value>;
