//! Keys of Confluent's connector (`DatagenConnectorConfig`).

use std::fs::{self, OpenOptions};
use std::io::{Error, Read as _};
use std::path::Path;
use std::time::Duration;

use sluice_api::config::{ConfigType, Importance, validators};
use sluice_api::{ConfigDef, ConfigKey, KeyFault, ParsedConfig, Place, Props, Reach};

use super::generator::Generator;
use super::java_random::JavaRandom;
use super::quickstarts;

/// Key that the connector adds to task configurations; also the field of the source partition.
pub(crate) const TASK_ID: &str = "task.id";
const TOPIC: &str = "kafka.topic";
const MAX_INTERVAL: &str = "max.interval";
const ITERATIONS: &str = "iterations";
const SCHEMA_STRING: &str = "schema.string";
const SCHEMA_FILENAME: &str = "schema.filename";
const SCHEMA_KEYFIELD: &str = "schema.keyfield";
const QUICKSTART: &str = "quickstart";
const RANDOM_SEED: &str = "random.seed";
const GENERATE_TIMEOUT: &str = "generate.timeout";

/// The keys of which exactly one is set.
const SOURCES: [&str; 3] = [SCHEMA_STRING, SCHEMA_FILENAME, QUICKSTART];
/// The longest schema that a file may hold, in bytes.
const MOST_SCHEMA: u64 = 1 << 20;

pub(crate) fn config_def() -> ConfigDef {
    let high = |name, kind| ConfigKey::new(name, kind).importance(Importance::High);
    ConfigDef::new()
        .define(
            high(TOPIC, ConfigType::String)
                .validator(validators::non_empty())
                .doc("The topic to write to. Example: users"),
        )
        .define(high(MAX_INTERVAL, ConfigType::Long).default("500").doc(
            "The longest time between two records of a task in milliseconds; each time is random up to it. 0 \
             is as fast as Kafka takes them.",
        ))
        .define(high(ITERATIONS, ConfigType::Int).default("-1").doc(
            "Records of each task, counted over restarts, after which the task fails with a message that \
             says so. Less than 1 is without limit.",
        ))
        .define(high(SCHEMA_STRING, ConfigType::String).default("").doc(
            "The Avro schema to make records of, as JSON, with the properties of avro-random-generator.",
        ))
        .define(
            high(SCHEMA_FILENAME, ConfigType::String)
                .default("")
                .names_file()
                .doc("A file on the machine of every agent that holds the Avro schema. Example: \
                      /etc/sluice/users.avro"),
        )
        .define(
            high(SCHEMA_KEYFIELD, ConfigType::String)
                .default("")
                .doc("The field whose value is the key of records. Quickstarts have one if this is empty."),
        )
        .define(
            high(QUICKSTART, ConfigType::String)
                .default("")
                .doc(format!("A schema that is built in: {}.", quickstarts::names())),
        )
        .define(
            ConfigKey::new(RANDOM_SEED, ConfigType::Long)
                .optional()
                .importance(Importance::Low)
                .doc("Number from which all content follows. The same seed makes the same records; each task \
                      makes others."),
        )
        .define(
            ConfigKey::new(GENERATE_TIMEOUT, ConfigType::Long)
                .optional()
                .importance(Importance::Low)
                .doc("Milliseconds, from 1 to 60000, after which the task fails if a record is not made."),
        )
}

/// Settings of a task.
pub(crate) struct Settings {
    pub(crate) topic: String,
    /// Milliseconds between records, at most; 0 for no pause.
    pub(crate) max_interval: u64,
    pub(crate) iterations: Option<u64>,
    /// Empty for records without a key.
    pub(crate) keyfield: String,
    pub(crate) task: i32,
    /// Generator of the task's schema, at its first record.
    pub(crate) generator: Generator,
}

/// Where the schema stands.
struct Source<'a> {
    key: &'static str,
    value: &'a str,
}

