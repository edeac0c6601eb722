//! What a sink connector reads: `topics` or `topics.regex`.

use sluice_api::config::{ConfigError, Props};
use sluice_jvm_text::regex::JavaRegex;

use super::Values;

/// Topics of a sink connector.
#[derive(Debug, Clone)]
pub enum TopicSelection {
    /// The names in `topics`, each once.
    Listed(Vec<String>),
    /// All whose names match `topics.regex`.
    Pattern(JavaRegex),
}

impl TopicSelection {
    /// The keys, which the framework copies into the configurations of tasks.
    const KEYS: [&str; 2] = ["topics", "topics.regex"];

    /// The text of the keys that a configuration has.
    pub(super) fn texts(props: &Props) -> impl Iterator<Item = (&'static str, &String)> {
        Self::KEYS
            .into_iter()
            .filter_map(|key| Some((key, props.get(key)?)))
    }

    /// Takes both keys; `None` if neither is given, which only tasks cannot do without.
    pub(super) fn take(values: &mut Values) -> Result<Option<Self>, ConfigError> {
        let topics: Vec<String> = values.take("topics")?;
        let pattern: String = values.take("topics.regex")?;
        match (topics.is_empty(), pattern.is_empty()) {
            (false, false) => Err(ConfigError(
                "topics and topics.regex are mutually exclusive options, but both are set."
                    .to_owned(),
            )),
            (false, true) => Ok(Some(Self::Listed(topics))),
            (true, false) => JavaRegex::new(&pattern)
                .map(|pattern| Some(Self::Pattern(pattern)))
                .map_err(|error| ConfigError(format!("Invalid regex: {error}"))),
            (true, true) => Ok(None),
        }
    }
}
