//! What PostgreSQL's catalog says about writing to a table, in one query.

use tokio_postgres::Row;

use crate::dialect::Execution;
use crate::row_key::{KeyForm, SureForm, SureKind};
use crate::table_facts::{PlainColumn, PlainTable, TableFacts};

/// The query; its parameter is the table's name as statements write it. Indexes and columns come as lists of
/// words, names last.
///
/// Functions of users behind a constraint, a default or an index are found by their dependencies, which
/// functions that came with the server do not have.
pub(super) const SQL: &str = "
SELECT c.oid::bigint, c.relkind::text,
  c.relhassubclass OR c.relispartition OR EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid)
    OR c.relrowsecurity
    OR EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal)
    OR EXISTS (SELECT FROM pg_rewrite WHERE ev_class = c.oid)
    OR EXISTS (SELECT FROM pg_depend WHERE refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
      AND (classid, objid) IN (
        SELECT 'pg_constraint'::regclass::oid, oid FROM pg_constraint WHERE conrelid = c.oid
        UNION ALL SELECT 'pg_attrdef'::regclass::oid, oid FROM pg_attrdef WHERE adrelid = c.oid
        UNION ALL SELECT 'pg_class'::regclass::oid, indexrelid FROM pg_index WHERE indrelid = c.oid)),
  k.deferrable, k.refers, k.referred, k.itself, k.checks,
  ARRAY(SELECT concat_ws(' ', i.indisunique OR i.indisexclusion, i.indisexclusion
      OR NOT i.indimmediate OR i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
      OR EXISTS (SELECT FROM pg_collation l WHERE l.oid = ANY(i.indcollation) AND NOT l.collisdeterministic),
      i.indnkeyatts, i.indkey)
    FROM pg_index i WHERE i.indrelid = c.oid ORDER BY i.indexrelid),
  ARRAY(SELECT concat_ws(' ', a.attnum, a.atttypid, a.atttypmod, a.attnotnull,
      a.attidentity = 'a' OR a.attgenerated <> '', t.typtype,
      coalesce((SELECT l.collisdeterministic FROM pg_collation l WHERE l.oid = a.attcollation), true), a.attname)
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)
FROM pg_class c,
  LATERAL (SELECT coalesce(bool_or(condeferrable), false) AS deferrable,
    coalesce(bool_or(contype = 'f' AND conrelid = c.oid), false) AS refers,
    coalesce(bool_or(contype = 'f' AND confrelid = c.oid), false) AS referred,
    coalesce(bool_or(conrelid = confrelid), false) AS itself,
    coalesce(bool_or(contype = 'c'), false) AS checks
    FROM pg_constraint WHERE conrelid = c.oid OR confrelid = c.oid) k
WHERE c.oid = to_regclass($1)::oid";

/// Bytes of a type modifier before what it counts.
const HEADER: i32 = 4;

struct Index<'a> {
    unique: bool,
    /// Partial, deferred, of expressions, an exclusion, or by a collation that finds different texts equal.
    special: bool,
    /// Numbers of the columns of its key.
    key: Vec<&'a str>,
}

fn index(text: &str) -> Index<'_> {
    let mut words = text.split(' ');
    let mut flag = || words.next() == Some("t");
    let (unique, special) = (flag(), flag());
    let count = words.next().and_then(|count| count.parse().ok());
    Index {
        unique,
        special,
        key: words.take(count.unwrap_or(usize::MAX)).collect(),
    }
}

struct ColumnFacts<'a> {
    number: &'a str,
    kind: u32,
    modifier: i32,
    not_null: bool,
    /// Made by the server, which refuses a value or, in COPY, takes one.
    generated: bool,
    domain: bool,
    deterministic: bool,
    name: &'a str,
}

fn column(text: &str) -> Option<ColumnFacts<'_>> {
    let words: Vec<&str> = text.splitn(8, ' ').collect();
    let [
        number,
        kind,
        modifier,
        not_null,
        generated,
        class,
        deterministic,
        name,
    ] = words[..]
    else {
        return None;
    };
    Some(ColumnFacts {
        number,
        kind: kind.parse().ok()?,
        modifier: modifier.parse().ok()?,
        not_null: not_null == "t",
        generated: generated == "t",
        domain: class == "d",
        deterministic: deterministic == "t",
        name,
    })
}

