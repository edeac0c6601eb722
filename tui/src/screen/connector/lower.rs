//! The lower pane of a connector: trace, configuration, offsets, events or lag by partition.

use sluice_protocol::ConnectorType;

use super::{OwnTasks, Subject, open, sink_fact};
use crate::model::Model;
use crate::model::cluster::PartitionLag;
use crate::model::dialog::Tone;
use crate::model::event::Event;
use crate::model::nav::{CONNECTOR, Pane};
use crate::model::secrets::{self, PasswordKeys};
use crate::model::trace::Trace;
use crate::screen::part::Lines;
use crate::screen::rows::Rows;
use crate::screen::{cell, events, lag};
use crate::text::Text;
use crate::units;

/// The pane with the lines of it that are on the screen, `rows` at most.
pub(super) fn shown(model: &Model, c: &Subject, rows: usize) -> Lines {
    let lines = lines(model);
    let state = model.text(CONNECTOR);
    Lines {
        title: (Tone::Strong, title(model, c, lines.len(), rows)),
        search: state.needle.clone(),
        lines: lines
            .into_iter()
            .skip(state.scroll)
            .take(rows)
            .map(|line| vec![line])
            .collect(),
    }
}

fn title(model: &Model, c: &Subject, lines: usize, rows: usize) -> String {
    let detail = &model.ui.detail;
    let state = model.text(CONNECTOR);
    let place = if lines > rows {
        format!(
            "{}-{}/{lines} ",
            state.scroll + 1,
            (state.scroll + rows).min(lines)
        )
    } else {
        String::new()
    };
    let what = match detail.lower {
        Pane::Trace => match (selected_task(model), traced(model, c)) {
            (_, Some((None, _))) => "connector trace, root cause first, c copies ".to_owned(),
            (_, Some((Some(task), _))) => format!("task {task} trace, root cause first, c copies "),
            (Some(task), None) => format!("task {task}: no trace "),
            (None, None) => "trace ".to_owned(),
        },
        Pane::Config if detail.reveal => "config, secrets shown, x hides ".to_owned(),
        Pane::Config => "config, e edits, x reveals ".to_owned(),
        Pane::Lag => "lag by partition ".to_owned(),
        pane => format!("{} ", pane.name()),
    };
    let search = if state.needle.is_empty() {
        String::new()
    } else {
        format!("/{}/ ", Text::line(&state.needle))
    };
    format!(" {what}{search}{place}")
}

/// The task under the cursor.
pub(super) fn selected_task(model: &Model) -> Option<u32> {
    let (_, id) = model.table(OwnTasks::ID).current()?.task_id()?;
    Some(id)
}

/// The trace of the selected task, else of the connector.
fn traced<'a>(model: &Model, c: &'a Subject) -> Option<(Option<u32>, &'a Trace)> {
    let of_task = selected_task(model)
        .and_then(|id| c.tasks.get(&id))
        .and_then(|task| Some((Some(task.id), task.trace.as_deref()?)));
    of_task.or_else(|| c.trace.as_deref().map(|trace| (None, trace)))
}

/// All lines of the pane.
pub(crate) fn lines(model: &Model) -> Vec<(Tone, String)> {
    let Some(c) = open(model) else {
        return Vec::new();
    };
    match model.ui.detail.lower {
        Pane::Trace | Pane::Tasks => trace_lines(model, c),
        Pane::Config => config_lines(model, c),
        Pane::Offsets => offset_lines(model),
        Pane::Events => event_lines(model, c),
        Pane::Lag => lag_lines(model, c),
    }
}

fn trace_lines(model: &Model, c: &Subject) -> Vec<(Tone, String)> {
    let Some((_, trace)) = traced(model, c) else {
        let failed: Vec<String> = c
            .tasks
            .values()
            .filter(|task| task.trace.is_some())
            .map(|task| task.id.to_string())
            .collect();
        let text = if failed.is_empty() {
            "nothing failed".to_owned()
        } else {
            format!("no trace here; tasks with one: {}", failed.join(", "))
        };
        return vec![(Tone::Dim, text)];
    };
    let mut lines = Vec::new();
    for (i, line) in trace.lines.iter().enumerate() {
        let tone = if i == 0 {
            Tone::Bad
        } else if line.as_str().starts_with("led to: ") {
            Tone::Warn
        } else {
            Tone::Plain
        };
        lines.extend(wrapped(model, line.as_str(), tone));
    }
    lines
}

/// Stands before the rest of a line that was broken.
pub(crate) const CONTINUED: &str = "      ";

/// A line in the width of the screen, broken where it is too long.
fn wrapped(model: &Model, line: &str, tone: Tone) -> impl Iterator<Item = (Tone, String)> {
    let width = usize::from(model.session.width.saturating_sub(3)).max(20);
    let lines = units::wrapped(line, width, CONTINUED);
    lines.into_iter().map(move |line| (tone, line))
}

