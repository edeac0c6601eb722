//! The worker: group membership, herder, task loops, storage, REST and telemetry of a Kafka Connect node.

pub mod check;
pub mod client_overrides;
pub mod config_transformer;
pub mod connector_config;
mod connector_file;
pub mod connector_reach;
pub mod embedded;
pub mod group;
pub mod herder;
pub mod logging;
pub mod named_classes;
pub mod plugin_version;
pub mod plugins;
pub mod process;
pub mod rest;
pub mod run;
pub mod session;
pub mod storage;
pub mod telemetry;
pub mod validation;
pub mod worker;
pub mod worker_config;

pub use sluice_api::causes;
pub use sluice_kafka::client_config as kafka_client;
