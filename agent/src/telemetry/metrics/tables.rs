//! All metrics, a table for each subject: name, help, type and where the number comes from.
//!
//! Tables stand in the sequence of the answer, and [`documented`] makes the reference of them. "The last
//! minute" of a help is the window of [`Windowed`](crate::worker::metrics::Windowed), 30 to 60 s.

use sluice_protocol::State;
use sluice_protocol::telemetry::GroupTelemetry;

use super::text::Kind::{Counter, Gauge};
use super::text::{Info, Metric, Value};
use crate::plugins::ConnectorPlugin;
use crate::worker::metrics::TaskMetricsSnapshot;

/// How many connectors and tasks run here.
pub(super) struct Work {
    pub(super) connectors: usize,
    pub(super) tasks: usize,
}

/// The place in the group and its rebalances; the last two are `None` before the first one.
pub(super) struct Rebalances {
    pub(super) group: GroupTelemetry,
    pub(super) longest_ms: u64,
    pub(super) average_ms: Option<u64>,
    pub(super) since_ms: Option<u64>,
}

/// A connector that runs here.
pub(super) struct Connector {
    pub(super) state: State,
    pub(super) version: Option<String>,
    /// `None` where the class is not one of this worker, or could not be started.
    pub(super) plugin: Option<ConnectorPlugin>,
    /// States of its tasks, on all workers.
    pub(super) tasks: Vec<State>,
}

impl Connector {
    fn tasks_in(&self, state: State) -> Value {
        Value::of(self.tasks.iter().filter(|one| **one == state).count())
    }
}

/// Texts of `connect-worker-rebalance-metrics`.
pub(super) const REBALANCE_INFO: &[Info<Rebalances>] = &[
    Info {
        name: "kafka_connect_worker_rebalance_leader_name",
        help: "Member id of the group's leader.",
        label: "leader_name",
        get: |all| all.group.leader_id.as_ref().map(ToString::to_string),
    },
    Info {
        name: "kafka_connect_worker_rebalance_connect_protocol",
        help: "Protocol of the group: sessioned, compatible or default.",
        label: "connect_protocol",
        get: |all| Some(all.group.protocol.clone()),
    },
];

/// `connector-metrics`.
pub(super) const CONNECTOR_INFO: &[Info<Connector>] = &[
    Info {
        name: "kafka_connect_connector_status",
        help: "State of the connector, in lower case.",
        label: "status",
        get: |connector| Some(lower_case(connector.state)),
    },
    Info {
        name: "kafka_connect_connector_connector_class",
        help: "Class of the connector.",
        label: "connector_class",
        get: |connector| {
            connector
                .plugin
                .as_ref()
                .map(|plugin| plugin.class().to_owned())
        },
    },
    Info {
        name: "kafka_connect_connector_connector_type",
        help: "source or sink.",
        label: "connector_type",
        get: |connector| {
            connector
                .plugin
                .as_ref()
                .map(|plugin| plugin.kind().to_string())
        },
    },
    Info {
        name: "kafka_connect_connector_connector_version",
        help: "Version of the class.",
        label: "connector_version",
        get: |connector| connector.version.clone(),
    },
];

/// Texts of `connector-task-metrics`.
pub(super) const TASK_INFO: &[Info<Option<State>>] = &[Info {
    name: "kafka_connect_connector_task_status",
    help: "State of the task, in lower case.",
    label: "status",
    get: |state| state.map(lower_case),
}];

/// `connect-worker-metrics`, of the worker.
pub(super) const WORKER: &[Metric<Work>] = &[
    Metric {
        name: "kafka_connect_worker_connector_count",
        help: "Connectors that run on this worker.",
        kind: Gauge,
        get: |work| Value::of(work.connectors),
    },
    Metric {
        name: "kafka_connect_worker_task_count",
        help: "Tasks that run on this worker.",
        kind: Gauge,
        get: |work| Value::of(work.tasks),
    },
];

