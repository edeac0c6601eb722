//! One connector: its tasks on top, lag and facts, and below the pane that was chosen ([`lower`]).

pub(crate) mod lower;

use crossterm::event::KeyCode;
use ratatui::layout::Rect;
use sluice_protocol::{ConnectorType, TargetState};

use super::cell::{self, Cell, plain};
use super::column::{Column, Rank};
use super::part::{Chart, Content, Lines, Part, Spans};
use super::rows::{Rows, Table};
use super::tasks::{self, TaskRow};
use super::{Go, Group, Screen, Word, connectors};
use crate::keys::{
    Binding, CONNECTOR_LOOKS, CONNECTOR_VERBS, Command, Key, OWNER, code, more, show,
};
use crate::layout;
use crate::model::Model;
use crate::model::action::Stage;
use crate::model::cluster::{Connector as Subject, TREND_EVERY};
use crate::model::dialog::Tone;
use crate::model::health::{self, Health};
use crate::model::nav::{CONNECTOR, Pane};
use crate::model::secrets;
use crate::model::table::{RowKey, TableId};
use crate::text::Text;
use crate::{theme, units};

/// The screen of one connector.
pub(crate) struct Connector;

const fn pane(digit: char, pane: Pane, word: &'static str) -> Binding {
    more(Key::ch(digit), Command::OpenPane(pane), word)
}

const KEYS: &[Binding] = &[
    code(KeyCode::Enter, Command::Enter, "trace of the task"),
    show(Key::plain(KeyCode::Tab), Command::NextPane, "pane"),
    more(
        Key::shifted(KeyCode::Tab),
        Command::PreviousPane,
        "pane before",
    ),
    pane('1', Pane::Tasks, "tasks"),
    pane('2', Pane::Lag, "lag by partition"),
    pane('3', Pane::Config, "config"),
    pane('4', Pane::Offsets, "offsets"),
    pane('5', Pane::Events, "events"),
    pane('6', Pane::Trace, "trace"),
    more(Key::ch('f'), Command::Full, "full screen"),
    more(Key::ch('n'), Command::NextMatch, "next match"),
    more(Key::ch('N'), Command::PreviousMatch, "match before"),
    more(Key::ch('x'), Command::Reveal, "reveal secrets"),
    OWNER,
    more(Key::ch('q'), Command::Back, "back"),
];

impl Screen for Connector {
    fn word(&self) -> Word {
        Word::unlisted(CONNECTOR)
    }

    fn keys(&self) -> Vec<Group> {
        vec![
            ("verbs", CONNECTOR_VERBS),
            ("here", KEYS),
            ("look", CONNECTOR_LOOKS),
        ]
    }

    fn more_keys(&self) -> Option<(&'static str, &'static str)> {
        Some(("1-6", "panes"))
    }

