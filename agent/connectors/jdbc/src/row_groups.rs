//! The rows of a batch as units of statements, whose execution one after another has the result of the
//! records in their order.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cell::Cell;
use crate::dialect::{Execution, Operation, Unit};
use crate::row_key::{is_sure, key_of};
use crate::sink_plan::SinkPlan;

/// The row of one record.
#[derive(Debug)]
pub(crate) struct PlannedRow {
    pub(crate) plan: Arc<SinkPlan>,
    pub(crate) cells: Vec<Cell>,
    /// Position of its record in the batch.
    pub(crate) record: usize,
}

impl PlannedRow {
    /// The row as a statement of its own.
    pub(crate) fn unit(&self) -> Unit<'_> {
        Unit {
            write: &self.plan.write,
            execution: Execution::Each,
            rows: vec![&self.cells],
        }
    }
}

/// Rows that are one unit: positions in the list of rows, in order.
#[derive(Debug)]
pub(crate) struct RowGroup {
    plan: Arc<SinkPlan>,
    /// Whether it is a single row of which not enough is known.
    alone: bool,
    pub(crate) rows: Vec<usize>,
}

impl RowGroup {
    /// The unit of some of the rows.
    pub(crate) fn unit<'a>(&'a self, all: &'a [PlannedRow], part: &[usize]) -> Unit<'a> {
        let rows = part.iter().filter_map(|index| all.get(*index));
        Unit {
            write: &self.plan.write,
            execution: match self.alone {
                true => Execution::Each,
                false => self.plan.strategy.execution,
            },
            rows: rows.map(|row| &*row.cells).collect(),
        }
    }
}

/// What may still be added to, of one table or of all.
#[derive(Debug, Default)]
struct Segment {
    /// The group that writes, and the one that deletes.
    groups: [Option<usize>; 2],
    /// Group and position of each key's row.
    keys: HashMap<String, (usize, usize)>,
}

#[derive(Debug)]
struct Grouping<'a> {
    rows: &'a [PlannedRow],
    size: usize,
    drops: bool,
    groups: Vec<RowGroup>,
}

/// Splits rows into groups of at most `size` rows. With `drops`, a row is left out whose key has a later one,
/// if the database would accept it for certain; without, every row has its place, so that one that is refused
/// is found.
pub(crate) fn grouped(rows: &[PlannedRow], size: usize, drops: bool) -> Vec<RowGroup> {
    // Where one table's statements may depend on another's, all keep their order.
    let independent = rows.iter().all(|row| row.plan.facts.independent);
    let mut grouping = Grouping {
        rows,
        size,
        drops,
        groups: Vec::new(),
    };
    let mut open: HashMap<Option<&crate::table::TableId>, Segment> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        let table = independent.then_some(&row.plan.write.table);
        grouping.add(open.entry(table).or_default(), index, row);
    }
    let mut groups = grouping.groups;
    for group in &mut groups {
        group.rows.retain(|index| *index != usize::MAX);
    }
    groups.retain(|group| !group.rows.is_empty());
    groups
}

impl Grouping<'_> {
    fn add(&mut self, segment: &mut Segment, index: usize, row: &PlannedRow) {
        let plan = &row.plan;
        let keys = plan.strategy.keys.as_ref();
        let key = keys.and_then(|forms| key_of(forms, &row.cells));
        let deletes = plan.write.operation == Operation::Delete;
        let [of_writes, of_deletes] = segment.groups;
        let (own, other) = if deletes {
            (of_deletes, of_writes)
        } else {
            (of_writes, of_deletes)
        };
        let goes_on = own.is_none_or(|group| {
            self.groups
                .get(group)
                .is_some_and(|group| Arc::ptr_eq(&group.plan, plan) && group.rows.len() < self.size)
        });
        let one_table = [own, other].into_iter().flatten().all(|group| {
            self.groups
                .get(group)
                .is_some_and(|group| group.plan.write.table == plan.write.table)
        });
        // Rows change places only with rows of other keys, all of which are known.
        let apart = other.is_none() || (key.is_some() && self.is_keyed(other));
        // A statement of many deletes may pass over a key that does not fit its column.
        let fits = !deletes || is_sure(&plan.strategy.sure, &row.cells);
        let uncertain = keys.is_some() && (key.is_none() || !fits);
        let before = key.as_ref().and_then(|key| segment.keys.get(key).copied());
        let may_drop = before.is_none_or(|place| self.drops && self.is_covered(place, row));
        if !goes_on || !one_table || !apart || uncertain || !may_drop {
            *segment = Segment::default();
        } else if let Some((group, position)) = before {
            self.leave_out(group, position);
        }
        let slot = segment.groups.get_mut(usize::from(deletes));
        let group = slot.map_or(0, |slot| {
            *slot.get_or_insert_with(|| {
                self.groups.push(RowGroup {
                    plan: Arc::clone(plan),
                    alone: uncertain,
                    rows: Vec::new(),
                });
                self.groups.len() - 1
            })
        });
        if let Some(target) = self.groups.get_mut(group) {
            if let Some(key) = key {
                segment.keys.insert(key, (group, target.rows.len()));
            }
            target.rows.push(index);
        }
        if uncertain {
            *segment = Segment::default();
        }
    }

    fn is_keyed(&self, group: Option<usize>) -> bool {
        group
            .and_then(|group| self.groups.get(group))
            .is_some_and(|group| group.plan.strategy.keys.is_some())
    }

    fn leave_out(&mut self, group: usize, position: usize) {
        let row = self
            .groups
            .get_mut(group)
            .and_then(|group| group.rows.get_mut(position));
        if let Some(row) = row {
            *row = usize::MAX;
        }
    }

    /// Whether nothing would be left of the row at that place once `later` is written.
    fn is_covered(&self, (group, position): (usize, usize), later: &PlannedRow) -> bool {
        let Some(group) = self.groups.get(group) else {
            return false;
        };
        let row = group.rows.get(position).and_then(|row| self.rows.get(*row));
        let accepted = row.is_some_and(|row| is_sure(&row.plan.strategy.sure, &row.cells));
        let covered = match (group.plan.write.operation, later.plan.write.operation) {
            (Operation::Delete, Operation::Delete)
            | (Operation::Upsert | Operation::Update, Operation::Delete) => true,
            // Columns that the later row does not have are those of the row that was deleted, or their
            // defaults.
            (Operation::Delete, Operation::Upsert) => later.plan.strategy.covers,
            (before, after) => before == after && Arc::ptr_eq(&group.plan, &later.plan),
        };
        accepted && covered
    }
}
