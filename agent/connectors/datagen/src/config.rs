//! Keys of the connector.

use sluice_api::config::{ConfigType, Importance, validators};
use sluice_api::{ConfigDef, ConfigKey, Props, Result};

use crate::generators::Generator;

/// Key that the connector adds to task configurations.
pub(crate) const TASK_NUMBER: &str = "datagen.task.number";
const TOPIC: &str = "topic";
const GENERATOR: &str = "generator";
const RATE: &str = "records.per.second";
const MAX_COUNT: &str = "max.count";
const SEED: &str = "seed";
const BATCH_SIZE: &str = "batch.size";
const FAIL_AFTER: &str = "fail.after";

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new()
        .define(
            ConfigKey::new(TOPIC, ConfigType::String)
                .validator(validators::non_empty())
                .importance(Importance::High)
                .doc("The topic to write to. Example: orders"),
        )
        .define(
            ConfigKey::new(GENERATOR, ConfigType::String)
                .default("orders")
                .validator(validators::one_of(&["orders", "clicks", "sensors"]))
                .importance(Importance::High)
                .doc(
                    "What to make: orders (of a web shop, key = customer), clicks (on its pages, key = \
                     session) or sensors (readings of temperature and humidity, key = sensor).",
                ),
        )
        .define(
            ConfigKey::new(RATE, ConfigType::Double)
                .default("10")
                .validator(validators::at_least(0))
                .importance(Importance::High)
                .doc(
                    "Records per second and task, on average; fractions are allowed. 0 is as fast as Kafka \
                     takes them.",
                ),
        )
        .define(
            ConfigKey::new(MAX_COUNT, ConfigType::Long)
                .default("-1")
                .validator(validators::at_least(-1))
                .importance(Importance::Medium)
                .doc(
                    "Records per task after which nothing more is made, counted over restarts. -1 is without \
                     limit.",
                ),
        )
        .define(
            ConfigKey::new(SEED, ConfigType::Long)
                .default("0")
                .importance(Importance::Medium)
                .doc(
                    "Number from which all content follows: the same seed makes the same records, times \
                     aside.",
                ),
        )
        .define(
            ConfigKey::new(BATCH_SIZE, ConfigType::Int)
                .default("500")
                .validator(validators::between(1, 65_536))
                .importance(Importance::Low)
                .doc("The most records handed over at once."),
        )
        .define(
            ConfigKey::new(FAIL_AFTER, ConfigType::Long)
                .default("0")
                .validator(validators::at_least(0))
                .importance(Importance::Low)
                .doc(
                    "Lets the task fail after this many records since its start, to rehearse failures. 0 is \
                     never.",
                ),
        )
}

/// Settings of a task.
#[derive(Debug, Clone)]
pub(crate) struct TaskSettings {
    pub(crate) topic: String,
    pub(crate) generator: Generator,
    pub(crate) rate: f64,
    pub(crate) max_count: Option<u64>,
    pub(crate) seed: u64,
    pub(crate) batch_size: usize,
    pub(crate) fail_after: Option<u64>,
    pub(crate) task: u32,
}

impl TaskSettings {
    pub(crate) fn parse(props: &Props) -> Result<Self> {
        let config = config_def().parse(props)?;
        Ok(Self {
            topic: config.string(TOPIC).to_owned(),
            generator: Generator::parse(config.string(GENERATOR)),
            rate: config.double(RATE),
            max_count: u64::try_from(config.long(MAX_COUNT)).ok(),
            seed: config.long(SEED).cast_unsigned(),
            batch_size: usize::try_from(config.int(BATCH_SIZE)).unwrap_or(1),
            fail_after: u64::try_from(config.long(FAIL_AFTER))
                .ok()
                .filter(|count| *count > 0),
            task: props
                .get(TASK_NUMBER)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
        })
    }
}
