//! SQLite, in the process. Every call runs on a blocking thread; a stream of rows holds the connection until
//! its end.
//!
//! SQLite's columns take values of any type. The type declared says what they are read as, by the rules of
//! affinity and some well-known names. Dates and times are read from texts (`YYYY-MM-DD HH:MM:SS`) and from
//! milliseconds since the epoch, and written as milliseconds, as the JDBC driver does.

use std::sync::Arc;

use async_trait::async_trait;
use bytestring::ByteString;
use futures::StreamExt as _;
use parking_lot::Mutex;
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};
use sluice_api::{Schema, SchemaType, logical};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::{
    CHUNK, Chunk, Dialect, Execution, Operation, Privilege, Rows, Select, Session, Unit, Write,
    unpacked,
};
use crate::cell::Cell;
use crate::config::ConnectionSettings;
use crate::error::{DatabaseError, DatabaseResult, Fault};
use crate::table::{Column, ColumnType, Table, TableId};
use crate::table_facts::TableFacts;
use crate::time::{Zone, parse_date, parse_time, parse_timestamp, write_timestamp};

/// How long a statement waits for the lock of another process, in milliseconds.
const BUSY_TIMEOUT_MILLIS: u64 = 5000;

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn database_error(error: rusqlite::Error) -> DatabaseError {
    let (fault, code) = match &error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            let fault = match failure.code {
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Fault::Transient,
                ErrorCode::DiskFull => Fault::Full,
                ErrorCode::CannotOpen | ErrorCode::NotADatabase => Fault::MissingDatabase,
                ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::AuthorizationForStatementDenied => Fault::Permission,
                ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig => {
                    Fault::Data
                }
                _ if error.to_string().contains("no such table") => Fault::MissingTable,
                _ => Fault::Other,
            };
            (fault, Some(failure.extended_code.to_string()))
        }
        rusqlite::Error::SqlInputError { msg, .. } if msg.contains("no such table") => {
            (Fault::MissingTable, None)
        }
        _ => (Fault::Other, None),
    };
    DatabaseError {
        fault,
        message: error.to_string(),
        code,
    }
}

/// What a declared type means: well-known names first, then SQLite's rules of affinity.
fn kind_of(declared: &str) -> ColumnType {
    let upper = declared.to_ascii_uppercase();
    let bare = upper.split('(').next().unwrap_or_default().trim();
    let arguments: Vec<i32> = upper
        .split_once('(')
        .and_then(|(_, rest)| rest.split(')').next())
        .map(|list| {
            list.split(',')
                .filter_map(|part| part.trim().parse().ok())
                .collect()
        })
        .unwrap_or_default();
    match bare {
        "BOOLEAN" | "BOOL" => ColumnType::Boolean,
        "DATE" => ColumnType::Date,
        "TIME" => ColumnType::Time,
        "TIMESTAMP" | "DATETIME" => ColumnType::Timestamp { instant: false },
        "TINYINT" => ColumnType::Int8,
        "SMALLINT" | "INT2" => ColumnType::Int16,
        "MEDIUMINT" | "INT" | "INT4" => ColumnType::Int32,
        "DECIMAL" | "NUMERIC" => match arguments[..] {
            [precision] => ColumnType::Numeric {
                precision: Some(precision),
                scale: 0,
            },
            [precision, scale] => ColumnType::Numeric {
                precision: Some(precision),
                scale,
            },
            _ => ColumnType::Numeric {
                precision: None,
                scale: 0,
            },
        },
        _ if bare.contains("INT") => ColumnType::Int64,
        _ if ["CHAR", "CLOB", "TEXT", "JSON", "UUID"]
            .iter()
            .any(|part| bare.contains(part)) =>
        {
            ColumnType::Text
        }
        _ if bare.contains("BLOB") => ColumnType::Bytes,
        _ if ["REAL", "FLOA", "DOUB"]
            .iter()
            .any(|part| bare.contains(part)) =>
        {
            ColumnType::Float64
        }
        // Values of an expression have no declared type, and a text holds every one of them.
        "" => ColumnType::Text,
        _ => ColumnType::Numeric {
            precision: None,
            scale: 0,
        },
    }
}

/// A literal to be compared with what the column holds: a text, or milliseconds. SQLite sorts numbers before
/// texts, so both forms stand in a row of values only if the column's own form is known; texts are the rule
/// for dates.
pub(super) fn timestamp_literal(micros: i64, column: &Column, zone: Zone) -> String {
    if column.type_name == MILLIS_TYPE {
        return micros.div_euclid(1000).to_string();
    }
    let mut text = "'".to_owned();
    write_timestamp(&mut text, zone.to_local(micros));
    text.push('\'');
    text
}