/// `connect-coordinator-metrics`: what the group gave this worker.
pub(super) const COORDINATOR: &[Metric<Work>] = &[
    Metric {
        name: "kafka_connect_coordinator_assigned_connectors",
        help: "Connectors that the group assigned to this worker.",
        kind: Gauge,
        get: |work| Value::of(work.connectors),
    },
    Metric {
        name: "kafka_connect_coordinator_assigned_tasks",
        help: "Tasks that the group assigned to this worker.",
        kind: Gauge,
        get: |work| Value::of(work.tasks),
    },
];

/// `connect-worker-rebalance-metrics`.
pub(super) const REBALANCE: &[Metric<Rebalances>] = &[
    Metric {
        name: "kafka_connect_worker_rebalance_epoch",
        help: "Generation of the group that this worker last joined.",
        kind: Gauge,
        get: |all| Value::Number(f64::from(all.group.generation.get())),
    },
    Metric {
        name: "kafka_connect_worker_rebalance_completed_rebalances_total",
        help: "Rebalances that this worker has completed since its start.",
        kind: Counter,
        get: |all| Value::Count(all.group.rebalances),
    },
    Metric {
        name: "kafka_connect_worker_rebalance_rebalancing",
        help: "1 while this worker rebalances, else 0.",
        kind: Gauge,
        get: |all| Value::Count(u64::from(all.group.rebalancing)),
    },
    Metric {
        name: "kafka_connect_worker_rebalance_rebalance_max_time_ms",
        help: "Longest rebalance since the start, in milliseconds.",
        kind: Gauge,
        get: |all| Value::Count(all.longest_ms),
    },
    Metric {
        name: "kafka_connect_worker_rebalance_rebalance_avg_time_ms",
        help: "Mean duration of a rebalance since the start, in milliseconds.",
        kind: Gauge,
        get: |all| Value::known(all.average_ms),
    },
    Metric {
        name: "kafka_connect_worker_rebalance_time_since_last_rebalance_ms",
        help: "Time since the last completed rebalance, in milliseconds.",
        kind: Gauge,
        get: |all| Value::known(all.since_ms),
    },
];

/// `connect-worker-metrics`, of a connector: its tasks in the cluster by state.
pub(super) const CONNECTOR: &[Metric<Connector>] = &[
    Metric {
        name: "kafka_connect_worker_connector_total_task_count",
        help: "Tasks of the connector, on all workers.",
        kind: Gauge,
        get: |connector| Value::of(connector.tasks.len()),
    },
    Metric {
        name: "kafka_connect_worker_connector_running_task_count",
        help: "Tasks of the connector that are RUNNING, on all workers.",
        kind: Gauge,
        get: |connector| connector.tasks_in(State::Running),
    },
    Metric {
        name: "kafka_connect_worker_connector_paused_task_count",
        help: "Tasks of the connector that are PAUSED, on all workers.",
        kind: Gauge,
        get: |connector| connector.tasks_in(State::Paused),
    },
    Metric {
        name: "kafka_connect_worker_connector_failed_task_count",
        help: "Tasks of the connector that are FAILED, on all workers.",
        kind: Gauge,
        get: |connector| connector.tasks_in(State::Failed),
    },
    Metric {
        name: "kafka_connect_worker_connector_unassigned_task_count",
        help: "Tasks of the connector that are UNASSIGNED, on all workers.",
        kind: Gauge,
        get: |connector| connector.tasks_in(State::Unassigned),
    },
    Metric {
        name: "kafka_connect_worker_connector_destroyed_task_count",
        help: "Tasks of the connector that are DESTROYED, on all workers.",
        kind: Gauge,
        get: |connector| connector.tasks_in(State::Destroyed),
    },
    Metric {
        name: "kafka_connect_worker_connector_restarting_task_count",
        help: "Tasks of the connector that are RESTARTING, on all workers.",
        kind: Gauge,
        get: |connector| connector.tasks_in(State::Restarting),
    },
];

