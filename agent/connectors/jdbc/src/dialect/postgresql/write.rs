//! Statements that write, and their parameters: cells as texts, read by the input functions of the columns'
//! types.

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

use crate::cell::Cell;
use crate::dialect::{Dialect, Operation, Write};
use crate::sql_text;
use crate::table::{Column, ColumnType};
use crate::time::Zone;

/// One column of rows: a PostgreSQL array of texts, or the text of a single row in whatever type the
/// statement has.
#[derive(Debug)]
pub(super) struct TextColumn<'a> {
    pub(super) rows: &'a [&'a [Cell]],
    pub(super) index: usize,
    pub(super) instant: bool,
    pub(super) zone: Zone,
    /// Whether the parameter is the text of the first row, not an array.
    pub(super) single: bool,
}

impl TextColumn<'_> {
    fn text_to_sql(&self, out: &mut BytesMut) -> IsNull {
        match self.rows.first().and_then(|row| row.get(self.index)) {
            None | Some(Cell::Null) => IsNull::Yes,
            Some(cell) => {
                let mut text = String::new();
                sql_text::write(&mut text, cell, self.instant, self.zone);
                out.put_slice(text.as_bytes());
                IsNull::No
            }
        }
    }
}

impl ToSql for TextColumn<'_> {
    fn to_sql(
        &self,
        _kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        if self.single {
            return Ok(self.text_to_sql(out));
        }
        // One dimension, with nulls, of texts, from element 1.
        out.put_i32(1);
        out.put_i32(1);
        out.put_u32(Type::TEXT.oid());
        out.put_i32(i32::try_from(self.rows.len())?);
        out.put_i32(1);
        let mut text = String::new();
        for row in self.rows {
            match row.get(self.index) {
                None | Some(Cell::Null) => out.put_i32(-1),
                Some(cell) => {
                    text.clear();
                    sql_text::write(&mut text, cell, self.instant, self.zone);
                    out.put_i32(i32::try_from(text.len())?);
                    out.put_slice(text.as_bytes());
                }
            }
        }
        Ok(IsNull::No)
    }

    /// The text format fits every type, the binary one arrays of texts.
    fn accepts(_kind: &Type) -> bool {
        true
    }

    fn encode_format(&self, _kind: &Type) -> Format {
        match self.single {
            true => Format::Text,
            false => Format::Binary,
        }
    }

    to_sql_checked!();
}

pub(super) fn is_instant(column: &Column) -> bool {
    column.kind == ColumnType::Timestamp { instant: true }
}

/// `ON CONFLICT` of an upsert.
fn on_conflict(dialect: Dialect, write: &Write) -> String {
    let sets: Vec<String> = write
        .rest()
        .iter()
        .map(|column| {
            let name = dialect.name(&column.name);
            format!("{name} = EXCLUDED.{name}")
        })
        .collect();
    let action = if sets.is_empty() {
        "NOTHING".to_owned()
    } else {
        format!("UPDATE SET {}", sets.join(", "))
    };
    let key = dialect.names(write.key());
    format!(" ON CONFLICT ({key}) DO {action}")
}

/// The statement of one row with a parameter per column, whose types the server works out from the table.
pub(super) fn row_sql(dialect: Dialect, write: &Write) -> String {
    let table = dialect.table(&write.table);
    let assigned = |from: usize, columns: &[Column], separator: &str| {
        let parts: Vec<String> = columns
            .iter()
            .zip(from + 1..)
            .map(|(column, index)| format!("{} = ${index}", dialect.name(&column.name)))
            .collect();
        parts.join(separator)
    };
    let matches = assigned(0, write.key(), " AND ");
    match write.operation {
        Operation::Insert | Operation::Upsert => {
            let values: Vec<String> = (1..=write.columns.len())
                .map(|index| format!("${index}"))
                .collect();
            let mut sql = format!(
                "INSERT INTO {table} ({}) VALUES ({})",
                dialect.names(&write.columns),
                values.join(", ")
            );
            if write.operation == Operation::Upsert {
                sql.push_str(&on_conflict(dialect, write));
            }
            sql
        }
        Operation::Update => format!(
            "UPDATE {table} SET {} WHERE {matches}",
            assigned(write.key_columns, write.rest(), ", ")
        ),
        Operation::Delete => format!("DELETE FROM {table} WHERE {matches}"),
    }
}

