//! The databases, behind one trait: a [`Session`] is a connection that can list tables, read rows as a stream
//! and write batches; a [`Dialect`] is what statements look like.
//!
//! A session is used by one task, one call after another. After an error of [`Fault::Unreachable`] it is
//! dropped and another one opened.

mod limited;
mod mariadb;
mod postgresql;
mod sqlite;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, Stream, StreamExt as _};
use sluice_api::{Schema, Value};
use tokio::sync::mpsc;

use self::limited::Limited;
use crate::cell::Cell;
use crate::config::ConnectionSettings;
use crate::error::{DatabaseError, DatabaseResult, Fault};
use crate::row_plan::{Row, RowPlan};
use crate::table::{Column, Table, TableId};
use crate::table_facts::TableFacts;
use crate::time::Zone;
use crate::url::DatabaseKind;

/// Rows of a [`Chunk`] at most, the bound of rows in memory beside those of a poll.
const CHUNK: usize = 256;

/// What a batch does to its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Insert,
    Upsert,
    Update,
    Delete,
}

/// What a user may be allowed to do with a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privilege {
    Insert,
    Update,
    Delete,
    Create,
}

/// As `GRANT` has it.
impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Create => "CREATE",
        })
    }
}

/// A statement for batches of rows, whose cells come in the order of `columns`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Write {
    pub(crate) operation: Operation,
    pub(crate) table: TableId,
    /// Columns of the primary key first.
    pub(crate) columns: Vec<Column>,
    /// How many of them are the key.
    pub(crate) key_columns: usize,
}

impl Write {
    /// Columns that identify a row.
    pub(crate) fn key(&self) -> &[Column] {
        self.columns.get(..self.key_columns).unwrap_or_default()
    }

    /// All other columns.
    pub(crate) fn rest(&self) -> &[Column] {
        self.columns.get(self.key_columns..).unwrap_or_default()
    }
}

/// How the rows of a [`Unit`] become statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Execution {
    /// A statement per row.
    Each,
    /// As few statements as there can be.
    Together,
    /// In bulk if there are enough rows to be worth it, else a statement per row.
    Bulk,
}

/// Rows that are written one after another, or as if they were.
#[derive(Debug)]
pub(crate) struct Unit<'a> {
    pub(crate) write: &'a Write,
    pub(crate) execution: Execution,
    pub(crate) rows: Vec<&'a [Cell]>,
}

/// A column to be created.
#[derive(Debug, Clone)]
pub(crate) struct NewColumn {
    pub(crate) name: String,
    pub(crate) schema: Arc<Schema>,
    pub(crate) primary_key: bool,
}

/// Rows of a query as they come, polled by the task that reads them; they end with an error, or after the
/// last.
pub(crate) type Rows = BoxStream<'static, DatabaseResult<Row>>;

/// Rows that travel together from a connection that can't be polled by the task.
type Chunk = Vec<DatabaseResult<Row>>;

/// The rows of chunks as one stream.
fn unpacked(chunks: mpsc::Receiver<Chunk>) -> impl Stream<Item = DatabaseResult<Row>> {
    stream::unfold(chunks, |mut chunks| async {
        Some((chunks.recv().await?, chunks))
    })
    .flat_map(stream::iter)
}

/// A query, its text complete.
#[derive(Debug, Clone)]
pub(crate) struct Select {
    pub(crate) sql: String,
    pub(crate) plan: Arc<RowPlan>,
}

/// A connection to a database.
#[async_trait]
pub(crate) trait Session: Send + Sync {
    /// All tables of the given kinds (`TABLE`, `VIEW`, ...) that the user can see, of the database of the
    /// URL.
    async fn tables(&mut self, kinds: &[String]) -> DatabaseResult<Vec<TableId>>;

    /// The table of a name, whose missing parts the database completes; `None` if there is none.
    async fn table(&mut self, name: &TableId) -> DatabaseResult<Option<Table>>;

    /// Columns of the result of a query.
    async fn describe(&mut self, query: &str) -> DatabaseResult<Vec<Column>>;

    /// Fails with [`Fault::Permission`] if the user may not do this to a table, and changes nothing.
    async fn check_privilege(
        &mut self,
        privilege: Privilege,
        table: &TableId,
    ) -> DatabaseResult<()>;

    /// The database's clock, in microseconds since the epoch.
    async fn now(&mut self) -> DatabaseResult<i64>;

    /// Begins to read.
    async fn read(&mut self, select: Select) -> DatabaseResult<Rows>;

    /// Begins a transaction, which `COMMIT` or the end of the session ends.
    async fn begin(&mut self) -> DatabaseResult<()> {
        self.execute("BEGIN").await
    }

    /// Fails if what is checked at the commit would not hold now; the transaction goes on all the same.
    async fn check_deferred(&mut self) -> DatabaseResult<()> {
        Ok(())
    }

    /// Runs a statement without result.
    async fn execute(&mut self, sql: &str) -> DatabaseResult<()>;

    /// Runs a statement; answers how many rows it affected.
    async fn affected(&mut self, sql: &str) -> DatabaseResult<u64>;

