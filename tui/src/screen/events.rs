//! What happened, the newest on top.

use super::cell::{self, plain};
use super::column::{Column, Rank};
use super::rows::{Rows, Table};
use super::workers::reach;
use super::{Go, Group, Screen, Word};
use crate::keys::{Binding, COPY, Command, Key, OPEN, more};
use crate::model::Model;
use crate::model::dialog::Tone;
use crate::model::event::{Event, Severity};
use crate::model::filter::Subject;
use crate::model::table::{RowKey, TableId};
use crate::units;

/// The screen of events and its table.
pub(crate) struct Events;

const KEYS: &[Binding] = &[OPEN, more(Key::ctrl('z'), Command::Faults, "no info"), COPY];

impl Screen for Events {
    fn word(&self) -> Word {
        Word::new("events", &["ev"], "what happened")
    }

    fn keys(&self) -> Vec<Group> {
        vec![("here", KEYS)]
    }

    fn tables(&self) -> &'static [&'static dyn Table] {
        &[&Self]
    }
}

type Col = Column<Events>;

impl Rows for Events {
    type Row<'a> = &'a Event;

    const ID: TableId = TableId("events");
    const TITLE: &'static str = "events";
    const OF_CLUSTER: bool = false;
    const COLUMNS: &'static [Col] = &[
        // Newest first; the number breaks ties of one millisecond.
        Col::left("TIME", 8, |_, e| plain(&units::clock(e.event.at))).rank("A", |_, e| {
            Rank::Number(-(e.event.at as f64) - e.number as f64 / 1e7)
        }),
        Col::left("SEV", 5, |_, e| {
            let severity = e.event.severity;
            (cell::severity_tone(severity), severity.as_str().to_owned())
        })
        .drop(1)
        .rank("", |_, e| Rank::largest(e.event.severity as u8)),
        Col::left("KIND", 10, |_, e| plain(&e.event.kind))
            .drop(2)
            .rank("", |_, e| Rank::smallest(e.event.kind)),
        Col::left("OBJECT", 16, |_, e| plain(&e.event.object))
            .grow(1)
            .rank("", |_, e| Rank::smallest(&e.event.object)),
        Col::left("WHAT", 30, |_, e| plain(&e.event.what))
            .grow(4)
            .rank("", |_, e| Rank::smallest(&e.event.what)),
        Col::left("BY", 10, |_, e| (Tone::Dim, e.event.by.to_string()))
            .grow(1)
            .drop(3)
            .rank("", |_, e| Rank::smallest(&e.event.by)),
    ];

    fn rows(model: &Model) -> impl Iterator<Item = &Event> {
        model.events.iter()
    }

    fn key(event: &Event) -> RowKey {
        RowKey::numbered(event.number)
    }

    fn find<'a>(model: &'a Model, key: &RowKey) -> Option<&'a Event> {
        model.events.get(u64::try_from(key.number?).ok()?)
    }

    fn is_fault(event: &Event) -> bool {
        event.event.severity != Severity::Info
    }

    fn notes(model: &Model) -> String {
        reach(model, model.events.iter().map(|e| e.event.at).min())
    }

    fn empty(_: &Model) -> String {
        "nothing happened since this terminal watches".to_owned()
    }

    fn enter(model: &Model, event: &Event) -> Go {
        match &event.event.connector {
            Some(name) if model.cluster.connectors.contains_key(name) => Go::connector(name),
            _ => Go::nowhere("this event belongs to no connector that is here"),
        }
    }

    fn copy(event: &Event) -> Option<String> {
        let event = &event.event;
        let at = units::clock(event.at);
        Some(format!("{at} {} {}", event.object, event.what))
    }
}

impl Subject for Event {
    fn haystack(&self) -> String {
        let event = &self.event;
        format!(
            "{} {} {} {} {}",
            event.severity.as_str(),
            event.kind,
            event.object.as_str(),
            event.what.as_str(),
            event.by.as_str()
        )
    }

    fn label(&self, key: &str) -> Option<String> {
        let event = &self.event;
        match key {
            "kind" => Some(event.kind.to_owned()),
            "sev" => Some(event.severity.as_str().to_owned()),
            "by" => Some(event.by.to_string()),
            "connector" => event.connector.as_ref().map(ToString::to_string),
            _ => None,
        }
    }
}
