//! Records of the telemetry topic: what workers say about themselves, once a second and at every event.
//!
//! Every record is one JSON object: the envelope ([`TelemetryRecord`]: `v`, `worker_id`, `at`, `full`) and
//! the body, distinguished by `kind`. The Kafka key is the worker id as UTF-8 text, so a worker's records stay
//! in order.
//!
//! Contract:
//! * A worker says what changed: a task or connector of which nothing changed since the last interval gets no
//!   record. The one exception inside a record are the lists of source offsets and sink positions, see
//!   [`TaskTelemetry`].
//! * At start and every 30 s a worker gives its full picture: one `worker` record and one record per
//!   connector and task, all with `full: true` and the same `at`. What it runs and is not in there is gone.
//! * Counters count from the start of the task (`started_at`) and start over with it.
//! * Readers ignore fields and kinds they do not know. `v` rises only when a field changes its meaning.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

pub use crate::group::Work;
use crate::{
    ConnectorName, ConnectorTaskId, ConnectorType, Generation, JsonObject, MemberId, Millis,
    Offset, State, TopicName, WorkerId,
};

/// Version of the format written here.
pub const TELEMETRY_VERSION: u32 = 1;

/// Suffix of the status topic's name that gives the default of `telemetry.storage.topic`.
pub const TOPIC_SUFFIX: &str = "-telemetry";

/// One record: who says it, when, and what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TelemetryRecord {
    /// Version of the format, [`TELEMETRY_VERSION`] when written here.
    pub v: u32,
    /// The worker speaking; also the key of the Kafka record.
    pub worker_id: WorkerId,
    /// When, by the worker's clock.
    pub at: Millis,
    /// Whether the record is part of a full picture.
    #[serde(default)]
    pub full: bool,
    /// What is reported, with fields of its own.
    #[serde(flatten)]
    pub body: TelemetryBody,
}

/// What a record says, distinguished by `kind`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TelemetryBody {
    /// The worker process and its place in the group.
    Worker(Box<WorkerTelemetry>),
    /// One connector instance the worker owns.
    Connector(ConnectorTelemetry),
    /// One task the worker runs.
    Task(Box<TaskTelemetry>),
    /// An event, reported when it happens.
    Event(EventTelemetry),
    /// A kind this version does not know.
    #[serde(other)]
    Unknown,
}

impl TelemetryRecord {
    /// A record of the current format version.
    pub fn new(worker_id: WorkerId, at: Millis, full: bool, body: TelemetryBody) -> Self {
        Self {
            v: TELEMETRY_VERSION,
            worker_id,
            at,
            full,
            body,
        }
    }

    /// The JSON bytes of the record.
    pub fn encode(&self) -> Result<Vec<u8>, TelemetryError> {
        serde_json::to_vec(self).map_err(TelemetryError)
    }

    /// Reads a record; unknown fields and kinds are fine, anything that is not such a record is an error.
    pub fn decode(bytes: &[u8]) -> Result<Self, TelemetryError> {
        serde_json::from_slice(bytes).map_err(TelemetryError)
    }
}

/// Not a telemetry record; the text says which field is wrong.
#[derive(Debug, thiserror::Error)]
#[error("telemetry record: {0}")]
pub struct TelemetryError(#[source] serde_json::Error);

/// The worker process and its place in the group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerTelemetry {
    /// Version of the agent.
    pub version: String,
    /// Process id on its host.
    pub pid: u32,
    /// Time since the process started, in ms.
    pub uptime_ms: u64,
    /// Processor time used since the last record, 1.0 = one core busy.
    pub cpu: f64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// Threads of the process.
    pub threads: u32,
    /// The worker's REST URL, with trailing slash.
    pub url: String,
    /// `group.id` of the Connect cluster; empty in standalone mode.
    pub group_id: String,
    /// Place in the group; `None` in standalone mode and before the first join.
    pub group: Option<GroupTelemetry>,
    /// Connector instances this worker runs.
    pub connectors: u32,
    /// Tasks this worker runs.
    pub tasks: u32,
    /// Tasks of those that are FAILED.
    pub failed_tasks: u32,
    /// Connector instances of those that are FAILED.
    pub failed_connectors: u32,
}

