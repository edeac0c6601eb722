//! Configuration definitions: one [`ConfigDef`] gives parsing, validation, defaults, documentation and the
//! answers of the REST API (Kafka's `ConfigDef`, with its messages).
//!
//! A plugin builds its definition once, [`ConfigDef::validate`] reports every fault of a configuration, and
//! [`ConfigDef::parse`] turns a faultless one into a [`ParsedConfig`] with typed getters.

pub mod validators;
mod value;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;

pub use crate::error::ConfigError;
use crate::error::KeyFault;
use crate::reach::{Place, Reach};
pub use value::{ConfigType, ConfigValue, Importance, Password, Width};

/// A flat configuration as connectors and workers receive it: key to text, in the order given.
pub type Props = IndexMap<String, String>;

/// The check of one key's value, given the key's name. It also sees [`ConfigValue::Null`].
pub type Validator = Arc<dyn Fn(&str, &ConfigValue) -> Result<(), ConfigError> + Send + Sync>;

/// The values suggested for a key, and whether it is shown, given everything parsed so far
/// (`ConfigDef.Recommender`).
pub type Recommender =
    Arc<dyn Fn(&str, &HashMap<String, ConfigValue>) -> Recommendation + Send + Sync>;

/// The answer of a [`Recommender`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recommendation {
    /// Suggested values as text.
    pub values: Vec<String>,
    /// False when the key makes no sense beside the other values.
    pub visible: bool,
}

/// What a key is when the configuration does not name it.
#[derive(Debug, Clone, PartialEq)]
pub enum DefaultValue {
    /// The key must be given.
    Required,
    /// This value; [`ConfigValue::Null`] for none.
    Value(ConfigValue),
}

/// One key of a [`ConfigDef`].
#[derive(Clone)]
pub struct ConfigKey {
    /// The key as configurations write it, without prefix.
    pub name: String,
    /// Its type.
    pub kind: ConfigType,
    /// Its default.
    pub default: DefaultValue,
    /// Its check, run on the parsed value, on the default, and on null after a failed parse.
    pub validator: Option<Validator>,
    /// How much it matters.
    pub importance: Importance,
    /// What it means, its unit and an example.
    pub documentation: String,
    /// Heading under which it is shown.
    pub group: Option<String>,
    /// Position under the heading, from 1; -1 without a group.
    pub order_in_group: i32,
    /// Suggested width.
    pub width: Width,
    /// Name for people.
    pub display_name: String,
    /// Keys whose suggestions depend on this one.
    pub dependents: Vec<String>,
    /// Suggests values.
    pub recommender: Option<Recommender>,
    /// Whether repeated elements of a list are dropped when it is parsed. Validation still reports them.
    pub drops_duplicates: bool,
    /// The files and hosts that a value names.
    pub places: Option<fn(&ConfigValue) -> Vec<Place>>,
}