/// Name of the type of timestamp columns that hold milliseconds.
const MILLIS_TYPE: &str = "milliseconds";

/// Column types as the Confluent connector creates them.
pub(super) fn column_type(schema: &Schema) -> Result<String, String> {
    let name = match schema.name() {
        Some(logical::DECIMAL) => "NUMERIC",
        Some(logical::DATE) => "DATE",
        Some(logical::TIME) => "TIME",
        Some(logical::TIMESTAMP) => "TIMESTAMP",
        _ => match schema.schema_type() {
            SchemaType::Boolean => "BOOLEAN",
            SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32 | SchemaType::Int64 => {
                "INTEGER"
            }
            SchemaType::Float32 | SchemaType::Float64 => "REAL",
            SchemaType::String => "TEXT",
            SchemaType::Bytes => "BLOB",
            kind @ (SchemaType::Array | SchemaType::Map | SchemaType::Struct) => {
                return Err(format!("{kind} has no column type"));
            }
        },
    };
    Ok(name.to_owned())
}

fn decode(value: ValueRef<'_>, kind: ColumnType) -> Result<Cell, String> {
    let text_of = |bytes: &[u8]| {
        std::str::from_utf8(bytes)
            .map(ByteString::from)
            .map_err(|_| "a text is not UTF-8".to_owned())
    };
    let unread = |text: &str| format!("{text:.60?} is no {kind:?}");
    Ok(match (value, kind) {
        (ValueRef::Null, _) => Cell::Null,
        (ValueRef::Integer(millis), ColumnType::Timestamp { .. }) => {
            Cell::Timestamp(millis.saturating_mul(1000))
        }
        (ValueRef::Integer(millis), ColumnType::Date) => Cell::Date(
            i32::try_from(millis.div_euclid(logical::MILLIS_PER_DAY))
                .map_err(|_| unread(&millis.to_string()))?,
        ),
        (ValueRef::Integer(millis), ColumnType::Time) => Cell::Time(millis.saturating_mul(1000)),
        (ValueRef::Text(bytes), ColumnType::Timestamp { .. }) => {
            let text = text_of(bytes)?;
            Cell::Timestamp(parse_timestamp(&text).ok_or_else(|| unread(&text))?)
        }
        (ValueRef::Text(bytes), ColumnType::Date) => {
            let text = text_of(bytes)?;
            let days = parse_date(text.get(..10).unwrap_or(&text));
            Cell::Date(
                days.and_then(|days| i32::try_from(days).ok())
                    .ok_or_else(|| unread(&text))?,
            )
        }
        (ValueRef::Text(bytes), ColumnType::Time) => {
            let text = text_of(bytes)?;
            Cell::Time(parse_time(&text).ok_or_else(|| unread(&text))?)
        }
        (ValueRef::Integer(value), _) => Cell::Integer(value),
        (ValueRef::Real(value), _) => Cell::Float64(value),
        (ValueRef::Text(bytes), _) => Cell::Text(text_of(bytes)?),
        (ValueRef::Blob(bytes), _) => Cell::Bytes(bytes.to_vec().into()),
    })
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        use rusqlite::types::Value as Owned;
        let borrowed = |value| Ok(ToSqlOutput::Borrowed(value));
        let owned = |value| Ok(ToSqlOutput::Owned(value));
        match self {
            Self::Null => borrowed(ValueRef::Null),
            Self::Boolean(value) => owned(Owned::Integer((*value).into())),
            Self::Integer(value) => owned(Owned::Integer(*value)),
            Self::Float32(value) => owned(Owned::Real((*value).into())),
            Self::Float64(value) => owned(Owned::Real(*value)),
            Self::Decimal(value) => owned(Owned::Text(value.to_plain_string())),
            Self::Text(text) => borrowed(ValueRef::Text(text.as_bytes())),
            Self::Bytes(bytes) => borrowed(ValueRef::Blob(bytes)),
            Self::Date(days) => owned(Owned::Integer(i64::from(*days) * logical::MILLIS_PER_DAY)),
            Self::Time(micros) | Self::Timestamp(micros) => {
                owned(Owned::Integer(micros.div_euclid(1000)))
            }
            Self::Infinity { positive } => owned(Owned::Integer(if *positive {
                crate::cell::POSITIVE_INFINITY
            } else {
                crate::cell::NEGATIVE_INFINITY
            })),
            Self::Array(_) => Err(rusqlite::Error::ToSqlConversionFailure(
                "an array has no column type".into(),
            )),
        }
    }
}

