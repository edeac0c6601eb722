//! Tables: what a screen says of one ([`Rows`]), and how the rest of the terminal uses any of them
//! ([`Table`]).

use super::Go;
use super::cell::{Cell, Scene, unknown};
use super::column::{Column, Heading, Rank, fit};
use crate::model::Model;
use crate::model::filter::Subject;
use crate::model::table::{Index, RowKey, Sort, TableId};

/// What a screen says of one of its tables.
pub(crate) trait Rows: Sync + Sized + 'static {
    /// What a row borrows from the model.
    type Row<'a>: Subject + Copy;

    /// Name among all tables.
    const ID: TableId;
    /// Word in front of the counts in the title.
    const TITLE: &'static str;
    /// All columns, in their order on the screen.
    const COLUMNS: &'static [Column<Self>];
    /// The column that the rows are sorted by until the user chooses another.
    const ORDER: usize = 0;
    /// Whether the rows come from the cluster: they are old when it does not answer.
    const OF_CLUSTER: bool = true;

    /// All rows, before filtering. Those of a table without ranks are shown in this order.
    fn rows(model: &Model) -> impl Iterator<Item = Self::Row<'_>>;
    /// What identifies a row.
    fn key(row: Self::Row<'_>) -> RowKey;
    /// The row with this key, if it still exists.
    fn find<'a>(model: &'a Model, key: &RowKey) -> Option<Self::Row<'a>>;
    /// Whether the row stays when only faults are shown.
    fn is_fault(_row: Self::Row<'_>) -> bool {
        true
    }
    /// Whether the row is one of a list that one works down: when it leaves the top, the selection does not
    /// follow it.
    fn is_bad(_row: Self::Row<'_>) -> bool {
        false
    }
    /// Whether the row has the sign of an action that is under way.
    fn is_active(_model: &Model, _row: Self::Row<'_>) -> bool {
        false
    }
    /// What stands in the title behind the order: the age of the data, and what else is to be known of all
    /// rows. Ends with a blank unless it is empty.
    fn notes(model: &Model) -> String;
    /// The lines that are shown when there are no rows: why, and what one can do.
    fn empty(model: &Model) -> String;
    /// Where enter leads from a row.
    fn enter(model: &Model, row: Self::Row<'_>) -> Go;
    /// What goes to the clipboard.
    fn copy(_row: Self::Row<'_>) -> Option<String> {
        None
    }
}

/// Any table. Rows are named by their keys; a key whose row is gone is no error.
pub(crate) trait Table: Sync {
    fn id(&self) -> TableId;
    fn title(&self) -> &'static str;
    fn is_of_cluster(&self) -> bool;
    fn headings(&self) -> Vec<Heading>;
    /// The place of the column that sorts it, as [`Rows::ORDER`].
    fn order(&self) -> usize;
    /// Which rows pass the filter, in their order.
    fn index(&self, model: &Model) -> Index;
    fn contains(&self, model: &Model, key: &RowKey) -> bool;
    /// The cells of a row in these columns, each with its width.
    fn cells(&self, model: &Model, key: &RowKey, columns: &[(usize, u16)]) -> Vec<Cell>;
    fn is_active(&self, model: &Model, key: &RowKey) -> bool;
    fn notes(&self, model: &Model) -> String;
    fn empty(&self, model: &Model) -> String;
    fn enter(&self, model: &Model, key: &RowKey) -> Option<Go>;
    fn copy(&self, model: &Model, key: &RowKey) -> Option<String>;
}

impl dyn Table {
    /// The order that holds now: the user's, or the table's own.
    pub(crate) fn sort(&self, model: &Model) -> Sort {
        model.table(self.id()).sort.unwrap_or(Sort {
            column: self.order(),
            reverse: false,
        })
    }

    /// The columns that fit into `width` cells, see [`fit`].
    pub(crate) fn fitted(&self, width: u16, wide: bool) -> Vec<(usize, u16)> {
        fit(&self.headings(), width, wide)
    }
}

impl<T: Rows> Table for T {
    fn id(&self) -> TableId {
        T::ID
    }

    fn title(&self) -> &'static str {
        T::TITLE
    }

    fn is_of_cluster(&self) -> bool {
        T::OF_CLUSTER
    }

    fn headings(&self) -> Vec<Heading> {
        T::COLUMNS.iter().map(|column| column.heading).collect()
    }

    fn order(&self) -> usize {
        T::ORDER
    }

    fn index(&self, model: &Model) -> Index {
        let state = model.table(T::ID);
        let mut total = 0;
        let passing: Vec<T::Row<'_>> = T::rows(model)
            .inspect(|_| total += 1)
            .filter(|row| !state.faults || T::is_fault(*row))
            .filter(|row| state.filter.is_empty() || state.filter.accepts(row))
            .collect();
        let bad = passing.iter().copied().filter(|row| T::is_bad(*row));
        let bad = bad.map(T::key).collect();
        let sort = <dyn Table>::sort(self, model);
        let rank = T::COLUMNS.get(sort.column).and_then(|column| column.rank);
        let rows = match rank {
            None => passing.into_iter().map(T::key).collect(),
            Some(rank) => {
                let ranked = passing.into_iter();
                let ranked = ranked.map(|row| (rank(model, row), T::key(row)));
                sorted(ranked.collect(), sort.reverse)
            }
        };
        Index { rows, total, bad }
    }

    fn contains(&self, model: &Model, key: &RowKey) -> bool {
        T::find(model, key).is_some()
    }

    fn cells(&self, model: &Model, key: &RowKey, columns: &[(usize, u16)]) -> Vec<Cell> {
        let row = T::find(model, key);
        let cell = |(column, width): &(usize, u16)| {
            let width = usize::from(*width);
            let column = T::COLUMNS.get(*column)?;
            Some((column.cell)(Scene { model, width }, row?))
        };
        columns
            .iter()
            .map(|column| cell(column).unwrap_or_else(unknown))
            .collect()
    }

    fn is_active(&self, model: &Model, key: &RowKey) -> bool {
        T::find(model, key).is_some_and(|row| T::is_active(model, row))
    }

    fn notes(&self, model: &Model) -> String {
        T::notes(model)
    }

    fn empty(&self, model: &Model) -> String {
        T::empty(model)
    }

    fn enter(&self, model: &Model, key: &RowKey) -> Option<Go> {
        T::find(model, key).map(|row| T::enter(model, row))
    }

    fn copy(&self, model: &Model, key: &RowKey) -> Option<String> {
        T::find(model, key).and_then(T::copy)
    }
}

/// Sorts rows by rank; equal ranks keep the order of their keys, which is that of names.
fn sorted(mut ranked: Vec<(Rank<'_>, RowKey)>, reverse: bool) -> Vec<RowKey> {
    ranked.sort_by(|(a, a_key), (b, b_key)| a.compare(b, reverse).then_with(|| a_key.cmp(b_key)));
    ranked.into_iter().map(|(_, key)| key).collect()
}
