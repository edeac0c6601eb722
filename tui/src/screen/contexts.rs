//! The clusters of the configuration file.

use crossterm::event::KeyCode;

use super::cell::{self, Cell, Scene, plain};
use super::column::Column;
use super::rows::{Rows, Table};
use super::{Go, Group, Screen, Word};
use crate::keys::{Binding, Command, Key, show};
use crate::model::action::Outcome;
use crate::model::cluster::Link;
use crate::model::dialog::Tone;
use crate::model::filter::Subject;
use crate::model::table::{RowKey, TableId};
use crate::model::{ContextSummary, Model};
use crate::units;

/// The screen of contexts and its table.
pub(crate) struct Contexts;

const KEYS: &[Binding] = &[show(Key::plain(KeyCode::Enter), Command::Enter, "switch")];

impl Screen for Contexts {
    fn word(&self) -> Word {
        Word::new("contexts", &["ctx"], "contexts; :ctx name switches")
    }

    fn keys(&self) -> Vec<Group> {
        vec![("here", KEYS)]
    }

    fn tables(&self) -> &'static [&'static dyn Table] {
        &[&Self]
    }

    fn argument(&self, model: &Model, rest: &str) -> Option<Go> {
        if rest.is_empty() {
            return None;
        }
        let mut contexts = model.session.contexts.iter();
        Some(match contexts.position(|c| c.name.as_str() == rest) {
            Some(place) => Go::Context(place),
            None => Go::Nowhere(Outcome::Bad, format!("no context \"{rest}\"")),
        })
    }

    fn completions(&self, model: &Model) -> Vec<String> {
        model
            .session
            .contexts
            .iter()
            .map(|c| c.name.to_string())
            .collect()
    }
}

/// A context with its place in the configuration.
#[derive(Clone, Copy)]
pub(crate) struct ContextRow<'a> {
    place: usize,
    context: &'a ContextSummary,
}

type Col = Column<Contexts>;

impl Rows for Contexts {
    type Row<'a> = ContextRow<'a>;

    const ID: TableId = TableId("contexts");
    const TITLE: &'static str = "contexts";
    const OF_CLUSTER: bool = false;
    /// In the order of the configuration, always.
    const COLUMNS: &'static [Col] = &[
        Col::left("NAME", 10, name).grow(1),
        Col::left("URLS", 20, |_, r| plain(&r.context.urls)).grow(2),
        Col::left("VERSION", 8, |_, r| {
            let seen = r.context.seen.as_ref();
            cell::shown(seen.and_then(|seen| seen.version.as_ref()))
        })
        .drop(3),
        Col::left("STATE", 12, state).grow(1),
        Col::right("CONN", 5, |_, r| {
            cell::shown(r.context.seen.as_ref().map(|seen| seen.connectors))
        })
        .drop(1),
        Col::right("BAD", 4, |_, r| {
            let bad = r.context.seen.as_ref().map(|seen| seen.bad);
            let (tone, text) = cell::shown(bad);
            (if bad > Some(0) { Tone::Bad } else { tone }, text)
        })
        .drop(1),
        Col::left("MODE", 4, |s, r| {
            let readonly = s.model.session.readonly || r.context.readonly;
            plain(&if readonly { "RO" } else { "RW" })
        }),
        Col::left("SEEN", 9, |s, r| {
            let seen = r.context.seen.as_ref();
            cell::shown(seen.map(|seen| units::age(s.model.now(), Some(seen.at))))
        })
        .drop(2),
    ];

    fn rows(model: &Model) -> impl Iterator<Item = ContextRow<'_>> {
        let contexts = model.session.contexts.iter().enumerate();
        contexts.map(|(place, context)| ContextRow { place, context })
    }

    fn key(row: ContextRow<'_>) -> RowKey {
        RowKey::numbered(row.place)
    }

    fn find<'a>(model: &'a Model, key: &RowKey) -> Option<ContextRow<'a>> {
        let place = key.place()?;
        let context = model.session.contexts.get(place)?;
        Some(ContextRow { place, context })
    }

    fn is_active(model: &Model, row: ContextRow<'_>) -> bool {
        row.place == model.session.context
    }

    fn notes(_: &Model) -> String {
        String::new()
    }

    fn empty(_: &Model) -> String {
        "no contexts".to_owned()
    }

    fn enter(_: &Model, row: ContextRow<'_>) -> Go {
        Go::Context(row.place)
    }
}

fn name(scene: Scene<'_>, row: ContextRow<'_>) -> Cell {
    let tone = if row.place == scene.model.session.context {
        Tone::Accent
    } else {
        Tone::Plain
    };
    (tone, row.context.name.to_string())
}

fn state(scene: Scene<'_>, row: ContextRow<'_>) -> Cell {
    let (tone, text) = match &scene.model.cluster().rest {
        _ if row.place != scene.model.session.context => (Tone::Dim, "not connected"),
        Link::Up => (Tone::Good, "connected"),
        Link::Down { .. } => (Tone::Bad, "disconnected"),
        Link::Connecting | Link::Absent => (Tone::Warn, "connecting"),
    };
    (tone, text.to_owned())
}

impl Subject for ContextRow<'_> {
    fn haystack(&self) -> String {
        format!("{} {}", self.context.name, self.context.urls)
    }

    fn label(&self, _key: &str) -> Option<String> {
        None
    }
}
