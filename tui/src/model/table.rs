//! State of a table: sorted row index, selection, marks, filter. Everything a view needs to draw only visible rows.

use std::collections::BTreeSet;

use sluice_protocol::ConnectorName;

use super::filter::Filter;
use crate::text::Text;

/// The tables of all screens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TableId {
    /// Home.
    Connectors,
    /// Tasks of one connector.
    ConnectorTasks,
    /// Tasks of all connectors.
    Tasks,
    /// Workers.
    Workers,
    /// Rebalances, below the workers.
    Rebalances,
    /// Partitions read by sinks.
    Lag,
    /// Events.
    Events,
    /// Contexts of the configuration file.
    Contexts,
}

impl TableId {
    /// All tables, in the order of their discriminants.
    pub(crate) const ALL: [Self; 8] = [
        Self::Connectors,
        Self::ConnectorTasks,
        Self::Tasks,
        Self::Workers,
        Self::Rebalances,
        Self::Lag,
        Self::Events,
        Self::Contexts,
    ];
}

/// What identifies a row while the data around it changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RowKey {
    /// A connector.
    Connector(ConnectorName),
    /// A task.
    Task(ConnectorName, u32),
    /// A worker.
    Worker(Text),
    /// A rebalance by its place in the list, newest 0.
    Rebalance(usize),
    /// A partition of a sink.
    Partition(ConnectorName, Text, i32),
    /// An event by its number.
    Event(u64),
    /// A context by its place in the configuration.
    Context(usize),
}

impl RowKey {
    /// The connector a row belongs to.
    pub(crate) fn connector(&self) -> Option<&ConnectorName> {
        match self {
            Self::Connector(name) | Self::Task(name, _) | Self::Partition(name, _, _) => Some(name),
            _ => None,
        }
    }
}

/// A column of any table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Health,
    Name,
    Type,
    Tasks,
    Lag,
    Trend,
    Rate,
    Errors,
    Restarts,
    Changed,
    Class,
    Version,
    Worker,
    Topics,
    Dlq,
    Group,
    Moved,
    Id,
    State,
    Batch,
    Commit,
    Partitions,
    LastError,
    Generation,
    RootCause,
    Kind,
    Leader,
    Connectors,
    Delta,
    Cpu,
    Memory,
    Up,
    Start,
    Duration,
    Cause,
    Joined,
    Left,
    Assigned,
    Revoked,
    Delay,
    Topic,
    Partition,
    End,
    Committed,
    Eta,
    Owner,
    Time,
    Severity,
    Object,
    What,
    By,
    Urls,
    Mode,
    Seen,
}

/// How a column is laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ColumnSpec {
    /// Which.
    pub(crate) column: Column,
    /// Heading.
    pub(crate) title: &'static str,
    /// Least width in cells.
    pub(crate) width: u16,
    /// Share of the space left over; 0 for none.
    pub(crate) grow: u16,
    /// Numbers stand right.
    pub(crate) right: bool,
    /// The higher, the sooner it goes when space is short; 0 always stays.
    pub(crate) drop: u8,
    /// Shown in wide mode only.
    pub(crate) wide: bool,
}

const fn left(column: Column, title: &'static str, width: u16, grow: u16, drop: u8) -> ColumnSpec {
    ColumnSpec {
        column,
        title,
        width,
        grow,
        right: false,
        drop,
        wide: false,
    }
}

const fn right(column: Column, title: &'static str, width: u16, drop: u8) -> ColumnSpec {
    ColumnSpec {
        column,
        title,
        width,
        grow: 0,
        right: true,
        drop,
        wide: false,
    }
}

const fn wide(column: Column, title: &'static str, width: u16, grow: u16) -> ColumnSpec {
    ColumnSpec {
        column,
        title,
        width,
        grow,
        right: false,
        drop: 9,
        wide: true,
    }
}

