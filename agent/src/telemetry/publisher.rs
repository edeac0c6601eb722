//! Writes the telemetry topic: what changed once per interval, the full picture every 30 s, events at once.
//!
//! Telemetry never holds up the worker: a record that does not fit into the producer's queue is
//! dropped and counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::producer::Producer as _;
use sluice_api::config::Props;
use sluice_kafka::client::config::librdkafka_config;
use sluice_kafka::client::keys::ClientKind;
use sluice_protocol::telemetry::{
    ConnectorTelemetry, MAX_PARTITIONS, SinkPosition, SourceOffset, TaskMetrics, TaskTelemetry,
    TelemetryBody, TelemetryRecord, WorkerTelemetry,
};
use sluice_protocol::{
    ConnectorName, ConnectorTaskId, JsonObject, Millis, Offset, State, WorkerId, offset_topic,
};
use tokio_util::sync::CancellationToken;

use super::metrics::ClusterView;
use crate::clock::now;
use crate::settings::{TelemetrySettings, WorkerSettings};
use crate::status::{EventLog, LocalState, StatusReporter};
use crate::storage::StorageError;
use crate::storage::kafka_based_log::{TopicSettings, create_topic};
use crate::storage::log_producer::LogProducer;
use crate::worker::lifecycle::Worker;
use crate::worker::metrics::TaskMetricsSnapshot;
use crate::worker::offset_writer::offset_key;

const FULL_PICTURE_INTERVAL: Duration = Duration::from_secs(30);
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// The telemetry topic keeps a day.
const RETENTION_MS: &str = "86400000";

/// What the publisher watches.
pub(crate) struct Observed {
    /// Runs connectors and tasks.
    pub worker: Arc<Worker>,
    pub reporter: Arc<StatusReporter>,
    pub view: Arc<ClusterView>,
    pub events: EventLog,
}

pub(crate) struct Publisher {
    worker: Arc<WorkerSettings>,
    group_id: String,
    telemetry: TelemetrySettings,
    worker_id: WorkerId,
    url: String,
    observed: Observed,
    connectors: HashMap<ConnectorName, ConnectorTelemetry>,
    tasks: HashMap<ConnectorTaskId, TaskTelemetry>,
    process: Process,
    /// When the tasks were last measured.
    measured: Option<Instant>,
    last_full: Option<Instant>,
    dropped: u64,
}

impl Publisher {
    /// A publisher for a worker of a group.
    pub(crate) fn new(
        worker: Arc<WorkerSettings>,
        group_id: String,
        telemetry: TelemetrySettings,
        worker_id: WorkerId,
        url: String,
        observed: Observed,
    ) -> Self {
        Self {
            worker,
            group_id,
            telemetry,
            worker_id,
            url,
            observed,
            connectors: HashMap::new(),
            tasks: HashMap::new(),
            process: Process::new(),
            measured: None,
            last_full: None,
            dropped: 0,
        }
    }

