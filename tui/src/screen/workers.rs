//! Workers above, rebalances of their group below.

use crossterm::event::KeyCode;
use ratatui::layout::Rect;

use super::cell::{self, Cell, Scene, plain};
use super::column::{Column, Rank};
use super::rows::{Rows, Table};
use super::{Go, Group, Screen, Word, connectors, tasks};
use crate::keys::{Binding, COPY, Command, Key, show};
use crate::layout;
use crate::model::Model;
use crate::model::cluster::{Link, Rebalance, Worker, WorkerHealth};
use crate::model::dialog::Tone;
use crate::model::filter::{Filter, Subject};
use crate::model::table::{RowKey, TableId};
use crate::units::{self, Millis};

/// The screen of the workers and its upper table.
pub(crate) struct Workers;

const KEYS: &[Binding] = &[
    show(Key::plain(KeyCode::Enter), Command::Enter, "tasks of it"),
    show(Key::plain(KeyCode::Tab), Command::NextPane, "rebalances"),
    COPY,
];

impl Screen for Workers {
    fn word(&self) -> Word {
        Word::new(
            "workers",
            &["w", "rebalances", "rb"],
            "workers and rebalances",
        )
    }

    fn keys(&self) -> Vec<Group> {
        vec![("here", KEYS)]
    }

    fn tables(&self) -> &'static [&'static dyn Table] {
        &[&Self, &Rebalances]
    }

    fn areas(&self, model: &Model) -> Vec<Rect> {
        let body = layout::body(model);
        let count = u16::try_from(model.table(Self::ID).total).unwrap_or(u16::MAX);
        let upper = count
            .saturating_add(3)
            .clamp(5, (body.height / 2).max(5))
            .min(body.height);
        vec![
            Rect::new(body.x, body.y, body.width, upper),
            Rect::new(body.x, body.y + upper, body.width, body.height - upper),
        ]
    }
}

type Col = Column<Workers>;

impl Rows for Workers {
    type Row<'a> = &'a Worker;

    const ID: TableId = TableId("workers");
    const TITLE: &'static str = "workers";
    const COLUMNS: &'static [Col] = &[
        Col::left("WORKER", 18, |_, w| (id_tone(w), w.id.to_string()))
            .grow(2)
            .rank("N", |_, w| Rank::smallest(&w.id)),
        Col::left("KIND", 5, |_, w| {
            cell::shown(w.kind.map(|kind| kind.as_str()))
        })
        .rank("", |_, w| Rank::smallest(w.kind.map(|kind| kind as u8))),
        Col::left("VERSION", 9, |_, w| cell::shown(w.version.as_ref()))
            .drop(2)
            .rank("", |_, w| Rank::smallest(w.version.as_ref())),
        Col::left("LEAD", 4, |_, w| leader(w)).rank("", |_, w| {
            Rank::largest(Some(u8::from(w.leader == Some(true))))
        }),
        Col::left("HEALTH", 12, health).grow(1).rank("HS", |_, w| {
            Rank::largest(Some(u8::from(w.health == Some(WorkerHealth::Ok))))
        }),
        Col::right("CONN", 5, |_, w| plain(&w.connectors))
            .drop(1)
            .rank("", |_, w| Rank::largest(w.connectors)),
        Col::right("TASKS", 5, |_, w| plain(&w.tasks)).rank("T", |_, w| Rank::largest(w.tasks)),
        Col::right("DELTA", 5, delta)
            .drop(3)
            .rank("", |_, w| Rank::largest(w.tasks)),
        Col::right("CPU%", 5, |_, w| {
            cell::shown(w.cpu.map(|cpu| format!("{:.0}", cpu * 100.0)))
        })
        .drop(2)
        .rank("", |_, w| Rank::largest(w.cpu)),
        Col::right("MEM", 5, |_, w| cell::shown(w.memory.map(units::bytes)))
            .drop(2)
            .rank("", |_, w| Rank::largest(w.memory)),
        Col::right("REC/S", 6, |_, w| cell::rate(w.rate))
            .drop(4)
            .rank("R", |_, w| Rank::largest(w.rate)),
        Col::right("UP", 5, |s, w| cell::ago(s.model, w.started))
            .drop(3)
            .rank("A", |_, w| Rank::largest(w.started)),
    ];

    fn rows(model: &Model) -> impl Iterator<Item = &Worker> {
        model.cluster().workers.values()
    }

    fn key(worker: &Worker) -> RowKey {
        RowKey::named(&worker.id)
    }

    fn find<'a>(model: &'a Model, key: &RowKey) -> Option<&'a Worker> {
        model.cluster().workers.get(key.name.as_ref()?)
    }

    fn notes(model: &Model) -> String {
        let cluster = model.cluster();
        let age = connectors::updated(model, cluster.group_at.or(cluster.listed));
        match &cluster.group {
            Some(group) => format!("{age}{} {} ", group.id, group.protocol),
            None => format!("{age}group n/a "),
        }
    }

    fn empty(_: &Model) -> String {
        "no worker known yet".to_owned()
    }

    fn enter(_: &Model, worker: &Worker) -> Go {
        let filter = Filter::parse(&format!("-l worker={}", worker.id.as_str()));
        Go::Rows(&tasks::Tasks, filter)
    }

    fn copy(worker: &Worker) -> Option<String> {
        Some(worker.id.to_string())
    }
}