/// A worker's place in its group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupTelemetry {
    /// Member id of this worker.
    pub member_id: Option<MemberId>,
    /// Generation of the last assignment.
    pub generation: Generation,
    /// Member id of the leader.
    pub leader_id: Option<MemberId>,
    /// REST URL of the leader, with trailing slash.
    pub leader_url: Option<String>,
    /// Whether this worker leads.
    pub is_leader: bool,
    /// `sessioned`, `compatible` or `default`.
    pub protocol: String,
    /// Whether a join is under way.
    pub rebalancing: bool,
    /// Time until the delayed rebalance in ms; 0 when none is pending.
    pub delay_ms: u64,
    /// Config offset this worker has read up to (last record + 1), -1 before any.
    pub config_offset: Offset,
    /// Rebalances completed since the process started.
    pub rebalances: u64,
    /// Duration of the last rebalance in ms, from the first JoinGroup to the work being started.
    pub last_rebalance_ms: u64,
}

/// One connector instance the worker owns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectorTelemetry {
    /// Name of the connector.
    pub connector: ConnectorName,
    /// Whether it is a source or a sink.
    #[serde(rename = "type", default)]
    pub connector_type: ConnectorType,
    /// What it is doing.
    pub state: State,
    /// Full name of the class.
    #[serde(default)]
    pub class: String,
    /// Version of the class; `None` when it reports none.
    #[serde(default)]
    pub version: Option<String>,
    /// Why it failed, shortened to 8 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The worker gave it up; no more records about it follow.
    #[serde(default, skip_serializing_if = "is_false")]
    pub removed: bool,
}

/// One task the worker runs.
///
/// `source_offsets` and `sink_positions` hold, in a record with `full: false`, only the partitions that
/// changed; the others stand. With `full: true` they are complete, up to [`MAX_PARTITIONS`] entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskTelemetry {
    /// Name of the connector, and number of the task.
    #[serde(flatten)]
    pub id: ConnectorTaskId,
    /// Whether it is a source or a sink.
    #[serde(rename = "type", default)]
    pub task_type: ConnectorType,
    /// What it is doing.
    pub state: State,
    /// When the current run of the task started.
    #[serde(default)]
    pub started_at: Option<Millis>,
    /// When it last changed its state.
    #[serde(default)]
    pub state_since: Option<Millis>,
    /// Full name of the task's class.
    #[serde(default)]
    pub class: String,
    /// Version of the class; `None` when it reports none.
    #[serde(default)]
    pub version: Option<String>,
    /// Why it failed, shortened to 8 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Records, bytes, batches, commits, errors.
    #[serde(default)]
    pub metrics: TaskMetrics,
    /// Text of the last error that was tolerated or made the task fail, one line, at most 1 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When that error happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error_at: Option<Millis>,
    /// Offsets committed by a source task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_offsets: Vec<SourceOffset>,
    /// How many source partitions the task has, also those beyond [`MAX_PARTITIONS`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub source_partitions: u64,
    /// Topic partitions of a sink task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sink_positions: Vec<SinkPosition>,
    /// Sum of the lag over all partitions of a sink task; `None` for sources, while unknown, and while the
    /// task does not run: it then sees no end that grows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// The worker gave it up; no more records about it follow.
    #[serde(default, skip_serializing_if = "is_false")]
    pub removed: bool,
}

/// Most entries a record's list of partitions may have; the rest is left out.
pub const MAX_PARTITIONS: usize = 200;

