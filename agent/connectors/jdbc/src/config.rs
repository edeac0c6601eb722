//! Keys of both connectors, and their settings. Names, defaults and meanings are those of the Confluent JDBC
//! connector, whose configurations run unchanged; what is not supported is refused by its name.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use sluice_api::config::{ConfigType, ConfigValue, Importance, validators};
use sluice_api::{
    ConfigDef, ConfigError, ConfigKey, ConnectError, KeyFault, ParsedConfig, Password, Props,
    Result,
};

use crate::dialect::{Dialect, parameters_of};
use crate::row_plan::NumericMapping;
use crate::table::TableId;
use crate::time::Zone;
use crate::url::{DatabaseKind, JdbcUrl};

pub(crate) const CONNECTION_URL: &str = "connection.url";
pub(crate) const CONNECTION_USER: &str = "connection.user";
pub(crate) const CONNECTION_PASSWORD: &str = "connection.password";
const CONNECTION_ATTEMPTS: &str = "connection.attempts";
const CONNECTION_BACKOFF: &str = "connection.backoff.ms";
const DIALECT_NAME: &str = "dialect.name";
const QUOTE: &str = "quote.sql.identifiers";
const ZONE: &str = "db.timezone";

pub(crate) const MODE: &str = "mode";
pub(crate) const INCREMENTING: &str = "incrementing.column.name";
pub(crate) const TIMESTAMP: &str = "timestamp.column.name";
const TIMESTAMP_DELAY: &str = "timestamp.delay.interval.ms";
const TIMESTAMP_INITIAL: &str = "timestamp.initial";
const TIMESTAMP_GRANULARITY: &str = "timestamp.granularity";
const VALIDATE_NON_NULL: &str = "validate.non.null";
pub(crate) const QUERY: &str = "query";
const QUERY_MASKED: &str = "query.masked";
const QUERY_SUFFIX: &str = "query.suffix";
const QUERY_RETRIES: &str = "query.retry.attempts";
const POLL_INTERVAL: &str = "poll.interval.ms";
const BATCH_MAX_ROWS: &str = "batch.max.rows";
const TABLE_POLL_INTERVAL: &str = "table.poll.interval.ms";
const TOPIC_PREFIX: &str = "topic.prefix";
const NUMERIC_MAPPING: &str = "numeric.mapping";
const NUMERIC_PRECISION_MAPPING: &str = "numeric.precision.mapping";
pub(crate) const WHITELIST: &str = "table.whitelist";
const BLACKLIST: &str = "table.blacklist";
const INCLUDE_LIST: &str = "table.include.list";
const EXCLUDE_LIST: &str = "table.exclude.list";
const SCHEMA_PATTERN: &str = "schema.pattern";
const CATALOG_PATTERN: &str = "catalog.pattern";
const TABLE_TYPES: &str = "table.types";
const ISOLATION: &str = "transaction.isolation.mode";
/// Tables of a task, as JSON; the connector adds it to task configurations.
pub(crate) const TASK_TABLES: &str = "tables";

pub(crate) const INSERT_MODE: &str = "insert.mode";
const BATCH_SIZE: &str = "batch.size";
pub(crate) const DELETE_ENABLED: &str = "delete.enabled";
pub(crate) const TABLE_NAME_FORMAT: &str = "table.name.format";
pub(crate) const PK_MODE: &str = "pk.mode";
pub(crate) const PK_FIELDS: &str = "pk.fields";
const FIELDS_WHITELIST: &str = "fields.whitelist";
const AUTO_CREATE: &str = "auto.create";
const AUTO_EVOLVE: &str = "auto.evolve";
const MAX_RETRIES: &str = "max.retries";
const RETRY_BACKOFF: &str = "retry.backoff.ms";
const REPLACE_NULL: &str = "replace.null.with.default";
const TRIM_LOG: &str = "trim.sensitive.log";
pub(crate) const EXACTLY_ONCE: &str = "sluice.exactly.once";
pub(crate) const OFFSETS_TABLE: &str = "sluice.offsets.table";

/// Keys of the Confluent connectors that have no meaning here; a configuration that sets one is refused.
const UNSUPPORTED: &[&str] = &[
    "credentials.provider.class",
    "jdbc.credentials.provider.class",
    "date.calendar.system",
    "incrementing.column.mapping",
    "incrementing.column.mappings",
    "max.buffer.size",
    "mssql.use.merge.holdlock",
    "ssl.truststore.location",
    "table.monitoring.startup.polling.limit.ms",
    "timestamp.column.mapping",
    "timestamp.columns.mapping",
    "timestamp.fields.list",
    "timestamp.precision.mode",
];

