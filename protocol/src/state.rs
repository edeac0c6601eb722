//! States of connectors and tasks, target states, and the type of a connector.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a connector or task is doing, as in the status topic and in REST.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// Owned by no worker at the moment.
    Unassigned,
    /// Started and not ended since; the usual state.
    Running,
    /// Started and told to stand still.
    Paused,
    /// Ended by an error.
    Failed,
    /// Deleted. Never stored: the status topic gets a tombstone instead.
    Destroyed,
    /// About to be started again.
    Restarting,
    /// Stopped by the user; only connectors have this state.
    Stopped,
}

impl State {
    /// The name as Kafka spells it, for example `RUNNING`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unassigned => "UNASSIGNED",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Failed => "FAILED",
            Self::Destroyed => "DESTROYED",
            Self::Restarting => "RESTARTING",
            Self::Stopped => "STOPPED",
        }
    }

    /// Reads the name as Kafka spells it; `None` for any other text.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "UNASSIGNED" => Self::Unassigned,
            "RUNNING" => Self::Running,
            "PAUSED" => Self::Paused,
            "FAILED" => Self::Failed,
            "DESTROYED" => Self::Destroyed,
            "RESTARTING" => Self::Restarting,
            "STOPPED" => Self::Stopped,
            _ => return None,
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the user asked a connector to be.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum TargetState {
    /// Connector and tasks run. Holds for a connector without target state record.
    #[default]
    Started,
    /// Connector and tasks stand still but keep their resources.
    Paused,
    /// No tasks; the connector instance stays allocated.
    Stopped,
}

impl TargetState {
    /// The name as Kafka spells it, for example `STARTED`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Paused => "PAUSED",
            Self::Stopped => "STOPPED",
        }
    }

    /// Reads the name as Kafka spells it; `None` for any other text.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "STARTED" => Self::Started,
            "PAUSED" => Self::Paused,
            "STOPPED" => Self::Stopped,
            _ => return None,
        })
    }
}

impl fmt::Display for TargetState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether a connector brings records into Kafka or takes them out.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum ConnectorType {
    /// Its records go into Kafka.
    Source,
    /// Its records come out of Kafka.
    Sink,
    /// The class can't be loaded. Also read in place of a type this version does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl fmt::Display for ConnectorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Source => "source",
            Self::Sink => "sink",
            Self::Unknown => "unknown",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for state in [
            State::Unassigned,
            State::Running,
            State::Paused,
            State::Failed,
            State::Destroyed,
            State::Restarting,
            State::Stopped,
        ] {
            assert_eq!(State::parse(state.as_str()), Some(state));
            assert_eq!(
                serde_json::to_string(&state).unwrap(),
                format!("\"{state}\"")
            );
        }
        assert_eq!(State::parse("running"), None);
    }

    #[test]
    fn unknown_connector_type_is_read_as_unknown() {
        let read: ConnectorType = serde_json::from_str("\"sideways\"").unwrap();
        assert_eq!(read, ConnectorType::Unknown);
    }
}
