//! Kafka clients, for the worker and for connectors that read from Kafka themselves.
//!
//! * [`client_config`]: the keys of Java's clients to librdkafka's; [`client_keys`]: what they may be;
//!   [`bootstrap`], [`security`] and [`jaas`] take servers and security settings apart.
//! * [`consumer`]: batches from librdkafka's queue; [`polled_producer`]: producers without a thread;
//!   [`producer_topic`]: records to a topic without looking it up.
//! * [`connection`], [`discovery`], [`settings`]: Kafka's wire protocol over tokio, for what librdkafka's
//!   Rust binding lacks.
//! * [`admin`], [`topic_admin`]: groups and their offsets; topics, their configs and who may use them.
//!
//! It knows nothing of connectors, tasks or the worker.

pub mod admin;
pub mod bootstrap;
pub mod client_config;
pub mod client_keys;
mod client_log;
pub mod connection;
pub mod consumer;
pub mod discovery;
pub mod error_code;
pub mod jaas;
pub mod polled_producer;
pub mod producer_topic;
mod sasl;
pub mod security;
pub mod settings;
pub mod tls;
pub mod topic_admin;

/// A group's id as the protocol crate wants it.
#[must_use]
pub fn group_of(id: &str) -> kafka_protocol::messages::GroupId {
    kafka_protocol::messages::GroupId(kafka_protocol::protocol::StrBytes::from_string(
        id.to_owned(),
    ))
}
