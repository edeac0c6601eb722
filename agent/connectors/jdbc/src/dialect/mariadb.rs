//! MariaDB, on mysql_async.
//!
//! Reading: rows come by the binary protocol, one after another from the socket, so that the server is never
//! further ahead than its buffer. A stream of rows holds the connection until its end.
//!
//! Writing: statements with literals, many in one packet: inserts and upserts of many rows, as the JDBC
//! driver makes them with rewriteBatchedStatements, updates and deletes of one. The server takes the rows of
//! a statement one after another. The session runs with NO_BACKSLASH_ESCAPES, in which a text literal has one
//! special character, the quote.

mod write;

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytestring::ByteString;
use futures::future::ready;
use futures::stream::{PollNext, select_with_strategy};
use futures::{FutureExt as _, StreamExt as _};
use mysql_async::consts::{ColumnFlags, ColumnType as WireType};
use mysql_async::prelude::Queryable as _;
use mysql_async::{
    Column as WireColumn, Conn, DriverError, Error, OptsBuilder, SslOpts, Value as Wire,
};
use sluice_api::{Decimal, Schema, SchemaType, logical};
use tokio::sync::{Mutex, mpsc};

use self::write::packets;
use super::{CHUNK, Chunk, Dialect, Execution, Privilege, Rows, Select, Session, Unit, unpacked};
use crate::cell::Cell;
use crate::config::ConnectionSettings;
use crate::error::{DatabaseError, DatabaseResult, Fault};
use crate::table::{Column, ColumnType, Table, TableId};
use crate::table_facts::TableFacts;
use crate::time::{Zone, days_of, write_timestamp};
use crate::tls;
use crate::url::JdbcUrl;

/// Number of the character set that means bytes.
const BINARY: u16 = 63;
/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