/// `connector-task-metrics`.
pub(super) const TASK: &[Metric<TaskMetricsSnapshot>] = &[
    Metric {
        name: "kafka_connect_connector_task_running_ratio",
        help: "Part of the time since its start that the task was RUNNING, 0 to 1.",
        kind: Gauge,
        get: |task| Value::Number(task.running_ratio),
    },
    Metric {
        name: "kafka_connect_connector_task_pause_ratio",
        help: "Part of the time since its start that the task was PAUSED, 0 to 1.",
        kind: Gauge,
        get: |task| Value::Number(task.pause_ratio),
    },
    Metric {
        name: "kafka_connect_connector_task_batch_size_max",
        help: "Records in the largest batch of the last minute.",
        kind: Gauge,
        get: |task| Value::Number(task.batch_size.max),
    },
    Metric {
        name: "kafka_connect_connector_task_batch_size_avg",
        help: "Mean number of records in a batch of the last minute.",
        kind: Gauge,
        get: |task| Value::Number(task.batch_size.avg),
    },
    Metric {
        name: "kafka_connect_connector_task_offset_commit_max_time_ms",
        help: "Longest successful offset commit of the last minute, in milliseconds.",
        kind: Gauge,
        get: |task| Value::Number(task.commit_time_ms.max),
    },
    Metric {
        name: "kafka_connect_connector_task_offset_commit_avg_time_ms",
        help: "Mean time of a successful offset commit of the last minute, in milliseconds.",
        kind: Gauge,
        get: |task| Value::Number(task.commit_time_ms.avg),
    },
    Metric {
        name: "kafka_connect_connector_task_offset_commit_success_percentage",
        help: "Part of the offset commits since the start that succeeded, 0 to 1.",
        kind: Gauge,
        get: |task| part(task.commit_success_total, task.commit_failure_total),
    },
    Metric {
        name: "kafka_connect_connector_task_offset_commit_failure_percentage",
        help: "Part of the offset commits since the start that failed, 0 to 1.",
        kind: Gauge,
        get: |task| part(task.commit_failure_total, task.commit_success_total),
    },
    Metric {
        name: "kafka_connect_connector_task_offset_commit_success_total",
        help: "Offset commits that succeeded.",
        kind: Counter,
        get: |task| Value::Count(task.commit_success_total),
    },
    Metric {
        name: "kafka_connect_connector_task_offset_commit_failure_total",
        help: "Offset commits that failed or took too long.",
        kind: Counter,
        get: |task| Value::Count(task.commit_failure_total),
    },
];

/// `source-task-metrics`.
pub(super) const SOURCE_TASK: &[Metric<TaskMetricsSnapshot>] = &[
    Metric {
        name: "kafka_connect_source_task_source_record_poll_total",
        help: "Records polled from the other system, before transformations.",
        kind: Counter,
        get: |task| Value::Count(task.records_in_total),
    },
    Metric {
        name: "kafka_connect_source_task_source_record_poll_rate",
        help: "Records polled per second, over the last minute.",
        kind: Gauge,
        get: |task| Value::Number(task.records_in_rate),
    },
    Metric {
        name: "kafka_connect_source_task_source_record_write_total",
        help: "Records written to Kafka and acknowledged, after transformations.",
        kind: Counter,
        get: |task| Value::Count(task.records_out_total),
    },
    Metric {
        name: "kafka_connect_source_task_source_record_write_rate",
        help: "Records written per second, over the last minute.",
        kind: Gauge,
        get: |task| Value::Number(task.records_out_rate),
    },
    Metric {
        name: "kafka_connect_source_task_poll_batch_max_time_ms",
        help: "Longest poll of the last minute, in milliseconds.",
        kind: Gauge,
        get: |task| Value::Number(task.batch_time_ms.max),
    },
    Metric {
        name: "kafka_connect_source_task_poll_batch_avg_time_ms",
        help: "Mean time of a poll of the last minute, in milliseconds.",
        kind: Gauge,
        get: |task| Value::Number(task.batch_time_ms.avg),
    },
    Metric {
        name: "kafka_connect_source_task_transaction_size_min",
        help: "Records in the smallest transaction of the last minute, exactly-once only.",
        kind: Gauge,
        get: |task| transaction(task, task.transaction_size.min),
    },
    Metric {
        name: "kafka_connect_source_task_transaction_size_max",
        help: "Records in the largest transaction of the last minute, exactly-once only.",
        kind: Gauge,
        get: |task| transaction(task, task.transaction_size.max),
    },
    Metric {
        name: "kafka_connect_source_task_transaction_size_avg",
        help: "Mean number of records in a transaction of the last minute, exactly-once only.",
        kind: Gauge,
        get: |task| transaction(task, task.transaction_size.avg),
    },
    Metric {
        name: "kafka_connect_source_task_source_record_active_count",
        help: "Records sent to Kafka that are not acknowledged.",
        kind: Gauge,
        get: |task| Value::Count(task.active_count),
    },
    Metric {
        name: "kafka_connect_source_task_source_record_active_count_max",
        help: "Most such records at once in the last minute.",
        kind: Gauge,
        get: |task| Value::Number(task.active.max),
    },
    Metric {
        name: "kafka_connect_source_task_source_record_active_count_avg",
        help: "Mean number of such records in the last minute.",
        kind: Gauge,
        get: |task| Value::Number(task.active.avg),
    },
];