fn key(name: &str, kind: ConfigType, importance: Importance, documentation: &str) -> ConfigKey {
    ConfigKey::new(name, kind)
        .importance(importance)
        .doc(documentation)
}

/// `connection.url` is a JDBC URL whose parameters are known.
fn url_validator() -> sluice_api::config::Validator {
    Arc::new(|name, value| {
        let ConfigValue::String(text) = value else {
            return Ok(());
        };
        let shown = text.split('?').next().unwrap_or_default();
        let url = JdbcUrl::parse(text).map_err(|error| ConfigError::invalid(name, shown, error))?;
        let known = parameters_of(url.kind);
        let unknown: Vec<&str> = url
            .parameters
            .iter()
            .map(|(key, _)| key.as_str())
            .filter(|key| !known.contains(&key.to_ascii_lowercase().as_str()))
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(ConfigError::invalid(
            name,
            shown,
            format!(
                "the parameters {} of the URL are not supported",
                unknown.join(", ")
            ),
        ))
    })
}

fn zone_validator() -> sluice_api::config::Validator {
    Arc::new(|name, value| match value {
        ConfigValue::String(text) => Zone::from_str(text)
            .map(drop)
            .map_err(|why| ConfigError::invalid(name, text, why)),
        _ => Ok(()),
    })
}

fn regex_list_validator() -> sluice_api::config::Validator {
    Arc::new(|name, value| {
        if let ConfigValue::List(patterns) = value {
            for pattern in patterns {
                anchored(pattern).map_err(|error| ConfigError::invalid(name, pattern, error))?;
            }
        }
        Ok(())
    })
}

fn anchored(pattern: &str) -> std::result::Result<Regex, regex::Error> {
    Regex::new(&format!("^(?:{pattern})$"))
}

fn with_connection(def: ConfigDef) -> ConfigDef {
    use ConfigType::{Int, Long, String};
    def.define(
        key(
            CONNECTION_URL,
            String,
            Importance::High,
            "JDBC URL of the database: jdbc:postgresql://host:5432/shop, jdbc:mariadb://host:3306/shop or \
             jdbc:sqlite:/path/to/file.db.",
        )
        .validator(url_validator()),
    )
    .define(key(CONNECTION_USER, String, Importance::High, "User of the database.").optional())
    .define(
        key(
            CONNECTION_PASSWORD,
            ConfigType::Password,
            Importance::High,
            "Password of the user. It is never shown or logged.",
        )
        .optional(),
    )
    .define(
        key(
            CONNECTION_ATTEMPTS,
            Int,
            Importance::Low,
            "Attempts to connect before an attempt counts as failed; at least 1.",
        )
        .default("3")
        .validator(validators::at_least(1)),
    )
    .define(
        key(CONNECTION_BACKOFF, Long, Importance::Low, "Milliseconds between attempts to connect.")
            .default("10000")
            .validator(validators::at_least(1)),
    )
    .define(
        key(
            DIALECT_NAME,
            String,
            Importance::Low,
            "The database's dialect, if it shall not follow from the URL, which it has to fit all the same.",
        )
        .default("")
        .validator(validators::one_of(&[
            "",
            "PostgreSqlDatabaseDialect",
            "MySqlDatabaseDialect",
            "SqliteDatabaseDialect",
        ])),
    )
    .define(
        key(
            QUOTE,
            String,
            Importance::Medium,
            "Whether names of tables and columns are quoted in statements: always or never.",
        )
        .default("always")
        .validator(validators::one_of_ignoring_case(&["always", "never"])),
    )
    .define(
        key(
            ZONE,
            String,
            Importance::Medium,
            "Time zone in which the database's dates without a zone are meant. Example: Europe/Berlin.",
        )
        .default("UTC")
        .validator(zone_validator()),
    )
}