const fn id_tone(worker: &Worker) -> Tone {
    match worker.member {
        Some(false) => Tone::Dim,
        _ => Tone::Plain,
    }
}

fn leader(worker: &Worker) -> Cell {
    match worker.leader {
        Some(true) => (Tone::Accent, "★".to_owned()),
        Some(false) => plain(""),
        None => cell::unknown(),
    }
}

/// How a worker answers, in words; `None` where it was not asked or can't be.
pub(crate) fn answer(worker: &Worker) -> Option<Cell> {
    if worker.member == Some(false) {
        return Some((Tone::Bad, "left".to_owned()));
    }
    Some(match worker.health.as_ref()? {
        WorkerHealth::Ok => (Tone::Good, "ok".to_owned()),
        WorkerHealth::Warns(warning) => (Tone::Warn, format!("ok, warns: {warning}")),
        WorkerHealth::Answers => (Tone::Good, "answers".to_owned()),
        WorkerHealth::NotReady(why) => (Tone::Warn, format!("not ready: {why}")),
        WorkerHealth::Unreachable(why) | WorkerHealth::Refused(why) => {
            (Tone::Bad, format!("no answer: {why}"))
        }
    })
}

/// Longest silence of a worker that reports by itself, in milliseconds: it does so every 30 s.
const SILENT_AFTER: Millis = 40_000;

fn health<'a>(scene: Scene<'a>, worker: &'a Worker) -> Cell {
    let silent = worker.seen.map(|at| scene.model.now() - at);
    answer(worker).unwrap_or_else(|| match silent {
        Some(silent) if silent < SILENT_AFTER => (Tone::Good, "reports".to_owned()),
        Some(silent) => (Tone::Bad, format!("silent {}", units::span(silent))),
        None => cell::unknown(),
    })
}

/// Tasks above or below the mean of the members.
fn delta<'a>(scene: Scene<'a>, worker: &'a Worker) -> Cell {
    let workers = scene.model.cluster().workers.values();
    let members: Vec<&Worker> = workers.filter(|w| w.member != Some(false)).collect();
    if members.len() < 2 || worker.member == Some(false) {
        return (Tone::Dim, String::new());
    }
    let mean = members.iter().map(|w| w.tasks).sum::<usize>() as f64 / members.len() as f64;
    let delta = worker.tasks as f64 - mean;
    let tone = if delta.abs() > 1.0 + mean * 0.2 {
        Tone::Warn
    } else {
        Tone::Dim
    };
    let text = match delta.round() as i64 {
        0 => "0".to_owned(),
        n => format!("{n:+}"),
    };
    (tone, text)
}

impl Subject for Worker {
    fn haystack(&self) -> String {
        let kind = self.kind.map_or("", |kind| kind.as_str());
        format!("{} {kind}", self.id.as_str())
    }

    fn label(&self, key: &str) -> Option<String> {
        match key {
            "kind" => self.kind.map(|kind| kind.as_str().to_owned()),
            "version" => self.version.as_ref().map(ToString::to_string),
            _ => None,
        }
    }
}

