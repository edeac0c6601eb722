//! `apply`: connectors from files. All of them are validated before the first is written.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use sluice_protocol::ConfigMap;

use super::verbs::{self, Pace};
use super::{CommandError, ERROR, Report, Session};
use crate::conn::client::Client;
use crate::conn::now;
use crate::model::action::{Outcome, Verb};
use crate::model::secrets::{self, Change, PasswordKeys};
use crate::text::Text;
use crate::update::validation_errors;

/// A connector as a file wants it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) name: String,
    /// Configuration, with its `name`.
    pub(super) config: ConfigMap,
}

/// A connector to be written, with what is stored.
struct Step {
    wanted: Wanted,
    stored: Option<ConfigMap>,
    passwords: PasswordKeys,
}

/// Creates or updates what the files say.
pub(super) async fn apply(
    session: &Session<'_>,
    client: &Client,
    files: &[PathBuf],
    dry_run: bool,
    pace: Pace,
) -> Result<Report, CommandError> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for file in &all_files(files, &["json", "yaml", "yml"])? {
        let shown = Text::line(&file.display().to_string()).to_string();
        let fail = |why: String| CommandError::File {
            file: shown.clone(),
            why,
        };
        let text = if file == Path::new("-") {
            (session.stdin)()
        } else {
            std::fs::read_to_string(file)
        };
        let text = text.map_err(|error| fail(error.to_string()))?;
        for connector in parse(&text).map_err(&fail)? {
            if wanted.iter().any(|other| other.name == connector.name) {
                return Err(fail(format!(
                    "connector \"{}\" is there twice",
                    connector.name
                )));
            }
            wanted.push(connector);
        }
    }
    let mut report = Report::default();
    let mut steps = Vec::new();
    for connector in wanted {
        (session.progress)(&format!("validating {}", Text::name(&connector.name)));
        match validate(client, &connector).await {
            Ok(passwords) => {
                let stored = match client.config(&connector.name).await {
                    Ok(stored) => Some(stored),
                    Err(error) if error.is_not_found() => None,
                    Err(error) => return Err(error.into()),
                };
                steps.push(Step {
                    wanted: connector,
                    stored,
                    passwords,
                });
            }
            Err(errors) => {
                let name = Text::name(&connector.name);
                report
                    .complaints
                    .extend(errors.into_iter().map(|error| format!("{name}: {error}")));
            }
        }
    }
    if !report.complaints.is_empty() {
        report.complaints.push("nothing written".to_owned());
        report.code = ERROR;
        return Ok(report);
    }
    let mut changed = Vec::new();
    for step in steps {
        let name = step.wanted.name.as_str();
        let what = step.differs();
        match what {
            _ if dry_run => describe(&step, what.map(Difference::planned), &mut report),
            None => describe(&step, None, &mut report),
            Some(_) => changed.push((name.to_owned(), step)),
        }
    }
    write(session, client, changed, pace, &mut report).await?;
    Ok(report)
}

/// The files named, and those of the folders named in the order of their names.
pub(super) fn all_files(
    named: &[PathBuf],
    extensions: &[&str],
) -> Result<Vec<PathBuf>, CommandError> {
    let mut all = Vec::new();
    for path in named {
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let fail = |why: String| CommandError::File {
            file: Text::line(&path.display().to_string()).to_string(),
            why,
        };
        let entries = std::fs::read_dir(path).map_err(|error| fail(error.to_string()))?;
        let mut files: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|file| file.is_file() && is_configuration(file, extensions))
            .collect();
        if files.is_empty() {
            let (last, others) = extensions.split_last().unwrap_or((&"", &[]));
            let others = others.join(", .");
            return Err(fail(format!("no .{others} or .{last} file in this folder")));
        }
        files.sort();
        all.extend(files);
    }
    Ok(all)
}

fn is_configuration(file: &Path, extensions: &[&str]) -> bool {
    let hidden = file
        .file_name()
        .is_none_or(|name| name.to_string_lossy().starts_with('.'));
    let extension = file.extension().and_then(|extension| extension.to_str());
    !hidden && extension.is_some_and(|extension| extensions.contains(&extension))
}

