//! Which topics, groups and configs are replicated (`DefaultTopicFilter`, `DefaultGroupFilter`,
//! `DefaultConfigPropertyFilter`).

use sluice_api::config::{ConfigType, ConfigValue};
use sluice_api::{Props, Result};
use sluice_jvm_text::regex::JavaRegex;

/// Names and regular expressions of Java, joined; `None` matches nothing.
#[derive(Debug)]
pub(crate) struct Patterns(Option<JavaRegex>);

impl Patterns {
    /// The value of a key, or its default.
    ///
    /// # Errors
    /// An expression that does not parse.
    pub(crate) fn of(props: &Props, key: &str, default: &str) -> Result<Self> {
        let text = props.get(key).map_or(default, String::as_str);
        let ConfigValue::List(list) = ConfigValue::parse(key, text, ConfigType::List)? else {
            return Ok(Self(None));
        };
        if list.is_empty() {
            return Ok(Self(None));
        }
        let joined = list.join("|");
        match JavaRegex::new(&joined) {
            Ok(regex) => Ok(Self(Some(regex))),
            Err(error) => Err(sluice_api::ConfigError::invalid(key, &joined, error).into()),
        }
    }

    /// Whether one of them matches the whole text. One that is too hard to match does not.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let Some(regex) = &self.0 else {
            return false;
        };
        regex.matches(text).unwrap_or_else(|error| {
            tracing::warn!(text, %error, "a name is not replicated, since it can't be matched");
            false
        })
    }
}

/// What is included and not excluded.
#[derive(Debug)]
pub(crate) struct Filter {
    include: Patterns,
    exclude: Patterns,
}

impl Filter {
    /// Of two keys; by default everything is included.
    ///
    /// # Errors
    /// An expression that does not parse.
    pub(crate) fn of(
        props: &Props,
        include: &str,
        exclude: &str,
        exclude_default: &str,
    ) -> Result<Self> {
        Ok(Self {
            include: Patterns::of(props, include, ".*")?,
            exclude: Patterns::of(props, exclude, exclude_default)?,
        })
    }

    /// Whether a name is to be replicated.
    pub(crate) fn accepts(&self, name: &str) -> bool {
        self.include.matches(name) && !self.exclude.matches(name)
    }
}
