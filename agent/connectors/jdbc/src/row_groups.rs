//! The rows of a batch as statements: which rows go together, and in which order statements run.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cell::Cell;
use crate::dialect::Operation;
use crate::sink_plan::SinkPlan;
use crate::sql_text;
use crate::table::TableId;

/// Rows of one statement; all lists have one entry per row.
#[derive(Debug)]
pub(crate) struct RowGroup {
    pub(crate) plan: Arc<SinkPlan>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// Position of each row's record in the batch.
    pub(crate) records: Vec<usize>,
    /// What a row has taken the place of: the row before of the same key, to be written should the database refuse this
    /// one.
    pub(crate) replaced: Vec<Option<Box<RowGroup>>>,
}

impl RowGroup {
    fn new(plan: &Arc<SinkPlan>) -> Self {
        Self {
            plan: Arc::clone(plan),
            rows: Vec::new(),
            records: Vec::new(),
            replaced: Vec::new(),
        }
    }

    fn push(&mut self, row: Vec<Cell>, record: usize, replaced: Option<Box<RowGroup>>) {
        self.rows.push(row);
        self.records.push(record);
        self.replaced.push(replaced);
    }

    /// Takes a row out and leaves an empty one, so that positions stay.
    fn take(&mut self, position: usize) -> Option<Box<Self>> {
        let row = std::mem::take(self.rows.get_mut(position)?);
        let mut taken = Self::new(&self.plan);
        let replaced = self.replaced.get_mut(position)?.take();
        taken.push(row, *self.records.get(position)?, replaced);
        Some(Box::new(taken))
    }

    fn without_empty_rows(self) -> Self {
        if !self.rows.iter().any(Vec::is_empty) {
            return self;
        }
        let mut group = Self::new(&self.plan);
        let rest = self.rows.into_iter().zip(self.records).zip(self.replaced);
        for ((row, record), replaced) in rest.filter(|((row, _), _)| !row.is_empty()) {
            group.push(row, record, replaced);
        }
        group
    }
}

/// What statements may do with rows of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SameKey {
    /// A statement holds a key once. Of each key only the last row is written, and rows of different keys may change
    /// places, deletes too.
    LastCounts,
    /// A statement holds a key once; a second one begins another statement.
    Splits,
    /// A statement may hold a key several times, its rows count in their order.
    MayRepeat,
}

/// Splits the rows of a batch into statements of at most `size` rows, in the order of records of each table.
#[derive(Debug)]
pub(crate) struct Grouping {
    size: usize,
    same_key: SameKey,
    groups: Vec<RowGroup>,
    /// What may still be added to, by table.
    open: HashMap<TableId, Segment>,
}

#[derive(Debug, Default)]
struct Segment {
    /// Positions in `groups`: of the statement that writes, and of the one that deletes.
    groups: [Option<usize>; 2],
    /// Group and position of each key's row.
    keys: HashMap<String, (usize, usize)>,
}

/// A text that is the same for rows of one key.
fn key_text(row: &[Cell], count: usize) -> String {
    let mut text = String::new();
    for cell in row.iter().take(count) {
        sql_text::write(&mut text, cell, true, crate::time::Zone::utc());
        text.push('\0');
    }
    text
}

impl Grouping {
    pub(crate) fn new(size: usize, same_key: SameKey) -> Self {
        Self {
            size,
            same_key,
            groups: Vec::new(),
            open: HashMap::new(),
        }
    }

    /// Adds the row of the record at position `record` of the batch.
    pub(crate) fn add(&mut self, plan: &Arc<SinkPlan>, row: Vec<Cell>, record: usize) {
        let write = &plan.write;
        let segment = self.open.entry(write.table.clone()).or_default();
        let deletes = write.operation == Operation::Delete;
        let keyed = write.operation != Operation::Insert
            && write.key_columns > 0
            && self.same_key != SameKey::MayRepeat;
        let key = keyed.then(|| key_text(&row, write.key_columns));
        let [of_writes, of_deletes] = segment.groups;
        let (own, other) = if deletes {
            (of_deletes, of_writes)
        } else {
            (of_writes, of_deletes)
        };
        let mut target = own.filter(|index| {
            self.groups
                .get(*index)
                .is_some_and(|group| Arc::ptr_eq(&group.plan, plan) && group.rows.len() < self.size)
        });
        let repeated = key
            .as_ref()
            .is_some_and(|key| segment.keys.contains_key(key));
        let keeps_order = self.same_key != SameKey::LastCounts;
        if (own.is_some() && target.is_none()) || (keeps_order && (other.is_some() || repeated)) {
            *segment = Segment::default();
            target = None;
        }
        let index = target.unwrap_or_else(|| {
            self.groups.push(RowGroup::new(plan));
            self.groups.len() - 1
        });
        if let Some(slot) = segment.groups.get_mut(usize::from(deletes)) {
            *slot = Some(index);
        }
        let position = self.groups.get(index).map_or(0, |group| group.rows.len());
        let before = key.and_then(|key| segment.keys.insert(key, (index, position)));
        let replaced =
            before.and_then(|(group, position)| self.groups.get_mut(group)?.take(position));
        if let Some(group) = self.groups.get_mut(index) {
            group.push(row, record, replaced);
        }
    }

    /// The statements in their order.
    pub(crate) fn finish(self) -> Vec<RowGroup> {
        self.groups
            .into_iter()
            .map(RowGroup::without_empty_rows)
            .filter(|group| !group.rows.is_empty())
            .collect()
    }
}