impl ColumnFacts<'_> {
    fn characters(&self) -> Option<usize> {
        usize::try_from(self.modifier - HEADER).ok()
    }

    fn key(&self) -> Option<KeyForm> {
        Some(match self.kind {
            20 | 21 | 23 => KeyForm::Integer,
            25 | 1043 if self.deterministic => KeyForm::Text(self.characters()),
            16 => KeyForm::Boolean,
            17 => KeyForm::Bytes,
            1082 => KeyForm::Date,
            2950 => KeyForm::Uuid,
            _ => return None,
        })
    }

    fn sure(&self) -> Option<SureKind> {
        Some(match self.kind {
            21 => SureKind::Integer(i16::MIN.into(), i16::MAX.into()),
            23 => SureKind::Integer(i32::MIN.into(), i32::MAX.into()),
            20 => SureKind::Integer(i64::MIN, i64::MAX),
            25 | 1043 => SureKind::Text(self.characters()),
            16 => SureKind::Boolean,
            17 => SureKind::Bytes,
            700 => SureKind::Float32,
            701 => SureKind::Float64,
            1082 => SureKind::Date,
            1114 | 1184 => SureKind::Timestamp,
            2950 => SureKind::Uuid,
            1700 if self.modifier < HEADER => SureKind::Numeric(None),
            1700 => {
                let packed = i64::from(self.modifier - HEADER);
                // Eleven bits with sign.
                let scale = ((packed & 0x7ff) ^ 1024) - 1024;
                SureKind::Numeric(Some(((packed >> 16) & 0xffff, scale)))
            }
            _ => return None,
        })
    }

    fn plain(&self, indexes: &[Index<'_>]) -> PlainColumn {
        let indexed = indexes.iter().any(|index| index.key.contains(&self.number));
        let sure = self.sure().filter(|_| !self.generated);
        PlainColumn {
            name: self.name.to_owned(),
            key: self.key(),
            sure: sure.map(|kind| SureForm {
                kind,
                nullable: !self.not_null,
                indexed,
            }),
            castable: !self.domain && !self.generated,
        }
    }
}

/// Reads the answer.
pub(super) fn read(row: &Row) -> Result<TableFacts, tokio_postgres::Error> {
    let (oid, kind): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
    let code: bool = row.try_get::<_, bool>(2)? || kind != "r";
    let deferrable: bool = row.try_get(3)?;
    let refers: bool = row.try_get(4)?;
    let referred: bool = row.try_get(5)?;
    let itself: bool = row.try_get(6)?;
    let checks: bool = row.try_get(7)?;
    let indexes: Vec<String> = row.try_get(8)?;
    let columns: Vec<String> = row.try_get(9)?;
    let fingerprint = format!(
        "{oid} {kind} {code} {deferrable} {refers} {referred} {itself} {checks} {indexes:?} {columns:?}"
    );
    let indexes: Vec<Index<'_>> = indexes.iter().map(|text| index(text)).collect();
    let columns: Vec<ColumnFacts<'_>> = columns.iter().filter_map(|text| column(text)).collect();
    let independent = !code && !refers && !referred;
    let simple =
        independent && !deferrable && indexes.iter().all(|index| !index.unique || !index.special);
    // An expression or a part of the rows may depend on any column.
    let complex = indexes.iter().any(|index| index.special && !index.unique);
    let names = |index: &Index<'_>| {
        let found = columns
            .iter()
            .filter(|column| index.key.contains(&column.number));
        found.map(|column| column.name.to_owned()).collect()
    };
    let plain = simple.then(|| PlainTable {
        checked: checks || complex,
        unique: indexes
            .iter()
            .filter(|index| index.unique)
            .map(names)
            .collect(),
        columns: columns
            .iter()
            .map(|column| column.plain(&indexes))
            .collect(),
    });
    let made = columns.iter().any(|column| column.generated);
    Ok(TableFacts {
        fingerprint,
        insert: if code || itself || made {
            Execution::Each
        } else {
            Execution::Bulk
        },
        upsert: Execution::Each,
        independent,
        savepoints: !code && !deferrable && !referred,
        transactional: true,
        engine: None,
        plain,
    })
}