    fn tables(&self) -> &'static [&'static dyn Table] {
        &[&OwnTasks]
    }

    fn areas(&self, model: &Model) -> Vec<Rect> {
        vec![areas(model).tasks]
    }

    fn focus(&self, model: &Model) -> Option<usize> {
        (!model.ui.detail.full && model.ui.detail.focus == Pane::Tasks).then_some(0)
    }

    fn text(&self, model: &Model) -> (Vec<String>, usize) {
        let lines = lower::lines(model).into_iter().map(|(_, text)| text);
        (lines.collect(), layout::text_rows(areas(model).lower))
    }

    fn parts(&self, model: &Model) -> Vec<Part> {
        let areas = areas(model);
        let tasks_focused = model.ui.detail.focus == Pane::Tasks;
        let part = |area, focused, content| Part {
            area,
            focused,
            content,
        };
        let Some(c) = open(model) else {
            let text = match model.cluster().listed {
                Some(_) => "this connector is gone; esc goes back",
                None => "connecting …",
            };
            let line = vec![(Tone::Warn, text.to_owned())];
            return vec![part(areas.head, false, Content::Line(line))];
        };
        let facts = Lines {
            title: (Tone::Strong, " facts ".to_owned()),
            lines: facts(model, c).into_iter().map(|line| vec![line]).collect(),
            search: String::new(),
        };
        let mut parts = vec![
            part(areas.head, false, Content::Line(head(c))),
            part(areas.tasks, tasks_focused, Content::Table(&OwnTasks)),
            part(areas.facts, false, Content::Text(facts)),
            part(
                areas.lower,
                !tasks_focused,
                Content::Text(lower::shown(model, c, layout::text_rows(areas.lower))),
            ),
        ];
        if areas.lag.width > 10 {
            parts.push(part(areas.lag, false, Content::Chart(trend(model, c))));
        }
        parts.retain(|part| part.area.height > 2 || matches!(part.content, Content::Line(_)));
        parts
    }

    fn targets(&self, model: &Model) -> Vec<RowKey> {
        let open = model.open_connector();
        open.map(RowKey::connector).into_iter().collect()
    }

    fn copy(&self, model: &Model) -> Option<String> {
        let detail = &model.ui.detail;
        let c = open(model);
        if detail.focus == Pane::Config && detail.lower == Pane::Config {
            let none = Default::default();
            let passwords = detail.passwords.as_ref().unwrap_or(&none);
            return c.map(|c| secrets::editor_text(&c.config, passwords));
        }
        if detail.focus != Pane::Tasks && detail.lower != Pane::Trace {
            return Some(self.text(model).0.join("\n"));
        }
        let selected = lower::selected_task(model).and_then(|id| c?.tasks.get(&id));
        let trace = selected.and_then(|task| task.trace.as_ref());
        let trace = trace.or_else(|| Some(c?.first_trace()?.1));
        let name = || model.open_connector().map(ToString::to_string);
        trace.map(|trace| trace.text()).or_else(name)
    }
}

/// The tasks of the connector that is open.
pub(crate) struct OwnTasks;

type Col = Column<OwnTasks>;

impl Rows for OwnTasks {
    type Row<'a> = TaskRow<'a>;

    const ID: TableId = TableId("connector tasks");
    const TITLE: &'static str = "tasks";
    const COLUMNS: &'static [Col] = &[
        Col::right("ID", 3, |_, r| plain(&r.task.id)).rank("", |_, r| Rank::smallest(r.task.id)),
        Col::left("STATE", 10, |_, r| tasks::state(r)).rank("SH", |_, r| tasks::severity(r)),
        Col::left("WORKER", 14, |_, r| tasks::worker(r))
            .grow(2)
            .rank("N", |_, r| Rank::smallest(&r.task.worker)),
        Col::right("LAG", 5, tasks::lag)
            .drop(1)
            .rank("L", |_, r| Rank::largest(r.task.lag)),
        Col::right("REC/S", 6, |_, r| cell::rate(r.figure(|f| f.rate)))
            .drop(2)
            .rank("R", |_, r| Rank::largest(r.figure(|f| f.rate))),
        Col::right("BATCH", 6, |_, r| cell::rate(r.figure(|f| f.batch_avg)))
            .drop(7)
            .rank("", |_, r| Rank::largest(r.figure(|f| f.batch_avg))),
        Col::right("COMMIT", 7, |_, r| commit(r))
            .drop(4)
            .rank("", |_, r| Rank::largest(r.figure(|f| f.commit_ms))),
        Col::right("ERR", 4, |_, r| cell::errors(r.figure(|f| f.errors)))
            .drop(3)
            .rank("", |_, r| Rank::largest(r.figure(|f| f.errors))),
        Col::right("RST", 3, |_, r| cell::count(r.task.restarts.map(i64::from)))
            .drop(5)
            .rank("", |_, r| Rank::largest(r.task.restarts)),
        Col::right("SINCE", 6, |s, r| cell::since(s.model, r.task.changed))
            .drop(2)
            .rank("A", |_, r| Rank::largest(r.task.changed)),
        Col::left("PARTITIONS", 12, tasks::partitions)
            .grow(2)
            .drop(6),
        Col::left("LAST-ERR", 16, |_, r| last_error(r))
            .wide(2)
            .rank("", |_, r| {
                let figures = r.task.figures.as_ref();
                let error = figures.and_then(|f| f.last_error.as_ref());
                Rank::smallest(error.map(|error| error.as_str()))
            }),
        Col::left("GEN", 4, |_, r| cell::shown(r.task.generation))
            .wide(0)
            .rank("", |_, r| Rank::smallest(r.task.generation)),
    ];

    fn rows(model: &Model) -> impl Iterator<Item = TaskRow<'_>> {
        open(model).into_iter().flat_map(tasks::of)
    }

    fn key(row: TaskRow<'_>) -> RowKey {
        tasks::Tasks::key(row)
    }

    fn find<'a>(model: &'a Model, key: &RowKey) -> Option<TaskRow<'a>> {
        tasks::Tasks::find(model, key)
    }

    fn notes(model: &Model) -> String {
        connectors::listed(model)
    }

    fn empty(_: &Model) -> String {
        "no tasks: a running connector without tasks moves nothing".to_owned()
    }

    fn enter(_: &Model, _: TaskRow<'_>) -> Go {
        Go::Pane(Pane::Trace)
    }
}

