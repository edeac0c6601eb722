//! `check`: what a worker's file, connectors in files and a running cluster are worth, with nothing started
//! or changed.
//!
//! Everything found is a [`Finding`]. What only the agent's code knows comes through [`LocalAgent`]. Exit
//! status: 0 nothing is wrong (there may be warnings), 1 something could not be checked, 2 there are errors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use serde::Serialize;
use sluice_protocol::rest::ConfigInfos;
use sluice_protocol::{ConfigMap, Finding, Level};

use super::apply::{self, Wanted};
use super::output::data;
use super::{CommandError, ERROR, FINE, Report, Session, UNHEALTHY, look};
use crate::cli::{Check, Output};
use crate::conn::client::{CallError, Client};
use crate::model::Model;
use crate::model::cluster::{Connector, WorkerHealth};
use crate::model::health;
use crate::model::secrets::{self, PasswordKeys};
use crate::text::Text;

/// Connectors validated by the cluster at the same time.
const AT_ONCE: usize = 4;

/// What an agent of this build says to files, without being started.
#[async_trait]
pub(crate) trait LocalAgent: Send + Sync {
    /// Findings about a worker's file, by which connectors are checked from then on; an error when it can't
    /// be read.
    fn worker_file(&mut self, path: &Path) -> Result<Vec<Finding>, String>;
    /// Findings about the brokers of that file and the connectors in its config topic; an error when they
    /// can't be asked.
    async fn brokers(&self, limit: Duration) -> Result<Vec<Finding>, String>;
    /// Findings about a connector; with `connects` it may try the connection to its system.
    async fn connector(&self, subject: &str, config: &ConfigMap, connects: bool) -> Vec<Finding>;
    /// Name and configuration in a file of `connect-standalone`.
    fn connector_file(&self, bytes: &[u8]) -> Result<(String, ConfigMap), String>;
}

/// What was found, in the form of `-o json`.
#[derive(Debug, Default, Serialize)]
struct Findings {
    findings: Vec<Finding>,
    summary: Summary,
}

/// The counts, and what could not be checked.
#[derive(Debug, Default, Serialize)]
struct Summary {
    checked: usize,
    errors: usize,
    warnings: usize,
    unchecked: Vec<String>,
}

/// Checks what the command line names: a worker's file, connectors in files, the cluster of `session`.
pub(crate) async fn check(
    options: &Check,
    session: &Session<'_>,
    cluster: bool,
    agent: &mut dyn LocalAgent,
) -> Result<Report, CommandError> {
    let mut found = Findings::default();
    if let Some(path) = &options.worker {
        if path.is_dir() {
            return Err(file_error(
                path,
                "is a folder: connectors are checked with -f",
            ));
        }
        let findings = agent.worker_file(path).map_err(|why| {
            // The path is in the text already.
            CommandError::Unreadable(Text::line(&why))
        })?;
        found.add(findings, &ConfigMap::new());
        found.summary.checked += 1;
        if !options.offline {
            (session.progress)("asking the brokers of the worker's file");
            match agent.brokers(Duration::from_secs(options.timeout)).await {
                Ok(findings) => found.add(findings, &ConfigMap::new()),
                Err(why) => found.unchecked(&why),
            }
        }
    }
    let wanted = found.files(&options.file, agent, session)?;
    let client = match cluster {
        true => Some(Client::new(session.context)?),
        false => None,
    };
    for connector in &wanted {
        let name = Text::name(&connector.name);
        (session.progress)(&format!("checking {name}"));
        let subject = format!("connector {name}");
        // A cluster makes the connector's own checks where it would run.
        let connects = !options.offline && client.is_none();
        let findings = agent.connector(&subject, &connector.config, connects).await;
        found.add(findings, &connector.config);
        found.summary.checked += 1;
    }
    if let Some(client) = &client {
        found.cluster(session, client, agent).await?;
        let files = wanted.iter().map(|one| (one.name.as_str(), &one.config));
        found.validated(session, client, files.collect()).await;
    }
    Ok(found.report(options.output))
}

fn file_error(path: &Path, why: &str) -> CommandError {
    CommandError::File {
        file: Text::line(&path.display().to_string()).to_string(),
        why: why.to_owned(),
    }
}

