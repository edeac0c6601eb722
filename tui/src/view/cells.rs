//! The text and tone of each cell. What is not known is `n/a`, dim; what can't be is `—`.

use sluice_protocol::{ConnectorType, State};

use crate::model::Model;
use crate::model::cluster::{Connector, Link, PartitionLag, Rebalance, Task, Worker, WorkerHealth};
use crate::model::dialog::Tone;
use crate::model::event::{Event, Severity};
use crate::model::health;
use crate::model::table::{Column, RowKey};
use crate::theme;
use crate::units;

type Cell = (Tone, String);

fn unknown() -> Cell {
    (Tone::Dim, "n/a".to_owned())
}

fn never() -> Cell {
    (Tone::Dim, "—".to_owned())
}

fn plain(text: impl Into<String>) -> Cell {
    (Tone::Plain, text.into())
}

/// The cell of `column` in the row `key`, for at most `width` cells.
pub(super) fn cell(model: &Model, key: &RowKey, column: Column, width: usize) -> Cell {
    let cluster = &model.cluster;
    let found = match key {
        RowKey::Connector(name) => cluster
            .connectors
            .get(name)
            .map(|connector| connector_cell(model, connector, column, width)),
        RowKey::Task(name, id) => cluster.connectors.get(name).and_then(|connector| {
            let task = connector.tasks.get(id)?;
            Some(task_cell(model, connector, task, column))
        }),
        RowKey::Worker(id) => cluster
            .workers
            .get(id)
            .map(|worker| worker_cell(model, worker, column)),
        RowKey::Rebalance(place) => cluster
            .rebalances
            .get(*place)
            .map(|r| rebalance_cell(r, column)),
        RowKey::Partition(name, topic, partition) => cluster
            .partitions
            .get(&(name.clone(), topic.clone(), *partition))
            .map(|lag| partition_cell(model, lag, column)),
        RowKey::Event(number) => model
            .events
            .get(*number)
            .map(|event| event_cell(event, column)),
        RowKey::Context(place) => Some(context_cell(model, *place, column)),
    };
    found.unwrap_or_else(unknown)
}

/// How long ago a state changed; `>5m` when it was like that when we began to watch.
pub(super) fn since(model: &Model, changed: Option<i64>) -> Cell {
    match changed {
        Some(at) => plain(units::span(model.now - at)),
        // The first minute says nothing, and a cell that counts seconds on every row is noise on a slow line.
        None if model.now - model.since < 60_000 => unknown(),
        None => (
            Tone::Dim,
            format!(">{}", units::span(model.now - model.since)),
        ),
    }
}

/// Lag, coloured by whether it matters.
pub(super) fn lag(connector: &Connector, lag: Option<i64>) -> Cell {
    match (connector.kind, lag) {
        (ConnectorType::Source, _) => never(),
        (_, Some(0)) => (Tone::Dim, "0".to_owned()),
        (_, Some(lag)) => plain(units::count(lag)),
        (_, None) => unknown(),
    }
}

/// A lag that is known to be old is dim and has a question mark.
fn aged(model: &Model, at: Option<i64>, (tone, text): Cell) -> Cell {
    let number = text.starts_with(|c: char| c.is_ascii_digit());
    if number && model.cluster.is_old_lag(at, model.now) {
        (Tone::Dim, format!("{text}?"))
    } else {
        (tone, text)
    }
}

/// The health; what nobody can vouch for any more is STALE, and what was bad stays that.
fn health_cell(model: &Model, c: &Connector) -> Cell {
    if model.cluster.is_stale(model.now) && !c.health.is_bad() {
        return (Tone::Warn, "STALE".to_owned());
    }
    if model.cluster.is_unsure(model.now) && !c.health.is_bad() {
        return (Tone::Warn, format!("{}?", health::label(c)));
    }
    (theme::health(c.health), health::label(c))
}

fn optional(n: Option<i64>) -> Cell {
    match n {
        Some(0) => (Tone::Dim, "0".to_owned()),
        Some(n) => plain(units::count(n)),
        None => unknown(),
    }
}

fn rate(rate: Option<f64>) -> Cell {
    rate.map_or_else(unknown, |rate| plain(units::rate(rate)))
}

