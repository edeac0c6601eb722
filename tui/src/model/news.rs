//! What is heard of a cluster: the events that a [`Cluster`](super::cluster::Cluster) is built from,
//! whatever reports them.

use std::collections::BTreeMap;

use sluice_protocol::rest::ExpandedConnectors;
use sluice_protocol::{ConfigMap, ConnectorName, State, TargetState};

use super::cluster::{Link, PartitionLag, Rebalance, TaskFigures, WorkerHealth, WorkerKind};
use super::event::Event;
use crate::text::Text;
use crate::units::Millis;

/// News of the cluster from a data source.
#[derive(Debug)]
pub(crate) enum Update {
    Rest(Link),
    /// The list was asked for at this time, and there is no answer yet though some seconds passed.
    Waiting(Millis),
    /// State of the connection to the brokers.
    Brokers(Link),
    /// Which worker answers REST.
    Server {
        /// URL of the worker.
        url: Text,
        /// Version of the worker.
        version: Text,
        /// Id of the Kafka cluster behind it.
        kafka_cluster_id: Option<Text>,
    },
    /// The whole list of connectors, asked for at `asked`.
    Listed {
        /// When it was asked for.
        asked: Millis,
        /// The list as REST answers it.
        list: Box<ExpandedConnectors>,
    },
    /// The list was asked for and is the same as before.
    ListedSame {
        /// When it was asked for.
        asked: Millis,
    },
    /// The status topic is read to its end and followed from now on.
    Live(bool),
    /// One record of the status topic.
    Status(StatusChange),
    /// Many records of the status topic at once.
    StatusBatch(Vec<StatusChange>),
    /// All target states of the config topic, once it is read; a connector without one is meant to run.
    Targets(BTreeMap<ConnectorName, TargetState>),
    /// A target state from the config topic.
    Target(ConnectorName, Option<TargetState>),
    /// A configuration from the config topic; `None` deleted.
    Config(ConnectorName, Option<ConfigMap>),
    /// A worker answered (or not) to a health request.
    WorkerHealth {
        /// `host:port` of its REST URL.
        worker: Text,
        health: WorkerHealth,
        /// Version, where it reports one.
        version: Option<Text>,
        /// Kind, where it shows.
        kind: Option<WorkerKind>,
    },
    /// A worker described itself.
    Worker(WorkerReport),
    /// The group as the coordinator describes it.
    Group(GroupReport),
    /// Lag of sinks, read from the brokers.
    Lag {
        /// When it was taken.
        at: Millis,
        /// All partitions of the connectors looked at.
        partitions: Vec<PartitionLag>,
    },
    /// When offsets of sources last moved, by the offset topic.
    SourcesMoved(BTreeMap<ConnectorName, Millis>),
    /// Figures that a worker reports of a task.
    Task(Box<TaskReport>),
    /// A rebalance reported by an agent.
    Rebalance(Rebalance),
    /// An event reported by an agent.
    Event(Event),
    /// Notes on what was found in the brokers.
    Notes(Vec<Text>),
    /// What was chosen without proof that it is this cluster's; `None` when nothing was.
    Guessed(Option<Text>),
}

/// One change of state.
#[derive(Clone, Debug)]
pub(crate) struct StatusChange {
    pub(crate) connector: ConnectorName,
    /// Task; `None` for the connector instance.
    pub(crate) task: Option<u32>,
    /// The state; `None` when it was deleted.
    pub(crate) state: Option<State>,
    /// Worker that has it; empty for none.
    pub(crate) worker: Text,
    /// Trace as the worker wrote it.
    pub(crate) trace: Option<String>,
    /// Generation of the worker when it wrote the state; `None` for a state from REST, which has none.
    pub(crate) generation: Option<i32>,
    /// Plugin version, where the server reports it.
    pub(crate) version: Option<Text>,
    /// Time of the record.
    pub(crate) at: Millis,
    /// Whether it was read while the topic was loaded, so that it is no news.
    pub(crate) old: bool,
}

/// What a worker says of itself.
#[derive(Clone, Debug)]
pub(crate) struct WorkerReport {
    /// `host:port` of its REST URL.
    pub(crate) worker: Text,
    /// When it wrote the report.
    pub(crate) at: Millis,
    pub(crate) kind: WorkerKind,
    pub(crate) version: Text,
    /// Processor time per time, 1.0 = one core busy.
    pub(crate) cpu: f64,
    /// Resident memory in bytes.
    pub(crate) memory: u64,
    /// Time since the process started, in milliseconds.
    pub(crate) uptime: Millis,
    /// Whether it leads the group; `None` outside a group.
    pub(crate) leader: Option<bool>,
    /// Generation of its group.
    pub(crate) generation: Option<i32>,
    /// Delay of the rebalance that is pending, in milliseconds; 0 for none.
    pub(crate) delay: Option<i64>,
    /// Whether this is its last report.
    pub(crate) stopping: bool,
}

/// What the coordinator says of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupReport {
    /// When it was asked.
    pub(crate) at: Millis,
    /// Id of the group.
    pub(crate) id: Text,
    /// State: `Stable`, `PreparingRebalance`, ...
    pub(crate) state: Text,
    /// Subprotocol: `sessioned`, `compatible`, `default`.
    pub(crate) protocol: Text,
    /// Members: `host:port`, connectors and tasks assigned.
    pub(crate) members: Vec<GroupMember>,
    /// `host:port` of the leader.
    pub(crate) leader: Option<Text>,
    /// Delay of the last assignment, in milliseconds.
    pub(crate) delay: Option<i64>,
}

/// One member of the group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupMember {
    /// `host:port` of its REST URL.
    pub(crate) worker: Text,
    /// Connectors it got with the last rebalance (all it has, with the eager protocol).
    pub(crate) connectors: Vec<Text>,
    /// Tasks it got, as `name-n`.
    pub(crate) tasks: Vec<Text>,
    /// How many connectors and tasks it had to give up.
    pub(crate) revoked: usize,
    /// Kind, where the member reports it.
    pub(crate) kind: Option<WorkerKind>,
}

/// Figures of one task.
#[derive(Clone, Debug)]
pub(crate) struct TaskReport {
    pub(crate) connector: ConnectorName,
    pub(crate) task: u32,
    pub(crate) figures: TaskFigures,
    /// Lag over all partitions, in records.
    pub(crate) lag: Option<i64>,
    /// Partitions that a sink task reads.
    pub(crate) partitions: Vec<PartitionLag>,
    pub(crate) state: State,
    /// When the state changed.
    pub(crate) since: Option<Millis>,
    pub(crate) worker: Text,
    /// Whether the worker gave it up, so that no more reports follow.
    pub(crate) removed: bool,
}
