//! Row indexes: which rows pass the filter, in which order. Made once per frame at most, and only when data, filter
//! or order changed; the view then formats visible rows only.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use sluice_protocol::{ConnectorType, State};

use crate::model::cluster::{Connector, PartitionLag, Rebalance, Task, Worker};
use crate::model::event::{Event, Severity};
use crate::model::filter::Subject;
use crate::model::screen::Screen;
use crate::model::table::{Column, RowKey, Sort, TableId};
use crate::model::{ContextSummary, Model};

/// Makes the row indexes of the screen that is shown.
pub(super) fn rebuild(model: &mut Model) {
    model.cluster.recount_workers();
    super::telemetry::worker_rates(model);
    match model.nav.current().clone() {
        Screen::Connectors => connectors(model),
        Screen::Connector(name) => connector_tasks(model, &name),
        Screen::Tasks => tasks(model),
        Screen::Workers => workers(model),
        Screen::Lag => lag(model),
        Screen::Events => events(model),
        Screen::Contexts => contexts(model),
        Screen::Help => {}
    }
    forget_dead_marks(model);
}

/// Keeps selections on the screen.
pub(super) fn scroll(model: &mut Model) {
    for id in TableId::ALL {
        let height = crate::view::layout::table_rows(model, id);
        model.table_mut(id).scroll_to_selection(height);
    }
}

fn forget_dead_marks(model: &mut Model) {
    let mut marks = std::mem::take(&mut model.table_mut(TableId::Connectors).marks);
    marks.retain(|key| {
        key.connector()
            .is_some_and(|name| model.cluster.connectors.contains_key(name))
    });
    model.table_mut(TableId::Connectors).marks = marks;
    let mut marks = std::mem::take(&mut model.table_mut(TableId::Tasks).marks);
    marks.retain(|key| match key {
        RowKey::Task(name, id) => model.cluster.task(name, *id).is_some(),
        _ => false,
    });
    model.table_mut(TableId::Tasks).marks = marks;
}

/// A value to sort by; what is not known comes last in either direction.
#[derive(PartialEq, PartialOrd)]
enum Rank<'a> {
    Number(f64),
    Text(&'a str),
    Unknown,
}

fn number(n: Option<f64>) -> Rank<'static> {
    n.map_or(Rank::Unknown, Rank::Number)
}

fn compare(a: &Rank<'_>, b: &Rank<'_>, reverse: bool) -> Ordering {
    match (a, b) {
        (Rank::Unknown, Rank::Unknown) => Ordering::Equal,
        (Rank::Unknown, _) => Ordering::Greater,
        (_, Rank::Unknown) => Ordering::Less,
        _ => {
            let order = a.partial_cmp(b).unwrap_or(Ordering::Equal);
            if reverse { order.reverse() } else { order }
        }
    }
}

/// Sorts rows by rank; equal ranks keep the order of their keys, which is that of names.
fn sorted<'a, T>(
    mut rows: Vec<(RowKey, &'a T)>,
    sort: Sort,
    rank: impl Fn(&'a T, &RowKey) -> Rank<'a>,
) -> Vec<RowKey> {
    rows.sort_by(|(ka, a), (kb, b)| {
        compare(&rank(a, ka), &rank(b, kb), sort.reverse).then_with(|| ka.cmp(kb))
    });
    rows.into_iter().map(|(key, _)| key).collect()
}

impl Subject for Connector {
    fn haystack(&self) -> String {
        format!(
            "{} {} {} {} {}",
            crate::model::health::label(self),
            self.name,
            self.kind,
            self.class().as_str(),
            self.worker.as_str()
        )
    }

    fn label(&self, key: &str) -> Option<String> {
        Some(match key {
            "health" => self.health.as_str().to_owned(),
            "type" => self.kind.to_string(),
            "state" => self.state.to_string(),
            "worker" => self.worker.to_string(),
            "class" => self.class().to_string(),
            "name" => self.name.to_string(),
            key => return self.config.text(key).map(str::to_owned),
        })
    }

    fn also(&self, key: &str) -> Option<&'static str> {
        (key == "health" && self.health.is_bad()).then_some("bad")
    }
}