/// Counters, rates and times of a task. Totals count from the start of the task, rates are over the last
/// interval.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskMetrics {
    /// Records taken from the outside: source polled from the system, sink read from Kafka (before
    /// transformations).
    pub records_in_total: u64,
    /// The same per second.
    pub records_in_per_s: f64,
    /// Records handed on: source written to Kafka and acknowledged, sink given to `put` (after
    /// transformations).
    pub records_out_total: u64,
    /// The same per second.
    pub records_out_per_s: f64,
    /// Key and value bytes exchanged with Kafka.
    pub bytes_total: u64,
    /// The same per second.
    pub bytes_per_s: f64,
    /// Records under way: source sent and not acknowledged, sink put and not committed.
    pub active_count: u64,
    /// Records in a batch, mean over the last interval.
    pub batch_size_avg: f64,
    /// Records in the largest batch so far.
    pub batch_size_max: u64,
    /// Time of a `poll` (source) or `put` (sink) in ms, mean over the last interval.
    pub batch_time_avg_ms: f64,
    /// Longest such time so far in ms.
    pub batch_time_max_ms: f64,
    /// Time of an offset commit in ms, mean so far.
    pub commit_time_avg_ms: f64,
    /// Longest offset commit so far in ms.
    pub commit_time_max_ms: f64,
    /// Offset commits that succeeded.
    pub commit_success_total: u64,
    /// Offset commits that failed or timed out.
    pub commit_failure_total: u64,
    /// When offsets were last committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_commit_at: Option<Millis>,
    /// When the last record came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_record_at: Option<Millis>,
    /// Operations that failed (each attempt counts), JMX `total-record-failures`.
    pub record_failures_total: u64,
    /// Records given up on, JMX `total-record-errors`.
    pub record_errors_total: u64,
    /// Records skipped because of `errors.tolerance=all`.
    pub records_skipped_total: u64,
    /// Operations that were tried again.
    pub retries_total: u64,
    /// Errors written to the log.
    pub errors_logged_total: u64,
    /// Records sent to the dead letter queue.
    pub dlq_requests_total: u64,
    /// Records the dead letter queue did not take.
    pub dlq_failures_total: u64,
    /// Part of the time the task was running, 0 to 1, since its start.
    pub running_ratio: f64,
    /// Part of the time the task was paused, 0 to 1, since its start.
    pub pause_ratio: f64,
}

/// How far a source task committed in one partition of its system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceOffset {
    /// The partition, as the connector defines it.
    pub partition: JsonObject,
    /// The committed offset, as the connector defines it; `None` was deleted.
    pub offset: Option<JsonObject>,
    /// When the offset was committed that stands here; storing the same one again does not count.
    #[serde(default)]
    pub committed_at: Option<Millis>,
}

/// How far a sink task got in one topic partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkPosition {
    /// Name of the topic.
    pub topic: TopicName,
    /// Partition of the topic.
    pub partition: i32,
    /// Offset of the next record to be put; `None` before the first.
    #[serde(default)]
    pub position: Option<Offset>,
    /// Committed offset of the consumer group; `None` when there is none.
    #[serde(default)]
    pub committed: Option<Offset>,
    /// High watermark of the partition; `None` while unknown, and while the task does not run.
    #[serde(default)]
    pub end_offset: Option<Offset>,
    /// `end_offset - committed` (or minus `position` before the first commit); `None` while unknown.
    #[serde(default)]
    pub lag: Option<u64>,
    /// When the committed offset last moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed_at: Option<Millis>,
}

/// An event of this worker, or of what runs on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventTelemetry {
    /// Number of the event on this worker since its start, from 1; with `worker_id` and the worker's start
    /// unique.
    pub seq: u64,
    /// How bad it is.
    #[serde(default)]
    pub severity: Severity,
    /// What happened, with fields of its own.
    pub event: Event,
}

/// How bad an event is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing, nothing to do.
    #[default]
    Info,
    /// Should be looked at.
    Warning,
    /// Something does not work.
    Error,
}