fn connector_cell(model: &Model, c: &Connector, column: Column, width: usize) -> Cell {
    match column {
        Column::Health => health_cell(model, c),
        Column::Name => plain(c.label.as_str()),
        Column::Type => plain(c.kind.to_string()),
        Column::Tasks => {
            let tone = if c.counts.failed + c.counts.lost > 0 {
                Tone::Bad
            } else {
                Tone::Plain
            };
            (tone, c.counts.label())
        }
        Column::Lag => aged(model, c.lag_at, lag(c, c.lag)),
        Column::Trend => (Tone::Accent, units::sparkline(c.trend.iter(), width)),
        Column::Rate => rate(c.rate),
        Column::Errors => match c.errors {
            Some(n) if n > 0 => (Tone::Warn, units::count(n)),
            n => optional(n),
        },
        Column::Restarts => optional(c.restarts.map(i64::from)),
        Column::Changed => since(model, c.changed),
        Column::Class => plain(c.class().as_str()),
        Column::Version => c
            .version
            .as_ref()
            .map_or_else(unknown, |v| plain(v.as_str())),
        Column::Worker => plain(c.worker.as_str()),
        Column::Topics => match c
            .config
            .text("topics")
            .or_else(|| c.config.text("topics.regex"))
            .or_else(|| c.config.text("topic"))
        {
            Some(topics) => plain(crate::text::Text::line(topics).as_str()),
            None => unknown(),
        },
        Column::Dlq => c
            .dlq()
            .map_or_else(never, |dlq| plain(crate::text::Text::line(dlq).as_str())),
        Column::Group => c.group().map_or_else(never, |group| {
            plain(crate::text::Text::line(&group).as_str())
        }),
        Column::Moved => match c.moved {
            Some(at) => plain(units::span(model.now - at)),
            None => unknown(),
        },
        _ => unknown(),
    }
}

/// The tone of a state.
pub(super) const fn state_tone(state: State) -> Tone {
    match state {
        State::Running => Tone::Good,
        State::Failed => Tone::Bad,
        State::Unassigned | State::Restarting => Tone::Warn,
        State::Paused | State::Stopped | State::Destroyed => Tone::Dim,
    }
}

fn task_cell(model: &Model, c: &Connector, task: &Task, column: Column) -> Cell {
    let figures = task.figures.as_ref();
    match column {
        Column::Id => plain(task.id.to_string()),
        Column::State if task.lost => (Tone::Bad, "LOST".to_owned()),
        Column::State => (state_tone(task.state), task.state.to_string()),
        Column::Name => plain(c.label.as_str()),
        Column::Worker if task.worker.is_empty() => never(),
        Column::Worker => plain(task.worker.as_str()),
        Column::Lag => aged(model, c.lag_at, lag(c, task.lag)),
        Column::Rate => rate(figures.and_then(|f| f.rate)),
        Column::Batch => rate(figures.and_then(|f| f.batch_avg)),
        Column::Commit => figures
            .and_then(|f| f.commit_ms)
            .map_or_else(unknown, |ms| plain(format!("{ms:.0}ms"))),
        Column::Errors => match figures.and_then(|f| f.errors) {
            Some(n) if n > 0 => (Tone::Warn, units::count(n)),
            n => optional(n),
        },
        Column::Restarts => optional(task.restarts.map(i64::from)),
        Column::Changed => since(model, task.changed),
        Column::Partitions => partitions(model, c, task),
        Column::LastError => figures
            .and_then(|f| f.last_error.as_ref())
            .map_or_else(never, |error| (Tone::Warn, error.to_string())),
        Column::Generation => task
            .generation
            .map_or_else(unknown, |g| plain(g.to_string())),
        Column::RootCause => match &task.trace {
            Some(trace) => (Tone::Bad, trace.root.to_string()),
            None => (Tone::Plain, String::new()),
        },
        _ => unknown(),
    }
}

