//! Logs of the worker: structured events to stderr, as text or JSON, with levels that can be
//! changed while it runs.
//!
//! A logger of the REST API is a target of `tracing`, such as `sluice_agent::herder`; `root` is the
//! level of all others. Java's names of loggers, as runbooks have them, set the targets that do the
//! same work. Level names are those of log4j, whose FATAL counts as ERROR and ALL as TRACE here.

mod event_writer;

use std::collections::BTreeMap;
use std::str::FromStr;

use parking_lot::Mutex;
use sluice_protocol::rest::{LoggerLevel, LoggerLevels};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::clock::now;
use event_writer::EventWriters;

/// Why a level is not read or set, in the words of the JVM worker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoggerError {
    /// There is no logger of this name.
    #[error("Logger {0} not found.")]
    Unknown(String),
    /// There is no level of this name.
    #[error("invalid log level '{0}'.")]
    UnknownLevel(String),
    /// The name of the level is empty.
    #[error("Illegal null or empty Level name.")]
    NoLevel,
    /// The logger of this name would be one too many.
    #[error(
        "levels of {MOST_NAMES} loggers are set already, {0} would be one more; set one of those, or that of \
         a package above it"
    )]
    TooMany(String),
}

/// Levels that are kept: each is looked at with each call, and anybody who reaches REST can add some.
const MOST_NAMES: usize = 1_000;

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// A line for people, as log4j writes it.
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

/// Packages and classes of Kafka, and the target that does their work here.
const JAVA_LOGGERS: [(&str, &str); 15] = [
    ("org.apache.kafka.clients", "librdkafka"),
    ("org.apache.kafka.connect", "sluice_agent"),
    ("org.apache.kafka.connect.converters", "sluice_plugins"),
    ("org.apache.kafka.connect.file", "sluice_connector_file"),
    ("org.apache.kafka.connect.json", "sluice_plugins"),
    ("org.apache.kafka.connect.runtime", "sluice_agent"),
    (
        "org.apache.kafka.connect.runtime.distributed",
        "sluice_agent::group",
    ),
    (
        "org.apache.kafka.connect.runtime.distributed.DistributedHerder",
        "sluice_agent::herder",
    ),
    (
        "org.apache.kafka.connect.runtime.rest",
        "sluice_agent::rest",
    ),
    (
        "org.apache.kafka.connect.runtime.standalone",
        "sluice_agent::herder",
    ),
    (
        "org.apache.kafka.connect.runtime.Worker",
        "sluice_agent::worker",
    ),
    (
        "org.apache.kafka.connect.runtime.WorkerSinkTask",
        "sluice_agent::worker::sink_task",
    ),
    (
        "org.apache.kafka.connect.runtime.WorkerSourceTask",
        "sluice_agent::worker::source_task",
    ),
    ("org.apache.kafka.connect.storage", "sluice_agent::storage"),
    ("org.apache.kafka.connect.transforms", "sluice_plugins"),
];

