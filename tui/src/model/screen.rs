//! Screens, the stack of them (breadcrumbs), and the history of visits.

use sluice_protocol::ConnectorName;

use super::table::TableId;

/// A screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Screen {
    /// All connectors; home.
    Connectors,
    /// One connector.
    Connector(ConnectorName),
    /// Tasks of all connectors.
    Tasks,
    /// Workers and rebalances.
    Workers,
    /// Topics and lag.
    Lag,
    /// Events.
    Events,
    /// Contexts.
    Contexts,
    /// Keys and words of the screen below it.
    Help,
}

impl Screen {
    /// Name for the breadcrumbs.
    pub(crate) fn crumb(&self) -> String {
        match self {
            Self::Connectors => "connectors".to_owned(),
            Self::Connector(name) => crate::text::Text::line(name).to_string(),
            Self::Tasks => "tasks".to_owned(),
            Self::Workers => "workers".to_owned(),
            Self::Lag => "lag".to_owned(),
            Self::Events => "events".to_owned(),
            Self::Contexts => "contexts".to_owned(),
            Self::Help => "help".to_owned(),
        }
    }

    /// The table that keys act on when nothing else has the focus.
    pub(crate) fn table(&self) -> Option<TableId> {
        match self {
            Self::Connectors => Some(TableId::Connectors),
            Self::Connector(_) => Some(TableId::ConnectorTasks),
            Self::Tasks => Some(TableId::Tasks),
            Self::Workers => Some(TableId::Workers),
            Self::Lag => Some(TableId::Lag),
            Self::Events => Some(TableId::Events),
            Self::Contexts => Some(TableId::Contexts),
            Self::Help => None,
        }
    }
}

/// Where one is and where one has been.
#[derive(Clone, Debug)]
pub(crate) struct Nav {
    /// From home to the present screen; never empty.
    stack: Vec<Screen>,
    /// Visits in order, for `[` and `]`.
    visits: Vec<Screen>,
    /// Place in `visits`.
    at: usize,
}

/// Visits remembered.
const VISITS: usize = 50;

impl Default for Nav {
    fn default() -> Self {
        Self {
            stack: vec![Screen::Connectors],
            visits: vec![Screen::Connectors],
            at: 0,
        }
    }
}

impl Nav {
    /// The screen shown.
    pub(crate) fn current(&self) -> &Screen {
        self.stack.last().unwrap_or(&Screen::Connectors)
    }

    /// The stack, home first.
    pub(crate) fn stack(&self) -> &[Screen] {
        &self.stack
    }

    /// Goes one level down.
    pub(crate) fn push(&mut self, screen: Screen) {
        if *self.current() != screen {
            self.stack.push(screen);
            self.visit();
        }
    }

    /// Goes to a screen by command: it stands directly on home.
    pub(crate) fn jump(&mut self, screen: Screen) {
        if *self.current() == screen {
            return;
        }
        self.stack.truncate(1);
        if screen != Screen::Connectors {
            self.stack.push(screen);
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

    /// `-`: to and fro between the last two.
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

    fn open(&mut self, screen: Screen) {
        self.stack.truncate(1);
        if screen != Screen::Connectors {
            self.stack.push(screen);
        }
    }

    fn visit(&mut self) {
        let screen = self.current().clone();
        if screen == Screen::Help {
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
    /// Lag by partition.
    Lag,
    /// Configuration.
    Config,
    /// Offsets as the worker tells them.
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

/// State of the connector screen besides its table.
#[derive(Clone, Debug)]
pub(crate) struct Detail {
    /// Which pane keys act on.
    pub(crate) focus: Pane,
    /// Which pane is open below the tasks.
    pub(crate) lower: Pane,
    /// The lower pane fills the screen.
    pub(crate) full: bool,
    /// First line of the lower pane.
    pub(crate) scroll: usize,
    /// Search in the lower pane.
    pub(crate) search: String,
    /// Secrets are shown.
    pub(crate) reveal: bool,
    /// Offsets as fetched, or why not.
    pub(crate) offsets:
        Option<Result<Vec<(crate::text::Text, crate::text::Text)>, crate::text::Text>>,
    /// Keys with type PASSWORD in the plugin's ConfigDef; `None` until fetched.
    pub(crate) passwords: Option<super::secrets::PasswordKeys>,
}

impl Default for Detail {
    fn default() -> Self {
        Self {
            focus: Pane::Tasks,
            lower: Pane::Trace,
            full: false,
            scroll: 0,
            search: String::new(),
            reveal: false,
            offsets: None,
            passwords: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn esc_goes_up_and_brackets_walk_the_history() {
        let mut nav = Nav::default();
        nav.push(Screen::Connector("a".into()));
        nav.jump(Screen::Tasks);
        assert_eq!(nav.stack().len(), 2);
        nav.back();
        assert_eq!(*nav.current(), Screen::Connector("a".into()));
        nav.back();
        assert_eq!(*nav.current(), Screen::Connectors);
        nav.back();
        nav.forward();
        nav.forward();
        assert_eq!(*nav.current(), Screen::Tasks);
        nav.toggle();
        assert_eq!(*nav.current(), Screen::Connector("a".into()));
        nav.toggle();
        assert_eq!(*nav.current(), Screen::Tasks);
        assert!(nav.pop());
        assert!(!nav.pop());
    }
}