/// `sink-task-metrics`.
pub(super) const SINK_TASK: &[Metric<TaskMetricsSnapshot>] = &[
    Metric {
        name: "kafka_connect_sink_task_sink_record_read_total",
        help: "Records read from Kafka, before transformations.",
        kind: Counter,
        get: |task| Value::Count(task.records_in_total),
    },
    Metric {
        name: "kafka_connect_sink_task_sink_record_read_rate",
        help: "Records read per second, over the last minute.",
        kind: Gauge,
        get: |task| Value::Number(task.records_in_rate),
    },
    Metric {
        name: "kafka_connect_sink_task_sink_record_send_total",
        help: "Records given to the task, after transformations.",
        kind: Counter,
        get: |task| Value::Count(task.records_out_total),
    },
    Metric {
        name: "kafka_connect_sink_task_sink_record_send_rate",
        help: "Records given to the task per second, over the last minute.",
        kind: Gauge,
        get: |task| Value::Number(task.records_out_rate),
    },
    Metric {
        name: "kafka_connect_sink_task_put_batch_max_time_ms",
        help: "Longest put of the last minute, in milliseconds.",
        kind: Gauge,
        get: |task| Value::Number(task.batch_time_ms.max),
    },
    Metric {
        name: "kafka_connect_sink_task_put_batch_avg_time_ms",
        help: "Mean time of a put of the last minute, in milliseconds.",
        kind: Gauge,
        get: |task| Value::Number(task.batch_time_ms.avg),
    },
    Metric {
        name: "kafka_connect_sink_task_partition_count",
        help: "Topic partitions assigned to the task.",
        kind: Gauge,
        get: |task| Value::of(task.sink_partitions.len()),
    },
    Metric {
        name: "kafka_connect_sink_task_offset_commit_seq_no",
        help: "Number of the last offset commit that was begun.",
        kind: Gauge,
        get: |task| Value::Count(task.commit_seq),
    },
    Metric {
        name: "kafka_connect_sink_task_offset_commit_completion_total",
        help: "Offset commits that were answered.",
        kind: Counter,
        get: |task| Value::Count(task.commit_completion_total),
    },
    Metric {
        name: "kafka_connect_sink_task_offset_commit_skip_total",
        help: "Offset commits whose answers came too late and were ignored.",
        kind: Counter,
        get: |task| Value::Count(task.commit_skip_total),
    },
    Metric {
        name: "kafka_connect_sink_task_sink_record_active_count",
        help: "Records read from Kafka whose offsets are not committed.",
        kind: Gauge,
        get: |task| Value::Count(task.active_count),
    },
    Metric {
        name: "kafka_connect_sink_task_sink_record_active_count_max",
        help: "Most such records at once in the last minute.",
        kind: Gauge,
        get: |task| Value::Number(task.active.max),
    },
    Metric {
        name: "kafka_connect_sink_task_sink_record_active_count_avg",
        help: "Mean number of such records in the last minute.",
        kind: Gauge,
        get: |task| Value::Number(task.active.avg),
    },
];