/// The statement for one row.
fn write_sql(dialect: Dialect, write: &Write) -> String {
    let table = dialect.table(&write.table);
    let parameter = |index: usize| format!("?{}", index + 1);
    let assigned = |columns: &[Column], from: usize, separator: &str| {
        let parts: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                format!(
                    "{} = {}",
                    dialect.name(&column.name),
                    parameter(index + from)
                )
            })
            .collect();
        parts.join(separator)
    };
    let matches = assigned(write.key(), 0, " AND ");
    match write.operation {
        Operation::Insert | Operation::Upsert => {
            let values: Vec<String> = (0..write.columns.len()).map(parameter).collect();
            let mut sql = format!(
                "INSERT INTO {table} ({}) VALUES ({})",
                dialect.names(&write.columns),
                values.join(", ")
            );
            if write.operation == Operation::Upsert {
                let action = if write.rest().is_empty() {
                    "NOTHING".to_owned()
                } else {
                    format!(
                        "UPDATE SET {}",
                        assigned(write.rest(), write.key_columns, ", ")
                    )
                };
                sql.push_str(&format!(
                    " ON CONFLICT ({}) DO {action}",
                    dialect.names(write.key())
                ));
            }
            sql
        }
        Operation::Update => format!(
            "UPDATE {table} SET {} WHERE {matches}",
            assigned(write.rest(), write.key_columns, ", ")
        ),
        Operation::Delete => format!("DELETE FROM {table} WHERE {matches}"),
    }
}

struct SqliteSession {
    connection: Arc<Mutex<Connection>>,
    dialect: Dialect,
}

/// Opens the file; the URL parameter `mode` is `ro`, `rw` or `rwc`, which creates it and is the default.
pub(super) async fn connect(settings: &ConnectionSettings) -> DatabaseResult<Box<dyn Session>> {
    let path = settings.url.database.clone();
    let flags = match settings.url.parameter("mode") {
        Some("ro") => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Some("rw") => OpenFlags::SQLITE_OPEN_READ_WRITE,
        _ => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    };
    let timeout = settings.url.parameter("busy_timeout");
    let timeout = timeout
        .and_then(|text| text.parse().ok())
        .unwrap_or(BUSY_TIMEOUT_MILLIS);
    let foreign_keys = settings.url.parameter("foreign_keys").map(|value| {
        matches!(
            value.to_ascii_lowercase().as_str(),
            "true" | "on" | "yes" | "1"
        )
    });
    let connection = blocking(move || {
        let connection =
            Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        // A query of a configuration reaches the file of the URL, and no other by ATTACH or VACUUM INTO.
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        connection.busy_timeout(std::time::Duration::from_millis(timeout))?;
        if let Some(on) = foreign_keys {
            connection.pragma_update(None, "foreign_keys", on)?;
        }
        Ok(connection)
    })
    .await?;
    Ok(Box::new(SqliteSession {
        connection: Arc::new(Mutex::new(connection)),
        dialect: settings.dialect(),
    }))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> rusqlite::Result<T> + Send + 'static,
) -> DatabaseResult<T> {
    match spawn_blocking(work).await {
        Ok(result) => result.map_err(database_error),
        Err(error) => Err(DatabaseError::new(Fault::Other, error.to_string())),
    }
}

/// Columns of a table; none if it does not exist.
fn table_columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    let mut statement =
        connection.prepare("SELECT name, type, \"notnull\", pk FROM pragma_table_info(?1)")?;
    let rows = statement.query_map([table], |row| {
        let declared: String = row.get(1)?;
        let kind = kind_of(&declared);
        let key: i64 = row.get(3)?;
        Ok(Column {
            name: row.get(0)?,
            kind,
            type_name: declared.clone(),
            as_text: false,
            nullable: !row.get::<_, bool>(2)? && key == 0,
            primary_key: key > 0,
            auto_increment: key > 0 && declared.eq_ignore_ascii_case("INTEGER"),
            keeps_precision: false,
        })
    })?;
    let mut columns = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    // A row's number stands for the key only if that is a single column.
    let key_columns = columns.iter().filter(|column| column.primary_key).count();
    for column in &mut columns {
        column.auto_increment &= key_columns == 1;
        if matches!(column.kind, ColumnType::Timestamp { .. })
            && holds_numbers(connection, table, &column.name)?
        {
            column.type_name = MILLIS_TYPE.to_owned();
        }
    }
    Ok(columns)
}