fn fault_of(code: u16, state: &str) -> Fault {
    match code {
        1045 | 1698 | 1251 | 1862 => Fault::Authentication,
        1044 | 1142 | 1143 | 1227 | 1370 => Fault::Permission,
        1049 => Fault::MissingDatabase,
        1146 | 1051 => Fault::MissingTable,
        1053 | 1077 | 1079 | 1152 | 1159 | 1161 | 1927 | 4031 => Fault::Unreachable,
        1020 | 1040 | 1041 | 1203 | 1205 | 1213 | 1290 | 1317 | 1836 => Fault::Transient,
        1021 | 1114 => Fault::Full,
        // Values, constraints, and the like of them that have a state of their own.
        1048 | 1062 | 1138 | 1153 | 1264 | 1265 | 1292 | 1364 | 1366 | 1406 | 1411 | 1416
        | 1425 | 1427 | 1451 | 1452 | 1526 | 1690 | 3819 | 4025 | 4078 => Fault::Data,
        _ => match state.get(..2) {
            Some("08") => Fault::Unreachable,
            Some("21" | "22" | "23") => Fault::Data,
            _ => Fault::Other,
        },
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn database_error(error: Error) -> DatabaseError {
    if let Some(why) = tls::refusal(&error) {
        let message = format!("{why}; check sslMode and serverSslCert in connection.url");
        return DatabaseError::new(Fault::Other, message);
    }
    match &error {
        Error::Server(server) => {
            DatabaseError::new(fault_of(server.code, &server.state), server.message.clone())
                .with_code(server.code.to_string())
        }
        Error::Io(io) => DatabaseError::new(Fault::Unreachable, io.to_string()),
        Error::Driver(DriverError::ConnectionClosed | DriverError::PoolDisconnected) => {
            DatabaseError::new(Fault::Unreachable, "the connection was closed")
        }
        Error::Driver(DriverError::PacketTooLarge) => {
            DatabaseError::data("the row is larger than max_allowed_packet of the server")
        }
        _ => DatabaseError::new(Fault::Other, error.to_string()),
    }
}

/// What a column of a result holds.
fn kind_of(column: &WireColumn, tiny_is_bit: bool) -> ColumnType {
    let unsigned = column.flags().contains(ColumnFlags::UNSIGNED_FLAG);
    let binary = column.character_set() == BINARY;
    match column.column_type() {
        // BOOLEAN is TINYINT(1).
        WireType::MYSQL_TYPE_TINY if column.column_length() == 1 && tiny_is_bit => {
            ColumnType::Boolean
        }
        WireType::MYSQL_TYPE_TINY if unsigned => ColumnType::Int16,
        WireType::MYSQL_TYPE_TINY => ColumnType::Int8,
        WireType::MYSQL_TYPE_SHORT if unsigned => ColumnType::Int32,
        WireType::MYSQL_TYPE_SHORT | WireType::MYSQL_TYPE_YEAR => ColumnType::Int16,
        WireType::MYSQL_TYPE_LONG if unsigned => ColumnType::Int64,
        WireType::MYSQL_TYPE_LONG | WireType::MYSQL_TYPE_INT24 => ColumnType::Int32,
        // Unsigned ones too, as the Confluent connector reads them.
        WireType::MYSQL_TYPE_LONGLONG => ColumnType::Int64,
        WireType::MYSQL_TYPE_FLOAT => ColumnType::Float32,
        WireType::MYSQL_TYPE_DOUBLE => ColumnType::Float64,
        WireType::MYSQL_TYPE_DECIMAL | WireType::MYSQL_TYPE_NEWDECIMAL => {
            let scale = i32::from(column.decimals());
            // The length counts sign and point.
            let extra = i32::from(!unsigned) + i32::from(scale > 0);
            ColumnType::Numeric {
                precision: i32::try_from(column.column_length())
                    .ok()
                    .map(|length| length - extra),
                scale,
            }
        }
        WireType::MYSQL_TYPE_BIT if column.column_length() == 1 => ColumnType::Int8,
        WireType::MYSQL_TYPE_BIT | WireType::MYSQL_TYPE_GEOMETRY => ColumnType::Bytes,
        WireType::MYSQL_TYPE_DATE | WireType::MYSQL_TYPE_NEWDATE => ColumnType::Date,
        WireType::MYSQL_TYPE_TIME | WireType::MYSQL_TYPE_TIME2 => ColumnType::Time,
        WireType::MYSQL_TYPE_DATETIME | WireType::MYSQL_TYPE_DATETIME2 => {
            ColumnType::Timestamp { instant: false }
        }
        WireType::MYSQL_TYPE_TIMESTAMP | WireType::MYSQL_TYPE_TIMESTAMP2 => {
            ColumnType::Timestamp { instant: true }
        }
        WireType::MYSQL_TYPE_TINY_BLOB
        | WireType::MYSQL_TYPE_MEDIUM_BLOB
        | WireType::MYSQL_TYPE_LONG_BLOB
        | WireType::MYSQL_TYPE_BLOB
        | WireType::MYSQL_TYPE_VARCHAR
        | WireType::MYSQL_TYPE_VAR_STRING
        | WireType::MYSQL_TYPE_STRING
            if binary =>
        {
            ColumnType::Bytes
        }
        _ => ColumnType::Text,
    }
}

fn decode(value: Wire, kind: ColumnType) -> Result<Cell, String> {
    let text =
        |bytes: Vec<u8>| ByteString::try_from(bytes).map_err(|_| "a text is not UTF-8".to_owned());
    Ok(match (value, kind) {
        (Wire::NULL, _) => Cell::Null,
        (Wire::Int(value), _) => Cell::Integer(value),
        (Wire::UInt(value), _) => Cell::Integer(
            i64::try_from(value).map_err(|_| format!("{value} is beyond 64-bit integers"))?,
        ),
        (Wire::Float(value), _) => Cell::Float32(value),
        (Wire::Double(value), _) => Cell::Float64(value),
        // Zero dates are null, as for the JDBC driver.
        (Wire::Date(_, 0, ..) | Wire::Date(_, _, 0, ..), _) => Cell::Null,
        (Wire::Date(year, month, day, hour, minute, second, micros), kind) => {
            let days = days_of(year.into(), month.into(), day.into());
            if kind == ColumnType::Date {
                Cell::Date(
                    i32::try_from(days).map_err(|_| format!("year {year} is beyond every date"))?,
                )
            } else {
                let seconds = (i64::from(hour) * 60 + i64::from(minute)) * 60 + i64::from(second);
                Cell::Timestamp(days * DAY + seconds * 1_000_000 + i64::from(micros))
            }
        }
        (Wire::Time(negative, days, hours, minutes, seconds, micros), _) => {
            if negative || days > 0 {
                return Err(format!(
                    "{}{:02}:{minutes:02}:{seconds:02} is not a time of day; read it by a query that makes \
                     it a text, CAST(... AS CHAR), or a number, TIME_TO_SEC(...)",
                    if negative { "-" } else { "" },
                    days * 24 + u32::from(hours)
                ));
            }
            let seconds = (i64::from(hours) * 60 + i64::from(minutes)) * 60 + i64::from(seconds);
            Cell::Time(seconds * 1_000_000 + i64::from(micros))
        }
        (Wire::Bytes(bytes), ColumnType::Numeric { .. }) => {
            let text = text(bytes)?;
            let decimal =
                Decimal::from_str(&text).map_err(|_| format!("{text:.60?} is not a number"))?;
            Cell::Decimal(Arc::new(decimal))
        }
        (Wire::Bytes(bytes), ColumnType::Bytes) => Cell::Bytes(bytes.into()),
        // BIT(1).
        (Wire::Bytes(bytes), ColumnType::Int8 | ColumnType::Boolean) => {
            Cell::Integer(bytes.last().copied().unwrap_or_default().into())
        }
        (Wire::Bytes(bytes), _) => Cell::Text(text(bytes)?),
    })
}

/// `'2024-01-01 00:00:00'`; sessions are in UTC, which TIMESTAMP columns follow.
pub(super) fn timestamp_literal(micros: i64, column: &Column, zone: Zone) -> String {
    let instant = column.kind == ColumnType::Timestamp { instant: true };
    let shown = if instant {
        micros
    } else {
        zone.to_local(micros)
    };
    let mut text = "'".to_owned();
    write_timestamp(&mut text, shown);
    text.push('\'');
    text
}

/// Column types as the Confluent connector creates them, but wide enough for every value.
pub(super) fn column_type(schema: &Schema, primary_key: bool) -> Result<String, String> {
    let name = match schema.name() {
        Some(logical::DECIMAL) => {
            let scale = schema
                .parameters()
                .and_then(|parameters| parameters.get(logical::SCALE_FIELD))
                .map_or("0", |scale| scale.as_ref());
            return Ok(format!("DECIMAL(65,{scale})"));
        }
        Some(logical::DATE) => "DATE",
        Some(logical::TIME) => "TIME(3)",
        Some(logical::TIMESTAMP) => "DATETIME(3)",
        _ => match schema.schema_type() {
            SchemaType::Boolean => "BOOLEAN",
            SchemaType::Int8 => "TINYINT",
            SchemaType::Int16 => "SMALLINT",
            SchemaType::Int32 => "INT",
            SchemaType::Int64 => "BIGINT",
            SchemaType::Float32 => "FLOAT",
            SchemaType::Float64 => "DOUBLE",
            // Keys must have a length.
            SchemaType::String if primary_key => "VARCHAR(256)",
            SchemaType::String => "LONGTEXT",
            SchemaType::Bytes if primary_key => "VARBINARY(256)",
            SchemaType::Bytes => "LONGBLOB",
            kind @ (SchemaType::Array | SchemaType::Map | SchemaType::Struct) => {
                return Err(format!("{kind} has no column type"));
            }
        },
    };
    Ok(name.to_owned())
}

/// A connection; the stream of rows under way holds it.
struct MariaDbSession {
    connection: Arc<Mutex<Conn>>,
    dialect: Dialect,
    zone: Zone,
    tiny_is_bit: bool,
    /// Engines with transactions; empty as long as nobody asked.
    transactional: Vec<String>,
}

/// Whether a server without TLS is taken all the same.
fn prefers_tls(url: &JdbcUrl) -> bool {
    url.parameter("sslMode")
        .is_some_and(|mode| mode.eq_ignore_ascii_case("preferred"))
}

/// TLS as the parameters ask for: `None` without, which is the default as in the JDBC driver.
fn tls_options(url: &JdbcUrl) -> DatabaseResult<Option<SslOpts>> {
    let mode = url
        .parameter("sslMode")
        .map(|mode| mode.to_ascii_lowercase().replace('_', "-"));
    let wanted = match (mode.as_deref(), url.parameter("useSSL")) {
        (Some(mode), _) => mode,
        (None, Some("true")) => "verify-full",
        (None, _) => "disable",
    };
    let mut options = SslOpts::default();
    if let Some(path) = url.parameter("serverSslCert") {
        let pem = std::fs::read(path).map_err(|error| {
            let message = format!("serverSslCert {path} can't be used: {error}");
            DatabaseError::new(Fault::Other, message)
        })?;
        options = options
            .with_root_certs(vec![pem.into()])
            .with_disable_built_in_roots(true);
    }
    Ok(match wanted {
        "disable" | "disabled" => None,
        "trust" | "required" | "preferred" => Some(options.with_danger_accept_invalid_certs(true)),
        // The library can't leave out the check of the name alone.
        "verify-ca" | "verify-full" | "verify-identity" => Some(options),
        other => {
            return Err(DatabaseError::new(
                Fault::Other,
                format!(
                    "sslMode={other} is none of disable, preferred, trust, verify-ca, verify-full"
                ),
            ));
        }
    })
}

/// Opens a connection.
pub(super) async fn connect(
    settings: &ConnectionSettings,
    host: &str,
    port: u16,
) -> DatabaseResult<Box<dyn Session>> {
    let url = &settings.url;
    let password = settings.password.as_ref();
    let options = OptsBuilder::default()
        .ip_or_hostname(host)
        .tcp_port(port)
        .user(settings.user.clone())
        .pass(password.map(|password| password.reveal().to_owned()))
        .db_name((!url.database.is_empty()).then(|| url.database.clone()))
        .prefer_socket(false)
        .tcp_keepalive(Some(Duration::from_secs(60)))
        .ssl_opts(tls_options(url)?)
        .init(vec![
            "SET time_zone = '+00:00', SESSION sql_mode = CONCAT_WS(',', @@sql_mode, 'STRICT_ALL_TABLES', \
             'NO_BACKSLASH_ESCAPES')",
        ]);
    let without_tls = prefers_tls(url).then(|| options.clone().ssl_opts(None::<SslOpts>));
    let connection = match (Conn::new(options).await, without_tls) {
        (Err(Error::Driver(DriverError::NoClientSslFlagFromServer)), Some(options)) => {
            Conn::new(options).await
        }
        (outcome, _) => outcome,
    };
    let connection = connection.map_err(database_error)?;
    Ok(Box::new(MariaDbSession {
        connection: Arc::new(Mutex::new(connection)),
        dialect: settings.dialect(),
        zone: settings.zone,
        tiny_is_bit: url
            .parameter("tinyInt1isBit")
            .is_none_or(|value| !value.eq_ignore_ascii_case("false")),
        transactional: Vec::new(),
    }))
}

/// Reads a query's rows and hands them on; ends early when nobody takes them.
async fn read(
    connection: &mut Conn,
    select: &Select,
    tiny_is_bit: bool,
    chunks: &mpsc::Sender<Chunk>,
) -> DatabaseResult<()> {
    let mut result = connection
        .exec_iter(select.sql.as_str(), ())
        .await
        .map_err(database_error)?;
    let kinds: Vec<ColumnType> = result
        .columns_ref()
        .iter()
        .map(|column| kind_of(column, tiny_is_bit))
        .collect();
    let mut ended = false;
    while !ended {
        let mut chunk = Chunk::with_capacity(CHUNK);
        while chunk.len() < CHUNK && !ended {
            let row = match result.next().await {
                Ok(Some(row)) => {
                    let cells = row.unwrap().into_iter().zip(&kinds);
                    select
                        .plan
                        .row(cells.map(|(value, kind)| decode(value, *kind)))
                        .map_err(DatabaseError::data)
                }
                Ok(None) => break,
                Err(error) => Err(database_error(error)),
            };
            ended = row.is_err();
            chunk.push(row);
        }
        ended |= chunk.len() < CHUNK;
        ended |= chunks.send(chunk).await.is_err();
    }
    Ok(())
}

impl MariaDbSession {
    /// A column of a table that statements may name; a view may take no row without columns.
    async fn first_column(&self, table: &TableId) -> DatabaseResult<Option<String>> {
        let place = match table.schema.as_ref().or(table.catalog.as_ref()) {
            Some(database) => self.dialect.literal(database),
            None => "DATABASE()".to_owned(),
        };
        let name = self.dialect.literal(&table.name);
        let sql = format!(
            "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {place} AND TABLE_NAME \
             = {name} AND EXTRA NOT LIKE '%GENERATED%' ORDER BY ORDINAL_POSITION LIMIT 1"
        );
        let mut connection = self.connection.lock().await;
        connection.query_first(sql).await.map_err(database_error)
    }
}

#[async_trait]
impl Session for MariaDbSession {
    async fn tables(&mut self, kinds: &[String]) -> DatabaseResult<Vec<TableId>> {
        let mut connection = self.connection.lock().await;
        let found: Vec<(String, String, String)> = connection
            .query(
                "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE \
                 TABLE_SCHEMA = DATABASE() ORDER BY 1, 2",
            )
            .await
            .map_err(database_error)?;
        Ok(found
            .into_iter()
            .filter(|(_, _, kind)| {
                let kind = if kind == "BASE TABLE" { "TABLE" } else { kind };
                kinds.iter().any(|wanted| wanted.eq_ignore_ascii_case(kind))
            })
            .map(|(database, name, _)| TableId {
                catalog: Some(database),
                schema: None,
                name,
            })
            .collect())
    }

    async fn table(&mut self, name: &TableId) -> DatabaseResult<Option<Table>> {
        let database = name.schema.as_ref().or(name.catalog.as_ref());
        let place = match database {
            Some(database) => self.dialect.literal(database),
            None => "DATABASE()".to_owned(),
        };
        let sql = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {place} AND \
             TABLE_NAME = {}",
            self.dialect.literal(&name.name)
        );
        let found: Option<(String, String)> = self
            .connection
            .lock()
            .await
            .query_first(sql)
            .await
            .map_err(database_error)?;
        let Some((database, name)) = found else {
            return Ok(None);
        };
        let id = TableId {
            catalog: Some(database),
            schema: None,
            name,
        };
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
        let mut connection = self.connection.lock().await;
        let statement = connection.prep(query).await.map_err(database_error)?;
        let columns = statement
            .columns()
            .iter()
            .map(|column| {
                let flags = column.flags();
                Column {
                    name: column.name_str().into_owned(),
                    kind: kind_of(column, self.tiny_is_bit),
                    type_name: String::new(),
                    as_text: false,
                    nullable: !flags.contains(ColumnFlags::NOT_NULL_FLAG),
                    primary_key: flags.contains(ColumnFlags::PRI_KEY_FLAG),
                    auto_increment: flags.contains(ColumnFlags::AUTO_INCREMENT_FLAG),
                    keeps_precision: true,
                }
            })
            .collect();
        connection.close(statement).await.map_err(database_error)?;
        Ok(columns)
    }

    /// By preparing a statement, which the server refuses then already.
    async fn check_privilege(
        &mut self,
        privilege: Privilege,
        table: &TableId,
    ) -> DatabaseResult<()> {
        let name = self.dialect.table(table);
        let sql = match privilege {
            Privilege::Delete => format!("DELETE FROM {name}"),
            Privilege::Create => format!("CREATE TABLE {name} (id INT)"),
            Privilege::Insert | Privilege::Update => {
                let Some(column) = self.first_column(table).await? else {
                    return Ok(());
                };
                let column = self.dialect.name(&column);
                match privilege {
                    Privilege::Insert => format!("INSERT INTO {name} ({column}) VALUES (NULL)"),
                    _ => format!("UPDATE {name} SET {column} = NULL"),
                }
            }
        };
        self.describe(&sql).await.map(drop)
    }

    async fn now(&mut self) -> DatabaseResult<i64> {
        let now: Option<i64> = self
            .connection
            .lock()
            .await
            .query_first("SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)")
            .await
            .map_err(database_error)?;
        now.ok_or_else(|| DatabaseError::new(Fault::Other, "the server has no clock"))
    }

    async fn read(&mut self, select: Select) -> DatabaseResult<Rows> {
        let (sender, chunks) = mpsc::channel(1);
        let mut connection = Arc::clone(&self.connection).lock_owned().await;
        let tiny_is_bit = self.tiny_is_bit;
        // Its future lives in the stream, and is polled where the rows are waited for.
        let reading = async move {
            if let Err(error) = read(&mut connection, &select, tiny_is_bit, &sender).await {
                // Nobody waits for it if the stream was given up.
                let _ = sender.send(vec![Err(error)]).await;
            }
        };
        let reading = reading.into_stream().filter_map(|()| ready(None));
        let rows = select_with_strategy(unpacked(chunks), reading, |_: &mut ()| PollNext::Left);
        Ok(rows.boxed())
    }

    async fn execute(&mut self, sql: &str) -> DatabaseResult<()> {
        let mut connection = self.connection.lock().await;
        connection.query_drop(sql).await.map_err(database_error)
    }

    async fn affected(&mut self, sql: &str) -> DatabaseResult<u64> {
        let mut connection = self.connection.lock().await;
        connection.query_drop(sql).await.map_err(database_error)?;
        Ok(connection.affected_rows())
    }

    /// Columns, and whether the engine has transactions; what else there is changes nothing, since statements
    /// keep the order of rows, by which a statement of many rows goes too.
    async fn facts(&mut self, table: &TableId) -> DatabaseResult<Option<TableFacts>> {
        let place = match table.schema.as_ref().or(table.catalog.as_ref()) {
            Some(database) => self.dialect.literal(database),
            None => "DATABASE()".to_owned(),
        };
        let name = self.dialect.literal(&table.name);
        let wanted = format!("TABLE_SCHEMA = {place} AND TABLE_NAME = {name}");
        let mut connection = self.connection.lock().await;
        let engine: Option<Option<String>> = connection
            .query_first(format!(
                "SELECT ENGINE FROM information_schema.TABLES WHERE {wanted}"
            ))
            .await
            .map_err(database_error)?;
        let Some(mut engine) = engine else {
            return Ok(None);
        };
        if engine.is_none() {
            // A view: the engine of a table it may be of.
            engine = connection
                .query_first(format!(
                    "SELECT t.ENGINE FROM information_schema.TABLES t JOIN information_schema.VIEWS v \
                     ON                      v.TABLE_SCHEMA = {place} AND v.TABLE_NAME = {name} JOIN \
                     information_schema.ENGINES e ON e.ENGINE =                      t.ENGINE WHERE \
                     t.TABLE_TYPE = 'BASE TABLE' AND coalesce(e.TRANSACTIONS, 'NO') <> 'YES' \
                     AND                      t.TABLE_SCHEMA NOT IN ('mysql', 'performance_schema', \
                     'information_schema', 'sys') AND                      (v.VIEW_DEFINITION = '' OR \
                     LOCATE(t.TABLE_NAME, v.VIEW_DEFINITION) > 0)"
                ))
                .await
                .map_err(database_error)?;
        }
        let columns: Vec<(String, String, Option<String>, String)> = connection
            .query(format!(
                "SELECT COLUMN_NAME, COLUMN_TYPE, COLLATION_NAME, EXTRA FROM information_schema.COLUMNS \
                 WHERE {wanted}                  ORDER BY ORDINAL_POSITION"
            ))
            .await
            .map_err(database_error)?;
        let fingerprint = format!("{engine:?} {columns:?}");
        let transactional = match &engine {
            None => true,
            Some(engine) => {
                if self.transactional.is_empty() {
                    self.transactional = connection
                        .query("SELECT ENGINE FROM information_schema.ENGINES WHERE TRANSACTIONS = 'YES'")
                        .await
                        .map_err(database_error)?;
                }
                self.transactional.contains(engine)
            }
        };
        let many = match transactional {
            true => Execution::Together,
            // Of a statement that fails midway, rows would stay.
            false => Execution::Each,
        };
        Ok(Some(TableFacts {
            fingerprint,
            insert: many,
            upsert: many,
            independent: false,
            savepoints: transactional,
            transactional,
            engine: engine.filter(|_| !transactional),
            plain: None,
        }))
    }

    async fn write(&mut self, units: &[Unit<'_>]) -> DatabaseResult<()> {
        let packets = packets(self.dialect, units, self.zone).map_err(DatabaseError::data)?;
        let mut connection = self.connection.lock().await;
        for sql in packets {
            connection.query_drop(sql).await.map_err(database_error)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read_from_their_parts() {
        let timestamp = ColumnType::Timestamp { instant: false };
        assert_eq!(
            decode(Wire::Date(1970, 1, 2, 0, 0, 1, 5), timestamp),
            Ok(Cell::Timestamp(DAY + 1_000_005))
        );
        assert_eq!(
            decode(Wire::Date(0, 0, 0, 0, 0, 0, 0), timestamp),
            Ok(Cell::Null)
        );
        assert_eq!(
            decode(Wire::Time(false, 0, 1, 0, 0, 0), ColumnType::Time),
            Ok(Cell::Time(3_600_000_000))
        );
        assert!(decode(Wire::Time(true, 1, 0, 0, 0, 0), ColumnType::Time).is_err());
    }
}