    /// What the catalog says of a table now, as the transaction under way sees it; `None` if the table is not
    /// there.
    async fn facts(&mut self, table: &TableId) -> DatabaseResult<Option<TableFacts>>;

    /// Executes units in their order within the transaction under way. After an error it has to be rolled
    /// back, as a whole or to a savepoint.
    async fn write(&mut self, units: &[Unit<'_>]) -> DatabaseResult<()>;
}

/// What statements of a database look like. Names are quoted as `quote.sql.identifiers` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) kind: DatabaseKind,
    pub(crate) quote: bool,
}

impl Dialect {
    /// A name of a column or of a part of a table's name.
    pub(crate) fn name(self, name: &str) -> String {
        if !self.quote {
            return name.to_owned();
        }
        self.always_quoted(name)
    }

    /// What stands around names.
    pub(crate) fn quote_mark(self) -> char {
        match self.kind {
            DatabaseKind::MariaDb => '`',
            DatabaseKind::PostgreSql | DatabaseKind::Sqlite => '"',
        }
    }

    fn always_quoted(self, name: &str) -> String {
        match self.kind {
            DatabaseKind::MariaDb => format!("`{}`", name.replace('`', "``")),
            DatabaseKind::PostgreSql | DatabaseKind::Sqlite => {
                format!("\"{}\"", name.replace('"', "\"\""))
            }
        }
    }

    /// A text literal.
    pub(crate) fn literal(self, text: &str) -> String {
        format!("'{}'", text.replace('\'', "''"))
    }

    /// A table's name.
    pub(crate) fn table(self, id: &TableId) -> String {
        // PostgreSQL knows one database per connection.
        let qualifier = match self.kind {
            DatabaseKind::PostgreSql => id.schema.as_ref(),
            DatabaseKind::Sqlite | DatabaseKind::MariaDb => {
                id.schema.as_ref().or(id.catalog.as_ref())
            }
        };
        match qualifier {
            Some(qualifier) => format!("{}.{}", self.name(qualifier), self.name(&id.name)),
            None => self.name(&id.name),
        }
    }

    /// A list of columns.
    pub(crate) fn names<'a>(self, columns: impl IntoIterator<Item = &'a Column>) -> String {
        let names: Vec<String> = columns
            .into_iter()
            .map(|column| self.name(&column.name))
            .collect();
        names.join(", ")
    }

    /// A literal of a point in time, to be compared with the given column.
    pub(crate) fn timestamp_literal(self, micros: i64, column: &Column, zone: Zone) -> String {
        match self.kind {
            DatabaseKind::PostgreSql => postgresql::timestamp_literal(micros, column, zone),
            DatabaseKind::Sqlite => sqlite::timestamp_literal(micros, column, zone),
            DatabaseKind::MariaDb => mariadb::timestamp_literal(micros, column, zone),
        }
    }

    /// The expression that selects a column, and casts it to a text where no common type fits.
    pub(crate) fn selected(self, column: &Column) -> String {
        let name = self.always_quoted(&column.name);
        if column.as_text {
            return match self.kind {
                DatabaseKind::PostgreSql => format!("{name}::text AS {name}"),
                DatabaseKind::Sqlite | DatabaseKind::MariaDb => name,
            };
        }
        name
    }

    /// Type of a new column for values of a schema, or why there is none.
    pub(crate) fn column_type(self, schema: &Schema, primary_key: bool) -> Result<String, String> {
        match self.kind {
            DatabaseKind::PostgreSql => postgresql::column_type(schema),
            DatabaseKind::Sqlite => sqlite::column_type(schema),
            DatabaseKind::MariaDb => mariadb::column_type(schema, primary_key),
        }
    }

    fn column_definition(self, column: &NewColumn) -> Result<String, String> {
        let kind = self.column_type(&column.schema, column.primary_key)?;
        let mut text = format!("{} {kind}", self.name(&column.name));
        if let Some(default) = column.schema.default_value() {
            text.push_str(" DEFAULT ");
            text.push_str(&self.default_literal(default, &column.schema)?);
        }
        text.push_str(if column.schema.is_optional() && !column.primary_key {
            " NULL"
        } else {
            " NOT NULL"
        });
        Ok(text)
    }

    fn default_literal(self, value: &Value, schema: &Schema) -> Result<String, String> {
        Ok(match Cell::of(value, Some(schema))? {
            Cell::Boolean(value) if self.kind == DatabaseKind::PostgreSql => value.to_string(),
            Cell::Boolean(value) => i32::from(value).to_string(),
            Cell::Integer(value) => value.to_string(),
            Cell::Float32(value) => value.to_string(),
            Cell::Float64(value) => value.to_string(),
            Cell::Decimal(value) => value.to_plain_string(),
            Cell::Text(text) => self.literal(&text),
            other => {
                let mut text = String::new();
                crate::sql_text::write(&mut text, &other, false, Zone::utc());
                self.literal(&text)
            }
        })
    }