/// Whether the first value of a column is a number.
fn holds_numbers(connection: &Connection, table: &str, column: &str) -> rusqlite::Result<bool> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let sql = format!(
        "SELECT typeof({0}) FROM {1} WHERE {0} IS NOT NULL LIMIT 1",
        quoted(column),
        quoted(table)
    );
    match connection.query_row(&sql, [], |row| row.get::<_, String>(0)) {
        Ok(kind) => Ok(kind == "integer"),
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(false),
        Err(error) => Err(error),
    }
}

impl SqliteSession {
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> DatabaseResult<T> {
        let connection = Arc::clone(&self.connection);
        blocking(move || work(&connection.lock())).await
    }
}

/// Reads a query's rows and hands them on; ends early when nobody takes them.
fn read(
    connection: &Connection,
    select: &Select,
    kinds: &[ColumnType],
    chunks: &mpsc::Sender<Chunk>,
) -> DatabaseResult<()> {
    let mut statement = connection.prepare(&select.sql).map_err(database_error)?;
    let mut rows = statement.query([]).map_err(database_error)?;
    let mut ended = false;
    while !ended {
        let mut chunk = Chunk::with_capacity(CHUNK);
        while chunk.len() < CHUNK && !ended {
            let row = match rows.next() {
                Ok(Some(row)) => {
                    let cells = kinds.iter().enumerate().map(|(index, kind)| {
                        let value = row.get_ref(index).map_err(|error| error.to_string())?;
                        decode(value, *kind)
                    });
                    select.plan.row(cells).map_err(DatabaseError::data)
                }
                Ok(None) => break,
                Err(error) => Err(database_error(error)),
            };
            ended = row.is_err();
            chunk.push(row);
        }
        ended |= chunk.len() < CHUNK;
        ended |= chunks.blocking_send(chunk).is_err();
    }
    Ok(())
}