/// `orders-0,4`: partitions of a sink task, from its figures or from the group.
fn partitions(model: &Model, c: &Connector, task: &Task) -> Cell {
    if c.kind == ConnectorType::Source {
        return never();
    }
    let own: Vec<(String, i32)> = match task.figures.as_ref().filter(|f| !f.partitions.is_empty()) {
        Some(figures) => figures
            .partitions
            .iter()
            .map(|(t, p)| (t.to_string(), *p))
            .collect(),
        None => model
            .cluster
            .partitions
            .values()
            .filter(|p| p.connector == c.name && p.task == Some(task.id))
            .map(|p| (p.topic.to_string(), p.partition))
            .collect(),
    };
    if own.is_empty() {
        return unknown();
    }
    let mut text = String::new();
    let mut last = "";
    for (topic, partition) in own.iter().take(30) {
        if topic == last {
            text.push_str(&format!(",{partition}"));
        } else {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&format!("{topic}-{partition}"));
            last = topic;
        }
    }
    plain(text)
}

fn worker_cell(model: &Model, w: &Worker, column: Column) -> Cell {
    match column {
        Column::Worker => {
            let gone = w.member == Some(false);
            (if gone { Tone::Dim } else { Tone::Plain }, w.id.to_string())
        }
        Column::Kind => w.kind.map_or_else(unknown, |kind| plain(kind.as_str())),
        Column::Version => w
            .version
            .as_ref()
            .map_or_else(unknown, |v| plain(v.as_str())),
        Column::Leader => match w.leader {
            Some(true) => (Tone::Accent, "★".to_owned()),
            Some(false) => plain(""),
            None => unknown(),
        },
        Column::Health => worker_health(model, w),
        Column::Connectors => plain(w.connectors.to_string()),
        Column::Tasks => plain(w.tasks.to_string()),
        Column::Delta => delta(model, w),
        Column::Cpu => w
            .cpu
            .map_or_else(unknown, |cpu| plain(format!("{:.0}", cpu * 100.0))),
        Column::Memory => w
            .memory
            .map_or_else(unknown, |memory| plain(units::bytes(memory))),
        Column::Rate => rate(w.rate),
        Column::Up => w
            .started
            .map_or_else(unknown, |at| plain(units::span(model.now - at))),
        _ => unknown(),
    }
}

fn worker_health(model: &Model, w: &Worker) -> Cell {
    if w.member == Some(false) {
        return (Tone::Bad, "left".to_owned());
    }
    match &w.health {
        Some(WorkerHealth::Ok) => (Tone::Good, "ok".to_owned()),
        Some(WorkerHealth::Warns(warning)) => (Tone::Warn, format!("ok, warns: {warning}")),
        Some(WorkerHealth::Answers) => (Tone::Good, "answers".to_owned()),
        Some(WorkerHealth::NotReady(why)) => (Tone::Warn, format!("not ready: {why}")),
        Some(WorkerHealth::Unreachable(why) | WorkerHealth::Refused(why)) => {
            (Tone::Bad, format!("no answer: {why}"))
        }
        None => match w.seen {
            Some(at) if model.now - at < 40_000 => (Tone::Good, "reports".to_owned()),
            Some(at) => (Tone::Bad, format!("silent {}", units::span(model.now - at))),
            None => unknown(),
        },
    }
}

/// Tasks above or below the mean of the members.
fn delta(model: &Model, w: &Worker) -> Cell {
    let members: Vec<&Worker> = model
        .cluster
        .workers
        .values()
        .filter(|w| w.member != Some(false))
        .collect();
    if members.len() < 2 || w.member == Some(false) {
        return (Tone::Dim, String::new());
    }
    let mean = members.iter().map(|w| w.tasks).sum::<usize>() as f64 / members.len() as f64;
    let delta = w.tasks as f64 - mean;
    let tone = if delta.abs() > 1.0 + mean * 0.2 {
        Tone::Warn
    } else {
        Tone::Dim
    };
    let text = match delta.round() as i64 {
        0 => "0".to_owned(),
        n => format!("{n:+}"),
    };
    (tone, text)
}

