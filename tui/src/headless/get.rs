//! `get` and `describe`.

use std::collections::BTreeMap;

use serde::Serialize;
use sluice_protocol::State;

use super::output::{Row, data, known, rows};
use super::{CommandError, FINE, Report, Session, UNHEALTHY, look};
use crate::cli::{Kind, Output};
use crate::conn::client::Client;
use crate::message::Update;
use crate::model::Model;
use crate::model::cluster::{Connector, Worker, WorkerHealth};
use crate::model::filter::Filter;
use crate::model::health;
use crate::model::screen::Screen;
use crate::model::secrets::{self, PasswordKeys};
use crate::model::table::{RowKey, TableId};
use crate::text::Text;
use crate::units;
use crate::update::{apply_update, settle};

/// Lists things.
pub(super) async fn get(
    session: &Session<'_>,
    client: &Client,
    kind: Kind,
    filter: Option<&str>,
    faults: bool,
    output: Output,
) -> Result<Report, CommandError> {
    if kind == Kind::Plugins {
        return plugins(client, filter, output).await;
    }
    if kind == Kind::Lag && session.context.bootstrap.is_none() {
        return Err(CommandError::NoBrokers);
    }
    let (mut model, complaints) = look(session, client, true).await?;
    if kind == Kind::Lag && !complaints.is_empty() {
        return Err(CommandError::Brokers(Text::line(&complaints.join("; "))));
    }
    if kind == Kind::Workers {
        probe(&mut model, client).await;
    }
    let (screen, table) = match kind {
        Kind::Connectors | Kind::Plugins => (Screen::Connectors, TableId::Connectors),
        Kind::Tasks => (Screen::Tasks, TableId::Tasks),
        Kind::Workers => (Screen::Workers, TableId::Workers),
        Kind::Lag => (Screen::Lag, TableId::Lag),
    };
    model.nav.jump(screen);
    model.faults = faults;
    model.stale_index = true;
    if let Some(filter) = filter {
        model.table_mut(table).filter = Filter::parse(filter);
    }
    settle(&mut model);
    let mut report = listing(&model, kind, table, output);
    report.complaints = complaints;
    Ok(report)
}

/// The rows of a table in the form asked for; pure.
pub(super) fn listing(model: &Model, kind: Kind, table: TableId, output: Output) -> Report {
    let keys = &model.table(table).rows;
    let (out, unhealthy) = match kind {
        Kind::Connectors | Kind::Plugins => {
            let found: Vec<ConnectorRow> = keys
                .iter()
                .filter_map(|key| model.cluster.connectors.get(key.connector()?))
                .map(ConnectorRow::of)
                .collect();
            (rows(&found, output), found.iter().any(|row| row.bad))
        }
        Kind::Tasks => {
            let found: Vec<TaskRow> = keys
                .iter()
                .filter_map(|key| TaskRow::of(model, key))
                .collect();
            let bad = |row: &TaskRow| matches!(row.state, State::Failed | State::Unassigned);
            (rows(&found, output), found.iter().any(bad))
        }
        Kind::Workers => {
            let found: Vec<WorkerRow> = keys
                .iter()
                .filter_map(|key| WorkerRow::of(model, key))
                .collect();
            let bad = |row: &WorkerRow| !matches!(row.health.as_str(), "ok" | "answers" | "n/a");
            (rows(&found, output), found.iter().any(bad))
        }
        Kind::Lag => {
            let found: Vec<LagRow> = keys
                .iter()
                .filter_map(|key| LagRow::of(model, key))
                .collect();
            (rows(&found, output), false)
        }
    };
    Report {
        out,
        complaints: Vec::new(),
        code: if unhealthy { UNHEALTHY } else { FINE },
    }
}

async fn probe(model: &mut Model, client: &Client) {
    let workers: Vec<String> = model
        .cluster
        .workers
        .keys()
        .map(ToString::to_string)
        .collect();
    let looks = workers.into_iter().take(64).map(|worker| async move {
        let answer = client.probe(&worker).await;
        (worker, answer)
    });
    for (worker, (health, version, kind)) in futures::future::join_all(looks).await {
        let worker = Text::line(&worker);
        apply_update(
            model,
            Update::WorkerHealth {
                worker,
                health,
                version,
                kind,
            },
        );
    }
}