#[async_trait]
impl Session for SqliteSession {
    async fn tables(&mut self, kinds: &[String]) -> DatabaseResult<Vec<TableId>> {
        let kinds: Vec<String> = kinds.iter().map(|kind| kind.to_ascii_lowercase()).collect();
        self.run(move |connection| {
            let mut statement = connection.prepare(
                "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE \
                 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
            )?;
            let rows = statement.query_map([], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
            })?;
            let mut tables = Vec::new();
            for row in rows {
                let (name, kind) = row?;
                if kinds.contains(&kind) {
                    tables.push(TableId {
                        catalog: None,
                        schema: None,
                        name,
                    });
                }
            }
            Ok(tables)
        })
        .await
    }

    async fn table(&mut self, name: &TableId) -> DatabaseResult<Option<Table>> {
        let id = name.clone();
        self.run(move |connection| {
            let columns = table_columns(connection, &id.name)?;
            Ok((!columns.is_empty()).then_some(Table { id, columns }))
        })
        .await
    }

    async fn describe(&mut self, query: &str) -> DatabaseResult<Vec<Column>> {
        let sql = query.to_owned();
        self.run(move |connection| {
            let statement = connection.prepare(&sql)?;
            Ok(statement
                .columns()
                .map(|column| {
                    let declared = column.decl_type().unwrap_or_default();
                    Column {
                        name: column.name().to_owned(),
                        kind: kind_of(declared),
                        type_name: declared.to_owned(),
                        as_text: false,
                        nullable: true,
                        primary_key: false,
                        auto_increment: false,
                        keeps_precision: false,
                    }
                })
                .collect())
        })
        .await
    }

    /// SQLite has no users.
    async fn check_privilege(&mut self, _: Privilege, _: &TableId) -> DatabaseResult<()> {
        Ok(())
    }

    async fn now(&mut self) -> DatabaseResult<i64> {
        self.run(|connection| {
            connection.query_row(
                "SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000",
                [],
                |row| row.get(0),
            )
        })
        .await
    }

    async fn read(&mut self, select: Select) -> DatabaseResult<Rows> {
        // Types of the result again, since the plan knows what becomes of them only.
        let columns = self.describe(&select.sql).await?;
        let kinds: Vec<ColumnType> = columns.iter().map(|column| column.kind).collect();
        let (sender, chunks) = mpsc::channel(1);
        let connection = Arc::clone(&self.connection);
        spawn_blocking(move || {
            if let Err(error) = read(&connection.lock(), &select, &kinds, &sender) {
                // Nobody waits for it if the stream was given up.
                let _ = sender.blocking_send(vec![Err(error)]);
            }
        });
        Ok(unpacked(chunks).boxed())
    }

    async fn begin(&mut self) -> DatabaseResult<()> {
        // A transaction takes its lock at once, so that two of them wait instead of failing.
        self.execute("BEGIN IMMEDIATE").await
    }

    async fn execute(&mut self, sql: &str) -> DatabaseResult<()> {
        let sql = sql.to_owned();
        self.run(move |connection| connection.execute_batch(&sql))
            .await
    }

    async fn affected(&mut self, sql: &str) -> DatabaseResult<u64> {
        let sql = sql.to_owned();
        self.run(move |connection| connection.execute(&sql, []).map(|count| count as u64))
            .await
    }

    async fn check_deferred(&mut self) -> DatabaseResult<()> {
        let broken: bool = self
            .run(|connection| {
                connection.query_row(
                    "SELECT EXISTS (SELECT 1 FROM pragma_foreign_key_check)",
                    [],
                    |row| row.get(0),
                )
            })
            .await?;
        match broken {
            true => Err(DatabaseError::data("FOREIGN KEY constraint failed")),
            false => Ok(()),
        }
    }

    /// Every row has its statement. The schema as a whole says whether something is checked at the commit, or
    /// code runs that can end a transaction.
    async fn facts(&mut self, table: &TableId) -> DatabaseResult<Option<TableFacts>> {
        let name = table.name.clone();
        self.run(move |connection| {
            let version: i64 = connection.query_row("PRAGMA schema_version", [], |row| row.get(0))?;
            let columns: i64 = connection.query_row(
                "SELECT count(*) FROM pragma_table_info(?1)",
                [&name],
                |row| row.get(0),
            )?;
            let special: bool = connection.query_row(
                "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type IN ('trigger', 'view') OR sql LIKE \
                 '%deferr%' OR sql LIKE '%rollback%')",
                [],
                |row| row.get(0),
            )?;
            Ok((columns > 0).then(|| TableFacts {
                fingerprint: format!("{version} {special}"),
                insert: Execution::Each,
                upsert: Execution::Each,
                independent: false,
                savepoints: !special,
                transactional: true,
                engine: None,
                plain: None,
            }))
        })
        .await
    }

    async fn write(&mut self, units: &[Unit<'_>]) -> DatabaseResult<()> {
        let all: Vec<(String, Vec<Vec<Cell>>)> = units
            .iter()
            .map(|unit| {
                let rows = unit.rows.iter().map(|row| row.to_vec()).collect();
                (write_sql(self.dialect, unit.write), rows)
            })
            .collect();
        self.run(move |connection| {
            for (sql, rows) in all {
                let mut statement = connection.prepare_cached(&sql)?;
                for row in rows {
                    statement.execute(rusqlite::params_from_iter(row))?;
                }
            }
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::DatabaseKind;

    #[test]
    fn declared_types_say_what_values_are_read_as() {
        for (declared, kind) in [
            ("INTEGER", ColumnType::Int64),
            ("varchar(10)", ColumnType::Text),
            ("double precision", ColumnType::Float64),
            ("DATETIME", ColumnType::Timestamp { instant: false }),
            (
                "decimal(10, 2)",
                ColumnType::Numeric {
                    precision: Some(10),
                    scale: 2,
                },
            ),
            ("", ColumnType::Text),
        ] {
            assert_eq!(kind_of(declared), kind, "{declared}");
        }
    }

    #[test]
    fn an_upsert_is_one_statement() {
        let column = |name: &str| Column {
            name: name.to_owned(),
            kind: ColumnType::Int64,
            type_name: String::new(),
            as_text: false,
            nullable: true,
            primary_key: false,
            auto_increment: false,
            keeps_precision: false,
        };
        let write = Write {
            operation: Operation::Upsert,
            table: TableId::named("t"),
            columns: vec![column("id"), column("a")],
            key_columns: 1,
        };
        let dialect = Dialect {
            kind: DatabaseKind::Sqlite,
            quote: true,
        };
        assert_eq!(
            write_sql(dialect, &write),
            "INSERT INTO \"t\" (\"id\", \"a\") VALUES (?1, ?2) ON CONFLICT (\"id\") DO UPDATE SET \"a\" = ?2"
        );
    }
}
