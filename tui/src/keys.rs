//! One table from key to command per screen. The header, the help and the dispatch are all drawn from it, so they
//! can't contradict each other.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::model::screen::{Pane, Screen};
use crate::model::table::Column;

/// A key as the table names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// The key.
    pub(crate) code: KeyCode,
    /// With ctrl.
    pub(crate) ctrl: bool,
    /// With shift; only kept for keys that are no characters.
    pub(crate) shift: bool,
}

impl Key {
    /// A plain key.
    pub(crate) const fn plain(code: KeyCode) -> Self {
        Self {
            code,
            ctrl: false,
            shift: false,
        }
    }

    const fn ch(c: char) -> Self {
        Self::plain(KeyCode::Char(c))
    }

    const fn ctrl(c: char) -> Self {
        Self {
            code: KeyCode::Char(c),
            ctrl: true,
            shift: false,
        }
    }

    const fn shifted(code: KeyCode) -> Self {
        Self {
            code,
            ctrl: false,
            shift: true,
        }
    }

    /// Brings what terminals send into one form: `shift` is part of a character, ctrl-space may come as NUL, ctrl-4
    /// as ctrl-\.
    pub(crate) fn from_event(event: KeyEvent) -> Self {
        let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
        let shift = event.modifiers.contains(KeyModifiers::SHIFT);
        match event.code {
            KeyCode::Char(c) if ctrl => {
                let c = match c.to_ascii_lowercase() {
                    '@' | '2' => ' ',
                    '4' => '\\',
                    c => c,
                };
                Self::ctrl(c)
            }
            KeyCode::Char(c) => Self::ch(if shift && c.is_ascii_lowercase() {
                c.to_ascii_uppercase()
            } else {
                c
            }),
            KeyCode::Null => Self::ctrl(' '),
            KeyCode::BackTab => Self::shifted(KeyCode::Tab),
            code => Self { code, ctrl, shift },
        }
    }

    /// The name in help: `ctrl-z`, `shift-n`, `enter`.
    pub(crate) fn name(self) -> String {
        let base = match self.code {
            KeyCode::Char(' ') => "space".to_owned(),
            KeyCode::Char(c) if c.is_ascii_uppercase() => {
                format!("shift-{}", c.to_ascii_lowercase())
            }
            KeyCode::Char(c) => c.to_string(),
            KeyCode::Enter => "enter".to_owned(),
            KeyCode::Esc => "esc".to_owned(),
            KeyCode::Tab => "tab".to_owned(),
            KeyCode::Up => "up".to_owned(),
            KeyCode::Down => "down".to_owned(),
            KeyCode::Left => "left".to_owned(),
            KeyCode::Right => "right".to_owned(),
            KeyCode::PageUp => "pgup".to_owned(),
            KeyCode::PageDown => "pgdn".to_owned(),
            KeyCode::Home => "home".to_owned(),
            KeyCode::End => "end".to_owned(),
            _ => "?".to_owned(),
        };
        match (self.ctrl, self.shift) {
            (true, _) => format!("ctrl-{base}"),
            (false, true) => format!("shift-{base}"),
            (false, false) => base,
        }
    }
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Quit,
    Help,
    OpenLine,
    FilterLine,
    Enter,
    Back,
    HistoryBack,
    HistoryForward,
    LastView,
    Refresh,
    Redraw,
    Wide,
    Faults,
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Mark,
    MarkRange,
    Unmark,
    SortBy(Column),
    SortLeft,
    SortRight,
    SortReverse,
    Restart,
    Pause,
    Resume,
    Stop,
    Delete,
    Edit,
    New,
    Copy,
    Trace,
    Topics,
    Workers,
    OwnerWorker,
    EventsOfRow,
    Config,
    Offsets,
    Reveal,
    NextPane,
    PreviousPane,
    OpenPane(Pane),
    Full,
    NextMatch,
    PreviousMatch,
    ToggleAgent,
}