#[derive(Serialize)]
struct ConnectorRow {
    name: String,
    health: &'static str,
    reason: String,
    #[serde(rename = "type")]
    kind: String,
    state: State,
    tasks: usize,
    running: usize,
    failed: usize,
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
    bad: bool,
}

impl ConnectorRow {
    fn of(c: &Connector) -> Self {
        Self {
            name: c.label.to_string(),
            health: c.health.as_str(),
            reason: health::reason(c),
            kind: c.kind.to_string(),
            state: c.state,
            tasks: c.counts.total,
            running: c.counts.running,
            failed: c.counts.failed,
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
    const HEADINGS: &'static [&'static str] = &[
        "HEALTH",
        "NAME",
        "TYPE",
        "TASKS",
        "LAG",
        "CLASS",
        "ROOT-CAUSE",
    ];
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
struct TaskRow {
    connector: String,
    task: u32,
    state: State,
    worker_id: String,
    lag: Option<i64>,
    root_cause: Option<String>,
}

impl TaskRow {
    fn of(model: &Model, key: &RowKey) -> Option<Self> {
        let RowKey::Task(name, id) = key else {
            return None;
        };
        let connector = model.cluster.connectors.get(name)?;
        let task = connector.tasks.get(id)?;
        Some(Self {
            connector: connector.label.to_string(),
            task: *id,
            state: task.state,
            worker_id: task.worker.to_string(),
            lag: task.lag,
            root_cause: task.trace.as_ref().map(|trace| trace.root.to_string()),
        })
    }
}

impl Row for TaskRow {
    const HEADINGS: &'static [&'static str] =
        &["STATE", "CONNECTOR", "TASK", "WORKER", "LAG", "ROOT-CAUSE"];
    fn cells(&self) -> Vec<String> {
        vec![
            self.state.to_string(),
            self.connector.clone(),
            self.task.to_string(),
            self.worker_id.clone(),
            known(self.lag.map(units::count)),
            self.root_cause.clone().unwrap_or_default(),
        ]
    }
}

#[derive(Serialize)]
struct WorkerRow {
    worker_id: String,
    kind: Option<&'static str>,
    version: Option<String>,
    leader: Option<bool>,
    health: String,
    connectors: usize,
    tasks: usize,
}

impl WorkerRow {
    fn of(model: &Model, key: &RowKey) -> Option<Self> {
        let RowKey::Worker(id) = key else { return None };
        let worker: &Worker = model.cluster.workers.get(id)?;
        let health = match (&worker.health, worker.member) {
            (_, Some(false)) => "left".to_owned(),
            (Some(WorkerHealth::Ok), _) => "ok".to_owned(),
            (Some(WorkerHealth::Answers), _) => "answers".to_owned(),
            (Some(WorkerHealth::NotReady(why)), _) => format!("not ready: {why}"),
            (Some(WorkerHealth::Unreachable(why)), _) => format!("no answer: {why}"),
            (None, _) => "n/a".to_owned(),
        };
        Some(Self {
            worker_id: worker.id.to_string(),
            kind: worker.kind.map(|kind| kind.as_str()),
            version: worker.version.as_ref().map(ToString::to_string),
            leader: worker.leader,
            health,
            connectors: worker.connectors,
            tasks: worker.tasks,
        })
    }
}

impl Row for WorkerRow {
    const HEADINGS: &'static [&'static str] = &[
        "WORKER",
        "KIND",
        "VERSION",
        "LEADER",
        "HEALTH",
        "CONNECTORS",
        "TASKS",
    ];
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

#[derive(Serialize)]
struct LagRow {
    connector: String,
    topic: String,
    partition: i32,
    end: Option<i64>,
    committed: Option<i64>,
    lag: Option<i64>,
    task: Option<u32>,
}

impl LagRow {
    fn of(model: &Model, key: &RowKey) -> Option<Self> {
        let RowKey::Partition(name, topic, partition) = key else {
            return None;
        };
        let found = model
            .cluster
            .partitions
            .get(&(name.clone(), topic.clone(), *partition))?;
        Some(Self {
            connector: Text::line(name).to_string(),
            topic: topic.to_string(),
            partition: *partition,
            end: found.end,
            committed: found.committed,
            lag: found.lag(),
            task: found.task,
        })
    }
}

impl Row for LagRow {
    const HEADINGS: &'static [&'static str] = &[
        "CONNECTOR",
        "TOPIC",
        "PARTITION",
        "COMMITTED",
        "END",
        "LAG",
        "TASK",
    ];
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
struct PluginRow {
    class: String,
    #[serde(rename = "type")]
    kind: String,
    version: Option<String>,
}

impl Row for PluginRow {
    const HEADINGS: &'static [&'static str] = &["TYPE", "CLASS", "VERSION"];
    fn cells(&self) -> Vec<String> {
        vec![
            self.kind.clone(),
            self.class.clone(),
            known(self.version.as_deref()),
        ]
    }
}

