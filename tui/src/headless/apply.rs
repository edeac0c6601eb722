//! `apply`: connectors from files. All of them are validated before the first is written.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use sluice_protocol::ConfigMap;

use super::{CommandError, ERROR, Report, Session};
use crate::actions::{self, Request};
use crate::conn::client::Client;
use crate::model::action::Verb;
use crate::model::secrets::{self, Change, PasswordKeys};
use crate::text::Text;
use crate::update::validation_errors;

/// A connector as a file wants it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Name.
    pub(super) name: String,
    /// Configuration, `name` included.
    pub(super) config: ConfigMap,
}

/// A connector to be written, with what is stored.
struct Step {
    wanted: Wanted,
    stored: Option<ConfigMap>,
    passwords: PasswordKeys,
}

/// Applies files.
pub(super) async fn apply(
    session: &Session<'_>,
    client: &Client,
    files: &[PathBuf],
    dry_run: bool,
) -> Result<Report, CommandError> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for file in files {
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
        (session.progress)(&format!("validating {}", Text::line(&connector.name)));
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
                let name = Text::line(&connector.name);
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
    for step in steps {
        write(session, client, step, dry_run, &mut report).await;
    }
    Ok(report)
}

/// Errors by key; fine gives the keys that are passwords.
async fn validate(client: &Client, wanted: &Wanted) -> Result<PasswordKeys, Vec<String>> {
    let masked: Vec<String> = wanted
        .config
        .iter()
        .filter(|(_, value)| value.as_deref().is_some_and(|value| value.contains('•')))
        .map(|(key, _)| format!("{key}: holds a mask, not a value"))
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

async fn write(
    session: &Session<'_>,
    client: &Client,
    step: Step,
    dry_run: bool,
    report: &mut Report,
) {
    let name = Text::line(&step.wanted.name);
    if step.stored.as_ref() == Some(&step.wanted.config) {
        report.out.push_str(&format!("{name}: unchanged\n"));
        return;
    }
    let created = step.stored.is_none();
    let changes = secrets::diff(
        &step.stored.unwrap_or_default(),
        &step.wanted.config,
        &step.passwords,
    );
    let done = match (created, dry_run) {
        (true, true) => "would be created",
        (true, false) => "created",
        (false, true) => "would be changed",
        (false, false) => "changed",
    };
    if !dry_run {
        (session.progress)(&format!("writing {name}"));
        let request = Request {
            connector: step.wanted.name.clone(),
            verb: Verb::PutConfig {
                config: Arc::new(step.wanted.config),
                base: None,
            },
            failed_tasks: Vec::new(),
            all_tasks: Vec::new(),
        };
        let waiting = |reason: Text, _| {
            (session.progress)(&format!("{name}: waits for {reason}"));
            std::future::ready(())
        };
        if let Err(error) = actions::run(client, &request, waiting).await {
            report.code = ERROR;
            report
                .complaints
                .push(format!("{name}: {}", Text::line(&error.to_string())));
            return;
        }
    }
    report.out.push_str(&format!("{name}: {done}\n"));
    if !created || dry_run {
        for change in changes {
            let line = match change {
                Change::Added(key, value) => format!("  + {key} = {value}"),
                Change::Removed(key, value) => format!("  - {key} = {value}"),
                Change::Changed(key, old, new) => format!("  ~ {key}: {old} -> {new}"),
            };
            report.out.push_str(Text::line(&line).as_str());
            report.out.push('\n');
        }
    }
}

/// Reads JSON or YAML (any number of documents): `{name, config}`, a flat configuration with `name`, a list of
/// those, or a map from name to configuration.
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
    // What `GET /connectors/NAME` tells besides may stay in the file; anything else would be silently lost.
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
