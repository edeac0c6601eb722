//! Tables of all screens: title with counts, filter, order and age; heading; the visible rows.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph, Widget, Wrap};

use super::cells;
use crate::model::Model;
use crate::model::action::Stage;
use crate::model::cluster::Link;
use crate::model::dialog::Tone;
use crate::model::table::{RowKey, TableId, columns, fit};
use crate::theme::Theme;
use crate::units;

/// Draws a table into `area`.
pub(super) fn draw(
    model: &Model,
    theme: Theme,
    frame: &mut Frame<'_>,
    id: TableId,
    area: Rect,
    focused: bool,
) {
    let block = Block::bordered()
        .border_style(theme.border(focused))
        .title(Line::styled(title(model, id), theme.tone(Tone::Strong)));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if inner.height == 0 || inner.width < 4 {
        return;
    }
    let table = model.table(id);
    // One cell in front for the mark.
    let fitted = fit(id, inner.width.saturating_sub(1), model.wide);
    let buffer = frame.buffer_mut();
    heading(model, theme, id, &fitted, inner, buffer);
    if table.rows.is_empty() {
        let area = Rect::new(inner.x + 1, inner.y + 1, inner.width - 1, inner.height - 1);
        let lines: Vec<Line<'_>> = teach(model, id)
            .into_iter()
            .map(|(tone, text)| Line::styled(text, theme.tone(tone)))
            .collect();
        Paragraph::new(lines)
            .wrap(Wrap { trim: false })
            .render(area, buffer);
        return;
    }
    let stale =
        model.cluster.is_stale(model.now) && id != TableId::Contexts && id != TableId::Events;
    let height = usize::from(inner.height - 1);
    let visible = table
        .rows
        .iter()
        .enumerate()
        .skip(table.offset)
        .take(height);
    for (y, (place, key)) in (inner.y + 1..).zip(visible) {
        let mut base = Style::new();
        if stale {
            base = base.add_modifier(Modifier::DIM);
        }
        let selected = place == table.selected;
        let sign = row_sign(model, id, key, selected);
        buffer.set_stringn(inner.x, y, sign, 1, base.patch(theme.tone(Tone::Accent)));
        let mut x = inner.x + 1;
        for (spec, width) in &fitted {
            let (tone, text) = cells::cell(model, key, spec.column, usize::from(*width));
            let style = if stale {
                base
            } else {
                base.patch(theme.tone(tone))
            };
            put(buffer, x, y, &text, *width, spec.right, style);
            x += width + 1;
        }
        if selected && focused {
            highlight(
                theme,
                &fitted,
                Rect::new(inner.x, y, inner.width, 1),
                buffer,
            );
        }
    }
}

/// Highlights the name in a row. The whole row would be three times the bytes on each key, which a slow line feels,
/// and would hide the colour of the health.
fn highlight(
    theme: Theme,
    fitted: &[(crate::model::table::ColumnSpec, u16)],
    row: Rect,
    buffer: &mut Buffer,
) {
    let mut x = row.x + 1;
    for (spec, width) in fitted {
        if spec.grow > 0 {
            let name = Rect::new(x, row.y, *width, 1).intersection(row);
            buffer.set_style(name, theme.selected());
            return;
        }
        x += width + 1;
    }
}

/// The cell in front of a row: marked, an action under way, or selected.
fn row_sign(model: &Model, id: TableId, key: &RowKey, selected: bool) -> &'static str {
    if model.table(id).marks.contains(key) {
        return "*";
    }
    let under_way = match key {
        RowKey::Connector(name) => model
            .actions
            .iter()
            .rev()
            .any(|action| action.connector == *name && !action.is_over()),
        RowKey::Context(place) => *place == model.context,
        _ => false,
    };
    match (under_way, selected) {
        (true, _) => "›",
        (false, true) => "▌",
        (false, false) => " ",
    }
}