fn commit(row: TaskRow<'_>) -> Cell {
    let millis = row.figure(|figures| figures.commit_ms);
    cell::shown(millis.map(|millis| format!("{millis:.0}ms")))
}

fn last_error(row: TaskRow<'_>) -> Cell {
    let figures = row.task.figures.as_ref();
    match figures.and_then(|figures| figures.last_error.as_ref()) {
        Some(error) => (Tone::Warn, error.to_string()),
        None => cell::never(),
    }
}

/// The connector that is open, if it still exists.
fn open(model: &Model) -> Option<&Subject> {
    model.cluster().connectors.get(model.open_connector()?)
}

/// The parts of the screen, one over the other; height 0 = not shown.
#[derive(Default)]
struct Areas {
    /// One line on what it is.
    head: Rect,
    tasks: Rect,
    /// Trend of lag or rate.
    lag: Rect,
    facts: Rect,
    /// Trace, configuration, offsets, events or partitions.
    lower: Rect,
}

fn areas(model: &Model) -> Areas {
    let body = layout::body(model);
    let head = Rect::new(body.x, body.y, body.width, 1.min(body.height));
    let rest = body.height.saturating_sub(1);
    let top = body.y + 1;
    if model.ui.detail.full {
        return Areas {
            head,
            lower: Rect::new(body.x, top, body.width, rest),
            ..Areas::default()
        };
    }
    let count = u16::try_from(model.table(OwnTasks::ID).total).unwrap_or(u16::MAX);
    // Border and heading take 3; at least two rows, at most a third of the space.
    let tasks = count
        .clamp(2, (rest / 3).max(3))
        .saturating_add(3)
        .min(rest);
    let left = rest - tasks;
    let facts = match left {
        0..=8 => 0,
        9..=16 => 6,
        _ => 8,
    };
    let half = match body.width {
        60.. => body.width * 2 / 5,
        _ => 0,
    };
    Areas {
        head,
        tasks: Rect::new(body.x, top, body.width, tasks),
        lag: Rect::new(body.x, top + tasks, half, facts),
        facts: Rect::new(body.x + half, top + tasks, body.width - half, facts),
        lower: Rect::new(body.x, top + tasks + facts, body.width, left - facts),
    }
}

fn head(c: &Subject) -> Spans {
    let version = c.version.as_ref().map_or("", |version| version.as_str());
    let mut spans = vec![
        (Tone::Strong, format!(" {}", c.label)),
        (Tone::Plain, "  ".to_owned()),
        (theme::health(c.health), health::label(c)),
        (Tone::Dim, format!("  {}  {} {version}", c.kind, c.class())),
    ];
    if let Some(group) = c.group() {
        spans.push((Tone::Dim, format!("  group {}", Text::line(&group))));
    }
    spans
}

fn trend(model: &Model, c: &Subject) -> Chart {
    let (word, unit) = match c.kind {
        ConnectorType::Sink => ("lag", ""),
        _ => ("records/s", "/s"),
    };
    let time = (c.trend.len() as i64 * TREND_EVERY).max(60_000);
    let reported = model.has_brokers() || model.cluster().telemetry_at.is_some();
    Chart {
        title: format!(" {word} ({}) ", units::span(time)),
        samples: c.trend.iter().copied().collect(),
        unit,
        empty: if reported {
            "no sample yet"
        } else {
            "n/a without brokers"
        },
    }
}