/// `task-error-metrics`.
pub(super) const TASK_ERROR: &[Metric<TaskMetricsSnapshot>] = &[
    Metric {
        name: "kafka_connect_task_error_total_record_failures",
        help: "Operations on records that failed; each attempt counts.",
        kind: Counter,
        get: |task| Value::Count(task.record_failures),
    },
    Metric {
        name: "kafka_connect_task_error_total_record_errors",
        help: "Records that no further attempt was made for.",
        kind: Counter,
        get: |task| Value::Count(task.record_errors),
    },
    Metric {
        name: "kafka_connect_task_error_total_records_skipped",
        help: "Records skipped because errors.tolerance is all.",
        kind: Counter,
        get: |task| Value::Count(task.records_skipped),
    },
    Metric {
        name: "kafka_connect_task_error_total_retries",
        help: "Operations that were tried again.",
        kind: Counter,
        get: |task| Value::Count(task.retries),
    },
    Metric {
        name: "kafka_connect_task_error_total_errors_logged",
        help: "Errors written to the log.",
        kind: Counter,
        get: |task| Value::Count(task.errors_logged),
    },
    Metric {
        name: "kafka_connect_task_error_deadletterqueue_produce_requests",
        help: "Records sent to the dead letter queue.",
        kind: Counter,
        get: |task| Value::Count(task.dlq_requests),
    },
    Metric {
        name: "kafka_connect_task_error_deadletterqueue_produce_failures",
        help: "Records that could not be written to the dead letter queue.",
        kind: Counter,
        get: |task| Value::Count(task.dlq_failures),
    },
    Metric {
        name: "kafka_connect_task_error_last_error_timestamp",
        help: "Time of the last error, in milliseconds since the epoch; 0 without one.",
        kind: Gauge,
        get: |task| since_epoch(task.last_error_timestamp),
    },
];

/// The part of `some` in both together, 0 while there are none, as Kafka's `Frequencies` has it.
#[expect(
    clippy::cast_precision_loss,
    reason = "a part of 1 needs no last digit"
)]
fn part(some: u64, others: u64) -> Value {
    Value::Number(some as f64 / (some + others).max(1) as f64)
}

/// A size of transactions; absent where no transaction had a record, as in all tasks without them.
fn transaction(task: &TaskMetricsSnapshot, size: f64) -> Value {
    if task.transaction_size.max > 0.0 {
        Value::Number(size)
    } else {
        Value::Absent
    }
}

fn since_epoch(millis: i64) -> Value {
    Value::Count(u64::try_from(millis).unwrap_or(0))
}

/// A state as JMX has it.
fn lower_case(state: State) -> String {
    state.as_str().to_ascii_lowercase()
}

/// What metrics are about, for the reference.
#[derive(Debug)]
pub struct Subject {
    /// Type of the MBean of Connect whose attributes these are.
    pub bean: &'static str,
    /// The labels that each of them has.
    pub labels: &'static [&'static str],
    /// Name with the label that it has besides, type, help.
    pub rows: Vec<(String, &'static str, &'static str)>,
}

impl Subject {
    fn new<T, U>(
        bean: &'static str,
        labels: &'static [&'static str],
        infos: &[Info<T>],
        metrics: &[Metric<U>],
    ) -> Self {
        let infos = infos.iter().map(|info| {
            let name = format!("{}{{{}}}", info.name, info.label);
            (name, Gauge.name(), info.help)
        });
        let metrics = metrics
            .iter()
            .map(|metric| (metric.name.to_owned(), metric.kind.name(), metric.help));
        Self {
            bean,
            labels,
            rows: infos.chain(metrics).collect(),
        }
    }
}

