//! Rows of `get`: what is shown of each thing, for people and for programs.

use serde::Serialize;
use sluice_protocol::State;

use super::output::{Row, known};
use crate::model::cluster::{Connector, PartitionLag, Worker};
use crate::model::health;
use crate::screen::tasks;
use crate::screen::workers::answer;
use crate::text::Text;
use crate::units;

#[derive(Serialize)]
pub(super) struct ConnectorRow {
    name: String,
    health: &'static str,
    reason: String,
    #[serde(rename = "type")]
    kind: String,
    state: State,
    tasks: usize,
    running: usize,
    failed: usize,
    lost: usize,
    lag: Option<i64>,
    class: String,
    version: Option<String>,
    worker_id: String,
    root_cause: Option<String>,
    #[serde(skip)]
    label: String,
    #[serde(skip)]
    counts: String,
    #[serde(skip)]
    pub(super) bad: bool,
}

impl ConnectorRow {
    pub(super) fn of(c: &Connector) -> Self {
        Self {
            name: c.label.to_string(),
            health: c.health.as_str(),
            reason: health::reason(c),
            kind: c.kind.to_string(),
            state: c.state,
            tasks: c.counts.total,
            running: c.counts.running,
            failed: c.counts.failed,
            lost: c.counts.lost,
            lag: c.lag,
            class: c.class().to_string(),
            version: c.version.as_ref().map(ToString::to_string),
            worker_id: c.worker.to_string(),
            root_cause: c.first_trace().map(|(_, trace)| trace.root.to_string()),
            label: health::label(c),
            counts: c.counts.label(),
            bad: c.health.is_bad(),
        }
    }
}

impl Row for ConnectorRow {
    const HEADINGS: &'static str = "HEALTH NAME TYPE TASKS LAG CLASS ROOT-CAUSE";
    fn cells(&self) -> Vec<String> {
        vec![
            self.label.clone(),
            self.name.clone(),
            self.kind.clone(),
            self.counts.clone(),
            known(self.lag.map(units::count)),
            self.class.clone(),
            self.root_cause.clone().unwrap_or_default(),
        ]
    }
}

#[derive(Serialize)]
pub(super) struct TaskRow {
    connector: String,
    task: u32,
    pub(super) state: State,
    /// The worker that is said to run it is gone.
    pub(super) lost: bool,
    worker_id: String,
    lag: Option<i64>,
    root_cause: Option<String>,
}

impl TaskRow {
    pub(super) fn of(row: tasks::TaskRow<'_>) -> Self {
        let (connector, task) = (row.connector, row.task);
        Self {
            connector: connector.label.to_string(),
            task: task.id,
            state: task.state,
            lost: task.lost,
            worker_id: task.worker.to_string(),
            lag: task.lag,
            root_cause: task.trace.as_ref().map(|trace| trace.root.to_string()),
        }
    }
}

impl Row for TaskRow {
    const HEADINGS: &'static str = "STATE CONNECTOR TASK WORKER LAG ROOT-CAUSE";
    fn cells(&self) -> Vec<String> {
        vec![
            if self.lost {
                "LOST".to_owned()
            } else {
                self.state.to_string()
            },
            self.connector.clone(),
            self.task.to_string(),
            self.worker_id.clone(),
            known(self.lag.map(units::count)),
            self.root_cause.clone().unwrap_or_default(),
        ]
    }
}

#[derive(Serialize)]
pub(super) struct WorkerRow {
    worker_id: String,
    kind: Option<&'static str>,
    version: Option<String>,
    leader: Option<bool>,
    pub(super) health: String,
    connectors: usize,
    tasks: usize,
}

impl WorkerRow {
    pub(super) fn of(worker: &Worker) -> Self {
        Self {
            worker_id: worker.id.to_string(),
            kind: worker.kind.map(|kind| kind.as_str()),
            version: worker.version.as_ref().map(ToString::to_string),
            leader: worker.leader,
            health: answer(worker).map_or_else(|| "n/a".to_owned(), |(_, text)| text),
            connectors: worker.connectors,
            tasks: worker.tasks,
        }
    }
}

impl Row for WorkerRow {
    const HEADINGS: &'static str = "WORKER KIND VERSION LEADER HEALTH CONNECTORS TASKS";
    fn cells(&self) -> Vec<String> {
        vec![
            self.worker_id.clone(),
            known(self.kind),
            known(self.version.as_deref()),
            known(self.leader.map(|leader| if leader { "yes" } else { "no" })),
            self.health.clone(),
            self.connectors.to_string(),
            self.tasks.to_string(),
        ]
    }
}

/// A partition that a sink reads.
#[derive(Serialize)]
pub(super) struct LagRow {
    connector: String,
    topic: String,
    partition: i32,
    end: Option<i64>,
    committed: Option<i64>,
    lag: Option<i64>,
    task: Option<u32>,
}

impl LagRow {
    pub(super) fn of(found: &PartitionLag) -> Self {
        Self {
            connector: Text::name(&found.connector).to_string(),
            topic: found.topic.to_string(),
            partition: found.partition,
            end: found.end,
            committed: found.committed,
            lag: found.lag(),
            task: found.task,
        }
    }
}

impl Row for LagRow {
    const HEADINGS: &'static str = "CONNECTOR TOPIC PARTITION COMMITTED END LAG TASK";
    fn cells(&self) -> Vec<String> {
        vec![
            self.connector.clone(),
            self.topic.clone(),
            self.partition.to_string(),
            known(self.committed),
            known(self.end),
            known(self.lag),
            known(self.task),
        ]
    }
}

#[derive(Serialize)]
pub(super) struct PluginRow {
    pub(super) class: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) version: Option<String>,
}

impl Row for PluginRow {
    const HEADINGS: &'static str = "TYPE CLASS VERSION";
    fn cells(&self) -> Vec<String> {
        vec![
            self.kind.clone(),
            self.class.clone(),
            known(self.version.as_deref()),
        ]
    }
}
