//! Keys and the commands they stand for. Screens have tables of them, from which header, help and dispatch
//! are made, so that these can't contradict each other; here are the tables that several share.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::model::nav::Pane;

/// A key as the table names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) code: KeyCode,
    pub(crate) ctrl: bool,
    /// With shift; only kept for keys that are not characters.
    pub(crate) shift: bool,
}

impl Key {
    /// A key without ctrl and shift.
    pub(crate) const fn plain(code: KeyCode) -> Self {
        Self {
            code,
            ctrl: false,
            shift: false,
        }
    }

    /// A character, in upper case with shift.
    pub(crate) const fn ch(c: char) -> Self {
        Self::plain(KeyCode::Char(c))
    }

    /// A character with ctrl, in lower case.
    pub(crate) const fn ctrl(c: char) -> Self {
        Self {
            code: KeyCode::Char(c),
            ctrl: true,
            shift: false,
        }
    }

    /// A key that is not a character, with shift.
    pub(crate) const fn shifted(code: KeyCode) -> Self {
        Self {
            code,
            ctrl: false,
            shift: true,
        }
    }

    /// Brings what terminals send into one form: `shift` is part of a character, ctrl-space may come as
    /// NUL, ctrl-4 as ctrl-\.
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
    /// By the column that has this letter in the table that has the focus.
    SortBy(char),
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
    pub(crate) key: Key,
    pub(crate) command: Command,
    /// One or two words for header and help.
    pub(crate) word: &'static str,
    /// Shown in the header; the rest only in help.
    pub(crate) header: bool,
}

/// A line that the header names too.
pub(crate) const fn show(key: Key, command: Command, word: &'static str) -> Binding {
    Binding {
        key,
        command,
        word,
        header: true,
    }
}

/// A line that only the help names.
pub(crate) const fn more(key: Key, command: Command, word: &'static str) -> Binding {
    Binding {
        key,
        command,
        word,
        header: false,
    }
}

/// A line for a key that is not a character.
pub(crate) const fn code(code: KeyCode, command: Command, word: &'static str) -> Binding {
    more(Key::plain(code), command, word)
}

/// Keys that mean the same everywhere.
pub(crate) const GLOBAL: &[Binding] = &[
    show(Key::ch('/'), Command::FilterLine, "filter"),
    show(Key::ch(':'), Command::OpenLine, "cmd"),
    show(Key::ch('?'), Command::Help, "help"),
    code(KeyCode::Esc, Command::Back, "clear filter, then up"),
    more(Key::ch('['), Command::HistoryBack, "view before"),
    more(Key::ch(']'), Command::HistoryForward, "view after"),
    more(Key::ch('-'), Command::LastView, "last view"),
    more(Key::ctrl('r'), Command::Refresh, "refresh now"),
    more(Key::ctrl('l'), Command::Redraw, "redraw"),
    more(Key::ctrl('w'), Command::Wide, "wide columns"),
    more(Key::ctrl('c'), Command::Quit, "quit"),
];

/// Moving in tables and texts.
pub(crate) const MOVES: &[Binding] = &[
    more(Key::ch('j'), Command::Down, "down"),
    code(KeyCode::Down, Command::Down, "down"),
    more(Key::ch('k'), Command::Up, "up"),
    code(KeyCode::Up, Command::Up, "up"),
    more(Key::ch('g'), Command::Top, "top"),
    code(KeyCode::Home, Command::Top, "top"),
    more(Key::ch('G'), Command::Bottom, "bottom"),
    code(KeyCode::End, Command::Bottom, "bottom"),
    more(Key::ctrl('f'), Command::PageDown, "page down"),
    code(KeyCode::PageDown, Command::PageDown, "page down"),
    more(Key::ctrl('b'), Command::PageUp, "page up"),
    code(KeyCode::PageUp, Command::PageUp, "page up"),
];

const LEFT: Key = Key::shifted(KeyCode::Left);
const RIGHT: Key = Key::shifted(KeyCode::Right);

/// Keys that sort tables.
pub(crate) const SORTS: &[Binding] = &[
    more(LEFT, Command::SortLeft, "sort column left"),
    more(RIGHT, Command::SortRight, "sort column right"),
    more(Key::ch('O'), Command::SortReverse, "reverse order"),
    more(Key::ch('N'), Command::SortBy('N'), "sort name"),
    more(Key::ch('H'), Command::SortBy('H'), "sort health"),
    more(Key::ch('L'), Command::SortBy('L'), "sort lag"),
    more(Key::ch('T'), Command::SortBy('T'), "sort tasks"),
    more(Key::ch('R'), Command::SortBy('R'), "sort rate"),
    more(Key::ch('A'), Command::SortBy('A'), "sort age"),
    more(Key::ch('S'), Command::SortBy('S'), "sort state"),
];

/// Keys that mark rows.
pub(crate) const MARKS: &[Binding] = &[
    more(Key::ch(' '), Command::Mark, "mark"),
    more(Key::ctrl(' '), Command::MarkRange, "mark range"),
    more(Key::ctrl('\\'), Command::Unmark, "clear marks"),
];

/// Keys for the verbs on connectors.
pub(crate) const CONNECTOR_VERBS: &[Binding] = &[
    show(Key::ch('r'), Command::Restart, "restart"),
    show(Key::ch('p'), Command::Pause, "pause"),
    show(Key::ch('u'), Command::Resume, "resume"),
    show(Key::ch('s'), Command::Stop, "stop"),
    show(Key::ch('e'), Command::Edit, "edit"),
    more(Key::ctrl('d'), Command::Delete, "delete"),
];

/// Looks from a connector to other screens.
pub(crate) const CONNECTOR_LOOKS: &[Binding] = &[
    show(Key::ch('l'), Command::Trace, "trace"),
    more(Key::ch('o'), Command::Offsets, "offsets"),
    more(Key::ch('y'), Command::Config, "config"),
    more(Key::ch('t'), Command::Topics, "topics, lag"),
    more(Key::ch('w'), Command::Workers, "workers"),
    more(Key::ch('i'), Command::EventsOfRow, "events"),
    more(Key::ch('c'), Command::Copy, "copy"),
];

/// Opens the connector of the row.
pub(crate) const OPEN: Binding = show(Key::plain(KeyCode::Enter), Command::Enter, "open connector");
/// Leaves out the rows that are well.
pub(crate) const FAULTS: Binding = more(Key::ctrl('z'), Command::Faults, "faults only");
/// Copies what the row is best known by.
pub(crate) const COPY: Binding = more(Key::ch('c'), Command::Copy, "copy");
/// From a task to the worker that has it.
pub(crate) const OWNER: Binding = more(Key::ch('J'), Command::OwnerWorker, "worker of the task");

/// Keys of the demo alone.
pub(crate) const DEMO: &[Binding] = &[show(
    Key::ch('K'),
    Command::ToggleAgent,
    "kill, start agent",
)];

#[cfg(test)]
mod tests {
    use super::*;

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
