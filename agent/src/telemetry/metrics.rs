//! The worker's numbers as Prometheus text, under the names of Connect's JMX attributes.
//!
//! `kafka.connect:type=source-task-metrics,connector=c,task=0` with attribute
//! `source-record-poll-total` becomes
//! `kafka_connect_source_task_source_record_poll_total{connector="c",task="0"}`.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;
use sluice_protocol::telemetry::GroupTelemetry;
use sluice_protocol::{ConnectorType, State};

use crate::clock::now;
use crate::status::StatusReporter;
use crate::storage::StatusBackingStore;
use crate::worker::lifecycle::Worker;

/// What the herder's task lets others see of the group.
#[derive(Default)]
pub(crate) struct ClusterView {
    /// Membership at this moment.
    pub group: Mutex<GroupTelemetry>,
    rebalances: AtomicU64,
    last_rebalance_at: AtomicI64,
    last_rebalance_millis: AtomicI64,
    longest_rebalance_millis: AtomicI64,
    all_rebalance_millis: AtomicI64,
    started: AtomicBool,
}

impl ClusterView {
    /// Counts a completed rebalance that took so many milliseconds.
    pub(crate) fn rebalanced(&self, millis: i64) {
        self.rebalances.fetch_add(1, Ordering::Relaxed);
        self.last_rebalance_at.store(now().get(), Ordering::Relaxed);
        self.last_rebalance_millis.store(millis, Ordering::Relaxed);
        self.longest_rebalance_millis
            .fetch_max(millis, Ordering::Relaxed);
        self.all_rebalance_millis
            .fetch_add(millis, Ordering::Relaxed);
        self.mark_started();
    }

    /// The worker has joined its group for the first time.
    pub(crate) fn mark_started(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    /// Whether the worker has ever joined its group.
    pub(crate) fn has_started(&self) -> bool {
        self.started.load(Ordering::Relaxed)
    }

    /// Membership, with the counts of rebalances filled in.
    pub(crate) fn snapshot(&self) -> GroupTelemetry {
        let mut group = self.group.lock().clone();
        group.rebalances = self.rebalances.load(Ordering::Relaxed);
        group.last_rebalance_ms =
            u64::try_from(self.last_rebalance_millis.load(Ordering::Relaxed)).unwrap_or(0);
        group
    }
}

struct Text(String);

impl Text {
    #[expect(
        clippy::cast_precision_loss,
        reason = "Prometheus values are floating point"
    )]
    fn count(&mut self, name: &str, labels: &str, value: u64) {
        self.gauge(name, labels, value as f64);
    }

    fn gauge(&mut self, name: &str, labels: &str, value: f64) {
        let value = if value.is_nan() {
            "NaN".to_owned()
        } else {
            value.to_string()
        };
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "kafka_connect_{name}{{{labels}}} {value}");
    }
}

