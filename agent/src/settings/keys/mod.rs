//! The tables of keys: name, type, default, check and meaning of each. They answer REST, make the
//! reference, and parse configurations.

/// A table of keys, each as
///
/// ```text
/// "name" TYPE DEFAULT CHECK => "meaning", IMPORTANCE in HEADING ORDER WIDTH "name for people";
/// ```
///
/// The default is a text as a user would write it, `none` for null, or `required`. The check may be
/// absent, and all from the comma on for keys that no validation shows: those are of low importance,
/// and of high importance if they are required.
macro_rules! rows {
    (@default required) => { Absent::Required };
    (@default none) => { Absent::Null };
    (@default $text:literal) => { Absent::Text($text) };
    (@check) => { Check::Nothing };
    (@check $($check:tt)+) => { Check::$($check)+ };
    (@importance required) => { Importance::High };
    (@importance $presence:tt) => { Importance::Low };
    (@importance $presence:tt $importance:ident) => { Importance::$importance };
    (@group) => { None };
    (@group $heading:ident $order:literal $width:ident $display:literal) => {
        Some(Group {
            heading: $heading,
            order: $order,
            width: Width::$width,
            display: $display,
        })
    };
    ($($name:tt $kind:ident $presence:tt $($check:ident $(($($arg:tt)*))?)? => $doc:expr
        $(, $importance:ident in $heading:ident $order:literal $width:ident $display:literal)?;)*) => {
        &[$(Row {
            name: $name,
            kind: ConfigType::$kind,
            default: rows!(@default $presence),
            check: rows!(@check $($check $(($($arg)*))?)?),
            importance: rows!(@importance $presence $($importance)?),
            doc: $doc,
            group: rows!(@group $($heading $order $width $display)?),
        }),*]
    };
}

pub(crate) mod connector;
pub(crate) mod worker;

use std::sync::Arc;

use sluice_api::config::validators::{
    at_least, between, distinct_list, non_empty, non_empty_without_control_characters, one_of,
    one_of_ignoring_case,
};
use sluice_api::config::{
    ConfigError, ConfigKey, ConfigType, ConfigValue, Importance, Validator, Width,
};
use sluice_jvm_text::regex::JavaRegex;

use crate::client_overrides::policy_name;

/// Keys of a table that no field of the settings has, each with the reason. A key with a dot at its
/// end stands for all that begin so.
#[cfg(test)]
pub(crate) type WithoutField = &'static [(&'static [&'static str], &'static str)];

/// One key of a table.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    name: &'static str,
    kind: ConfigType,
    default: Absent,
    check: Check,
    importance: Importance,
    doc: &'static str,
    group: Option<Group>,
}

/// What a key is when it is not given.
#[derive(Clone, Copy)]
enum Absent {
    Required,
    Null,
    Text(&'static str),
}

/// The check of a key's value.
#[derive(Clone, Copy)]
enum Check {
    Nothing,
    AtLeast(i32),
    /// As `AtLeast`, and null passes.
    AtLeastIfGiven(i32),
    /// Both ends included; null passes.
    BetweenIfGiven(i32, i32),
    OneOf(&'static [&'static str]),
    OneOfIgnoringCase(&'static [&'static str]),
    NonEmpty,
    Name,
    /// Elements are neither empty nor repeated, and there is one at least.
    NonEmptyList,
    /// As [`Check::NonEmptyList`], and parsing drops repeated ones; true if it may be empty.
    Distinct(bool),
    UniqueAliases,
    Regex,
    OverridePolicy,
}

/// Heading, position under it, width and name for people.
#[derive(Clone, Copy)]
struct Group {
    heading: &'static str,
    order: i32,
    width: Width,
    display: &'static str,
}

impl Row {
    /// The key of a definition.
    fn key(&self) -> ConfigKey {
        let mut key = ConfigKey::new(self.name, self.kind)
            .importance(self.importance)
            .doc(self.doc);
        key = match self.default {
            Absent::Required => key,
            Absent::Null => key.optional(),
            Absent::Text(text) => key.default(text),
        };
        if let Some(group) = self.group {
            key = key.group(group.heading, group.order, group.width, group.display);
        }
        match self.check {
            Check::Distinct(may_be_empty) => key.distinct(may_be_empty),
            check => match check.validator() {
                Some(validator) => key.validator(validator),
                None => key,
            },
        }
    }
}

impl Check {
    fn validator(self) -> Option<Validator> {
        Some(match self {
            Self::Nothing => return None,
            Self::AtLeast(least) => at_least(least),
            Self::AtLeastIfGiven(least) => if_given(at_least(least)),
            Self::BetweenIfGiven(least, most) => if_given(between(least, most)),
            Self::OneOf(allowed) => one_of(allowed),
            Self::OneOfIgnoringCase(allowed) => one_of_ignoring_case(allowed),
            Self::NonEmpty => non_empty(),
            Self::Name => non_empty_without_control_characters(),
            Self::NonEmptyList => distinct_list(false, false),
            Self::Distinct(may_be_empty) => distinct_list(may_be_empty, false),
            Self::UniqueAliases => Arc::new(unique_aliases),
            Self::Regex => Arc::new(regex),
            Self::OverridePolicy => Arc::new(override_policy),
        })
    }
}

fn if_given(check: Validator) -> Validator {
    Arc::new(move |name, value| match value {
        ConfigValue::Null => Ok(()),
        given => check(name, given),
    })
}

fn unique_aliases(name: &str, value: &ConfigValue) -> Result<(), ConfigError> {
    let ConfigValue::List(aliases) = value else {
        return Ok(());
    };
    let distinct: std::collections::HashSet<&String> = aliases.iter().collect();
    if distinct.len() < aliases.len() {
        return Err(ConfigError(format!(
            "Invalid value [{}] for configuration {name}: Duplicate alias provided.",
            aliases.join(", ")
        )));
    }
    Ok(())
}

fn regex(name: &str, value: &ConfigValue) -> Result<(), ConfigError> {
    match value {
        ConfigValue::String(pattern) => JavaRegex::new(pattern).map(drop).map_err(|error| {
            ConfigError::invalid(name, pattern, format!("Invalid regex: {error}"))
        }),
        _ => Ok(()),
    }
}

fn override_policy(name: &str, value: &ConfigValue) -> Result<(), ConfigError> {
    match value {
        ConfigValue::String(given) if policy_name(given).is_none() => Err(ConfigError::invalid(
            name,
            given,
            format!("Class {given} could not be found."),
        )),
        _ => Ok(()),
    }
}