impl Findings {
    /// Takes findings over, without secrets and control characters, each once.
    fn add(&mut self, findings: Vec<Finding>, config: &ConfigMap) {
        for finding in findings {
            let finding = clean(finding, config);
            if !self.findings.contains(&finding) {
                self.findings.push(finding);
            }
        }
    }

    fn unchecked(&mut self, why: &str) {
        let why = Text::line(&secrets::masked_text(why)).to_string();
        self.summary.unchecked.push(why);
    }

    /// The connectors of files. What can't be understood is a finding, what can't be read an error.
    fn files(
        &mut self,
        named: &[PathBuf],
        agent: &dyn LocalAgent,
        session: &Session<'_>,
    ) -> Result<Vec<Wanted>, CommandError> {
        let mut all: Vec<Wanted> = Vec::new();
        let mut places: BTreeMap<String, String> = BTreeMap::new();
        for path in &apply::all_files(named, &["json", "yaml", "yml", "properties"])? {
            let subject = Text::line(&path.display().to_string()).to_string();
            let bytes = if path == Path::new("-") {
                (session.stdin)().map(String::into_bytes)
            } else {
                std::fs::read(path)
            };
            let bytes = bytes.map_err(|error| file_error(path, &error.to_string()))?;
            let connectors = match connectors_of(path, &bytes, agent) {
                Ok(connectors) => connectors,
                Err(why) => {
                    self.add(vec![Finding::error(subject, why)], &ConfigMap::new());
                    self.summary.checked += 1;
                    continue;
                }
            };
            for connector in connectors {
                if let Some(before) = places.insert(connector.name.clone(), subject.clone()) {
                    let text =
                        format!("this name is in {before} too, and the last one written stays");
                    let subject = format!("connector {} in {subject}", connector.name);
                    let finding =
                        Finding::error(subject, text).at("name", Some(connector.name.clone()));
                    self.add(vec![finding], &ConfigMap::new());
                }
                let masked = apply::masked_keys(&connector.config);
                let subject = format!("connector {}", connector.name);
                let masked = masked
                    .map(|key| Finding::error(&subject, "holds a mask, not a value").at(key, None));
                self.add(masked.collect(), &ConfigMap::new());
                all.push(connector);
            }
        }
        Ok(all)
    }

    /// What a cluster says of itself, and which of its connectors an agent could not run.
    async fn cluster(
        &mut self,
        session: &Session<'_>,
        client: &Client,
        agent: &dyn LocalAgent,
    ) -> Result<(), CommandError> {
        (session.progress)("asking the cluster");
        let (model, complaints) = look(session, client, true).await?;
        for complaint in complaints {
            self.unchecked(&complaint);
        }
        self.add(of_workers(&model), &ConfigMap::new());
        self.summary.checked += model.cluster().workers.len() + model.cluster().connectors.len();
        for connector in model.cluster().connectors.values() {
            self.add(of_states(connector), &connector.config);
            let subject = subject(connector);
            let findings = agent.connector(&subject, &connector.config, false).await;
            let stopped = connector.target == Some(sluice_protocol::TargetState::Stopped)
                || connector.state == sluice_protocol::State::Stopped;
            let findings = findings.into_iter().map(|one| unless_stopped(one, stopped));
            self.add(findings.collect(), &connector.config);
        }
        let all = model.cluster().connectors.values();
        let all = all.map(|c| (c.name.as_str(), c.config.as_ref())).collect();
        self.validated(session, client, all).await;
        Ok(())
    }

    /// What the cluster's own validation says to configurations.
    async fn validated(
        &mut self,
        session: &Session<'_>,
        client: &Client,
        configs: Vec<(&str, &ConfigMap)>,
    ) {
        let answers = futures::stream::iter(configs).map(|(name, config)| async move {
            (session.progress)(&format!("validating {}", Text::name(name)));
            (name, config, client.validate(config).await)
        });
        let answers: Vec<_> = answers.buffered(AT_ONCE).collect().await;
        for (name, config, answer) in answers {
            let subject = format!("connector {}", Text::name(name));
            match answer {
                Ok(infos) => self.add(of_infos(&subject, &infos, config), config),
                Err(CallError::Refused { message, .. }) => {
                    let text = refusal(message.as_str());
                    let class = config.text("connector.class").map(str::to_owned);
                    let finding = Finding::error(&subject, text).at("connector.class", class);
                    self.add(vec![finding], config);
                }
                Err(error) => self.unchecked(&format!("{subject}: {error}")),
            }
        }
    }

