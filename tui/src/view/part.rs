//! Parts of screens: tables, lines, texts and charts.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};

use super::table;
use crate::model::Model;
use crate::model::dialog::Tone;
use crate::screen::part::{Chart, Content, Lines, Part, Spans};
use crate::theme::Theme;
use crate::units;

/// Draws a part at its place.
pub(super) fn draw(model: &Model, theme: Theme, frame: &mut Frame<'_>, part: Part) {
    match part.content {
        Content::Table(of) => table::draw(model, theme, frame, of, part.area, part.focused),
        Content::Line(spans) => frame.render_widget(line(theme, spans), part.area),
        Content::Text(lines) => text(theme, frame, part.area, part.focused, lines),
        Content::Chart(of) => chart(theme, frame, part.area, &of),
    }
}

/// A line from pieces with their tones.
pub(super) fn line(theme: Theme, spans: Spans) -> Line<'static> {
    let spans = spans.into_iter();
    spans
        .map(|(tone, text)| Span::styled(text, theme.tone(tone)))
        .collect()
}

/// A bordered text; lines that hold the search are marked.
fn text(theme: Theme, frame: &mut Frame<'_>, area: Rect, focused: bool, text: Lines) {
    let (tone, title) = text.title;
    let block = Block::bordered()
        .border_style(theme.border(focused))
        .title(Line::styled(title, theme.tone(tone)));
    let needle = text.search.to_lowercase();
    let lines: Vec<Line<'_>> = text
        .lines
        .into_iter()
        .map(|spans| {
            let found = |(_, text): &(Tone, String)| text.to_lowercase().contains(&needle);
            let marked = !needle.is_empty() && spans.iter().any(found);
            let line = line(theme, spans);
            if marked {
                line.patch_style(Modifier::REVERSED)
            } else {
                line
            }
        })
        .collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Bars as high as the space, in eighths of a cell; the last samples that fit.
fn chart(theme: Theme, frame: &mut Frame<'_>, area: Rect, chart: &Chart) {
    let block = Block::bordered()
        .border_style(theme.border(false))
        .title(chart.title.as_str());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let dim = theme.tone(Tone::Dim);
    let known = chart.samples.iter().flatten().copied();
    let Some(top) = known.reduce(f64::max).map(|top| top.max(0.0)) else {
        frame.render_widget(Line::styled(chart.empty, dim), inner);
        return;
    };
    let label = format!("{}{} ", units::count(top as i64), chart.unit);
    let gutter = u16::try_from(label.chars().count()).unwrap_or(0).max(3);
    let width = usize::from(inner.width.saturating_sub(gutter));
    let hidden = chart.samples.len().saturating_sub(width);
    let samples = chart.samples.get(hidden..).unwrap_or_default();
    let last = inner.height.saturating_sub(1);
    for row in 0..inner.height {
        let left = match row {
            0 => label.as_str(),
            row if row == last => "0 ",
            _ => "",
        };
        let scale = f64::from(inner.height);
        let level = f64::from(last - row);
        let bars: String = samples
            .iter()
            .map(|sample| {
                let value = sample.filter(|_| top > 0.0).unwrap_or(0.0);
                let eighths = ((value / top.max(f64::MIN_POSITIVE) * scale - level) * 8.0).round();
                match eighths as i64 {
                    ..=0 if row == last && sample.is_some() => BARS[0],
                    ..=0 => ' ',
                    n => BARS.get(n as usize - 1).copied().unwrap_or('█'),
                }
            })
            .collect();
        let y = inner.y + row;
        let left = format!("{left:>width$}", width = usize::from(gutter));
        let buffer = frame.buffer_mut();
        buffer.set_stringn(inner.x, y, left, usize::from(gutter), dim);
        buffer.set_stringn(inner.x + gutter, y, bars, width, theme.tone(Tone::Accent));
    }
}
