//! PostgreSQL, on tokio-postgres.
//!
//! Reading: rows come in the binary format as a stream with backpressure, so that the server is never further ahead
//! than a socket's buffer. Types without a common form are selected as texts.
//!
//! Writing: cells go as texts, read by the input functions of the columns' types, one array per column. So one
//! prepared statement serves batches of every size. Plain inserts of many rows are a COPY.

use std::collections::HashMap;
use std::error::Error as _;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::{SinkExt as _, StreamExt as _, TryStreamExt as _};
use num_bigint::{BigInt, Sign};
use sluice_api::{Decimal, Schema, SchemaType, Value, logical};
use tokio::task::AbortHandle;
use tokio_postgres::types::{FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, NoTls, Statement};

use super::{CHUNK, Dialect, Operation, Rows, Select, Session, Write};
use crate::cell::Cell;
use crate::config::ConnectionSettings;
use crate::error::{DatabaseError, DatabaseResult, Fault};
use crate::sql_text;
use crate::table::{Column, ColumnType, Table, TableId};
use crate::time::{Zone, write_timestamp};
use crate::tls;

/// Inserts of at least so many rows are a COPY.
const COPY_ROWS: usize = 32;
/// Prepared statements that are kept.
const MAX_STATEMENTS: usize = 64;
/// PostgreSQL's epoch, 2000-01-01, in days since that of Unix.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Parameters of URLs that mean something here, lower case.
pub(crate) const PARAMETERS: &[&str] = &[
    "user",
    "password",
    "ssl",
    "sslmode",
    "sslrootcert",
    "currentschema",
    "applicationname",
    "connecttimeout",
    "logintimeout",
    "tcpkeepalive",
    "options",
    "targetservertype",
    // What these ask for is always so, or has no meaning here.
    "stringtype",
    "rewritebatchedinserts",
    "preparethreshold",
    "defaultrowfetchsize",
];

fn fault_of_state(state: &str) -> Fault {
    match state {
        "28000" | "28P01" => Fault::Authentication,
        "3D000" => Fault::MissingDatabase,
        "42501" => Fault::Permission,
        "42P01" | "3F000" => Fault::MissingTable,
        "57P01" | "57P02" | "57P03" | "57P05" => Fault::Unreachable,
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

/// How the bytes of a column are read.
#[derive(Debug, Clone, Copy)]
enum Format {
    Boolean,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    /// A version byte, then text.
    Jsonb,
    Uuid,
    Bytes,
    Date,
    Time,
    Timestamp,
}

fn format(kind: &Type) -> Option<(Format, ColumnType)> {
    Some(match *kind {
        Type::BOOL => (Format::Boolean, ColumnType::Boolean),
        Type::INT2 => (Format::Int2, ColumnType::Int16),
        Type::INT4 => (Format::Int4, ColumnType::Int32),
        Type::INT8 => (Format::Int8, ColumnType::Int64),
        Type::OID => (Format::Oid, ColumnType::Int64),
        Type::FLOAT4 => (Format::Float4, ColumnType::Float32),
        Type::FLOAT8 => (Format::Float8, ColumnType::Float64),
        Type::NUMERIC => (
            Format::Numeric,
            ColumnType::Numeric {
                precision: None,
                scale: 0,
            },
        ),
        Type::TEXT
        | Type::VARCHAR
        | Type::BPCHAR
        | Type::NAME
        | Type::CHAR
        | Type::XML
        | Type::JSON
        | Type::UNKNOWN => (Format::Text, ColumnType::Text),
        Type::JSONB => (Format::Jsonb, ColumnType::Text),
        Type::UUID => (Format::Uuid, ColumnType::Text),
        Type::BYTEA => (Format::Bytes, ColumnType::Bytes),
        Type::DATE => (Format::Date, ColumnType::Date),
        Type::TIME => (Format::Time, ColumnType::Time),
        Type::TIMESTAMP => (Format::Timestamp, ColumnType::Timestamp { instant: false }),
        Type::TIMESTAMPTZ => (Format::Timestamp, ColumnType::Timestamp { instant: true }),
        ref other => match other.kind() {
            Kind::Enum(_) => (Format::Text, ColumnType::Text),
            Kind::Domain(base) => return format(base),
            Kind::Simple if other.name() == "citext" => (Format::Text, ColumnType::Text),
            _ => return None,
        },
    })
}

/// Precision and scale that a type modifier of numeric holds.
fn numeric_modifier(modifier: i32) -> ColumnType {
    if modifier < 4 {
        return ColumnType::Numeric {
            precision: None,
            scale: 0,
        };
    }
    let packed = modifier - 4;
    ColumnType::Numeric {
        precision: Some((packed >> 16) & 0xffff),
        // Eleven bits with sign.
        scale: ((packed & 0x7ff) ^ 1024) - 1024,
    }
}

/// The bytes of a cell, whatever its type.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(
        _kind: &Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_kind: &Type) -> bool {
        true
    }
}

