//! `MessageTimestampRouter`: a topic made of the old one and of a time in the value.
//!
//! The value is a map without schema, as in the original. The first of the keys that is there and not null is
//! read; where none is, or its text is not of the format, the record is an error.

use sluice_api::config::{ConfigKey, ConfigType, Importance};
use sluice_api::{
    ConfigDef, ConnectError, ConnectRecord, Props, RecordOrigin, Result, Transformation, Value,
};
use sluice_jvm_text::simple_date_format::SimpleDateFormat;

use super::super::keys::{non_empty_list, required};
use super::super::timestamp_router::topic_of;

super::confluent!(
    plugin,
    "MessageTimestampRouter",
    MessageTimestampRouter::default()
);

const MESSAGE_FORMAT: &str = "message.timestamp.format";
const TOPIC_TIME_FORMAT: &str = "topic.timestamp.format";

fn config_def() -> ConfigDef {
    ConfigDef::new()
        .define(
            ConfigKey::new("topic.format", ConfigType::String)
                .default("${topic}-${timestamp}")
                .importance(Importance::High)
                .doc("The new topic; ${topic} stands for the old one, ${timestamp} for the time."),
        )
        .define(required(
            MESSAGE_FORMAT,
            ConfigType::String,
            "The form of the time in the value, a pattern of java.text.SimpleDateFormat. Example: yyyy-MM-dd",
        ))
        .define(required(
            TOPIC_TIME_FORMAT,
            ConfigType::String,
            "The form of ${timestamp}, a pattern of java.text.SimpleDateFormat, in UTC. Example: yyyy.MM.dd",
        ))
        .define(
            required(
                "message.timestamp.keys",
                ConfigType::List,
                "Names of fields; the first one that is there has the time. Example: time,ts",
            )
            .validator(non_empty_list()),
        )
}

#[derive(Debug, Default)]
struct MessageTimestampRouter {
    topic_format: String,
    formats: Option<(SimpleDateFormat, SimpleDateFormat)>,
    keys: Vec<String>,
}

impl Transformation for MessageTimestampRouter {
    fn configure(&mut self, props: &Props) -> Result<()> {
        let config = config_def().parse(props)?;
        config
            .string("topic.format")
            .clone_into(&mut self.topic_format);
        let format = |key: &str| {
            let pattern = config.string(key);
            SimpleDateFormat::new(pattern).map_err(|why| {
                ConnectError::config(format!(
                    "Invalid value {pattern} for configuration {key}: {why}"
                ))
            })
        };
        self.formats = Some((format(MESSAGE_FORMAT)?, format(TOPIC_TIME_FORMAT)?));
        config
            .list("message.timestamp.keys")
            .clone_into(&mut self.keys);
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        let Some((read, write)) = &self.formats else {
            return Err(ConnectError::connect(
                "MessageTimestampRouter is not configured",
            ));
        };
        let Value::Map(map) = &record.value else {
            return Err(ConnectError::data(format!(
                "MessageTimestampRouter needs a value that is a map, found: {}",
                record.value.java_class()
            )));
        };
        let present = |key: &String| map.get_str(key).filter(|value| !value.is_null());
        let Some(time) = self.keys.iter().find_map(present) else {
            return Err(ConnectError::data(format!(
                "MessageTimestampRouter found none of the fields {}",
                self.keys.join(", ")
            )));
        };
        let text = time.to_string();
        let Some(millis) = read.parse(&text) else {
            return Err(ConnectError::data(format!(
                "MessageTimestampRouter cannot read the time {text:.100} by {MESSAGE_FORMAT} {}",
                read.pattern()
            )));
        };
        let time = write.format(millis);
        record.topic = topic_of(&self.topic_format, &record.topic, &time).into();
        Ok(Some(record))
    }
}