impl fmt::Debug for ConfigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigKey")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl ConfigKey {
    /// A required key of medium importance without check.
    pub fn new(name: impl Into<String>, kind: ConfigType) -> Self {
        let name = name.into();
        Self {
            display_name: name.clone(),
            name,
            kind,
            default: DefaultValue::Required,
            validator: None,
            importance: Importance::Medium,
            documentation: String::new(),
            group: None,
            order_in_group: -1,
            width: Width::None,
            dependents: Vec::new(),
            recommender: None,
            drops_duplicates: false,
            places: None,
        }
    }

    /// Makes it a list of distinct, non-empty elements (`ConfigDef.ValidList.anyNonDuplicateValues`):
    /// validation refuses repeated ones, parsing drops them.
    #[must_use]
    pub fn distinct(mut self, allow_empty: bool) -> Self {
        self.drops_duplicates = true;
        self.validator(validators::distinct_list(allow_empty, false))
    }

    /// Sets the default, written as a user would write it.
    ///
    /// # Panics
    /// If `text` is not of the key's type, a bug in the definition.
    #[must_use]
    pub fn default(mut self, text: &str) -> Self {
        match ConfigValue::parse(&self.name, text, self.kind) {
            Ok(value) => self.default = DefaultValue::Value(value),
            Err(error) => panic!("default of a definition: {error}"),
        }
        self
    }

    /// Makes null the default.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.default = DefaultValue::Value(ConfigValue::Null);
        self
    }

    /// Sets the check.
    #[must_use]
    pub fn validator(mut self, validator: Validator) -> Self {
        self.validator = Some(validator);
        self
    }

    /// Sets the importance.
    #[must_use]
    pub fn importance(mut self, importance: Importance) -> Self {
        self.importance = importance;
        self
    }

    /// Sets the documentation.
    #[must_use]
    pub fn doc(mut self, documentation: impl Into<String>) -> Self {
        self.documentation = documentation.into();
        self
    }

    /// Sets heading, position, width and the name for people.
    #[must_use]
    pub fn group(mut self, group: &str, order: i32, width: Width, display_name: &str) -> Self {
        self.group = Some(group.to_owned());
        self.order_in_group = order;
        self.width = width;
        self.display_name = display_name.to_owned();
        self
    }

    /// Sets the dependents.
    #[must_use]
    pub fn dependents(mut self, dependents: &[&str]) -> Self {
        self.dependents = dependents.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// Sets the recommender.
    #[must_use]
    pub fn recommender(mut self, recommender: Recommender) -> Self {
        self.recommender = Some(recommender);
        self
    }

    /// Says which files and hosts a value names, so that workers can keep configurations within bounds.
    #[must_use]
    pub fn names(mut self, places: fn(&ConfigValue) -> Vec<Place>) -> Self {
        self.places = Some(places);
        self
    }

    /// Says that the value is a URL, or a list of them.
    #[must_use]
    pub fn names_urls(self) -> Self {
        self.names(|value| match value {
            ConfigValue::String(url) => Place::of_url(url).into_iter().collect(),
            ConfigValue::List(urls) => urls.iter().filter_map(|url| Place::of_url(url)).collect(),
            _ => Vec::new(),
        })
    }

    /// Says that the value is the path of a file or folder of the agent's machine.
    #[must_use]
    pub fn names_file(self) -> Self {
        self.names(|value| match value {
            ConfigValue::String(path) if !path.is_empty() => vec![Place::File(path.into())],
            _ => Vec::new(),
        })
    }
}

/// The outcome of validating one key.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidatedKey {
    /// The key as configurations write it, without prefix.
    pub name: String,
    /// Parsed value or default; null if it could not be parsed.
    pub value: ConfigValue,
    /// Suggested values.
    pub recommended_values: Vec<String>,
    /// Faults, in Kafka's words.
    pub errors: Vec<String>,
    /// False when the key makes no sense beside the other values.
    pub visible: bool,
}

impl ValidatedKey {
    /// A key without value or fault.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: ConfigValue::Null,
            recommended_values: Vec::new(),
            errors: Vec::new(),
            visible: true,
        }
    }
}

/// An ordered set of keys.
#[derive(Debug, Clone, Default)]
pub struct ConfigDef {
    keys: IndexMap<String, ConfigKey>,
    bounds: Option<Bounds>,
}

/// Compares what a configuration names beyond its single keys with what it may reach.
pub type Bounds = fn(&Props, &Reach) -> Vec<KeyFault>;

impl ConfigDef {
    /// A definition without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key.
    ///
    /// # Panics
    /// If the key is defined already, a bug in the definition.
    #[must_use]
    pub fn define(mut self, key: ConfigKey) -> Self {
        self.add(key);
        self
    }

    /// Adds a key in place, as [`ConfigDef::define`].
    ///
    /// # Panics
    /// If the key is defined already, a bug in the definition.
    pub fn add(&mut self, key: ConfigKey) {
        let name = key.name.clone();
        let previous = self.keys.insert(name, key);
        assert!(
            previous.is_none(),
            "configuration key defined twice: {previous:?}"
        );
    }

    /// The definition of a key.
    pub fn get(&self, name: &str) -> Option<&ConfigKey> {
        self.keys.get(name)
    }

    /// True if the key is defined.
    pub fn contains(&self, name: &str) -> bool {
        self.keys.contains_key(name)
    }

    /// All keys in the order of definition.
    pub fn keys(&self) -> impl Iterator<Item = &ConfigKey> {
        self.keys.values()
    }

    /// Headings in the order of first use.
    pub fn groups(&self) -> Vec<String> {
        let mut groups = Vec::new();
        for group in self.keys().filter_map(|key| key.group.as_ref()) {
            if !groups.contains(group) {
                groups.push(group.clone());
            }
        }
        groups
    }

    /// Sets the check of places that single keys do not name ([`ConfigKey::names`]).
    #[must_use]
    pub fn bounded_by(mut self, bounds: Bounds) -> Self {
        self.bounds = Some(bounds);
        self
    }

