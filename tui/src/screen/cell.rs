//! Cells of tables: text and tone. What is not known is `n/a`, dim; what can't be is `—`.

use sluice_protocol::{ConnectorType, State};

use crate::model::Model;
use crate::model::cluster::Connector;
use crate::model::dialog::Tone;
use crate::model::event::Severity;
use crate::text::Text;
use crate::units::{self, Millis};

/// What stands in one column of one row, in the width it has by itself.
pub(crate) type Cell = (Tone, String);

/// What a cell may look at besides its row.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) model: &'a Model,
    /// Width of the column on the screen, in cells.
    pub(crate) width: usize,
}

/// A figure that no source of this cluster reports.
pub(crate) fn unknown() -> Cell {
    (Tone::Dim, "n/a".to_owned())
}

/// A figure that a thing of this kind can't have.
pub(crate) fn never() -> Cell {
    (Tone::Dim, "—".to_owned())
}

/// A text without a meaning of its own colour.
pub(crate) fn plain<T: ToString + ?Sized>(text: &T) -> Cell {
    (Tone::Plain, text.to_string())
}

/// A value that the text of its type shows.
pub(crate) fn shown(value: Option<impl ToString>) -> Cell {
    value.map_or_else(unknown, |value| plain(&value))
}

/// A text that a configuration or a server gave.
pub(crate) fn raw(text: Option<&str>, otherwise: fn() -> Cell) -> Cell {
    text.map_or_else(otherwise, |text| plain(&Text::line(text)))
}

/// A count, dim where it is 0.
pub(crate) fn count(n: Option<i64>) -> Cell {
    match n {
        Some(0) => (Tone::Dim, "0".to_owned()),
        Some(n) => plain(&units::count(n)),
        None => unknown(),
    }
}

/// A count of things that went wrong.
pub(crate) fn errors(n: Option<i64>) -> Cell {
    match n {
        Some(n) if n > 0 => (Tone::Warn, units::count(n)),
        n => count(n),
    }
}

/// A number of records or the like per second.
pub(crate) fn rate(rate: Option<f64>) -> Cell {
    rate.map_or_else(unknown, |rate| plain(&units::rate(rate)))
}

/// How long ago something happened.
pub(crate) fn ago(model: &Model, at: Option<Millis>) -> Cell {
    at.map_or_else(unknown, |at| plain(&units::span(model.now() - at)))
}

/// How long ago a state changed; `>5m` when it has not changed in the five minutes since the terminal began
/// to watch.
pub(crate) fn since(model: &Model, changed: Option<Millis>) -> Cell {
    let watched = model.now() - model.cluster().since;
    match changed {
        Some(_) => ago(model, changed),
        // The first minute says nothing, and a cell that counts seconds on every row is noise on a slow line.
        None if watched < 60_000 => unknown(),
        None => (Tone::Dim, format!(">{}", units::span(watched))),
    }
}

/// The lag of a connector or of one of its tasks, taken with that of the connector. One that is known to be
/// old is dim and has a question mark.
pub(crate) fn lag(model: &Model, connector: &Connector, lag: Option<i64>) -> Cell {
    match connector.kind {
        ConnectorType::Source => never(),
        _ => aged(model, connector.lag_at, count(lag)),
    }
}

/// A lag taken at `at`.
pub(crate) fn aged(model: &Model, at: Option<Millis>, (tone, text): Cell) -> Cell {
    let number = text.starts_with(|c: char| c.is_ascii_digit());
    if number && model.cluster().is_old_lag(at, model.now()) {
        (Tone::Dim, format!("{text}?"))
    } else {
        (tone, text)
    }
}

/// The state of a task.
pub(crate) const fn state_tone(state: State) -> Tone {
    match state {
        State::Running => Tone::Good,
        State::Failed => Tone::Bad,
        State::Unassigned | State::Restarting => Tone::Warn,
        State::Paused | State::Stopped | State::Destroyed => Tone::Dim,
    }
}

/// The severity of an event.
pub(crate) const fn severity_tone(severity: Severity) -> Tone {
    match severity {
        Severity::Info => Tone::Dim,
        Severity::Warn => Tone::Warn,
        Severity::Error => Tone::Bad,
    }
}