fn label(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn as_count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Everything measured on this worker. `view` is `None` on a standalone worker.
pub(crate) fn prometheus(
    worker: &Worker,
    reporter: &StatusReporter,
    statuses: &dyn StatusBackingStore,
    view: Option<&ClusterView>,
) -> String {
    let mut text = Text(String::new());
    let connectors = reporter.local_connectors();
    let tasks = reporter.local_tasks();
    text.count("worker_connector_count", "", as_count(connectors.len()));
    text.count("worker_task_count", "", as_count(tasks.len()));
    if let Some(view) = view {
        rebalances(&mut text, view);
    }
    for (name, local) in &connectors {
        let labels = format!("connector=\"{}\"", label(name));
        let status = format!(
            "{labels},status=\"{}\"",
            local.state.as_str().to_ascii_lowercase()
        );
        text.gauge("connector_status", &status, 1.0);
        let states: Vec<State> = statuses
            .tasks(name)
            .into_iter()
            .map(|(_, status)| status.state)
            .collect();
        text.count(
            "worker_connector_total_task_count",
            &labels,
            as_count(states.len()),
        );
        for (state, attribute) in [
            (State::Running, "running"),
            (State::Paused, "paused"),
            (State::Failed, "failed"),
            (State::Unassigned, "unassigned"),
            (State::Destroyed, "destroyed"),
            (State::Restarting, "restarting"),
        ] {
            let count = states.iter().filter(|one| **one == state).count();
            text.count(
                &format!("worker_connector_{attribute}_task_count"),
                &labels,
                as_count(count),
            );
        }
    }
    for task in worker.tasks() {
        let labels = format!(
            "connector=\"{}\",task=\"{}\"",
            label(&task.id.connector),
            task.id.task
        );
        if let Some(local) = tasks.get(&task.id) {
            let status = format!(
                "{labels},status=\"{}\"",
                local.state.as_str().to_ascii_lowercase()
            );
            text.gauge("connector_task_status", &status, 1.0);
        }
        task_metrics(
            &mut text,
            &labels,
            task.plugin.kind(),
            &task.metrics.snapshot(),
        );
    }
    text.0
}

fn rebalances(text: &mut Text, view: &ClusterView) {
    let group = view.snapshot();
    text.gauge(
        "worker_rebalance_epoch",
        "",
        f64::from(group.generation.get()),
    );
    text.count(
        "worker_rebalance_completed_rebalances_total",
        "",
        group.rebalances,
    );
    text.gauge(
        "worker_rebalance_rebalancing",
        "",
        f64::from(u8::from(group.rebalancing)),
    );
    let millis = |value: &AtomicI64| u64::try_from(value.load(Ordering::Relaxed)).unwrap_or(0);
    text.count(
        "worker_rebalance_rebalance_max_time_ms",
        "",
        millis(&view.longest_rebalance_millis),
    );
    if let Some(average) = millis(&view.all_rebalance_millis).checked_div(group.rebalances) {
        text.count("worker_rebalance_rebalance_avg_time_ms", "", average);
        let since = now().get() - view.last_rebalance_at.load(Ordering::Relaxed);
        text.count(
            "worker_rebalance_time_since_last_rebalance_ms",
            "",
            u64::try_from(since).unwrap_or(0),
        );
    }
}

fn task_metrics(
    text: &mut Text,
    labels: &str,
    kind: ConnectorType,
    task: &crate::worker::metrics::TaskMetricsSnapshot,
) {
    text.gauge("connector_task_running_ratio", labels, task.running_ratio);
    text.gauge("connector_task_pause_ratio", labels, task.pause_ratio);
    text.gauge("connector_task_batch_size_max", labels, task.batch_size.max);
    text.gauge("connector_task_batch_size_avg", labels, task.batch_size.avg);
    text.gauge(
        "connector_task_offset_commit_max_time_ms",
        labels,
        task.commit_time_ms.max,
    );
    text.gauge(
        "connector_task_offset_commit_avg_time_ms",
        labels,
        task.commit_time_ms.avg,
    );
    text.count(
        "connector_task_offset_commit_success_total",
        labels,
        task.commit_success_total,
    );
    text.count(
        "connector_task_offset_commit_failure_total",
        labels,
        task.commit_failure_total,
    );
    match kind {
        ConnectorType::Source => {
            text.count(
                "source_task_source_record_poll_total",
                labels,
                task.records_in_total,
            );
            text.gauge(
                "source_task_source_record_poll_rate",
                labels,
                task.records_in_rate,
            );
            text.count(
                "source_task_source_record_write_total",
                labels,
                task.records_out_total,
            );
            text.gauge(
                "source_task_source_record_write_rate",
                labels,
                task.records_out_rate,
            );
            text.gauge(
                "source_task_poll_batch_max_time_ms",
                labels,
                task.batch_time_ms.max,
            );
            text.gauge(
                "source_task_poll_batch_avg_time_ms",
                labels,
                task.batch_time_ms.avg,
            );
            if task.transaction_size.max > 0.0 {
                for (name, records) in [
                    (
                        "source_task_transaction_size_min",
                        task.transaction_size.min,
                    ),
                    (
                        "source_task_transaction_size_max",
                        task.transaction_size.max,
                    ),
                    (
                        "source_task_transaction_size_avg",
                        task.transaction_size.avg,
                    ),
                ] {
                    text.gauge(name, labels, records);
                }
            }
            text.count(
                "source_task_source_record_active_count",
                labels,
                task.active_count,
            );
            text.gauge(
                "source_task_source_record_active_count_max",
                labels,
                task.active.max,
            );
            text.gauge(
                "source_task_source_record_active_count_avg",
                labels,
                task.active.avg,
            );
        }
        ConnectorType::Sink => {
            text.count(
                "sink_task_sink_record_read_total",
                labels,
                task.records_in_total,
            );
            text.gauge(
                "sink_task_sink_record_read_rate",
                labels,
                task.records_in_rate,
            );
            text.count(
                "sink_task_sink_record_send_total",
                labels,
                task.records_out_total,
            );
            text.gauge(
                "sink_task_sink_record_send_rate",
                labels,
                task.records_out_rate,
            );
            text.gauge(
                "sink_task_put_batch_max_time_ms",
                labels,
                task.batch_time_ms.max,
            );
            text.gauge(
                "sink_task_put_batch_avg_time_ms",
                labels,
                task.batch_time_ms.avg,
            );
            text.count(
                "sink_task_partition_count",
                labels,
                as_count(task.sink_partitions.len()),
            );
            text.count("sink_task_offset_commit_seq_no", labels, task.commit_seq);
            text.count(
                "sink_task_offset_commit_completion_total",
                labels,
                task.commit_completion_total,
            );
            text.count(
                "sink_task_offset_commit_skip_total",
                labels,
                task.commit_skip_total,
            );
            text.count(
                "sink_task_sink_record_active_count",
                labels,
                task.active_count,
            );
        }
        ConnectorType::Unknown => {}
    }
    text.count(
        "task_error_total_record_failures",
        labels,
        task.record_failures,
    );
    text.count("task_error_total_record_errors", labels, task.record_errors);
    text.count(
        "task_error_total_records_skipped",
        labels,
        task.records_skipped,
    );
    text.count("task_error_total_retries", labels, task.retries);
    text.count("task_error_total_errors_logged", labels, task.errors_logged);
    text.count(
        "task_error_deadletterqueue_produce_requests",
        labels,
        task.dlq_requests,
    );
    text.count(
        "task_error_deadletterqueue_produce_failures",
        labels,
        task.dlq_failures,
    );
    text.gauge(
        "task_error_last_error_timestamp",
        labels,
        u64_as_f64(task.last_error_timestamp),
    );
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since the epoch fit"
)]
fn u64_as_f64(value: i64) -> f64 {
    value as f64
}