    /// Faults of a configuration that names what is out of reach. Values that do not parse name nothing: no
    /// plugin gets far with them.
    pub fn out_of_reach(&self, props: &Props, reach: &Reach) -> Vec<KeyFault> {
        let mut faults: Vec<KeyFault> = self
            .keys()
            .filter_map(|key| {
                let (places, text) = (key.places?, props.get(&key.name)?);
                let value = ConfigValue::parse(&key.name, text, key.kind).ok()?;
                reach.fault(&key.name, &places(&value))
            })
            .collect();
        if let Some(bounds) = self.bounds {
            faults.extend(bounds(props, reach));
        }
        faults
    }

    /// Checks every key and collects all faults, one entry per key in the order of definition
    /// (`ConfigDef.validate`). Keys that are not defined are ignored.
    pub fn validate(&self, props: &Props) -> Vec<ValidatedKey> {
        let mut results: Vec<ValidatedKey> = self
            .keys()
            .map(|key| Self::validate_key(key, props))
            .collect();
        let parsed: HashMap<String, ConfigValue> = results
            .iter()
            .map(|result| (result.name.clone(), result.value.clone()))
            .collect();
        for result in &mut results {
            if let Some(recommender) = &self.keys[&result.name].recommender {
                let recommendation = recommender(&result.name, &parsed);
                result.recommended_values = recommendation.values;
                result.visible = recommendation.visible;
            }
        }
        results
    }

    fn validate_key(key: &ConfigKey, props: &Props) -> ValidatedKey {
        let mut result = ValidatedKey::new(&key.name);
        match (props.get(&key.name), &key.default) {
            (Some(text), _) => match ConfigValue::parse(&key.name, text, key.kind) {
                Ok(value) => result.value = value,
                Err(ConfigError(message)) => result.errors.push(message),
            },
            (None, DefaultValue::Required) => {
                result.errors.push(ConfigError::missing(&key.name).0);
            }
            (None, DefaultValue::Value(value)) => result.value = value.clone(),
        }
        if let Some(validator) = &key.validator
            && let Err(ConfigError(message)) = validator(&key.name, &result.value)
        {
            result.errors.push(message);
        }
        result
    }

    /// Refuses the first key that is not defined but begins as those of the plugin do: a key of another
    /// implementation, or misspelt.
    ///
    /// # Errors
    /// That key.
    pub fn refuse_unknown(&self, props: &Props, beginnings: &[&str]) -> Result<(), KeyFault> {
        let mut unknown = props.keys().filter(|key| !self.contains(key));
        let begins = |key: &&String| beginnings.iter().any(|own| key.starts_with(own));
        unknown.find(begins).map_or(Ok(()), |key| {
            Err(KeyFault::new(
                key,
                "is not supported by this connector; remove it",
            ))
        })
    }

    /// Parses a configuration. Keys that are not defined are ignored.
    ///
    /// # Errors
    /// The first fault found, as Kafka's `AbstractConfig` would throw it.
    pub fn parse(&self, props: &Props) -> Result<ParsedConfig, ConfigError> {
        let mut values = HashMap::with_capacity(self.keys.len());
        for key in self.keys() {
            let mut value = match (props.get(&key.name), &key.default) {
                (Some(text), _) => ConfigValue::parse(&key.name, text, key.kind)?,
                (None, DefaultValue::Required) => return Err(ConfigError::missing(&key.name)),
                (None, DefaultValue::Value(value)) => value.clone(),
            };
            if key.drops_duplicates
                && let ConfigValue::List(list) = &mut value
            {
                let mut seen = std::collections::HashSet::new();
                list.retain(|element| seen.insert(element.clone()));
            }
            if let Some(validator) = &key.validator {
                validator(&key.name, &value)?;
            }
            values.insert(key.name.clone(), value);
        }
        Ok(ParsedConfig { values })
    }
}

/// A faultless configuration with typed getters.
///
/// # Panics
/// Every getter panics if the definition has no such key of that type: a bug in the plugin, which its first
/// test finds, and never a matter of user input.
#[derive(Debug, Clone)]
pub struct ParsedConfig {
    values: HashMap<String, ConfigValue>,
}

