//! Statements that write, with literals, many in one packet.

use std::fmt::Write as _;

use crate::cell::Cell;
use crate::dialect::{Dialect, Execution, Operation, Unit, Write};
use crate::sql_text;
use crate::table::{Column, ColumnType};
use crate::time::{Zone, write_date, write_time, write_timestamp};

/// Rows of one statement are split where its text gets longer; packets are 16 MiB at most by default.
const MAX_STATEMENT: usize = 4 << 20;

/// Adds a literal, or says why there is none.
fn write_literal(sql: &mut String, cell: &Cell, column: &Column, zone: Zone) -> Result<(), String> {
    let unfit = |what: &str| {
        Err(format!(
            "column {:?}: {what} has no place in MariaDB",
            column.name
        ))
    };
    // Writing to a String can't fail.
    match cell {
        Cell::Null => sql.push_str("NULL"),
        Cell::Boolean(value) => sql.push(if *value { '1' } else { '0' }),
        Cell::Integer(value) => drop(write!(sql, "{value}")),
        Cell::Float32(value) if value.is_finite() => drop(write!(sql, "{value:e}")),
        Cell::Float64(value) if value.is_finite() => drop(write!(sql, "{value:e}")),
        Cell::Float32(_) | Cell::Float64(_) => return unfit("a number that is not finite"),
        Cell::Decimal(value) => sql.push_str(&value.to_plain_string()),
        Cell::Text(text) => {
            sql.push('\'');
            for (index, part) in text.split('\'').enumerate() {
                if index > 0 {
                    sql.push_str("''");
                }
                sql.push_str(part);
            }
            sql.push('\'');
        }
        Cell::Bytes(bytes) => {
            sql.push_str("x'");
            sql_text::write_hex(sql, bytes);
            sql.push('\'');
        }
        Cell::Date(_) | Cell::Time(_) | Cell::Timestamp(_) => {
            sql.push('\'');
            let before_christ = match cell {
                Cell::Date(days) => write_date(sql, i64::from(*days)),
                Cell::Timestamp(micros)
                    if column.kind == (ColumnType::Timestamp { instant: true }) =>
                {
                    write_timestamp(sql, *micros)
                }
                Cell::Timestamp(micros) => write_timestamp(sql, zone.to_local(*micros)),
                Cell::Time(micros) => {
                    write_time(sql, *micros);
                    false
                }
                _ => false,
            };
            if before_christ {
                return unfit("a year before the first");
            }
            sql.push('\'');
        }
        Cell::Infinity { .. } => return unfit("infinity"),
        Cell::Array(_) => return unfit("an array"),
    }
    Ok(())
}

/// The text of statements that are sent together.
#[derive(Debug, Default)]
struct Packets {
    done: Vec<String>,
    sql: String,
}

impl Packets {
    /// Whether a statement under way should end, so that packets stay small.
    fn is_full(&self) -> bool {
        self.sql.len() > MAX_STATEMENT
    }

    /// Ends a statement.
    fn end(&mut self) {
        if self.is_full() {
            self.done.push(std::mem::take(&mut self.sql));
        } else {
            self.sql.push(';');
        }
    }

    fn finish(mut self) -> Vec<String> {
        if !self.sql.is_empty() {
            self.done.push(self.sql);
        }
        self.done
    }
}

/// What is before and after the rows of an insert or upsert.
fn insert_frame(dialect: Dialect, write: &Write) -> (String, String) {
    let begin = format!(
        "INSERT INTO {} ({}) VALUES ",
        dialect.table(&write.table),
        dialect.names(&write.columns)
    );
    let updated = match (write.operation, write.rest()) {
        (Operation::Upsert, []) => write.key(),
        (Operation::Upsert, rest) => rest,
        _ => return (begin, String::new()),
    };
    let sets: Vec<String> = updated
        .iter()
        .map(|column| {
            let name = dialect.name(&column.name);
            format!("{name}=VALUES({name})")
        })
        .collect();
    (
        begin,
        format!(" ON DUPLICATE KEY UPDATE {}", sets.join(", ")),
    )
}

/// Inserts of rows, each of at most `most` rows and about [`MAX_STATEMENT`] long.
fn add_inserts(
    packets: &mut Packets,
    dialect: Dialect,
    unit: &Unit<'_>,
    zone: Zone,
    most: usize,
) -> Result<(), String> {
    let (begin, end) = insert_frame(dialect, unit.write);
    let mut count = 0;
    for row in &unit.rows {
        if count > 0 && (count == most || packets.is_full()) {
            packets.sql.push_str(&end);
            packets.end();
            count = 0;
        }
        packets.sql.push_str(if count == 0 { &begin } else { "," });
        packets.sql.push('(');
        for (index, (cell, column)) in row.iter().zip(&unit.write.columns).enumerate() {
            if index > 0 {
                packets.sql.push(',');
            }
            write_literal(&mut packets.sql, cell, column, zone)?;
        }
        packets.sql.push(')');
        count += 1;
    }
    packets.sql.push_str(&end);
    packets.end();
    Ok(())
}