/// Our targets behind a Java logger: those of all packages and classes whose names start alike, as
/// with other loggers, else the one of the narrowest package it is in; none for names that are not
/// Kafka's.
fn targets_of_java(name: &str) -> Vec<&'static str> {
    let below: Vec<&str> = JAVA_LOGGERS
        .iter()
        .filter(|(java, _)| java.starts_with(name))
        .map(|(_, target)| *target)
        .collect();
    if !below.is_empty() {
        return below;
    }
    let within = |java: &str| {
        name.strip_prefix(java)
            .is_some_and(|rest| rest.starts_with(['.', '$']))
    };
    JAVA_LOGGERS
        .iter()
        .filter(|(java, _)| within(java))
        .max_by_key(|(java, _)| java.len())
        .map(|(_, target)| *target)
        .into_iter()
        .collect()
}

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

    /// The level of one logger; of a Java logger nobody has set, that of the target behind it.
    ///
    /// # Errors
    /// The logger is unknown.
    pub fn get(&self, name: &str) -> Result<LoggerLevel, LoggerError> {
        let set = self.set.lock();
        let behind = || {
            let target = targets_of_java(name).into_iter().next()?;
            // The targets of classes are within those of packages.
            set.iter()
                .filter(|(logger, _)| target.starts_with(logger.as_str()))
                .max_by_key(|(logger, _)| logger.len())
                .map(|(_, set)| set)
        };
        set.get(canonical(name))
            .or_else(behind)
            .map(Set::info)
            .ok_or_else(|| LoggerError::Unknown(name.to_owned()))
    }

    /// Sets a logger and every other whose name starts with its name; root sets all, a Java logger
    /// also the targets behind it. Returns, sorted, those whose level changed.
    ///
    /// # Errors
    /// The level is unknown or missing, or this logger is one too many.
    pub fn set(&self, name: &str, text: &str) -> Result<Vec<String>, LoggerError> {
        let new = Self::check_level(text)?;
        let name = canonical(name);
        self.refuse_one_more(name)?;
        let now = Some(now().get());
        let mut set = self.set.lock();
        let root = set.get(ROOT).map_or(new, |root| root.level);
        let behind = targets_of_java(name);
        for logger in behind.iter().copied().chain([name]) {
            set.entry(logger.to_owned()).or_insert(Set {
                level: root,
                last_modified: None,
            });
        }
        let mut changed = Vec::new();
        for (logger, current) in set.iter_mut() {
            let hit = name == ROOT
                || logger.starts_with(name)
                || behind.iter().any(|target| logger.starts_with(target));
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

    fn refuse_one_more(&self, name: &str) -> Result<(), LoggerError> {
        let set = self.set.lock();
        if set.len() >= MOST_NAMES && !set.contains_key(name) {
            return Err(LoggerError::TooMany(name.to_owned()));
        }
        Ok(())
    }

    /// Checks the name of a level.
    fn check_level(text: &str) -> Result<Level, LoggerError> {
        if text.trim().is_empty() {
            return Err(LoggerError::NoLevel);
        }
        level(text).ok_or_else(|| LoggerError::UnknownLevel(text.to_owned()))
    }

    /// Checks the name of a level.
    ///
    /// # Errors
    /// As [`Loggers::set`].
    pub fn validate_level(text: &str) -> Result<(), LoggerError> {
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
    let registry = registry.with(layer(format, writer));
    registry.try_init().map_err(|error| error.to_string())?;
    Ok(Loggers::new(
        root,
        Box::new(move |targets| {
            if let Err(error) = handle.reload(targets) {
                tracing::warn!(%error, "cannot change log levels");
            }
        }),
    ))
}

/// Writes events in a format.
fn layer<S, W>(format: LogFormat, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(EventWriters {
            inner: writer,
            format,
        })
        .with_ansi(false);
    match format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    }
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
        assert_eq!(
            loggers.get("a.b").unwrap_err(),
            LoggerError::Unknown("a.b".to_owned())
        );
        assert_eq!(loggers.set("a.b", "trace").unwrap(), ["a.b"]);
        assert_eq!(loggers.get("a.b").unwrap().level, "TRACE");
    }

    #[test]
    fn a_java_logger_sets_the_targets_that_do_its_work() {
        let loggers = Loggers::detached();
        let task = "org.apache.kafka.connect.runtime.WorkerSinkTask";
        assert_eq!(loggers.get(task).unwrap().level, "INFO");
        assert_eq!(
            loggers.set(task, "DEBUG").unwrap(),
            [task, "sluice_agent::worker::sink_task"]
        );
        assert_eq!(loggers.get("sluice_agent::worker").unwrap().level, "INFO");
        assert_eq!(loggers.get(task).unwrap().level, "DEBUG");
        // A class inside a package we know, and a package with everything below it.
        let class = "org.apache.kafka.connect.runtime.rest.RestServer";
        let changed = loggers.set(class, "TRACE").unwrap();
        assert!(changed.contains(&"sluice_agent::rest".to_owned()));
        let changed = loggers.set("org.apache.kafka", "WARN").unwrap();
        for logger in [
            "librdkafka",
            "sluice_agent::storage",
            "sluice_plugins",
            task,
        ] {
            assert!(
                changed.contains(&logger.to_owned()),
                "{logger}: {changed:?}"
            );
        }
        assert_eq!(
            loggers.set("org.example", "DEBUG").unwrap(),
            ["org.example"]
        );
        let unknown = "org.apache.kafkaesque";
        assert_eq!(
            loggers.get(unknown).unwrap_err(),
            LoggerError::Unknown(unknown.to_owned())
        );
    }

    #[test]
    fn a_level_that_does_not_exist_is_refused_in_kafkas_words() {
        let loggers = Loggers::detached();
        let error = loggers.set("root", "loud").unwrap_err();
        assert_eq!(error, LoggerError::UnknownLevel("loud".to_owned()));
        assert_eq!(error.to_string(), "invalid log level 'loud'.");
        assert_eq!(loggers.set("root", ""), Err(LoggerError::NoLevel));
    }

    #[test]
    fn loggers_that_are_off_are_not_listed() {
        let loggers = Loggers::detached();
        loggers.set("librdkafka", "OFF").unwrap();
        assert!(!loggers.all().contains_key("librdkafka"));
        assert!(loggers.all().contains_key("root"));
    }
}