fn rebalance_cell(r: &Rebalance, column: Column) -> Cell {
    let some = |n: Option<usize>| n.map_or_else(unknown, |n| plain(n.to_string()));
    match column {
        Column::Generation => r.generation.map_or_else(unknown, |g| plain(g.to_string())),
        Column::Start => plain(units::clock(r.start)),
        Column::Duration => r
            .duration
            .map_or_else(unknown, |d| plain(units::duration(d))),
        Column::Cause => plain(r.cause.as_str()),
        Column::Joined => some(r.joined),
        Column::Left => match r.left {
            Some(n) if n > 0 => (Tone::Bad, n.to_string()),
            n => some(n),
        },
        Column::Assigned => some(r.assigned),
        Column::Revoked => some(r.revoked),
        Column::Delay => match r.delay {
            Some(0) | None => never(),
            Some(delay) => (Tone::Warn, units::span(delay)),
        },
        _ => unknown(),
    }
}

fn partition_cell(model: &Model, p: &PartitionLag, column: Column) -> Cell {
    match column {
        Column::Topic => plain(p.topic.as_str()),
        Column::Partition => plain(p.partition.to_string()),
        Column::End => p.end.map_or_else(unknown, |n| plain(n.to_string())),
        Column::Committed => p.committed.map_or_else(
            || (Tone::Dim, "none yet".to_owned()),
            |n| plain(n.to_string()),
        ),
        Column::Lag => aged(model, Some(p.at), optional(p.lag())),
        Column::Eta => match (p.lag(), p.eta(), p.slope) {
            (Some(0), ..) => never(),
            (_, Some(eta), _) => plain(units::span(eta * 1_000)),
            (_, None, Some(slope)) if slope > 0.01 => (Tone::Bad, "never".to_owned()),
            _ => unknown(),
        },
        Column::Name => plain(crate::text::Text::name(&p.connector).as_str()),
        Column::Owner => match p.task {
            Some(task) => {
                let worker = model
                    .cluster
                    .task(&p.connector, task)
                    .map(|t| t.worker.to_string());
                plain(format!("task {task} {}", worker.unwrap_or_default()))
            }
            None => unknown(),
        },
        _ => unknown(),
    }
}

/// The tone of a severity.
pub(super) const fn severity_tone(severity: Severity) -> Tone {
    match severity {
        Severity::Info => Tone::Dim,
        Severity::Warn => Tone::Warn,
        Severity::Error => Tone::Bad,
    }
}

fn event_cell(event: &Event, column: Column) -> Cell {
    let e = &event.event;
    match column {
        Column::Time => plain(units::clock(e.at)),
        Column::Severity => (severity_tone(e.severity), e.severity.as_str().to_owned()),
        Column::Kind => plain(e.kind),
        Column::Object => plain(e.object.as_str()),
        Column::What => plain(e.what.as_str()),
        Column::By => (Tone::Dim, e.by.to_string()),
        _ => unknown(),
    }
}

fn context_cell(model: &Model, place: usize, column: Column) -> Cell {
    let Some(context) = model.contexts.get(place) else {
        return unknown();
    };
    let current = place == model.context;
    let seen = context.seen.as_ref();
    match column {
        Column::Name => (
            if current { Tone::Accent } else { Tone::Plain },
            context.name.to_string(),
        ),
        Column::Urls => plain(context.urls.as_str()),
        Column::Version => seen
            .and_then(|s| s.version.as_ref())
            .map_or_else(unknown, |v| plain(v.as_str())),
        Column::State if !current => (Tone::Dim, "not connected".to_owned()),
        Column::State => match &model.cluster.rest {
            Link::Up => (Tone::Good, "connected".to_owned()),
            Link::Down { .. } => (Tone::Bad, "disconnected".to_owned()),
            Link::Connecting | Link::Absent => (Tone::Warn, "connecting".to_owned()),
        },
        Column::Connectors => seen.map_or_else(unknown, |s| plain(s.connectors.to_string())),
        Column::Errors => match seen {
            Some(s) if s.bad > 0 => (Tone::Bad, s.bad.to_string()),
            Some(s) => plain(s.bad.to_string()),
            None => unknown(),
        },
        Column::Mode => {
            let readonly = model.readonly || context.readonly;
            plain(if readonly { "RO" } else { "RW" })
        }
        Column::Seen => seen.map_or_else(unknown, |s| plain(units::age(model.now, Some(s.at)))),
        _ => unknown(),
    }
}
