//! PostgreSQL, on tokio-postgres.
//!
//! Reading: rows come in the binary format as a stream with backpressure, so that the server is never further
//! ahead than a socket's buffer. Types without a common form are selected as texts.
//!
//! Writing: cells go as texts, read by the input functions of the columns' types: a parameter per column in
//! statements of one row, which follow each other without waiting; an array per column in statements of many
//! rows; COPY for inserts of many. Which of them has the same result says [`facts`].

mod facts;
mod types;
mod write;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::error::Error as _;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, SinkExt as _, StreamExt as _, poll};
use tokio::task::AbortHandle;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Statement};

use self::types::{Format, Raw, decode, format, numeric_modifier};
pub(super) use self::types::{column_type, timestamp_literal};
use self::write::{TextColumn, copy_body, is_instant, row_sql, write_sql};
use super::{Dialect, Execution, Operation, Privilege, Rows, Select, Session, Unit, Write};
use crate::cell::Cell;
use crate::config::ConnectionSettings;
use crate::error::{DatabaseError, DatabaseResult, Fault};
use crate::table::{Column, ColumnType, Table, TableId};
use crate::table_facts::TableFacts;
use crate::time::Zone;
use crate::tls;

/// Inserts of at least so many rows are a COPY.
const COPY_ROWS: usize = 32;
/// Statements that are sent before the answer to the first of them.
const MAX_FLIGHT: usize = 256;
/// Prepared statements that are kept.
const MAX_STATEMENTS: usize = 64;

fn fault_of_state(state: &str) -> Fault {
    match state {
        "28000" | "28P01" => Fault::Authentication,
        "3D000" => Fault::MissingDatabase,
        "42501" => Fault::Permission,
        "42P01" | "3F000" => Fault::MissingTable,
        "57P01" | "57P02" | "57P03" | "57P05" => Fault::Unreachable,
        "53100" => Fault::Full,
        "40001" | "40P01" | "55P03" | "25006" | "57014" => Fault::Transient,
        "42804" | "42846" => Fault::Data,
        _ => match state.get(..2) {
            Some("08") => Fault::Unreachable,
            Some("53") => Fault::Transient,
            Some("21" | "22" | "23") => Fault::Data,
            _ => Fault::Other,
        },
    }
}

fn database_error(error: &tokio_postgres::Error) -> DatabaseError {
    if let Some(server) = error.as_db_error() {
        let mut message = server.message().to_owned();
        if let Some(detail) = server.detail() {
            message.push_str(": ");
            message.push_str(detail);
        }
        let state = server.code().code();
        return DatabaseError::new(fault_of_state(state), message).with_code(state);
    }
    if let Some(why) = tls::refusal(error) {
        let message = format!("{why}; check sslmode and sslrootcert in connection.url");
        return DatabaseError::new(Fault::Other, message);
    }
    let mut message = error.to_string();
    let mut unreachable = error.is_closed();
    let mut cause = error.source();
    while let Some(inner) = cause {
        unreachable |= inner.is::<std::io::Error>();
        let text = inner.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        cause = inner.source();
    }
    let fault = if unreachable || message.starts_with("error communicating") {
        Fault::Unreachable
    } else if message.starts_with("error serializing") {
        Fault::Data
    } else if message.contains("password") || message.contains("authentication") {
        Fault::Authentication
    } else {
        Fault::Other
    };
    DatabaseError::new(fault, message)
}

/// A connection, whose driver ends with it.
struct PostgreSqlSession {
    client: Client,
    driver: AbortHandle,
    dialect: Dialect,
    zone: Zone,
    statements: HashMap<String, Statement>,
    /// What tables were when they were last looked at.
    fingerprints: HashMap<TableId, Option<String>>,
}