    /// Publishes until `stop`, then what is left. Without the topic or a producer there is no
    /// telemetry, which is logged; the worker does not need it.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let producer = tokio::select! {
            opened = self.open() => match opened {
                Ok(producer) => producer,
                Err(error) => {
                    tracing::warn!(topic = self.telemetry.topic, %error, "no telemetry is published");
                    return;
                }
            },
            () = stop.cancelled() => return,
        };
        let mut interval = tokio::time::interval(self.telemetry.interval);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let events = self.observed.events.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = events.arrived() => self.publish_events(&producer),
                _ = interval.tick() => self.publish_changes(&producer),
            }
        }
        self.publish_events(&producer);
        let flushed = tokio::task::spawn_blocking(move || producer.flush(CLOSE_LIMIT)).await;
        if !matches!(flushed, Ok(Ok(()))) {
            tracing::warn!(
                topic = self.telemetry.topic,
                "last telemetry records were not acknowledged"
            );
        }
    }

    async fn open(&self) -> Result<LogProducer, StorageError> {
        let client_id = format!("{}-telemetry", self.group_id);
        let settings = TopicSettings {
            topic: self.telemetry.topic.clone(),
            key: "telemetry.storage.topic",
            holds: "telemetry",
            partitions: self.telemetry.partitions,
            replication: self.telemetry.replication,
            settings: Props::from_iter([
                ("cleanup.policy".to_owned(), "delete".to_owned()),
                ("retention.ms".to_owned(), RETENTION_MS.to_owned()),
            ]),
            compacted: false,
            limit: Duration::from_secs(24 * 60 * 60),
        };
        create_topic(&self.worker.props, &client_id, &settings).await?;
        let own = Props::from_iter(
            [
                ("client.id", client_id.as_str()),
                ("acks", "1"),
                ("linger.ms", "5"),
                ("compression.type", "zstd"),
                ("buffer.memory", "4194304"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        let config = librdkafka_config(ClientKind::Producer, &self.worker.props, &own)?;
        LogProducer::new(&config, &client_id).map_err(|source| StorageError::Kafka {
            topic: self.telemetry.topic.clone(),
            doing: "cannot make a producer",
            source,
        })
    }

    fn send(&mut self, producer: &LogProducer, at: Millis, full: bool, body: TelemetryBody) {
        let record = TelemetryRecord::new(self.worker_id.clone(), at, full, body);
        let sent = match record.encode() {
            // The producer logs what does not arrive.
            Ok(bytes) => producer
                .send(
                    &self.telemetry.topic,
                    self.worker_id.as_bytes(),
                    Some(&bytes),
                )
                .map(drop)
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = sent {
            if self.dropped.is_power_of_two() || self.dropped == 0 {
                tracing::warn!(
                    error,
                    dropped = self.dropped + 1,
                    "telemetry record dropped"
                );
            }
            self.dropped += 1;
        }
    }

    fn publish_events(&mut self, producer: &LogProducer) {
        for (at, event) in self.observed.events.take() {
            self.send(producer, at, false, TelemetryBody::Event(event));
        }
    }

    fn publish_changes(&mut self, producer: &LogProducer) {
        let full = self
            .last_full
            .is_none_or(|last| last.elapsed() >= FULL_PICTURE_INTERVAL);
        if full {
            self.last_full = Some(Instant::now());
        }
        let at = now();
        let connectors = self.connector_records();
        let tasks = self.task_records();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let failed = |state: State| state == State::Failed;
        let worker = WorkerTelemetry {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            url: self.url.clone(),
            group_id: self.group_id.clone(),
            group: Some(self.observed.view.snapshot()),
            connectors: count(connectors.len()),
            tasks: count(tasks.len()),
            failed_connectors: count(connectors.values().filter(|c| failed(c.state)).count()),
            failed_tasks: count(tasks.values().filter(|t| failed(t.state)).count()),
            ..self.process.measure()
        };
        self.send(producer, at, full, TelemetryBody::Worker(Box::new(worker)));

        for (name, record) in &connectors {
            if full || self.connectors.get(name) != Some(record) {
                self.send(producer, at, full, TelemetryBody::Connector(record.clone()));
            }
        }
        for (name, mut gone) in std::mem::replace(&mut self.connectors, connectors) {
            if !self.connectors.contains_key(&name) {
                gone.removed = true;
                self.send(producer, at, false, TelemetryBody::Connector(gone));
            }
        }
        for (id, record) in &tasks {
            if full || self.tasks.get(id) != Some(record) {
                self.send(
                    producer,
                    at,
                    full,
                    TelemetryBody::Task(Box::new(record.clone())),
                );
            }
        }
        for (id, mut gone) in std::mem::replace(&mut self.tasks, tasks) {
            if !self.tasks.contains_key(&id) {
                gone.removed = true;
                self.send(producer, at, false, TelemetryBody::Task(Box::new(gone)));
            }
        }
    }

    fn connector_records(&self) -> HashMap<ConnectorName, ConnectorTelemetry> {
        let plugins = self.observed.worker.connector_plugins();
        self.observed
            .reporter
            .local_connectors()
            .into_iter()
            .map(|(connector, local)| {
                let plugin = plugins.get(&connector);
                let record = ConnectorTelemetry {
                    connector: connector.clone(),
                    connector_type: plugin.map(|plugin| plugin.kind()).unwrap_or_default(),
                    state: local.state,
                    class: plugin
                        .map(|plugin| plugin.class().to_owned())
                        .unwrap_or_default(),
                    version: local.version,
                    trace: local.trace,
                    removed: false,
                };
                (connector, record)
            })
            .collect()
    }

    fn task_records(&mut self) -> HashMap<ConnectorTaskId, TaskTelemetry> {
        let interval = self.measured.replace(Instant::now()).map(|at| at.elapsed());
        let running: HashMap<ConnectorTaskId, _> = self
            .observed
            .worker
            .tasks()
            .into_iter()
            .map(|task| (task.id.clone(), task))
            .collect();
        self.observed
            .reporter
            .local_tasks()
            .into_iter()
            .map(|(id, local)| {
                let view = running.get(&id);
                let mut record = state_of(&id, local);
                if let Some(view) = view {
                    record.task_type = view.plugin.kind();
                    record.class = view.plugin.task_class().to_owned();
                    let numbers = view.metrics.snapshot();
                    record.metrics = metrics_of(&numbers);
                    if let Some(interval) = interval {
                        let before = self.tasks.get(&id).map(|before| &before.metrics);
                        measure_rates(&mut record.metrics, before, interval);
                    }
                    if numbers.last_error_timestamp > 0 {
                        record.last_error_at = Some(Millis(numbers.last_error_timestamp));
                    }
                    record.source_offsets = source_offsets(&id.connector, &numbers);
                    if let Some(before) = self.tasks.get(&id) {
                        keep_times(&mut record.source_offsets, &before.source_offsets);
                    }
                    record.source_partitions = numbers.source_partitions;
                    record.sink_positions = sink_positions(&numbers);
                    record.lag = total_lag(&numbers);
                    if record.state != State::Running {
                        forget_ends(&mut record);
                    }
                }
                (id, record)
            })
            .collect()
    }
}

fn state_of(id: &ConnectorTaskId, local: LocalState) -> TaskTelemetry {
    TaskTelemetry {
        id: id.clone(),
        task_type: Default::default(),
        state: local.state,
        started_at: None,
        state_since: Some(local.since),
        class: String::new(),
        version: local.version,
        last_error: local
            .trace
            .as_deref()
            .and_then(|trace| trace.lines().next())
            .map(str::to_owned),
        trace: local.trace,
        metrics: TaskMetrics::default(),
        last_error_at: None,
        source_offsets: Vec::new(),
        source_partitions: 0,
        sink_positions: Vec::new(),
        lag: None,
        removed: false,
    }
}

/// To one decimal, so that a value that stands still reads as unchanged; not a number reads as 0.
fn rounded(value: f64) -> f64 {
    if value.is_finite() {
        (value * 10.0).round() / 10.0
    } else {
        0.0
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of records in a batch"
)]
fn metrics_of(numbers: &TaskMetricsSnapshot) -> TaskMetrics {
    TaskMetrics {
        records_in_total: numbers.records_in_total,
        records_in_per_s: rounded(numbers.records_in_rate),
        records_out_total: numbers.records_out_total,
        records_out_per_s: rounded(numbers.records_out_rate),
        bytes_total: numbers.bytes_total,
        bytes_per_s: rounded(numbers.bytes_rate),
        active_count: numbers.active_count,
        batch_size_avg: rounded(numbers.batch_size.avg),
        batch_size_max: rounded(numbers.batch_size.max) as u64,
        batch_time_avg_ms: rounded(numbers.batch_time_ms.avg),
        batch_time_max_ms: rounded(numbers.batch_time_ms.max),
        commit_time_avg_ms: rounded(numbers.commit_time_ms.avg),
        commit_time_max_ms: rounded(numbers.commit_time_ms.max),
        commit_success_total: numbers.commit_success_total,
        commit_failure_total: numbers.commit_failure_total,
        last_commit_at: numbers.last_commit_at.map(Millis),
        last_record_at: numbers.last_record_at.map(Millis),
        record_failures_total: numbers.record_failures,
        record_errors_total: numbers.record_errors,
        records_skipped_total: numbers.records_skipped,
        retries_total: numbers.retries,
        errors_logged_total: numbers.errors_logged,
        dlq_requests_total: numbers.dlq_requests,
        dlq_failures_total: numbers.dlq_failures,
        running_ratio: rounded(numbers.running_ratio),
        pause_ratio: rounded(numbers.pause_ratio),
    }
}

/// Rates over the interval since the totals were `before`; a task that is new, or starts again, has
/// begun within it. JMX's rates, which `/metrics` has, are means over up to a minute and take half
/// of one to come up.
#[expect(clippy::cast_precision_loss, reason = "statistics")]
fn measure_rates(metrics: &mut TaskMetrics, before: Option<&TaskMetrics>, interval: Duration) {
    let rate = |total: u64, total_before: Option<u64>| {
        let since = total
            .checked_sub(total_before.unwrap_or(0))
            .unwrap_or(total);
        rounded(since as f64 / interval.as_secs_f64())
    };
    let records_in = before.map(|before| before.records_in_total);
    let records_out = before.map(|before| before.records_out_total);
    let bytes = before.map(|before| before.bytes_total);
    metrics.records_in_per_s = rate(metrics.records_in_total, records_in);
    metrics.records_out_per_s = rate(metrics.records_out_total, records_out);
    metrics.bytes_per_s = rate(metrics.bytes_total, bytes);
}

fn source_offsets(connector: &ConnectorName, numbers: &TaskMetricsSnapshot) -> Vec<SourceOffset> {
    numbers
        .source_offsets
        .iter()
        .take(MAX_PARTITIONS)
        .filter_map(|committed| {
            let key = offset_key(connector, &committed.partition).ok()?;
            let (_, partition) = offset_topic::decode_key(&key).ok()?;
            let value =
                crate::worker::offset_writer::offset_value(committed.offset.as_ref()).ok()?;
            let offset: Option<JsonObject> =
                value.and_then(|value| offset_topic::decode_value(&value).ok().flatten());
            Some(SourceOffset {
                partition,
                offset,
                committed_at: Some(Millis(committed.committed_at)),
            })
        })
        .collect()
}

/// An offset that was stored once more without having moved keeps the time at which it moved.
fn keep_times(offsets: &mut [SourceOffset], before: &[SourceOffset]) {
    for offset in offsets {
        let same = |known: &&SourceOffset| {
            known.partition == offset.partition && known.offset == offset.offset
        };
        if let Some(known) = before.iter().find(same) {
            offset.committed_at = known.committed_at;
        }
    }
}

/// A task that does not run fetches nothing, so it knows no end of its partitions: what it saw last
/// stands still while the partitions grow.
fn forget_ends(record: &mut TaskTelemetry) {
    record.lag = None;
    for position in &mut record.sink_positions {
        position.end_offset = None;
        position.lag = None;
    }
}

fn lag(position: Option<i64>, committed: Option<i64>, end: Option<i64>) -> Option<u64> {
    let from = committed.or(position)?;
    u64::try_from(end?.saturating_sub(from)).ok().or(Some(0))
}

fn sink_positions(numbers: &TaskMetricsSnapshot) -> Vec<SinkPosition> {
    numbers
        .sink_partitions
        .iter()
        .take(MAX_PARTITIONS)
        .map(|state| SinkPosition {
            topic: state.partition.topic.to_string().into(),
            partition: state.partition.partition,
            position: state.position.map(Offset),
            committed: state.committed.map(Offset),
            end_offset: state.end_offset.map(Offset),
            lag: lag(state.position, state.committed, state.end_offset),
            committed_at: state.committed_at.map(Millis),
        })
        .collect()
}

/// The sum over all partitions; unknown as soon as one is.
fn total_lag(numbers: &TaskMetricsSnapshot) -> Option<u64> {
    if numbers.sink_partitions.is_empty() {
        return None;
    }
    numbers
        .sink_partitions
        .iter()
        .map(|state| lag(state.position, state.committed, state.end_offset))
        .sum()
}

/// Figures of the process itself.
struct Process {
    started: Instant,
    last: (Instant, Duration),
}

impl Process {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            last: (Instant::now(), cpu_time()),
        }
    }

    fn measure(&mut self) -> WorkerTelemetry {
        let (then, cpu_then) = self.last;
        let (now, cpu_now) = (Instant::now(), cpu_time());
        self.last = (now, cpu_now);
        let wall = now.duration_since(then).as_secs_f64();
        let used = cpu_now.saturating_sub(cpu_then).as_secs_f64();
        let (rss_bytes, threads) = memory_and_threads();
        WorkerTelemetry {
            uptime_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            cpu: if wall > 0.0 {
                (used / wall * 1000.0).round() / 1000.0
            } else {
                0.0
            },
            rss_bytes,
            threads,
            ..WorkerTelemetry::default()
        }
    }
}

/// CPU time the process has used, user and system. From `/proc/self/stat`; zero where there is none.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields behind the command's closing parenthesis: state is the third of all, utime and stime
    // 14th and 15th.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<u64>().ok())
            .unwrap_or(0)
    };
    // Linux counts in hundredths of a second on every architecture it shows to user space.
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