async fn plugins(
    client: &Client,
    filter: Option<&str>,
    output: Output,
) -> Result<Report, CommandError> {
    struct Subject<'a>(&'a PluginRow);
    impl crate::model::filter::Subject for Subject<'_> {
        fn haystack(&self) -> String {
            format!("{} {}", self.0.kind, self.0.class)
        }
        fn label(&self, key: &str) -> Option<String> {
            (key == "type").then(|| self.0.kind.clone())
        }
    }
    let filter = Filter::parse(filter.unwrap_or(""));
    let found: Vec<PluginRow> = client
        .plugins(false)
        .await?
        .into_iter()
        .map(|plugin| PluginRow {
            class: Text::line(&plugin.class).to_string(),
            kind: plugin.plugin_type.to_string(),
            version: plugin.version.as_deref().map(|v| Text::line(v).to_string()),
        })
        .filter(|row| filter.accepts(&Subject(row)))
        .collect();
    Ok(Report::fine(rows(&found, output)))
}

#[derive(Serialize)]
struct Description {
    name: String,
    health: &'static str,
    reason: String,
    #[serde(rename = "type")]
    kind: String,
    state: State,
    worker_id: String,
    version: Option<String>,
    lag: Option<i64>,
    tasks: Vec<TaskDescription>,
    trace: Option<Vec<String>>,
    config: BTreeMap<String, Option<String>>,
}

#[derive(Serialize)]
struct TaskDescription {
    id: u32,
    state: State,
    worker_id: String,
    lag: Option<i64>,
    trace: Option<Vec<String>>,
}

/// Everything about one connector; secrets are masked in every form.
pub(super) async fn describe(
    session: &Session<'_>,
    client: &Client,
    name: &str,
    output: Output,
) -> Result<Report, CommandError> {
    let (model, complaints) = look(session, client, true).await?;
    let connector = model
        .cluster
        .connectors
        .get(name)
        .ok_or_else(|| CommandError::NoConnector(Text::line(name)))?;
    let passwords = match connector.config.text("connector.class") {
        Some(class) => client.password_keys(class).await.unwrap_or_default(),
        None => PasswordKeys::new(),
    };
    let mut report = description(connector, &passwords, output);
    report.complaints = complaints;
    Ok(report)
}