impl Drop for PostgreSqlSession {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

const SSL_MODES: &[&str] = &[
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];

/// The SSL mode of JDBC's parameters.
fn ssl_mode(settings: &ConnectionSettings) -> &str {
    let url = &settings.url;
    match (url.parameter("sslmode"), url.parameter("ssl")) {
        (Some(mode), _) => mode,
        (None, Some("" | "true")) => "verify-full",
        (None, _) => "prefer",
    }
}

fn client_config(settings: &ConnectionSettings, host: &str, port: u16) -> Config {
    let url = &settings.url;
    let mut config = Config::new();
    config.host(host).port(port);
    if let Some(user) = &settings.user {
        config.user(user);
    }
    if let Some(password) = &settings.password {
        config.password(password.reveal());
    }
    if !url.database.is_empty() {
        config.dbname(&url.database);
    }
    let mut options = url.parameter("options").unwrap_or_default().to_owned();
    if let Some(schemas) = url.parameter("currentSchema") {
        options.push_str(&format!(" -c search_path={}", schemas.replace(' ', "\\ ")));
    }
    if !options.is_empty() {
        config.options(options.trim());
    }
    // A server whose host is gone is noticed, however long a query may take.
    config
        .keepalives_idle(Duration::from_secs(30))
        .keepalives_interval(Duration::from_secs(10))
        .keepalives_retries(3)
        .tcp_user_timeout(Duration::from_secs(60));
    config.application_name(url.parameter("ApplicationName").unwrap_or("sluice"));
    if url
        .parameter("targetServerType")
        .is_some_and(|kind| matches!(kind, "primary" | "master"))
    {
        config.target_session_attrs(tokio_postgres::config::TargetSessionAttrs::ReadWrite);
    }
    config
}

/// Opens a connection.
pub(super) async fn connect(
    settings: &ConnectionSettings,
    host: &str,
    port: u16,
) -> DatabaseResult<Box<dyn Session>> {
    let mut config = client_config(settings, host, port);
    let mode = ssl_mode(settings);
    if !SSL_MODES.contains(&mode) {
        return Err(DatabaseError::new(
            Fault::Other,
            format!("sslmode={mode} is none of {}", SSL_MODES.join(", ")),
        ));
    }
    let (client, driver) = if mode == "disable" {
        config.ssl_mode(tokio_postgres::config::SslMode::Disable);
        let (client, connection) = config
            .connect(NoTls)
            .await
            .map_err(|error| database_error(&error))?;
        (
            client,
            tokio::spawn(async move { drop(connection.await) }).abort_handle(),
        )
    } else {
        config.ssl_mode(match mode {
            "prefer" | "allow" => tokio_postgres::config::SslMode::Prefer,
            _ => tokio_postgres::config::SslMode::Require,
        });
        let url = &settings.url;
        let client = match (url.parameter("sslcert"), url.parameter("sslkey")) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => {
                let message = "sslcert and sslkey belong together; set both in connection.url";
                return Err(DatabaseError::new(Fault::Other, message));
            }
        };
        let tls = tls::client_config(mode, url.parameter("sslrootcert"), client)?;
        let tls = tokio_postgres_rustls::MakeRustlsConnect::new(tls);
        let (client, connection) = config
            .connect(tls)
            .await
            .map_err(|error| database_error(&error))?;
        (
            client,
            tokio::spawn(async move { drop(connection.await) }).abort_handle(),
        )
    };
    let session = PostgreSqlSession {
        client,
        driver,
        dialect: settings.dialect(),
        zone: settings.zone,
        statements: HashMap::new(),
        fingerprints: HashMap::new(),
    };
    session
        .client
        .batch_execute("SET TIME ZONE 'UTC'; SET DateStyle TO ISO, YMD")
        .await
        .map_err(|error| database_error(&error))?;
    Ok(Box::new(session))
}

/// What the catalogue says of a column.
#[derive(Debug, Clone)]
struct Described {
    not_null: bool,
    /// Whether a sequence fills it.
    counts: bool,
    type_name: String,
    primary_key: bool,
}

