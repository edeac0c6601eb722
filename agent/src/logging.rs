//! Logs of the worker: structured events to stderr, as text or JSON, with levels that can be changed while it runs.
//!
//! A logger of the REST API is a target of `tracing`, such as `sluice_agent::herder`; `root` is the level of all
//! others. Level names are those of log4j, whose FATAL counts as ERROR and ALL as TRACE here.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use sluice_protocol::rest::{LoggerLevel, LoggerLevels, RestError};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("log format \"{other}\" is neither text nor json")),
        }
    }
}

const ROOT: &str = "root";

/// Targets that are listed although nobody has set their level.
const KNOWN_LOGGERS: [&str; 9] = [
    "librdkafka",
    "sluice_agent",
    "sluice_agent::group",
    "sluice_agent::herder",
    "sluice_agent::rest",
    "sluice_agent::rest::requests",
    "sluice_agent::storage",
    "sluice_agent::telemetry",
    "sluice_agent::worker",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Level {
    name: &'static str,
    filter: LevelFilter,
}

const LEVELS: [Level; 8] = [
    Level {
        name: "OFF",
        filter: LevelFilter::OFF,
    },
    Level {
        name: "FATAL",
        filter: LevelFilter::ERROR,
    },
    Level {
        name: "ERROR",
        filter: LevelFilter::ERROR,
    },
    Level {
        name: "WARN",
        filter: LevelFilter::WARN,
    },
    Level {
        name: "INFO",
        filter: LevelFilter::INFO,
    },
    Level {
        name: "DEBUG",
        filter: LevelFilter::DEBUG,
    },
    Level {
        name: "TRACE",
        filter: LevelFilter::TRACE,
    },
    Level {
        name: "ALL",
        filter: LevelFilter::TRACE,
    },
];

fn level(text: &str) -> Option<Level> {
    LEVELS
        .into_iter()
        .find(|level| level.name.eq_ignore_ascii_case(text.trim()))
}

#[derive(Debug, Clone, Copy)]
struct Set {
    level: Level,
    /// Milliseconds since the epoch; `None` if never changed.
    last_modified: Option<i64>,
}

/// The levels of all loggers.
pub struct Loggers {
    set: Mutex<BTreeMap<String, Set>>,
    apply: Box<dyn Fn(Targets) + Send + Sync>,
}

impl Loggers {
    /// Starts at `root`, and hands every change to `apply`.
    fn new(root: Level, apply: Box<dyn Fn(Targets) + Send + Sync>) -> Self {
        let set = KNOWN_LOGGERS
            .into_iter()
            .chain([ROOT])
            .map(|name| {
                (
                    name.to_owned(),
                    Set {
                        level: root,
                        last_modified: None,
                    },
                )
            })
            .collect();
        Self {
            set: Mutex::new(set),
            apply,
        }
    }

    /// Loggers whose changes have no effect, for a worker inside a process that logs by itself.
    pub fn detached() -> Self {
        Self::new(LEVELS[4], Box::new(|_| ()))
    }

    /// Every logger that is not OFF, sorted, with root among them.
    pub fn all(&self) -> LoggerLevels {
        self.set
            .lock()
            .iter()
            .filter(|(_, set)| set.level.filter != LevelFilter::OFF)
            .map(|(name, set)| (name.clone(), set.info()))
            .collect()
    }

    /// The level of one logger.
    ///
    /// # Errors
    /// 404 if nobody has heard of it.
    pub fn get(&self, name: &str) -> Result<LoggerLevel, RestError> {
        self.set
            .lock()
            .get(canonical(name))
            .map(Set::info)
            .ok_or_else(|| RestError::not_found(format!("Logger {name} not found.")))
    }

    /// Sets a logger and every other whose name starts with its name; root sets all. Returns, sorted, those whose
    /// level changed.
    ///
    /// # Errors
    /// 404 for a level that does not exist, 500 for none.
    pub fn set(&self, name: &str, text: &str) -> Result<Vec<String>, RestError> {
        let new = Self::check_level(text)?;
        let name = canonical(name);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|since| i64::try_from(since.as_millis()).ok());
        let mut set = self.set.lock();
        let root = set.get(ROOT).map_or(new, |root| root.level);
        set.entry(name.to_owned()).or_insert(Set {
            level: root,
            last_modified: None,
        });
        let mut changed = Vec::new();
        for (logger, current) in set.iter_mut() {
            let hit = name == ROOT || logger.starts_with(name);
            if hit && current.level != new {
                *current = Set {
                    level: new,
                    last_modified: now,
                };
                changed.push(logger.clone());
            }
        }
        (self.apply)(targets(&set));
        Ok(changed)
    }

    /// Checks the name of a level.
    fn check_level(text: &str) -> Result<Level, RestError> {
        if text.trim().is_empty() {
            return Err(RestError::internal("Illegal null or empty Level name."));
        }
        level(text).ok_or_else(|| RestError::not_found(format!("invalid log level '{text}'.")))
    }

    /// Checks the name of a level.
    ///
    /// # Errors
    /// As [`Loggers::set`].
    pub fn validate_level(text: &str) -> Result<(), RestError> {
        Self::check_level(text).map(drop)
    }
}

