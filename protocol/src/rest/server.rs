//! Server info, health and loggers.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Answer of `GET /`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerInfo {
    /// Version of the worker; JVM workers give Kafka's.
    pub version: String,
    /// Commit the worker was built from.
    pub commit: String,
    /// Id of the Kafka cluster behind the worker; null when the broker gave none.
    #[serde(default)]
    pub kafka_cluster_id: Option<String>,
}

/// Answer of `GET /health` (KIP-1017).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The verdict; the HTTP status follows from it.
    pub status: HealthStatus,
    /// A sentence for people, with the worker's current stage when it is not healthy.
    pub message: String,
}

impl Health {
    /// What stands before the warnings of a worker that is healthy all the same.
    const WARNING: &str = " Warning: ";

    /// Adds a warning to the message: KIP-1017 has no other place for one.
    pub fn warn(&mut self, warning: &str) {
        self.message.push_str(Self::WARNING);
        self.message.push_str(warning);
    }

    /// The warning in the message, for example `this agent cannot run "orders" (connector.class=a.B).`
    pub fn warning(&self) -> Option<&str> {
        self.message
            .split_once(Self::WARNING)
            .map(|(_, warning)| warning)
    }
}

/// The verdict of `GET /health`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// 200: started and answering.
    Healthy,
    /// The worker is still starting; the answer is 503.
    Starting,
    /// 500: started, but the herder does not answer.
    Unhealthy,
}

impl HealthStatus {
    /// The HTTP status that goes with the verdict.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Healthy => 200,
            Self::Starting => 503,
            Self::Unhealthy => 500,
        }
    }
}

/// One logger in `GET /admin/loggers` and `GET /admin/loggers/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggerLevel {
    /// The level in upper case, for example `INFO`.
    pub level: String,
    /// When it was last set through REST, in milliseconds since 1970; null if never.
    #[serde(default)]
    pub last_modified: Option<i64>,
}

/// Answer of `GET /admin/loggers`: logger name to level, sorted by name.
pub type LoggerLevels = IndexMap<String, LoggerLevel>;

/// Body of `PUT /admin/loggers/{name}`: a flat map of which only `level` is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetLoggerRequest {
    /// The level wished for; absent is a fault of the request (400).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
}