/// The lower table: rebalances of the group.
pub(crate) struct Rebalances;

/// A rebalance with its place in the list, the newest 0.
#[derive(Clone, Copy)]
pub(crate) struct RebalanceRow<'a> {
    place: usize,
    rebalance: &'a Rebalance,
}

type RebalanceCol = Column<Rebalances>;

impl Rows for Rebalances {
    type Row<'a> = RebalanceRow<'a>;

    const ID: TableId = TableId("rebalances");
    const TITLE: &'static str = "rebalances";
    /// The newest first, always.
    const ORDER: usize = 1;
    const COLUMNS: &'static [RebalanceCol] = &[
        RebalanceCol::right("GEN", 4, |_, r| cell::shown(r.rebalance.generation)),
        RebalanceCol::left("START", 8, |_, r| plain(&units::clock(r.rebalance.start))),
        RebalanceCol::right("DUR", 6, |_, r| {
            cell::shown(r.rebalance.duration.map(units::duration))
        }),
        RebalanceCol::left("CAUSE", 30, |_, r| plain(&r.rebalance.cause)).grow(1),
        RebalanceCol::right("JOIN", 4, |_, r| cell::shown(r.rebalance.joined)).drop(1),
        RebalanceCol::right("LEFT", 4, |_, r| {
            let (tone, text) = cell::shown(r.rebalance.left);
            let bad = r.rebalance.left > Some(0);
            (if bad { Tone::Bad } else { tone }, text)
        })
        .drop(1),
        RebalanceCol::right("MOVED", 5, |_, r| cell::shown(r.rebalance.assigned)).drop(2),
        RebalanceCol::right("REVOKED", 7, |_, r| cell::shown(r.rebalance.revoked)).drop(4),
        RebalanceCol::right("DELAY", 6, |_, r| match r.rebalance.delay {
            Some(0) | None => cell::never(),
            Some(delay) => (Tone::Warn, units::span(delay)),
        })
        .drop(3),
    ];

    fn rows(model: &Model) -> impl Iterator<Item = RebalanceRow<'_>> {
        let all = model.cluster().rebalances.iter().enumerate();
        all.map(|(place, rebalance)| RebalanceRow { place, rebalance })
    }

    fn key(row: RebalanceRow<'_>) -> RowKey {
        RowKey::numbered(row.place)
    }

    fn find<'a>(model: &'a Model, key: &RowKey) -> Option<RebalanceRow<'a>> {
        let place = key.place()?;
        let rebalance = model.cluster().rebalances.get(place)?;
        Some(RebalanceRow { place, rebalance })
    }

    fn notes(model: &Model) -> String {
        reach(model, model.cluster().rebalances.back().map(|r| r.start))
    }

    fn empty(model: &Model) -> String {
        let cluster = model.cluster();
        let line = if matches!(cluster.brokers, Link::Down { .. }) {
            "n/a: the brokers do not answer"
        } else if model.has_brokers() && cluster.group.is_none() {
            "n/a: the group of these workers is not found yet; ? says what was looked for"
        } else if cluster.group.is_none() && cluster.telemetry_at.is_none() {
            "n/a: rebalances are seen through the brokers only (--bootstrap-servers HOST:PORT)"
        } else {
            "none seen since this terminal watches"
        };
        line.to_owned()
    }

    fn enter(_: &Model, _: RebalanceRow<'_>) -> Go {
        Go::nowhere("a rebalance has nothing to open; tab goes to the workers")
    }
}

impl Subject for RebalanceRow<'_> {
    fn haystack(&self) -> String {
        let generation = self.rebalance.generation.map(|n| n.to_string());
        let generation = generation.unwrap_or_default();
        format!("{generation} {}", self.rebalance.cause.as_str())
    }

    fn label(&self, _key: &str) -> Option<String> {
        None
    }
}

/// How far back a table goes: to when the terminal began to watch, or to the oldest that was read from
/// before.
pub(super) fn reach(model: &Model, oldest: Option<Millis>) -> String {
    let start = oldest.map_or(model.cluster().since, |oldest| {
        oldest.min(model.cluster().since)
    });
    format!("since {} UTC ", units::clock(start))
}
