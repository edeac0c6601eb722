//! Help for the screen below: keys from the key tables, words from the table of commands, and what the
//! columns mean.

use crossterm::event::KeyCode;

use super::part::{Content, Lines, Part};
use super::{Group, Screen, Word, at, words};
use crate::keys::{Binding, Command, Key, more, show};
use crate::layout;
use crate::model::Model;
use crate::model::dialog::Tone;
use crate::model::nav::HELP;
use crate::model::prompt::PromptKind;
use crate::text::Text;

/// The screen of keys, words and meanings.
pub(crate) struct Help;

const KEYS: &[Binding] = &[
    show(Key::plain(KeyCode::Esc), Command::Back, "back"),
    more(Key::ch('q'), Command::Back, "back"),
];

impl Screen for Help {
    fn word(&self) -> Word {
        Word::unlisted(HELP)
    }

    fn keys(&self) -> Vec<Group> {
        vec![("here", KEYS)]
    }

    fn prompt(&self) -> PromptKind {
        PromptKind::Filter
    }

    fn text(&self, model: &Model) -> (Vec<String>, usize) {
        let lines = lines(model).into_iter();
        let lines = lines.map(|(key, meaning)| format!("{key} {meaning}"));
        (lines.collect(), layout::text_rows(layout::body(model)))
    }

    fn parts(&self, model: &Model) -> Vec<Part> {
        let area = layout::body(model);
        let state = model.text(HELP);
        let title = match state.needle.as_str() {
            "" => " help ".to_owned(),
            needle => format!(" help /{}/ ", Text::line(needle)),
        };
        let lines = lines(model).into_iter().skip(state.scroll);
        let lines = lines.take(layout::text_rows(area)).map(|(key, meaning)| {
            if meaning.is_empty() {
                vec![(Tone::Strong, key)]
            } else {
                vec![
                    (Tone::Accent, format!("  {key:<14}")),
                    (Tone::Plain, meaning),
                ]
            }
        });
        let lines = Lines {
            title: (Tone::Plain, title),
            lines: lines.collect(),
            search: String::new(),
        };
        vec![Part {
            area,
            focused: true,
            content: Content::Text(lines),
        }]
    }
}

/// Meaning of what the columns show and of what can't be known: a line for each, the word before the first
/// colon.
const LEGEND: &str = "\
UNHEALTHY: connector failed, all tasks failed, or it has no tasks at all
DEGRADED: some tasks failed
LOST: said to run on a worker that is gone: nobody does this work until it is moved
STALE: nobody answers: it was well when it was last seen, see the age in the header
STARTING: new, and has no tasks yet
RESTARTING: connector or tasks are being started again
RESUME, STOP: RESUME n/m: n of m tasks run again; STOP -n: n tasks are not gone yet
OFFSET-AGE: time since a committed offset moved, not since the last commit
ERR: records that failed, were skipped or went to the dead letters
HEALTHY?: the brokers do not answer any more: this is what the worker knew last
STALLED: sink says RUNNING, has lag, and no offset moved for 60 s
REBALANCE: tasks or the connector belong to no worker
PAUSED n/m: asked to pause, n of m tasks have
TASKS: running/all; F failed, L lost, U unassigned, R restarting, P paused
n/a: can't be known: no brokers configured, or the worker writes no telemetry
LAG: end minus committed offsets of the sink's consumer group
REC/S ERR: from telemetry, which agents write and JVM workers don't
CHG, SINCE: since the last change of state; >5m: no change in the 5 min we watch
RST: restarts of the task restarted most, since this terminal watches (status topic)
~3 (header): changes of the group seen; coordinators don't tell generations
* and ›: marked; an action on it is not confirmed yet
/ filter: re, !re, -l key=value (config key, health, type, worker), -f fuzzy";

/// All lines: key or word, and meaning; a heading has no meaning.
fn lines(model: &Model) -> Vec<(String, String)> {
    let stack = model.ui.nav.stack().iter().rev();
    let below = stack.map(at).find(|screen| screen.name() != HELP);
    let readonly = model.is_readonly();
    let mut lines = Vec::new();
    // The first binding of a key is the one that counts.
    let mut seen: Vec<Key> = Vec::new();
    let groups = below.map(|screen| screen.groups(model.session.demo.is_some()));
    for (name, bindings) in groups.into_iter().flatten() {
        lines.push((name.to_owned(), String::new()));
        for binding in bindings {
            if seen.contains(&binding.key) || (readonly && binding.command.writes()) {
                continue;
            }
            seen.push(binding.key);
            lines.push((binding.key.name(), binding.word.to_owned()));
        }
    }
    lines.push(("words after :".to_owned(), String::new()));
    for (word, _) in words::all() {
        let names = match word.short.first() {
            Some(short) => format!("{}, {short}", word.word),
            None => word.word.to_owned(),
        };
        lines.push((names, word.what.to_owned()));
    }
    lines.push(("what it means".to_owned(), String::new()));
    let legend = LEGEND.lines().filter_map(|line| line.split_once(": "));
    lines.extend(legend.map(|(word, meaning)| (word.to_owned(), meaning.to_owned())));
    if !model.cluster().topic_notes.is_empty() {
        lines.push(("brokers".to_owned(), String::new()));
        let notes = model.cluster().topic_notes.iter();
        lines.extend(notes.map(|note| (String::new(), note.to_string())));
    }
    let needle = model.text(HELP).needle.to_lowercase();
    if !needle.is_empty() {
        lines.retain(|(key, meaning)| {
            !meaning.is_empty() && format!("{key} {meaning}").to_lowercase().contains(&needle)
        });
    }
    lines
}
