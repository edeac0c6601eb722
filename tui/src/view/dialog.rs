//! Dialogs over everything else.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Padding, Paragraph};

use super::part;
use crate::model::dialog::{Dialog, Tone, TypedName};
use crate::theme::Theme;
use crate::units;

/// Draws a dialog in the middle of the screen, as large as it needs to be and as it can be.
pub(super) fn draw(theme: Theme, frame: &mut Frame<'_>, dialog: &Dialog) {
    let screen = frame.area();
    let most = screen.width.saturating_sub(4).max(20);
    let width = natural_width(dialog).saturating_add(4).min(most);
    let body = body(dialog, usize::from(width.saturating_sub(4).max(8)));
    // Border, explanation and buttons, and the line for a name.
    let fixed = 4 + u16::from(dialog.typed.is_some());
    let height = cells(body.len()).saturating_add(fixed);
    let height = height.min(screen.height.saturating_sub(2).max(6));
    let (width, height) = (width.min(screen.width), height.min(screen.height));
    let (x, y) = (screen.width - width, screen.height - height);
    let area = Rect::new(x / 2, y / 2, width, height);
    frame.render_widget(Clear, area);
    let title = format!(" {} ", dialog.title);
    let block = Block::bordered()
        .border_style(theme.border(true))
        .title(Line::styled(title, theme.tone(Tone::Strong)))
        .padding(Padding::horizontal(1));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let body_height = inner.height.saturating_sub(fixed - 2);
    let line = |y| Rect {
        y: inner.y + y,
        height: 1,
        ..inner
    };
    let most_scroll = body.len().saturating_sub(usize::from(body_height));
    let lines: Vec<Line<'_>> = body
        .into_iter()
        .skip(dialog.scroll.min(most_scroll))
        .map(|(tone, text)| Line::styled(text, theme.tone(tone)))
        .collect();
    let shown = Rect {
        height: body_height,
        ..inner
    };
    frame.render_widget(Paragraph::new(lines), shown);
    if let Some(typed) = &dialog.typed {
        name_line(theme, frame, typed, line(body_height));
    }
    let hint = Line::styled(hint(dialog, most_scroll > 0), theme.tone(Tone::Dim));
    frame.render_widget(hint, line(body_height + fixed - 4));
    frame.render_widget(button_line(dialog, theme), line(body_height + fixed - 3));
}

/// A number of cells; what no screen has room for counts as the most that there is.
fn cells(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// The width at which nothing of the dialog is broken.
fn natural_width(dialog: &Dialog) -> u16 {
    let buttons = dialog.choices.iter().map(|c| c.label.chars().count() + 5);
    let lines = dialog
        .lines()
        .map(|(_, text)| Line::raw(text.as_str()).width());
    let hints = dialog.choices.iter().map(|c| c.hint.chars().count());
    let rest = [buttons.sum(), dialog.title.chars().count() + 4, 40];
    cells(lines.chain(hints).chain(rest).max().unwrap_or(40))
}

/// All lines above the buttons, broken at `width`.
fn body(dialog: &Dialog, width: usize) -> Vec<(Tone, String)> {
    let lines = dialog.lines().flat_map(|(tone, text)| {
        let lines = units::wrapped(text.as_str(), width, "").into_iter();
        lines.map(|line| (*tone, line))
    });
    lines.collect()
}

/// The name that is being typed, with the cursor.
fn name_line(theme: Theme, frame: &mut Frame<'_>, typed: &TypedName, area: Rect) {
    let (before, after) = typed.line.split();
    let tone = if typed.is_right() {
        Tone::Good
    } else {
        Tone::Warn
    };
    let spans = vec![
        (Tone::Accent, "> ".to_owned()),
        (tone, format!("{before}{after}")),
    ];
    frame.render_widget(part::line(theme, spans), area);
    let x = area.x.saturating_add(2 + cells(Line::raw(before).width()));
    let last = area.right().saturating_sub(1);
    frame.set_cursor_position(Position::new(x.min(last), area.y));
}

/// The explanation of the choice that has the focus, and how to see the rest of a long body.
fn hint(dialog: &Dialog, scrolls: bool) -> String {
    let choice = dialog.choices.get(dialog.selected);
    match (scrolls, choice.map_or("", |choice| choice.hint.as_str())) {
        (true, "") => "up/down scrolls".to_owned(),
        (true, hint) => format!("{hint} (up/down scrolls)"),
        (false, hint) => hint.to_owned(),
    }
}

fn button_line(dialog: &Dialog, theme: Theme) -> Line<'static> {
    let mut spans = Vec::new();
    for (i, choice) in dialog.choices.iter().enumerate() {
        let mut style = theme.tone(Tone::Plain);
        if i == dialog.selected {
            style = if dialog.is_ready() {
                theme.selected()
            } else {
                theme.tone(Tone::Dim)
            };
        }
        spans.push(Span::styled(format!("[{}]", choice.label), style));
        spans.push(Span::raw("  "));
    }
    Line::from(spans)
}