/// The statements of units in their order, as packets.
pub(super) fn packets(
    dialect: Dialect,
    units: &[Unit<'_>],
    zone: Zone,
) -> Result<Vec<String>, String> {
    let mut packets = Packets::default();
    for unit in units.iter().filter(|unit| !unit.rows.is_empty()) {
        match unit.write.operation {
            Operation::Insert | Operation::Upsert => {
                let most = match unit.execution {
                    Execution::Each => 1,
                    Execution::Together | Execution::Bulk => usize::MAX,
                };
                add_inserts(&mut packets, dialect, unit, zone, most)?;
            }
            Operation::Update | Operation::Delete => {
                for row in &unit.rows {
                    packets
                        .sql
                        .push_str(&change(dialect, unit.write, row, zone)?);
                    packets.end();
                }
            }
        }
    }
    Ok(packets.finish())
}

/// The update or delete of a row.
fn change(dialect: Dialect, write: &Write, row: &[Cell], zone: Zone) -> Result<String, String> {
    let assigned = |from: usize, columns: &[Column], separator: &str| {
        let mut parts = Vec::with_capacity(columns.len());
        for (cell, column) in row.iter().skip(from).zip(columns) {
            let mut part = format!("{}=", dialect.name(&column.name));
            write_literal(&mut part, cell, column, zone)?;
            parts.push(part);
        }
        Ok::<String, String>(parts.join(separator))
    };
    let table = dialect.table(&write.table);
    let matches = assigned(0, write.key(), " AND ")?;
    if write.operation == Operation::Delete {
        return Ok(format!("DELETE FROM {table} WHERE {matches}"));
    }
    let sets = assigned(write.key_columns, write.rest(), ", ")?;
    Ok(format!("UPDATE {table} SET {sets} WHERE {matches}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::TableId;
    use crate::url::DatabaseKind;

    fn column(name: &str, kind: ColumnType) -> Column {
        Column {
            name: name.to_owned(),
            kind,
            type_name: String::new(),
            as_text: false,
            nullable: true,
            primary_key: false,
            auto_increment: false,
            keeps_precision: true,
        }
    }

    fn written(operation: Operation, rows: &[Vec<Cell>]) -> Result<Vec<String>, String> {
        let write = Write {
            operation,
            table: TableId::parse("s.t"),
            columns: vec![
                column("id", ColumnType::Int32),
                column("a`b", ColumnType::Text),
            ],
            key_columns: 1,
        };
        let dialect = Dialect {
            kind: DatabaseKind::MariaDb,
            quote: true,
        };
        let unit = Unit {
            write: &write,
            execution: Execution::Together,
            rows: rows.iter().map(Vec::as_slice).collect(),
        };
        packets(dialect, &[unit], Zone::utc())
    }

    #[test]
    fn rows_become_literals_of_one_statement() {
        let rows = [
            vec![Cell::Integer(1), Cell::Text("it's \\".into())],
            vec![Cell::Integer(2), Cell::Null],
        ];
        assert_eq!(
            written(Operation::Upsert, &rows).unwrap(),
            [
                "INSERT INTO `s`.`t` (`id`, `a``b`) VALUES (1,'it''s \\'),(2,NULL) ON DUPLICATE KEY UPDATE \
                 `a``b`=VALUES(`a``b`);"
            ]
        );
        assert_eq!(
            written(Operation::Update, &rows[..1]).unwrap(),
            ["UPDATE `s`.`t` SET `a``b`='it''s \\' WHERE `id`=1;"]
        );
        assert_eq!(
            written(Operation::Delete, &rows).unwrap(),
            ["DELETE FROM `s`.`t` WHERE `id`=1;DELETE FROM `s`.`t` WHERE `id`=2;"]
        );
        let long = vec![
            vec![
                Cell::Integer(1),
                Cell::Text("x".repeat(MAX_STATEMENT).into())
            ];
            2
        ];
        assert_eq!(written(Operation::Insert, &long).unwrap().len(), 2);
        let error = written(Operation::Insert, &[vec![Cell::Float64(f64::NAN)]]).unwrap_err();
        assert!(error.contains("\"id\""), "{error}");
    }
}