/// Keys of the source connector.
pub(crate) fn source_def() -> ConfigDef {
    use ConfigType::{Boolean, Int, List, Long, String};
    with_connection(ConfigDef::new())
        .define(
            key(
                MODE,
                String,
                Importance::High,
                "How new rows are found: bulk (whole tables each time), incrementing (a growing column), timestamp (a \
                 column that tells the last change) or timestamp+incrementing (both; the most robust).",
            )
            .validator(validators::one_of(&[
                "bulk",
                "incrementing",
                "timestamp",
                "timestamp+incrementing",
            ])),
        )
        .define(
            key(
                INCREMENTING,
                String,
                Importance::Medium,
                "Column whose values only grow. Empty picks the table's auto-increment column.",
            )
            .default(""),
        )
        .define(
            key(
                TIMESTAMP,
                List,
                Importance::Medium,
                "Columns that tell when a row was changed; of several the first that is not null counts.",
            )
            .default(""),
        )
        .define(
            key(
                TIMESTAMP_DELAY,
                Long,
                Importance::High,
                "Milliseconds a row has to be old before it is read, so that transactions under way can commit.",
            )
            .default("0")
            .validator(validators::at_least(0)),
        )
        .define(
            key(
                TIMESTAMP_INITIAL,
                Long,
                Importance::Low,
                "Milliseconds since the epoch from which rows are read if there is no stored offset; -1 is now. \
                 Without it all rows are read.",
            )
            .optional(),
        )
        .define(
            key(
                TIMESTAMP_GRANULARITY,
                String,
                Importance::Low,
                "How timestamps are told: connect_logical, the Timestamp type of milliseconds, is the one there is.",
            )
            .default("connect_logical")
            .validator(validators::one_of(&["connect_logical"])),
        )
        .define(
            key(
                VALIDATE_NON_NULL,
                Boolean,
                Importance::Low,
                "Refuse tables whose incrementing or timestamp columns may be null; such rows would not be read.",
            )
            .default("true"),
        )
        .define(
            key(
                QUERY,
                String,
                Importance::Medium,
                "Query to read instead of tables, without WHERE unless the mode is bulk. Its topic is topic.prefix.",
            )
            .default(""),
        )
        .define(
            key(
                QUERY_MASKED,
                ConfigType::Password,
                Importance::Medium,
                "As query, not shown by the REST API.",
            )
            .optional(),
        )
        .define(
            key(
                QUERY_SUFFIX,
                String,
                Importance::Low,
                "Text appended to every query, such as FOR SHARE.",
            )
            .default(""),
        )
        .define(
            key(
                QUERY_RETRIES,
                Int,
                Importance::Low,
                "Failed attempts in a row after which the task fails; -1 tries for ever.",
            )
            .default("-1")
            .validator(validators::at_least(-1)),
        )
        .define(
            key(
                POLL_INTERVAL,
                Int,
                Importance::High,
                "Milliseconds between two queries of a table.",
            )
            .default("5000")
            .validator(validators::at_least(0)),
        )
        .define(
            key(
                BATCH_MAX_ROWS,
                Int,
                Importance::Low,
                "The most rows handed over at once, which bounds the memory of a task.",
            )
            .default("100")
            .validator(validators::at_least(1)),
        )
        .define(
            key(
                TABLE_POLL_INTERVAL,
                Long,
                Importance::Low,
                "Milliseconds between looks for new and removed tables.",
            )
            .default("60000")
            .validator(validators::at_least(1)),
        )
        .define(key(
            TOPIC_PREFIX,
            String,
            Importance::High,
            "Put before a table's name to give its topic; the topic itself in query mode.",
        ))
        .define(
            key(
                NUMERIC_MAPPING,
                String,
                Importance::Low,
                "How exact numbers are told: none (Decimal), precision_only (integers where they fit), best_fit \
                 (doubles too, where they fit) or best_fit_eager_double (doubles whenever there is a fraction).",
            )
            .optional()
            .validator(Arc::new(|name, value| match value {
                ConfigValue::Null => Ok(()),
                value => validators::one_of_ignoring_case(NumericMapping::NAMES)(name, value),
            })),
        )
        .define(
            key(
                NUMERIC_PRECISION_MAPPING,
                Boolean,
                Importance::Low,
                "Older form of numeric.mapping=precision_only.",
            )
            .default("false"),
        )
        .define(
            key(WHITELIST, List, Importance::Medium, "Names of the tables to read; empty reads all.")
                .default(""),
        )
        .define(key(BLACKLIST, List, Importance::Medium, "Names of tables not to read.").default(""))
        .define(
            key(
                INCLUDE_LIST,
                List,
                Importance::Medium,
                "Regular expressions of whole names (database.schema.table) of the tables to read.",
            )
            .default("")
            .validator(regex_list_validator()),
        )
        .define(
            key(
                EXCLUDE_LIST,
                List,
                Importance::Medium,
                "Regular expressions of whole names of tables not to read.",
            )
            .default("")
            .validator(regex_list_validator()),
        )
        .define(
            key(
                SCHEMA_PATTERN,
                String,
                Importance::High,
                "Pattern of the schemas to look in, with % and _ as in LIKE. Without it all.",
            )
            .optional(),
        )
        .define(
            key(
                CATALOG_PATTERN,
                String,
                Importance::Medium,
                "Name of the database to look in. A connection sees only its own.",
            )
            .optional(),
        )
        .define(
            key(
                TABLE_TYPES,
                List,
                Importance::Low,
                "Kinds of tables to look for: TABLE, VIEW, PARTITIONED TABLE, MATERIALIZED VIEW, FOREIGN TABLE.",
            )
            .default("TABLE"),
        )
        .define(
            key(
                ISOLATION,
                String,
                Importance::Low,
                "Isolation of the reading transactions: DEFAULT, READ_UNCOMMITTED, READ_COMMITTED, REPEATABLE_READ or \
                 SERIALIZABLE.",
            )
            .default("DEFAULT")
            .validator(validators::one_of_ignoring_case(&[
                "DEFAULT",
                "READ_UNCOMMITTED",
                "READ_COMMITTED",
                "REPEATABLE_READ",
                "SERIALIZABLE",
            ])),
        )
}