macro_rules! getter {
    ($(#[$doc:meta])* $name:ident, $optional:ident, $variant:ident, $out:ty, |$value:ident| $map:expr) => {
        $(#[$doc])*
        pub fn $name(&self, name: &str) -> $out {
            match self.$optional(name) {
                Some(value) => value,
                None => panic!("configuration key {name} is null; read it as optional"),
            }
        }

        /// As the getter without `optional_`, and `None` for null.
        pub fn $optional(&self, name: &str) -> Option<$out> {
            match self.value(name) {
                ConfigValue::$variant($value) => Some($map),
                ConfigValue::Null => None,
                _ => panic!("configuration key {name} is not of type {}", stringify!($variant)),
            }
        }
    };
}

impl ParsedConfig {
    /// A text of somebody who may know secrets of the configuration, without them.
    #[must_use]
    pub fn hide_in(&self, text: &str) -> String {
        let secrets = self.values.values().filter_map(|value| match value {
            ConfigValue::Password(secret) => Some(secret),
            _ => None,
        });
        secrets.fold(text.to_owned(), |text, secret| secret.hide_in(&text))
    }

    /// The value of a key.
    pub fn value(&self, name: &str) -> &ConfigValue {
        match self.values.get(name) {
            Some(value) => value,
            None => panic!("configuration key {name} is not defined"),
        }
    }

    getter!(/// A boolean.
        boolean, optional_boolean, Boolean, bool, |value| *value);
    getter!(/// A 32-bit integer.
        int, optional_int, Int, i32, |value| *value);
    getter!(/// A 16-bit integer.
        short, optional_short, Short, i16, |value| *value);
    getter!(/// A 64-bit integer.
        long, optional_long, Long, i64, |value| *value);
    getter!(/// A floating point number.
        double, optional_double, Double, f64, |value| *value);
    getter!(/// A text.
        string, optional_string, String, &str, |value| value.as_str());
    getter!(/// A list.
        list, optional_list, List, &[String], |value| value.as_slice());
    getter!(/// A class name.
        class, optional_class, Class, &str, |value| value.as_str());
    getter!(/// A secret.
        password, optional_password, Password, &Password, |value| value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn def() -> ConfigDef {
        ConfigDef::new()
            .define(ConfigKey::new("topic", ConfigType::String).validator(validators::non_empty()))
            .define(
                ConfigKey::new("tasks.max", ConfigType::Int)
                    .default("1")
                    .validator(validators::at_least(1)),
            )
            .define(ConfigKey::new("tags", ConfigType::List).default(""))
            .define(ConfigKey::new("secret", ConfigType::Password).optional())
    }

    fn props(pairs: &[(&str, &str)]) -> Props {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn an_unparsable_number_yields_the_parse_fault_and_the_fault_of_null() {
        let results = def().validate(&props(&[("topic", "t"), ("tasks.max", "abc")]));
        assert_eq!(
            results[1].errors,
            [
                "Invalid value abc for configuration tasks.max: Not a number of type INT",
                "Invalid value null for configuration tasks.max: Value must be non-null"
            ]
        );
    }

    #[test]
    fn a_missing_required_key_is_named() {
        let results = def().validate(&Props::new());
        assert_eq!(
            results[0].errors,
            ["Missing required configuration \"topic\" which has no default value."]
        );
    }

    #[test]
    fn a_password_is_hidden_in_every_rendering() {
        let parsed = def()
            .parse(&props(&[("topic", "t"), ("secret", "hunter2")]))
            .unwrap();
        assert_eq!(parsed.password("secret").reveal(), "hunter2");
        assert!(!format!("{parsed:?}").contains("hunter2"));
        assert_eq!(parsed.value("secret").display().unwrap(), "[hidden]");
    }

    #[test]
    fn repeated_elements_of_a_distinct_list_are_told_by_validation_and_dropped_by_parsing() {
        let def =
            ConfigDef::new().define(ConfigKey::new("names", ConfigType::List).distinct(false));
        let given = props(&[("names", "a,b,a")]);
        assert_eq!(
            def.validate(&given)[0].errors,
            ["Configuration 'names' values must not be duplicated."]
        );
        assert_eq!(def.parse(&given).unwrap().list("names"), ["a", "b"]);
    }

    #[test]
    fn lists_lose_blanks_around_elements_and_empty_text_is_no_element() {
        let parsed = def()
            .parse(&props(&[("topic", "t"), ("tags", " a , b,c ")]))
            .unwrap();
        assert_eq!(parsed.list("tags"), ["a", "b", "c"]);
        assert!(
            def()
                .parse(&props(&[("topic", "t")]))
                .unwrap()
                .list("tags")
                .is_empty()
        );
    }
}