fn connectors(model: &mut Model) {
    let table = model.table(TableId::Connectors);
    let (filter, sort) = (&table.filter, table.sort);
    let all = &model.cluster.connectors;
    let rows: Vec<(RowKey, &Connector)> = all
        .values()
        .filter(|c| !table.faults || c.health.is_fault())
        .filter(|c| filter.accepts(*c))
        .map(|c| (RowKey::Connector(c.name.clone()), c))
        .collect();
    let total = all.len();
    let bad: BTreeSet<RowKey> = rows
        .iter()
        .filter(|(_, c)| c.health.is_bad())
        .map(|(key, _)| key.clone())
        .collect();
    let rows = sorted(rows, sort, |c, _| connector_rank(c, sort.column));
    let table = model.table_mut(TableId::Connectors);
    // One works down a list of failures: a row that gets well leaves it, and the cursor stays with the failures.
    let recovered = table
        .current()
        .is_some_and(|key| table.bad.contains(key) && !bad.contains(key));
    if recovered && sort.column == Column::Health {
        table.replace_in_place(rows, total);
    } else {
        table.replace(rows, total);
    }
    table.bad = bad;
}

fn connector_rank(c: &Connector, column: Column) -> Rank<'_> {
    match column {
        Column::Health => Rank::Number(f64::from(c.health as u8)),
        Column::Type => Rank::Text(match c.kind {
            ConnectorType::Sink => "sink",
            ConnectorType::Source => "source",
            ConnectorType::Unknown => "unknown",
        }),
        // The fewest running first, large numbers otherwise first: what one looks for is at the top.
        Column::Tasks => Rank::Number(-(c.counts.total as f64)),
        Column::Lag => number(c.lag.map(|lag| -(lag as f64))),
        Column::Rate => number(c.rate.map(|rate| -rate)),
        Column::Errors => number(c.errors.map(|n| -(n as f64))),
        Column::Restarts => number(c.restarts.map(|n| -f64::from(n))),
        Column::Changed => number(c.changed.map(|at| -(at as f64))),
        Column::State => Rank::Text(c.state.as_str()),
        Column::Worker => Rank::Text(c.worker.as_str()),
        Column::Class => Rank::Text(c.config.text("connector.class").unwrap_or("")),
        Column::Version => c
            .version
            .as_ref()
            .map_or(Rank::Unknown, |v| Rank::Text(v.as_str())),
        Column::Moved => number(c.moved.map(|at| at as f64)),
        _ => Rank::Text(c.label.as_str()),
    }
}

/// States of tasks, worst first.
fn severity(state: State) -> f64 {
    match state {
        State::Failed => 0.0,
        State::Unassigned => 1.0,
        State::Restarting => 2.0,
        State::Destroyed => 3.0,
        State::Stopped => 4.0,
        State::Paused => 5.0,
        State::Running => 6.0,
    }
}

fn task_rank<'a>(task: &'a Task, key: &'a RowKey, column: Column) -> Rank<'a> {
    let figures = task.figures.as_ref();
    match column {
        Column::Id | Column::Tasks => Rank::Number(f64::from(task.id)),
        Column::State | Column::Health if task.lost => Rank::Number(0.5),
        Column::State | Column::Health => Rank::Number(severity(task.state)),
        Column::Worker => Rank::Text(task.worker.as_str()),
        Column::Lag => number(task.lag.map(|lag| -(lag as f64))),
        Column::Rate => number(figures.and_then(|f| f.rate).map(|rate| -rate)),
        Column::Batch => number(figures.and_then(|f| f.batch_avg).map(|n| -n)),
        Column::Commit => number(figures.and_then(|f| f.commit_ms).map(|n| -n)),
        Column::Errors => number(figures.and_then(|f| f.errors).map(|n| -(n as f64))),
        Column::Restarts => number(task.restarts.map(|n| -f64::from(n))),
        Column::Changed => number(task.changed.map(|at| -(at as f64))),
        Column::RootCause => task
            .trace
            .as_ref()
            .map_or(Rank::Unknown, |t| Rank::Text(t.root.as_str())),
        _ => key
            .connector()
            .map_or(Rank::Unknown, |name| Rank::Text(name.as_str())),
    }
}

struct TaskSubject<'a>(&'a Connector, &'a Task);

impl Subject for TaskSubject<'_> {
    fn haystack(&self) -> String {
        let root = self
            .1
            .trace
            .as_ref()
            .map_or("", |trace| trace.root.as_str());
        format!(
            "{} {}-{} {} {root}",
            state_word(self.1),
            self.0.name,
            self.1.id,
            self.1.worker.as_str()
        )
    }

    fn label(&self, key: &str) -> Option<String> {
        match key {
            "state" => Some(state_word(self.1).to_owned()),
            "worker" => Some(self.1.worker.to_string()),
            key => self.0.label(key),
        }
    }

    fn also(&self, key: &str) -> Option<&'static str> {
        self.0.also(key)
    }
}

