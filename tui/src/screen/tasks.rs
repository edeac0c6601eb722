//! Tasks of all connectors, those that failed on top.

use crossterm::event::KeyCode;
use sluice_protocol::{ConnectorType, State};

use super::cell::{self, Cell, Scene, plain};
use super::column::{Column, Rank};
use super::rows::{Rows, Table};
use super::{Go, Group, Screen, Word, connectors};
use crate::keys::{Binding, Command, FAULTS, Key, MARKS, OWNER, code, more, show};
use crate::model::Model;
use crate::model::cluster::{Connector, Task, TaskFigures};
use crate::model::dialog::Tone;
use crate::model::filter::Subject;
use crate::model::table::{RowKey, TableId};

/// The screen of all tasks and its table.
pub(crate) struct Tasks;

const KEYS: &[Binding] = &[
    code(KeyCode::Enter, Command::Enter, "open connector"),
    show(Key::ch('r'), Command::Restart, "restart"),
    show(Key::ch('l'), Command::Trace, "trace"),
    FAULTS,
    OWNER,
    more(Key::ch('t'), Command::Topics, "topics, lag"),
    more(Key::ch('i'), Command::EventsOfRow, "events"),
    more(Key::ch('c'), Command::Copy, "copy root cause"),
];

impl Screen for Tasks {
    fn word(&self) -> Word {
        Word::new("tasks", &["t"], "tasks of all connectors")
    }

    fn keys(&self) -> Vec<Group> {
        vec![("here", KEYS), ("marks", MARKS)]
    }

    fn tables(&self) -> &'static [&'static dyn Table] {
        &[&Self]
    }

    fn targets(&self, model: &Model) -> Vec<RowKey> {
        model.table(Self::ID).targets()
    }
}

/// A task with its connector.
#[derive(Clone, Copy)]
pub(crate) struct TaskRow<'a> {
    pub(crate) connector: &'a Connector,
    pub(crate) task: &'a Task,
}

type Col = Column<Tasks>;

impl Rows for Tasks {
    type Row<'a> = TaskRow<'a>;

    const ID: TableId = TableId("tasks");
    const TITLE: &'static str = "tasks";
    const COLUMNS: &'static [Col] = &[
        Col::left("STATE", 10, |_, r| state(r)).rank("SH", |_, r| severity(r)),
        Col::left("CONNECTOR", 14, |_, r| plain(&r.connector.label))
            .grow(3)
            .rank("N", |_, r| Rank::smallest(&r.connector.name)),
        Col::right("ID", 3, |_, r| plain(&r.task.id)).rank("", |_, r| Rank::smallest(r.task.id)),
        Col::left("WORKER", 15, |_, r| worker(r))
            .grow(1)
            .drop(3)
            .rank("", |_, r| Rank::smallest(&r.task.worker)),
        Col::right("LAG", 5, lag)
            .drop(4)
            .rank("L", |_, r| Rank::largest(r.task.lag)),
        Col::right("REC/S", 6, |_, r| cell::rate(r.figure(|f| f.rate)))
            .drop(5)
            .rank("R", |_, r| Rank::largest(r.figure(|f| f.rate))),
        Col::right("RST", 3, |_, r| cell::count(r.task.restarts.map(i64::from)))
            .drop(6)
            .rank("", |_, r| Rank::largest(r.task.restarts)),
        Col::right("SINCE", 6, |s, r| cell::since(s.model, r.task.changed))
            .drop(2)
            .rank("A", |_, r| Rank::largest(r.task.changed)),
        // Wide enough to distinguish one cause from another: that is what this table is read for.
        Col::left("ROOT-CAUSE", 28, |_, r| root_cause(r))
            .grow(5)
            .drop(1)
            .rank("", |_, r| Rank::smallest(r.root())),
        Col::left("PARTITIONS", 12, partitions).wide(2),
    ];

    fn rows(model: &Model) -> impl Iterator<Item = TaskRow<'_>> {
        model.cluster().connectors.values().flat_map(of)
    }

    fn key(row: TaskRow<'_>) -> RowKey {
        RowKey::task(&row.connector.name, row.task.id)
    }

    fn find<'a>(model: &'a Model, key: &RowKey) -> Option<TaskRow<'a>> {
        let (name, id) = key.task_id()?;
        let connector = model.cluster().connectors.get(name)?;
        let task = connector.tasks.get(&id)?;
        Some(TaskRow { connector, task })
    }

    fn is_fault(TaskRow { task, .. }: TaskRow<'_>) -> bool {
        task.lost || !matches!(task.state, State::Running | State::Paused | State::Stopped)
    }

    fn notes(model: &Model) -> String {
        connectors::listed(model)
    }

    fn empty(_: &Model) -> String {
        "no tasks".to_owned()
    }

    fn enter(_: &Model, row: TaskRow<'_>) -> Go {
        Go::Connector {
            name: row.connector.name.clone(),
            task: Some(row.task.id),
            pane: None,
        }
    }

    fn copy(row: TaskRow<'_>) -> Option<String> {
        let name = || format!("{}-{}", row.connector.name, row.task.id);
        Some(row.root().map_or_else(name, str::to_owned))
    }
}

