//! Tables of all screens: title with counts, filter, order and age; heading; the visible rows.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph, Widget, Wrap};

use crate::contexts::NAME_A_CLUSTER;
use crate::model::cluster::Link;
use crate::model::dialog::Tone;
use crate::model::table::RowKey;
use crate::model::{ContextSummary, Model};
use crate::screen::column::Heading;
use crate::screen::rows::Table;
use crate::text::Text;
use crate::theme::Theme;
use crate::units;

/// Draws a table into `area`.
pub(super) fn draw(
    model: &Model,
    theme: Theme,
    frame: &mut Frame<'_>,
    table: &'static dyn Table,
    area: Rect,
    focused: bool,
) {
    let block = Block::bordered()
        .border_style(theme.border(focused))
        .title(Line::styled(title(model, table), theme.tone(Tone::Strong)));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if inner.height == 0 || inner.width < 4 {
        return;
    }
    let buffer = frame.buffer_mut();
    let columns = Columns::fitting(model, table, inner);
    columns.heading(theme, table.sort(model).column, buffer);
    if model.table(table.id()).rows.is_empty() {
        let area = Rect::new(inner.x + 1, inner.y + 1, inner.width - 1, inner.height - 1);
        let lines = instead(model, table).into_iter();
        let lines: Vec<Line<'_>> = lines
            .map(|(tone, text)| Line::styled(text, theme.tone(tone)))
            .collect();
        Paragraph::new(lines)
            .wrap(Wrap { trim: false })
            .render(area, buffer);
    } else {
        columns.rows(model, theme, table, focused, buffer);
    }
}

/// The columns that are on the screen.
struct Columns {
    headings: Vec<Heading>,
    /// Place in `headings` and width.
    fitted: Vec<(usize, u16)>,
    area: Rect,
}

impl Columns {
    fn fitting(model: &Model, table: &'static dyn Table, area: Rect) -> Self {
        Self {
            headings: table.headings(),
            // One cell in front for the sign of the row.
            fitted: table.fitted(area.width.saturating_sub(1), model.session.wide),
            area,
        }
    }

    /// Place, horizontal position, width and heading of each column.
    fn iter(&self) -> impl Iterator<Item = (usize, u16, u16, &Heading)> {
        let mut x = self.area.x + 1;
        self.fitted.iter().filter_map(move |(column, width)| {
            let heading = self.headings.get(*column)?;
            let at = x;
            x += width + 1;
            Some((*column, at, *width, heading))
        })
    }

    fn heading(&self, theme: Theme, sorted: usize, buffer: &mut Buffer) {
        for (column, x, width, heading) in self.iter() {
            let mut style = theme.tone(Tone::Dim);
            if column == sorted {
                style = theme.tone(Tone::Strong).add_modifier(Modifier::UNDERLINED);
            }
            let y = self.area.y;
            put(buffer, (x, y), heading.title, width, heading.right, style);
        }
    }

    fn rows(
        &self,
        model: &Model,
        theme: Theme,
        table: &dyn Table,
        focused: bool,
        buffer: &mut Buffer,
    ) {
        let state = model.table(table.id());
        let stale = table.is_of_cluster() && model.cluster().is_stale(model.now());
        let mut base = Style::new();
        if stale {
            base = base.add_modifier(Modifier::DIM);
        }
        let height = usize::from(self.area.height - 1);
        let visible = state.rows.iter().enumerate();
        let visible = visible.skip(state.offset).take(height);
        for (y, (place, key)) in (self.area.y + 1..).zip(visible) {
            let selected = place == state.selected;
            let sign = row_sign(model, table, key, selected);
            let accent = base.patch(theme.tone(Tone::Accent));
            buffer.set_stringn(self.area.x, y, sign, 1, accent);
            let cells = table.cells(model, key, &self.fitted);
            for ((_, x, width, heading), (tone, text)) in self.iter().zip(cells) {
                let style = if stale {
                    base
                } else {
                    base.patch(theme.tone(tone))
                };
                put(buffer, (x, y), &text, width, heading.right, style);
            }
            if selected && focused {
                self.highlight(theme, y, buffer);
            }
        }
    }

    /// Highlights the name in a row. The whole row would be three times the bytes on each key, which a slow
    /// line feels, and would hide the colour of the health.
    fn highlight(&self, theme: Theme, y: u16, buffer: &mut Buffer) {
        let name = self.iter().find(|(_, _, _, heading)| heading.grow > 0);
        if let Some((_, x, width, _)) = name {
            let name = Rect::new(x, y, width, 1).intersection(self.area);
            buffer.set_style(name, theme.selected());
        }
    }
}

/// The cell in front of a row: marked, an action under way, or selected.
fn row_sign(model: &Model, table: &dyn Table, key: &RowKey, selected: bool) -> &'static str {
    match selected {
        _ if model.table(table.id()).marks.contains(key) => "*",
        _ if table.is_active(model, key) => "›",
        true => "▌",
        false => " ",
    }
}

/// Writes a text into a cell; of what does not fit the middle is left out.
fn put(buffer: &mut Buffer, (x, y): (u16, u16), text: &str, width: u16, right: bool, style: Style) {
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

/// `connectors[44/1,000] /filter/ sort HEALTH↓ live`.
fn title(model: &Model, table: &'static dyn Table) -> String {
    let state = model.table(table.id());
    let mut count = units::grouped(state.total);
    if state.rows.len() != state.total {
        count = format!("{}/{count}", units::grouped(state.rows.len()));
    }
    let mut title = format!(" {}[{count}] ", table.title());
    if !state.filter.is_empty() {
        title.push_str(&format!("/{}/ ", Text::line(state.filter.text())));
    }
    if state.faults {
        title.push_str("faults only ");
    }
    let sort = table.sort(model);
    let headings = table.headings();
    if let Some(heading) = headings.get(sort.column).filter(|h| h.ranked) {
        let arrow = if sort.reverse { '↑' } else { '↓' };
        title.push_str(&format!("sort {}{arrow} ", heading.title));
    }
    title + &table.notes(model)
}

/// What is shown instead of rows: why there are none and what one can do.
fn instead(model: &Model, table: &'static dyn Table) -> Vec<(Tone, String)> {
    let cluster = model.cluster();
    let dim = |text: String| vec![(Tone::Dim, text)];
    if table.is_of_cluster() && cluster.listed.is_none() {
        match &cluster.rest {
            Link::Down { error, attempt, .. } => {
                let assumed = |context: &ContextSummary| context.assumed;
                let next = if model.current_context().is_some_and(assumed) {
                    NAME_A_CLUSTER
                } else {
                    ":ctx shows other clusters"
                };
                let tried = format!("tried {attempt} times, keeps trying; :q quits");
                return vec![
                    (Tone::Bad, format!("can't reach the cluster: {error}")),
                    (Tone::Dim, tried),
                    (Tone::Plain, next.to_owned()),
                ];
            }
            Link::Connecting | Link::Absent => return dim("connecting …".to_owned()),
            Link::Up => {}
        }
    }
    let state = model.table(table.id());
    if state.total > 0 {
        let total = units::grouped(state.total);
        return dim(match (state.filter.is_empty(), state.faults) {
            (true, true) => format!("all {total} are well; ctrl-z shows them"),
            _ => "nothing passes the filter; esc clears it, ctrl-z toggles faults only".to_owned(),
        });
    }
    let lines = table.empty(model);
    let lines = lines.lines();
    lines.map(|line| (Tone::Dim, line.to_owned())).collect()
}