/// Keys of the sink connector.
pub(crate) fn sink_def() -> ConfigDef {
    use ConfigType::{Boolean, Int, List, String};
    with_connection(ConfigDef::new())
        .define(
            key(
                INSERT_MODE,
                String,
                Importance::High,
                "How rows are written: insert, upsert (insert or update by the primary key) or update.",
            )
            .default("insert")
            .validator(validators::one_of_ignoring_case(&["insert", "upsert", "update"])),
        )
        .define(
            key(BATCH_SIZE, Int, Importance::Medium, "The most rows written by one statement.")
                .default("3000")
                .validator(validators::at_least(1)),
        )
        .define(
            key(
                DELETE_ENABLED,
                Boolean,
                Importance::Medium,
                "Whether a record with a key and without a value deletes the row of that key. Needs \
                 pk.mode=record_key.",
            )
            .default("false"),
        )
        .define(
            key(
                TABLE_NAME_FORMAT,
                String,
                Importance::Medium,
                "Name of the table, with ${topic} for the record's topic. Example: kafka.${topic}.",
            )
            .default("${topic}")
            .validator(validators::non_empty()),
        )
        .define(
            key(
                PK_MODE,
                String,
                Importance::High,
                "What the primary key is: none, kafka (topic, partition and offset), record_key or record_value.",
            )
            .default("none")
            .validator(validators::one_of_ignoring_case(&[
                "none",
                "kafka",
                "record_key",
                "record_value",
            ])),
        )
        .define(
            key(
                PK_FIELDS,
                List,
                Importance::Medium,
                "Names of the key's columns. Empty is all fields of the key or value, or, for kafka, \
                 __connect_topic, __connect_partition and __connect_offset.",
            )
            .default(""),
        )
        .define(
            key(
                FIELDS_WHITELIST,
                List,
                Importance::Medium,
                "Fields of the value to write, beside the key's; empty is all.",
            )
            .default(""),
        )
        .define(
            key(
                TABLE_TYPES,
                List,
                Importance::Low,
                "Kinds of tables that may be written to. Accepted for compatibility: any that takes rows is.",
            )
            .default("TABLE"),
        )
        .define(
            key(AUTO_CREATE, Boolean, Importance::Medium, "Create tables that are missing.")
                .default("false"),
        )
        .define(
            key(AUTO_EVOLVE, Boolean, Importance::Medium, "Add columns that are missing.")
                .default("false"),
        )
        .define(
            key(
                MAX_RETRIES,
                Int,
                Importance::Medium,
                "Attempts after the first before the task fails, for faults that may pass.",
            )
            .default("10")
            .validator(validators::at_least(0)),
        )
        .define(
            key(RETRY_BACKOFF, Int, Importance::Medium, "Milliseconds between two attempts.")
                .default("3000")
                .validator(validators::at_least(0)),
        )
        .define(
            key(
                REPLACE_NULL,
                Boolean,
                Importance::Medium,
                "Whether the default of a field takes the place of null.",
            )
            .default("true"),
        )
        .define(
            key(
                TRIM_LOG,
                Boolean,
                Importance::Low,
                "Accepted for compatibility: records are never logged.",
            )
            .default("false"),
        )
        .define(
            key(
                EXACTLY_ONCE,
                Boolean,
                Importance::Medium,
                "Keep offsets in a table of the database, in the transaction of the rows, and go on from there: every \
                 record is written exactly once. An addition to the Confluent connector.",
            )
            .default("false"),
        )
        .define(
            key(
                OFFSETS_TABLE,
                String,
                Importance::Low,
                "Table of the offsets of sluice.exactly.once; created if it is missing.",
            )
            .default("sluice_offsets")
            .validator(validators::non_empty()),
        )
}

