//! Home: all connectors of the cluster, the worst on top.

use crossterm::event::KeyCode;

use super::cell::{self, Cell, Scene, plain};
use super::column::{Column, Rank};
use super::rows::{Rows, Table};
use super::{Go, Group, Screen, Word, contexts};
use crate::keys::{
    Binding, CONNECTOR_LOOKS, CONNECTOR_VERBS, Command, FAULTS, Key, MARKS, code, more,
};
use crate::model::Model;
use crate::model::cluster::Connector;
use crate::model::dialog::Tone;
use crate::model::filter::Subject;
use crate::model::health;
use crate::model::nav::HOME;
use crate::model::table::{RowKey, TableId};
use crate::{theme, units};

/// The home screen and its table.
pub(crate) struct Connectors;

const KEYS: &[Binding] = &[
    code(KeyCode::Enter, Command::Enter, "open connector"),
    more(Key::ch('a'), Command::New, "new connector"),
    FAULTS,
];

impl Screen for Connectors {
    fn word(&self) -> Word {
        Word::new(
            HOME,
            &["c", "conn"],
            "home; :c /re filters, :c name opens one",
        )
    }

    fn keys(&self) -> Vec<Group> {
        vec![
            ("verbs", CONNECTOR_VERBS),
            ("here", KEYS),
            ("look", CONNECTOR_LOOKS),
            ("marks", MARKS),
        ]
    }

    fn tables(&self) -> &'static [&'static dyn Table] {
        &[&Self]
    }

    fn argument(&self, model: &Model, rest: &str) -> Option<Go> {
        if let Some(context) = rest.strip_prefix('@') {
            return contexts::Contexts.argument(model, context);
        }
        let names = model.cluster().connectors.keys();
        let found = names.into_iter().find(|name| name.as_str() == rest)?;
        Some(Go::connector(found))
    }

    fn completions(&self, model: &Model) -> Vec<String> {
        let connectors = model.cluster().connectors.values();
        connectors.map(|c| c.label.to_string()).collect()
    }

    fn targets(&self, model: &Model) -> Vec<RowKey> {
        model.table(Self::ID).targets()
    }
}

type Col = Column<Connectors>;

impl Rows for Connectors {
    type Row<'a> = &'a Connector;

