//! The worker: group membership, herder, task loops, storage, REST and telemetry of a Kafka Connect node.

pub mod worker_config;