/// What happened, distinguished by `type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The worker completed a rebalance.
    Rebalance(Box<RebalanceEvent>),
    /// A task changed its state.
    TaskState {
        /// Connector and number of the task.
        task: ConnectorTaskId,
        /// State before; `None` when it is new on this worker.
        #[serde(default)]
        from: Option<State>,
        /// The state that it is in now.
        to: State,
        /// Why it failed, shortened to 8 KiB.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trace: Option<String>,
    },
    /// A connector instance changed its state.
    ConnectorState {
        /// Name of the connector concerned.
        connector: ConnectorName,
        /// State before; `None` when it is new on this worker.
        #[serde(default)]
        from: Option<State>,
        /// The state that it is in now.
        to: State,
        /// Why it failed, shortened to 8 KiB.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trace: Option<String>,
    },
    /// A restart was requested.
    Restart {
        /// Name of the connector concerned.
        connector: ConnectorName,
        /// The task, when one task alone was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<u32>,
        /// `includeTasks` of the request.
        #[serde(default)]
        include_tasks: bool,
        /// `onlyFailed` of the request.
        #[serde(default)]
        only_failed: bool,
        /// Who asked; `None` when it was the worker itself.
        #[serde(default)]
        requested_by: Option<Caller>,
    },
    /// A connector was created, changed or deleted, or another target state was requested.
    ConfigWrite {
        /// Name of the connector concerned.
        connector: ConnectorName,
        /// What was done to it.
        action: ConfigAction,
        /// Names of the keys added, changed or removed; never their values.
        #[serde(default)]
        keys: Vec<String>,
        /// Who called the REST API.
        #[serde(default)]
        requested_by: Option<Caller>,
    },
    /// Offsets were altered or reset.
    OffsetChange {
        /// Name of the connector concerned.
        connector: ConnectorName,
        /// Reset instead of altered.
        #[serde(default)]
        reset: bool,
        /// How many partitions were changed.
        #[serde(default)]
        partitions: u64,
        /// Who called the REST API.
        #[serde(default)]
        requested_by: Option<Caller>,
    },
    /// A log level was set through REST.
    LoggerLevel {
        /// Name of the logger, as log4j has it.
        logger: String,
        /// The level that it has now.
        level: String,
        /// `worker`, or `cluster` for all workers.
        scope: String,
        /// Who called the REST API.
        #[serde(default)]
        requested_by: Option<Caller>,
    },
    /// The worker process started.
    WorkerStart {
        /// Version of the agent.
        version: String,
    },
    /// The worker process is shutting down.
    WorkerStop {
        /// Why, for example `signal`.
        #[serde(default)]
        reason: Option<String>,
    },
    /// The worker lost its coordinator or can't read the config topic, or recovered from it.
    Trouble {
        /// What is wrong, one line.
        what: String,
        /// Whether it is over.
        #[serde(default)]
        recovered: bool,
    },
    /// A kind this version does not know.
    #[serde(other)]
    Unknown,
}

/// What was done to a connector's config.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigAction {
    /// A new connector was created.
    Create,
    /// The whole config was replaced.
    Update,
    /// Some keys of the config were changed.
    Patch,
    /// The connector was deleted.
    Delete,
    /// It was asked to pause.
    Pause,
    /// It was asked to resume.
    Resume,
    /// It was asked to stop.
    Stop,
    /// New task configs were published.
    TaskConfigs,
    /// An action this version does not know.
    #[serde(other)]
    Unknown,
}

/// Who made a REST call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Caller {
    /// Network address of the client, `host:port`.
    pub address: Option<String>,
    /// `User-Agent` header, control characters cut, at most 200 bytes.
    pub user_agent: Option<String>,
    /// Authenticated user, when there is authentication.
    pub user: Option<String>,
}

