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
        "STALLED",
        "sink says RUNNING, has lag, and no offset moved for 60 s",
    ),
    ("REBALANCE", "tasks or the connector belong to no worker"),
    ("PAUSED n/m", "asked to pause, n of m tasks have"),
    (
        "TASKS",
        "running/all; F failed, U unassigned, R restarting, P paused",
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
        "restarts seen since this terminal watches (needs the status topic)",
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
    for (name, bindings) in keys::groups(below, model.demo.is_some()) {
        lines.push((name.to_owned(), String::new()));
        for binding in bindings
            .iter()
            .filter(|b| !(readonly && b.command.writes()))
        {
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
    lines
}

pub(super) fn draw(model: &Model, theme: Theme, frame: &mut Frame<'_>) {
    let area = layout::body(model);
    let block = Block::bordered()
        .border_style(theme.border(true))
        .title(" help ");
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
