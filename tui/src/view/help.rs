//! Help for the screen below: keys from the key table, words from the command table, and what the columns mean.

use ratatui::Frame;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};

use super::layout;
use crate::keys;
use crate::model::Model;
use crate::model::dialog::Tone;
use crate::model::screen::Screen;
use crate::theme::Theme;

/// Meaning of what the columns show and of what can't be known.
const LEGEND: &[(&str, &str)] = &[
    (
        "UNHEALTHY",
        "connector failed, all tasks failed, or it has no tasks at all",
    ),
    ("DEGRADED", "some tasks failed"),
    (
        "LOST",
        "said to run on a worker that is gone: nobody does this work until it is moved",
    ),
    (
        "STALE",
        "nobody answers: it was well when it was last seen, see the age in the header",
    ),
    ("STARTING", "new, and has no tasks yet"),
    ("RESTARTING", "connector or tasks are being started again"),
    (
        "RESUME, STOP",
        "RESUME n/m: n of m tasks run again; STOP -n: n tasks are not gone yet",
    ),
    (
        "OFFSET-AGE",
        "time since a committed offset moved, not since the last commit",
    ),
    (
        "ERR",
        "records that failed, were skipped or went to the dead letters",
    ),
    (
        "HEALTHY?",
        "the brokers do not answer any more: this is what the worker knew last",
    ),
    (
        "STALLED",
        "sink says RUNNING, has lag, and no offset moved for 60 s",
    ),
    ("REBALANCE", "tasks or the connector belong to no worker"),
    ("PAUSED n/m", "asked to pause, n of m tasks have"),
    (
        "TASKS",
        "running/all; F failed, L lost, U unassigned, R restarting, P paused",
    ),
    (
        "n/a",
        "can't be known: no brokers configured, or the worker writes no telemetry",
    ),
    (
        "LAG",
        "end minus committed offsets of the sink's consumer group",
    ),
    (
        "REC/S ERR",
        "from telemetry, which agents write and JVM workers don't",
    ),
    (
        "CHG, SINCE",
        "since the last change of state; >5m: no change in the 5 min we watch",
    ),
    (
        "RST",
        "restarts of the task restarted most, since this terminal watches (status topic)",
    ),
    (
        "~3 (header)",
        "changes of the group seen; coordinators don't tell generations",
    ),
    ("* and ›", "marked; an action on it is not confirmed yet"),
    (
        "/ filter",
        "re, !re, -l key=value (config key, health, type, worker), -f fuzzy",
    ),
];

/// All lines: key or word, and meaning; a heading has no meaning.
pub(super) fn lines(model: &Model) -> Vec<(String, String)> {
    let stack = model.nav.stack();
    let below = match model.nav.current() {
        Screen::Help => stack
            .len()
            .checked_sub(2)
            .and_then(|i| stack.get(i))
            .unwrap_or(&Screen::Connectors),
        screen => screen,
    };
    let readonly = model.is_readonly();
    let mut lines = Vec::new();
    // The first binding of a key is the one that counts.
    let mut seen: Vec<keys::Key> = Vec::new();
    for (name, bindings) in keys::groups(below, model.demo.is_some()) {
        lines.push((name.to_owned(), String::new()));
        for binding in bindings
            .iter()
            .filter(|b| !(readonly && b.command.writes()))
        {
            if seen.contains(&binding.key) {
                continue;
            }
            seen.push(binding.key);
            lines.push((binding.key.name(), binding.word.to_owned()));
        }
    }
    lines.push(("words after :".to_owned(), String::new()));
    for (word, short, what) in crate::update::COMMANDS {
        let word = match short.first() {
            Some(short) => format!("{word}, {short}"),
            None => (*word).to_owned(),
        };
        lines.push((word, (*what).to_owned()));
    }
    lines.push(("what it means".to_owned(), String::new()));
    for (word, meaning) in LEGEND {
        lines.push(((*word).to_owned(), (*meaning).to_owned()));
    }
    if !model.cluster.topic_notes.is_empty() {
        lines.push(("brokers".to_owned(), String::new()));
        for note in &model.cluster.topic_notes {
            lines.push((String::new(), note.to_string()));
        }
    }
    let needle = model.help_filter.to_lowercase();
    if !needle.is_empty() {
        lines.retain(|(key, meaning)| {
            !meaning.is_empty() && format!("{key} {meaning}").to_lowercase().contains(&needle)
        });
    }
    lines
}

pub(super) fn draw(model: &Model, theme: Theme, frame: &mut Frame<'_>) {
    let area = layout::body(model);
    let block =
        Block::bordered()
            .border_style(theme.border(true))
            .title(if model.help_filter.is_empty() {
                " help ".to_owned()
            } else {
                format!(" help /{}/ ", crate::text::Text::line(&model.help_filter))
            });
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let all = lines(model);
    let visible: Vec<Line<'_>> = all
        .iter()
        .skip(model.help_scroll)
        .take(usize::from(inner.height))
        .map(|(key, meaning)| {
            if meaning.is_empty() {
                Line::styled(key.as_str(), theme.tone(Tone::Strong))
            } else {
                Line::from(vec![
                    Span::styled(format!("  {key:<14}"), theme.tone(Tone::Accent)),
                    Span::raw(meaning.as_str()),
                ])
            }
        })
        .collect();
    frame.render_widget(Paragraph::new(visible), inner);
}