/// A rebalance as one worker saw it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RebalanceEvent {
    /// Generation that came out of it.
    pub generation: Generation,
    /// Why this worker (re)joined, one line.
    pub cause: String,
    /// When this worker began to join.
    pub started_at: Millis,
    /// When the assignment was there and the revoked work stopped.
    pub ended_at: Millis,
    /// Whether this worker leads the new generation.
    pub is_leader: bool,
    /// Member id of the leader.
    pub leader_id: Option<MemberId>,
    /// `sessioned`, `compatible` or `default`.
    pub protocol: String,
    /// Members after it; only the leader knows. Member id to REST URL.
    pub members: Option<IndexMap<MemberId, String>>,
    /// Members that were not there before; only the leader knows.
    pub joined: Vec<MemberId>,
    /// Members that are gone; only the leader knows.
    pub left: Vec<MemberId>,
    /// Work this worker got.
    pub assigned: Work,
    /// Work this worker gave up.
    pub revoked: Work,
    /// Scheduled delay in ms, 0 when none.
    pub delay_ms: u64,
    /// Whether the assignment said that configs do not match (error 1).
    pub config_mismatch: bool,
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(body: TelemetryBody) -> TelemetryRecord {
        TelemetryRecord::new("h:8083".into(), Millis(1_795_367_630_056), true, body)
    }

    fn round_trip(record: &TelemetryRecord) -> String {
        let bytes = record.encode().unwrap();
        assert_eq!(&TelemetryRecord::decode(&bytes).unwrap(), record);
        String::from_utf8(bytes).unwrap()
    }

    fn task() -> TaskTelemetry {
        TaskTelemetry {
            id: ConnectorTaskId::new("orders", 1),
            task_type: ConnectorType::Sink,
            state: State::Running,
            started_at: Some(Millis(1)),
            state_since: Some(Millis(2)),
            class: "X".to_owned(),
            version: None,
            trace: None,
            metrics: TaskMetrics::default(),
            last_error: None,
            last_error_at: None,
            source_offsets: Vec::new(),
            source_partitions: 0,
            sink_positions: vec![SinkPosition {
                topic: "t".into(),
                partition: 0,
                position: Some(Offset(5)),
                committed: Some(Offset(4)),
                end_offset: Some(Offset(9)),
                lag: Some(5),
                committed_at: None,
            }],
            lag: Some(5),
            removed: false,
        }
    }

    #[test]
    fn every_kind_reads_back() {
        let text = round_trip(&record(TelemetryBody::Task(Box::new(task()))));
        assert!(
            text.starts_with(r#"{"v":1,"worker_id":"h:8083","at":1795367630056,"full":true,"kind":"task","connector":"orders","task":1,"type":"sink","state":"RUNNING""#),
            "{text}"
        );
        round_trip(&record(TelemetryBody::Worker(Box::new(WorkerTelemetry {
            version: "0.1.0".to_owned(),
            group: Some(GroupTelemetry::default()),
            ..WorkerTelemetry::default()
        }))));
        round_trip(&record(TelemetryBody::Connector(ConnectorTelemetry {
            connector: "c".into(),
            connector_type: ConnectorType::Source,
            state: State::Failed,
            class: "X".to_owned(),
            version: Some("1".to_owned()),
            trace: Some("boom".to_owned()),
            removed: true,
        })));
        let text = round_trip(&record(TelemetryBody::Event(EventTelemetry {
            seq: 1,
            severity: Severity::Error,
            event: Event::TaskState {
                task: ConnectorTaskId::new("c", 0),
                from: Some(State::Running),
                to: State::Failed,
                trace: Some("boom".to_owned()),
            },
        })));
        assert!(
            text.contains(
                r#""kind":"event","seq":1,"severity":"error","event":{"type":"task_state""#
            )
        );
        round_trip(&record(TelemetryBody::Event(EventTelemetry {
            seq: 2,
            severity: Severity::Info,
            event: Event::Rebalance(Box::default()),
        })));
    }

    #[test]
    fn unknown_kinds_fields_and_events_are_tolerated() {
        let read = TelemetryRecord::decode(
            br#"{"v":9,"worker_id":"w","at":1,"full":false,"kind":"weather","sun":true}"#,
        )
        .unwrap();
        assert_eq!(read.body, TelemetryBody::Unknown);
        let read = TelemetryRecord::decode(
            br#"{"v":1,"worker_id":"w","at":1,"kind":"event","seq":3,"event":{"type":"eclipse","sun":false},"x":[1]}"#,
        )
        .unwrap();
        assert!(matches!(
            read.body,
            TelemetryBody::Event(EventTelemetry {
                event: Event::Unknown,
                ..
            })
        ));
        let read = TelemetryRecord::decode(
            br#"{"v":1,"worker_id":"w","at":1,"kind":"task","connector":"c","task":0,"state":"RUNNING"}"#,
        )
        .unwrap();
        assert!(matches!(read.body, TelemetryBody::Task(_)));
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        for bytes in [
            &b""[..],
            b"{}",
            b"[1]",
            b"\xff\xfe",
            br#"{"v":1,"worker_id":"w","at":1}"#,
        ] {
            assert!(TelemetryRecord::decode(bytes).is_err());
        }
    }
}
