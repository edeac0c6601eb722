//! Which screen is open: the stack of them (breadcrumbs), and the history of visits.

use sluice_protocol::ConnectorName;

use super::secrets::PasswordKeys;
use crate::text::Text;

/// The screen that a visit begins with; all others stand above it.
pub(crate) const HOME: &str = "connectors";
/// The screen of one connector.
pub(crate) const CONNECTOR: &str = "connector";
/// The help, which stands above the screen it explains and is not part of the history.
pub(crate) const HELP: &str = "help";

/// A screen that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Name of the screen.
    pub(crate) screen: &'static str,
    /// The connector it is about; `None` for the screens that are about all of them.
    pub(crate) connector: Option<ConnectorName>,
}

impl Place {
    /// A screen that is about no single connector.
    pub(crate) const fn of(screen: &'static str) -> Self {
        Self {
            screen,
            connector: None,
        }
    }

    /// The screen of one connector.
    pub(crate) fn connector(name: &ConnectorName) -> Self {
        Self {
            screen: CONNECTOR,
            connector: Some(name.clone()),
        }
    }

    /// The name in the breadcrumbs.
    pub(crate) fn crumb(&self) -> Text {
        let name = self.connector.as_ref().map(ConnectorName::as_str);
        Text::line(name.unwrap_or(self.screen))
    }
}

static AT_HOME: Place = Place::of(HOME);

/// The screens that are open and those that were.
#[derive(Clone, Debug)]
pub(crate) struct Nav {
    /// From home to the present screen; never empty.
    stack: Vec<Place>,
    /// Screens visited, oldest first, for `[` and `]`.
    visits: Vec<Place>,
    /// Place of the present one in `visits`.
    at: usize,
}

/// How many visits are remembered.
const VISITS: usize = 50;

impl Default for Nav {
    fn default() -> Self {
        Self {
            stack: vec![Place::of(HOME)],
            visits: vec![Place::of(HOME)],
            at: 0,
        }
    }
}

impl Nav {
    /// The place that is shown.
    pub(crate) fn current(&self) -> &Place {
        self.stack.last().unwrap_or(&AT_HOME)
    }

    /// The stack, home first.
    pub(crate) fn stack(&self) -> &[Place] {
        &self.stack
    }

    /// Goes one level down.
    pub(crate) fn push(&mut self, place: Place) {
        if *self.current() != place {
            self.stack.push(place);
            self.visit();
        }
    }

    /// Goes to a screen by command: it stands directly on home.
    pub(crate) fn jump(&mut self, place: Place) {
        if *self.current() == place {
            return;
        }
        self.stack.truncate(1);
        if place.screen != HOME {
            self.stack.push(place);
        }
        self.visit();
    }

    /// Goes one level up; false when at home already.
    pub(crate) fn pop(&mut self) -> bool {
        if self.stack.len() < 2 {
            return false;
        }
        self.stack.pop();
        self.visit();
        true
    }

    /// `[`: the visit before this one.
    pub(crate) fn back(&mut self) {
        self.revisit(self.at.checked_sub(1));
    }

    /// `]`: the visit after this one.
    pub(crate) fn forward(&mut self) {
        self.revisit(Some(self.at + 1));
    }

    /// `-`: back and forth between the last two.
    pub(crate) fn toggle(&mut self) {
        if let Some(last) = self
            .at
            .checked_sub(1)
            .and_then(|i| self.visits.get(i))
            .cloned()
        {
            self.open(last);
            self.visit();
        }
    }

    fn revisit(&mut self, at: Option<usize>) {
        if let Some(at) = at
            && let Some(screen) = self.visits.get(at).cloned()
        {
            self.at = at;
            self.open(screen);
        }
    }

    fn open(&mut self, place: Place) {
        self.stack.truncate(1);
        if place.screen != HOME {
            self.stack.push(place);
        }
    }

    fn visit(&mut self) {
        let screen = self.current().clone();
        if screen.screen == HELP {
            return;
        }
        self.visits.truncate(self.at + 1);
        if self.visits.last() != Some(&screen) {
            self.visits.push(screen);
        }
        if self.visits.len() > VISITS {
            self.visits.remove(0);
        }
        self.at = self.visits.len() - 1;
    }
}

/// The panes of the connector screen that have a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pane {
    /// The table of tasks.
    Tasks,
    Lag,
    Config,
    /// Offsets as the worker reports them.
    Offsets,
    /// Events of this connector.
    Events,
    /// Trace of the selected task, root cause first.
    Trace,
}

impl Pane {
    /// All panes; the place is the digit minus one.
    pub(crate) const ALL: [Self; 6] = [
        Self::Tasks,
        Self::Lag,
        Self::Config,
        Self::Offsets,
        Self::Events,
        Self::Trace,
    ];

    /// Name in titles and help.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Lag => "lag",
            Self::Config => "config",
            Self::Offsets => "offsets",
            Self::Events => "events",
            Self::Trace => "trace",
        }
    }
}

/// State of the connector screen besides its table and its text.
#[derive(Clone, Debug)]
pub(crate) struct Detail {
    /// Which pane keys act on.
    pub(crate) focus: Pane,
    /// Which pane is open below the tasks.
    pub(crate) lower: Pane,
    /// The lower pane fills the screen.
    pub(crate) full: bool,
    /// Whether secrets are shown.
    pub(crate) reveal: bool,
    /// Partition and offset as JSON, or why they can't be fetched; `None` until the answer is there.
    pub(crate) offsets: Option<Result<Vec<(Text, Text)>, Text>>,
    /// Keys with type PASSWORD in the plugin's ConfigDef; `None` until fetched.
    pub(crate) passwords: Option<PasswordKeys>,
}

impl Default for Detail {
    fn default() -> Self {
        Self {
            focus: Pane::Tasks,
            lower: Pane::Trace,
            full: false,
            reveal: false,
            offsets: None,
            passwords: None,
        }
    }
}

/// The text of a screen: which part of it is shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct TextState {
    /// First line on the screen, counted from 0.
    pub(crate) scroll: usize,
    /// What is searched for, or what lines must contain; empty for neither.
    pub(crate) needle: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn esc_goes_up_and_brackets_walk_the_history() {
        let mut nav = Nav::default();
        nav.push(Place::connector(&"a".into()));
        nav.jump(Place::of("tasks"));
        assert_eq!(nav.stack().len(), 2);
        nav.back();
        assert_eq!(*nav.current(), Place::connector(&"a".into()));
        nav.back();
        assert_eq!(*nav.current(), Place::of(HOME));
        nav.back();
        nav.forward();
        nav.forward();
        assert_eq!(*nav.current(), Place::of("tasks"));
        nav.toggle();
        assert_eq!(*nav.current(), Place::connector(&"a".into()));
        nav.toggle();
        assert_eq!(*nav.current(), Place::of("tasks"));
        assert!(nav.pop());
        assert!(!nav.pop());
    }
}