fn heading(
    model: &Model,
    theme: Theme,
    id: TableId,
    fitted: &[(crate::model::table::ColumnSpec, u16)],
    inner: Rect,
    buffer: &mut Buffer,
) {
    let sort = model.table(id).sort;
    let mut x = inner.x + 1;
    for (spec, width) in fitted {
        let mut style = theme.tone(Tone::Dim);
        if spec.column == sort.column {
            style = theme.tone(Tone::Strong).add_modifier(Modifier::UNDERLINED);
        }
        put(buffer, x, inner.y, spec.title, *width, spec.right, style);
        x += width + 1;
    }
}

/// Writes a text into a cell; of what does not fit the middle is left out.
fn put(buffer: &mut Buffer, x: u16, y: u16, text: &str, width: u16, right: bool, style: Style) {
    let length = Line::raw(text).width();
    let room = usize::from(width);
    if length > room {
        buffer.set_stringn(x, y, units::middle(text, room), room, style);
    } else {
        let shift = if right {
            width - u16::try_from(length).unwrap_or(width)
        } else {
            0
        };
        buffer.set_stringn(x + shift, y, text, room, style);
    }
}

/// `connectors(prod)[44/1,000] /filter/ sort HEALTH↓ 0.4s`.
fn title(model: &Model, id: TableId) -> String {
    let table = model.table(id);
    let name = match id {
        TableId::Connectors => "connectors",
        TableId::ConnectorTasks | TableId::Tasks => "tasks",
        TableId::Workers => "workers",
        TableId::Rebalances => "rebalances",
        TableId::Lag => "topics & lag",
        TableId::Events => "events",
        TableId::Contexts => "contexts",
    };
    let count = if table.rows.len() == table.total {
        units::grouped(table.total)
    } else {
        format!(
            "{}/{}",
            units::grouped(table.rows.len()),
            units::grouped(table.total)
        )
    };
    let mut title = format!(" {name}[{count}] ");
    if !table.filter.is_empty() {
        title.push_str(&format!(
            "/{}/ ",
            crate::text::Text::line(table.filter.text())
        ));
    }
    if table.faults {
        title.push_str("faults only ");
    }
    if !matches!(id, TableId::Contexts | TableId::Rebalances) {
        let arrow = if table.sort.reverse { '↑' } else { '↓' };
        let column = columns(id)
            .iter()
            .find(|spec| spec.column == table.sort.column)
            .map_or("", |spec| spec.title);
        title.push_str(&format!("sort {column}{arrow} "));
    }
    let at = match id {
        TableId::Connectors | TableId::ConnectorTasks | TableId::Tasks => model.cluster.listed,
        TableId::Workers => model.cluster.group_at.or(model.cluster.listed),
        TableId::Lag => model.cluster.lag_at,
        TableId::Rebalances | TableId::Events | TableId::Contexts => {
            return title + &notes(model, id);
        }
    };
    if model.cluster.live && id != TableId::Lag && id != TableId::Workers {
        title.push_str("live ");
    } else {
        title.push_str(&format!("upd {} ", units::age(model.now, at)));
    }
    title + &notes(model, id)
}

fn notes(model: &Model, id: TableId) -> String {
    match (id, &model.cluster.group) {
        (TableId::Workers, Some(group)) => format!("{} {} ", group.id, group.protocol),
        (TableId::Workers, None) => "group n/a ".to_owned(),
        (TableId::Rebalances, _) => {
            let oldest = model.cluster.rebalances.back().map(|r| r.start);
            since(model, oldest)
        }
        (TableId::Events, _) => {
            let oldest = model.events.iter().map(|e| e.event.at).min();
            since(model, oldest)
        }
        _ => String::new(),
    }
}

/// How far back a table goes: to when we began to watch, or to what was read from before.
fn since(model: &Model, oldest: Option<units::Millis>) -> String {
    let start = oldest.map_or(model.since, |oldest| oldest.min(model.since));
    format!("since {} UTC ", units::clock(start))
}

