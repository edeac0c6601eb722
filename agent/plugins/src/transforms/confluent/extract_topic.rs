//! `ExtractTopic`: a topic that is text in the key, the value or a header.

use sluice_api::config::{ConfigError, ConfigKey, ConfigType, validators};
use sluice_api::{
    ConfigDef, ConnectError, ConnectRecord, Props, RecordOrigin, Result, Transformation, Value,
};

use super::json_path::JsonPath;

super::confluent!(key_plugin, "ExtractTopic$Key", ExtractTopic::of(Place::Key));
super::confluent!(
    value_plugin,
    "ExtractTopic$Value",
    ExtractTopic::of(Place::Value)
);
super::confluent!(
    header_plugin,
    "ExtractTopic$Header",
    ExtractTopic::of(Place::Header)
);

fn config_def() -> ConfigDef {
    ConfigDef::new()
        .define(
            ConfigKey::new("field", ConfigType::String)
                .default("")
                .doc("The field, or the name of the header, whose text becomes the topic; empty for the \
                      whole key or value."),
        )
        .define(
            ConfigKey::new("field.format", ConfigType::String)
                .default("PLAIN")
                .validator(validators::one_of_ignoring_case(&["PLAIN", "JSON_PATH"]))
                .doc("Whether field is a name (PLAIN) or a JSON path to one value (JSON_PATH). Example: \
                      $[\"f1\"][\"f3\"]"),
        )
        .define(
            ConfigKey::new("skip.missing.or.null", ConfigType::Boolean)
                .default("false")
                .doc("Whether a record without the text keeps its topic; else it is an error."),
        )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Key,
    Value,
    Header,
}

#[derive(Debug)]
struct ExtractTopic {
    place: Place,
    field: String,
    path: JsonPath,
    skips: bool,
}

impl ExtractTopic {
    fn of(place: Place) -> Self {
        Self {
            place,
            field: String::new(),
            path: JsonPath::default(),
            skips: false,
        }
    }

    fn found<'a>(&self, record: &'a ConnectRecord) -> Option<&'a Value> {
        match self.place {
            Place::Key => self.path.one(&record.key),
            Place::Value => self.path.one(&record.value),
            Place::Header => {
                let mut headers = record.headers.iter();
                headers
                    .rfind(|header| *header.key == *self.field)
                    .map(|header| &header.value)
            }
        }
    }
}

impl Transformation for ExtractTopic {
    fn configure(&mut self, props: &Props) -> Result<()> {
        let config = config_def().parse(props)?;
        config.string("field").clone_into(&mut self.field);
        self.skips = config.boolean("skip.missing.or.null");
        self.path = match &*self.field {
            "" if self.place == Place::Header => {
                let why = "the name of a header is needed";
                return Err(ConfigError::invalid("field", "", why).into());
            }
            "" => JsonPath::default(),
            path if config
                .string("field.format")
                .eq_ignore_ascii_case("JSON_PATH") =>
            {
                JsonPath::parse(path)
                    .and_then(JsonPath::checked_for_one_value)
                    .map_err(|why| ConfigError::invalid("field", path, why))?
            }
            name => JsonPath::of_field(name),
        };
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        let topic = match self.found(&record) {
            Some(Value::String(topic)) if !topic.is_empty() => topic.clone(),
            None | Some(Value::Null) if self.skips => return Ok(Some(record)),
            None | Some(Value::Null) => {
                return Err(ConnectError::data(format!(
                    "ExtractTopic found nothing, or null, at {:?}",
                    self.field
                )));
            }
            Some(other) => {
                return Err(ConnectError::data(format!(
                    "ExtractTopic needs text that is not empty at {:?}, found: {}",
                    self.field,
                    other.java_class()
                )));
            }
        };
        record.topic = topic;
        Ok(Some(record))
    }
}