fn memory_and_threads() -> (u64, u32) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let number = |key: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or(0)
    };
    (
        number("VmRSS:") * 1024,
        u32::try_from(number("Threads:")).unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_measured_where_proc_exists() {
        let measured = Process::new().measure();
        if std::path::Path::new("/proc/self/status").exists() {
            assert!(measured.rss_bytes > 0);
            assert!(measured.threads > 0);
        }
    }

    #[test]
    fn rates_are_those_of_the_last_interval() {
        let totals = |total| TaskMetrics {
            records_in_total: total,
            records_out_total: total,
            bytes_total: 10 * total,
            ..TaskMetrics::default()
        };
        let rate = |total, before: Option<u64>| {
            let mut metrics = totals(total);
            let before = before.map(totals);
            measure_rates(&mut metrics, before.as_ref(), Duration::from_secs(2));
            (
                metrics.records_in_per_s,
                metrics.records_out_per_s,
                metrics.bytes_per_s,
            )
        };
        assert_eq!(rate(600, Some(200)), (200.0, 200.0, 2000.0));
        assert_eq!(rate(200, Some(200)), (0.0, 0.0, 0.0));
        // New, and started again.
        assert_eq!(rate(100, None), (50.0, 50.0, 500.0));
        assert_eq!(rate(100, Some(200)), (50.0, 50.0, 500.0));
    }

    #[test]
    fn a_task_that_does_not_run_tells_no_lag() {
        let local = LocalState {
            state: State::Failed,
            trace: None,
            version: None,
            since: Millis(1),
        };
        let mut record = state_of(&ConnectorTaskId::new("c", 0), local);
        record.lag = Some(1);
        record.sink_positions = vec![SinkPosition {
            topic: "t".into(),
            partition: 0,
            position: Some(Offset(9)),
            committed: Some(Offset(9)),
            end_offset: Some(Offset(10)),
            lag: Some(1),
            committed_at: None,
        }];
        forget_ends(&mut record);
        let position = &record.sink_positions[0];
        assert_eq!(
            (record.lag, position.lag, position.end_offset),
            (None, None, None)
        );
        assert_eq!(position.committed, Some(Offset(9)));
    }

    #[test]
    fn an_offset_stored_again_keeps_the_time_at_which_it_moved() {
        let at = |line: i64, time| SourceOffset {
            partition: JsonObject::from_iter([("file".to_owned(), "x".into())]),
            offset: Some(JsonObject::from_iter([(
                "position".to_owned(),
                line.into(),
            )])),
            committed_at: Some(Millis(time)),
        };
        let mut now = [at(7, 2_000)];
        keep_times(&mut now, &[at(7, 1_000)]);
        assert_eq!(now[0].committed_at, Some(Millis(1_000)));
        let mut moved = [at(8, 2_000)];
        keep_times(&mut moved, &[at(7, 1_000)]);
        assert_eq!(moved[0].committed_at, Some(Millis(2_000)));
    }

    #[test]
    fn lag_counts_from_the_committed_offset_and_is_never_negative() {
        assert_eq!(lag(Some(9), Some(5), Some(10)), Some(5));
        assert_eq!(lag(Some(9), None, Some(10)), Some(1));
        assert_eq!(lag(None, Some(5), None), None);
        assert_eq!(lag(None, Some(5), Some(3)), Some(0));
    }
}