/// Faults of keys that the definition does not know: those of the Confluent connector that are not supported.
pub(crate) fn unsupported_keys(def: &ConfigDef, props: &Props) -> Vec<KeyFault> {
    props
        .keys()
        .filter(|key| {
            UNSUPPORTED.contains(&key.as_str())
                || (["connection.", "mssql.", "oracle.", "dialect."]
                    .iter()
                    .any(|prefix| key.starts_with(prefix))
                    && !def.contains(key))
        })
        .map(|key| KeyFault {
            key: key.clone(),
            message: format!("{key} is not supported by this connector; remove it"),
        })
        .collect()
}

/// How to reach the database.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionSettings {
    pub(crate) url: JdbcUrl,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Password>,
    pub(crate) attempts: u32,
    pub(crate) backoff: Duration,
    pub(crate) zone: Zone,
    pub(crate) quote: bool,
}

impl ConnectionSettings {
    fn of(config: &ParsedConfig) -> Result<Self> {
        let url = JdbcUrl::parse(config.string(CONNECTION_URL))
            .map_err(|error| ConnectError::config(format!("{CONNECTION_URL}: {error}")))?;
        let text = |key: &str| {
            config
                .optional_string(key)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let user = text(CONNECTION_USER).or_else(|| url.parameter("user").map(str::to_owned));
        let password = config
            .optional_password(CONNECTION_PASSWORD)
            .cloned()
            .or_else(|| url.parameter("password").map(Password::new));
        Ok(Self {
            user,
            password,
            attempts: u32::try_from(config.int(CONNECTION_ATTEMPTS)).unwrap_or(1),
            backoff: millis(config.long(CONNECTION_BACKOFF)),
            zone: Zone::from_str(config.string(ZONE)).map_err(ConnectError::config)?,
            quote: config.string(QUOTE).eq_ignore_ascii_case("always"),
            url,
        })
    }

    /// What statements look like.
    pub(crate) fn dialect(&self) -> Dialect {
        Dialect {
            kind: self.url.kind,
            quote: self.quote,
        }
    }

    fn dialect_fault(&self, config: &ParsedConfig) -> Option<KeyFault> {
        let name = config.string(DIALECT_NAME);
        let kind = match name {
            "PostgreSqlDatabaseDialect" => DatabaseKind::PostgreSql,
            "MySqlDatabaseDialect" => DatabaseKind::MariaDb,
            "SqliteDatabaseDialect" => DatabaseKind::Sqlite,
            _ => return None,
        };
        (kind != self.url.kind).then(|| KeyFault {
            key: DIALECT_NAME.to_owned(),
            message: format!("{name} does not fit {CONNECTION_URL} {}", self.url),
        })
    }
}

fn millis(value: i64) -> Duration {
    Duration::from_millis(u64::try_from(value).unwrap_or(0))
}

/// `mode`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mode {
    pub(crate) incrementing: bool,
    pub(crate) timestamp: bool,
}

impl Mode {
    /// Whether whole tables are read again and again.
    pub(crate) fn is_bulk(&self) -> bool {
        !self.incrementing && !self.timestamp
    }
}

/// Which tables are read.
#[derive(Debug, Clone)]
pub(crate) struct TableFilter {
    pub(crate) whitelist: Vec<String>,
    blacklist: Vec<String>,
    include: Vec<Regex>,
    exclude: Vec<Regex>,
    schema_pattern: Option<Regex>,
    catalog: Option<String>,
    pub(crate) kinds: Vec<String>,
}

/// A LIKE pattern as a regular expression.
fn like(pattern: &str) -> Option<Regex> {
    let body: String = pattern
        .chars()
        .map(|c| match c {
            '%' => ".*".to_owned(),
            '_' => ".".to_owned(),
            other => regex::escape(&other.to_string()),
        })
        .collect();
    anchored(&body).ok()
}

fn is_named(table: &TableId, name: &str) -> bool {
    let unquoted: String = name.chars().filter(|c| !matches!(c, '"' | '`')).collect();
    unquoted == table.name || unquoted == table.short() || unquoted == table.to_string()
}

impl TableFilter {
    /// Whether a table is to be read.
    pub(crate) fn accepts(&self, table: &TableId) -> bool {
        if let (Some(pattern), Some(schema)) = (&self.schema_pattern, &table.schema)
            && !pattern.is_match(schema)
        {
            return false;
        }
        if let (Some(wanted), Some(catalog)) = (&self.catalog, &table.catalog)
            && wanted != catalog
        {
            return false;
        }
        let names = [table.to_string(), table.short()];
        let listed = |patterns: &[Regex]| {
            patterns
                .iter()
                .any(|pattern| names.iter().any(|name| pattern.is_match(name)))
        };
        let wanted = self.whitelist.is_empty() && self.include.is_empty()
            || self.whitelist.iter().any(|name| is_named(table, name))
            || listed(&self.include);
        wanted && !self.blacklist.iter().any(|name| is_named(table, name)) && !listed(&self.exclude)
    }

