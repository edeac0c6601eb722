//! Kafka clients, for the worker, for connectors that read from Kafka themselves, and for the terminal.
//!
//! * [`wire`]: Kafka's protocol over tokio, for what librdkafka's Rust binding lacks: connections, TLS, SASL,
//!   coordinators, and the settings for all of it.
//! * [`admin`]: calls about topics, groups, offsets and producers, over connections that are kept.
//! * [`client`]: the keys of Java's clients to librdkafka's, and what they may be.
//! * [`consumer`]: batches from librdkafka's queue; [`producer`]: producers without a thread, and records to
//!   a topic without looking it up.
//! * [`backoff`]: the pauses between attempts; [`types`]: what all of them name.
//!
//! It knows nothing of connectors, tasks or the worker.

pub mod admin;
pub mod backoff;
pub mod client;
pub mod consumer;
pub mod producer;
pub mod types;
pub mod wire;
