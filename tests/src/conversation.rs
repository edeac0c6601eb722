//! A REST conversation as data, played to a worker, and its recording.
//!
//! The steps are in `tests/rest/conversation.yaml`, which explains their form. A recording holds one answer
//! per call with what differs from run to run (folder, cluster, address of the worker) put back to the
//! variable it came from, so that recordings of two workers can be compared and one of them can be kept as a
//! file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::files::write_lines;
use crate::rest::{Reply, Rest};
use crate::wait::{seconds, wait_for};

/// The headers that are recorded and compared.
const HEADERS: [&str; 3] = ["content-type", "location", "allow"];

/// How many answers in a row have to satisfy a wait: a state seen once may be the one before the last change.
const STEADY: u32 = 3;

/// One step.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Step {
    /// A call whose answer is recorded.
    Call {
        /// Its name, unique in the conversation.
        step: String,
        /// Method and path.
        call: String,
        /// A JSON body.
        json: Option<Value>,
        /// A body as it stands.
        text: Option<String>,
        /// Headers beside, or instead of, the content type.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// Repeat until the answer has this status.
        until: Option<u16>,
    },
    /// A wait for an answer.
    Wait {
        /// What is waited for.
        wait: Condition,
    },
    /// A file to be written.
    Lines {
        /// The file.
        lines: Lines,
    },
}

/// A condition on the answer to a GET.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    path: String,
    status: Option<u16>,
    pointer: Option<String>,
    is: Option<Value>,
    #[serde(default)]
    present: bool,
}

/// A file with so many lines.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lines {
    file: String,
    count: u64,
}

/// The answer to one call, without what differs from run to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The name of the step.
    pub step: String,
    /// Method and path.
    pub call: String,
    /// The HTTP status.
    pub status: u16,
    /// The headers content-type, location and allow, where present.
    pub headers: BTreeMap<String, String>,
    /// The body: JSON where it is, else a text.
    pub body: Value,
}

/// Reads the steps.
///
/// # Errors
/// When the file is not a list of steps, or a name is used twice.
pub fn read_steps(file: &Path) -> Result<Vec<Step>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let mut value: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text)?;
    value.apply_merge()?;
    let values = value.as_sequence().context("not a list of steps")?;
    let mut names = std::collections::BTreeSet::new();
    let mut steps = Vec::with_capacity(values.len());
    for value in values {
        let step: Step =
            serde_yaml_ng::from_value(value.clone()).with_context(|| format!("step {value:?}"))?;
        if let Step::Call { step, .. } = &step {
            ensure!(names.insert(step.clone()), "two steps are called {step:?}");
        }
        steps.push(step);
    }
    Ok(steps)
}

/// Plays a conversation to one worker.
#[derive(Debug)]
pub struct Player {
    rest: Rest,
    folder: PathBuf,
    /// The run's values and the variables that stand for them, longest value first.
    variables: Vec<(String, String)>,
}

impl Player {
    /// A player for the worker `rest` of the group `cluster`, with an empty folder for files.
    pub fn new(rest: &Rest, cluster: &str, folder: &Path) -> Self {
        let address = rest.url().trim_start_matches("http://").to_owned();
        let mut variables = vec![
            (folder.display().to_string(), "${folder}".to_owned()),
            (cluster.to_owned(), "${cluster}".to_owned()),
            (address, "${worker}".to_owned()),
        ];
        variables.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        Self {
            rest: rest.clone(),
            folder: folder.to_owned(),
            variables,
        }
    }

    /// Plays all steps and returns the answers in order.
    ///
    /// # Errors
    /// When the worker does not answer or a wait is not satisfied within 30 s.
    pub fn play(&self, steps: &[Step]) -> Result<Vec<Answer>> {
        let mut answers = Vec::new();
        for step in steps {
            match step {
                Step::Call { step: name, .. } => {
                    let reply = self.call(step).with_context(|| format!("step {name:?}"))?;
                    answers.push(reply);
                }
                Step::Wait { wait } => self.wait(wait).with_context(|| {
                    let last = answers.last().map(|answer| answer.step.as_str());
                    format!("after step {last:?}")
                })?,
                Step::Lines { lines } => {
                    write_lines(&self.folder.join(&lines.file), "data", 0, lines.count)?;
                }
            }
        }
        Ok(answers)
    }

    fn call(&self, step: &Step) -> Result<Answer> {
        let Step::Call {
            step: name,
            call,
            json,
            text,
            headers,
            until,
        } = step
        else {
            bail!("not a call");
        };
        let (method, path) = call.split_once(' ').context("METHOD PATH expected")?;
        let body = match (json, text) {
            (Some(json), None) => Some(self.fill(&json.to_string())),
            (None, Some(text)) => Some(self.fill(text)),
            (None, None) => None,
            (Some(_), Some(_)) => bail!("both json and text"),
        };
        let mut fields: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        if !headers.contains_key("content-type") {
            fields.push(("content-type", "application/json"));
        }
        let reply = wait_for(&format!("an answer to {call}"), seconds(30), || {
            let reply = self
                .rest
                .send(method, &self.fill(path), &fields, body.clone())?;
            let wanted = until.is_none_or(|status| status == reply.status);
            if reply.is_momentary() || !wanted {
                bail!("{} {}", reply.status, reply.text);
            }
            Ok(Some(reply))
        })?;
        Ok(self.answer(name, call, &reply))
    }

    fn answer(&self, step: &str, call: &str, reply: &Reply) -> Answer {
        let text = self.generalise(&reply.text);
        let headers = HEADERS
            .iter()
            .filter_map(|name| {
                let value = self.generalise(reply.header(name)?);
                Some(((*name).to_owned(), value))
            })
            .collect();
        Answer {
            step: step.to_owned(),
            call: call.to_owned(),
            status: reply.status,
            headers,
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        }
    }

    fn wait(&self, condition: &Condition) -> Result<()> {
        let path = self.fill(&condition.path);
        let expected = condition.status.unwrap_or(200);
        let mut steady = 0;
        wait_for(&format!("{condition:?}"), Duration::from_secs(30), || {
            let reply = self.rest.get(&path)?;
            let found = || -> Result<bool> {
                let Some(pointer) = &condition.pointer else {
                    return Ok(true);
                };
                let body = reply.json()?;
                let value = body.pointer(pointer);
                Ok(match (&condition.is, condition.present) {
                    (Some(is), _) => value == Some(is),
                    (None, true) => value.is_some_and(|value| !value.is_null()),
                    (None, false) => value.is_none(),
                })
            };
            if reply.status == expected && found()? {
                steady += 1;
            } else {
                steady = 0;
            }
            if steady < STEADY {
                bail!("{} {}", reply.status, reply.text);
            }
            Ok(Some(()))
        })
    }

    fn fill(&self, text: &str) -> String {
        self.variables
            .iter()
            .fold(text.to_owned(), |text, (value, variable)| {
                text.replace(variable, value)
            })
    }

    fn generalise(&self, text: &str) -> String {
        self.variables
            .iter()
            .fold(text.to_owned(), |text, (value, variable)| {
                text.replace(value, variable)
            })
    }
}
