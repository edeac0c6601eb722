//! Keys and settings of the sink.

use sluice_api::config::{ConfigType, Importance, validators};
use sluice_api::{ConfigDef, KeyFault, Props, Result};
use sluice_toolkit::retries::Retries;

use super::source::TABLE_TYPES;
use super::{CONNECTION_URL, ConnectionSettings, key, unsupported_keys, with_connection};
use crate::dialect::Privilege;
use crate::table::TableId;
use crate::url::DatabaseKind;

const INSERT_MODE: &str = "insert.mode";
const BATCH_SIZE: &str = "batch.size";
const DELETE_ENABLED: &str = "delete.enabled";
pub(crate) const TABLE_NAME_FORMAT: &str = "table.name.format";
const PK_MODE: &str = "pk.mode";
const PK_FIELDS: &str = "pk.fields";
const FIELDS_WHITELIST: &str = "fields.whitelist";
pub(crate) const AUTO_CREATE: &str = "auto.create";
const AUTO_EVOLVE: &str = "auto.evolve";
const MAX_RETRIES: &str = "max.retries";
const RETRY_BACKOFF: &str = "retry.backoff.ms";
const REPLACE_NULL: &str = "replace.null.with.default";
const TRIM_LOG: &str = "trim.sensitive.log";
const DATE_ZONE: &str = "date.timezone";
const EXACTLY_ONCE: &str = "sluice.exactly.once";
const OFFSETS_TABLE: &str = "sluice.offsets.table";

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
                "What the primary key is: none, kafka (topic, partition and offset), record_key or \
                 record_value.",
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
                "Leave out of errors and logs what the database says about a row it refuses, which may show \
                 values. Records themselves are never logged.",
            )
            .default("false"),
        )
        .define(
            key(
                DATE_ZONE,
                String,
                Importance::Low,
                "Time zone of dates without a time: UTC is the one there is, the calendar day of the record. \
                 The Confluent connector's DB_TIMEZONE moves dates by db.timezone.",
            )
            .default("UTC")
            .validator(validators::one_of(&["UTC"])),
        )
        .define(
            key(
                EXACTLY_ONCE,
                Boolean,
                Importance::Medium,
                "Keep offsets in a table of the database, in the transaction of the rows, and go on from \
                 there: every record is written exactly once. An addition to the Confluent connector.",
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
    pub(crate) retries: Retries,
    pub(crate) replace_null_with_default: bool,
    pub(crate) trim_sensitive: bool,
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
            retries: Retries::of(&config),
            replace_null_with_default: config.boolean(REPLACE_NULL),
            trim_sensitive: config.boolean(TRIM_LOG),
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
                "pk.mode=kafka needs three names, of topic, partition and offset, or none for the default \
                 ones",
            );
        }
        if let Ok(config) = sink_def().parse(props) {
            faults.extend(self.connection.dialect_fault(&config));
        }
        faults
    }

    /// What the user has to be allowed to do with a table that exists.
    pub(crate) fn privileges(&self) -> Vec<Privilege> {
        let mut needed = match self.insert_mode {
            InsertMode::Insert => vec![Privilege::Insert],
            InsertMode::Upsert => vec![Privilege::Insert, Privilege::Update],
            InsertMode::Update => vec![Privilege::Update],
        };
        if self.delete_enabled {
            needed.push(Privilege::Delete);
        }
        needed
    }

    /// Why a name can't be that of a table here: parts before it that the connection does not have.
    pub(crate) fn misplaced(&self, topic: &str) -> Option<String> {
        let table = self.table_of(topic);
        let url = &self.connection.url;
        let user = self.connection.user.as_deref().unwrap_or_default();
        let of = |database: &str| {
            format!(
                "names the database {database:?}, but {CONNECTION_URL} is that of {:?}",
                url.database
            )
        };
        let why = match (url.kind, &table.catalog, &table.schema) {
            (DatabaseKind::PostgreSql, Some(catalog), _) => {
                let here = if url.database.is_empty() {
                    user
                } else {
                    &url.database
                };
                (catalog != here).then(|| of(catalog))
            }
            (DatabaseKind::MariaDb, Some(catalog), Some(_)) => Some(of(catalog)),
            (DatabaseKind::Sqlite, catalog, Some(schema)) => {
                let known = matches!(schema.as_str(), "main" | "temp") && catalog.is_none();
                (!known).then(|| of(catalog.as_ref().unwrap_or(schema)))
            }
            _ => None,
        }?;
        Some(format!(
            "topic {topic} gives the table name {table}, which {why}; take the first part away with \
             RegexRouter, or name the table in table.name.format"
        ))
    }

    /// The table of a topic.
    pub(crate) fn table_of(&self, topic: &str) -> TableId {
        TableId::parse(&self.table_name_format.replace("${topic}", topic))
    }
}
