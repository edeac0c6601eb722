//! Colours. The default uses the terminal's own 16 colours and leaves the background alone, so that it is
//! readable on any scheme; with `NO_COLOR` meaning is carried by bold, dim and reverse only.

use ratatui::style::{Color, Modifier, Style};

use crate::model::dialog::Tone;
use crate::model::health::Health;

/// A set of styles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    /// The 16 colours of the terminal.
    Default,
    /// As the default, with a red block and red frames: a warning on production.
    Red,
    Plain,
}

impl Theme {
    /// The theme for a context's `skin` and the environment's `NO_COLOR`.
    pub(crate) fn choose(skin: Option<&str>, no_color: bool) -> Self {
        match skin {
            _ if no_color => Self::Plain,
            Some("plain" | "no-color") => Self::Plain,
            Some("red" | "prod") => Self::Red,
            _ => Self::Default,
        }
    }

    /// The style of a tone.
    pub(crate) fn tone(self, tone: Tone) -> Style {
        let plain = Style::new();
        if self == Self::Plain {
            return match tone {
                Tone::Plain | Tone::Good | Tone::Accent => plain,
                Tone::Dim => plain.add_modifier(Modifier::DIM),
                Tone::Strong | Tone::Warn => plain.add_modifier(Modifier::BOLD),
                Tone::Bad => plain.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
            };
        }
        match tone {
            Tone::Plain => plain,
            Tone::Dim => plain.add_modifier(Modifier::DIM),
            Tone::Strong => plain.add_modifier(Modifier::BOLD),
            Tone::Good => plain.fg(Color::Green),
            Tone::Warn => plain.fg(Color::Yellow),
            Tone::Bad => plain.fg(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Accent => plain.fg(Color::Cyan),
        }
    }

    /// The name of the context at the left end of the header. The rest of the header has no ground of its
    /// own: figures in red must be readable there.
    pub(crate) fn context(self) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        match self {
            Self::Red => bold.fg(Color::White).bg(Color::Red),
            Self::Default | Self::Plain => bold,
        }
    }

    /// The style of the selected row.
    pub(crate) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// A border; bright for the pane that has the focus.
    pub(crate) fn border(self, focused: bool) -> Style {
        match (self, focused) {
            (Self::Plain, _) => Style::new(),
            (Self::Red, true) => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
            (Self::Red, false) => Style::new().fg(Color::Red),
            (_, true) => Style::new().fg(Color::Cyan),
            (_, false) => Style::new().add_modifier(Modifier::DIM),
        }
    }
}

/// The tone of a health.
pub(crate) const fn health(health: Health) -> Tone {
    match health {
        Health::Unhealthy | Health::Lost | Health::Degraded => Tone::Bad,
        Health::Stalled
        | Health::Rebalance
        | Health::Restarting
        | Health::Changing
        | Health::Starting => Tone::Warn,
        Health::Paused | Health::Stopped => Tone::Dim,
        Health::Healthy => Tone::Good,
    }
}
