//! What the records of the config and status topics mean, without I/O and without a clock.
//!
//! * [`ConfigStateMachine`] is fed with the records of the config topic, and gives
//!   [`ClusterConfigState`], a picture that never changes, and a [`ConfigUpdate`] for each change.
//! * [`StatusCache`] is fed with those of the status topic.
//!
//! The stores feed them; the herder, the group's leader and REST read them.

mod cluster_config_state;
mod config_state_machine;
mod status_cache;

use std::sync::Arc;

use sluice_protocol::config_topic::{RestartRequest, SessionKey};
use sluice_protocol::{ConnectorName, ConnectorTaskId};

pub(crate) use cluster_config_state::ClusterConfigState;
pub(crate) use config_state_machine::ConfigStateMachine;
pub(crate) use status_cache::StatusCache;

/// Gives the current picture of the config topic. The group client needs no more of a config store than this.
pub trait ConfigSnapshotSource: Send + Sync {
    /// The picture as of the last record read.
    fn snapshot(&self) -> Arc<ClusterConfigState>;
}

/// Something in the config topic changed. Sent only for records read after `start` came to the end
/// of the topic.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigUpdate {
    /// A connector config was written, maybe the same as before.
    Connector(ConnectorName),
    /// A connector was deleted.
    ConnectorRemoved(ConnectorName),
    /// Task configs were committed.
    Tasks {
        connector: ConnectorName,
        /// Tasks whose configs were applied. Empty when the commit was incomplete or nothing was
        /// written before it.
        applied: Vec<ConnectorTaskId>,
    },
    /// The target state of an existing connector became another.
    TargetState(ConnectorName),
    /// A new session key.
    SessionKey(Arc<SessionKey>),
    /// A restart was requested.
    Restart(RestartRequest),
    /// A cluster-wide log level.
    LoggerLevel {
        namespace: String,
        /// Level as the caller wrote it.
        level: String,
    },
}
