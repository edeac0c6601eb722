//! Ready-made checks with Kafka's messages.

use std::sync::Arc;

use super::{ConfigError, ConfigValue, Validator};

fn number(value: &ConfigValue) -> Option<f64> {
    match value {
        ConfigValue::Int(value) => Some(f64::from(*value)),
        ConfigValue::Short(value) => Some(f64::from(*value)),
        #[expect(clippy::cast_precision_loss, reason = "limits are small numbers")]
        ConfigValue::Long(value) => Some(*value as f64),
        ConfigValue::Double(value) => Some(*value),
        _ => None,
    }
}

/// `ConfigDef.Range.atLeast`.
pub fn at_least(min: i32) -> Validator {
    Arc::new(move |name, value| match number(value) {
        None => Err(ConfigError::invalid(name, "null", "Value must be non-null")),
        Some(given) if given < f64::from(min) => Err(ConfigError::invalid(
            name,
            value.shown(),
            format!("Value must be at least {min}"),
        )),
        Some(_) => Ok(()),
    })
}

/// `ConfigDef.Range.between`, both ends included.
pub fn between(min: i32, max: i32) -> Validator {
    let lower = at_least(min);
    Arc::new(move |name, value| {
        lower(name, value)?;
        match number(value) {
            Some(given) if given > f64::from(max) => Err(ConfigError::invalid(
                name,
                value.shown(),
                format!("Value must be no more than {max}"),
            )),
            _ => Ok(()),
        }
    })
}

/// `ConfigDef.ValidString.in`.
pub fn one_of(allowed: &'static [&'static str]) -> Validator {
    Arc::new(move |name, value| match value {
        ConfigValue::String(text) if allowed.contains(&text.as_str()) => Ok(()),
        _ => Err(ConfigError::invalid(
            name,
            value.shown(),
            format!("String must be one of: {}", allowed.join(", ")),
        )),
    })
}

/// `ConfigDef.CaseInsensitiveValidString.in`.
pub fn one_of_ignoring_case(allowed: &'static [&'static str]) -> Validator {
    Arc::new(move |name, value| match value {
        ConfigValue::String(text) if allowed.iter().any(|one| one.eq_ignore_ascii_case(text)) => {
            Ok(())
        }
        _ => Err(ConfigError::invalid(
            name,
            value.shown(),
            format!(
                "String must be one of (case insensitive): {}",
                allowed.join(", ").to_uppercase()
            ),
        )),
    })
}

/// `ConfigDef.NonEmptyString`; null passes.
pub fn non_empty() -> Validator {
    Arc::new(|name, value| match value {
        ConfigValue::String(text) if text.is_empty() => {
            Err(ConfigError::invalid(name, "", "String must be non-empty"))
        }
        _ => Ok(()),
    })
}

/// `ConfigDef.NonEmptyStringWithoutControlChars`.
pub fn non_empty_without_control_characters() -> Validator {
    Arc::new(|name, value| {
        let ConfigValue::String(text) = value else {
            return Ok(());
        };
        if text.is_empty() {
            return Err(ConfigError::invalid(name, "", "String may not be empty"));
        }
        let found: Vec<String> = text
            .chars()
            .filter(|c| c.is_control())
            .map(|c| u32::from(c).to_string())
            .collect();
        if found.is_empty() {
            return Ok(());
        }
        Err(ConfigError::invalid(
            name,
            text,
            format!(
                "String may not contain control sequences but had the following ASCII chars: {}",
                found.join(", ")
            ),
        ))
    })
}

/// `ConfigDef.ValidList.anyNonDuplicateValues`: elements are not empty and not repeated.
pub fn distinct_list(allow_empty: bool, allow_null: bool) -> Validator {
    Arc::new(move |name, value| match value {
        ConfigValue::Null if allow_null => Ok(()),
        ConfigValue::Null => Err(ConfigError(format!(
            "Configuration '{name}' values must not be null."
        ))),
        ConfigValue::List(list) if list.is_empty() && !allow_empty => Err(ConfigError(format!(
            "Configuration '{name}' must not be empty. Valid values include: any non-empty value"
        ))),
        ConfigValue::List(list) => {
            if list.iter().any(String::is_empty) {
                return Err(ConfigError(format!(
                    "Configuration '{name}' values must not be empty."
                )));
            }
            let distinct: std::collections::HashSet<&String> = list.iter().collect();
            if distinct.len() < list.len() {
                return Err(ConfigError(format!(
                    "Configuration '{name}' values must not be duplicated."
                )));
            }
            Ok(())
        }
        _ => Ok(()),
    })
}
