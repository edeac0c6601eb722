//! The two lines on top: what cluster this is and how it fares, and the keys of the screen.

use std::collections::BTreeSet;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use crate::keys;
use crate::model::Model;
use crate::model::cluster::{Cluster, Connector, Link};
use crate::model::dialog::Tone;
use crate::screen;
use crate::theme::Theme;
use crate::units;

pub(super) fn draw(model: &Model, theme: Theme, frame: &mut Frame<'_>) {
    let width = model.session.width;
    let line = fit(status(model, theme), usize::from(width));
    frame.render_widget(line, Rect::new(0, 0, width, 1));
    frame.render_widget(key_line(model, theme), Rect::new(0, 1, width, 1));
}

/// From this time on silence is an outage.
const OUTAGE_AFTER: units::Millis = 15_000;

/// Parts of the status line, in the order in which they are given up last to first: what is wrong comes
/// first.
fn status(model: &Model, theme: Theme) -> Vec<(String, Style)> {
    let cluster = model.cluster();
    let plain = Style::new();
    let bold = plain.add_modifier(Modifier::BOLD);
    let mut parts = Vec::new();
    let name = model
        .current_context()
        .map_or_else(String::new, |c| c.name.to_string());
    let mode = if model.is_readonly() { "[RO]" } else { "[RW]" };
    parts.push((format!(" {name} {mode}"), theme.context()));
    if cluster.listed.is_some() {
        let bad = cluster.bad();
        let tone = match bad {
            0 if cluster.is_stale(model.now()) => Tone::Dim,
            0 => Tone::Good,
            _ => Tone::Bad,
        };
        parts.push((format!("{bad} bad"), theme.tone(tone)));
        let lost = lost(cluster);
        if lost > 0 {
            let waits = cluster.waits(model.now()).map_or_else(String::new, |left| {
                format!(", moves in {}", units::countdown(left))
            });
            parts.push((format!("LOST {lost}{waits}"), theme.tone(Tone::Bad)));
        }
    }
    parts.extend(answers(model, theme));
    parts.extend(warned(model, theme));
    if let Link::Down { error, since, .. } = &cluster.brokers {
        let since = units::span(model.now() - since);
        let error = short(error.as_str());
        parts.push((
            format!("brokers down {since}: {error}"),
            theme.tone(Tone::Bad),
        ));
    }
    if let Some(guessed) = &cluster.guessed {
        parts.push((format!("guessed: {guessed}"), theme.tone(Tone::Warn)));
    }
    if cluster.listed.is_some() {
        let count = units::grouped(cluster.connectors.len());
        parts.push((format!("{count} conn"), bold));
    }
    parts.extend(members(model, theme));
    if cluster.listed.is_some() {
        parts.push(lag(model, theme));
        let age = if cluster.live {
            "live".to_owned()
        } else {
            format!("upd {}", units::age(model.now(), cluster.listed))
        };
        parts.push((age, theme.tone(Tone::Dim)));
    }
    parts
}

/// Tasks and connector instances on workers that are gone.
fn lost(cluster: &Cluster) -> usize {
    let of = |c: &Connector| c.counts.lost + usize::from(c.lost);
    cluster.connectors.values().map(of).sum()
}

/// What workers that are well warn of, most often connectors whose classes an agent does not have. The whole
/// text stands in the table of workers.
fn warned(model: &Model, theme: Theme) -> Option<(String, Style)> {
    let warnings = model.cluster().workers.values().filter(|w| !w.is_gone());
    let warnings: BTreeSet<&str> = warnings.filter_map(|worker| worker.warning()).collect();
    let first = warnings.first()?;
    let text = first.strip_prefix("this ").unwrap_or(first);
    let more = match warnings.len() {
        1 => String::new(),
        all => format!(" +{}", all - 1),
    };
    // Half of the line leaves the counts beside it.
    let room = usize::from(model.session.width) / 2;
    let text = text.trim_end_matches('.');
    let text = if text.chars().count() > room {
        units::middle(&without_brackets(text), room)
    } else {
        text.to_owned()
    };
    Some((format!("{text}{more}"), theme.tone(Tone::Warn)))
}

/// A text without what stands in brackets: connectors without their classes.
fn without_brackets(text: &str) -> String {
    let mut parts = text.split(" (");
    let mut short = parts.next().unwrap_or("").to_owned();
    for part in parts {
        short.push_str(part.split_once(')').map_or("", |(_, behind)| behind));
    }
    short
}

