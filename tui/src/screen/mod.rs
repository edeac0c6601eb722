//! Screens, each in a file of its own: its rows and columns, its keys, its word after `:`, and what it shows.
//!
//! A screen only reads the model: `update` moves between screens by what their keys and words lead to
//! ([`Go`]), and `view` draws what they consist of ([`Part`]). Adding one is its file and its line in
//! [`ALL`].

pub(crate) mod cell;
pub(crate) mod column;
pub(crate) mod part;
pub(crate) mod rows;
pub(crate) mod words;

pub(crate) mod connector;
pub(crate) mod connectors;
pub(crate) mod contexts;
pub(crate) mod events;
pub(crate) mod help;
pub(crate) mod lag;
pub(crate) mod tasks;
pub(crate) mod workers;

use ratatui::layout::Rect;
use sluice_protocol::ConnectorName;

use crate::keys::{self, Binding, Command, Key};
use crate::layout;
use crate::model::Model;
use crate::model::action::Outcome;
use crate::model::filter::Filter;
use crate::model::nav::{Pane, Place};
use crate::model::prompt::PromptKind;
use crate::model::table::{RowKey, TableId};
use part::{Content, Part};
use rows::Table;

/// All screens, in the order of their words in the help.
pub(crate) const ALL: &[&dyn Screen] = &[
    &connectors::Connectors,
    &connector::Connector,
    &tasks::Tasks,
    &workers::Workers,
    &lag::Lag,
    &events::Events,
    &contexts::Contexts,
    &help::Help,
];

/// Where each screen is, that of a connector with one of the fixtures.
#[cfg(test)]
pub(crate) fn places() -> Vec<Place> {
    let place = |screen: &&dyn Screen| match screen.word().word {
        crate::model::nav::CONNECTOR => Place::connector(&"orders-s3-0042".into()),
        name => Place::of(name),
    };
    ALL.iter().map(place).collect()
}

/// A word after `:`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    pub(crate) word: &'static str,
    /// Other forms of it.
    pub(crate) short: &'static [&'static str],
    /// What it does, in a few words; empty for a word that does nothing.
    pub(crate) what: &'static str,
}

impl Word {
    /// A word with its short forms and what it does.
    pub(crate) const fn new(
        word: &'static str,
        short: &'static [&'static str],
        what: &'static str,
    ) -> Self {
        Self { word, short, what }
    }

    /// The name of a screen that no word opens.
    pub(crate) const fn unlisted(word: &'static str) -> Self {
        Self::new(word, &[], "")
    }
}

/// Keys of a screen with the heading that they have in the help. The first line that has a key wins.
pub(crate) type Group = (&'static str, &'static [Binding]);

/// Where a key or a word of a screen leads.
pub(crate) enum Go {
    /// To the screen of a connector, with this task selected and this pane open.
    Connector {
        name: ConnectorName,
        task: Option<u32>,
        pane: Option<Pane>,
    },
    /// To a pane of the connector that is open.
    Pane(Pane),
    /// To some of the rows of another screen's first table.
    Rows(&'static dyn Screen, Filter),
    /// To another context, by its place in the configuration.
    Context(usize),
    /// Nowhere; the user reads why.
    Nowhere(Outcome, String),
}

impl Go {
    /// To a connector as a whole.
    pub(crate) fn connector(name: &ConnectorName) -> Self {
        Self::Connector {
            name: name.clone(),
            task: None,
            pane: None,
        }
    }

    /// Nowhere, which is no fault.
    pub(crate) fn nowhere(why: &str) -> Self {
        Self::Nowhere(Outcome::Pending, why.to_owned())
    }
}

/// What a screen says of itself.
pub(crate) trait Screen: Sync {
    /// The word that opens it, and its name among all screens.
    fn word(&self) -> Word;

    /// The keys that are not common to all screens.
    fn keys(&self) -> Vec<Group>;

    /// Keys named in the header beside those of the bindings.
    fn more_keys(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    /// Its tables. Words with a filter act on the first.
    fn tables(&self) -> &'static [&'static dyn Table] {
        &[]
    }

    /// Where the tables are, in their order; height 0 for one that is not shown.
    fn areas(&self, model: &Model) -> Vec<Rect> {
        vec![layout::body(model)]
    }

    /// Which of its tables the keys act on; `None` when they act on a text.
    fn focus(&self, model: &Model) -> Option<usize> {
        let last = self.tables().len().checked_sub(1)?;
        let focus = model.ui.focus.get(self.word().word).copied().unwrap_or(0);
        Some(focus.min(last))
    }

    /// What is drawn between header and footer.
    fn parts(&self, model: &Model) -> Vec<Part> {
        let focus = self.focus(model);
        let tables = self.tables().iter().zip(self.areas(model)).enumerate();
        tables
            .filter(|(_, (_, area))| area.height > 2)
            .map(|(i, (table, area))| Part {
                area,
                focused: focus == Some(i),
                content: Content::Table(*table),
            })
            .collect()
    }

