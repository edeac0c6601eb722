//! Where things are on the screen, computed from the model alone, so that `update` can keep the selection
//! visible and `view` draws at the same places.

use ratatui::layout::Rect;

use crate::model::Model;

/// Narrowest screen that shows tables.
pub(crate) const MIN_WIDTH: u16 = 36;
/// Lowest screen that shows tables.
pub(crate) const MIN_HEIGHT: u16 = 8;

/// Whether the screen has no room for tables.
pub(crate) fn is_tiny(model: &Model) -> bool {
    let session = &model.session;
    session.width < MIN_WIDTH || session.height < MIN_HEIGHT
}

/// The space between header and footer, or between header and the guide of the demo above the footer.
pub(crate) fn body(model: &Model) -> Rect {
    let session = &model.session;
    let rest = 3 + u16::from(session.demo.is_some());
    Rect::new(0, 2, session.width, session.height.saturating_sub(rest))
}

/// The last line of the screen.
pub(crate) fn footer(model: &Model) -> Rect {
    let session = &model.session;
    Rect::new(0, session.height.saturating_sub(1), session.width, 1)
}

/// Lines of a bordered text that fit into `area`.
pub(crate) fn text_rows(area: Rect) -> usize {
    usize::from(area.height.saturating_sub(2))
}