/// All metrics by subject, for the reference.
pub fn documented() -> Vec<Subject> {
    const NO_INFO: &[Info<()>] = &[];
    const NO_NUMBER: &[Metric<()>] = &[];
    let (connector, task) = (&["connector"], &["connector", "task"]);
    vec![
        Subject::new("connect-worker-metrics", &[], NO_INFO, WORKER),
        Subject::new("connect-coordinator-metrics", &[], NO_INFO, COORDINATOR),
        Subject::new(
            "connect-worker-rebalance-metrics",
            &[],
            REBALANCE_INFO,
            REBALANCE,
        ),
        Subject::new("connector-metrics", connector, CONNECTOR_INFO, NO_NUMBER),
        Subject::new(
            "connect-worker-metrics of a connector",
            connector,
            NO_INFO,
            CONNECTOR,
        ),
        Subject::new("connector-task-metrics", task, TASK_INFO, TASK),
        Subject::new("source-task-metrics", task, NO_INFO, SOURCE_TASK),
        Subject::new("sink-task-metrics", task, NO_INFO, SINK_TASK),
        Subject::new("task-error-metrics", task, NO_INFO, TASK_ERROR),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::text::Text;
    use super::*;
    use crate::worker::metrics::TaskMetrics;

    #[test]
    fn names_are_connects_and_stand_once_with_a_sentence_of_help() {
        let mut seen = HashSet::new();
        for (name, kind, help) in documented().into_iter().flat_map(|subject| subject.rows) {
            let name = name.split('{').next().unwrap_or_default();
            assert!(seen.insert(name.to_owned()), "{name} stands twice");
            let plain = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(
                name.starts_with("kafka_connect_") && name.chars().all(plain),
                "{name}"
            );
            assert!(
                help.ends_with('.') && !help.contains(['\n', '\\']),
                "{name}: {help}"
            );
            assert!(
                kind == "counter" || !name.ends_with("_total"),
                "{name} is a {kind}"
            );
        }
        assert!(seen.len() > 60, "{}", seen.len());
    }

    #[test]
    fn a_task_without_commits_and_transactions_has_parts_of_0_and_no_sizes() {
        let metrics = TaskMetrics::new();
        let written = |metrics: &TaskMetrics| {
            let (mut text, numbers) = (Text::default(), metrics.snapshot());
            text.numbers(TASK, &[(String::new(), &numbers)]);
            text.numbers(SOURCE_TASK, &[(String::new(), &numbers)]);
            text.finish()
        };
        let before = written(&metrics);
        assert!(
            before.contains("_offset_commit_success_percentage 0\n"),
            "{before}"
        );
        assert!(!before.contains("transaction_size"), "{before}");
        metrics.commit_success.add(3);
        metrics.commit_failure.add(1);
        metrics.transaction_size.record(10);
        let after = written(&metrics);
        assert!(
            after.contains("_offset_commit_success_percentage 0.75\n"),
            "{after}"
        );
        assert!(
            after.contains("_offset_commit_failure_percentage 0.25\n"),
            "{after}"
        );
        assert!(after.contains("_transaction_size_min 10\n"), "{after}");
    }

    #[test]
    fn tasks_of_a_connector_are_counted_by_state() {
        let connector = Connector {
            state: State::Running,
            version: Some("1.0".to_owned()),
            plugin: None,
            tasks: vec![State::Failed, State::Running, State::Failed],
        };
        let mut text = Text::default();
        text.infos(CONNECTOR_INFO, &[(String::new(), &connector)]);
        text.numbers(CONNECTOR, &[(String::new(), &connector)]);
        let text = text.finish();
        for line in [
            "kafka_connect_connector_status{status=\"running\"} 1",
            "kafka_connect_connector_connector_version{connector_version=\"1.0\"} 1",
            "kafka_connect_worker_connector_total_task_count 3",
            "kafka_connect_worker_connector_failed_task_count 2",
            "kafka_connect_worker_connector_paused_task_count 0",
        ] {
            assert!(
                text.lines().any(|written| written == line),
                "{line} is not in {text}"
            );
        }
        assert!(!text.contains("connector_class"), "{text}");
    }
}
