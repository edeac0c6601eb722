//! States of connectors and tasks as REST shows them.

use serde::{Deserialize, Serialize};

use crate::{ConnectorName, ConnectorType, State, WorkerId};

/// What the JVM worker calls the version of a plugin that reports none; such a version is left out of the
/// body.
pub const UNDEFINED_VERSION: &str = "undefined";

fn is_undefined(version: &Option<String>) -> bool {
    version.as_deref() == Some(UNDEFINED_VERSION)
}

fn is_empty(trace: &Option<String>) -> bool {
    trace.as_deref().is_none_or(str::is_empty)
}

/// Answer of `GET /connectors/{name}/status`, and of a restart by plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorStateInfo {
    /// Name of the connector.
    pub name: ConnectorName,
    /// State of the connector instance.
    pub connector: ConnectorState,
    /// States of its tasks, sorted by number; made from the status topic, so stale entries may show.
    #[serde(default)]
    pub tasks: Vec<TaskState>,
    /// Source, sink, or unknown when the class can't be loaded.
    #[serde(rename = "type", default)]
    pub connector_type: ConnectorType,
}

/// State of a connector instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorState {
    /// What it is doing.
    pub state: State,
    /// The worker that reported it.
    pub worker_id: WorkerId,
    /// Version of the plugin. `None` is JSON null (unknown); [`UNDEFINED_VERSION`] is left out of the body.
    #[serde(default, skip_serializing_if = "is_undefined")]
    pub version: Option<String>,
    /// Why it failed, many lines, root cause last; left out when empty. The JVM reads it under the name
    /// `msg`.
    #[serde(default, alias = "msg", skip_serializing_if = "is_empty")]
    pub trace: Option<String>,
}

/// State of a task; also the answer of `GET /connectors/{name}/tasks/{id}/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskState {
    /// Number of the task.
    pub id: u32,
    /// What it is doing.
    pub state: State,
    /// The worker that reported it.
    pub worker_id: WorkerId,
    /// Version of the plugin. `None` is JSON null (unknown); [`UNDEFINED_VERSION`] is left out of the body.
    #[serde(default, skip_serializing_if = "is_undefined")]
    pub version: Option<String>,
    /// Why it failed; left out when empty. The JVM reads it under the name `msg`.
    #[serde(default, alias = "msg", skip_serializing_if = "is_empty")]
    pub trace: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_info_has_the_shape_of_the_jvm() {
        let json = concat!(
            r#"{"name":"c","connector":{"state":"RUNNING","worker_id":"127.0.0.1:18083","version":"4.3.0"},"#,
            r#""tasks":[{"id":0,"state":"FAILED","worker_id":"127.0.0.1:18083","version":null,"trace":"x"}],"#,
            r#""type":"source"}"#
        );
        let info: ConnectorStateInfo = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&info).unwrap(), json);
    }

    #[test]
    fn undefined_version_and_empty_trace_are_left_out() {
        let state = ConnectorState {
            state: State::Paused,
            worker_id: "h:1".into(),
            version: Some(UNDEFINED_VERSION.to_owned()),
            trace: Some(String::new()),
        };
        assert_eq!(
            serde_json::to_string(&state).unwrap(),
            r#"{"state":"PAUSED","worker_id":"h:1"}"#
        );
    }

    #[test]
    fn answers_of_older_workers_without_version_are_read() {
        let task: TaskState =
            serde_json::from_str(r#"{"id":1,"state":"RUNNING","worker_id":"h:1","msg":"m"}"#)
                .unwrap();
        assert_eq!(task.version, None);
        assert_eq!(task.trace.as_deref(), Some("m"));
    }
}
