//! Types of keys, and values that were parsed.

use std::fmt;

use sluice_jvm_text::number;
use sluice_jvm_text::text::FloatText;

use super::ConfigError;

/// What is dropped around the commas of a list: `\s` of Java's regular expressions.
const LIST_BLANKS: [char; 6] = [' ', '\t', '\n', '\u{b}', '\u{c}', '\r'];

/// A secret. Its text is reachable only through [`Password::reveal`]; every rendering shows `[hidden]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// What stands in place of a secret wherever it would be shown.
    pub const HIDDEN: &'static str = "[hidden]";

    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A text of somebody who knows the secret, without it.
    #[must_use]
    pub fn hide_in(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        text.replace(&self.0, Self::HIDDEN)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::HIDDEN)
    }
}

impl fmt::Display for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::HIDDEN)
    }
}

/// The type of a key (`ConfigDef.Type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigType {
    /// `true` or `false` in any case.
    Boolean,
    /// Text, trimmed.
    String,
    /// 32-bit integer.
    Int,
    /// 16-bit integer.
    Short,
    /// 64-bit integer.
    Long,
    /// Floating point number.
    Double,
    /// Comma-separated list, blanks around elements dropped.
    List,
    /// Name of a plugin class.
    Class,
    /// A secret.
    Password,
}

impl ConfigType {
    /// The name used by the REST API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }
}

/// How much a key matters (`ConfigDef.Importance`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// Needed or central.
    High,
    /// Often useful.
    Medium,
    /// Fine tuning.
    Low,
}

impl Importance {
    /// The name used by the REST API.
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
        }
    }
}

/// Suggested width of an input field (`ConfigDef.Width`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// No suggestion.
    None,
    /// A few characters.
    Short,
    /// A word or two.
    Medium,
    /// A line.
    Long,
}

impl Width {
    /// The name used by the REST API.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Short => "SHORT",
            Self::Medium => "MEDIUM",
            Self::Long => "LONG",
        }
    }
}

/// A parsed value of one key.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfigValue {
    /// Not given, or given as null, and without another default.
    Null,
    /// See [`ConfigType::Boolean`].
    Boolean(bool),
    /// See [`ConfigType::String`].
    String(String),
    /// See [`ConfigType::Int`].
    Int(i32),
    /// See [`ConfigType::Short`].
    Short(i16),
    /// See [`ConfigType::Long`].
    Long(i64),
    /// See [`ConfigType::Double`].
    Double(f64),
    /// See [`ConfigType::List`].
    List(Vec<String>),
    /// See [`ConfigType::Class`].
    Class(String),
    /// See [`ConfigType::Password`].
    Password(Password),
}

impl ConfigValue {
    /// Parses `text` as `kind`, as `ConfigDef.parseType` does.
    pub fn parse(name: &str, text: &str, kind: ConfigType) -> Result<Self, ConfigError> {
        let trimmed = number::trim(text);
        let number = |why: &str| ConfigError::invalid(name, text, why);
        Ok(match kind {
            ConfigType::Boolean => {
                match ["true", "false"].map(|word| number::equals_ignoring_case(trimmed, word)) {
                    [true, _] => Self::Boolean(true),
                    [_, true] => Self::Boolean(false),
                    _ => {
                        return Err(ConfigError::invalid(
                            name,
                            text,
                            "Expected value to be either true or false",
                        ));
                    }
                }
            }
            ConfigType::String => Self::String(trimmed.to_owned()),
            ConfigType::Int => Self::Int(
                number::integer(trimmed).ok_or_else(|| number("Not a number of type INT"))?,
            ),
            ConfigType::Short => Self::Short(
                number::integer(trimmed).ok_or_else(|| number("Not a number of type SHORT"))?,
            ),
            ConfigType::Long => Self::Long(
                number::integer(trimmed).ok_or_else(|| number("Not a number of type LONG"))?,
            ),
            ConfigType::Double => Self::Double(
                number::double(trimmed).ok_or_else(|| number("Not a number of type DOUBLE"))?,
            ),
            ConfigType::List if trimmed.is_empty() => Self::List(Vec::new()),
            ConfigType::List => Self::List(
                trimmed
                    .split(',')
                    .map(|element| element.trim_matches(LIST_BLANKS).to_owned())
                    .collect(),
            ),
            ConfigType::Class => Self::Class(trimmed.to_owned()),
            ConfigType::Password => Self::Password(Password::new(trimmed)),
        })
    }

    /// The text the REST API shows: lists joined by commas, secrets hidden, `None` for null.
    pub fn display(&self) -> Option<String> {
        Some(match self {
            Self::Null => return None,
            Self::Boolean(value) => value.to_string(),
            Self::String(value) | Self::Class(value) => value.clone(),
            Self::Int(value) => value.to_string(),
            Self::Short(value) => value.to_string(),
            Self::Long(value) => value.to_string(),
            Self::Double(value) => FloatText::from_f64(*value).as_str().to_owned(),
            Self::List(value) => value.join(","),
            Self::Password(_) => Password::HIDDEN.to_owned(),
        })
    }

    pub(super) fn shown(&self) -> String {
        match self {
            Self::List(value) => format!("[{}]", value.join(", ")),
            other => other.display().unwrap_or_else(|| "null".to_owned()),
        }
    }
}
