//! Follows the telemetry topic, which agents write: figures of workers and tasks, rebalances, events.

use std::time::{Duration, Instant};

use rdkafka::Message as _;
use rdkafka::consumer::Consumer;
use rdkafka::{Offset, TopicPartitionList};
use sluice_protocol::telemetry::{
    Caller, ConfigAction, Event, EventTelemetry, RebalanceEvent, Severity as Told, TaskTelemetry,
    TelemetryBody, TelemetryRecord, WorkerTelemetry,
};
use sluice_protocol::{ConnectorName, ConnectorType, State};

use super::consumer::BrokerConsumer;
use super::{Shared, TIMEOUT, lock, tail};
use crate::conn::now;
use crate::message::{LagReport, TaskReport, Update, WorkerReport};
use crate::model::cluster::{Rebalance, TaskFigures, WorkerKind};
use crate::model::event::{NewEvent, Severity};
use crate::model::trace::Trace;
use crate::text::Text;
use crate::units::Millis;

/// How far back events are read.
const BACK: Millis = 10 * 60_000;
/// Most records read back in each partition.
const BACK_RECORDS: i64 = 20_000;
/// Figures older than this are past; every worker tells all of them twice a minute.
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
        tell(shared, record);
    }
}

/// Assigns all partitions from some minutes ago.
fn assign(shared: &Shared, topic: &str) -> Option<BrokerConsumer> {
    let consumer = shared.consumer("sluice-terminal").ok()?;
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

fn tell(shared: &Shared, record: TelemetryRecord) {
    let at = record.at.get();
    let fresh = now() - at < FRESH;
    let worker = Text::line(&record.worker_id);
    match record.body {
        TelemetryBody::Worker(told) if fresh => {
            shared
                .feed
                .send_blocking(Update::Worker(worker_report(worker, at, &told)));
        }
        TelemetryBody::Task(told) if fresh => {
            if told.task_type == ConnectorType::Sink {
                let mut all = lock(&shared.told);
                let tasks = all
                    .entry(told.id.connector.as_str().to_owned())
                    .or_default();
                if told.removed {
                    tasks.remove(&told.id.task);
                } else {
                    let runs = told.state == State::Running && told.lag.is_some();
                    tasks.insert(told.id.task, (runs, Instant::now()));
                }
            }
            shared
                .feed
                .send_blocking(Update::Task(Box::new(task_report(worker, at, &told))));
        }
        TelemetryBody::Event(told) => event(shared, &worker, at, told),
        _ => {}
    }
}

fn worker_report(worker: Text, at: Millis, told: &WorkerTelemetry) -> WorkerReport {
    let group = told.group.as_ref();
    WorkerReport {
        worker,
        at,
        kind: WorkerKind::Agent,
        version: Text::line(&told.version),
        cpu: told.cpu,
        memory: told.rss_bytes,
        uptime: i64::try_from(told.uptime_ms).unwrap_or(i64::MAX),
        leader: group.map(|group| group.is_leader),
        generation: group.map(|group| group.generation.get()),
        delay: group.map(|group| i64::try_from(group.delay_ms).unwrap_or(i64::MAX)),
        stopping: false,
    }
}

fn task_report(worker: Text, at: Millis, told: &TaskTelemetry) -> TaskReport {
    let metrics = &told.metrics;
    // Only what runs sees its partitions grow, and has rates; older agents repeat the last figures of what does not.
    let runs = told.state == State::Running;
    let partitions: Vec<LagReport> = told
        .sink_positions
        .iter()
        .filter(|_| runs)
        .map(|position| LagReport {
            connector: told.id.connector.clone(),
            topic: Text::line(&position.topic),
            partition: position.partition,
            end: position.end_offset.map(|offset| offset.get()),
            committed: position.committed.map(|offset| offset.get()),
            start: None,
            task: Some(told.id.task),
        })
        .collect();
    let committed_at = told
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
        connector: told.id.connector.clone(),
        task: told.id.task,
        figures: TaskFigures {
            rate: runs.then_some(metrics.records_out_per_s),
            batch_avg: runs.then_some(metrics.batch_size_avg),
            commit_ms: runs.then_some(metrics.commit_time_avg_ms),
            errors: i64::try_from(errors).ok(),
            last_error: told.last_error.as_deref().map(Text::line),
            partitions: partitions
                .iter()
                .map(|p| (p.topic.clone(), p.partition))
                .collect(),
            committed_at,
            at,
        },
        lag: told
            .lag
            .filter(|_| runs)
            .and_then(|lag| i64::try_from(lag).ok()),
        partitions,
        state: told.state,
        since: told.state_since.map(|at| at.get()),
        worker,
        removed: told.removed,
    }
}

