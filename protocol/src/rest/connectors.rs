//! Connectors and their tasks: create, info, listing, topics.

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize};

use super::status::ConnectorStateInfo;
use crate::{ConfigMap, ConnectorName, ConnectorTaskId, ConnectorType, TargetState};

/// Answer of create, update and `GET /connectors/{name}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectorInfo {
    /// Name of the connector.
    pub name: ConnectorName,
    /// Its config as stored, variables unresolved.
    pub config: ConfigMap,
    /// Its tasks; empty right after creation.
    #[serde(default)]
    pub tasks: Vec<ConnectorTaskId>,
    /// Source, sink, or unknown when the class can't be loaded.
    #[serde(rename = "type", default)]
    pub connector_type: ConnectorType,
}

/// One task in the answer of `GET /connectors/{name}/tasks`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskInfo {
    /// Connector and number of the task.
    pub id: ConnectorTaskId,
    /// The task's config as stored, variables unresolved.
    pub config: ConfigMap,
}

/// Body of `POST /connectors`. A field not listed here is an error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateConnectorRequest {
    /// Name wished for; surrounding blanks are cut by the worker, absent counts as empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The connector's config; its own `name` may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ConfigMap>,
    /// State to begin in (KIP-980); absent writes no target state record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_state: Option<InitialState>,
}

/// The state a connector is created in. Read in any case, written in upper case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum InitialState {
    /// Begins to work at once.
    Running,
    /// Has tasks later, and does nothing until it is resumed.
    Paused,
    /// Has a configuration and no tasks until it is resumed.
    Stopped,
}

impl InitialState {
    /// The target state record to write for it.
    pub const fn target_state(self) -> TargetState {
        match self {
            Self::Running => TargetState::Started,
            Self::Paused => TargetState::Paused,
            Self::Stopped => TargetState::Stopped,
        }
    }
}

impl<'de> Deserialize<'de> for InitialState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.to_lowercase().as_str() {
            "running" => Ok(Self::Running),
            "paused" => Ok(Self::Paused),
            "stopped" => Ok(Self::Stopped),
            _ => Err(serde::de::Error::custom(format!(
                "initial_state {text:?} is none of running, paused, stopped"
            ))),
        }
    }
}

/// One entry of `GET /connectors?expand=...`; what was not asked for is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExpandedConnector {
    /// States of connector and tasks, with `expand=status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ConnectorStateInfo>,
    /// Configuration and ids of tasks, with `expand=info`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<ConnectorInfo>,
}

/// Answer of `GET /connectors?expand=...`.
pub type ExpandedConnectors = IndexMap<ConnectorName, ExpandedConnector>;

/// The topics one connector used since its creation or the last reset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicList {
    /// Names of the topics, in no sequence.
    pub topics: Vec<String>,
}

/// Answer of `GET /connectors/{name}/topics`: a map with that one connector.
pub type ActiveTopics = IndexMap<ConnectorName, TopicList>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connector_info_has_the_shape_of_the_jvm() {
        let json = r#"{"name":"c","config":{"tasks.max":"1"},"tasks":[{"connector":"c","task":0}],"type":"source"}"#;
        let info: ConnectorInfo = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&info).unwrap(), json);
    }

    #[test]
    fn initial_state_is_read_in_any_case_and_may_be_null() {
        let read = |text: &str| serde_json::from_str::<CreateConnectorRequest>(text);
        assert_eq!(
            read(r#"{"name":"c","config":{},"initial_state":"StoPPed"}"#)
                .unwrap()
                .initial_state,
            Some(InitialState::Stopped)
        );
        assert_eq!(
            read(r#"{"name":"c","config":{},"initial_state":null}"#)
                .unwrap()
                .initial_state,
            None
        );
        assert!(read(r#"{"initial_state":"asleep"}"#).is_err());
        assert!(read(r#"{"nmae":"c"}"#).is_err());
    }
}
