//! Keys and settings of the source.

use std::sync::Arc;
use std::time::Duration;

use sluice_api::config::{ConfigType, ConfigValue, Importance, validators};
use sluice_api::{ConfigDef, ConnectError, KeyFault, Props, Result};

use super::table_filter::{TableFilter, like, regex_list_validator, regexes};
use super::{ConnectionSettings, key, millis, unsupported_keys, with_connection};
use crate::row_plan::NumericMapping;
use crate::table::TableId;

pub(crate) const MODE: &str = "mode";
const INCREMENTING: &str = "incrementing.column.name";
const TIMESTAMP: &str = "timestamp.column.name";
const TIMESTAMP_DELAY: &str = "timestamp.delay.interval.ms";
const POLL_LINGER: &str = "poll.linger.ms";
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
pub(crate) const TOPIC_PREFIX: &str = "topic.prefix";
const NUMERIC_MAPPING: &str = "numeric.mapping";
const NUMERIC_PRECISION_MAPPING: &str = "numeric.precision.mapping";
pub(crate) const WHITELIST: &str = "table.whitelist";
const BLACKLIST: &str = "table.blacklist";
const INCLUDE_LIST: &str = "table.include.list";
const EXCLUDE_LIST: &str = "table.exclude.list";
const SCHEMA_PATTERN: &str = "schema.pattern";
const CATALOG_PATTERN: &str = "catalog.pattern";
pub(super) const TABLE_TYPES: &str = "table.types";
const ISOLATION: &str = "transaction.isolation.mode";
/// Tables of a task, as JSON; the connector adds it to task configurations.
pub(crate) const TASK_TABLES: &str = "tables";

/// Keys of the source connector.
pub(crate) fn source_def() -> ConfigDef {
    use ConfigType::{Boolean, Int, List, Long, String};
    with_connection(ConfigDef::new())
        .define(
            key(
                MODE,
                String,
                Importance::High,
                "How new rows are found: bulk (whole tables each time), incrementing (a growing column), \
                 timestamp (a column that tells the last change) or timestamp+incrementing (both; the most \
                 robust).",
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
                "Milliseconds a row has to be old before it is read, so that transactions under way can \
                 commit.",
            )
            .default("0")
            .validator(validators::at_least(0)),
        )
        .define(
            key(
                TIMESTAMP_INITIAL,
                Long,
                Importance::Low,
                "Milliseconds since the epoch from which rows are read if there is no stored offset; -1 is \
                 now. Without it all rows are read.",
            )
            .optional(),
        )
        .define(
            key(
                TIMESTAMP_GRANULARITY,
                String,
                Importance::Low,
                "How timestamps are told: connect_logical, the Timestamp type of milliseconds, is the one \
                 there is.",
            )
            .default("connect_logical")
            .validator(validators::one_of(&["connect_logical"])),
        )
        .define(
            key(
                VALIDATE_NON_NULL,
                Boolean,
                Importance::Low,
                "Refuse tables whose incrementing or timestamp columns may be null; such rows would not be \
                 read.",
            )
            .default("true"),
        )
        .define(
            key(
                QUERY,
                String,
                Importance::Medium,
                "Query to read instead of tables, without WHERE unless the mode is bulk. Its topic is \
                 topic.prefix.",
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
                POLL_LINGER,
                Long,
                Importance::Low,
                "Accepted for compatibility, without effect: what a query has is handed over when there is \
                 no more of it, or batch.max.rows of it.",
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
                "How exact numbers are told: none (Decimal), precision_only (integers where they fit), \
                 best_fit (doubles too, where they fit) or best_fit_eager_double (doubles whenever there is \
                 a fraction).",
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
                "Kinds of tables to look for: TABLE, VIEW, PARTITIONED TABLE, MATERIALIZED VIEW, FOREIGN \
                 TABLE.",
            )
            .default("TABLE"),
        )
        .define(
            key(
                ISOLATION,
                String,
                Importance::Low,
                "Isolation of the reading transactions: DEFAULT, READ_UNCOMMITTED, READ_COMMITTED, \
                 REPEATABLE_READ or SERIALIZABLE.",
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
    /// Whether names of topics may be changed after the connector.
    pub(crate) transforms: bool,
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
            transforms: props
                .get("transforms")
                .is_some_and(|names| !names.trim().is_empty()),
        })
    }

    /// Why a table's name can't be that of a topic, if nothing changes it later.
    pub(crate) fn unnamable(&self, table: &TableId) -> Option<String> {
        let topic = format!("{}{}", self.topic_prefix, table.name);
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let fits = topic.chars().all(known) && (1..=249).contains(&topic.len());
        (!fits && !self.transforms).then(|| {
            format!(
                "the topic of table {} would be {topic:?}, but a topic's name has up to 249 letters, digits, \
                 '.', '_' and '-'; leave the table out (table.blacklist, table.exclude.list), read it by a \
                 query, or rename its topic by RegexRouter",
                table.short()
            )
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

/// Tables as the value of [`TASK_TABLES`]: JSON, a list of catalog, schema and name each.
pub(crate) fn encode_tables(tables: &[TableId]) -> String {
    let tables: Vec<_> = tables
        .iter()
        .map(|table| serde_json::json!([table.catalog, table.schema, table.name]))
        .collect();
    serde_json::Value::from(tables).to_string()
}

pub(super) fn decode_tables(text: &str) -> Result<Vec<TableId>> {
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
