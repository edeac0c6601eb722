//! What screens consist of, as data: `view` draws it and knows no screen.

use ratatui::layout::Rect;

use super::rows::Table;
use crate::model::dialog::Tone;

/// A part of the screen.
pub(crate) struct Part {
    pub(crate) area: Rect,
    /// Whether keys act on it.
    pub(crate) focused: bool,
    pub(crate) content: Content,
}

/// One line, its pieces from left to right.
pub(crate) type Spans = Vec<(Tone, String)>;

/// What stands in a part.
pub(crate) enum Content {
    Table(&'static dyn Table),
    /// A line without a border.
    Line(Spans),
    Text(Lines),
    Chart(Chart),
}

/// A text with a border around it.
pub(crate) struct Lines {
    pub(crate) title: (Tone, String),
    /// The lines that are on the screen.
    pub(crate) lines: Vec<Spans>,
    /// Lines that hold this, in any case, are marked; empty for none.
    pub(crate) search: String,
}

/// A bordered bar chart.
pub(crate) struct Chart {
    pub(crate) title: String,
    /// Oldest first; a gap where nothing was known.
    pub(crate) samples: Vec<Option<f64>>,
    /// What stands behind the number at the top of the scale.
    pub(crate) unit: &'static str,
    /// What is said instead while there is no sample.
    pub(crate) empty: &'static str,
}