/// How a file differs from what is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Difference {
    /// There is no such connector yet.
    New,
    /// Its configuration is another one.
    Changed,
}

impl Difference {
    const fn planned(self) -> &'static str {
        match self {
            Self::New => "would be created",
            Self::Changed => "would be changed",
        }
    }

    const fn done(self) -> &'static str {
        match self {
            Self::New => "created",
            Self::Changed => "changed",
        }
    }
}

impl Step {
    fn differs(&self) -> Option<Difference> {
        match &self.stored {
            None => Some(Difference::New),
            Some(stored) if *stored != self.wanted.config => Some(Difference::Changed),
            Some(_) => None,
        }
    }
}

/// Keys whose value is what stands for a secret on the screen.
pub(super) fn masked_keys(config: &ConfigMap) -> impl Iterator<Item = &str> {
    let masked = |value: &Option<String>| value.as_deref().is_some_and(|v| v.contains('•'));
    let entries = config.iter().filter(move |(_, value)| masked(value));
    entries.map(|(key, _)| key.as_str())
}

/// Errors by key; fine gives the keys that are passwords.
async fn validate(client: &Client, wanted: &Wanted) -> Result<PasswordKeys, Vec<String>> {
    let masked: Vec<String> = masked_keys(&wanted.config)
        .map(|key| format!("{key}: holds a mask, not a value"))
        .collect();
    if !masked.is_empty() {
        return Err(masked);
    }
    let infos = client
        .validate(&wanted.config)
        .await
        .map_err(|error| vec![Text::line(&error.to_string()).to_string()])?;
    let passwords: PasswordKeys = infos
        .configs
        .iter()
        .filter_map(|config| config.definition.as_ref())
        .filter(|definition| definition.key_type == "PASSWORD")
        .map(|definition| definition.name.clone())
        .collect();
    let errors = validation_errors(&infos, &passwords);
    if errors.is_empty() && infos.error_count == 0 {
        Ok(passwords)
    } else if errors.is_empty() {
        Err(vec![format!("{} errors", infos.error_count)])
    } else {
        Err(errors
            .iter()
            .map(|error| Text::line(error).to_string())
            .collect())
    }
}

/// One line on a connector, and below it what changes.
fn describe(step: &Step, what: Option<&str>, report: &mut Report) {
    let name = Text::name(&step.wanted.name);
    report
        .out
        .push_str(&format!("{name}: {}\n", what.unwrap_or("unchanged")));
    if what.is_none() || what == Some(Difference::New.done()) {
        return;
    }
    let stored = step.stored.clone().unwrap_or_default();
    for change in secrets::diff(&stored, &step.wanted.config, &step.passwords) {
        let line = match change {
            Change::Added(key, value) => format!("  + {key} = {value}"),
            Change::Removed(key, value) => format!("  - {key} = {value}"),
            Change::Changed(key, old, new) => format!("  ~ {key}: {old} -> {new}"),
        };
        report.out.push_str(Text::line(&line).as_str());
        report.out.push('\n');
    }
}

/// Writes all of them, then waits until they run with what was written.
async fn write(
    session: &Session<'_>,
    client: &Client,
    changed: Vec<(String, Step)>,
    pace: Pace,
    report: &mut Report,
) -> Result<(), CommandError> {
    if changed.is_empty() {
        return Ok(());
    }
    let targets = changed
        .iter()
        .map(|(name, step)| {
            let verb = Verb::PutConfig {
                config: Arc::new(step.wanted.config.clone()),
                base: step.stored.clone().map(Arc::new),
            };
            (name.clone(), verb)
        })
        .collect();
    let actions = verbs::run(session, client, targets, pace).await?;
    for (action, (_, step)) in actions.iter().zip(&changed) {
        let done = step.differs().map_or("written", Difference::done);
        let refused = !action.was_accepted();
        if !refused {
            describe(step, Some(done), report);
        }
        if refused || (pace.wait && action.outcome() != Outcome::Good) {
            report.code = ERROR;
            report.complaints.push(action.line(now()).1);
        }
    }
    Ok(())
}

