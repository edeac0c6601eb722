//! Topics and lag: every partition that a sink reads, the most lag on top.

use super::cell::{self, Cell, Scene, plain};
use super::column::{Column, Rank};
use super::rows::{Rows, Table};
use super::{Go, Group, Screen, Word, connectors};
use crate::keys::{Binding, COPY, Command, Key, OPEN, more};
use crate::model::Model;
use crate::model::cluster::{Link, PartitionLag};
use crate::model::dialog::Tone;
use crate::model::filter::Subject;
use crate::model::nav::Pane;
use crate::model::table::{RowKey, TableId};
use crate::text::Text;
use crate::units;

/// The screen of topics and lag and its table.
pub(crate) struct Lag;

const KEYS: &[Binding] = &[
    OPEN,
    more(Key::ctrl('z'), Command::Faults, "with lag only"),
    COPY,
];

impl Screen for Lag {
    fn word(&self) -> Word {
        Word::new("lag", &["topics"], "topics and lag")
    }

    fn keys(&self) -> Vec<Group> {
        vec![("here", KEYS)]
    }

    fn tables(&self) -> &'static [&'static dyn Table] {
        &[&Self]
    }
}

type Col = Column<Lag>;

impl Rows for Lag {
    type Row<'a> = &'a PartitionLag;

    const ID: TableId = TableId("lag");
    const TITLE: &'static str = "topics & lag";
    const ORDER: usize = 4;
    const COLUMNS: &'static [Col] = &[
        Col::left("TOPIC", 14, |_, p| plain(&p.topic))
            .grow(2)
            .rank("T", |_, p| Rank::smallest(&p.topic)),
        Col::right("PART", 4, |_, p| plain(&p.partition))
            .rank("", |_, p| Rank::smallest(p.partition)),
        Col::right("END", 10, |_, p| cell::shown(p.end))
            .drop(3)
            .rank("", |_, p| Rank::largest(p.end)),
        Col::right("COMMITTED", 10, |_, p| committed(p))
            .drop(3)
            .rank("", |_, p| Rank::largest(p.committed)),
        Col::right("LAG", 6, |s, p| {
            cell::aged(s.model, Some(p.at), cell::count(p.lag()))
        })
        .rank("L", |_, p| Rank::largest(p.lag())),
        Col::right("ETA", 6, |_, p| eta(p))
            .drop(2)
            .rank("", |_, p| Rank::smallest(p.eta())),
        Col::left("CONNECTOR", 14, |_, p| {
            plain(Text::name(&p.connector).as_str())
        })
        .grow(2)
        .drop(1)
        .rank("N", |_, p| Rank::smallest(&p.connector)),
        Col::left("OWNER", 10, owner)
            .grow(1)
            .drop(4)
            .rank("", |_, p| Rank::smallest(p.task)),
    ];

    fn rows(model: &Model) -> impl Iterator<Item = &PartitionLag> {
        model.cluster().partitions.values()
    }

    fn key(p: &PartitionLag) -> RowKey {
        RowKey {
            connector: Some(p.connector.clone()),
            name: Some(p.topic.clone()),
            number: Some(i64::from(p.partition)),
        }
    }

    fn find<'a>(model: &'a Model, key: &RowKey) -> Option<&'a PartitionLag> {
        let partition = i32::try_from(key.number?).ok()?;
        let key = (key.connector.clone()?, key.name.clone()?, partition);
        model.cluster().partitions.get(&key)
    }

    fn is_fault(p: &PartitionLag) -> bool {
        p.lag() != Some(0)
    }

    fn notes(model: &Model) -> String {
        connectors::updated(model, model.cluster().lag_at)
    }

    fn empty(model: &Model) -> String {
        match &model.cluster().brokers {
            _ if !model.has_brokers() => {
                "n/a: lag is read from the brokers (--bootstrap-servers HOST:PORT)".to_owned()
            }
            Link::Down { error, .. } => format!("brokers do not answer: {error}"),
            _ => "no sink has read anything yet".to_owned(),
        }
    }

    fn enter(_: &Model, p: &PartitionLag) -> Go {
        Go::Connector {
            name: p.connector.clone(),
            task: None,
            pane: Some(Pane::Lag),
        }
    }

    fn copy(p: &PartitionLag) -> Option<String> {
        Some(format!("{}-{}", p.topic, p.partition))
    }
}

/// The committed offset of a partition.
pub(super) fn committed(p: &PartitionLag) -> Cell {
    match p.committed {
        Some(offset) => plain(&offset),
        None => (Tone::Dim, "none yet".to_owned()),
    }
}

/// When the lag of a partition is gone, at the present pace.
pub(super) fn eta(p: &PartitionLag) -> Cell {
    match (p.lag(), p.eta(), p.slope) {
        (Some(0), ..) => cell::never(),
        (_, Some(eta), _) => plain(&units::span(eta * 1_000)),
        (_, None, Some(slope)) if slope > 0.01 => (Tone::Bad, "never".to_owned()),
        _ => cell::unknown(),
    }
}

fn owner<'a>(scene: Scene<'a>, p: &'a PartitionLag) -> Cell {
    let Some(task) = p.task else {
        return cell::unknown();
    };
    let known = scene.model.cluster().task(&p.connector, task);
    let worker = known.map_or("", |task| task.worker.as_str());
    plain(&format!("task {task} {worker}"))
}

impl Subject for PartitionLag {
    fn haystack(&self) -> String {
        format!(
            "{}-{} {}",
            self.topic.as_str(),
            self.partition,
            self.connector
        )
    }

    fn label(&self, key: &str) -> Option<String> {
        match key {
            "topic" => Some(self.topic.to_string()),
            "connector" => Some(self.connector.to_string()),
            _ => None,
        }
    }
}