impl Settings {
    /// Parses everything and reads the schema, also from a file: not for threads that must not wait.
    ///
    /// # Errors
    /// All keys that are wrong. Single values of wrong types are left to the worker's validation.
    pub(crate) fn read(props: &Props, reach: &Reach) -> Result<Self, Vec<KeyFault>> {
        let config = config_def().parse(props).map_err(|error| {
            let message = error.0;
            vec![KeyFault {
                key: TOPIC.to_owned(),
                message,
            }]
        })?;
        let source = source(&config)?;
        let one = |key: &str, why: String| vec![KeyFault::new(key, why)];
        let timeout = timeout(&config).map_err(|why| one(GENERATE_TIMEOUT, why))?;
        let task = props.get(TASK_ID).and_then(|text| text.parse().ok());
        let task = task.unwrap_or(0);
        let seed = seed(config.optional_long(RANDOM_SEED), task);
        let (schema, own_key) = schema(&source, reach).map_err(|why| one(source.key, why))?;
        let generator =
            Generator::new(&schema, seed, timeout).map_err(|why| one(source.key, why))?;
        let keyfield = match config.string(SCHEMA_KEYFIELD) {
            "" => own_key,
            field => field,
        };
        if !keyfield.is_empty() && !generator.fields().iter().any(|field| field == keyfield) {
            let why = format!(
                "The schema does not contain the field {keyfield}; it has {}",
                generator.fields().join(", ")
            );
            return Err(one(SCHEMA_KEYFIELD, why));
        }
        Ok(Self {
            topic: config.string(TOPIC).to_owned(),
            max_interval: u64::try_from(config.long(MAX_INTERVAL)).unwrap_or(0),
            iterations: u64::try_from(config.int(ITERATIONS))
                .ok()
                .filter(|count| *count > 0),
            keyfield: keyfield.to_owned(),
            task,
            generator,
        })
    }
}

/// The one key that names a schema; all that are set if there are more, all three if there is none.
fn source(config: &ParsedConfig) -> Result<Source<'_>, Vec<KeyFault>> {
    let set: Vec<Source<'_>> = SOURCES
        .into_iter()
        .map(|key| Source {
            key,
            value: config.string(key),
        })
        .filter(|source| !source.value.is_empty())
        .collect();
    let fault = |key: &str| {
        KeyFault::new(
            key,
            format!("Must set exactly one of {}", SOURCES.join(", ")),
        )
    };
    match <[Source<'_>; 1]>::try_from(set) {
        Ok([source]) => Ok(source),
        Err(set) if set.is_empty() => Err(SOURCES.map(fault).into()),
        Err(set) => Err(set.iter().map(|source| fault(source.key)).collect()),
    }
}

/// The text of the schema, and the field that is its key unless another is set.
fn schema(source: &Source<'_>, reach: &Reach) -> Result<(String, &'static str), String> {
    match source.key {
        SCHEMA_STRING => Ok((source.value.to_owned(), "")),
        SCHEMA_FILENAME => {
            let text = file(Path::new(source.value), reach);
            let text = text.map_err(|error| format!("{} cannot be read: {error}", source.value))?;
            Ok((text, ""))
        }
        _ => match quickstarts::find(source.value) {
            Some(quickstart) => Ok((quickstart.schema.to_string(), &quickstart.key)),
            None => Err(format!(
                "{} is not among the quickstarts of this connector, which are {}; schema.string takes any \
                 other schema",
                source.value,
                quickstarts::names()
            )),
        },
    }
}

fn file(path: &Path, reach: &Reach) -> Result<String, Error> {
    if let Some(why) = reach.refusal(&Place::File(path.to_owned())) {
        return Err(Error::other(why));
    }
    // Opening a pipe would wait for a writer.
    if !fs::metadata(path)?.is_file() {
        return Err(Error::other("it is not a file"));
    }
    let file = reach.open(path, OpenOptions::new().read(true))?;
    let mut text = String::new();
    file.take(MOST_SCHEMA + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST_SCHEMA {
        return Err(Error::other(format!(
            "it has more than {MOST_SCHEMA} bytes"
        )));
    }
    Ok(text)
}

fn timeout(config: &ParsedConfig) -> Result<Option<Duration>, String> {
    let Some(given) = config.optional_long(GENERATE_TIMEOUT) else {
        return Ok(None);
    };
    match u64::try_from(given) {
        Ok(millis @ 1..=60_000) => Ok(Some(Duration::from_millis(millis))),
        _ => Err(format!("{given} is not from 1 to 60000")),
    }
}

/// The seed of a task, which follows from that of the connector as in the JVM's task; a random one without.
fn seed(given: Option<i64>, task: i32) -> i64 {
    let Some(seed) = given else {
        return rand::random();
    };
    (0..task).fold(seed, |seed, _| JavaRandom::new(seed).long())
}
