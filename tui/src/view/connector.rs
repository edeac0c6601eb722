//! One connector: tasks on top, lag and facts, and below the pane one chose (trace, config, offsets, events, lag).

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph};
use sluice_protocol::{ConnectorType, TargetState};

use super::{cells, layout, table};
use crate::model::Model;
use crate::model::cluster::Connector;
use crate::model::dialog::Tone;
use crate::model::health::{self, Health};
use crate::model::screen::Pane;
use crate::model::secrets::{self, PasswordKeys};
use crate::model::table::{RowKey, TableId};
use crate::text::Text;
use crate::theme::{self, Theme};
use crate::units;

pub(super) fn draw(model: &Model, theme: Theme, frame: &mut Frame<'_>, name: &str) {
    let panes = layout::connector_panes(model);
    let Some(connector) = model.cluster.connectors.get(name) else {
        let text = match model.cluster.listed {
            Some(_) => "this connector is gone; esc goes back",
            None => "connecting …",
        };
        frame.render_widget(Line::styled(text, theme.tone(Tone::Warn)), panes.head);
        return;
    };
    head(connector, theme, frame, panes.head);
    if panes.tasks.height > 2 {
        table::draw(
            model,
            theme,
            frame,
            TableId::ConnectorTasks,
            panes.tasks,
            model.detail.focus == Pane::Tasks,
        );
    }
    if panes.lag.height > 2 && panes.lag.width > 10 {
        trend(model, connector, theme, frame, panes.lag);
    }
    if panes.facts.height > 2 {
        let lines = facts(model, connector);
        text_pane(theme, frame, panes.facts, " facts ", &lines, 0, false, "");
    }
    if panes.lower.height > 2 {
        let lines = lower_lines(model);
        let focused = model.detail.focus != Pane::Tasks;
        text_pane(
            theme,
            frame,
            panes.lower,
            &lower_title(model, connector, lines.len()),
            &lines,
            model.detail.scroll,
            focused,
            &model.detail.search,
        );
    }
}

fn head(c: &Connector, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    use ratatui::text::Span;
    let version = c.version.as_ref().map_or("", |version| version.as_str());
    let mut spans = vec![
        Span::styled(format!(" {}", c.label), theme.tone(Tone::Strong)),
        Span::raw("  "),
        Span::styled(health::label(c), theme.tone(theme::health(c.health))),
        Span::styled(
            format!("  {}  {} {version}", c.kind, c.class()),
            theme.tone(Tone::Dim),
        ),
    ];
    if let Some(group) = c.group() {
        spans.push(Span::styled(
            format!("  group {}", Text::line(&group)),
            theme.tone(Tone::Dim),
        ));
    }
    frame.render_widget(Line::from(spans), area);
}