fn fixed<const N: usize>(raw: &[u8]) -> Result<[u8; N], String> {
    raw.try_into()
        .map_err(|_| format!("{} bytes where {N} belong", raw.len()))
}

/// Digits of base 10,000: count, weight of the first, sign, digits after the point, then the digits.
fn numeric(raw: &[u8]) -> Result<Cell, String> {
    let word = |index: usize| -> Result<i16, String> {
        let bytes = raw
            .get(index * 2..index * 2 + 2)
            .ok_or("a numeric is cut off")?;
        Ok(i16::from_be_bytes(fixed(bytes)?))
    };
    let (count, weight, sign, scale) = (word(0)?, word(1)?, word(2)?.cast_unsigned(), word(3)?);
    match sign {
        0 | 0x4000 => {}
        0xc000 => return Ok(Cell::Float64(f64::NAN)),
        0xd000 => return Ok(Cell::Float64(f64::INFINITY)),
        _ => return Ok(Cell::Float64(f64::NEG_INFINITY)),
    }
    let count = usize::try_from(count).unwrap_or(0);
    let digits = (0..count).map(|index| word(index + 4));
    // The unscaled value counts units of 10000^(weight - count + 1).
    let exponent = (i64::from(weight) + 1 - i64::try_from(count).unwrap_or(0)) * 4;
    let unscaled = if count <= 9 {
        let mut small = 0_i128;
        for digit in digits {
            small = small * 10_000 + i128::from(digit?);
        }
        BigInt::from(small)
    } else {
        let mut large = BigInt::from(0);
        for digit in digits {
            large = large * 10_000 + digit?;
        }
        large
    };
    let shift = exponent + i64::from(scale);
    let power = BigInt::from(10).pow(u32::try_from(shift.unsigned_abs()).unwrap_or(0));
    let magnitude = if shift >= 0 {
        unscaled * power
    } else {
        unscaled / power
    };
    let value = if sign == 0 {
        magnitude
    } else {
        BigInt::from_biguint(Sign::Minus, magnitude.into_parts().1)
    };
    Ok(Cell::Decimal(Arc::new(Decimal::new(
        value,
        i32::from(scale),
    ))))
}

fn text(raw: &[u8]) -> Result<Cell, String> {
    let text = std::str::from_utf8(raw).map_err(|_| "a text is not UTF-8")?;
    Ok(Cell::Text(text.into()))
}

fn uuid(raw: &[u8]) -> Result<Cell, String> {
    let number = u128::from_be_bytes(fixed(raw)?);
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    Ok(Cell::Text(
        format!(
            "{}-{}-{}-{}-{}",
            part(0, 8),
            part(8, 12),
            part(12, 16),
            part(16, 20),
            part(20, 32)
        )
        .into(),
    ))
}

fn decode(format: Format, raw: &[u8]) -> Result<Cell, String> {
    Ok(match format {
        Format::Boolean => Cell::Boolean(raw.first() == Some(&1)),
        Format::Int2 => Cell::Integer(i16::from_be_bytes(fixed(raw)?).into()),
        Format::Int4 => Cell::Integer(i32::from_be_bytes(fixed(raw)?).into()),
        Format::Int8 => Cell::Integer(i64::from_be_bytes(fixed(raw)?)),
        Format::Oid => Cell::Integer(u32::from_be_bytes(fixed(raw)?).into()),
        Format::Float4 => Cell::Float32(f32::from_be_bytes(fixed(raw)?)),
        Format::Float8 => Cell::Float64(f64::from_be_bytes(fixed(raw)?)),
        Format::Numeric => numeric(raw)?,
        Format::Text => text(raw)?,
        Format::Jsonb => text(raw.get(1..).unwrap_or_default())?,
        Format::Uuid => uuid(raw)?,
        Format::Bytes => Cell::Bytes(Bytes::copy_from_slice(raw)),
        Format::Date => match i32::from_be_bytes(fixed(raw)?) {
            i32::MAX => Cell::Infinity { positive: true },
            i32::MIN => Cell::Infinity { positive: false },
            days => Cell::Date(days.saturating_add(EPOCH_DAYS)),
        },
        Format::Time => Cell::Time(i64::from_be_bytes(fixed(raw)?)),
        Format::Timestamp => match i64::from_be_bytes(fixed(raw)?) {
            i64::MAX => Cell::Infinity { positive: true },
            i64::MIN => Cell::Infinity { positive: false },
            micros => Cell::Timestamp(micros.saturating_add(EPOCH_MICROS)),
        },
    })
}

