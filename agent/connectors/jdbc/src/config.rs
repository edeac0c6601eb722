//! Keys of both connectors, and their settings. Names, defaults and meanings are those of the Confluent JDBC
//! connector, whose configurations run unchanged; what is not supported is refused by its name.
//!
//! Here are the keys of the connection, which both have; [`source`] and [`sink`] have their own.

mod sink;
mod source;
mod table_filter;

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sluice_api::config::{ConfigType, ConfigValue, Importance, validators};
use sluice_api::{
    ConfigDef, ConfigError, ConfigKey, ConnectError, KeyFault, ParsedConfig, Password, Props,
    Result,
};

pub(crate) use self::sink::{
    AUTO_CREATE, InsertMode, PkMode, SinkSettings, TABLE_NAME_FORMAT, sink_def,
};
pub(crate) use self::source::{
    MODE, QUERY, SourceSettings, TASK_TABLES, TOPIC_PREFIX, WHITELIST, encode_tables, source_def,
};
use crate::dialect::Dialect;
use crate::time::Zone;
use crate::url::{DatabaseKind, JdbcUrl, UrlError, shown_url};
use crate::url_parameters::check_parameters;

pub(crate) const CONNECTION_URL: &str = "connection.url";
pub(crate) const CONNECTION_USER: &str = "connection.user";
pub(crate) const CONNECTION_PASSWORD: &str = "connection.password";
const CONNECTION_ATTEMPTS: &str = "connection.attempts";
const CONNECTION_BACKOFF: &str = "connection.backoff.ms";
const DIALECT_NAME: &str = "dialect.name";
const QUOTE: &str = "quote.sql.identifiers";
const ZONE: &str = "db.timezone";

/// Keys of the Confluent connectors that have no meaning here; a configuration that sets one is refused.
const UNSUPPORTED: &[&str] = &[
    "credentials.provider.class",
    "jdbc.credentials.provider.class",
    "incrementing.column.mapping",
    "incrementing.column.mappings",
    "max.buffer.size",
    "mssql.use.merge.holdlock",
    "sql.complex.types.enable",
    "ssl.truststore.location",
    "string.output.value.column.name",
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

/// `connection.url` is a JDBC URL whose parameters are known. What is shown of it holds no secret.
fn url_validator() -> sluice_api::config::Validator {
    Arc::new(|name, value| {
        let ConfigValue::String(text) = value else {
            return Ok(());
        };
        let shown = shown_url(text);
        let url =
            JdbcUrl::parse(text).map_err(|error| ConfigError::invalid(name, &shown, error))?;
        check_parameters(&url).map_err(|why| ConfigError::invalid(name, &shown, why))?;
        Limits::of(&url)
            .map(drop)
            .map_err(|error| ConfigError::invalid(name, &shown, error))
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
        .validator(url_validator())
        .names(|url| {
            let url = url.display().and_then(|text| JdbcUrl::parse(&text).ok());
            url.map(|url| url.places()).unwrap_or_default()
        }),
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
    .define(
        key(
            "date.calendar.system",
            String,
            Importance::Low,
            "The calendar of dates before 15 October 1582 in records: LEGACY, Java's, in which year, month \
             and day are those of the database. PROLEPTIC_GREGORIAN is not supported.",
        )
        .default("LEGACY")
        .validator(validators::one_of(&["LEGACY"])),
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

/// How long to wait for a connection without an answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How long to wait for a server; `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// `connectTimeout`: for a connection, by host.
    pub(crate) connect: Option<Duration>,
    /// `socketTimeout`: for the answer to a statement, or the next row.
    pub(crate) answer: Option<Duration>,
}

impl Limits {
    fn of(url: &JdbcUrl) -> std::result::Result<Self, UrlError> {
        let connect = match url.parameter("connectTimeout") {
            None => "loginTimeout",
            Some(_) => "connectTimeout",
        };
        Ok(Self {
            connect: url.limit(connect, Some(CONNECT_LIMIT))?,
            answer: url.limit("socketTimeout", None)?,
        })
    }
}

/// How to reach the database.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionSettings {
    pub(crate) url: JdbcUrl,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Password>,
    pub(crate) limits: Limits,
    pub(crate) attempts: u32,
    pub(crate) backoff: Duration,
    pub(crate) zone: Zone,
    pub(crate) quote: bool,
}

impl ConnectionSettings {
    fn of(config: &ParsedConfig) -> Result<Self> {
        let unusable = |error: UrlError| ConnectError::config(format!("{CONNECTION_URL}: {error}"));
        let url = JdbcUrl::parse(config.string(CONNECTION_URL)).map_err(unusable)?;
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
            limits: Limits::of(&url).map_err(unusable)?,
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

#[cfg(test)]
mod tests {
    use super::source::decode_tables;
    use super::*;
    use crate::table::TableId;

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
            "jdbc:postgresql://h/d?password=x&gssEncMode=require",
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