impl Command {
    /// Whether it changes the cluster; hidden and refused in read-only mode.
    pub(crate) const fn writes(self) -> bool {
        matches!(
            self,
            Self::Restart
                | Self::Pause
                | Self::Resume
                | Self::Stop
                | Self::Delete
                | Self::Edit
                | Self::New
        )
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    /// Key.
    pub(crate) key: Key,
    /// What it does.
    pub(crate) command: Command,
    /// One or two words for header and help.
    pub(crate) word: &'static str,
    /// Shown in the header; the rest only in help.
    pub(crate) header: bool,
}

const fn show(key: Key, command: Command, word: &'static str) -> Binding {
    Binding {
        key,
        command,
        word,
        header: true,
    }
}

const fn more(key: Key, command: Command, word: &'static str) -> Binding {
    Binding {
        key,
        command,
        word,
        header: false,
    }
}

/// Keys that mean the same everywhere.
const GLOBAL: &[Binding] = &[
    show(Key::ch('/'), Command::FilterLine, "filter"),
    show(Key::ch(':'), Command::OpenLine, "cmd"),
    show(Key::ch('?'), Command::Help, "help"),
    more(
        Key::plain(KeyCode::Esc),
        Command::Back,
        "clear filter, then up",
    ),
    more(Key::ch('['), Command::HistoryBack, "view before"),
    more(Key::ch(']'), Command::HistoryForward, "view after"),
    more(Key::ch('-'), Command::LastView, "last view"),
    more(Key::ctrl('r'), Command::Refresh, "refresh now"),
    more(Key::ctrl('l'), Command::Redraw, "redraw"),
    more(Key::ctrl('w'), Command::Wide, "wide columns"),
    more(Key::ctrl('c'), Command::Quit, "quit"),
];

/// Moving in tables and texts.
const MOVES: &[Binding] = &[
    more(Key::ch('j'), Command::Down, "down"),
    more(Key::plain(KeyCode::Down), Command::Down, "down"),
    more(Key::ch('k'), Command::Up, "up"),
    more(Key::plain(KeyCode::Up), Command::Up, "up"),
    more(Key::ch('g'), Command::Top, "top"),
    more(Key::plain(KeyCode::Home), Command::Top, "top"),
    more(Key::ch('G'), Command::Bottom, "bottom"),
    more(Key::plain(KeyCode::End), Command::Bottom, "bottom"),
    more(Key::ctrl('f'), Command::PageDown, "page down"),
    more(
        Key::plain(KeyCode::PageDown),
        Command::PageDown,
        "page down",
    ),
    more(Key::ctrl('b'), Command::PageUp, "page up"),
    more(Key::plain(KeyCode::PageUp), Command::PageUp, "page up"),
];

/// Sorting of tables.
const SORTS: &[Binding] = &[
    more(
        Key::shifted(KeyCode::Left),
        Command::SortLeft,
        "sort column left",
    ),
    more(
        Key::shifted(KeyCode::Right),
        Command::SortRight,
        "sort column right",
    ),
    more(Key::ch('O'), Command::SortReverse, "reverse order"),
    more(Key::ch('N'), Command::SortBy(Column::Name), "sort name"),
    more(Key::ch('H'), Command::SortBy(Column::Health), "sort health"),
    more(Key::ch('L'), Command::SortBy(Column::Lag), "sort lag"),
    more(Key::ch('T'), Command::SortBy(Column::Tasks), "sort tasks"),
    more(Key::ch('R'), Command::SortBy(Column::Rate), "sort rate"),
    more(Key::ch('A'), Command::SortBy(Column::Changed), "sort age"),
    more(Key::ch('S'), Command::SortBy(Column::State), "sort state"),
];

/// Marks.
const MARKS: &[Binding] = &[
    more(Key::ch(' '), Command::Mark, "mark"),
    more(Key::ctrl(' '), Command::MarkRange, "mark range"),
    more(Key::ctrl('\\'), Command::Unmark, "clear marks"),
];

/// Verbs on connectors.
const CONNECTOR_VERBS: &[Binding] = &[
    show(Key::ch('r'), Command::Restart, "restart"),
    show(Key::ch('p'), Command::Pause, "pause"),
    show(Key::ch('u'), Command::Resume, "resume"),
    show(Key::ch('s'), Command::Stop, "stop"),
    show(Key::ch('e'), Command::Edit, "edit"),
    more(Key::ctrl('d'), Command::Delete, "delete"),
];

/// Looks from a connector to other screens.
const CONNECTOR_LOOKS: &[Binding] = &[
    show(Key::ch('l'), Command::Trace, "trace"),
    more(Key::ch('o'), Command::Offsets, "offsets"),
    more(Key::ch('y'), Command::Config, "config"),
    more(Key::ch('t'), Command::Topics, "topics, lag"),
    more(Key::ch('w'), Command::Workers, "workers"),
    more(Key::ch('i'), Command::EventsOfRow, "events"),
    more(Key::ch('c'), Command::Copy, "copy"),
];

const HOME: &[Binding] = &[
    more(Key::plain(KeyCode::Enter), Command::Enter, "open connector"),
    more(Key::ch('a'), Command::New, "new connector"),
    more(Key::ctrl('z'), Command::Faults, "faults only"),
];

const CONNECTOR: &[Binding] = &[
    more(
        Key::plain(KeyCode::Enter),
        Command::Enter,
        "trace of the task",
    ),
    show(Key::plain(KeyCode::Tab), Command::NextPane, "pane"),
    more(
        Key::shifted(KeyCode::Tab),
        Command::PreviousPane,
        "pane before",
    ),
    more(Key::ch('1'), Command::OpenPane(Pane::Tasks), "tasks"),
    more(
        Key::ch('2'),
        Command::OpenPane(Pane::Lag),
        "lag by partition",
    ),
    more(Key::ch('3'), Command::OpenPane(Pane::Config), "config"),
    more(Key::ch('4'), Command::OpenPane(Pane::Offsets), "offsets"),
    more(Key::ch('5'), Command::OpenPane(Pane::Events), "events"),
    more(Key::ch('6'), Command::OpenPane(Pane::Trace), "trace"),
    more(Key::ch('f'), Command::Full, "full screen"),
    more(Key::ch('n'), Command::NextMatch, "next match"),
    more(Key::ch('N'), Command::PreviousMatch, "match before"),
    more(Key::ch('x'), Command::Reveal, "reveal secrets"),
    more(Key::ch('J'), Command::OwnerWorker, "worker of the task"),
    more(Key::ch('q'), Command::Back, "back"),
];

const TASKS: &[Binding] = &[
    more(Key::plain(KeyCode::Enter), Command::Enter, "open connector"),
    show(Key::ch('r'), Command::Restart, "restart"),
    show(Key::ch('l'), Command::Trace, "trace"),
    more(Key::ctrl('z'), Command::Faults, "faults only"),
    more(Key::ch('J'), Command::OwnerWorker, "worker of the task"),
    more(Key::ch('t'), Command::Topics, "topics, lag"),
    more(Key::ch('i'), Command::EventsOfRow, "events"),
    more(Key::ch('c'), Command::Copy, "copy root cause"),
];

const WORKERS: &[Binding] = &[
    show(Key::plain(KeyCode::Enter), Command::Enter, "tasks of it"),
    show(Key::plain(KeyCode::Tab), Command::NextPane, "rebalances"),
    more(Key::ch('c'), Command::Copy, "copy"),
];

const LAG: &[Binding] = &[
    show(Key::plain(KeyCode::Enter), Command::Enter, "open connector"),
    more(Key::ctrl('z'), Command::Faults, "with lag only"),
    more(Key::ch('c'), Command::Copy, "copy"),
];

const EVENTS: &[Binding] = &[
    show(Key::plain(KeyCode::Enter), Command::Enter, "open connector"),
    more(Key::ctrl('z'), Command::Faults, "no info"),
    more(Key::ch('c'), Command::Copy, "copy"),
];

const CONTEXTS: &[Binding] = &[show(Key::plain(KeyCode::Enter), Command::Enter, "switch")];

const HELP: &[Binding] = &[
    show(Key::plain(KeyCode::Esc), Command::Back, "back"),
    more(Key::ch('q'), Command::Back, "back"),
];

/// Keys of the demo alone.
const DEMO: &[Binding] = &[show(
    Key::ch('K'),
    Command::ToggleAgent,
    "kill, start agent",
)];

/// The groups of keys of a screen, in the demo or not: heading and lines. The first line that has a key wins.
pub(crate) fn groups(screen: &Screen, demo: bool) -> Vec<(&'static str, &'static [Binding])> {
    let mut groups: Vec<(&str, &[Binding])> = match screen {
        Screen::Connectors => vec![
            ("verbs", CONNECTOR_VERBS),
            ("here", HOME),
            ("look", CONNECTOR_LOOKS),
            ("marks", MARKS),
        ],
        Screen::Connector(_) => vec![
            ("verbs", CONNECTOR_VERBS),
            ("here", CONNECTOR),
            ("look", CONNECTOR_LOOKS),
        ],
        Screen::Tasks => vec![("here", TASKS), ("marks", MARKS)],
        Screen::Workers => vec![("here", WORKERS)],
        Screen::Lag => vec![("here", LAG)],
        Screen::Events => vec![("here", EVENTS)],
        Screen::Contexts => vec![("here", CONTEXTS)],
        Screen::Help => vec![("here", HELP)],
    };
    if demo {
        groups.push(("demo", DEMO));
    }
    groups.push(("everywhere", GLOBAL));
    groups.push(("move", MOVES));
    if !matches!(screen, Screen::Help) {
        groups.push(("sort", SORTS));
    }
    groups
}

/// The command of a key on a screen, in the demo or not.
pub(crate) fn lookup(screen: &Screen, demo: bool, key: Key) -> Option<Command> {
    groups(screen, demo)
        .into_iter()
        .flat_map(|(_, bindings)| bindings)
        .find(|binding| binding.key == key)
        .map(|binding| binding.command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screens() -> Vec<Screen> {
        vec![
            Screen::Connectors,
            Screen::Connector("c".into()),
            Screen::Tasks,
            Screen::Workers,
            Screen::Lag,
            Screen::Events,
            Screen::Contexts,
            Screen::Help,
        ]
    }

    #[test]
    fn no_key_is_bound_twice_within_a_group() {
        for screen in screens() {
            for (name, bindings) in groups(&screen, true) {
                for (i, a) in bindings.iter().enumerate() {
                    let twice = bindings.iter().skip(i + 1).any(|b| b.key == a.key);
                    assert!(!twice, "{screen:?} {name} {}", a.key.name());
                }
            }
        }
    }

    #[test]
    fn keys_that_terminals_eat_are_not_used_alone() {
        for screen in screens() {
            for (_, bindings) in groups(&screen, true) {
                for binding in bindings {
                    let forbidden = [
                        "ctrl-h", "ctrl-a", "ctrl-k", "ctrl-i", "ctrl-m", "ctrl-s", "ctrl-q",
                    ];
                    assert!(!forbidden.contains(&binding.key.name().as_str()));
                }
            }
        }
    }

    #[test]
    fn terminals_forms_of_a_key_are_one() {
        let event = |code, modifiers| Key::from_event(KeyEvent::new(code, modifiers));
        assert_eq!(event(KeyCode::Char('n'), KeyModifiers::SHIFT), Key::ch('N'));
        assert_eq!(event(KeyCode::Char('N'), KeyModifiers::NONE), Key::ch('N'));
        assert_eq!(event(KeyCode::Null, KeyModifiers::NONE), Key::ctrl(' '));
        assert_eq!(
            event(KeyCode::Char('4'), KeyModifiers::CONTROL),
            Key::ctrl('\\')
        );
        assert_eq!(
            event(KeyCode::Char('D'), KeyModifiers::CONTROL),
            Key::ctrl('d')
        );
        assert_eq!(
            event(KeyCode::BackTab, KeyModifiers::SHIFT),
            Key::shifted(KeyCode::Tab)
        );
    }
}
