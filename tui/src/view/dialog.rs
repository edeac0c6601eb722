//! Dialogs over everything else.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use crate::model::dialog::{Dialog, Tone};
use crate::theme::Theme;
use crate::units;

pub(super) fn draw(theme: Theme, frame: &mut Frame<'_>, dialog: &Dialog) {
    let screen = frame.area();
    let buttons: usize = dialog
        .choices
        .iter()
        .map(|c| c.label.chars().count() + 5)
        .sum();
    let widest = dialog
        .lines()
        .map(|(_, text)| Line::raw(text.as_str()).width())
        .chain(dialog.choices.iter().map(|c| c.hint.chars().count()))
        .chain([buttons, dialog.title.chars().count() + 4, 40])
        .max()
        .unwrap_or(40);
    let most = usize::from(screen.width.saturating_sub(4)).max(20);
    let width = (widest + 4).min(most);
    let text_width = width.saturating_sub(4).max(8);
    let body: Vec<(Tone, String)> = dialog
        .lines()
        .flat_map(|(tone, text)| {
            let lines = units::wrapped(text.as_str(), text_width, "").into_iter();
            lines.map(|line| (*tone, line))
        })
        .collect();
    let extra = 4 + if dialog.typed.is_some() { 1 } else { 0 };
    let height = (body.len() + extra).min(usize::from(screen.height.saturating_sub(2)).max(6));
    let width = u16::try_from(width).unwrap_or(u16::MAX).min(screen.width);
    let height = u16::try_from(height).unwrap_or(u16::MAX).min(screen.height);
    let area = Rect::new(
        (screen.width - width) / 2,
        (screen.height - height) / 2,
        width,
        height,
    );
    frame.render_widget(Clear, area);
    let block = Block::bordered()
        .border_style(theme.border(true))
        .title(Line::styled(
            format!(" {} ", dialog.title),
            theme.tone(Tone::Strong),
        ));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let inner = Rect::new(
        inner.x + 1,
        inner.y,
        inner.width.saturating_sub(2),
        inner.height,
    );
    let bottom = if dialog.typed.is_some() { 3 } else { 2 };
    let body_height = inner.height.saturating_sub(bottom);
    let most_scroll = body.len().saturating_sub(usize::from(body_height));
    let lines: Vec<Line<'_>> = body
        .into_iter()
        .skip(dialog.scroll.min(most_scroll))
        .map(|(tone, text)| Line::styled(text, theme.tone(tone)))
        .collect();
    let more = most_scroll > 0;
    frame.render_widget(
        Paragraph::new(lines),
        Rect {
            height: body_height,
            ..inner
        },
    );
    let mut y = inner.y + body_height;
    if let Some(typed) = &dialog.typed {
        let (before, after) = typed.line.split();
        let tone = if typed.is_right() {
            Tone::Good
        } else {
            Tone::Warn
        };
        let line = Line::from(vec![
            Span::styled("> ", theme.tone(Tone::Accent)),
            Span::styled(format!("{before}{after}"), theme.tone(tone)),
        ]);
        frame.render_widget(
            line,
            Rect {
                y,
                height: 1,
                ..inner
            },
        );
        let x = inner.x + 2 + u16::try_from(Line::raw(before).width()).unwrap_or(0);
        frame.set_cursor_position(Position::new(x.min(inner.right().saturating_sub(1)), y));
        y += 1;
    }
    let hint = dialog
        .choices
        .get(dialog.selected)
        .map_or("", |choice| choice.hint.as_str());
    let hint = match (more, hint) {
        (true, "") => "up/down scrolls".to_owned(),
        (true, hint) => format!("{hint} (up/down scrolls)"),
        (false, hint) => hint.to_owned(),
    };
    frame.render_widget(
        Line::styled(hint, theme.tone(Tone::Dim)),
        Rect {
            y,
            height: 1,
            ..inner
        },
    );
    frame.render_widget(
        button_line(dialog, theme),
        Rect {
            y: y + 1,
            height: 1,
            ..inner
        },
    );
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
