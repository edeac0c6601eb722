//! Everything that can happen to the model, as data.

use std::collections::BTreeMap;

use sluice_protocol::rest::{ConfigInfos, ConnectorStateInfo, ExpandedConnectors};
use sluice_protocol::{ConfigMap, ConnectorName, State, TargetState};

use crate::keys::Key;
use crate::model::cluster::{Link, Rebalance, WorkerHealth, WorkerKind};
use crate::model::dialog::EditSession;
use crate::model::event::NewEvent;
use crate::model::secrets::PasswordKeys;
use crate::text::Text;
use crate::units::Millis;

/// A message to `update`.
#[derive(Debug)]
pub(crate) enum Message {
    /// The time; sent before every other message.
    Now(Millis),
    /// A key was pressed.
    Key(Key),
    /// Text was pasted.
    Paste(String),
    /// The screen has this size now.
    Resize(u16, u16),
    /// News of the cluster, from the connection with this number.
    Data(u64, Box<Update>),
    /// News of an action.
    Action(u64, ActionNews),
    /// A configuration was fetched to be edited.
    ConfigLoaded(ConnectorName, Result<(ConfigMap, PasswordKeys), Text>),
    /// The PASSWORD keys of the open connector were fetched.
    PasswordsLoaded(ConnectorName, PasswordKeys),
    /// Offsets of a connector were fetched: partition and offset as JSON text.
    OffsetsLoaded(ConnectorName, Result<Vec<(Text, Text)>, Text>),
    /// The editor was closed.
    EditorClosed(Box<EditSession>, Result<String, Text>),
    /// A copy of an edited text was kept at this place, or could not be.
    DraftKept(Option<ConnectorName>, Result<Text, Text>),
    /// A configuration was validated.
    Validated(Box<EditSession>, Result<Box<ConfigInfos>, Text>),
    /// So many agents of the demo run.
    AgentsRun(usize),
    /// Copying worked or not.
    Copied(Result<usize, Text>),
}

/// News of an action.
#[derive(Debug)]
pub(crate) enum ActionNews {
    /// The server can't right now; tried again then.
    Waiting {
        /// Why.
        reason: Text,
        /// When.
        retry_at: Millis,
    },
    /// The server said yes; for a restart by plan, with the states it then told.
    Accepted(Option<Box<ConnectorStateInfo>>),
    /// The server said no, or can't be reached.
    Failed(Text),
}

/// News of the cluster from a data source.
#[derive(Debug)]
pub(crate) enum Update {
    /// State of the REST connection.
    Rest(Link),
    /// The list was asked for at this time, and there is no answer yet though some seconds passed.
    Waiting(Millis),
    /// State of the connection to the brokers.
    Brokers(Link),
    /// Who answers.
    Server {
        /// URL.
        url: Text,
        /// Version.
        version: Text,
        /// Kafka cluster id.
        kafka_cluster_id: Option<Text>,
    },
    /// The whole list of connectors, asked for at `asked`.
    Listed {
        /// When it was asked for.
        asked: Millis,
        /// The answer.
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
        /// `host:port`.
        worker: Text,
        /// The answer.
        health: WorkerHealth,
        /// Version it told.
        version: Option<Text>,
        /// Kind, where it shows.
        kind: Option<WorkerKind>,
    },
    /// A worker described itself.
    Worker(WorkerReport),
    /// The group as the coordinator describes it.
    Group(GroupReport),
    /// Lag of sinks.
    Lag {
        /// When it was taken.
        at: Millis,
        /// All partitions of the connectors looked at.
        partitions: Vec<LagReport>,
    },
    /// When offsets of sources last moved, by the offset topic.
    SourcesMoved(BTreeMap<ConnectorName, Millis>),
    /// Figures of a task.
    Task(Box<TaskReport>),
    /// A rebalance reported by an agent.
    Rebalance(Rebalance),
    /// An event reported by an agent.
    Event(NewEvent),
    /// Notes on what was found in the brokers.
    Notes(Vec<Text>),
    /// What was chosen without proof that it is this cluster's; `None` when nothing was.
    Guessed(Option<Text>),
}

/// One change of state.
#[derive(Clone, Debug)]
pub(crate) struct StatusChange {
    /// Connector.
    pub(crate) connector: ConnectorName,
    /// Task; `None` for the connector instance.
    pub(crate) task: Option<u32>,
    /// The state; `None` when it was deleted.
    pub(crate) state: Option<State>,
    /// Worker.
    pub(crate) worker: Text,
    /// Trace as written.
    pub(crate) trace: Option<String>,
    /// Generation.
    pub(crate) generation: i32,
    /// Plugin version.
    pub(crate) version: Option<Text>,
    /// Time of the record.
    pub(crate) at: Millis,
    /// Read while loading the topic, so not news.
    pub(crate) old: bool,
}

/// What a worker says of itself.
#[derive(Clone, Debug)]
pub(crate) struct WorkerReport {
    /// `host:port`.
    pub(crate) worker: Text,
    /// When.
    pub(crate) at: Millis,
    /// Kind.
    pub(crate) kind: WorkerKind,
    /// Version.
    pub(crate) version: Text,
    /// Cores busy.
    pub(crate) cpu: f64,
    /// Resident bytes.
    pub(crate) memory: u64,
    /// Time since start.
    pub(crate) uptime: Millis,
    /// Leads the group.
    pub(crate) leader: Option<bool>,
    /// Generation.
    pub(crate) generation: Option<i32>,
    /// Delay pending.
    pub(crate) delay: Option<i64>,
    /// It says goodbye.
    pub(crate) stopping: bool,
}

/// What the coordinator says of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupReport {
    /// When.
    pub(crate) at: Millis,
    /// Group id.
    pub(crate) id: Text,
    /// State.
    pub(crate) state: Text,
    /// Subprotocol.
    pub(crate) protocol: Text,
    /// Members: `host:port`, connectors and tasks assigned.
    pub(crate) members: Vec<GroupMember>,
    /// `host:port` of the leader.
    pub(crate) leader: Option<Text>,
    /// Delay.
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
    /// Kind, where the member tells it.
    pub(crate) kind: Option<WorkerKind>,
}

/// Lag of one partition.
#[derive(Clone, Debug)]
pub(crate) struct LagReport {
    /// Connector.
    pub(crate) connector: ConnectorName,
    /// Topic.
    pub(crate) topic: Text,
    /// Partition.
    pub(crate) partition: i32,
    /// End offset.
    pub(crate) end: Option<i64>,
    /// Committed offset.
    pub(crate) committed: Option<i64>,
    /// First offset there is, where nothing is committed and the sink begins there.
    pub(crate) start: Option<i64>,
    /// Task that owns it.
    pub(crate) task: Option<u32>,
}

/// Figures of one task.
#[derive(Clone, Debug)]
pub(crate) struct TaskReport {
    /// Connector.
    pub(crate) connector: ConnectorName,
    /// Task.
    pub(crate) task: u32,
    /// Figures.
    pub(crate) figures: crate::model::cluster::TaskFigures,
    /// Lag over all partitions.
    pub(crate) lag: Option<i64>,
    /// Partitions of a sink.
    pub(crate) partitions: Vec<LagReport>,
    /// State, with its time.
    pub(crate) state: State,
    /// When the state changed.
    pub(crate) since: Option<Millis>,
    /// Worker.
    pub(crate) worker: Text,
    /// The worker gave it up.
    pub(crate) removed: bool,
}