const CONNECTORS: &[ColumnSpec] = &[
    left(Column::Health, "HEALTH", 10, 0, 0),
    left(Column::Name, "NAME", 22, 4, 0),
    left(Column::Type, "TYPE", 6, 0, 3),
    left(Column::Tasks, "TASKS", 7, 0, 0),
    right(Column::Lag, "LAG", 5, 1),
    left(Column::Trend, "TREND", 8, 1, 8),
    right(Column::Rate, "REC/S", 6, 2),
    right(Column::Errors, "ERR", 4, 5),
    right(Column::Restarts, "RST", 3, 4),
    right(Column::Changed, "CHG", 5, 2),
    wide(Column::Class, "CLASS", 20, 2),
    wide(Column::Version, "VERSION", 8, 0),
    wide(Column::Worker, "WORKER", 15, 1),
    wide(Column::Topics, "TOPICS", 12, 2),
    wide(Column::Dlq, "DLQ", 10, 1),
    wide(Column::Group, "GROUP", 14, 1),
    wide(Column::Moved, "OFFSET-AGE", 10, 0),
];

const CONNECTOR_TASKS: &[ColumnSpec] = &[
    right(Column::Id, "ID", 3, 0),
    left(Column::State, "STATE", 10, 0, 0),
    left(Column::Worker, "WORKER", 14, 2, 0),
    right(Column::Lag, "LAG", 5, 1),
    right(Column::Rate, "REC/S", 6, 2),
    right(Column::Batch, "BATCH", 6, 7),
    right(Column::Commit, "COMMIT", 7, 4),
    right(Column::Errors, "ERR", 4, 3),
    right(Column::Restarts, "RST", 3, 5),
    right(Column::Changed, "SINCE", 6, 2),
    left(Column::Partitions, "PARTITIONS", 12, 2, 6),
    wide(Column::LastError, "LAST-ERR", 16, 2),
    wide(Column::Generation, "GEN", 4, 0),
];

const TASKS: &[ColumnSpec] = &[
    left(Column::State, "STATE", 10, 0, 0),
    left(Column::Name, "CONNECTOR", 14, 3, 0),
    right(Column::Id, "ID", 3, 0),
    left(Column::Worker, "WORKER", 15, 1, 3),
    right(Column::Lag, "LAG", 5, 4),
    right(Column::Rate, "REC/S", 6, 5),
    right(Column::Restarts, "RST", 3, 6),
    right(Column::Changed, "SINCE", 6, 2),
    // Wide enough to tell one cause from another: that is what this table is read for.
    left(Column::RootCause, "ROOT-CAUSE", 28, 5, 1),
    wide(Column::Partitions, "PARTITIONS", 12, 2),
];

const WORKERS: &[ColumnSpec] = &[
    left(Column::Worker, "WORKER", 18, 2, 0),
    left(Column::Kind, "KIND", 5, 0, 0),
    left(Column::Version, "VERSION", 9, 0, 2),
    left(Column::Leader, "LEAD", 4, 0, 0),
    left(Column::Health, "HEALTH", 12, 1, 0),
    right(Column::Connectors, "CONN", 5, 1),
    right(Column::Tasks, "TASKS", 5, 0),
    right(Column::Delta, "DELTA", 5, 3),
    right(Column::Cpu, "CPU%", 5, 2),
    right(Column::Memory, "MEM", 5, 2),
    right(Column::Rate, "REC/S", 6, 4),
    right(Column::Up, "UP", 5, 3),
];

const REBALANCES: &[ColumnSpec] = &[
    right(Column::Generation, "GEN", 4, 0),
    left(Column::Start, "START", 8, 0, 0),
    right(Column::Duration, "DUR", 6, 0),
    left(Column::Cause, "CAUSE", 30, 1, 0),
    right(Column::Joined, "JOIN", 4, 1),
    right(Column::Left, "LEFT", 4, 1),
    right(Column::Assigned, "MOVED", 5, 2),
    right(Column::Revoked, "REVOKED", 7, 4),
    right(Column::Delay, "DELAY", 6, 3),
];

