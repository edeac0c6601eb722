//! State of a table: sorted row index, selection, marks, filter. Everything a view needs to draw only
//! visible rows.

use std::collections::BTreeSet;

use sluice_protocol::ConnectorName;

use super::filter::Filter;
use crate::text::Text;

/// A table by its name, which no other table of the terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TableId(pub(crate) &'static str);

/// What identifies a row of a table while the data around it changes. Rows of equal rank stand in the order
/// of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowKey {
    /// The connector that the row belongs to; `None` where rows belong to none.
    pub(crate) connector: Option<ConnectorName>,
    /// A worker, a topic.
    pub(crate) name: Option<Text>,
    /// A task, a partition, an event, or the place in a list.
    pub(crate) number: Option<i64>,
}

impl RowKey {
    /// The row of a connector.
    pub(crate) fn connector(name: &ConnectorName) -> Self {
        Self {
            connector: Some(name.clone()),
            ..Self::default()
        }
    }

    /// The row of a task.
    pub(crate) fn task(name: &ConnectorName, id: u32) -> Self {
        Self {
            number: Some(i64::from(id)),
            ..Self::connector(name)
        }
    }

    /// A row that a name identifies.
    pub(crate) fn named(name: &Text) -> Self {
        Self {
            name: Some(name.clone()),
            ..Self::default()
        }
    }

    /// A row that a number identifies; numbers beyond `i64` are one row, which no list here reaches.
    pub(crate) fn numbered(number: impl TryInto<i64>) -> Self {
        Self {
            number: Some(number.try_into().unwrap_or(i64::MAX)),
            ..Self::default()
        }
    }

    /// The task of a row made by [`RowKey::task`].
    pub(crate) fn task_id(&self) -> Option<(&ConnectorName, u32)> {
        let id = self.number.filter(|_| self.name.is_none())?;
        Some((self.connector.as_ref()?, u32::try_from(id).ok()?))
    }

    /// The place of a row made by [`RowKey::numbered`].
    pub(crate) fn place(&self) -> Option<usize> {
        usize::try_from(self.number?).ok()
    }
}

/// Sort order of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    /// By which of the table's columns, counted from 0, hidden ones included.
    pub(crate) column: usize,
    /// Against the column's natural order.
    pub(crate) reverse: bool,
}

/// The rows of a table that pass its filter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// Keys of the rows, sorted.
    pub(crate) rows: Vec<RowKey>,
    /// How many rows there are before filtering.
    pub(crate) total: usize,
    /// Those that need to be looked at; empty in tables that have no such rows.
    pub(crate) bad: BTreeSet<RowKey>,
}

/// State of one table; at first without rows, without a filter and in the order of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct TableState {
    /// Rows that pass the filter, sorted.
    pub(crate) rows: Vec<RowKey>,
    /// How many rows there are before filtering.
    pub(crate) total: usize,
    /// Place of the selected row in `rows`.
    pub(crate) selected: usize,
    /// First row on the screen.
    pub(crate) offset: usize,
    pub(crate) marks: BTreeSet<RowKey>,
    /// Where the last mark was set; start of a range.
    pub(crate) anchor: Option<RowKey>,
    /// What rows have to pass.
    pub(crate) filter: Filter,
    /// The filter a visit began with: that of a look from another screen. Esc leaves the screen when it
    /// stands.
    pub(crate) given: Filter,
    /// Only what is not well.
    pub(crate) faults: bool,
    /// Sort order the user chose; `None` leaves the table's own.
    pub(crate) sort: Option<Sort>,
    /// Which rows were bad when the rows were last sorted.
    pub(crate) bad: BTreeSet<RowKey>,
}

impl TableState {
    /// The key of the selected row.
    pub(crate) fn current(&self) -> Option<&RowKey> {
        self.rows.get(self.selected)
    }

    /// Replaces the rows. A selection that was moved follows its row; one that still rests on the first row
    /// stays on top, so that the worst is what one sees.
    ///
    /// One works down a list of failures: where the worst come first, a row that gets well leaves the top,
    /// and the selection stays with the failures.
    pub(crate) fn replace(&mut self, index: Index, worst_first: bool) {
        let moved = self.current().filter(|_| self.selected > 0);
        let well = |key: &RowKey| self.bad.contains(key) && !index.bad.contains(key);
        let follow = moved.filter(|key| !(worst_first && well(key)));
        let rows = &index.rows;
        let found = follow.and_then(|key| rows.iter().position(|row| row == key));
        self.selected = found
            .unwrap_or(self.selected)
            .min(rows.len().saturating_sub(1));
        self.rows = index.rows;
        self.total = index.total;
        self.bad = index.bad;
    }