/// The trend as a bar chart of the pane's height.
fn trend(model: &Model, c: &Connector, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let (word, unit) = match c.kind {
        ConnectorType::Sink => ("lag", ""),
        _ => ("records/s", "/s"),
    };
    let title = format!(
        " {word} ({}) ",
        units::span((c.trend.len() as i64 * crate::model::cluster::TREND_EVERY).max(60_000),)
    );
    let block = Block::bordered()
        .border_style(theme.border(false))
        .title(title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let top = c.trend.iter().flatten().copied().fold(0.0_f64, f64::max);
    if c.trend.iter().flatten().next().is_none() {
        let text = if model.has_brokers() || model.cluster.telemetry_at.is_some() {
            "no sample yet"
        } else {
            "n/a without brokers"
        };
        frame.render_widget(Line::styled(text, theme.tone(Tone::Dim)), inner);
        return;
    }
    let label = format!("{}{unit} ", units::count(top as i64));
    let gutter = u16::try_from(label.chars().count()).unwrap_or(0).max(3);
    let width = usize::from(inner.width.saturating_sub(gutter));
    let mut samples: Vec<Option<f64>> = c.trend.iter().rev().take(width).copied().collect();
    samples.reverse();
    let height = inner.height;
    for row in 0..height {
        let y = inner.y + row;
        let left = match row {
            0 => label.clone(),
            row if row + 1 == height => "0 ".to_owned(),
            _ => String::new(),
        };
        let level = f64::from(height - 1 - row);
        let bars: String = samples
            .iter()
            .map(|sample| match sample {
                Some(value) if top > 0.0 => {
                    let eighths = ((value / top * f64::from(height) - level) * 8.0).round();
                    match eighths as i64 {
                        ..=0 if row + 1 == height => '▁',
                        ..=0 => ' ',
                        n @ 1..=8 => ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][(n - 1) as usize],
                        _ => '█',
                    }
                }
                Some(_) if row + 1 == height => '▁',
                _ => ' ',
            })
            .collect();
        let buffer = frame.buffer_mut();
        let shift = usize::from(gutter).saturating_sub(left.chars().count());
        buffer.set_stringn(
            inner.x + u16::try_from(shift).unwrap_or(0),
            y,
            &left,
            usize::from(gutter),
            theme.tone(Tone::Dim),
        );
        buffer.set_stringn(inner.x + gutter, y, bars, width, theme.tone(Tone::Accent));
    }
}

/// What one wants to know before acting.
fn facts(model: &Model, c: &Connector) -> Vec<(Tone, String)> {
    let mut lines = vec![(theme::health(c.health), health::reason(c))];
    if model.cluster.is_unsure(model.now) {
        let text = "the brokers do not answer: this is what the worker knew last";
        lines.push((Tone::Warn, text.to_owned()));
    }
    if let Some((tone, asked)) = table::asked(model, &c.name) {
        lines.push((tone, format!("asked: {asked}")));
    } else if let Some(target) = c.target
        && target != TargetState::Started
    {
        lines.push((Tone::Plain, format!("asked for: {target}")));
    }
    let restarts = c
        .restarts
        .map_or_else(|| "n/a".to_owned(), |n| n.to_string());
    if c.health == Health::Lost
        && let Some(left) = model.cluster.waits(model.now)
    {
        let left = units::countdown(left);
        lines.push((
            Tone::Bad,
            format!("waits {left} for the worker to come back, then moves"),
        ));
    }
    let changed = c
        .tasks
        .values()
        .map(|task| task.changed)
        .fold(c.changed, Option::max);
    let since = match cells::since(model, changed) {
        (_, since) if since == "n/a" => "not seen yet".to_owned(),
        (_, since) => format!("{since} ago"),
    };
    lines.push((
        Tone::Plain,
        format!("last change {since}, restarts seen {restarts}"),
    ));
    match c.kind {
        ConnectorType::Sink => {
            lines.push(sink_fact(model, c));
        }
        _ => {
            let offset = match c.moved {
                Some(at) => format!("an offset last moved {} ago", units::span(model.now - at)),
                None => "offset age n/a (no offset of it seen in the offset topic)".to_owned(),
            };
            lines.push((Tone::Plain, offset));
        }
    }
    let topics = c
        .config
        .text("topics")
        .or_else(|| c.config.text("topics.regex"))
        .or_else(|| c.config.text("topic"));
    if let Some(topics) = topics {
        lines.push((Tone::Plain, format!("topics {}", Text::line(topics))));
    }
    if let Some(dlq) = c.dlq() {
        lines.push((
            Tone::Plain,
            format!("dead letters go to {}", Text::line(dlq)),
        ));
    }
    lines.push((
        Tone::Plain,
        format!(
            "instance on {}",
            if c.worker.is_empty() {
                "no worker"
            } else {
                c.worker.as_str()
            }
        ),
    ));
    lines
}