    fn report(mut self, output: Output) -> Report {
        // Errors first, those of one subject together, in the order in which they were found.
        self.findings.sort_by_key(|finding| finding.level);
        let of = |level| {
            self.findings
                .iter()
                .filter(|one| one.level == level)
                .count()
        };
        self.summary.errors = of(Level::Error);
        self.summary.warnings = of(Level::Warning);
        let code = match &self.summary {
            summary if !summary.unchecked.is_empty() => ERROR,
            summary if summary.errors > 0 => UNHEALTHY,
            _ => FINE,
        };
        let out = match output {
            Output::Table => self.people(),
            output => data(&self, output),
        };
        Report {
            out,
            complaints: self.summary.unchecked,
            code,
        }
    }

    /// A line for each finding, and the counts.
    fn people(&self) -> String {
        use std::fmt::Write as _;
        let mut out = String::new();
        for finding in &self.findings {
            let level = match finding.level {
                Level::Error => "ERROR  ",
                Level::Warning => "WARNING",
            };
            let key = match (&finding.key, &finding.value) {
                (Some(key), Some(value)) => format!("{key}={value}: "),
                (Some(key), None) => format!("{key}: "),
                (None, _) => String::new(),
            };
            // Writing to a String does not fail.
            let _ = writeln!(out, "{level}  {}: {key}{}", finding.subject, finding.text);
        }
        let summary = &self.summary;
        let _ = writeln!(
            out,
            "{} checked: {}, {}",
            summary.checked,
            crate::units::plural(summary.errors, "error"),
            crate::units::plural(summary.warnings, "warning"),
        );
        out
    }
}

/// Why the cluster does not validate a configuration. A JVM worker that lacks the class lists all that it
/// has.
fn refusal(message: &str) -> String {
    if message.contains("Failed to find any class") {
        "the cluster has no such class".to_owned()
    } else {
        format!("the cluster does not validate it: {message}")
    }
}

fn subject(connector: &Connector) -> String {
    format!("connector {}", connector.label)
}

/// The connectors of one file, in any form that `apply` and `standalone` read.
fn connectors_of(path: &Path, bytes: &[u8], agent: &dyn LocalAgent) -> Result<Vec<Wanted>, String> {
    let has = |key: &str| bytes.windows(key.len()).any(|part| part == key.as_bytes());
    let properties = || {
        if has("bootstrap.servers") && !has("connector.class") {
            return Err(
                "is the file of a worker and not of a connector: check it without -f".to_owned(),
            );
        }
        let (name, config) = agent.connector_file(bytes)?;
        Ok(vec![Wanted { name, config }])
    };
    if path
        .extension()
        .is_some_and(|extension| extension == "properties")
    {
        return properties();
    }
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string());
    match text.and_then(apply::parse) {
        Ok(connectors) => Ok(connectors),
        Err(why) => properties().map_err(|_| why),
    }
}

/// Workers that warn, or do not answer as they should.
fn of_workers(model: &Model) -> Vec<Finding> {
    let workers = model.cluster().workers.values();
    let found = workers.filter_map(|worker| {
        let subject = format!("worker {}", worker.id);
        match &worker.health {
            Some(WorkerHealth::Warns(warning)) => Some(Finding::warning(subject, warning.as_str())),
            Some(WorkerHealth::NotReady(why)) => {
                Some(Finding::error(subject, format!("is not ready: {why}")))
            }
            _ if worker.is_gone() => {
                Some(Finding::error(subject, "is gone, and work is still on it"))
            }
            _ => None,
        }
    });
    found.collect()
}

/// A connector that is not well, and why.
fn of_states(connector: &Connector) -> Vec<Finding> {
    if !connector.health.is_bad() {
        return Vec::new();
    }
    let subject = subject(connector);
    let text = format!(
        "{}: {}",
        health::label(connector),
        health::reason(connector)
    );
    let mut found = vec![Finding::error(&subject, text)];
    let traces = connector.tasks.values().filter_map(|task| {
        let text = format!("is {}: {}", task.state, task.trace.as_ref()?.root);
        Some(Finding::error(format!("{subject} task {}", task.id), text))
    });
    found.extend(traces);
    if let Some(trace) = &connector.trace {
        found.push(Finding::error(subject, trace.root.as_str()));
    }
    found
}

