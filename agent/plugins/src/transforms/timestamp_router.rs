//! `TimestampRouter`: gives a record another topic, made of the old one and the record's timestamp in UTC.

use sluice_api::config::{ConfigKey, ConfigType, Importance};
use sluice_api::{
    ConfigDef, ConnectError, ConnectRecord, Props, RecordOrigin, Result, Transformation,
};

use sluice_jvm_text::simple_date_format::SimpleDateFormat;

super::whole_record!(TimestampRouter);

fn config_def() -> ConfigDef {
    ConfigDef::new()
        .define(
            ConfigKey::new("topic.format", ConfigType::String)
                .default("${topic}-${timestamp}")
                .importance(Importance::High)
                .doc("Format string which can contain <code>${topic}</code> and <code>${timestamp}</code> as \
                      placeholders for the topic and timestamp, respectively."),
        )
        .define(
            ConfigKey::new("timestamp.format", ConfigType::String)
                .default("yyyyMMdd")
                .importance(Importance::High)
                .doc("Format string for the timestamp that is compatible with \
                      <code>java.text.SimpleDateFormat</code>."),
        )
}

#[derive(Debug, Default)]
struct TimestampRouter {
    topic_format: String,
    /// A broken pattern fails each record, as in the JVM, which looks at it no earlier.
    timestamp_format: Option<Result<SimpleDateFormat>>,
}

impl Transformation for TimestampRouter {
    fn configure(&mut self, props: &Props) -> Result<()> {
        let config = config_def().parse(props)?;
        config
            .string("topic.format")
            .clone_into(&mut self.topic_format);
        self.timestamp_format =
            Some(SimpleDateFormat::new(config.string("timestamp.format")).map_err(Into::into));
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        let Some(timestamp) = record.timestamp else {
            return Err(ConnectError::data(format!(
                "Timestamp missing on record: {}",
                origin.text_of(&record)
            )));
        };
        let timestamp = match &self.timestamp_format {
            Some(Ok(format)) => format.format(timestamp),
            Some(Err(error)) => return Err(error.clone()),
            None => return Err(ConnectError::connect("TimestampRouter is not configured")),
        };
        record.topic = topic_of(&self.topic_format, &record.topic, &timestamp).into();
        Ok(Some(record))
    }
}

/// The topic that a `topic.format` makes of the old one and a time.
pub(super) fn topic_of(format: &str, topic: &str, timestamp: &str) -> String {
    format
        .replace("${topic}", topic)
        .replace("${timestamp}", timestamp)
}