/// `'2024-01-01 00:00:00+00'`; PostgreSQL gives it the column's type.
pub(super) fn timestamp_literal(micros: i64, column: &Column, zone: Zone) -> String {
    let instant = column.kind == ColumnType::Timestamp { instant: true };
    let shown = if instant {
        micros
    } else {
        zone.to_local(micros)
    };
    let mut text = "'".to_owned();
    let before_christ = write_timestamp(&mut text, shown);
    if instant {
        text.push_str("+00");
    }
    if before_christ {
        text.push_str(" BC");
    }
    text.push('\'');
    text
}

/// Column types as the Confluent connector creates them.
pub(super) fn column_type(schema: &Schema) -> Result<String, String> {
    let name = match schema.name() {
        Some(logical::DECIMAL) => "DECIMAL",
        Some(logical::DATE) => "DATE",
        Some(logical::TIME) => "TIME",
        Some(logical::TIMESTAMP) => "TIMESTAMP",
        _ => match schema.schema_type() {
            SchemaType::Int8 | SchemaType::Int16 => "SMALLINT",
            SchemaType::Int32 => "INT",
            SchemaType::Int64 => "BIGINT",
            SchemaType::Float32 => "REAL",
            SchemaType::Float64 => "DOUBLE PRECISION",
            SchemaType::Boolean => "BOOLEAN",
            SchemaType::String => "TEXT",
            SchemaType::Bytes => "BYTEA",
            SchemaType::Array => {
                let inner = schema.value_schema().ok().flatten();
                let inner = inner.ok_or("an array without schema of its elements")?;
                return Ok(format!("{}[]", column_type(inner)?));
            }
            kind @ (SchemaType::Map | SchemaType::Struct) => {
                return Err(format!("{kind} has no column type"));
            }
        },
    };
    Ok(name.to_owned())
}

/// The constant that an expression of a default is; `None` for functions and all else.
fn constant(expression: &str, kind: ColumnType) -> Option<Value> {
    let bare = expression.split("::").next()?.trim();
    let bare = bare.trim_start_matches('(').trim_end_matches(')');
    let quoted = bare
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''));
    match kind {
        ColumnType::Boolean => bare.parse().ok().map(Value::Boolean),
        ColumnType::Text => quoted.map(|text| Value::from(text.replace("''", "'"))),
        ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 => {
            quoted.unwrap_or(bare).parse().ok().map(Value::Int64)
        }
        ColumnType::Float32 | ColumnType::Float64 => {
            quoted.unwrap_or(bare).parse().ok().map(Value::Float64)
        }
        ColumnType::Numeric { .. } => Decimal::from_str(quoted.unwrap_or(bare))
            .ok()
            .map(Value::from),
        ColumnType::Bytes | ColumnType::Date | ColumnType::Time | ColumnType::Timestamp { .. } => {
            None
        }
    }
}

/// One column of a batch as a PostgreSQL array of texts.
#[derive(Debug)]
struct TextColumn<'a> {
    rows: &'a [Vec<Cell>],
    index: usize,
    instant: bool,
    zone: Zone,
}

impl ToSql for TextColumn<'_> {
    fn to_sql(
        &self,
        _kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
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

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TEXT_ARRAY
    }

    to_sql_checked!();
}

fn is_instant(column: &Column) -> bool {
    column.kind == ColumnType::Timestamp { instant: true }
}