/// Whether this text, in lower case, begins in line `i`. It may continue in the lines that were broken off.
pub(crate) fn begins_in(lines: &[(Tone, String)], i: usize, needle: &str) -> bool {
    let Some((_, first)) = lines.get(i) else {
        return false;
    };
    let mut whole = first.to_lowercase();
    let own = whole.len();
    for (_, text) in lines.iter().skip(i + 1) {
        let Some(rest) = text.strip_prefix(CONTINUED) else {
            break;
        };
        if whole.len() > own + needle.len() {
            break;
        }
        whole.push_str(&rest.to_lowercase());
    }
    whole.find(needle).is_some_and(|at| at < own)
}

fn config_lines(model: &Model, c: &Subject) -> Vec<(Tone, String)> {
    let none = PasswordKeys::new();
    let passwords = model.ui.detail.passwords.as_ref().unwrap_or(&none);
    let mut keys: Vec<(&String, &Option<String>)> = c.config.iter().collect();
    keys.sort();
    let pad = keys
        .iter()
        .map(|(key, _)| key.chars().count())
        .max()
        .unwrap_or(0)
        .min(48);
    let mut lines = Vec::new();
    for (key, value) in keys {
        let raw = value.as_deref().unwrap_or("null");
        let secret = secrets::has_secret(key, raw, passwords);
        let shown = if secret && !model.ui.detail.reveal {
            secrets::shown(key, raw, passwords)
        } else {
            raw.into()
        };
        let tone = if secret { Tone::Warn } else { Tone::Plain };
        let line = format!("{:pad$}  {}", Text::line(key), Text::whole(&shown));
        lines.extend(wrapped(model, &line, tone));
    }
    if lines.is_empty() {
        lines.push((
            Tone::Dim,
            "configuration n/a: the server has not sent it yet".to_owned(),
        ));
    }
    lines
}

fn offset_lines(model: &Model) -> Vec<(Tone, String)> {
    match &model.ui.detail.offsets {
        None => vec![(Tone::Dim, "fetching …".to_owned())],
        Some(Err(error)) => vec![(Tone::Bad, error.to_string())],
        Some(Ok(offsets)) if offsets.is_empty() => {
            vec![(Tone::Dim, "no offsets committed yet".to_owned())]
        }
        Some(Ok(offsets)) => {
            let pad = offsets
                .iter()
                .map(|(p, _)| p.as_str().chars().count())
                .max()
                .unwrap_or(0)
                .min(60);
            offsets
                .iter()
                .map(|(partition, offset)| (Tone::Plain, format!("{partition:pad$}  {offset}")))
                .collect()
        }
    }
}

/// Most events that the pane lists.
const EVENTS: usize = 500;

fn event_lines(model: &Model, c: &Subject) -> Vec<(Tone, String)> {
    let all = model.cluster().events.iter().rev();
    let own = all.filter(|event| event.object.connector() == Some(&c.name));
    let line = |event: &Event| {
        let (at, kind) = (units::clock(event.at), events::kind(event));
        let (object, what, by) = (
            events::object(event),
            events::what(event),
            events::by(event),
        );
        let line = format!("{at} {kind:<9} {object}  {what}  ({by})");
        (cell::severity_tone(event.severity), line)
    };
    let lines: Vec<(Tone, String)> = own.take(EVENTS).map(line).collect();
    if lines.is_empty() {
        let since = units::clock(model.cluster().since);
        return vec![(
            Tone::Dim,
            format!("nothing happened since {since} UTC, when this terminal began to watch"),
        )];
    }
    lines
}

fn lag_lines(model: &Model, c: &Subject) -> Vec<(Tone, String)> {
    if c.kind == ConnectorType::Source {
        return vec![(
            Tone::Dim,
            "a source has no lag in Kafka; 4 shows its offsets".to_owned(),
        )];
    }
    let mut lines = vec![(
        Tone::Dim,
        format!(
            "{:<30} {:>4} {:>12} {:>12} {:>7} {:>7}  {}",
            "TOPIC", "PART", "COMMITTED", "END", "LAG", "ETA", "TASK"
        ),
    )];
    let own = model.cluster().partitions.values();
    let own = own.filter(|p| p.connector == c.name);
    lines.extend(own.map(lag_line));
    if lines.len() == 1 {
        lines = vec![(Tone::Dim, sink_fact(model, c).1)];
    }
    lines
}

fn lag_line(p: &PartitionLag) -> (Tone, String) {
    let tone = match p.lag() {
        Some(1..) => Tone::Plain,
        _ => Tone::Dim,
    };
    let text = |(_, text): cell::Cell| text;
    let line = format!(
        "{:<30} {:>4} {:>12} {:>12} {:>7} {:>7}  {}",
        p.topic.as_str(),
        p.partition,
        text(lag::committed(p)),
        text(cell::shown(p.end)),
        text(cell::shown(p.lag().map(units::count))),
        text(lag::eta(p)),
        text(cell::shown(p.task)),
    );
    (tone, line)
}