/// Whether REST answers: yellow while it may be a pause, red from then on.
fn answers(model: &Model, theme: Theme) -> Option<(String, Style)> {
    let cluster = model.cluster();
    let since = cluster.silent_since().map(|since| model.now() - since);
    match (&cluster.rest, since) {
        (Link::Down { error, attempt, .. }, Some(since)) => {
            let paused = error.as_str().ends_with("no answer in time");
            let (tone, word) = if paused && since < OUTAGE_AFTER {
                (Tone::Warn, "no answer for")
            } else {
                (Tone::Bad, "REST down")
            };
            let since = units::span(since);
            let error = short(error.as_str());
            let text = format!("{word} {since} (try {attempt}): {error}");
            Some((text, theme.tone(tone)))
        }
        (Link::Connecting | Link::Absent, None) => {
            Some(("connecting".to_owned(), theme.tone(Tone::Warn)))
        }
        (_, Some(since)) => {
            let tone = if since < OUTAGE_AFTER {
                Tone::Warn
            } else {
                Tone::Bad
            };
            let text = format!("no answer for {}", units::span(since));
            Some((text, theme.tone(tone)))
        }
        _ => None,
    }
}

/// An error in the room a header has: without what a client says of itself in brackets.
fn short(error: &str) -> String {
    let end = error.find(" (").unwrap_or(error.len());
    units::middle(error.get(..end).unwrap_or(error), 60)
}

fn members(model: &Model, theme: Theme) -> Vec<(String, Style)> {
    let cluster = model.cluster();
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut parts = Vec::new();
    let all = cluster.workers.len();
    let here = cluster.workers.values().filter(|w| !w.is_gone()).count();
    if all > 0 && here < all {
        let text = format!("{} ({} gone)", units::plural(here, "worker"), all - here);
        parts.push((text, theme.tone(Tone::Warn)));
    } else if all > 0 {
        parts.push((units::plural(all, "worker"), bold));
    }
    if let Some(group) = &cluster.group {
        let style = match group.state.as_str() {
            "Stable" => bold,
            _ => theme.tone(Tone::Warn),
        };
        let generation = group.generation.map_or_else(
            || format!("~{}", group.changes),
            |generation| format!("g{generation}"),
        );
        parts.push((format!("{} {generation}", group.state), style));
        if let Some(left) = cluster.waits(model.now()).filter(|_| lost(cluster) == 0) {
            let text = format!("delay {}", units::countdown(left));
            parts.push((text, theme.tone(Tone::Warn)));
        }
    }
    parts
}

/// The lag of all sinks. Where that of some is not known the rest is a lower bound, and none at all is not
/// zero.
fn lag(model: &Model, theme: Theme) -> (String, Style) {
    let cluster = model.cluster();
    let dim = theme.tone(Tone::Dim);
    let old = if cluster.is_old_lag(cluster.lag_at, model.now()) {
        "?"
    } else {
        ""
    };
    match cluster.total_lag() {
        (None, _) | (Some(0), 1..) => ("lag n/a".to_owned(), dim),
        (Some(lag), 0) => {
            let style = if old.is_empty() {
                Style::new().add_modifier(Modifier::BOLD)
            } else {
                dim
            };
            (format!("lag {}{old}", units::count(lag)), style)
        }
        (Some(lag), _) => (format!("lag ≥{}{old}", units::count(lag)), dim),
    }
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
                spans.push(Span::styled(units::middle(&text, room), style));
            }
            break;
        }
        used += length;
        spans.push(Span::styled(text, style));
        spans.push(Span::raw("  "));
    }
    Line::from(spans)
}

/// Keys of the screen, as many as fit; verbs are left out in read-only mode. Those that lead to all others
/// always fit.
fn key_line(model: &Model, theme: Theme) -> Line<'static> {
    let screen = screen::current(model);
    let readonly = model.is_readonly();
    let mut seen: Vec<keys::Key> = Vec::new();
    let mut own: Vec<(String, &str)> = Vec::new();
    let mut everywhere: Vec<(String, &str)> = Vec::new();
    for (group, bindings) in screen.groups(model.session.demo.is_some()) {
        for binding in bindings.iter().filter(|binding| binding.header) {
            if seen.contains(&binding.key) || (readonly && binding.command.writes()) {
                continue;
            }
            seen.push(binding.key);
            let pair = (binding.key.name(), binding.word);
            if group == "everywhere" {
                everywhere.push(pair);
            } else {
                own.push(pair);
            }
        }
    }
    let more = screen.more_keys();
    own.extend(more.map(|(keys, word)| (keys.to_owned(), word)));
    let length = |(key, word): &(String, &str)| key.chars().count() + word.chars().count() + 3;
    // The two blanks behind the last word may fall off the edge.
    let mut room = usize::from(model.session.width) + 1;
    room = room.saturating_sub(everywhere.iter().map(length).sum());
    let mut spans = vec![Span::raw(" ")];
    let shown = own.into_iter().take_while(|pair| {
        let fits = length(pair) <= room;
        room = room.saturating_sub(length(pair));
        fits
    });
    for (key, word) in shown.chain(everywhere) {
        spans.push(Span::styled(key, theme.tone(Tone::Accent)));
        spans.push(Span::styled(format!(" {word}  "), theme.tone(Tone::Dim)));
    }
    Line::from(spans)
}