/// The statement of a write, whose parameters are one array of texts per column.
fn write_sql(dialect: Dialect, write: &Write) -> String {
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
                sql.push_str(&format!(
                    " ON CONFLICT ({}) DO {action}",
                    dialect.names(write.key())
                ));
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
fn copy_body(columns: &[Column], rows: &[Vec<Cell>], zone: Zone) -> Bytes {
    let instants: Vec<bool> = columns.iter().map(is_instant).collect();
    let mut body = BytesMut::with_capacity(rows.len() * columns.len() * 12);
    let mut text = String::new();
    for row in rows {
        for (index, (cell, instant)) in row.iter().zip(&instants).enumerate() {
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

/// A connection, whose driver ends with it.
struct PostgreSqlSession {
    client: Client,
    driver: AbortHandle,
    dialect: Dialect,
    zone: Zone,
    statements: HashMap<String, Statement>,
}

impl Drop for PostgreSqlSession {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The SSL mode of JDBC's parameters.
fn ssl_mode(settings: &ConnectionSettings) -> &str {
    let url = &settings.url;
    match (url.parameter("sslmode"), url.parameter("ssl")) {
        (Some(mode), _) => mode,
        (None, Some("" | "true")) => "verify-full",
        (None, _) => "prefer",
    }
}

fn client_config(settings: &ConnectionSettings) -> Config {
    let url = &settings.url;
    let mut config = Config::new();
    for (host, port) in &url.hosts {
        config.host(host).port(*port);
    }
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
    config.application_name(url.parameter("ApplicationName").unwrap_or("sluice"));
    let seconds = url
        .parameter("connectTimeout")
        .or(url.parameter("loginTimeout"));
    if let Some(seconds) = seconds
        .and_then(|text| text.parse().ok())
        .filter(|seconds| *seconds > 0)
    {
        config.connect_timeout(Duration::from_secs(seconds));
    }
    if url
        .parameter("targetServerType")
        .is_some_and(|kind| matches!(kind, "primary" | "master"))
    {
        config.target_session_attrs(tokio_postgres::config::TargetSessionAttrs::ReadWrite);
    }
    config
}

/// Opens a connection.
pub(super) async fn connect(settings: &ConnectionSettings) -> DatabaseResult<Box<dyn Session>> {
    let mut config = client_config(settings);
    let mode = ssl_mode(settings);
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
        let tls = tls::client_config(mode, settings.url.parameter("sslrootcert"))?;
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
    default: Option<String>,
    type_name: String,
    primary_key: bool,
    identity: bool,
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
                "SELECT a.attnum, a.attnotnull, pg_get_expr(d.adbin, d.adrelid), format_type(a.atttypid, -1), \
                 coalesce(a.attnum = ANY(i.indkey), false), a.attidentity <> '' OR a.attgenerated <> '' \
                 FROM pg_attribute a \
                 LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
                 LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary \
                 WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped",
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
                        default: row.try_get(2)?,
                        type_name: row.try_get(3)?,
                        primary_key: row.try_get(4)?,
                        identity: row.try_get(5)?,
                    },
                ))
            })
            .collect::<Result<_, tokio_postgres::Error>>()
            .map_err(|error| database_error(&error))
    }

    async fn write_by_statement(
        &mut self,
        write: &Write,
        rows: &[Vec<Cell>],
    ) -> DatabaseResult<u64> {
        let statement = self.prepared(&write_sql(self.dialect, write)).await?;
        let columns: Vec<TextColumn<'_>> = write
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| TextColumn {
                rows,
                index,
                instant: is_instant(column),
                zone: self.zone,
            })
            .collect();
        let parameters: Vec<&(dyn ToSql + Sync)> = columns
            .iter()
            .map(|column| column as &(dyn ToSql + Sync))
            .collect();
        self.client
            .execute(&statement, &parameters)
            .await
            .map_err(|error| database_error(&error))
    }

    async fn copy(&mut self, write: &Write, rows: &[Vec<Cell>]) -> DatabaseResult<u64> {
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
        finished
            .and_then(|count| sent.map(|()| count))
            .map_err(|error| database_error(&error))
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
                "SELECT current_database()::text, n.nspname::text, c.relname::text \
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE c.relkind::text = ANY($1) AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' \
                 ORDER BY 2, 3",
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
                    if !catalogues.contains_key(&table) {
                        catalogues.insert(table, self.catalogue(table).await?);
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
            let default = known.as_ref().and_then(|known| known.default.as_deref());
            columns.push(Column {
                name: column.name().to_owned(),
                kind,
                type_name: known.as_ref().map_or_else(
                    || column.type_().name().to_owned(),
                    |known| known.type_name.clone(),
                ),
                as_text,
                nullable: known.as_ref().is_none_or(|known| !known.not_null),
                default: default
                    .filter(|_| !as_text)
                    .and_then(|text| constant(text, kind)),
                has_default: default.is_some()
                    || known.as_ref().is_some_and(|known| known.identity),
                primary_key: known.as_ref().is_some_and(|known| known.primary_key),
                auto_increment: known.as_ref().is_some_and(|known| known.identity)
                    || default.is_some_and(|text| text.starts_with("nextval(")),
            });
        }
        Ok(columns)
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
        let (sender, receiver) = Rows::channel();
        let plan = select.plan;
        let reading = tokio::spawn(async move {
            let decoded = stream.map(|row| {
                let row = row.map_err(|error| database_error(&error))?;
                let cells = formats
                    .iter()
                    .enumerate()
                    .map(
                        |(index, format)| match row.try_get::<_, Option<Raw<'_>>>(index) {
                            Ok(None) => Ok(Cell::Null),
                            Ok(Some(Raw(raw))) => decode(*format, raw).map_err(DatabaseError::data),
                            Err(error) => Err(database_error(&error)),
                        },
                    )
                    .collect::<DatabaseResult<Vec<Cell>>>()?;
                plan.row(cells).map_err(DatabaseError::data)
            });
            let mut chunks = Box::pin(decoded.try_ready_chunks(CHUNK));
            while let Some(chunk) = chunks.next().await {
                let chunk = match chunk {
                    Ok(rows) => Ok(rows),
                    Err(error) => {
                        // Rows before the one that failed come first.
                        if !error.0.is_empty() && sender.send(Ok(error.0)).await.is_err() {
                            return;
                        }
                        Err(error.1)
                    }
                };
                let failed = chunk.is_err();
                if sender.send(chunk).await.is_err() || failed {
                    return;
                }
            }
        });
        Ok(Rows::new(receiver, Some(reading.abort_handle())))
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

    async fn write(&mut self, write: &Write, rows: &[Vec<Cell>]) -> DatabaseResult<u64> {
        if write.operation == Operation::Insert && rows.len() >= COPY_ROWS {
            return self.copy(write, rows).await;
        }
        self.write_by_statement(write, rows).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::DatabaseKind;

    fn column(name: &str, type_name: &str) -> Column {
        Column {
            name: name.to_owned(),
            kind: ColumnType::Int32,
            type_name: type_name.to_owned(),
            as_text: false,
            nullable: true,
            default: None,
            has_default: false,
            primary_key: false,
            auto_increment: false,
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
                "UPDATE \"s\".\"t\" AS t SET \"a\"\"b\" = u.c1::bpchar FROM {rows} WHERE t.\"id\" = u.c0::integer"
            )
        );
        assert_eq!(
            write(Operation::Delete),
            format!("DELETE FROM \"s\".\"t\" AS t USING {rows} WHERE t.\"id\" = u.c0::integer")
        );
    }

    #[test]
    fn numbers_of_base_ten_thousand_are_read() {
        let encoded = |words: &[i16]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_be_bytes()).collect()
        };
        for (words, shown) in [
            (&[2_i16, 0, 0, 2, 12, 3400][..], "12.34"),
            (&[1, 0, 0x4000, 0, 7], "-7"),
            (&[1, 1, 0, 0, 3], "30000"),
            (&[0, 0, 0, 3], "0.000"),
            (&[1, -1, 0, 4, 5], "0.0005"),
            (&[1, -2, 0, 6, 500], "0.000005"),
        ] {
            let Cell::Decimal(value) = numeric(&encoded(words)).unwrap() else {
                panic!("no decimal");
            };
            assert_eq!(value.to_plain_string(), shown);
        }
        assert!(numeric(&[0, 1]).is_err());
        assert_eq!(
            numeric_modifier((10 << 16 | 2) + 4),
            ColumnType::Numeric {
                precision: Some(10),
                scale: 2
            }
        );
    }

    #[test]
    fn a_row_of_copy_escapes_what_separates_rows_and_cells() {
        let columns = [column("a", "text"), column("b", "text")];
        let rows = [vec![Cell::Text("x\ty\\\n".into()), Cell::Null]];
        assert_eq!(
            &copy_body(&columns, &rows, Zone::utc())[..],
            b"x\\ty\\\\\\n\t\\N\n"
        );
    }

    #[test]
    fn only_constant_defaults_are_known() {
        assert_eq!(
            constant("'a''b'::text", ColumnType::Text),
            Some(Value::from("a'b"))
        );
        assert_eq!(constant("7", ColumnType::Int32), Some(Value::Int64(7)));
        assert_eq!(
            constant("'-1'::integer", ColumnType::Int32),
            Some(Value::Int64(-1))
        );
        assert_eq!(constant("nextval('s'::regclass)", ColumnType::Int64), None);
        assert_eq!(
            constant("true", ColumnType::Boolean),
            Some(Value::Boolean(true))
        );
    }
}