/// What one wants to know before acting.
fn facts(model: &Model, c: &Subject) -> Vec<(Tone, String)> {
    let mut lines = vec![(theme::health(c.health), health::reason(c))];
    if model.cluster().is_unsure(model.now()) {
        let text = "the brokers do not answer: this is what the worker knew last";
        lines.push((Tone::Warn, text.to_owned()));
    }
    if let Some((tone, asked)) = asked(model, &c.name) {
        lines.push((tone, format!("asked: {asked}")));
    } else if let Some(target) = c.target
        && target != TargetState::Started
    {
        lines.push((Tone::Plain, format!("asked for: {target}")));
    }
    if c.health == Health::Lost
        && let Some(left) = model.cluster().waits(model.now())
    {
        let left = units::countdown(left);
        let text = format!("waits {left} for the worker to come back, then moves");
        lines.push((Tone::Bad, text));
    }
    lines.push(plain(&changes(model, c)));
    lines.push(match c.kind {
        ConnectorType::Sink => sink_fact(model, c),
        _ => plain(&match c.moved {
            Some(at) => format!("an offset last moved {} ago", units::span(model.now() - at)),
            None => "offset age n/a (no offset of it seen in the offset topic)".to_owned(),
        }),
    });
    if let Some(topics) = c.topics() {
        lines.push(plain(&format!("topics {}", Text::line(topics))));
    }
    if let Some(dlq) = c.dlq() {
        lines.push(plain(&format!("dead letters go to {}", Text::line(dlq))));
    }
    let worker = match c.worker.as_str() {
        "" => "no worker",
        worker => worker,
    };
    lines.push(plain(&format!("instance on {worker}")));
    lines
}

/// The state asked for and not confirmed yet.
fn asked(model: &Model, name: &str) -> Option<(Tone, String)> {
    let mut actions = model.ui.actions.iter().rev();
    let action = actions.find(|action| action.connector.as_str() == name && !action.is_over())?;
    let (_, line) = action.line(model.now());
    let line = line
        .split_once(": ")
        .map_or(line.as_str(), |(_, rest)| rest);
    let tone = match action.stage {
        Stage::Waiting { .. } => Tone::Warn,
        _ => Tone::Accent,
    };
    Some((tone, format!("{}: {line}", action.verb)))
}

fn changes(model: &Model, c: &Subject) -> String {
    let tasks = c.tasks.values().map(|task| task.changed);
    let changed = tasks.fold(c.changed, Option::max);
    let since = match cell::since(model, changed) {
        (_, since) if since == "n/a" => "not seen yet".to_owned(),
        (_, since) => format!("{since} ago"),
    };
    let (_, restarts) = cell::shown(c.restarts);
    format!("last change {since}, restarts seen {restarts}")
}

fn sink_fact(model: &Model, c: &Subject) -> (Tone, String) {
    let Some(lag) = c.lag else {
        let why = if !model.has_brokers() {
            "needs --bootstrap-servers"
        } else if model.cluster().is_old_lag(None, model.now()) {
            "the brokers do not answer"
        } else {
            "not looked at yet, or nothing to read"
        };
        return (Tone::Dim, format!("lag n/a: {why}"));
    };
    let own = model.cluster().partitions.values();
    let own = own.filter(|p| p.connector == c.name);
    let slope: Option<f64> = own.filter_map(|p| p.slope).reduce(|a, b| a + b);
    let mut age = units::age(model.now(), c.lag_at);
    if model.cluster().is_old_lag(c.lag_at, model.now()) {
        age.push_str(", brokers do not answer");
    }
    let count = units::count(lag);
    match slope {
        _ if lag == 0 => (Tone::Good, format!("no lag (looked {age})")),
        Some(slope) if slope < -0.01 => {
            let eta = units::span((lag as f64 / -slope * 1_000.0) as i64);
            plain(&format!("lag {count}, catches up in {eta}"))
        }
        Some(slope) if slope > 0.01 => {
            let rate = units::rate(slope);
            let text = format!("lag {count}, catches up: never at +{rate}/s");
            (Tone::Bad, text)
        }
        _ => plain(&format!("lag {count} (looked {age})")),
    }
}