impl Set {
    fn info(&self) -> LoggerLevel {
        LoggerLevel {
            level: self.level.name.to_owned(),
            last_modified: self.last_modified,
        }
    }
}

fn canonical(name: &str) -> &str {
    if name.is_empty() || name.eq_ignore_ascii_case(ROOT) {
        ROOT
    } else {
        name
    }
}

fn targets(set: &BTreeMap<String, Set>) -> Targets {
    set.iter().fold(Targets::new(), |targets, (name, set)| {
        if name == ROOT {
            targets.with_default(set.level.filter)
        } else {
            targets.with_target(name.clone(), set.level.filter)
        }
    })
}

/// Installs the process's log output.
///
/// `root` is a level name of log4j, `writer` where lines go.
///
/// # Errors
/// If the level does not exist or the process logs already.
pub fn init<W>(format: LogFormat, root: &str, writer: W) -> Result<Loggers, String>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let root = level(root).ok_or_else(|| format!("log level \"{root}\" does not exist"))?;
    let detached = Loggers::new(root, Box::new(|_| ()));
    let first = targets(&detached.set.lock());
    let (filter, handle) = reload::Layer::new(first);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(false);
    match format {
        LogFormat::Text => registry.with(layer).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    }
    .map_err(|error| error.to_string())?;
    Ok(Loggers::new(
        root,
        Box::new(move |targets| {
            if let Err(error) = handle.reload(targets) {
                tracing::warn!(%error, "cannot change log levels");
            }
        }),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_a_level_hits_every_logger_whose_name_starts_alike_and_names_the_changed() {
        let loggers = Loggers::detached();
        let changed = loggers.set("sluice_agent::rest", "debug").unwrap();
        assert_eq!(
            changed,
            ["sluice_agent::rest", "sluice_agent::rest::requests"]
        );
        assert!(
            loggers
                .set("sluice_agent::rest", "DEBUG")
                .unwrap()
                .is_empty()
        );
        assert_eq!(loggers.get("sluice_agent::rest").unwrap().level, "DEBUG");
        assert_eq!(loggers.get("root").unwrap().last_modified, None);
    }

    #[test]
    fn a_logger_nobody_knows_is_created_by_setting_it() {
        let loggers = Loggers::detached();
        assert_eq!(loggers.get("a.b").unwrap_err().status, 404);
        assert_eq!(loggers.set("a.b", "trace").unwrap(), ["a.b"]);
        assert_eq!(loggers.get("a.b").unwrap().level, "TRACE");
    }

    #[test]
    fn a_level_that_does_not_exist_is_refused_in_kafkas_words() {
        let loggers = Loggers::detached();
        let error = loggers.set("root", "loud").unwrap_err();
        assert_eq!(
            (error.status, error.message.as_str()),
            (404, "invalid log level 'loud'.")
        );
        assert_eq!(loggers.set("root", "").unwrap_err().status, 500);
    }

    #[test]
    fn loggers_that_are_off_are_not_listed() {
        let loggers = Loggers::detached();
        loggers.set("librdkafka", "OFF").unwrap();
        assert!(!loggers.all().contains_key("librdkafka"));
        assert!(loggers.all().contains_key("root"));
    }
}