/// The tasks of a connector.
pub(super) fn of(connector: &Connector) -> impl Iterator<Item = TaskRow<'_>> {
    let tasks = connector.tasks.values();
    tasks.map(move |task| TaskRow { connector, task })
}

impl<'a> TaskRow<'a> {
    /// The root cause of what it failed of.
    fn root(self) -> Option<&'a str> {
        self.task.trace.as_ref().map(|trace| trace.root.as_str())
    }

    /// A figure that its worker reports; `None` where that writes no telemetry.
    pub(super) fn figure<T>(self, of: impl FnOnce(&TaskFigures) -> Option<T>) -> Option<T> {
        of(self.task.figures.as_deref()?)
    }

    /// The state as it is shown: what a worker that is gone was running is LOST.
    fn state(self) -> &'static str {
        if self.task.lost {
            "LOST"
        } else {
            self.task.state.as_str()
        }
    }
}

impl Subject for TaskRow<'_> {
    fn haystack(&self) -> String {
        format!(
            "{} {}-{} {} {}",
            self.state(),
            self.connector.name,
            self.task.id,
            self.task.worker.as_str(),
            self.root().unwrap_or("")
        )
    }

    fn label(&self, key: &str) -> Option<String> {
        match key {
            "state" => Some(self.state().to_owned()),
            "worker" => Some(self.task.worker.to_string()),
            key => self.connector.label(key),
        }
    }

    fn also(&self, key: &str) -> Option<&'static str> {
        self.connector.also(key)
    }
}

/// The STATE column of tables of tasks.
pub(super) fn state(row: TaskRow<'_>) -> Cell {
    let tone = if row.task.lost {
        Tone::Bad
    } else {
        cell::state_tone(row.task.state)
    };
    (tone, row.state().to_owned())
}

/// Its rank: the worst first.
pub(super) fn severity(row: TaskRow<'_>) -> Rank<'_> {
    Rank::Number(match row.task.state {
        _ if row.task.lost => 0.5,
        State::Failed => 0.0,
        State::Unassigned => 1.0,
        State::Restarting => 2.0,
        State::Destroyed => 3.0,
        State::Stopped => 4.0,
        State::Paused => 5.0,
        State::Running => 6.0,
    })
}

/// The WORKER column of tables of tasks.
pub(super) fn worker(row: TaskRow<'_>) -> Cell {
    match row.task.worker.as_str() {
        "" => cell::never(),
        worker => plain(worker),
    }
}

/// The LAG column of tables of tasks.
pub(super) fn lag(scene: Scene<'_>, row: TaskRow<'_>) -> Cell {
    cell::lag(scene.model, row.connector, row.task.lag)
}

fn root_cause(row: TaskRow<'_>) -> Cell {
    match row.root() {
        Some(root) => (Tone::Bad, root.to_owned()),
        None => plain(""),
    }
}

/// Most partitions of a task that a cell names.
const PARTITIONS: usize = 30;

/// The PARTITIONS column, `orders-0,4`: those of a sink task, from its figures or from the group.
pub(super) fn partitions(scene: Scene<'_>, row: TaskRow<'_>) -> Cell {
    let TaskRow { connector: c, task } = row;
    if c.kind == ConnectorType::Source {
        return cell::never();
    }
    let figures = task.figures.as_ref().filter(|f| !f.partitions.is_empty());
    let own: Vec<(&str, i32)> = match figures {
        Some(figures) => {
            let partitions = figures.partitions.iter();
            partitions.map(|(topic, p)| (topic.as_str(), *p)).collect()
        }
        None => {
            let partitions = scene.model.cluster().partitions.values();
            partitions
                .filter(|p| p.connector == c.name && p.task == Some(task.id))
                .map(|p| (p.topic.as_str(), p.partition))
                .collect()
        }
    };
    if own.is_empty() {
        return cell::unknown();
    }
    let mut text = String::new();
    let mut last = "";
    for (topic, partition) in own.into_iter().take(PARTITIONS) {
        if topic == last {
            text.push_str(&format!(",{partition}"));
        } else {
            let gap = if text.is_empty() { "" } else { " " };
            text.push_str(&format!("{gap}{topic}-{partition}"));
            last = topic;
        }
    }
    plain(&text)
}