impl PostgreSqlSession {
    async fn prepared(&mut self, sql: &str) -> DatabaseResult<Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self
            .client
            .prepare(sql)
            .await
            .map_err(|error| database_error(&error))?;
        if self.statements.len() >= MAX_STATEMENTS {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    async fn catalogue(&self, table: u32) -> DatabaseResult<HashMap<i16, Described>> {
        let rows = self
            .client
            .query(
                "SELECT a.attnum, a.attnotnull, a.attidentity <> '' OR a.attgenerated <> '' OR \
                 coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', false), format_type(a.atttypid, \
                 -1), coalesce(a.attnum = ANY(i.indkey), false) FROM pg_attribute a LEFT JOIN pg_attrdef d \
                 ON d.adrelid = a.attrelid AND d.adnum = a.attnum LEFT JOIN pg_index i ON i.indrelid = \
                 a.attrelid AND i.indisprimary WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped",
                &[&table],
            )
            .await
            .map_err(|error| database_error(&error))?;
        rows.iter()
            .map(|row| {
                Ok((
                    row.try_get(0)?,
                    Described {
                        not_null: row.try_get(1)?,
                        counts: row.try_get(2)?,
                        type_name: row.try_get(3)?,
                        primary_key: row.try_get(4)?,
                    },
                ))
            })
            .collect::<Result<_, tokio_postgres::Error>>()
            .map_err(|error| database_error(&error))
    }

    /// The statements of units that are not copied, one per unit.
    async fn statements_of(
        &mut self,
        units: &[Unit<'_>],
    ) -> DatabaseResult<Vec<Option<Statement>>> {
        let mut all = Vec::with_capacity(units.len());
        for unit in units {
            all.push(if is_copied(unit) {
                None
            } else if unit.execution == Execution::Together {
                Some(self.prepared(&write_sql(self.dialect, unit.write)).await?)
            } else {
                Some(self.prepared(&row_sql(self.dialect, unit.write)).await?)
            });
        }
        Ok(all)
    }

    async fn copy(&self, write: &Write, rows: &[&[Cell]]) -> DatabaseResult<()> {
        let sql = format!(
            "COPY {} ({}) FROM STDIN",
            self.dialect.table(&write.table),
            self.dialect.names(&write.columns)
        );
        let sink = self
            .client
            .copy_in::<_, Bytes>(&sql)
            .await
            .map_err(|error| database_error(&error))?;
        futures::pin_mut!(sink);
        let sent = sink.send(copy_body(&write.columns, rows, self.zone)).await;
        let finished = sink.finish().await;
        // What the server says at the end is why it did not take the rows.
        finished.and(sent).map_err(|error| database_error(&error))
    }

    async fn plan_each_time(&self) -> DatabaseResult<()> {
        self.client
            .batch_execute("SET LOCAL plan_cache_mode = force_custom_plan")
            .await
            .map_err(|error| database_error(&error))
    }

    /// Executes a statement for rows; the request is sent when the future is polled for the first time.
    async fn execute_rows(
        &self,
        statement: &Statement,
        unit: &Unit<'_>,
        rows: &[&[Cell]],
    ) -> DatabaseResult<()> {
        let columns: Vec<TextColumn<'_>> = unit
            .write
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| TextColumn {
                rows,
                index,
                instant: is_instant(column),
                zone: self.zone,
                single: unit.execution != Execution::Together,
            })
            .collect();
        let parameters: Vec<&(dyn ToSql + Sync)> = columns
            .iter()
            .map(|column| column as &(dyn ToSql + Sync))
            .collect();
        self.client
            .execute(statement, &parameters)
            .await
            .map(drop)
            .map_err(|error| database_error(&error))
    }
}

/// Whether plans of statements have to know the values: only then values are refused that have no row to be
/// written to.
fn is_planned_each_time(unit: &Unit<'_>) -> bool {
    unit.execution != Execution::Together
        && matches!(unit.write.operation, Operation::Update | Operation::Delete)
}

/// Whether rows are copied; a COPY of a few is slower than their statements.
fn is_copied(unit: &Unit<'_>) -> bool {
    unit.execution == Execution::Bulk && unit.rows.len() >= COPY_ROWS
}

/// Statements on their way: sent in their order without waiting for the answer to the one before.
#[derive(Default)]
struct Flight<'a> {
    answers: VecDeque<BoxFuture<'a, DatabaseResult<()>>>,
}

impl<'a> Flight<'a> {
    /// Sends one more, once there is room for it.
    async fn start(&mut self, mut answer: BoxFuture<'a, DatabaseResult<()>>) -> DatabaseResult<()> {
        self.land(MAX_FLIGHT - 1).await?;
        match poll!(&mut answer) {
            Poll::Ready(outcome) => {
                // An error at once; those on their way may have a better one.
                self.land(0).await?;
                outcome
            }
            Poll::Pending => {
                self.answers.push_back(answer);
                Ok(())
            }
        }
    }