/// What an empty table says: why it is empty and what one can do.
fn teach(model: &Model, id: TableId) -> Vec<(Tone, String)> {
    let cluster = &model.cluster;
    if id != TableId::Contexts && id != TableId::Events {
        match &cluster.rest {
            Link::Down { error, attempt, .. } if cluster.listed.is_none() => {
                let next = if model
                    .current_context()
                    .is_some_and(|context| context.assumed)
                {
                    crate::contexts::NOBODY_NAMED_ONE
                } else {
                    ":ctx shows other clusters"
                };
                return vec![
                    (Tone::Bad, format!("can't reach the cluster: {error}")),
                    (
                        Tone::Dim,
                        format!("tried {attempt} times, keeps trying; :q quits"),
                    ),
                    (Tone::Plain, next.to_owned()),
                ];
            }
            Link::Connecting | Link::Absent if cluster.listed.is_none() => {
                return vec![(Tone::Dim, "connecting …".to_owned())];
            }
            _ => {}
        }
    }
    if model.table(id).total > 0 {
        return vec![(
            Tone::Dim,
            match (model.table(id).filter.is_empty(), model.table(id).faults) {
                (true, true) => format!(
                    "all {} are well; ctrl-z shows them",
                    units::grouped(model.table(id).total)
                ),
                _ => "nothing passes the filter; esc clears it, ctrl-z toggles faults only"
                    .to_owned(),
            },
        )];
    }
    let lines: Vec<String> = match id {
        TableId::Connectors if model.is_readonly() => {
            vec!["this cluster has no connectors yet".to_owned()]
        }
        TableId::Connectors => vec![
            "this cluster has no connectors yet".to_owned(),
            "a opens an editor for the first one; or: sluice apply -f FILE".to_owned(),
        ],
        TableId::ConnectorTasks => {
            vec!["no tasks: a running connector without tasks moves nothing".to_owned()]
        }
        TableId::Tasks => vec!["no tasks".to_owned()],
        TableId::Workers => vec!["no worker known yet".to_owned()],
        TableId::Rebalances if matches!(cluster.brokers, Link::Down { .. }) => {
            vec!["n/a: the brokers do not answer".to_owned()]
        }
        TableId::Rebalances if model.has_brokers() && cluster.group.is_none() => {
            vec![
                "n/a: the group of these workers is not found yet; ? says what was looked for"
                    .to_owned(),
            ]
        }
        TableId::Rebalances if cluster.group.is_none() && cluster.telemetry_at.is_none() => {
            vec![
                "n/a: rebalances are seen through the brokers only (--bootstrap-servers HOST:PORT)"
                    .to_owned(),
            ]
        }
        TableId::Rebalances => vec!["none seen since this terminal watches".to_owned()],
        TableId::Lag if !model.has_brokers() => {
            vec!["n/a: lag is read from the brokers (--bootstrap-servers HOST:PORT)".to_owned()]
        }
        TableId::Lag => match &cluster.brokers {
            Link::Down { error, .. } => vec![format!("brokers do not answer: {error}")],
            _ => vec!["no sink has read anything yet".to_owned()],
        },
        TableId::Events => vec!["nothing happened since this terminal watches".to_owned()],
        TableId::Contexts => vec!["no contexts".to_owned()],
    };
    lines.into_iter().map(|line| (Tone::Dim, line)).collect()
}

/// The state asked for and not confirmed yet, for the HEALTH column and the facts.
pub(super) fn asked(model: &Model, name: &str) -> Option<(Tone, String)> {
    let action = model
        .actions
        .iter()
        .rev()
        .find(|action| action.connector.as_str() == name && !action.is_over())?;
    let (_, line) = action.line(model.now);
    let line = line
        .split_once(": ")
        .map_or(line.as_str(), |(_, rest)| rest)
        .to_owned();
    let tone = if matches!(action.stage, Stage::Waiting { .. }) {
        Tone::Warn
    } else {
        Tone::Accent
    };
    Some((tone, format!("{}: {line}", action.verb)))
}
