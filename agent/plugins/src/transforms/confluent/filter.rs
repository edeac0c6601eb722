//! `Filter`: keeps or drops the records of which a JSON path finds something (`json_path`).

use sluice_api::config::{ConfigError, ConfigKey, ConfigType, ConfigValue, Importance, validators};
use sluice_api::{
    ConfigDef, ConnectError, ConnectRecord, Props, RecordOrigin, Result, Transformation,
};

use super::super::keys::required;
use super::super::side::Side;
use super::json_path::{Found, JsonPath};

super::confluent!(key_plugin, "Filter$Key", Filter::of(Side::Key));
super::confluent!(value_plugin, "Filter$Value", Filter::of(Side::Value));

const CONDITION: &str = "filter.condition";

fn config_def() -> ConfigDef {
    ConfigDef::new()
        .define(
            required(
                CONDITION,
                ConfigType::String,
                "A JSON path that finds something in the records meant. Example: $[?(@.state == 'paid' && \
                 @.total >= 100)]",
            )
            .validator(std::sync::Arc::new(|name, value| match value {
                ConfigValue::String(path) => JsonPath::parse(path)
                    .map(drop)
                    .map_err(|why| ConfigError::invalid(name, path, why)),
                _ => Ok(()),
            })),
        )
        .define(
            required(
                "filter.type",
                ConfigType::String,
                "include keeps the records meant and drops all others, exclude drops the records meant.",
            )
            .validator(validators::one_of(&["include", "exclude"])),
        )
        .define(
            ConfigKey::new("missing.or.null.behavior", ConfigType::String)
                .default("fail")
                .validator(validators::one_of(&["fail", "include", "exclude"]))
                .importance(Importance::Medium)
                .doc(
                    "What becomes of records without a field on the path: fail is an error, include keeps \
                     them, exclude drops them. Fields within [?()] do not count: there a missing one fits no \
                     condition.",
                ),
        )
}

#[derive(Debug)]
struct Filter {
    side: Side,
    condition: JsonPath,
    /// Whether records meant are kept, or else dropped.
    includes: bool,
    /// Whether records without a field are kept; `None` fails.
    missing: Option<bool>,
}

impl Filter {
    fn of(side: Side) -> Self {
        Self {
            side,
            condition: JsonPath::default(),
            includes: true,
            missing: None,
        }
    }
}

impl Transformation for Filter {
    fn configure(&mut self, props: &Props) -> Result<()> {
        let config = config_def().parse(props)?;
        let path = config.string(CONDITION);
        self.condition =
            JsonPath::parse(path).map_err(|why| ConfigError::invalid(CONDITION, path, why))?;
        self.includes = config.string("filter.type") == "include";
        self.missing = match config.string("missing.or.null.behavior") {
            "include" => Some(true),
            "exclude" => Some(false),
            _ => None,
        };
        Ok(())
    }

    fn apply(
        &self,
        record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        let value = match self.side {
            Side::Key => &record.key,
            Side::Value => &record.value,
        };
        let keeps = match self.condition.find(value) {
            Found::Something => self.includes,
            Found::Nothing => !self.includes,
            Found::Missing => self.missing.ok_or_else(|| {
                ConnectError::data(format!(
                    "Filter: a field of {CONDITION} {} is missing or null; missing.or.null.behavior decides \
                     about such records",
                    self.condition
                ))
            })?,
        };
        Ok(keeps.then_some(record))
    }
}