    /// Names of the whitelist that no table has.
    pub(crate) fn missing<'a>(&'a self, tables: &[TableId]) -> Vec<&'a str> {
        self.whitelist
            .iter()
            .filter(|name| !tables.iter().any(|table| is_named(table, name)))
            .map(String::as_str)
            .collect()
    }
}

/// Settings of the source connector and its tasks.
#[derive(Debug, Clone)]
pub(crate) struct SourceSettings {
    pub(crate) connection: ConnectionSettings,
    pub(crate) mode: Mode,
    /// `None` takes the table's auto-increment column.
    pub(crate) incrementing_column: Option<String>,
    pub(crate) timestamp_columns: Vec<String>,
    pub(crate) timestamp_delay: Duration,
    pub(crate) timestamp_initial: Option<i64>,
    pub(crate) validate_non_null: bool,
    pub(crate) query: Option<String>,
    pub(crate) query_suffix: String,
    pub(crate) retries: Option<u32>,
    pub(crate) poll_interval: Duration,
    pub(crate) batch_max_rows: usize,
    pub(crate) table_poll_interval: Duration,
    pub(crate) topic_prefix: String,
    pub(crate) numeric_mapping: NumericMapping,
    pub(crate) filter: TableFilter,
    pub(crate) isolation: String,
    /// Of a task.
    pub(crate) tables: Vec<TableId>,
}

fn regexes(config: &ParsedConfig, key: &str) -> Result<Vec<Regex>> {
    config
        .list(key)
        .iter()
        .map(|pattern| {
            anchored(pattern).map_err(|error| ConnectError::config(format!("{key}: {error}")))
        })
        .collect()
}

impl SourceSettings {
    /// Parses the configuration of a connector or a task.
    pub(crate) fn parse(props: &Props) -> Result<Self> {
        let config = source_def().parse(props)?;
        let mode = config.string(MODE);
        let text = |key: &str| {
            config
                .optional_string(key)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let masked = config
            .optional_password(QUERY_MASKED)
            .map(|query| query.reveal().to_owned());
        let mapping = match config.optional_string(NUMERIC_MAPPING) {
            Some(name) => NumericMapping::named(name),
            None if config.boolean(NUMERIC_PRECISION_MAPPING) => NumericMapping::PrecisionOnly,
            None => NumericMapping::None,
        };
        let tables = match props.get(TASK_TABLES) {
            Some(text) => decode_tables(text)?,
            None => Vec::new(),
        };
        Ok(Self {
            connection: ConnectionSettings::of(&config)?,
            mode: Mode {
                incrementing: matches!(mode, "incrementing" | "timestamp+incrementing"),
                timestamp: matches!(mode, "timestamp" | "timestamp+incrementing"),
            },
            incrementing_column: text(INCREMENTING),
            timestamp_columns: config.list(TIMESTAMP).to_vec(),
            timestamp_delay: millis(config.long(TIMESTAMP_DELAY)),
            timestamp_initial: config.optional_long(TIMESTAMP_INITIAL),
            validate_non_null: config.boolean(VALIDATE_NON_NULL),
            query: text(QUERY).or(masked.filter(|query| !query.is_empty())),
            query_suffix: config.string(QUERY_SUFFIX).to_owned(),
            retries: u32::try_from(config.int(QUERY_RETRIES)).ok(),
            poll_interval: millis(config.int(POLL_INTERVAL).into()),
            batch_max_rows: usize::try_from(config.int(BATCH_MAX_ROWS)).unwrap_or(1),
            table_poll_interval: millis(config.long(TABLE_POLL_INTERVAL)),
            topic_prefix: config.string(TOPIC_PREFIX).to_owned(),
            numeric_mapping: mapping,
            filter: TableFilter {
                whitelist: config.list(WHITELIST).to_vec(),
                blacklist: config.list(BLACKLIST).to_vec(),
                include: regexes(&config, INCLUDE_LIST)?,
                exclude: regexes(&config, EXCLUDE_LIST)?,
                schema_pattern: text(SCHEMA_PATTERN).and_then(|pattern| like(&pattern)),
                catalog: text(CATALOG_PATTERN),
                kinds: config.list(TABLE_TYPES).to_vec(),
            },
            isolation: config.string(ISOLATION).to_owned(),
            tables,
        })
    }

    /// Faults that concern several keys.
    pub(crate) fn faults(&self, props: &Props) -> Vec<KeyFault> {
        let mut faults = unsupported_keys(&source_def(), props);
        let mut fault = |key: &str, message: &str| {
            faults.push(KeyFault {
                key: key.to_owned(),
                message: message.to_owned(),
            });
        };
        let filter = &self.filter;
        if self.query.is_some() && !(filter.whitelist.is_empty() && filter.include.is_empty()) {
            fault(
                QUERY,
                "query can't be used together with table.whitelist or table.include.list",
            );
        }
        if !filter.whitelist.is_empty() && !filter.blacklist.is_empty() {
            fault(
                WHITELIST,
                "table.whitelist and table.blacklist exclude each other",
            );
        }
        if self.mode.timestamp && self.timestamp_columns.is_empty() {
            fault(TIMESTAMP, "timestamp.column.name is needed by this mode");
        }
        if self.mode.incrementing && self.query.is_some() && self.incrementing_column.is_none() {
            fault(
                INCREMENTING,
                "incrementing.column.name is needed by this mode with a query",
            );
        }
        if let Ok(config) = source_def().parse(props) {
            faults.extend(self.connection.dialect_fault(&config));
        }
        faults
    }
}

/// `insert.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InsertMode {
    Insert,
    Upsert,
    Update,
}