    /// The lines of its text and how many of them are on the screen; no text has no line.
    fn text(&self, _model: &Model) -> (Vec<String>, usize) {
        (Vec::new(), 0)
    }

    /// What `/` does with its text: search in it, or leave out other lines.
    fn prompt(&self) -> PromptKind {
        PromptKind::Search
    }

    /// What its word means with this behind it; `None` when that is a filter of its first table.
    fn argument(&self, _model: &Model, _rest: &str) -> Option<Go> {
        None
    }

    /// What may stand behind its word.
    fn completions(&self, _model: &Model) -> Vec<String> {
        Vec::new()
    }

    /// What verbs act on.
    fn targets(&self, _model: &Model) -> Vec<RowKey> {
        Vec::new()
    }

    /// Where enter leads from the row under the cursor.
    fn enter(&self, model: &Model) -> Go {
        let row = current_row(model);
        let go = row.and_then(|(table, key)| table.enter(model, key));
        go.unwrap_or_else(|| Go::nowhere("no row to open"))
    }

    /// What goes to the clipboard.
    fn copy(&self, model: &Model) -> Option<String> {
        let (table, key) = current_row(model)?;
        table.copy(model, key)
    }
}

impl dyn Screen {
    /// Its name in the breadcrumbs and for the state of its text.
    pub(crate) fn name(&self) -> &'static str {
        self.word().word
    }

    /// The screen as a place to go to.
    pub(crate) fn place(&self) -> Place {
        Place::of(self.name())
    }

    /// Rows of its table of this name that fit on the screen.
    pub(crate) fn table_rows(&self, model: &Model, table: TableId) -> usize {
        let mut tables = self.tables().iter().zip(self.areas(model));
        let area = tables.find(|(own, _)| own.id() == table);
        usize::from(area.map_or(0, |(_, area)| area.height.saturating_sub(3)))
    }

    /// All of its keys, in the demo or not: heading and lines.
    pub(crate) fn groups(&self, demo: bool) -> Vec<Group> {
        let mut groups = self.keys();
        if demo {
            groups.push(("demo", keys::DEMO));
        }
        groups.push(("everywhere", keys::GLOBAL));
        groups.push(("move", keys::MOVES));
        if !self.tables().is_empty() {
            groups.push(("sort", keys::SORTS));
        }
        groups
    }

    /// The command of a key on it, in the demo or not.
    pub(crate) fn command(&self, demo: bool, key: Key) -> Option<Command> {
        let groups = self.groups(demo);
        let mut bindings = groups.into_iter().flat_map(|(_, bindings)| bindings);
        let found = bindings.find(|binding| binding.key == key);
        found.map(|binding| binding.command)
    }
}

/// The screen at a place.
pub(crate) fn at(place: &Place) -> &'static dyn Screen {
    let found = ALL.iter().find(|screen| screen.name() == place.screen);
    *found.unwrap_or(&ALL[0])
}

/// The screen that is shown.
pub(crate) fn current(model: &Model) -> &'static dyn Screen {
    at(model.ui.nav.current())
}

/// The table that has the focus.
pub(crate) fn focused(model: &Model) -> Option<&'static dyn Table> {
    let screen = current(model);
    screen.tables().get(screen.focus(model)?).copied()
}

/// The row the cursor is on, on the screen that is shown, with its table.
pub(crate) fn current_row(model: &Model) -> Option<(&'static dyn Table, &RowKey)> {
    let first = || current(model).tables().first().copied();
    let table = focused(model).or_else(first)?;
    Some((table, model.table(table.id()).current()?))
}

#[cfg(test)]
mod tests {
    use super::rows::Rows;
    use super::*;

    #[test]
    fn columns_fit_every_width() {
        for table in ALL.iter().flat_map(|screen| screen.tables()) {
            for wide in [false, true] {
                for width in 34..300 {
                    let fitted = table.fitted(width, wide);
                    let used: u16 = fitted.iter().map(|(_, w)| w + 1).sum::<u16>() - 1;
                    let id = table.id();
                    assert!(
                        used <= width || id == workers::Rebalances::ID && width < 44,
                        "{id:?} {width} {used}"
                    );
                }
            }
        }
    }

    #[test]
    fn no_key_is_bound_twice_within_a_group() {
        for screen in ALL {
            for (group, bindings) in screen.groups(true) {
                for (i, a) in bindings.iter().enumerate() {
                    let twice = bindings.iter().skip(i + 1).any(|b| b.key == a.key);
                    assert!(!twice, "{} {group} {}", screen.name(), a.key.name());
                }
            }
        }
    }

    #[test]
    fn keys_that_terminals_eat_are_not_used_alone() {
        for screen in ALL {
            for binding in screen.groups(true).iter().flat_map(|(_, keys)| *keys) {
                let forbidden = [
                    "ctrl-h", "ctrl-a", "ctrl-k", "ctrl-i", "ctrl-m", "ctrl-s", "ctrl-q",
                ];
                assert!(!forbidden.contains(&binding.key.name().as_str()));
            }
        }
    }
}
