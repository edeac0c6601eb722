//! `TopicNameMatches`: true for records whose whole topic matches a regular expression.

use std::sync::{Arc, Mutex, PoisonError};

use bytestring::ByteString;
use sluice_api::config::{ConfigKey, ConfigType, validators};
use sluice_api::{ConfigDef, ConnectRecord, Predicate, Props, RecordOrigin, Result};

use crate::transforms::regex_validator;
use sluice_jvm_text::regex::JavaRegex;

super::predicate!(TopicNameMatches);

fn config_def() -> ConfigDef {
    let (not_empty, regex) = (validators::non_empty(), regex_validator());
    ConfigDef::new().define(
        ConfigKey::new("pattern", ConfigType::String)
            .validator(Arc::new(move |name, value| {
                not_empty(name, value)?;
                regex(name, value)
            }))
            .doc("A Java regular expression for matching against the name of a record's topic."),
    )
}

#[derive(Debug, Default)]
struct TopicNameMatches {
    pattern: JavaRegex,
    /// The last topic and its answer: neighbours mostly share theirs.
    last: Mutex<Option<(ByteString, bool)>>,
}

impl Predicate for TopicNameMatches {
    fn configure(&mut self, props: &Props) -> Result<()> {
        self.pattern = JavaRegex::new(config_def().parse(props)?.string("pattern"))?;
        Ok(())
    }

    fn test(&self, record: &ConnectRecord, _origin: &RecordOrigin<'_>) -> Result<bool> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((topic, answer)) = &*last
            && *topic == record.topic
        {
            return Ok(*answer);
        }
        let answer = self.pattern.matches(&record.topic)?;
        *last = Some((record.topic.clone(), answer));
        Ok(answer)
    }
}
