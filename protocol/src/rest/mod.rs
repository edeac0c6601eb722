//! Bodies of Connect's REST API, requests and answers, with the field order of JVM Connect 4.3.
//!
//! The worker serves these types and the terminal reads them. Answers tolerate unknown fields, so that newer
//! workers can be watched; requests refuse them, as the JVM worker does.

mod connectors;
mod error;
mod offsets;
mod plugins;
mod server;
mod status;

pub use connectors::{
    ActiveTopics, ConnectorInfo, CreateConnectorRequest, ExpandedConnector, ExpandedConnectors,
    InitialState, TaskInfo, TopicList,
};
pub use error::ErrorMessage;
pub use offsets::{ConnectorOffset, ConnectorOffsets, Message};
pub use plugins::{
    ConfigInfo, ConfigInfos, ConfigKeyInfo, ConfigValueInfo, PluginInfo, PluginType,
};
pub use server::{Health, HealthStatus, LoggerLevel, LoggerLevels, ServerInfo, SetLoggerRequest};
pub use status::{ConnectorState, ConnectorStateInfo, TaskState, UNDEFINED_VERSION};

/// Body of the internal `POST /connectors/{name}/tasks`: the task configs, index = task number, variables
/// unresolved.
pub type TaskConfigsRequest = Vec<crate::ConfigMap>;