const LAG: &[ColumnSpec] = &[
    left(Column::Topic, "TOPIC", 14, 2, 0),
    right(Column::Partition, "PART", 4, 0),
    right(Column::End, "END", 10, 3),
    right(Column::Committed, "COMMITTED", 10, 3),
    right(Column::Lag, "LAG", 6, 0),
    right(Column::Eta, "ETA", 6, 2),
    left(Column::Name, "CONNECTOR", 14, 2, 1),
    left(Column::Owner, "OWNER", 10, 1, 4),
];

const EVENTS: &[ColumnSpec] = &[
    left(Column::Time, "TIME", 8, 0, 0),
    left(Column::Severity, "SEV", 5, 0, 1),
    left(Column::Kind, "KIND", 10, 0, 2),
    left(Column::Object, "OBJECT", 16, 1, 0),
    left(Column::What, "WHAT", 30, 4, 0),
    left(Column::By, "BY", 10, 1, 3),
];

const CONTEXTS: &[ColumnSpec] = &[
    left(Column::Name, "NAME", 10, 1, 0),
    left(Column::Urls, "URLS", 20, 2, 0),
    left(Column::Version, "VERSION", 8, 0, 3),
    left(Column::State, "STATE", 12, 1, 0),
    right(Column::Connectors, "CONN", 5, 1),
    right(Column::Errors, "BAD", 4, 1),
    left(Column::Mode, "MODE", 4, 0, 0),
    left(Column::Seen, "SEEN", 9, 0, 2),
];

/// All columns of a table, in their order on the screen.
pub(crate) const fn columns(table: TableId) -> &'static [ColumnSpec] {
    match table {
        TableId::Connectors => CONNECTORS,
        TableId::ConnectorTasks => CONNECTOR_TASKS,
        TableId::Tasks => TASKS,
        TableId::Workers => WORKERS,
        TableId::Rebalances => REBALANCES,
        TableId::Lag => LAG,
        TableId::Events => EVENTS,
        TableId::Contexts => CONTEXTS,
    }
}

/// The columns that fit into `width` cells, with the width of each.
///
/// Columns with the highest `drop` go first; what is left over is shared by those that grow.
pub(crate) fn fit(table: TableId, width: u16, wide: bool) -> Vec<(ColumnSpec, u16)> {
    let mut chosen: Vec<ColumnSpec> = columns(table)
        .iter()
        .filter(|spec| wide || !spec.wide)
        .copied()
        .collect();
    let needed = |specs: &[ColumnSpec]| -> u16 {
        specs
            .iter()
            .map(|spec| spec.width + 1)
            .sum::<u16>()
            .saturating_sub(1)
    };
    while needed(&chosen) > width {
        let Some((worst, _)) = chosen
            .iter()
            .enumerate()
            .filter(|(_, spec)| spec.drop > 0)
            .max_by_key(|(i, spec)| (spec.drop, *i))
        else {
            break;
        };
        chosen.remove(worst);
    }
    // On a very narrow screen names give way before columns that say something is wrong.
    while needed(&chosen) > width {
        let widest = chosen
            .iter_mut()
            .filter(|spec| spec.grow > 0 && spec.width > 8)
            .max_by_key(|spec| spec.width);
        let Some(widest) = widest else { break };
        widest.width -= 1;
    }
    let spare = width.saturating_sub(needed(&chosen));
    let shares: u16 = chosen.iter().map(|spec| spec.grow).sum();
    let mut given = 0;
    let last_growing = chosen.iter().rposition(|spec| spec.grow > 0);
    chosen
        .into_iter()
        .enumerate()
        .map(|(i, spec)| {
            let extra = if Some(i) == last_growing {
                spare - given
            } else if shares > 0 {
                (u32::from(spare) * u32::from(spec.grow) / u32::from(shares)) as u16
            } else {
                0
            };
            given += extra;
            (spec, spec.width + extra)
        })
        .collect()
}

/// Sort order of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    /// By which column.
    pub(crate) column: Column,
    /// Against the column's natural order.
    pub(crate) reverse: bool,
}

