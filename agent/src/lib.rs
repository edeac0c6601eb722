//! The worker: group membership, herder, task loops, storage, REST and telemetry of a Kafka Connect node.

pub mod kafka_client;
pub mod connector_config;
pub mod herder;
pub mod rest;
pub mod worker_config;