fn sink_fact(model: &Model, c: &Connector) -> (Tone, String) {
    let Some(lag) = c.lag else {
        let why = if model.has_brokers() {
            if model.cluster.is_old_lag(None, model.now) {
                "the brokers do not answer"
            } else {
                "not looked at yet, or nothing to read"
            }
        } else {
            "needs --bootstrap-servers"
        };
        return (Tone::Dim, format!("lag n/a: {why}"));
    };
    let slope: Option<f64> = model
        .cluster
        .partitions
        .values()
        .filter(|p| p.connector == c.name)
        .filter_map(|p| p.slope)
        .reduce(|a, b| a + b);
    let mut age = units::age(model.now, c.lag_at);
    if model.cluster.is_old_lag(c.lag_at, model.now) {
        age.push_str(", brokers do not answer");
    }
    match slope {
        _ if lag == 0 => (Tone::Good, format!("no lag (looked {age})")),
        Some(slope) if slope < -0.01 => {
            let eta = units::span((lag as f64 / -slope * 1_000.0) as i64);
            (
                Tone::Plain,
                format!("lag {}, catches up in {eta}", units::count(lag)),
            )
        }
        Some(slope) if slope > 0.01 => (
            Tone::Bad,
            format!(
                "lag {}, catches up: never at +{}/s",
                units::count(lag),
                units::rate(slope)
            ),
        ),
        _ => (
            Tone::Plain,
            format!("lag {} (looked {age})", units::count(lag)),
        ),
    }
}

fn lower_title(model: &Model, c: &Connector, lines: usize) -> String {
    let detail = &model.detail;
    let rows = layout::lower_rows(model);
    let place = if lines > rows {
        format!(
            "{}-{}/{lines} ",
            detail.scroll + 1,
            (detail.scroll + rows).min(lines)
        )
    } else {
        String::new()
    };
    let what = match detail.lower {
        Pane::Trace => match (selected_task(model), traced(model, c)) {
            (_, Some((None, _))) => "connector trace, root cause first, c copies ".to_owned(),
            (_, Some((Some(task), _))) => format!("task {task} trace, root cause first, c copies "),
            (Some(task), None) => format!("task {task}: no trace "),
            (None, None) => "trace ".to_owned(),
        },
        Pane::Config if detail.reveal => "config, secrets shown, x hides ".to_owned(),
        Pane::Config => "config, e edits, x reveals ".to_owned(),
        Pane::Lag => "lag by partition ".to_owned(),
        pane => format!("{} ", pane.name()),
    };
    let search = if detail.search.is_empty() {
        String::new()
    } else {
        format!("/{}/ ", Text::line(&detail.search))
    };
    format!(" {what}{search}{place}")
}

fn selected_task(model: &Model) -> Option<u32> {
    match model.table(TableId::ConnectorTasks).current() {
        Some(RowKey::Task(_, id)) => Some(*id),
        _ => None,
    }
}

/// The trace of the selected task, else of the connector.
fn traced<'a>(
    model: &Model,
    c: &'a Connector,
) -> Option<(Option<u32>, &'a crate::model::trace::Trace)> {
    let of_task = selected_task(model)
        .and_then(|id| c.tasks.get(&id))
        .and_then(|task| Some((Some(task.id), task.trace.as_deref()?)));
    of_task.or_else(|| c.trace.as_deref().map(|trace| (None, trace)))
}

/// All lines of the lower pane.
pub(crate) fn lower_lines(model: &Model) -> Vec<(Tone, String)> {
    let Some(c) = model
        .open_connector()
        .and_then(|name| model.cluster.connectors.get(name))
    else {
        return Vec::new();
    };
    match model.detail.lower {
        Pane::Trace | Pane::Tasks => trace_lines(model, c),
        Pane::Config => config_lines(model, c),
        Pane::Offsets => offset_lines(model),
        Pane::Events => event_lines(model, c),
        Pane::Lag => lag_lines(model, c),
    }
}