    /// Waits until at most this many are on their way; the first error counts, those after it follow from it.
    async fn land(&mut self, most: usize) -> DatabaseResult<()> {
        while self.answers.len() > most {
            if let Some(answer) = self.answers.pop_front() {
                answer.await?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Session for PostgreSqlSession {
    async fn tables(&mut self, kinds: &[String]) -> DatabaseResult<Vec<TableId>> {
        let kinds: Vec<&str> = kinds
            .iter()
            .filter_map(|kind| match kind.to_ascii_uppercase().as_str() {
                "TABLE" => Some("r"),
                "PARTITIONED TABLE" => Some("p"),
                "VIEW" => Some("v"),
                "MATERIALIZED VIEW" => Some("m"),
                "FOREIGN TABLE" => Some("f"),
                _ => None,
            })
            .collect();
        let rows = self
            .client
            .query(
                "SELECT current_database()::text, n.nspname::text, c.relname::text FROM pg_class c JOIN \
                 pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind::text = ANY($1) AND n.nspname <> \
                 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 2, 3",
                &[&kinds],
            )
            .await
            .map_err(|error| database_error(&error))?;
        rows.iter()
            .map(|row| {
                Ok(TableId {
                    catalog: Some(row.try_get(0)?),
                    schema: Some(row.try_get(1)?),
                    name: row.try_get(2)?,
                })
            })
            .collect::<Result<_, tokio_postgres::Error>>()
            .map_err(|error| database_error(&error))
    }

    async fn table(&mut self, name: &TableId) -> DatabaseResult<Option<Table>> {
        let found = self
            .client
            .query_opt(
                "SELECT current_database()::text, n.nspname::text, c.relname::text \
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE c.oid = to_regclass($1)::oid",
                &[&self.dialect.table(name)],
            )
            .await
            .map_err(|error| database_error(&error))?;
        let Some(row) = found else {
            return Ok(None);
        };
        let part = |index: usize| row.try_get(index).map_err(|error| database_error(&error));
        let id = TableId {
            catalog: Some(part(0)?),
            schema: Some(part(1)?),
            name: part(2)?,
        };
        if name.catalog.is_some() && name.catalog != id.catalog {
            return Ok(None);
        }
        let quoted = Dialect {
            quote: true,
            ..self.dialect
        };
        let columns = self
            .describe(&format!("SELECT * FROM {}", quoted.table(&id)))
            .await?;
        Ok(Some(Table { id, columns }))
    }

    async fn describe(&mut self, query: &str) -> DatabaseResult<Vec<Column>> {
        let statement = self
            .client
            .prepare(query)
            .await
            .map_err(|error| database_error(&error))?;
        let mut catalogues: HashMap<u32, HashMap<i16, Described>> = HashMap::new();
        let mut columns = Vec::with_capacity(statement.columns().len());
        for column in statement.columns() {
            let known = match (column.table_oid(), column.column_id()) {
                (Some(table), Some(id)) => {
                    if let Entry::Vacant(unknown) = catalogues.entry(table) {
                        unknown.insert(self.catalogue(table).await?);
                    }
                    catalogues
                        .get(&table)
                        .and_then(|columns| columns.get(&id))
                        .cloned()
                }
                _ => None,
            };
            let mut kind = format(column.type_()).map(|(_, kind)| kind);
            if *column.type_() == Type::NUMERIC {
                kind = Some(numeric_modifier(column.type_modifier()));
            }
            let as_text = kind.is_none();
            let kind = kind.unwrap_or(ColumnType::Text);
            columns.push(Column {
                name: column.name().to_owned(),
                kind,
                type_name: known.as_ref().map_or_else(
                    || column.type_().name().to_owned(),
                    |known| known.type_name.clone(),
                ),
                as_text,
                nullable: known.as_ref().is_none_or(|known| !known.not_null),
                primary_key: known.as_ref().is_some_and(|known| known.primary_key),
                auto_increment: known.as_ref().is_some_and(|known| known.counts),
                keeps_precision: true,
            });
        }
        Ok(columns)
    }

    async fn check_privilege(
        &mut self,
        privilege: Privilege,
        table: &TableId,
    ) -> DatabaseResult<()> {
        let (function, place) = match privilege {
            Privilege::Create => (
                "has_schema_privilege(coalesce($1::text, current_schema()::text)",
                table.schema.clone(),
            ),
            Privilege::Delete => (
                "has_table_privilege(to_regclass($1::text)::oid",
                Some(self.dialect.table(table)),
            ),
            Privilege::Insert | Privilege::Update => (
                "has_any_column_privilege(to_regclass($1::text)::oid",
                Some(self.dialect.table(table)),
            ),
        };
        let row = self
            .client
            .query_one(&format!("SELECT {function}, '{privilege}')"), &[&place])
            .await
            .map_err(|error| database_error(&error))?;
        match row.try_get(0).map_err(|error| database_error(&error))? {
            Some(false) => Err(DatabaseError::new(
                Fault::Permission,
                format!("permission denied, there is no privilege {privilege}"),
            )),
            Some(true) | None => Ok(()),
        }
    }

    async fn now(&mut self) -> DatabaseResult<i64> {
        let row = self
            .client
            .query_one(
                "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
                &[],
            )
            .await
            .map_err(|error| database_error(&error))?;
        row.try_get(0).map_err(|error| database_error(&error))
    }

    async fn read(&mut self, select: Select) -> DatabaseResult<Rows> {
        let statement = self
            .client
            .prepare(&select.sql)
            .await
            .map_err(|error| database_error(&error))?;
        let formats: Vec<Format> = statement
            .columns()
            .iter()
            .map(|column| {
                format(column.type_())
                    .map(|(format, _)| format)
                    .ok_or_else(|| {
                        DatabaseError::new(
                            Fault::Other,
                            format!(
                                "column {:?} changed its type to {}",
                                column.name(),
                                column.type_()
                            ),
                        )
                    })
            })
            .collect::<DatabaseResult<_>>()?;
        let stream = self
            .client
            .query_raw(&statement, Vec::<i32>::new())
            .await
            .map_err(|error| database_error(&error))?;
        let plan = select.plan;
        let rows = stream.map(move |row| {
            let row = row.map_err(|error| database_error(&error))?;
            let cells = formats.iter().enumerate().map(|(index, format)| {
                match row.try_get::<_, Option<Raw<'_>>>(index) {
                    Ok(None) => Ok(Cell::Null),
                    Ok(Some(Raw(raw))) => decode(*format, raw),
                    Err(error) => Err(error.to_string()),
                }
            });
            plan.row(cells).map_err(DatabaseError::data)
        });
        Ok(rows.boxed())
    }

    async fn execute(&mut self, sql: &str) -> DatabaseResult<()> {
        self.client
            .batch_execute(sql)
            .await
            .map_err(|error| database_error(&error))
    }

    async fn affected(&mut self, sql: &str) -> DatabaseResult<u64> {
        self.client
            .execute(sql, &[])
            .await
            .map_err(|error| database_error(&error))
    }

    async fn begin(&mut self) -> DatabaseResult<()> {
        // What the catalog says has to be as new as what the statements see.
        self.execute("BEGIN ISOLATION LEVEL READ COMMITTED").await
    }

    async fn check_deferred(&mut self) -> DatabaseResult<()> {
        self.execute("SAVEPOINT sluice_check").await?;
        let checked = self.execute("SET CONSTRAINTS ALL IMMEDIATE").await;
        // That takes back the constraints' mode too.
        self.execute("ROLLBACK TO SAVEPOINT sluice_check").await?;
        checked
    }

    async fn facts(&mut self, table: &TableId) -> DatabaseResult<Option<TableFacts>> {
        let statement = self.prepared(facts::SQL).await?;
        let name = self.dialect.table(table);
        let found = self
            .client
            .query_opt(&statement, &[&name])
            .await
            .map_err(|error| database_error(&error))?;
        let facts = found
            .map(|row| facts::read(&row))
            .transpose()
            .map_err(|error| database_error(&error))?;
        let fingerprint = facts.as_ref().map(|facts| facts.fingerprint.clone());
        let before = self.fingerprints.insert(table.clone(), fingerprint.clone());
        if before.is_some_and(|before| before != fingerprint) {
            // Parameters of prepared statements keep the types that columns had.
            self.statements.clear();
        }
        Ok(facts)
    }

    async fn write(&mut self, units: &[Unit<'_>]) -> DatabaseResult<()> {
        let statements = self.statements_of(units).await?;
        let mut flight = Flight::default();
        if units.iter().any(is_planned_each_time) {
            flight.start(self.plan_each_time().boxed()).await?;
        }
        for (unit, statement) in units.iter().zip(&statements) {
            let Some(statement) = statement else {
                flight.land(0).await?;
                self.copy(unit.write, &unit.rows).await?;
                continue;
            };
            let size = match unit.execution {
                Execution::Together => unit.rows.len().max(1),
                _ => 1,
            };
            for rows in unit.rows.chunks(size) {
                let answer = self.execute_rows(statement, unit, rows);
                flight.start(answer.boxed()).await?;
            }
        }
        flight.land(0).await
    }
}