/// The statement of many rows, whose parameters are one array of texts per column.
pub(super) fn write_sql(dialect: Dialect, write: &Write) -> String {
    let table = dialect.table(&write.table);
    let cast = |index: usize, column: &Column| format!("u.c{index}::{}", column.type_name);
    let arrays: Vec<String> = (1..=write.columns.len())
        .map(|index| format!("${index}::text[]"))
        .collect();
    let aliases: Vec<String> = (0..write.columns.len())
        .map(|index| format!("c{index}"))
        .collect();
    let rows = format!("unnest({}) AS u({})", arrays.join(", "), aliases.join(", "));
    let matches: Vec<String> = write
        .key()
        .iter()
        .enumerate()
        .map(|(index, column)| {
            format!("t.{} = {}", dialect.name(&column.name), cast(index, column))
        })
        .collect();
    let matches = matches.join(" AND ");
    match write.operation {
        Operation::Insert | Operation::Upsert => {
            let values: Vec<String> = write
                .columns
                .iter()
                .enumerate()
                .map(|(index, column)| cast(index, column))
                .collect();
            let mut sql = format!(
                "INSERT INTO {table} ({}) SELECT {} FROM {rows}",
                dialect.names(&write.columns),
                values.join(", ")
            );
            if write.operation == Operation::Upsert {
                sql.push_str(&on_conflict(dialect, write));
            }
            sql
        }
        Operation::Update => {
            let sets: Vec<String> = write
                .rest()
                .iter()
                .enumerate()
                .map(|(index, column)| {
                    format!(
                        "{} = {}",
                        dialect.name(&column.name),
                        cast(index + write.key_columns, column)
                    )
                })
                .collect();
            format!(
                "UPDATE {table} AS t SET {} FROM {rows} WHERE {matches}",
                sets.join(", ")
            )
        }
        Operation::Delete => format!("DELETE FROM {table} AS t USING {rows} WHERE {matches}"),
    }
}

/// Rows in the text format of COPY.
pub(super) fn copy_body(columns: &[Column], rows: &[&[Cell]], zone: Zone) -> Bytes {
    let instants: Vec<bool> = columns.iter().map(is_instant).collect();
    let mut body = BytesMut::with_capacity(rows.len() * columns.len() * 12);
    let mut text = String::new();
    for row in rows {
        for (index, (cell, instant)) in (*row).iter().zip(&instants).enumerate() {
            if index > 0 {
                body.put_u8(b'\t');
            }
            if *cell == Cell::Null {
                body.put_slice(b"\\N");
                continue;
            }
            text.clear();
            sql_text::write(&mut text, cell, *instant, zone);
            for byte in text.bytes() {
                match byte {
                    b'\\' => body.put_slice(b"\\\\"),
                    b'\t' => body.put_slice(b"\\t"),
                    b'\n' => body.put_slice(b"\\n"),
                    b'\r' => body.put_slice(b"\\r"),
                    other => body.put_u8(other),
                }
            }
        }
        body.put_u8(b'\n');
    }
    body.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::TableId;
    use crate::url::DatabaseKind;

    fn column(name: &str, type_name: &str) -> Column {
        Column {
            name: name.to_owned(),
            kind: ColumnType::Int32,
            type_name: type_name.to_owned(),
            as_text: false,
            nullable: true,
            primary_key: false,
            auto_increment: false,
            keeps_precision: true,
        }
    }

    fn write(operation: Operation) -> String {
        let write = Write {
            operation,
            table: TableId::parse("s.t"),
            columns: vec![column("id", "integer"), column("a\"b", "bpchar")],
            key_columns: 1,
        };
        let dialect = Dialect {
            kind: DatabaseKind::PostgreSql,
            quote: true,
        };
        write_sql(dialect, &write)
    }

    #[test]
    fn one_statement_writes_any_number_of_rows() {
        let rows = "unnest($1::text[], $2::text[]) AS u(c0, c1)";
        assert_eq!(
            write(Operation::Insert),
            format!(
                "INSERT INTO \"s\".\"t\" (\"id\", \"a\"\"b\") SELECT u.c0::integer, u.c1::bpchar FROM {rows}"
            )
        );
        assert!(
            write(Operation::Upsert)
                .ends_with("ON CONFLICT (\"id\") DO UPDATE SET \"a\"\"b\" = EXCLUDED.\"a\"\"b\"")
        );
        assert_eq!(
            write(Operation::Update),
            format!(
                "UPDATE \"s\".\"t\" AS t SET \"a\"\"b\" = u.c1::bpchar FROM {rows} WHERE t.\"id\" = \
                 u.c0::integer"
            )
        );
        assert_eq!(
            write(Operation::Delete),
            format!("DELETE FROM \"s\".\"t\" AS t USING {rows} WHERE t.\"id\" = u.c0::integer")
        );
    }

    #[test]
    fn a_row_of_copy_escapes_what_separates_rows_and_cells() {
        let columns = [column("a", "text"), column("b", "text")];
        let row = [Cell::Text("x\ty\\\n".into()), Cell::Null];
        assert_eq!(
            &copy_body(&columns, &[&row], Zone::utc())[..],
            b"x\\ty\\\\\\n\t\\N\n"
        );
    }
}
