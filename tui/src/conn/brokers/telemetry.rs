//! Follows the telemetry topic, which agents write: figures of workers and tasks, rebalances, events.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::Message as _;
use rdkafka::consumer::Consumer;
use rdkafka::{Offset, TopicPartitionList};
use sluice_protocol::telemetry::{
    self, Caller, EventTelemetry, RebalanceEvent, TaskTelemetry, TelemetryBody, TelemetryRecord,
    WorkerTelemetry,
};
use sluice_protocol::{ConnectorType, State};

use super::consumer::BrokerConsumer;
use super::{Shared, TIMEOUT, lock, tail};
use crate::conn::now;
use crate::model::cluster::{PartitionLag, Rebalance, TaskFigures, WorkerKind};
use crate::model::event::{By, ClusterEvent, Event, Object, Severity};
use crate::model::news::{TaskReport, Update, WorkerReport};
use crate::model::trace::Trace;
use crate::text::Text;
use crate::units::Millis;

/// How far back events are read.
const BACK: Millis = 10 * 60_000;
/// Most records read back in each partition.
const BACK_RECORDS: i64 = 20_000;
/// Figures older than this are past; every worker reports all of them twice a minute.
const FRESH: Millis = 45_000;

/// Follows the topic until the cluster is left or the brokers come back.
pub(super) fn follow(shared: &Shared, topic: &str) {
    let birth = shared.birth();
    let Some(consumer) = tail::retry(shared, || assign(shared, topic)) else {
        return;
    };
    while shared.is_current(birth) {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(500)) else {
            continue;
        };
        let Some(record) = message
            .payload()
            .and_then(|bytes| TelemetryRecord::decode(bytes).ok())
        else {
            continue;
        };
        pass_on(shared, record);
    }
}

/// Assigns all partitions from some minutes ago.
fn assign(shared: &Shared, topic: &str) -> Option<BrokerConsumer> {
    let consumer = shared.consumer(super::CLIENT_ID).ok()?;
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).ok()?;
    let mut wanted = TopicPartitionList::new();
    for partition in metadata.topics().first()?.partitions() {
        wanted
            .add_partition_offset(topic, partition.id(), Offset::Offset(now() - BACK))
            .ok()?;
    }
    let found = consumer.offsets_for_times(wanted, TIMEOUT).ok()?;
    let mut start = TopicPartitionList::new();
    for element in found.elements() {
        let (low, high) = consumer
            .fetch_watermarks(topic, element.partition(), TIMEOUT)
            .ok()?;
        let earliest = (high - BACK_RECORDS).max(low);
        let offset = match element.offset() {
            Offset::Offset(offset) => Offset::Offset(offset.max(earliest)),
            _ => Offset::Offset(high),
        };
        start
            .add_partition_offset(topic, element.partition(), offset)
            .ok()?;
    }
    consumer.assign(&start).ok()?;
    Some(consumer)
}

/// Passes on what a record reports.
fn pass_on(shared: &Shared, record: TelemetryRecord) {
    let at = record.at.get();
    let fresh = now() - at < FRESH;
    let worker = Text::line(&record.worker_id);
    let update = match record.body {
        TelemetryBody::Worker(report) if fresh => {
            Some(Update::Worker(worker_report(worker, at, &report)))
        }
        TelemetryBody::Task(report) if fresh => {
            note_lag(shared, &report);
            let report = task_report(worker, at, &report);
            Some(Update::Task(Box::new(report)))
        }
        TelemetryBody::Event(report) => event(shared, &worker, at, report),
        _ => None,
    };
    if let Some(update) = update {
        shared.feed.send_blocking(update);
    }
}

/// Notes whether the lag of a sink task is reported, so that the brokers need not be asked for it.
fn note_lag(shared: &Shared, report: &TaskTelemetry) {
    if report.task_type != ConnectorType::Sink {
        return;
    }
    let mut all = lock(&shared.reported);
    let tasks = all
        .entry(report.id.connector.as_str().to_owned())
        .or_default();
    if report.removed {
        tasks.remove(&report.id.task);
    } else {
        let runs = report.state == State::Running && report.lag.is_some();
        tasks.insert(report.id.task, (runs, Instant::now()));
    }
}

fn worker_report(worker: Text, at: Millis, report: &WorkerTelemetry) -> WorkerReport {
    let group = report.group.as_ref();
    WorkerReport {
        worker,
        at,
        kind: WorkerKind::Agent,
        version: Text::line(&report.version),
        cpu: report.cpu,
        memory: report.rss_bytes,
        uptime: i64::try_from(report.uptime_ms).unwrap_or(i64::MAX),
        leader: group.map(|group| group.is_leader),
        generation: group.map(|group| group.generation.get()),
        delay: group.map(|group| i64::try_from(group.delay_ms).unwrap_or(i64::MAX)),
        stopping: false,
    }
}

