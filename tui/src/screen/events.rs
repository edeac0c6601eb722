//! What happened, the newest on top.

use sluice_protocol::telemetry::ConfigAction;

use super::cell::{self, plain};
use super::column::{Column, Rank};
use super::rows::{Rows, Table};
use super::workers::reach;
use super::{Go, Group, Screen, Word};
use crate::keys::{Binding, COPY, Command, Key, OPEN, more};
use crate::model::Model;
use crate::model::dialog::Tone;
use crate::model::event::{By, ClusterEvent, Event, Object, Severity};
use crate::model::filter::Subject;
use crate::model::table::{RowKey, TableId};
use crate::text::Text;
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
        Col::left("TIME", 8, |_, e| plain(&units::clock(e.at))).rank("A", |_, e| {
            Rank::Number(-(e.at as f64) - e.number as f64 / 1e7)
        }),
        Col::left("SEV", 5, |_, e| {
            (
                cell::severity_tone(e.severity),
                e.severity.as_str().to_owned(),
            )
        })
        .drop(1)
        .rank("", |_, e| Rank::largest(e.severity as u8)),
        Col::left("KIND", 10, |_, e| plain(kind(e)))
            .drop(2)
            .rank("", |_, e| Rank::smallest(kind(e))),
        Col::left("OBJECT", 16, |_, e| plain(&object(e)))
            .grow(1)
            .rank("", |_, e| Rank::smallest(object(e).to_string())),
        Col::left("WHAT", 30, |_, e| plain(&what(e)))
            .grow(4)
            .rank("", |_, e| Rank::smallest(what(e).to_string())),
        Col::left("BY", 10, |_, e| (Tone::Dim, by(e).to_string()))
            .grow(1)
            .drop(3)
            .rank("", |_, e| Rank::smallest(by(e).to_string())),
    ];

    fn rows(model: &Model) -> impl Iterator<Item = &Event> {
        model.cluster().events.iter()
    }

    fn key(event: &Event) -> RowKey {
        RowKey::numbered(event.number)
    }

    fn find<'a>(model: &'a Model, key: &RowKey) -> Option<&'a Event> {
        model.cluster().events.get(u64::try_from(key.number?).ok()?)
    }

    fn is_fault(event: &Event) -> bool {
        event.severity != Severity::Info
    }

    fn notes(model: &Model) -> String {
        reach(model, model.cluster().events.iter().map(|e| e.at).min())
    }

    fn empty(_: &Model) -> String {
        "nothing happened since this terminal watches".to_owned()
    }

    fn enter(model: &Model, event: &Event) -> Go {
        match event.object.connector() {
            Some(name) if model.cluster().connectors.contains_key(name) => Go::connector(name),
            _ => Go::nowhere("this event belongs to no connector that is here"),
        }
    }

    fn copy(event: &Event) -> Option<String> {
        let at = units::clock(event.at);
        Some(format!("{at} {} {}", object(event), what(event)))
    }
}

impl Subject for Event {
    fn haystack(&self) -> String {
        format!(
            "{} {} {} {} {}",
            self.severity.as_str(),
            kind(self),
            object(self),
            what(self),
            by(self)
        )
    }

    fn label(&self, key: &str) -> Option<String> {
        match key {
            "kind" => Some(kind(self).to_owned()),
            "sev" => Some(self.severity.as_str().to_owned()),
            "by" => Some(by(self).to_string()),
            "connector" => self.object.connector().map(ToString::to_string),
            _ => None,
        }
    }
}

/// The text of the KIND column.
pub(crate) const fn kind(event: &Event) -> &'static str {
    use ClusterEvent as E;
    match event.what {
        E::State { .. } if matches!(event.object, Object::Task(..)) => "task",
        E::State { .. } | E::New | E::Deleted => "connector",
        E::Target(_) | E::Config { .. } | E::ConfigWrite { .. } => "config",
        E::Restart { .. } => "restart",
        E::Offsets { .. } => "offsets",
        E::LoggerLevel { .. } => "logger",
        E::WorkerStarted(_) | E::WorkerStops(_) | E::WorkerLeaves | E::Trouble { .. } => "worker",
        E::RestUp | E::RestDown(_) | E::RestMoved => "worker",
        E::Rebalance { .. } => "rebalance",
        E::Action(_) => "action",
    }
}