fn rebalance(told: &RebalanceEvent, worker: &Text) -> Rebalance {
    let members = told.members.as_ref().map(|members| {
        let ids = members
            .values()
            .filter_map(|url| super::group::worker_id(url));
        ids.map(|id| Text::line(&id)).collect()
    });
    let cause = if told.cause.is_empty() {
        format!("{worker} joined again")
    } else {
        told.cause.clone()
    };
    Rebalance {
        generation: Some(told.generation.get()),
        start: told.started_at.get(),
        duration: Some(told.ended_at.since(told.started_at)),
        cause: Text::line(&cause),
        joined: None,
        left: None,
        assigned: Some(told.assigned.connectors.len() + told.assigned.tasks.len()),
        revoked: Some(told.revoked.connectors.len() + told.revoked.tasks.len()),
        delay: Some(i64::try_from(told.delay_ms).unwrap_or(i64::MAX)),
        members,
        leader: told.is_leader.then(|| worker.clone()),
    }
}

/// Passes an event on. States come from the status topic already, so they are not told twice.
fn event(shared: &Shared, worker: &Text, at: Millis, told: EventTelemetry) {
    let severity = match told.severity {
        Told::Info => Severity::Info,
        Told::Warning => Severity::Warn,
        Told::Error => Severity::Error,
    };
    let say = |kind, connector: Option<&ConnectorName>, object: Text, what: String, by: Text| {
        shared.feed.send_blocking(Update::Event(NewEvent {
            at,
            severity,
            kind,
            object,
            what: Text::line(&what),
            by,
            connector: connector.cloned(),
        }));
    };
    match told.event {
        Event::Rebalance(told) => {
            shared
                .feed
                .send_blocking(Update::Rebalance(rebalance(&told, worker)));
        }
        Event::TaskState {
            task, to, trace, ..
        } if !shared_status(shared) => {
            let what = state_text(to, trace.as_deref());
            say(
                "task",
                Some(&task.connector),
                Text::line(&task.to_string()),
                what,
                worker.clone(),
            );
        }
        Event::ConnectorState {
            connector,
            to,
            trace,
            ..
        } if !shared_status(shared) => {
            let what = state_text(to, trace.as_deref());
            say(
                "connector",
                Some(&connector),
                Text::line(&connector),
                what,
                worker.clone(),
            );
        }
        Event::Restart {
            connector,
            task,
            include_tasks,
            only_failed,
            requested_by,
        } => {
            let what = match task {
                Some(task) => format!("restart of task {task} asked for"),
                None if only_failed => "restart of what failed asked for".to_owned(),
                None if include_tasks => "restart of all asked for".to_owned(),
                None => "restart of the connector asked for".to_owned(),
            };
            say(
                "restart",
                Some(&connector),
                Text::line(&connector),
                what,
                caller(requested_by.as_ref(), worker),
            );
        }
        Event::ConfigWrite {
            connector,
            action,
            keys,
            requested_by,
        } => {
            let action = match action {
                ConfigAction::Create => "created",
                ConfigAction::Update => "changed",
                ConfigAction::Patch => "patched",
                ConfigAction::Delete => "deleted",
                ConfigAction::Pause => "asked to pause",
                ConfigAction::Resume => "asked to resume",
                ConfigAction::Stop => "asked to stop",
                ConfigAction::TaskConfigs => "new task configurations",
                ConfigAction::Unknown => "written",
            };
            let what = if keys.is_empty() {
                action.to_owned()
            } else {
                format!("{action}: {}", keys.join(", "))
            };
            say(
                "config",
                Some(&connector),
                Text::line(&connector),
                what,
                caller(requested_by.as_ref(), worker),
            );
        }
        Event::OffsetChange {
            connector,
            reset,
            partitions,
            requested_by,
        } => {
            let what = format!(
                "offsets {} ({partitions} partitions)",
                if reset { "reset" } else { "altered" }
            );
            say(
                "offsets",
                Some(&connector),
                Text::line(&connector),
                what,
                caller(requested_by.as_ref(), worker),
            );
        }
        Event::LoggerLevel {
            logger,
            level,
            scope,
            requested_by,
        } => {
            let what = format!("level {level} ({scope})");
            say(
                "logger",
                None,
                Text::line(&logger),
                what,
                caller(requested_by.as_ref(), worker),
            );
        }
        Event::WorkerStart { version } => {
            say(
                "worker",
                None,
                worker.clone(),
                format!("started, version {version}"),
                worker.clone(),
            );
        }
        Event::WorkerStop { reason } => {
            let what = format!("stops: {}", reason.as_deref().unwrap_or("no reason told"));
            say("worker", None, worker.clone(), what, worker.clone());
        }
        Event::Trouble { what, recovered } => {
            let what = if recovered {
                format!("over: {what}")
            } else {
                what
            };
            say("worker", None, worker.clone(), what, worker.clone());
        }
        _ => {}
    }
}

fn shared_status(shared: &Shared) -> bool {
    shared
        .status_followed
        .load(std::sync::atomic::Ordering::Relaxed)
}

fn state_text(to: sluice_protocol::State, trace: Option<&str>) -> String {
    match trace {
        Some(trace) => format!("{to}: {}", Trace::parse(trace).root),
        None => to.to_string(),
    }
}

fn caller(caller: Option<&Caller>, worker: &Text) -> Text {
    let Some(caller) = caller else {
        return worker.clone();
    };
    let who = caller
        .user
        .as_deref()
        .or(caller.address.as_deref())
        .unwrap_or("?");
    match &caller.user_agent {
        Some(agent) => Text::line(&format!("{who} {agent}")),
        None => Text::line(who),
    }
}