fn task_report(worker: Text, at: Millis, report: &TaskTelemetry) -> TaskReport {
    let metrics = &report.metrics;
    // Only what runs sees its partitions grow, and has rates; older agents repeat the last figures of what
    // does not.
    let runs = report.state == State::Running;
    let partitions: Vec<PartitionLag> = report
        .sink_positions
        .iter()
        .filter(|_| runs)
        .map(|position| PartitionLag {
            connector: report.id.connector.clone(),
            topic: Text::line(&position.topic),
            partition: position.partition,
            end: position.end_offset.map(|offset| offset.get()),
            committed: position.committed.map(|offset| offset.get()),
            start: None,
            task: Some(report.id.task),
            slope: None,
            at,
        })
        .collect();
    let committed_at = report
        .source_offsets
        .iter()
        .filter_map(|offset| offset.committed_at)
        .map(|at| at.get())
        .max();
    let errors = metrics
        .record_errors_total
        .saturating_add(metrics.records_skipped_total)
        .max(metrics.record_failures_total);
    TaskReport {
        connector: report.id.connector.clone(),
        task: report.id.task,
        figures: TaskFigures {
            rate: runs.then_some(metrics.records_out_per_s),
            batch_avg: runs.then_some(metrics.batch_size_avg),
            commit_ms: runs.then_some(metrics.commit_time_avg_ms),
            errors: i64::try_from(errors).ok(),
            last_error: report.last_error.as_deref().map(Text::line),
            partitions: partitions
                .iter()
                .map(|p| (p.topic.clone(), p.partition))
                .collect(),
            committed_at,
            at,
        },
        lag: report
            .lag
            .filter(|_| runs)
            .and_then(|lag| i64::try_from(lag).ok()),
        partitions,
        state: report.state,
        since: report.state_since.map(|at| at.get()),
        worker,
        removed: report.removed,
    }
}

fn rebalance(report: &RebalanceEvent, worker: &Text) -> Rebalance {
    let members = report.members.as_ref().map(|members| {
        let ids = members
            .values()
            .filter_map(|url| super::group::worker_id(url));
        ids.map(|id| Text::line(&id)).collect()
    });
    let cause = if report.cause.is_empty() {
        format!("{worker} joined again")
    } else {
        report.cause.clone()
    };
    Rebalance {
        generation: Some(report.generation.get()),
        start: report.started_at.get(),
        duration: Some(report.ended_at.since(report.started_at)),
        cause: Text::line(&cause),
        joined: None,
        left: None,
        assigned: Some(report.assigned.connectors.len() + report.assigned.tasks.len()),
        revoked: Some(report.revoked.connectors.len() + report.revoked.tasks.len()),
        delay: Some(i64::try_from(report.delay_ms).unwrap_or(i64::MAX)),
        members,
        leader: report.is_leader.then(|| worker.clone()),
    }
}

/// The news in an event. States come from the status topic where that is followed, so they are not reported
/// twice.
fn event(shared: &Shared, worker: &Text, at: Millis, event: EventTelemetry) -> Option<Update> {
    use telemetry::Event as E;
    let followed = shared.status_followed.load(Ordering::Relaxed);
    let state = |to, trace: Option<String>| ClusterEvent::State {
        from: None,
        to,
        root: trace.map(|trace| Trace::parse(&trace).root),
    };
    let mut by = By::Worker(worker.clone());
    let mut object = Object::Worker(worker.clone());
    let what = match event.event {
        E::Rebalance(report) => return Some(Update::Rebalance(rebalance(&report, worker))),
        E::TaskState { .. } | E::ConnectorState { .. } if followed => return None,
        E::TaskState {
            task, to, trace, ..
        } => {
            object = Object::Task(task.connector, task.task);
            state(to, trace)
        }
        E::ConnectorState {
            connector,
            to,
            trace,
            ..
        } => {
            object = Object::Connector(connector);
            state(to, trace)
        }
        E::Restart {
            connector,
            task,
            include_tasks,
            only_failed,
            requested_by,
        } => {
            object = Object::Connector(connector);
            by = caller(requested_by).unwrap_or(by);
            ClusterEvent::Restart {
                task,
                include_tasks,
                only_failed,
            }
        }
        E::ConfigWrite {
            connector,
            action,
            keys,
            requested_by,
        } => {
            object = Object::Connector(connector);
            by = caller(requested_by).unwrap_or(by);
            let keys = Text::line(&keys.join(", "));
            ClusterEvent::ConfigWrite { action, keys }
        }
        E::OffsetChange {
            connector,
            reset,
            partitions,
            requested_by,
        } => {
            object = Object::Connector(connector);
            by = caller(requested_by).unwrap_or(by);
            ClusterEvent::Offsets { reset, partitions }
        }
        E::LoggerLevel {
            logger,
            level,
            scope,
            requested_by,
        } => {
            object = Object::Logger(Text::line(&logger));
            by = caller(requested_by).unwrap_or(by);
            let (level, scope) = (Text::line(&level), Text::line(&scope));
            ClusterEvent::LoggerLevel { level, scope }
        }
        E::WorkerStart { version } => ClusterEvent::WorkerStarted(Text::line(&version)),
        E::WorkerStop { reason } => ClusterEvent::WorkerStops(reason.as_deref().map(Text::line)),
        E::Trouble { what, recovered } => {
            let what = Text::line(&what);
            ClusterEvent::Trouble { what, recovered }
        }
        E::Unknown => return None,
    };
    Some(Update::Event(Event {
        number: 0,
        at,
        severity: match event.severity {
            telemetry::Severity::Info => Severity::Info,
            telemetry::Severity::Warning => Severity::Warn,
            telemetry::Severity::Error => Severity::Error,
        },
        by,
        object,
        what,
    }))
}

/// Who made a request: its user or address, and its client; `None` where there was no request.
fn caller(caller: Option<Caller>) -> Option<By> {
    let caller = caller?;
    let who = caller.user.as_deref().or(caller.address.as_deref());
    let agent = caller.user_agent.as_deref().map(Text::line);
    Some(By::Caller(Text::line(who.unwrap_or("?")), agent))
}