/// Reads JSON or YAML (any number of documents): `{name, config}`, a flat configuration with `name`, a list
/// of those, or a map from name to configuration.
pub(super) fn parse(text: &str) -> Result<Vec<Wanted>, String> {
    let documents: Vec<Value> = if text.trim_start().starts_with(['{', '[']) {
        serde_json::Deserializer::from_str(text)
            .into_iter::<Value>()
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?
    } else {
        serde_yaml_ng::Deserializer::from_str(text)
            .map(Value::deserialize)
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?
    };
    let mut wanted = Vec::new();
    for document in documents {
        match document {
            Value::Null => {}
            Value::Array(entries) => {
                for entry in entries {
                    wanted.push(one(entry)?);
                }
            }
            Value::Object(map)
                if !map.is_empty()
                    && map.values().all(Value::is_object)
                    && !map.contains_key("name") =>
            {
                for (name, config) in map {
                    wanted.push(named(Some(&name), config)?);
                }
            }
            other => wanted.push(one(other)?),
        }
    }
    if wanted.is_empty() {
        return Err("no connector in it".to_owned());
    }
    Ok(wanted)
}

fn one(value: Value) -> Result<Wanted, String> {
    let Value::Object(mut map) = value else {
        return Err("a connector is a map of configuration keys".to_owned());
    };
    if !map.get("config").is_some_and(Value::is_object) {
        return named(None, Value::Object(map));
    }
    let config = map.remove("config").unwrap_or_default();
    let name = map
        .remove("name")
        .and_then(|name| name.as_str().map(str::to_owned));
    // What else `GET /connectors/NAME` answers may stay in the file; anything else would be silently lost.
    if let Some(key) = map
        .keys()
        .find(|key| !matches!(key.as_str(), "tasks" | "type"))
    {
        return Err(format!("{key}: not understood beside \"config\""));
    }
    named(name.as_deref(), config)
}

fn named(name: Option<&str>, config: Value) -> Result<Wanted, String> {
    let mut config: ConfigMap =
        serde_json::from_value(config).map_err(|error| error.to_string())?;
    let inner = config.text("name").map(str::to_owned);
    let name = match (name, inner) {
        (Some(outer), Some(inner)) if outer != inner => {
            return Err(format!(
                "name \"{outer}\" outside and \"{inner}\" inside the configuration"
            ));
        }
        (Some(name), _) => name.to_owned(),
        (None, Some(name)) => name,
        (None, None) => return Err("a connector without name".to_owned()),
    };
    if name.is_empty() {
        return Err("a connector with an empty name".to_owned());
    }
    config.set("name", name.clone());
    Ok(Wanted { name, config })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        parse(text)
            .unwrap()
            .into_iter()
            .map(|wanted| wanted.name)
            .collect()
    }

    #[test]
    fn every_form_of_file_is_read() {
        assert_eq!(names(r#"{"name":"a","config":{"k":"v"}}"#), ["a"]);
        assert_eq!(names(r#"{"name":"a","k":1}"#), ["a"]);
        assert_eq!(
            names(r#"[{"name":"a"},{"name":"b","config":{}}]"#),
            ["a", "b"]
        );
        assert_eq!(names(r#"{"a":{"k":"v"},"b":{"k":"w"}}"#), ["a", "b"]);
        assert_eq!(
            names("name: a\nk: 1\n---\nname: b\nconfig:\n  k: true\n"),
            ["a", "b"]
        );
        assert_eq!(names("a:\n  k: v\nb:\n  k: w\n"), ["a", "b"]);
        assert_eq!(names(r#"{"name":"a"} {"name":"b"}"#), ["a", "b"]);
        let wanted = parse("name: a\nk: 1\n").unwrap();
        assert_eq!(wanted[0].config.text("k"), Some("1"));
    }

    #[test]
    fn mistakes_in_files_are_told() {
        for (text, part) in [
            ("{", "EOF"),
            ("[1]", "map of configuration keys"),
            ("{}", "without name"),
            ("", "no connector"),
            (r#"{"name":"a","config":{"name":"b"}}"#, "outside"),
            (
                r#"{"name":"a","config":{},"initial_state":"paused"}"#,
                "initial_state",
            ),
            (r#"{"name":"a","k":{"x":1}}"#, "config value"),
        ] {
            let error = parse(text).err().unwrap();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