/// The OBJECT column: what it happened to.
pub(crate) fn object(event: &Event) -> Text {
    match &event.object {
        Object::Connector(name) => Text::name(name),
        Object::Task(name, id) => Text::line(&format!("{}-{id}", Text::name(name))),
        Object::Worker(text) | Object::Logger(text) => text.clone(),
        Object::Group => Text::from("group"),
        Object::Rest => Text::from("REST"),
    }
}

/// The WHAT column: what happened.
pub(crate) fn what(event: &Event) -> Text {
    use ClusterEvent as E;
    let text = match &event.what {
        E::State { from, to, root } => {
            let from = from.map(|from| format!("{from} -> ")).unwrap_or_default();
            let root = root.as_ref().map(|root| format!(": {root}"));
            format!("{from}{to}{}", root.unwrap_or_default())
        }
        E::New => "new".to_owned(),
        E::Deleted => "deleted".to_owned(),
        E::Target(target) => format!("asked to be {target}"),
        E::Config { keys, first } => {
            let names: Vec<&str> = first.iter().map(Text::as_str).collect();
            let (keys, names) = (units::plural(*keys, "key"), names.join(", "));
            format!("configuration changed: {keys} ({names})")
        }
        E::ConfigWrite { action, keys } if keys.is_empty() => written(*action).to_owned(),
        E::ConfigWrite { action, keys } => format!("{}: {keys}", written(*action)),
        E::Restart {
            task,
            only_failed,
            include_tasks,
        } => {
            let of = match (task, only_failed, include_tasks) {
                (Some(task), ..) => format!("task {task}"),
                (None, true, _) => "failed tasks".to_owned(),
                (None, false, true) => "all tasks".to_owned(),
                (None, false, false) => "the connector".to_owned(),
            };
            format!("restart of {of} requested")
        }
        E::Offsets { reset, partitions } => {
            let done = if *reset { "reset" } else { "altered" };
            format!("offsets {done} ({partitions} partitions)")
        }
        E::LoggerLevel { level, scope } => format!("level {level} ({scope})"),
        E::WorkerStarted(version) => format!("started, version {version}"),
        E::WorkerStops(Some(reason)) => format!("stops: {reason}"),
        E::WorkerStops(None) => "stops: no reason given".to_owned(),
        E::WorkerLeaves => "is shutting down".to_owned(),
        E::Trouble { what, recovered } if *recovered => format!("over: {what}"),
        E::Rebalance {
            generation: Some(generation),
            cause,
        } => format!("generation {generation}: {cause}"),
        E::RestUp => "answers again".to_owned(),
        E::RestMoved => "REST goes through this worker now".to_owned(),
        E::Trouble { what: text, .. }
        | E::Rebalance { cause: text, .. }
        | E::RestDown(text)
        | E::Action(text) => return text.clone(),
    };
    Text::line(&text)
}

const fn written(action: ConfigAction) -> &'static str {
    match action {
        ConfigAction::Create => "created",
        ConfigAction::Update => "changed",
        ConfigAction::Patch => "patched",
        ConfigAction::Delete => "deleted",
        ConfigAction::Pause => "asked to pause",
        ConfigAction::Resume => "asked to resume",
        ConfigAction::Stop => "asked to stop",
        ConfigAction::TaskConfigs => "new task configurations",
        ConfigAction::Unknown => "written",
    }
}

/// The BY column: who caused or reported it.
pub(crate) fn by(event: &Event) -> Text {
    match &event.by {
        By::Here => Text::from("seen here"),
        By::Terminal => Text::from("this terminal"),
        By::Telemetry => Text::from("telemetry"),
        By::Worker(worker) if worker.is_empty() => Text::from("?"),
        By::Worker(worker) | By::Caller(worker, None) => worker.clone(),
        By::Caller(who, Some(agent)) => Text::line(&format!("{who} {agent}")),
    }
}