    const ID: TableId = TableId("connectors");
    const TITLE: &'static str = "connectors";
    const COLUMNS: &'static [Col] = &[
        Col::left("HEALTH", 10, health).rank("HS", |_, c| Rank::smallest(c.health as u8)),
        Col::left("NAME", 22, |_, c| plain(&c.label))
            .grow(4)
            .rank("N", |_, c| Rank::smallest(&c.label)),
        Col::left("TYPE", 6, |_, c| plain(&c.kind))
            .drop(3)
            .rank("", |_, c| Rank::smallest(c.kind.to_string())),
        Col::left("TASKS", 7, |_, c| (counts(c), c.counts.label()))
            .rank("T", |_, c| Rank::largest(c.counts.total)),
        Col::right("LAG", 5, |s, c| cell::lag(s.model, c, c.lag))
            .drop(1)
            .rank("L", |_, c| Rank::largest(c.lag)),
        Col::left("TREND", 8, |s, c| {
            (Tone::Accent, units::sparkline(c.trend.iter(), s.width))
        })
        .grow(1)
        .drop(8),
        Col::right("REC/S", 6, |_, c| cell::rate(c.rate))
            .drop(2)
            .rank("R", |_, c| Rank::largest(c.rate)),
        Col::right("ERR", 4, |_, c| cell::errors(c.errors))
            .drop(5)
            .rank("", |_, c| Rank::largest(c.errors)),
        Col::right("RST", 3, |_, c| cell::count(c.restarts.map(i64::from)))
            .drop(4)
            .rank("", |_, c| Rank::largest(c.restarts)),
        Col::right("CHG", 5, |s, c| cell::since(s.model, c.changed))
            .drop(2)
            .rank("A", |_, c| Rank::largest(c.changed)),
        Col::left("CLASS", 20, |_, c| plain(&c.class()))
            .wide(2)
            .rank("", |_, c| Rank::smallest(c.config.text("connector.class"))),
        Col::left("VERSION", 8, |_, c| cell::shown(c.version.as_ref()))
            .wide(0)
            .rank("", |_, c| Rank::smallest(c.version.as_ref())),
        Col::left("WORKER", 15, |_, c| plain(&c.worker))
            .wide(1)
            .rank("", |_, c| Rank::smallest(&c.worker)),
        Col::left("TOPICS", 12, |_, c| cell::raw(c.topics(), cell::unknown))
            .wide(2)
            .rank("", |_, c| Rank::smallest(c.topics())),
        Col::left("DLQ", 10, |_, c| cell::raw(c.dlq(), cell::never))
            .wide(1)
            .rank("", |_, c| Rank::smallest(c.dlq())),
        Col::left("GROUP", 14, |_, c| {
            cell::raw(c.group().as_deref(), cell::never)
        })
        .wide(1)
        .rank("", |_, c| Rank::smallest(c.group())),
        Col::left("OFFSET-AGE", 10, |s, c| cell::ago(s.model, c.moved))
            .wide(0)
            .rank("", |_, c| Rank::smallest(c.moved)),
    ];

    fn rows(model: &Model) -> impl Iterator<Item = &Connector> {
        model.cluster().connectors.values()
    }

    fn key(c: &Connector) -> RowKey {
        RowKey::connector(&c.name)
    }

    fn find<'a>(model: &'a Model, key: &RowKey) -> Option<&'a Connector> {
        model.cluster().connectors.get(key.connector.as_ref()?)
    }

    fn is_fault(c: &Connector) -> bool {
        c.health.is_fault()
    }

    fn is_bad(c: &Connector) -> bool {
        c.health.is_bad()
    }

    fn is_active(model: &Model, c: &Connector) -> bool {
        let mut actions = model.ui.actions.iter().rev();
        actions.any(|action| action.connector == c.name && !action.is_over())
    }

    fn notes(model: &Model) -> String {
        listed(model)
    }

    fn empty(model: &Model) -> String {
        let how = match model.is_readonly() {
            true => "",
            false => "\na opens an editor for the first one; or: sluice apply -f FILE",
        };
        format!("this cluster has no connectors yet{how}")
    }

    fn enter(_: &Model, c: &Connector) -> Go {
        Go::connector(&c.name)
    }

    fn copy(c: &Connector) -> Option<String> {
        Some(c.name.to_string())
    }
}

/// The age of what the list of connectors says.
pub(super) fn listed(model: &Model) -> String {
    if model.cluster().live {
        "live ".to_owned()
    } else {
        updated(model, model.cluster().listed)
    }
}

/// The age of data that was looked at.
pub(super) fn updated(model: &Model, at: Option<units::Millis>) -> String {
    format!("upd {} ", units::age(model.now(), at))
}

/// The health. Where neither REST nor the brokers answer any more it is STALE, but what was bad stays that.
fn health<'a>(scene: Scene<'a>, c: &'a Connector) -> Cell {
    let model = scene.model;
    if model.cluster().is_stale(model.now()) && !c.health.is_bad() {
        return (Tone::Warn, "STALE".to_owned());
    }
    if model.cluster().is_unsure(model.now()) && !c.health.is_bad() {
        return (Tone::Warn, format!("{}?", health::label(c)));
    }
    (theme::health(c.health), health::label(c))
}

fn counts(c: &Connector) -> Tone {
    if c.counts.failed + c.counts.lost > 0 {
        Tone::Bad
    } else {
        Tone::Plain
    }
}

impl Subject for Connector {
    fn haystack(&self) -> String {
        format!(
            "{} {} {} {} {}",
            health::label(self),
            self.name,
            self.kind,
            self.class().as_str(),
            self.worker.as_str()
        )
    }

    fn label(&self, key: &str) -> Option<String> {
        Some(match key {
            "health" => self.health.as_str().to_owned(),
            "type" => self.kind.to_string(),
            "state" => self.state.to_string(),
            "worker" => self.worker.to_string(),
            "class" => self.class().to_string(),
            "name" => self.name.to_string(),
            key => return self.config.text(key).map(str::to_owned),
        })
    }

    fn also(&self, key: &str) -> Option<&'static str> {
        (key == "health" && self.health.is_bad()).then_some("bad")
    }
}
