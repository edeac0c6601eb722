//! Converters, transformations and predicates that a configuration chooses, each with its own keys.

use std::fmt;

use sluice_api::ConnectError;
use sluice_api::config::{ConfigDef, ConfigError, ConfigKey, ConfigType, Props};

use super::Values;
use crate::properties::with_prefix;

/// A plugin and the keys it is configured with.
#[derive(Clone, PartialEq, Eq)]
pub struct PluginChoice {
    /// The key that names it, such as `transforms.unwrap.type`.
    pub key: String,
    /// Class name or alias.
    pub class: String,
    /// The plugin's own keys, without the prefix that they stand behind.
    pub props: Props,
}

impl fmt::Debug for PluginChoice {
    /// Names key and class only: the plugin's own values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.class)
    }
}

impl PluginChoice {
    /// Takes a converter that has to be named, whose own keys follow under `key.`.
    pub(super) fn take(values: &mut Values, props: &Props, key: &str) -> Result<Self, ConfigError> {
        Ok(Self::of(key, values.take(key)?, props))
    }

    /// As [`PluginChoice::take`]; `None` if the configuration names none.
    pub(super) fn take_optional(
        values: &mut Values,
        props: &Props,
        key: &str,
    ) -> Result<Option<Self>, ConfigError> {
        let class: Option<String> = values.take(key)?;
        Ok(class.map(|class| Self::of(key, class, props)))
    }

    fn of(key: &str, class: String, props: &Props) -> Self {
        Self {
            key: key.to_owned(),
            class,
            props: with_prefix(props, &format!("{key}.")),
        }
    }

    /// What is declared under an alias; without a class it has an empty one, which there is not.
    fn aliased(prefix: &str, props: &Props) -> Self {
        let props = with_prefix(props, prefix);
        Self {
            key: format!("{prefix}type"),
            class: props
                .get("type")
                .map_or("", |class| class.trim())
                .to_owned(),
            props,
        }
    }

    /// The error for a class that there is not, in Kafka's words.
    pub(crate) fn missing(&self) -> ConnectError {
        let Self { key, class, .. } = self;
        let why = format!("Class {class} could not be found.");
        ConnectError::config(ConfigError::invalid(key, class, why).0)
    }
}

/// A transformation, as `transforms` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformChoice {
    /// Its name in `transforms`.
    pub alias: String,
    /// Its class and keys.
    pub plugin: PluginChoice,
    /// Decides whether it applies; `None` if it always does.
    pub predicate: Option<PluginChoice>,
    /// Whether it applies where the predicate does not hold.
    pub negate: bool,
}

impl TransformChoice {
    /// The transformations of a configuration, in the order of `transforms`.
    pub(super) fn all(aliases: Vec<String>, props: &Props) -> Result<Vec<Self>, ConfigError> {
        let named = aliases.into_iter().filter(|alias| !alias.is_empty());
        named.map(|alias| Self::of(alias, props)).collect()
    }

    fn of(alias: String, props: &Props) -> Result<Self, ConfigError> {
        let prefix = format!("transforms.{alias}.");
        let mut def = ConfigDef::new();
        for mut key in framework_keys() {
            key.name = format!("{prefix}{}", key.name);
            def.add(key);
        }
        let mut values = Values::parsed(&def, props)?;
        let predicate: Option<String> = values.take(&format!("{prefix}predicate"))?;
        let predicate = predicate.filter(|name| !name.is_empty());
        Ok(Self {
            negate: values.take(&format!("{prefix}negate"))?,
            predicate: predicate
                .map(|name| PluginChoice::aliased(&format!("predicates.{name}."), props)),
            plugin: PluginChoice::aliased(&prefix, props),
            alias,
        })
    }
}

/// The keys that the framework adds to those of every transformation (KIP-585), without prefix.
pub(crate) fn framework_keys() -> [ConfigKey; 2] {
    [
        ConfigKey::new("predicate", ConfigType::String)
            .optional()
            .doc("Alias of a predicate that decides whether the transformation applies."),
        ConfigKey::new("negate", ConfigType::Boolean)
            .default("false")
            .doc("Whether the predicate's answer is turned around."),
    ]
}
