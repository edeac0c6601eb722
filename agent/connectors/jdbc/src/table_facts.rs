//! What a catalog says about how a table may be written, and what follows for one kind of statement.
//!
//! The result of a batch is that of its records' statements in their order. Anything faster (rows of many
//! records in one statement, COPY, writes and deletes that change places, rows left out that a later one of
//! the same key covers) needs facts that show that the result is the same; where one is missing, every record
//! has a statement of its own.

use crate::dialect::{Execution, Operation, Write};
use crate::row_key::{KeyForm, SureForm};

/// Facts of a table, read before its plan is made and again in every transaction that writes to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableFacts {
    /// A text that differs after every change of the table that a plan depends on.
    pub(crate) fingerprint: String,
    /// The fastest way of inserting rows whose result is that of one statement per row.
    pub(crate) insert: Execution,
    /// The same for upserts.
    pub(crate) upsert: Execution,
    /// Whether statements on other tables of this kind have the same result before and after those on this
    /// one.
    pub(crate) independent: bool,
    /// Whether a row that was refused can be left out by a savepoint as well as by a transaction of its own:
    /// nothing is checked at the commit, and no code of users runs that could see the difference.
    pub(crate) savepoints: bool,
    /// Whether a statement can be taken back at all.
    pub(crate) transactional: bool,
    /// Name of the engine without transactions.
    pub(crate) engine: Option<String>,
    /// Set for a table whose statements depend on no other row than that of their key.
    pub(crate) plain: Option<PlainTable>,
}

/// A table without triggers, rules, foreign keys, exclusion constraints, deferred or partial ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlainTable {
    /// Whether values are checked by more than their types.
    pub(crate) checked: bool,
    /// Columns of each unique index.
    pub(crate) unique: Vec<Vec<String>>,
    /// All columns of the table.
    pub(crate) columns: Vec<PlainColumn>,
}

/// A column of a [`PlainTable`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlainColumn {
    pub(crate) name: String,
    /// How its values look if equal ones look the same; `None` if that is not certain.
    pub(crate) key: Option<KeyForm>,
    /// Which values are accepted for certain; `None` if that can't be said.
    pub(crate) sure: Option<SureForm>,
    /// Whether an explicit cast of a text gives what an assignment gives.
    pub(crate) castable: bool,
}

/// How the rows of one plan are written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Strategy {
    pub(crate) execution: Execution,
    /// Set if rows of different keys may change places; one form per column of the key.
    pub(crate) keys: Option<Vec<KeyForm>>,
    /// Whether a row has all columns of the table, so that nothing of an older row of its key stays.
    pub(crate) covers: bool,
    /// By column which values are accepted for certain, of a delete those of its key; empty if nothing is.
    pub(crate) sure: Vec<Option<SureForm>>,
}

impl Strategy {
    /// For one kind of statement, decided by the facts of its table.
    pub(crate) fn of(write: &Write, facts: &TableFacts) -> Self {
        let in_order = |execution| Self {
            execution,
            keys: None,
            covers: false,
            sure: Vec::new(),
        };
        let keyed = facts
            .plain
            .as_ref()
            .and_then(|plain| Self::keyed(write, plain));
        match (write.operation, keyed) {
            (Operation::Insert, _) => in_order(facts.insert),
            (_, Some(keyed)) => keyed,
            (Operation::Upsert, None) => in_order(facts.upsert),
            (Operation::Update | Operation::Delete, None) => in_order(Execution::Each),
        }
    }

    fn keyed(write: &Write, plain: &PlainTable) -> Option<Self> {
        let column = |name: &str| plain.columns.iter().find(|column| column.name == name);
        let is_key = |names: &Vec<String>| {
            names.len() == write.key_columns
                && write
                    .key()
                    .iter()
                    .all(|column| names.contains(&column.name))
        };
        let known = match write.operation {
            Operation::Upsert => plain.unique.len() == 1,
            _ => true,
        };
        // An update of many rows takes no offence at values for rows that are not there.
        if write.operation == Operation::Update
            || write.key_columns == 0
            || !known
            || !plain.unique.iter().all(is_key)
        {
            return None;
        }
        let found: Vec<&PlainColumn> = write
            .columns
            .iter()
            .map(|wanted| column(&wanted.name))
            .collect::<Option<_>>()?;
        if !found.iter().all(|column| column.castable) {
            return None;
        }
        let keys = found
            .iter()
            .take(write.key_columns)
            .map(|column| column.key)
            .collect::<Option<_>>()?;
        Some(Self {
            execution: Execution::Together,
            keys: Some(keys),
            covers: plain.columns.len() == found.len(),
            sure: match plain.checked && write.operation != Operation::Delete {
                true => Vec::new(),
                false => found.iter().map(|column| column.sure).collect(),
            },
        })
    }
}