/// `pk.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PkMode {
    None,
    Kafka,
    RecordKey,
    RecordValue,
}

/// Settings of the sink connector and its tasks.
#[derive(Debug, Clone)]
pub(crate) struct SinkSettings {
    pub(crate) connector: String,
    pub(crate) connection: ConnectionSettings,
    pub(crate) insert_mode: InsertMode,
    pub(crate) batch_size: usize,
    pub(crate) delete_enabled: bool,
    pub(crate) table_name_format: String,
    pub(crate) pk_mode: PkMode,
    pub(crate) pk_fields: Vec<String>,
    pub(crate) fields_whitelist: Vec<String>,
    pub(crate) auto_create: bool,
    pub(crate) auto_evolve: bool,
    pub(crate) max_retries: u32,
    pub(crate) retry_backoff: Duration,
    pub(crate) replace_null_with_default: bool,
    pub(crate) exactly_once: bool,
    pub(crate) offsets_table: TableId,
}

impl SinkSettings {
    /// Parses the configuration of a connector or a task.
    pub(crate) fn parse(props: &Props) -> Result<Self> {
        let config = sink_def().parse(props)?;
        let lower = |key: &str| config.string(key).to_ascii_lowercase();
        Ok(Self {
            connector: props.get("name").cloned().unwrap_or_default(),
            connection: ConnectionSettings::of(&config)?,
            insert_mode: match lower(INSERT_MODE).as_str() {
                "upsert" => InsertMode::Upsert,
                "update" => InsertMode::Update,
                _ => InsertMode::Insert,
            },
            batch_size: usize::try_from(config.int(BATCH_SIZE)).unwrap_or(1),
            delete_enabled: config.boolean(DELETE_ENABLED),
            table_name_format: config.string(TABLE_NAME_FORMAT).to_owned(),
            pk_mode: match lower(PK_MODE).as_str() {
                "kafka" => PkMode::Kafka,
                "record_key" => PkMode::RecordKey,
                "record_value" => PkMode::RecordValue,
                _ => PkMode::None,
            },
            pk_fields: config.list(PK_FIELDS).to_vec(),
            fields_whitelist: config.list(FIELDS_WHITELIST).to_vec(),
            auto_create: config.boolean(AUTO_CREATE),
            auto_evolve: config.boolean(AUTO_EVOLVE),
            max_retries: u32::try_from(config.int(MAX_RETRIES)).unwrap_or(0),
            retry_backoff: millis(config.int(RETRY_BACKOFF).into()),
            replace_null_with_default: config.boolean(REPLACE_NULL),
            exactly_once: config.boolean(EXACTLY_ONCE),
            offsets_table: TableId::parse(config.string(OFFSETS_TABLE)),
        })
    }

    /// Faults that concern several keys.
    pub(crate) fn faults(&self, props: &Props) -> Vec<KeyFault> {
        let mut faults = unsupported_keys(&sink_def(), props);
        let mut fault = |key: &str, message: &str| {
            faults.push(KeyFault {
                key: key.to_owned(),
                message: message.to_owned(),
            });
        };
        if self.delete_enabled && self.pk_mode != PkMode::RecordKey {
            fault(DELETE_ENABLED, "delete.enabled needs pk.mode=record_key");
        }
        if self.insert_mode != InsertMode::Insert && self.pk_mode == PkMode::None {
            fault(
                PK_MODE,
                "insert.mode upsert and update need a primary key: pk.mode must not be none",
            );
        }
        if self.pk_mode == PkMode::Kafka && !matches!(self.pk_fields.len(), 0 | 3) {
            fault(
                PK_FIELDS,
                "pk.mode=kafka needs three names, of topic, partition and offset, or none for the default ones",
            );
        }
        if let Ok(config) = sink_def().parse(props) {
            faults.extend(self.connection.dialect_fault(&config));
        }
        faults
    }