fn trace_lines(model: &Model, c: &Connector) -> Vec<(Tone, String)> {
    let Some((_, trace)) = traced(model, c) else {
        let failed: Vec<String> = c
            .tasks
            .values()
            .filter(|task| task.trace.is_some())
            .map(|task| task.id.to_string())
            .collect();
        let text = if failed.is_empty() {
            "nothing failed".to_owned()
        } else {
            format!("no trace here; tasks with one: {}", failed.join(", "))
        };
        return vec![(Tone::Dim, text)];
    };
    let width = usize::from(model.width.saturating_sub(3)).max(20);
    let mut lines = Vec::new();
    for (i, line) in trace.lines.iter().enumerate() {
        let tone = if i == 0 {
            Tone::Bad
        } else if line.as_str().starts_with("led to: ") {
            Tone::Warn
        } else {
            Tone::Plain
        };
        wrap(line.as_str(), width, tone, &mut lines);
    }
    lines
}

/// Stands before the rest of a line that was broken.
pub(crate) const CONTINUED: &str = "      ";

/// Breaks a long line, between words where that leaves no half-empty line; the rest is indented. All of it
/// put together again is the line.
fn wrap(line: &str, width: usize, tone: Tone, out: &mut Vec<(Tone, String)>) {
    let mut rest: &str = line;
    let mut indent = "";
    loop {
        let room = width - indent.len();
        if Line::raw(rest).width() <= room {
            out.push((tone, format!("{indent}{rest}")));
            return;
        }
        let mut used = 0;
        let mut cut = rest.len();
        for (i, c) in rest.char_indices() {
            used += Line::raw(c.to_string()).width();
            if used > room {
                cut = i;
                break;
            }
        }
        let words = rest.get(..cut).and_then(|head| head.rfind(' '));
        let cut = words
            .map(|space| space + 1)
            .filter(|end| *end > cut / 2)
            .unwrap_or(cut);
        let cut = cut.max(rest.chars().next().map_or(1, char::len_utf8));
        let (head, tail) = rest.split_at(cut);
        out.push((tone, format!("{indent}{head}")));
        if tail.is_empty() {
            return;
        }
        rest = tail;
        indent = CONTINUED;
    }
}

fn config_lines(model: &Model, c: &Connector) -> Vec<(Tone, String)> {
    let none = PasswordKeys::new();
    let passwords = model.detail.passwords.as_ref().unwrap_or(&none);
    let mut keys: Vec<(&String, &Option<String>)> = c.config.iter().collect();
    keys.sort();
    let pad = keys
        .iter()
        .map(|(key, _)| key.chars().count())
        .max()
        .unwrap_or(0)
        .min(48);
    let width = usize::from(model.width.saturating_sub(3)).max(20);
    let mut lines = Vec::new();
    for (key, value) in keys {
        let raw = value.as_deref().unwrap_or("null");
        let secret = secrets::has_secret(key, raw, passwords);
        let shown = if secret && !model.detail.reveal {
            secrets::shown(key, raw, passwords)
        } else {
            raw.into()
        };
        let tone = if secret { Tone::Warn } else { Tone::Plain };
        let line = format!("{:pad$}  {}", Text::line(key), Text::whole(&shown));
        wrap(&line, width, tone, &mut lines);
    }
    if lines.is_empty() {
        lines.push((
            Tone::Dim,
            "configuration n/a: the server has not told it yet".to_owned(),
        ));
    }
    lines
}

fn offset_lines(model: &Model) -> Vec<(Tone, String)> {
    match &model.detail.offsets {
        None => vec![(Tone::Dim, "fetching …".to_owned())],
        Some(Err(error)) => vec![(Tone::Bad, error.to_string())],
        Some(Ok(offsets)) if offsets.is_empty() => {
            vec![(Tone::Dim, "no offsets committed yet".to_owned())]
        }
        Some(Ok(offsets)) => {
            let pad = offsets
                .iter()
                .map(|(p, _)| p.as_str().chars().count())
                .max()
                .unwrap_or(0)
                .min(60);
            offsets
                .iter()
                .map(|(partition, offset)| (Tone::Plain, format!("{partition:pad$}  {offset}")))
                .collect()
        }
    }
}

