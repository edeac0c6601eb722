//! `get` and `describe`.

use std::collections::BTreeMap;

use serde::Serialize;
use sluice_protocol::State;

use super::output::{data, known, rows};
use super::rows::{ConnectorRow, LagRow, PluginRow, TaskRow, WorkerRow};
use super::{CommandError, FINE, Report, Session, UNHEALTHY, look};
use crate::cli::{Kind, Output};
use crate::conn::client::Client;
use crate::model::Model;
use crate::model::cluster::Connector;
use crate::model::filter::Filter;
use crate::model::health;
use crate::model::secrets::{self, PasswordKeys};
use crate::model::table::TableId;
use crate::screen::Screen;
use crate::screen::connectors::Connectors;
use crate::screen::lag::Lag;
use crate::screen::rows::Rows;
use crate::screen::tasks::Tasks;
use crate::screen::workers::Workers;
use crate::text::Text;
use crate::update::{apply_update, settle};

/// Lists things of one kind, those that pass a filter.
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
    let (screen, table): (&dyn Screen, TableId) = match kind {
        Kind::Connectors | Kind::Plugins => (&Connectors, Connectors::ID),
        Kind::Tasks => (&Tasks, Tasks::ID),
        Kind::Workers => (&Workers, Workers::ID),
        Kind::Lag => (&Lag, Lag::ID),
    };
    model.ui.nav.jump(screen.place());
    model.table_mut(table).faults = faults;
    model.ui.stale_index = true;
    if let Some(filter) = filter {
        model.table_mut(table).filter = Filter::parse(filter);
    }
    settle(&mut model);
    let mut report = listing(&model, kind, output);
    report.complaints = complaints;
    Ok(report)
}

/// What the rows of a table that pass its filter are made into, in their order.
fn made<'a, T: Rows, R>(model: &'a Model, make: impl Fn(T::Row<'a>) -> R) -> Vec<R> {
    let keys = model.table(T::ID).rows.iter();
    keys.filter_map(|key| T::find(model, key).map(&make))
        .collect()
}

/// The rows of a table in the requested form; pure.
pub(super) fn listing(model: &Model, kind: Kind, output: Output) -> Report {
    let (out, unhealthy) = match kind {
        Kind::Connectors | Kind::Plugins => {
            let found = made::<Connectors, _>(model, ConnectorRow::of);
            (rows(&found, output), found.iter().any(|row| row.bad))
        }
        Kind::Tasks => {
            let found = made::<Tasks, _>(model, TaskRow::of);
            let bad =
                |row: &TaskRow| row.lost || matches!(row.state, State::Failed | State::Unassigned);
            (rows(&found, output), found.iter().any(bad))
        }
        Kind::Workers => {
            let found = made::<Workers, _>(model, WorkerRow::of);
            let well = |health: &str| {
                matches!(health, "ok" | "answers" | "n/a") || health.starts_with("ok, warns: ")
            };
            let bad = |row: &WorkerRow| !well(&row.health);
            (rows(&found, output), found.iter().any(bad))
        }
        Kind::Lag => {
            let found = made::<Lag, _>(model, LagRow::of);
            (rows(&found, output), false)
        }
    };
    Report {
        out,
        complaints: Vec::new(),
        code: if unhealthy { UNHEALTHY } else { FINE },
    }
}

/// All workers with their health, also those that the group names as members.
async fn probe(model: &mut Model, client: &Client) {
    let workers = model.cluster().workers.keys().map(ToString::to_string);
    for update in client.probe_all(workers.collect()).await {
        apply_update(model, update);
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
        .cluster()
        .connectors
        .get(name)
        .ok_or_else(|| CommandError::NoConnector(Text::name(name)))?;
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
                    .map(|value| Text::whole(&secrets::shown(key, value, passwords)).to_string());
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
        model.ui.stale_index = true;
        settle(&mut model);
        let report = listing(&model, Kind::Connectors, Output::Table);
        assert_eq!(report.code, UNHEALTHY);
        insta::assert_snapshot!("get_connectors", report.out);
        let mut healthy = fixtures::healthy();
        settle(&mut healthy);
        assert_eq!(listing(&healthy, Kind::Connectors, Output::Json).code, FINE);
    }

    #[test]
    fn json_output_has_the_same_rows() {
        let mut model = fixtures::failing();
        settle(&mut model);
        let report = listing(&model, Kind::Connectors, Output::Json);
        let parsed: Vec<serde_json::Value> = serde_json::from_str(&report.out).unwrap();
        assert_eq!(parsed.len(), model.cluster().connectors.len());
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
