//! The worker: group membership, herder, task loops, storage, REST and telemetry of a Kafka Connect node.

pub mod check;
mod client_overrides;
mod clock;
mod cluster;
mod config_transformer;
mod connector_file;
mod connector_reach;
pub mod embedded;
mod group;
mod herder;
pub mod logging;
mod named_classes;
mod plugin_version;
pub mod plugins;
pub mod process;
mod properties;
mod rest;
pub mod run;
mod session;
pub mod settings;
pub mod status;
pub mod storage;
mod stored_config;
pub mod telemetry;
pub mod validation;
pub mod worker;

// The terminal's binary prints errors of the agent with their causes, and knows none of the crates below it.
pub use sluice_api::causes::with_causes;
