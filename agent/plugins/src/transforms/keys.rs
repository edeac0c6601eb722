//! Keys that several transformations define alike, and checks with Kafka's messages.

use std::sync::Arc;

use sluice_api::config::{ConfigError, ConfigKey, ConfigType, ConfigValue, Importance, Validator};

pub(crate) const REPLACE_NULL_WITH_DEFAULT: &str = "replace.null.with.default";

/// The key `replace.null.with.default` (KIP-1040).
pub(crate) fn replace_null_with_default() -> ConfigKey {
    ConfigKey::new(REPLACE_NULL_WITH_DEFAULT, ConfigType::Boolean)
        .default("true")
        .doc(
            "Whether to replace fields that have a default value and that are null to the default value. \
             When set to true, the default value is used, otherwise null is used.",
        )
}

/// A required key of high importance.
pub(crate) fn required(name: &str, kind: ConfigType, doc: &str) -> ConfigKey {
    ConfigKey::new(name, kind)
        .importance(Importance::High)
        .doc(doc)
}

/// Refuses an empty list, as Kafka's `NonEmptyListValidator`.
pub(crate) fn non_empty_list() -> Validator {
    Arc::new(|name, value| match value {
        ConfigValue::List(list) if !list.is_empty() => Ok(()),
        ConfigValue::List(_) => Err(ConfigError::invalid(name, "[]", "Empty list")),
        _ => Err(ConfigError::invalid(name, "null", "Empty list")),
    })
}

/// Refuses a missing value, as Kafka's `ConfigDef.NonNullValidator`.
pub(crate) fn non_null() -> Validator {
    Arc::new(|name, value| match value {
        ConfigValue::Null => Err(ConfigError::invalid(name, "null", "entry must be non null")),
        _ => Ok(()),
    })
}

/// `RegexValidator`; the reason is in the words of the regex engine here.
pub(crate) fn regex() -> Validator {
    Arc::new(|name, value| {
        let ConfigValue::String(pattern) = value else {
            return Err(ConfigError::invalid(name, "null", "Invalid regex: null"));
        };
        match sluice_jvm_text::regex::JavaRegex::new(pattern) {
            Ok(_) => Ok(()),
            Err(error) => Err(ConfigError::invalid(
                name,
                pattern,
                format!("Invalid regex: {error}"),
            )),
        }
    })
}

/// `a:b` pairs of a list as `ReplaceField` reads them, later ones replacing earlier ones.
pub(crate) fn rename_mappings(list: &[String]) -> Result<Vec<(String, String)>, ConfigError> {
    let mut renames: Vec<(String, String)> = Vec::new();
    for mapping in list {
        let [old, new] = java_split(mapping)[..] else {
            return Err(invalid_mapping(list, mapping));
        };
        match renames.iter_mut().find(|(existing, _)| existing == old) {
            Some((_, slot)) => new.clone_into(slot),
            None => renames.push((old.to_owned(), new.to_owned())),
        }
    }
    Ok(renames)
}

/// The fault of a mapping that is not of the form `a:b`.
pub(crate) fn invalid_mapping(list: &[String], mapping: &str) -> ConfigError {
    ConfigError::invalid(
        "renames",
        format!("[{}]", list.join(", ")),
        format!("Invalid rename mapping: {mapping}"),
    )
}

/// Java's `split(":")`: empty parts at the end do not count.
pub(crate) fn java_split(text: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = text.split(':').collect();
    if parts.len() > 1 {
        while parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
    }
    parts
}