/// State of one table.
#[derive(Clone, Debug)]
pub(crate) struct TableState {
    /// Rows that pass the filter, sorted.
    pub(crate) rows: Vec<RowKey>,
    /// Rows before filtering.
    pub(crate) total: usize,
    /// Place of the selected row in `rows`.
    pub(crate) selected: usize,
    /// First row on the screen.
    pub(crate) offset: usize,
    /// Marked rows.
    pub(crate) marks: BTreeSet<RowKey>,
    /// Where the last mark was set; start of a range.
    pub(crate) anchor: Option<RowKey>,
    /// Filter.
    pub(crate) filter: Filter,
    /// The filter a visit began with: that of a look from another screen. Esc leaves the screen when it stands.
    pub(crate) given: Filter,
    /// Only what is not well.
    pub(crate) faults: bool,
    /// Sort order.
    pub(crate) sort: Sort,
    /// Which rows were bad when the rows were last put in order.
    pub(crate) bad: BTreeSet<RowKey>,
}

impl TableState {
    /// An empty table with the default order of `table`.
    pub(crate) fn new(table: TableId) -> Self {
        let column = match table {
            TableId::Connectors => Column::Health,
            TableId::ConnectorTasks => Column::Id,
            TableId::Tasks => Column::State,
            TableId::Workers => Column::Worker,
            TableId::Rebalances => Column::Start,
            TableId::Lag => Column::Lag,
            TableId::Events => Column::Time,
            TableId::Contexts => Column::Name,
        };
        Self {
            rows: Vec::new(),
            total: 0,
            selected: 0,
            offset: 0,
            marks: BTreeSet::new(),
            anchor: None,
            filter: Filter::default(),
            given: Filter::default(),
            faults: false,
            sort: Sort {
                column,
                reverse: false,
            },
            bad: BTreeSet::new(),
        }
    }

    /// The selected row.
    pub(crate) fn current(&self) -> Option<&RowKey> {
        self.rows.get(self.selected)
    }

    /// Replaces the rows. A selection that was moved follows its row; one that still rests on the first row stays on
    /// top, so that the worst is what one sees.
    pub(crate) fn replace(&mut self, rows: Vec<RowKey>, total: usize) {
        let follow = if self.selected > 0 {
            self.current().cloned()
        } else {
            None
        };
        self.rows = rows;
        self.total = total;
        if let Some(key) = follow
            && let Some(place) = self.rows.iter().position(|row| *row == key)
        {
            self.selected = place;
        }
        self.selected = self.selected.min(self.rows.len().saturating_sub(1));
    }

    /// Replaces the rows and keeps the place of the selection, whichever row is there now.
    pub(crate) fn replace_in_place(&mut self, rows: Vec<RowKey>, total: usize) {
        self.rows = rows;
        self.total = total;
        self.selected = self.selected.min(self.rows.len().saturating_sub(1));
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

    /// Marks or unmarks the selected row and goes on to the next.
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
        RowKey::Connector(name.into())
    }

    fn table(names: &[&str]) -> TableState {
        let mut table = TableState::new(TableId::Connectors);
        table.replace(names.iter().map(|name| key(name)).collect(), names.len());
        table
    }

    #[test]
    fn the_selection_follows_its_row_but_rests_on_top() {
        let mut state = table(&["a", "b", "c"]);
        state.replace(vec![key("c"), key("a"), key("b")], 3);
        assert_eq!(state.current(), Some(&key("c")), "rests on the first row");
        state.move_by(2);
        state.replace(vec![key("b"), key("a"), key("c")], 3);
        assert_eq!(state.current(), Some(&key("b")), "follows");
        state.replace(vec![key("a")], 1);
        assert_eq!(state.current(), Some(&key("a")));
        state.replace(Vec::new(), 0);
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
    fn columns_fit_every_width() {
        for table in TableId::ALL {
            for wide in [false, true] {
                for width in 34..300 {
                    let fitted = fit(table, width, wide);
                    let used: u16 = fitted.iter().map(|(_, w)| w + 1).sum::<u16>() - 1;
                    assert!(
                        used <= width || table == TableId::Rebalances && width < 44,
                        "{table:?} {width} {used}"
                    );
                }
            }
        }
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