    /// `CREATE TABLE`, or which field has no column type.
    pub(crate) fn create_table(
        self,
        table: &TableId,
        columns: &[NewColumn],
    ) -> Result<String, String> {
        let mut definitions = columns
            .iter()
            .map(|column| self.column_definition(column))
            .collect::<Result<Vec<_>, _>>()?;
        let key: Vec<String> = columns
            .iter()
            .filter(|column| column.primary_key)
            .map(|column| self.name(&column.name))
            .collect();
        if !key.is_empty() {
            definitions.push(format!("PRIMARY KEY ({})", key.join(", ")));
        }
        // Two tasks may want the same table at the same time.
        Ok(format!(
            "CREATE TABLE IF NOT EXISTS {} ({})",
            self.table(table),
            definitions.join(", ")
        ))
    }

    /// Inserts a row unless one with its key is there.
    pub(crate) fn insert_if_missing(self, table: &str, columns: &str, values: &str) -> String {
        match self.kind {
            DatabaseKind::MariaDb => {
                format!("INSERT IGNORE INTO {table} ({columns}) VALUES ({values})")
            }
            DatabaseKind::PostgreSql | DatabaseKind::Sqlite => {
                format!("INSERT INTO {table} ({columns}) VALUES ({values}) ON CONFLICT DO NOTHING")
            }
        }
    }

    /// `ALTER TABLE ... ADD`, one statement per column, or which field has no column type.
    pub(crate) fn add_columns(
        self,
        table: &TableId,
        columns: &[NewColumn],
    ) -> Result<Vec<String>, String> {
        let exists = if self.kind == DatabaseKind::PostgreSql {
            "IF NOT EXISTS "
        } else {
            ""
        };
        columns
            .iter()
            .map(|column| {
                Ok(format!(
                    "ALTER TABLE {} ADD COLUMN {exists}{}",
                    self.table(table),
                    self.column_definition(column)?
                ))
            })
            .collect()
    }

    /// The statement that sets `transaction.isolation.mode` for a session; `None` for the database's default.
    pub(crate) fn set_isolation(self, mode: &str) -> Option<String> {
        let level = match mode.to_ascii_uppercase().as_str() {
            "READ_UNCOMMITTED" => "READ UNCOMMITTED",
            "READ_COMMITTED" => "READ COMMITTED",
            "REPEATABLE_READ" => "REPEATABLE READ",
            "SERIALIZABLE" => "SERIALIZABLE",
            _ => return None,
        };
        match self.kind {
            DatabaseKind::PostgreSql => Some(format!(
                "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {level}"
            )),
            DatabaseKind::MariaDb => {
                Some(format!("SET SESSION TRANSACTION ISOLATION LEVEL {level}"))
            }
            // SQLite's transactions are always serializable.
            DatabaseKind::Sqlite => None,
        }
    }
}

/// The outcome of a call; [`Fault::Unreachable`] if the server lets it wait for too long.
async fn within<T>(
    limit: Option<Duration>,
    call: impl Future<Output = DatabaseResult<T>>,
) -> DatabaseResult<T> {
    let Some(limit) = limit else {
        return call.await;
    };
    tokio::time::timeout(limit, call).await.unwrap_or_else(|_| {
        let message = format!("no answer within {limit:?}");
        Err(DatabaseError::new(Fault::Unreachable, message))
    })
}

/// Opens a session to the first host that answers, once; [`connect`] tries again.
pub(crate) async fn connect_once(
    settings: &ConnectionSettings,
) -> DatabaseResult<Box<dyn Session>> {
    let url = &settings.url;
    let mut last = DatabaseError::new(Fault::Unreachable, "the URL names no host");
    for (host, port) in &url.hosts {
        let opening = async {
            match url.kind {
                DatabaseKind::MariaDb => mariadb::connect(settings, host, *port).await,
                _ => postgresql::connect(settings, host, *port).await,
            }
        };
        match (
            within(settings.limits.connect, opening).await,
            settings.limits.answer,
        ) {
            (Err(error), _) if error.fault == Fault::Unreachable => last = error,
            (Ok(session), Some(limit)) => return Ok(Box::new(Limited { session, limit })),
            (outcome, _) => return outcome,
        }
    }
    match url.kind {
        DatabaseKind::Sqlite => sqlite::connect(settings).await,
        _ => Err(last),
    }
}

/// Opens a session, trying `connection.attempts` times with `connection.backoff.ms` in between, until
/// `stopping`.
pub(crate) async fn connect(
    settings: &ConnectionSettings,
    stopping: &tokio_util::sync::CancellationToken,
) -> DatabaseResult<Box<dyn Session>> {
    let mut attempt = 1;
    loop {
        match connect_once(settings).await {
            Err(error) if error.fault.is_retriable() && attempt < settings.attempts => {
                tracing::warn!(attempt, "{}", error.explain("connecting", &settings.url));
                attempt += 1;
                tokio::select! {
                    () = tokio::time::sleep(settings.backoff) => {}
                    () = stopping.cancelled() => return Err(error),
                }
            }
            outcome => return outcome,
        }
    }
}
