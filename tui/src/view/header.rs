//! The two lines on top: what cluster this is and how it fares, and the keys of the screen.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::keys;
use crate::model::Model;
use crate::model::cluster::Link;
use crate::model::dialog::Tone;
use crate::model::screen::Screen;
use crate::theme::Theme;
use crate::units;

pub(super) fn draw(model: &Model, theme: Theme, frame: &mut Frame<'_>) {
    let width = model.width;
    let spans = status(model, theme);
    let line = fit(spans, usize::from(width));
    frame.render_widget(line.style(theme.header()), Rect::new(0, 0, width, 1));
    frame.render_widget(key_line(model, theme), Rect::new(0, 1, width, 1));
}

/// Parts of the status line in the order in which they are given up last to first.
fn status(model: &Model, theme: Theme) -> Vec<(String, Style)> {
    let cluster = &model.cluster;
    let dim = theme.tone(Tone::Dim);
    let plain = Style::new();
    let mut parts = Vec::new();
    let name = model
        .current_context()
        .map_or_else(String::new, |c| c.name.to_string());
    let mode = if model.is_readonly() { "[RO]" } else { "[RW]" };
    parts.push((format!(" {name} {mode}"), plain));
    match &cluster.rest {
        Link::Down {
            error,
            since,
            attempt,
        } => {
            let since = units::span(model.now - since);
            parts.push((
                format!("REST down {since} (try {attempt}): {error}"),
                theme.tone(Tone::Bad),
            ));
        }
        Link::Connecting | Link::Absent => {
            parts.push(("connecting".to_owned(), theme.tone(Tone::Warn)));
        }
        Link::Up => {}
    }
    let bad = cluster.bad();
    if cluster.listed.is_some() {
        parts.push((
            format!("{} conn", units::grouped(cluster.connectors.len())),
            plain,
        ));
        let tone = if bad > 0 { Tone::Bad } else { Tone::Good };
        parts.push((format!("{bad} bad"), theme.tone(tone)));
    }
    let workers = cluster
        .workers
        .values()
        .filter(|w| w.member != Some(false))
        .count();
    if workers > 0 {
        let word = if workers == 1 { "worker" } else { "workers" };
        parts.push((format!("{workers} {word}"), plain));
    }
    if let Some(group) = &cluster.group {
        let tone = if group.state.as_str() == "Stable" {
            Tone::Plain
        } else {
            Tone::Warn
        };
        let generation = group.generation.map_or_else(
            || format!("~{}", group.changes),
            |generation| format!("g{generation}"),
        );
        parts.push((format!("{} {generation}", group.state), theme.tone(tone)));
        if let Some(delay) = group.delay.filter(|delay| *delay > 0) {
            parts.push((
                format!("delay {}", units::span(delay)),
                theme.tone(Tone::Warn),
            ));
        }
    }
    if let Link::Down { error, .. } = &cluster.brokers {
        parts.push((format!("brokers down: {error}"), theme.tone(Tone::Bad)));
    }
    match cluster.total_lag() {
        Some(lag) => parts.push((format!("lag {}", units::count(lag)), plain)),
        None if cluster.listed.is_some() => parts.push(("lag n/a".to_owned(), dim)),
        None => {}
    }
    if cluster.listed.is_some() {
        let age = if cluster.live {
            "live".to_owned()
        } else {
            format!("upd {}", units::age(model.now, cluster.listed))
        };
        parts.push((age, dim));
    }
    parts
}

/// As many parts as fit.
fn fit(parts: Vec<(String, Style)>, width: usize) -> Line<'static> {
    let mut used = 0;
    let mut spans: Vec<Span<'static>> = Vec::new();
    for (text, style) in parts {
        let length = text.chars().count() + 2;
        if used + length > width && !spans.is_empty() {
            let room = width.saturating_sub(used + 1);
            // A long error is worth its beginning; a cut number is worth nothing.
            if room > 8 && length > 24 {
                let cut: String = text.chars().take(room - 1).chain(['…']).collect();
                spans.push(Span::styled(cut, style));
            }
            break;
        }
        used += length;
        spans.push(Span::styled(text, style));
        spans.push(Span::raw("  "));
    }
    Line::from(spans)
}

/// Keys of the screen, as many as fit; verbs are left out in read-only mode.
fn key_line(model: &Model, theme: Theme) -> Line<'static> {
    let screen = model.nav.current();
    let mut spans = vec![Span::raw(" ")];
    let mut used = 1;
    let readonly = model.is_readonly();
    let shown = keys::groups(screen, model.demo.is_some())
        .into_iter()
        .flat_map(|(_, bindings)| bindings)
        .filter(|binding| binding.header)
        .filter(|binding| !(readonly && binding.command.writes()));
    let extra = matches!(screen, Screen::Connector(_)).then_some(("1-6", "panes"));
    let pairs = shown
        .map(|binding| (binding.key.name(), binding.word))
        .chain(extra.map(|(key, word)| (key.to_owned(), word)));
    for (key, word) in pairs {
        let length = key.chars().count() + word.chars().count() + 3;
        // The two blanks behind the last word may fall off the edge.
        if used + length > usize::from(model.width) + 2 {
            break;
        }
        used += length;
        spans.push(Span::styled(key, theme.tone(Tone::Accent)));
        spans.push(Span::styled(format!(" {word}  "), theme.tone(Tone::Dim)));
    }
    Line::from(spans)
}