/// The state of a task as it is shown: what a worker that is gone is said to run is LOST.
fn state_word(task: &Task) -> &'static str {
    if task.lost {
        "LOST"
    } else {
        task.state.as_str()
    }
}

fn connector_tasks(model: &mut Model, name: &str) {
    let sort = model.table(TableId::ConnectorTasks).sort;
    let Some(connector) = model.cluster.connectors.get(name) else {
        model
            .table_mut(TableId::ConnectorTasks)
            .replace(Vec::new(), 0);
        return;
    };
    let rows: Vec<(RowKey, &Task)> = connector
        .tasks
        .values()
        .map(|task| (RowKey::Task(connector.name.clone(), task.id), task))
        .collect();
    let total = rows.len();
    let keys: Vec<RowKey> = rows.iter().map(|(key, _)| key.clone()).collect();
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|a, b| {
        let (Some((ka, ta)), Some((kb, tb))) = (rows.get(*a), rows.get(*b)) else {
            return Ordering::Equal;
        };
        compare(
            &task_rank(ta, ka, sort.column),
            &task_rank(tb, kb, sort.column),
            sort.reverse,
        )
        .then_with(|| ka.cmp(kb))
    });
    let rows = order
        .into_iter()
        .filter_map(|i| keys.get(i).cloned())
        .collect();
    model
        .table_mut(TableId::ConnectorTasks)
        .replace(rows, total);
}

fn tasks(model: &mut Model) {
    let table = model.table(TableId::Tasks);
    let (filter, sort) = (&table.filter, table.sort);
    let mut total = 0;
    let mut rows: Vec<(RowKey, &Task)> = Vec::new();
    for connector in model.cluster.connectors.values() {
        for task in connector.tasks.values() {
            total += 1;
            let fault =
                task.lost || !matches!(task.state, State::Running | State::Paused | State::Stopped);
            if (!table.faults || fault)
                && (filter.is_empty() || filter.accepts(&TaskSubject(connector, task)))
            {
                rows.push((RowKey::Task(connector.name.clone(), task.id), task));
            }
        }
    }
    rows.sort_by(|(ka, a), (kb, b)| {
        compare(
            &task_rank(a, ka, sort.column),
            &task_rank(b, kb, sort.column),
            sort.reverse,
        )
        .then_with(|| ka.cmp(kb))
    });
    let rows = rows.into_iter().map(|(key, _)| key).collect();
    model.table_mut(TableId::Tasks).replace(rows, total);
}

impl Subject for Worker {
    fn haystack(&self) -> String {
        let kind = self.kind.map_or("", |kind| kind.as_str());
        format!("{} {kind}", self.id.as_str())
    }

    fn label(&self, key: &str) -> Option<String> {
        match key {
            "kind" => self.kind.map(|kind| kind.as_str().to_owned()),
            "version" => self.version.as_ref().map(ToString::to_string),
            _ => None,
        }
    }
}

fn workers(model: &mut Model) {
    let table = model.table(TableId::Workers);
    let (filter, sort) = (&table.filter, table.sort);
    let rows: Vec<(RowKey, &Worker)> = model
        .cluster
        .workers
        .values()
        .filter(|worker| filter.accepts(*worker))
        .map(|worker| (RowKey::Worker(worker.id.clone()), worker))
        .collect();
    let total = model.cluster.workers.len();
    let rows = sorted(rows, sort, |w, _| match sort.column {
        Column::Tasks | Column::Delta => Rank::Number(-(w.tasks as f64)),
        Column::Connectors => Rank::Number(-(w.connectors as f64)),
        Column::Cpu => number(w.cpu.map(|n| -n)),
        Column::Memory => number(w.memory.map(|n| -(n as f64))),
        Column::Rate => number(w.rate.map(|n| -n)),
        Column::Up | Column::Changed => number(w.started.map(|at| -(at as f64))),
        Column::Version => w
            .version
            .as_ref()
            .map_or(Rank::Unknown, |v| Rank::Text(v.as_str())),
        Column::Kind => number(w.kind.map(|kind| f64::from(kind as u8))),
        Column::Leader => Rank::Number(f64::from(u8::from(w.leader != Some(true)))),
        Column::Health => Rank::Number(f64::from(u8::from(
            w.health == Some(crate::model::cluster::WorkerHealth::Ok),
        ))),
        _ => Rank::Text(w.id.as_str()),
    });
    model.table_mut(TableId::Workers).replace(rows, total);
    let filter = &model.table(TableId::Rebalances).filter;
    let rebalances = &model.cluster.rebalances;
    let rows = rebalances
        .iter()
        .enumerate()
        .filter(|(_, rebalance)| filter.accepts(*rebalance))
        .map(|(place, _)| RowKey::Rebalance(place))
        .collect();
    let count = rebalances.len();
    model.table_mut(TableId::Rebalances).replace(rows, count);
}