/// The description in the form asked for; pure.
pub(super) fn description(c: &Connector, passwords: &PasswordKeys, output: Output) -> Report {
    let lines =
        |trace: &crate::model::trace::Trace| trace.lines.iter().map(ToString::to_string).collect();
    let description = Description {
        name: c.label.to_string(),
        health: c.health.as_str(),
        reason: health::reason(c),
        kind: c.kind.to_string(),
        state: c.state,
        worker_id: c.worker.to_string(),
        version: c.version.as_ref().map(ToString::to_string),
        lag: c.lag,
        tasks: c
            .tasks
            .values()
            .map(|task| TaskDescription {
                id: task.id,
                state: task.state,
                worker_id: task.worker.to_string(),
                lag: task.lag,
                trace: task.trace.as_deref().map(lines),
            })
            .collect(),
        trace: c.trace.as_deref().map(lines),
        config: c
            .config
            .iter()
            .map(|(key, value)| {
                let shown = value
                    .as_deref()
                    .map(|value| Text::line(secrets::shown(key, value, passwords)).to_string());
                (Text::line(key).to_string(), shown)
            })
            .collect(),
    };
    let out = match output {
        Output::Table => people(&description, c),
        output => data(&description, output),
    };
    Report {
        out,
        complaints: Vec::new(),
        code: if c.health.is_bad() { UNHEALTHY } else { FINE },
    }
}

fn people(d: &Description, c: &Connector) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = writeln!(out, "{}  {}  ({})", d.name, health::label(c), d.reason);
    let _ = writeln!(
        out,
        "{}  {}  on {}  lag {}",
        d.kind,
        c.class(),
        d.worker_id,
        known(d.lag)
    );
    let _ = writeln!(out, "\nTASKS");
    let rows: Vec<Vec<String>> = d
        .tasks
        .iter()
        .map(|task| {
            vec![
                task.id.to_string(),
                task.state.to_string(),
                task.worker_id.clone(),
                known(task.lag),
            ]
        })
        .collect();
    out.push_str(&super::output::table(
        &["ID", "STATE", "WORKER", "LAG"],
        &rows,
    ));
    let _ = writeln!(out, "\nCONFIG");
    for (key, value) in &d.config {
        let _ = writeln!(out, "{key} = {}", value.as_deref().unwrap_or("null"));
    }
    let traces = d
        .tasks
        .iter()
        .filter_map(|task| Some((format!("TASK {}", task.id), task.trace.as_ref()?)))
        .chain(
            d.trace
                .as_ref()
                .map(|trace| ("CONNECTOR".to_owned(), trace)),
        );
    for (whose, trace) in traces {
        let _ = writeln!(out, "\nTRACE OF {whose}, ROOT CAUSE FIRST");
        for line in trace {
            let _ = writeln!(out, "{line}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sluice_protocol::ConfigMap;

    use super::*;
    use crate::model::fixtures;

    #[test]
    fn unhealthy_connectors_give_exit_status_2() {
        let mut model = fixtures::failing();
        model.stale_index = true;
        settle(&mut model);
        let report = listing(&model, Kind::Connectors, TableId::Connectors, Output::Table);
        assert_eq!(report.code, UNHEALTHY);
        insta::assert_snapshot!("get_connectors", report.out);
        let mut healthy = fixtures::healthy();
        settle(&mut healthy);
        assert_eq!(
            listing(
                &healthy,
                Kind::Connectors,
                TableId::Connectors,
                Output::Json
            )
            .code,
            FINE
        );
    }

    #[test]
    fn json_output_has_the_same_rows() {
        let mut model = fixtures::failing();
        settle(&mut model);
        let report = listing(&model, Kind::Connectors, TableId::Connectors, Output::Json);
        let parsed: Vec<serde_json::Value> = serde_json::from_str(&report.out).unwrap();
        assert_eq!(parsed.len(), model.cluster.connectors.len());
        assert_eq!(parsed[0]["health"], "UNHEALTHY");
    }

    #[test]
    fn secrets_are_masked_in_every_form() {
        let mut connector = fixtures::connector("c", State::Running, &[State::Running]);
        connector.config = Arc::new(ConfigMap::from([
            ("db.password", "geheim"),
            ("blob", "auch"),
        ]));
        let passwords = PasswordKeys::from(["blob".to_owned()]);
        for output in [Output::Table, Output::Json, Output::Yaml] {
            let out = description(&connector, &passwords, output).out;
            assert!(!out.contains("geheim") && !out.contains("auch"), "{out}");
        }
    }
}