/// What runs nowhere is in no one's way, but will be when it is resumed.
fn unless_stopped(finding: Finding, stopped: bool) -> Finding {
    if !stopped {
        return finding;
    }
    Finding {
        level: Level::Warning,
        text: format!("{} (it is STOPPED now)", finding.text),
        ..finding
    }
}

fn of_infos(subject: &str, infos: &ConfigInfos, config: &ConfigMap) -> Vec<Finding> {
    let values = infos.configs.iter().filter_map(|info| {
        let password = info
            .definition
            .as_ref()
            .is_some_and(|d| d.key_type == "PASSWORD");
        Some((info.value.as_ref()?, password))
    });
    let mut found = Vec::new();
    for (value, password) in values {
        let given = config.text(&value.name).filter(|_| !password);
        let mut secret = ConfigMap::new();
        if password && let Some(text) = config.text(&value.name) {
            secret.set("password", text.to_owned());
        }
        found.extend(value.errors.iter().map(|error| {
            let finding = Finding::error(subject, error.as_str());
            clean(finding.at(&value.name, given.map(str::to_owned)), &secret)
        }));
    }
    found
}

/// A finding as it may be shown: without secrets, those of `config` included, and without control characters.
fn clean(finding: Finding, config: &ConfigMap) -> Finding {
    let none = PasswordKeys::new();
    let mut text = finding.text;
    for (key, value) in config {
        if let Some(value) = value.as_deref()
            && secrets::is_secret(key, value, &none)
        {
            text = text.replace(value, secrets::MASK);
        }
    }
    // Some faults begin with the key, which has a place of its own.
    let named = finding.key.as_deref().map(|key| format!("{key}: "));
    if let Some(rest) = named.and_then(|key| text.strip_prefix(&key).map(str::to_owned)) {
        text = rest;
    }
    let value = finding.value.map(|value| {
        let key = finding.key.as_deref().unwrap_or("");
        Text::line(&secrets::shown(key, &value, &none)).to_string()
    });
    Finding {
        level: finding.level,
        subject: Text::line(&finding.subject).to_string(),
        key: finding.key.map(|key| Text::line(&key).to_string()),
        value,
        text: Text::line(secrets::masked_text(&text).trim_end_matches('.')).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_and_no_control_character_is_in_a_finding() {
        let config = ConfigMap::from([
            ("db.password", "geheim"),
            ("url", "jdbc:x://h/d?password=auch"),
        ]);
        let finding = Finding::error(
            "c\u{1b}[31m",
            "value geheim is wrong: jdbc:x://h/d?password=auch\n",
        )
        .at("url", Some("jdbc:x://h/d?password=auch".to_owned()));
        let shown = format!("{:?}", clean(finding, &config));
        assert!(
            !shown.contains("geheim") && !shown.contains("auch"),
            "{shown}"
        );
        assert!(!shown.contains("u{1b}"), "{shown}");
    }

    #[test]
    fn a_key_is_named_once_and_a_missing_class_without_those_that_are_there() {
        let finding = Finding::error("c", "a.b: is not supported").at("a.b", None);
        assert_eq!(clean(finding, &ConfigMap::new()).text, "is not supported");
        let java =
            "X: Failed to find any class that implements Connector, available are: PluginDesc{";
        assert_eq!(refusal(java), "the cluster has no such class");
        assert!(refusal("boom").ends_with("boom"));
    }

    #[test]
    fn the_exit_status_follows_from_what_was_found() {
        let report = |findings: Vec<Finding>, unchecked: &[&str]| {
            let mut found = Findings::default();
            found.add(findings, &ConfigMap::new());
            unchecked.iter().for_each(|why| found.unchecked(why));
            found.report(Output::Json)
        };
        assert_eq!(report(vec![], &[]).code, FINE);
        assert_eq!(report(vec![Finding::warning("a", "b")], &[]).code, FINE);
        let twice = vec![
            Finding::warning("w", "x"),
            Finding::error("a", "b"),
            Finding::error("a", "b"),
        ];
        let found = report(twice, &[]);
        assert_eq!(found.code, UNHEALTHY);
        let json: serde_json::Value = serde_json::from_str(&found.out).unwrap();
        assert_eq!(json["summary"]["errors"], 1, "{json}");
        assert_eq!(json["findings"][0]["level"], "error", "{json}");
        assert_eq!(
            report(vec![Finding::error("a", "b")], &["down"]).code,
            ERROR
        );
    }
}
