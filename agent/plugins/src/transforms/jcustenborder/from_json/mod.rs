//! `FromJson`: JSON text to Connect values, by a JSON Schema (draft 7) that the configuration gives.
//!
//! Keys, schemas and values are those of jcustenborder's `kafka-connect-json-schema` 0.2. Where its class
//! loses data without a word, this one fails the record, and `errors.tolerance` decides what becomes of it:
//! * A number that is not whole is refused for `integer` (the class cuts its fraction off), as is one beyond
//!   64 bits (the class keeps the low bits).
//! * A text that is a decimal number only at its beginning is refused for `"format": "decimal"` (the class
//!   ignores the rest), as is one with more digits after the point than the schema has.
//! * A day that its month does not have is refused in a `custom-timestamp` (Java takes the month's last one).
//! * What follows the document is refused (the class ignores it).
//!
//! Where its class refuses a schema without need, this one takes it: `enum` and `const` beside `type`,
//! references that lead to references.

mod date_pattern;
mod json_schema;
mod reader;
mod source;
mod validation;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use sluice_api::config::{ConfigError, ConfigKey, ConfigType, ConfigValue, Importance, validators};
use sluice_api::plugin::TransformationPlugin;
use sluice_api::{
    ConfigDef, ConnectError, ConnectRecord, Place, Props, RecordOrigin, Result, Transformation,
    Value,
};

use self::json_schema::Node;
use self::validation::Validation;
use crate::transforms::side::Side;

const URL: &str = "json.schema.url";
const LOCATION: &str = "json.schema.location";
const INLINE: &str = "json.schema.inline";
const VALIDATE: &str = "json.schema.validation.enabled";
const EXCLUDED: &str = "json.exclude.locations";

/// Descriptor of the transformation of keys.
pub(in super::super) fn key_plugin() -> TransformationPlugin {
    TransformationPlugin::of(
        "com.github.jcustenborder.kafka.connect.json.FromJson$Key",
        env!("CARGO_PKG_VERSION"),
        config_def,
        || Box::new(FromJson::of(Side::Key)),
    )
}

/// Descriptor of the transformation of values.
pub(in super::super) fn value_plugin() -> TransformationPlugin {
    TransformationPlugin::of(
        "com.github.jcustenborder.kafka.connect.json.FromJson$Value",
        env!("CARGO_PKG_VERSION"),
        config_def,
        || Box::new(FromJson::of(Side::Value)),
    )
}

fn config_def() -> ConfigDef {
    ConfigDef::new()
        .define(
            ConfigKey::new(URL, ConfigType::String)
                .default("File:///doesNotExist")
                .importance(Importance::High)
                .names(|value| match value {
                    ConfigValue::String(url) => source::place(url).into_iter().collect::<Vec<Place>>(),
                    _ => Vec::new(),
                })
                .doc(
                    "Where the JSON Schema is when json.schema.location is Url: a file of the agent's \
                     machine (file:///schemas/order.json) or an http or https address.",
                ),
        )
        .define(
            ConfigKey::new(LOCATION, ConfigType::String)
                .default("Url")
                .importance(Importance::High)
                .validator(validators::one_of(&["Url", "Inline"]))
                .doc("Where the JSON Schema comes from: Url (json.schema.url) or Inline \
                      (json.schema.inline)."),
        )
        .define(
            ConfigKey::new(VALIDATE, ConfigType::Boolean)
                .default("false")
                .importance(Importance::Medium)
                .doc("Whether documents are checked against the JSON Schema, beyond the types of their \
                      fields."),
        )
        .define(
            ConfigKey::new(INLINE, ConfigType::String)
                .default("")
                .importance(Importance::High)
                .doc("The JSON Schema as text, when json.schema.location is Inline."),
        )
        .define(
            ConfigKey::new(EXCLUDED, ConfigType::List)
                .default("")
                .importance(Importance::Low)
                .doc(
                    "Places in the JSON Schema that are left out, such as #/properties/log_params: Connect \
                     has no schema for a field of several types.",
                ),
        )
}

struct FromJson {
    side: Side,
    /// Set by `configure`, which comes before the first record.
    plan: Option<Plan>,
}

struct Plan {
    root: Node,
    validation: Option<Validation>,
}

impl FromJson {
    fn of(side: Side) -> Self {
        Self { side, plan: None }
    }
}

impl Plan {
    fn read(&self, text: &[u8]) -> Result<Value> {
        match &self.validation {
            Some(validation) => reader::read(&self.root, &validation.document(text)?),
            None => reader::read_text(&self.root, text),
        }
    }
}

impl Transformation for FromJson {
    fn configure(&mut self, props: &Props) -> Result<()> {
        let config = config_def().parse(props)?;
        let (key, text) = match config.string(LOCATION) {
            "Inline" => (INLINE, config.string(INLINE).to_owned()),
            _ => (URL, source::load(config.string(URL))?),
        };
        let invalid =
            |why: String| ConfigError::invalid(key, format!("{:.200}", config.string(key)), why);
        let document = serde_json::from_str(&text)
            .map_err(|why| invalid(format!("it is not a JSON Schema: {why}")))?;
        let root = json_schema::node(&document, config.list(EXCLUDED)).map_err(&invalid)?;
        let validation = config
            .boolean(VALIDATE)
            .then(|| Validation::new(document))
            .transpose()
            .map_err(&invalid)?;
        self.plan = Some(Plan { root, validation });
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        let plan = self
            .plan
            .as_ref()
            .ok_or_else(|| ConnectError::connect("FromJson has no JSON Schema yet"))?;
        let value = match self.side.take(&mut record) {
            // A tombstone stays one.
            Value::Null => {
                self.side.set(&mut record, None, Value::Null);
                return Ok(Some(record));
            }
            Value::String(text) => plan.read(text.as_bytes())?,
            Value::Bytes(bytes) => plan.read(&bytes)?,
            other => {
                return Err(ConnectError::data(format!(
                    "FromJson takes texts and bytes, which StringConverter and ByteArrayConverter make, but \
                     not {}",
                    other.java_class()
                )));
            }
        };
        let schema = Arc::clone(plan.root.schema());
        self.side.set(&mut record, Some(schema), value);
        Ok(Some(record))
    }
}
