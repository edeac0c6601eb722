//! Where things are on the screen, computed from the model alone, so that `update` can keep the selection visible and
//! `view` draws at the same places.

use ratatui::layout::Rect;

use crate::model::Model;
use crate::model::screen::Screen;
use crate::model::table::TableId;

/// Narrowest screen that shows tables.
pub(crate) const MIN_WIDTH: u16 = 36;
/// Lowest screen that shows tables.
pub(crate) const MIN_HEIGHT: u16 = 8;

/// Whether the screen has no room for tables.
pub(crate) fn is_tiny(model: &Model) -> bool {
    model.width < MIN_WIDTH || model.height < MIN_HEIGHT
}

/// The space between header and footer.
pub(crate) fn body(model: &Model) -> Rect {
    Rect::new(0, 2, model.width, model.body_height())
}

/// The panes of the connector screen, one over the other; height 0 = not shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectorPanes {
    /// One line on what it is.
    pub(crate) head: Rect,
    /// Tasks.
    pub(crate) tasks: Rect,
    /// Trend of lag.
    pub(crate) lag: Rect,
    /// Facts.
    pub(crate) facts: Rect,
    /// Trace, configuration, offsets, events or partitions.
    pub(crate) lower: Rect,
}

/// Cuts the body for the connector screen.
pub(crate) fn connector_panes(model: &Model) -> ConnectorPanes {
    let body = body(model);
    let empty = Rect::new(0, 0, 0, 0);
    let head = Rect::new(body.x, body.y, body.width, 1.min(body.height));
    let rest = body.height.saturating_sub(1);
    let top = body.y + 1;
    if model.detail.full {
        return ConnectorPanes {
            head,
            tasks: empty,
            lag: empty,
            facts: empty,
            lower: Rect::new(body.x, top, body.width, rest),
        };
    }
    let count = u16::try_from(model.table(TableId::ConnectorTasks).total).unwrap_or(u16::MAX);
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
    let lower = left - facts;
    let half = if body.width >= 60 {
        body.width * 2 / 5
    } else {
        0
    };
    ConnectorPanes {
        head,
        tasks: Rect::new(body.x, top, body.width, tasks),
        lag: Rect::new(body.x, top + tasks, half, facts),
        facts: Rect::new(body.x + half, top + tasks, body.width - half, facts),
        lower: Rect::new(body.x, top + tasks + facts, body.width, lower),
    }
}

/// Workers above, rebalances below.
pub(crate) fn worker_panes(model: &Model) -> (Rect, Rect) {
    let body = body(model);
    let count = u16::try_from(model.table(TableId::Workers).total).unwrap_or(u16::MAX);
    let upper = count
        .saturating_add(3)
        .clamp(5, (body.height / 2).max(5))
        .min(body.height);
    (
        Rect::new(body.x, body.y, body.width, upper),
        Rect::new(body.x, body.y + upper, body.width, body.height - upper),
    )
}

/// Rows of a table that fit on the screen.
pub(crate) fn table_rows(model: &Model, table: TableId) -> usize {
    let area = match (table, model.nav.current()) {
        (TableId::ConnectorTasks, Screen::Connector(_)) => connector_panes(model).tasks,
        (TableId::Workers, _) => worker_panes(model).0,
        (TableId::Rebalances, _) => worker_panes(model).1,
        _ => body(model),
    };
    usize::from(area.height.saturating_sub(3))
}

/// Lines of the lower pane that fit on the screen.
pub(crate) fn lower_rows(model: &Model) -> usize {
    usize::from(connector_panes(model).lower.height.saturating_sub(2))
}