    /// The table of a topic.
    pub(crate) fn table_of(&self, topic: &str) -> TableId {
        TableId::parse(&self.table_name_format.replace("${topic}", topic))
    }
}

/// Tables as the value of [`TASK_TABLES`]: JSON, a list of catalog, schema and name each.
pub(crate) fn encode_tables(tables: &[TableId]) -> String {
    let tables: Vec<_> = tables
        .iter()
        .map(|table| serde_json::json!([table.catalog, table.schema, table.name]))
        .collect();
    serde_json::Value::from(tables).to_string()
}

fn decode_tables(text: &str) -> Result<Vec<TableId>> {
    let tables: Vec<(Option<String>, Option<String>, String)> = serde_json::from_str(text)
        .map_err(|error| ConnectError::config(format!("{TASK_TABLES}: {error}")))?;
    Ok(tables
        .into_iter()
        .map(|(catalog, schema, name)| TableId {
            catalog,
            schema,
            name,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn props(pairs: &[(&str, &str)]) -> Props {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn source(pairs: &[(&str, &str)]) -> SourceSettings {
        let mut all = props(&[
            ("connection.url", "jdbc:postgresql://h/d"),
            ("mode", "bulk"),
            ("topic.prefix", "p-"),
        ]);
        all.extend(props(pairs));
        SourceSettings::parse(&all).unwrap()
    }

    #[test]
    fn tables_are_chosen_by_name_pattern_and_schema() {
        let id = TableId::parse("d.public.orders");
        let accepts = |pairs: &[(&str, &str)]| source(pairs).filter.accepts(&id);
        assert!(accepts(&[]));
        assert!(accepts(&[("table.whitelist", "other, orders")]));
        assert!(accepts(&[("table.whitelist", "public.orders")]));
        assert!(accepts(&[(
            "table.whitelist",
            "\"d\".\"public\".\"orders\""
        )]));
        assert!(!accepts(&[("table.whitelist", "order")]));
        assert!(!accepts(&[("table.blacklist", "orders")]));
        assert!(accepts(&[("table.include.list", ".*\\.ord.*")]));
        assert!(!accepts(&[("table.include.list", "ord.*")]));
        assert!(!accepts(&[("table.exclude.list", "public\\..*")]));
        assert!(accepts(&[("schema.pattern", "pub%")]));
        assert!(!accepts(&[("schema.pattern", "pub")]));
        assert!(accepts(&[("catalog.pattern", "d")]));
        assert!(!accepts(&[("catalog.pattern", "e")]));
    }

    #[test]
    fn tables_of_a_task_are_told_by_json() {
        let tables = vec![TableId::parse("d.s.t"), TableId::named("a\"b")];
        assert_eq!(decode_tables(&encode_tables(&tables)).unwrap(), tables);
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        let given = props(&[
            ("connection.url", "jdbc:postgresql://h/d"),
            ("mssql.use.merge.holdlock", "true"),
            ("connection.ssl.key", "x"),
            ("transforms", "a"),
        ]);
        let faults = SinkSettings::parse(&given).unwrap().faults(&given);
        let keys: Vec<&str> = faults.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(keys, ["mssql.use.merge.holdlock", "connection.ssl.key"]);
        let refused = sink_def().validate(&props(&[(
            "connection.url",
            "jdbc:postgresql://h/d?password=x&gssEncMode=y",
        )]));
        let error = &refused[0].errors[0];
        assert!(
            error.contains("gssEncMode") && !error.contains("password"),
            "{error}"
        );
    }

    #[test]
    fn keys_that_contradict_each_other_are_told() {
        let given = props(&[
            ("connection.url", "jdbc:postgresql://h/d"),
            ("insert.mode", "upsert"),
            ("delete.enabled", "true"),
            ("dialect.name", "SqliteDatabaseDialect"),
        ]);
        let faults = SinkSettings::parse(&given).unwrap().faults(&given);
        let keys: Vec<&str> = faults.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(keys, ["delete.enabled", "pk.mode", "dialect.name"]);
    }

    #[test]
    fn every_key_is_documented() {
        for def in [source_def(), sink_def()] {
            for key in def.keys() {
                assert!(!key.documentation.is_empty(), "{}", key.name);
            }
        }
    }
}