impl Subject for Rebalance {
    fn haystack(&self) -> String {
        let generation = self.generation.map(|n| n.to_string()).unwrap_or_default();
        format!("{generation} {}", self.cause.as_str())
    }

    fn label(&self, _key: &str) -> Option<String> {
        None
    }
}

impl Subject for ContextSummary {
    fn haystack(&self) -> String {
        format!("{} {}", self.name, self.urls)
    }

    fn label(&self, _key: &str) -> Option<String> {
        None
    }
}

impl Subject for PartitionLag {
    fn haystack(&self) -> String {
        format!(
            "{}-{} {}",
            self.topic.as_str(),
            self.partition,
            self.connector
        )
    }

    fn label(&self, key: &str) -> Option<String> {
        match key {
            "topic" => Some(self.topic.to_string()),
            "connector" => Some(self.connector.to_string()),
            _ => None,
        }
    }
}

fn lag(model: &mut Model) {
    let table = model.table(TableId::Lag);
    let (filter, sort) = (&table.filter, table.sort);
    let rows: Vec<(RowKey, &PartitionLag)> = model
        .cluster
        .partitions
        .values()
        .filter(|p| !table.faults || p.lag() != Some(0))
        .filter(|p| filter.accepts(*p))
        .map(|p| {
            (
                RowKey::Partition(p.connector.clone(), p.topic.clone(), p.partition),
                p,
            )
        })
        .collect();
    let total = model.cluster.partitions.len();
    let rows = sorted(rows, sort, |p, _| match sort.column {
        Column::Lag => number(p.lag().map(|lag| -(lag as f64))),
        Column::Eta => number(p.eta().map(|eta| eta as f64)),
        Column::End => number(p.end.map(|n| -(n as f64))),
        Column::Committed => number(p.committed.map(|n| -(n as f64))),
        Column::Partition => Rank::Number(f64::from(p.partition)),
        Column::Topic => Rank::Text(p.topic.as_str()),
        _ => Rank::Text(p.connector.as_str()),
    });
    model.table_mut(TableId::Lag).replace(rows, total);
}

impl Subject for Event {
    fn haystack(&self) -> String {
        let event = &self.event;
        format!(
            "{} {} {} {} {}",
            event.severity.as_str(),
            event.kind,
            event.object.as_str(),
            event.what.as_str(),
            event.by.as_str()
        )
    }

    fn label(&self, key: &str) -> Option<String> {
        let event = &self.event;
        match key {
            "kind" => Some(event.kind.to_owned()),
            "sev" => Some(event.severity.as_str().to_owned()),
            "by" => Some(event.by.to_string()),
            "connector" => event.connector.as_ref().map(ToString::to_string),
            _ => None,
        }
    }
}

fn events(model: &mut Model) {
    let table = model.table(TableId::Events);
    let (filter, sort) = (&table.filter, table.sort);
    let rows: Vec<(RowKey, &Event)> = model
        .events
        .iter()
        .filter(|e| !table.faults || e.event.severity != Severity::Info)
        .filter(|e| filter.accepts(*e))
        .map(|e| (RowKey::Event(e.number), e))
        .collect();
    let total = model.events.iter().count();
    let rows = sorted(rows, sort, |e, _| match sort.column {
        Column::Severity | Column::State => Rank::Number(-f64::from(e.event.severity as u8)),
        Column::Kind => Rank::Text(e.event.kind),
        Column::Object | Column::Name => Rank::Text(e.event.object.as_str()),
        // Newest first; the number breaks ties of one millisecond.
        _ => Rank::Number(-(e.event.at as f64) - e.number as f64 / 1e7),
    });
    model.table_mut(TableId::Events).replace(rows, total);
}

fn contexts(model: &mut Model) {
    let total = model.contexts.len();
    let filter = &model.table(TableId::Contexts).filter;
    let rows = model
        .contexts
        .iter()
        .enumerate()
        .filter(|(_, context)| filter.accepts(*context))
        .map(|(place, _)| RowKey::Context(place))
        .collect();
    model.table_mut(TableId::Contexts).replace(rows, total);
}
