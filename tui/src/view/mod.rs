//! Draws the model. Pure: no I/O, no clock, no change of the model; only rows that are on the screen are
//! formatted.
//!
//! ```text
//! header   cluster, workers, group, counts, age of the data
//! keys     from the key table of the screen
//! body     table(s)
//! guide    in the demo: where its Kafka is and what to try
//! footer   breadcrumbs, or the line being typed, and the last word on actions
//! ```

mod dialog;
mod footer;
mod header;
mod part;
mod table;
#[cfg(test)]
mod tests;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

use crate::layout;
use crate::model::Model;
use crate::model::cluster::Link;
use crate::model::dialog::Tone;
use crate::screen;
use crate::theme::Theme;

/// Draws the whole screen.
pub(crate) fn view(model: &Model, theme: Theme, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < model.session.width || area.height < model.session.height {
        // The screen shrank a moment ago; the message about it is on its way and brings a new frame.
        return;
    }
    if layout::is_tiny(model) {
        tiny(model, theme, frame, area);
        return;
    }
    header::draw(model, theme, frame);
    for part in screen::current(model).parts(model) {
        part::draw(model, theme, frame, part);
    }
    footer::draw(model, theme, frame);
    guide(model, theme, frame);
    if let Some(dialog) = &model.ui.dialog {
        dialog::draw(theme, frame, dialog);
    }
}

/// The demo's line: where its Kafka is, and what to try.
fn guide(model: &Model, theme: Theme, frame: &mut Frame<'_>) {
    let Some(demo) = &model.session.demo else {
        return;
    };
    let (tone, hint) = demo.hint(model);
    let kafka = format!(" kafka {}  ", demo.bootstrap);
    let line = part::line(theme, vec![(Tone::Accent, kafka), (tone, hint)]);
    let row = model.session.height.saturating_sub(2);
    frame.render_widget(line, Rect::new(0, row, model.session.width, 1));
}

/// A screen too small for tables still shows the one number that matters.
fn tiny(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let bad = model.cluster().bad();
    let total = model.cluster().connectors.len();
    let (tone, state) = match model.cluster().rest {
        Link::Down { .. } => (Tone::Bad, "disconnected".to_owned()),
        _ if model.cluster().listed.is_none() => (Tone::Dim, "connecting".to_owned()),
        _ if bad > 0 => (Tone::Bad, format!("{bad} bad of {total}")),
        _ => (Tone::Good, format!("{total} connectors, none bad")),
    };
    let lines = vec![
        Line::styled(state, theme.tone(tone)),
        Line::styled(
            format!(
                "too small: needs {}x{}",
                layout::MIN_WIDTH,
                layout::MIN_HEIGHT
            ),
            theme.tone(Tone::Dim),
        ),
        Line::styled(":q quits", theme.tone(Tone::Dim)),
    ];
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), area);
}