    /// Begins a visit: with this filter, and nothing that was left from the visit before.
    pub(crate) fn begin_visit(&mut self, filter: Filter) {
        self.given = filter.clone();
        self.filter = filter;
        self.faults = false;
    }

    /// Keeps the selection within a window of `height` rows.
    pub(crate) fn scroll_to_selection(&mut self, height: usize) {
        let height = height.max(1);
        if self.selected < self.offset {
            self.offset = self.selected;
        } else if self.selected >= self.offset + height {
            self.offset = self.selected + 1 - height;
        }
        self.offset = self.offset.min(self.rows.len().saturating_sub(height));
    }

    /// Moves the selection by `delta` rows, stopping at the ends.
    pub(crate) fn move_by(&mut self, delta: isize) {
        let last = self.rows.len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(delta).min(last);
    }

    /// Selects the row with this key, if it is there.
    pub(crate) fn select(&mut self, key: &RowKey) {
        if let Some(place) = self.rows.iter().position(|row| row == key) {
            self.selected = place;
        }
    }

    /// Marks or unmarks the selected row and selects the next.
    pub(crate) fn toggle_mark(&mut self) {
        if let Some(key) = self.current().cloned() {
            if !self.marks.remove(&key) {
                self.marks.insert(key.clone());
            }
            self.anchor = Some(key);
            self.move_by(1);
        }
    }

    /// Marks all rows between the last mark and the selection.
    pub(crate) fn mark_range(&mut self) {
        let start = self
            .anchor
            .as_ref()
            .and_then(|anchor| self.rows.iter().position(|row| row == anchor))
            .unwrap_or(self.selected);
        let (from, to) = (start.min(self.selected), start.max(self.selected));
        let range: Vec<RowKey> = self.rows.iter().take(to + 1).skip(from).cloned().collect();
        self.anchor = self.current().cloned();
        self.marks.extend(range);
    }

    /// The rows a verb acts on: the marked ones, else the selected one.
    pub(crate) fn targets(&self) -> Vec<RowKey> {
        if self.marks.is_empty() {
            self.current().cloned().into_iter().collect()
        } else {
            self.marks.iter().cloned().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> RowKey {
        RowKey::connector(&name.into())
    }

    fn index(names: &[&str]) -> Index {
        Index {
            rows: names.iter().map(|name| key(name)).collect(),
            total: names.len(),
            bad: BTreeSet::new(),
        }
    }

    fn table(names: &[&str]) -> TableState {
        let mut table = TableState::default();
        table.replace(index(names), false);
        table
    }

    #[test]
    fn the_selection_follows_its_row_but_rests_on_top() {
        let mut state = table(&["a", "b", "c"]);
        state.replace(index(&["c", "a", "b"]), false);
        assert_eq!(state.current(), Some(&key("c")), "rests on the first row");
        state.move_by(2);
        state.replace(index(&["b", "a", "c"]), false);
        assert_eq!(state.current(), Some(&key("b")), "follows");
        state.replace(index(&["a"]), false);
        assert_eq!(state.current(), Some(&key("a")));
        state.replace(Index::default(), false);
        assert_eq!(state.current(), None);
    }

    #[test]
    fn a_range_is_marked_from_the_last_mark() {
        let mut state = table(&["a", "b", "c", "d"]);
        state.toggle_mark();
        state.move_by(1);
        state.mark_range();
        assert_eq!(state.targets(), [key("a"), key("b"), key("c")]);
    }

    #[test]
    fn the_selection_stays_in_the_window() {
        let mut state = table(&["a", "b", "c", "d", "e"]);
        state.move_by(10);
        state.scroll_to_selection(2);
        assert_eq!((state.selected, state.offset), (4, 3));
        state.move_by(-3);
        state.scroll_to_selection(2);
        assert_eq!((state.selected, state.offset), (1, 1));
    }
}