fn event_lines(model: &Model, c: &Connector) -> Vec<(Tone, String)> {
    let lines: Vec<(Tone, String)> = model
        .events
        .iter()
        .rev()
        .filter(|event| event.event.connector.as_ref() == Some(&c.name))
        .take(500)
        .map(|event| {
            let e = &event.event;
            (
                cells::severity_tone(e.severity),
                format!(
                    "{} {:<9} {}  {}  ({})",
                    units::clock(e.at),
                    e.kind,
                    e.object,
                    e.what,
                    e.by
                ),
            )
        })
        .collect();
    if lines.is_empty() {
        let since = units::clock(model.since);
        return vec![(
            Tone::Dim,
            format!("nothing happened since {since} UTC, when this terminal began to watch"),
        )];
    }
    lines
}

fn lag_lines(model: &Model, c: &Connector) -> Vec<(Tone, String)> {
    if c.kind == ConnectorType::Source {
        return vec![(
            Tone::Dim,
            "a source has no lag in Kafka; 4 shows its offsets".to_owned(),
        )];
    }
    let mut lines = vec![(
        Tone::Dim,
        format!(
            "{:<30} {:>4} {:>12} {:>12} {:>7} {:>7}  {}",
            "TOPIC", "PART", "COMMITTED", "END", "LAG", "ETA", "TASK"
        ),
    )];
    for p in model
        .cluster
        .partitions
        .values()
        .filter(|p| p.connector == c.name)
    {
        let text = |n: Option<i64>| n.map_or_else(|| "n/a".to_owned(), |n| n.to_string());
        let lag = p.lag();
        let eta = match (lag, p.eta(), p.slope) {
            (Some(0), ..) => "—".to_owned(),
            (_, Some(eta), _) => units::span(eta * 1_000),
            (_, _, Some(slope)) if slope > 0.01 => "never".to_owned(),
            _ => "n/a".to_owned(),
        };
        lines.push((
            if lag.is_some_and(|lag| lag > 0) {
                Tone::Plain
            } else {
                Tone::Dim
            },
            format!(
                "{:<30} {:>4} {:>12} {:>12} {:>7} {:>7}  {}",
                p.topic.as_str(),
                p.partition,
                p.committed
                    .map_or_else(|| "none yet".to_owned(), |n| n.to_string()),
                text(p.end),
                lag.map_or_else(|| "n/a".to_owned(), units::count),
                eta,
                p.task
                    .map_or_else(|| "n/a".to_owned(), |task| task.to_string()),
            ),
        ));
    }
    if lines.len() == 1 {
        lines = vec![(Tone::Dim, sink_fact(model, c).1)];
    }
    lines
}

/// A bordered text; lines that hold the search are marked.
#[expect(
    clippy::too_many_arguments,
    reason = "one call site shape for all text panes; a struct would only rename them"
)]
fn text_pane(
    theme: Theme,
    frame: &mut Frame<'_>,
    area: Rect,
    title: &str,
    lines: &[(Tone, String)],
    scroll: usize,
    focused: bool,
    search: &str,
) {
    let block = Block::bordered()
        .border_style(theme.border(focused))
        .title(Line::styled(title.to_owned(), theme.tone(Tone::Strong)));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let needle = search.to_lowercase();
    let visible: Vec<Line<'_>> = lines
        .iter()
        .skip(scroll)
        .take(usize::from(inner.height))
        .map(|(tone, text)| {
            let mut style = theme.tone(*tone);
            if !needle.is_empty() && text.to_lowercase().contains(&needle) {
                style = style.add_modifier(Modifier::REVERSED);
            }
            Line::styled(text.as_str(), style)
        })
        .collect();
    frame.render_widget(Paragraph::new(visible), inner);
}
