//! `RegexRouter`: gives a record another topic, made by a regular expression that the whole old topic
//! matches.

use std::sync::Mutex;

use bytestring::ByteString;
use sluice_api::config::ConfigType;
use sluice_api::{ConfigDef, ConnectRecord, Props, RecordOrigin, Result, Transformation};

use super::keys::{regex, required};
use sluice_jvm_text::regex::JavaRegex;

super::whole_record!(RegexRouter);

fn config_def() -> ConfigDef {
    ConfigDef::new()
        .define(
            required(
                "regex",
                ConfigType::String,
                "Regular expression to use for matching.",
            )
            .validator(regex()),
        )
        .define(required(
            "replacement",
            ConfigType::String,
            "Replacement string.",
        ))
}

#[derive(Debug, Default)]
struct RegexRouter {
    regex: JavaRegex,
    replacement: String,
    /// Old and new topic of the last record: neighbours mostly share theirs.
    last: Mutex<Option<(ByteString, ByteString)>>,
}

impl RegexRouter {
    fn route(&self, topic: &ByteString) -> Result<ByteString> {
        if !self.regex.matches(topic)? {
            return Ok(topic.clone());
        }
        Ok(self.regex.replace_first(topic, &self.replacement)?.into())
    }
}

impl Transformation for RegexRouter {
    fn configure(&mut self, props: &Props) -> Result<()> {
        let config = config_def().parse(props)?;
        self.regex = JavaRegex::new(config.string("regex"))?;
        config
            .string("replacement")
            .clone_into(&mut self.replacement);
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        let mut last = self
            .last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        record.topic = match &*last {
            Some((old, new)) if *old == record.topic => new.clone(),
            _ => {
                let new = self.route(&record.topic)?;
                *last = Some((record.topic, new.clone()));
                new
            }
        };
        Ok(Some(record))
    }
}
