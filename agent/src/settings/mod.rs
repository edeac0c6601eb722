//! Settings of workers and connectors as structs, made once, by validation, from texts by key.
//!
//! `keys` holds the tables of keys, which answer REST and make the reference. [`WorkerSettings`]
//! and [`ConnectorSettings`] are what herder, worker and tasks work with. Between the two stands
//! `Values`: it hands out the value of each key once and by its type, so that a test can say
//! which key of a table has no field.

mod client_props;
mod connector;
mod distributed;
mod errors;
pub(crate) mod keys;
mod plugin_choice;
mod rest;
mod topic_creation;
mod topic_selection;
mod worker;

use std::collections::HashMap;
use std::time::Duration;

use sluice_api::config::{ConfigDef, ConfigError, ConfigValue, Props};

pub use client_props::ClientProps;
pub use connector::{ConnectorSettings, TransactionBoundary};
pub use distributed::{
    ConnectProtocol, DistributedSettings, ExactlyOnceSupport, InternalTopic, JoinPolicy,
    TelemetrySettings,
};
pub use errors::ErrorSettings;
pub(crate) use plugin_choice::framework_keys;
pub use plugin_choice::{PluginChoice, TransformChoice};
pub use rest::{Listener, RestSettings};
pub use topic_creation::{TopicCreationGroup, TopicCreationRules};
pub use topic_selection::TopicSelection;
pub use worker::{
    ConverterSettings, Mode, Role, TopicTracking, WorkerSettings, WorkerSettingsError,
    read_properties, worker_id,
};
pub(crate) use worker::{keys_without_effect, unknown_keys};

/// The values of a configuration by the keys of its table, until a field of a struct takes them.
pub(crate) struct Values {
    left: HashMap<String, ConfigValue>,
}

impl Values {
    /// The values of a configuration, null for those at fault, and all faults in the order of the
    /// table.
    pub(crate) fn validated(def: &ConfigDef, props: &Props) -> (Self, Vec<String>) {
        let mut faults = Vec::new();
        let left = def.validate(props).into_iter().map(|key| {
            faults.extend(key.errors);
            (key.name, key.value)
        });
        let left = left.collect();
        (Self { left }, faults)
    }

    /// The values of a configuration that was stored without faults.
    ///
    /// # Errors
    /// The first fault all the same, with Kafka's text: another worker stored it, or a config
    /// provider gives another value now.
    pub(crate) fn parsed(def: &ConfigDef, props: &Props) -> Result<Self, ConfigError> {
        let parsed = def.parse(props)?;
        let value = |name: &String| (name.clone(), parsed.value(name).clone());
        let left = def.keys().map(|key| value(&key.name)).collect();
        Ok(Self { left })
    }

    /// Takes the value of a key out.
    ///
    /// # Errors
    /// The table has no such key of this type, or it was taken before: a bug, which the test of the
    /// struct finds, since it does not depend on a configuration.
    pub(crate) fn take<T: Typed>(&mut self, key: &str) -> Result<T, ConfigError> {
        let bug = |why: &str| ConfigError(format!("{key} {why}: a bug in the table of keys"));
        let value = self
            .left
            .remove(key)
            .ok_or_else(|| bug("has no value or was taken twice"))?;
        T::typed(value).ok_or_else(|| bug("is of another type"))
    }

    /// Keys of the table that have neither a field nor a reason why not, or both, once all fields
    /// are made.
    #[cfg(test)]
    fn unaccounted<'a>(
        &self,
        def: &'a ConfigDef,
        without_field: keys::WithoutField,
    ) -> Vec<&'a str> {
        let is =
            |key: &str, known: &str| key == known || known.ends_with('.') && key.starts_with(known);
        let reasoned = |key: &str| {
            let mut known = without_field.iter().flat_map(|(keys, _)| *keys);
            known.any(|known| is(key, known))
        };
        let keys = def.keys().map(|key| key.name.as_str());
        keys.filter(|key| self.left.contains_key(*key) != reasoned(key))
            .collect()
    }
}

/// A type that values of a key can have.
pub(crate) trait Typed: Sized {
    /// The value; `None` if it is of another type.
    fn typed(value: ConfigValue) -> Option<Self>;
}

macro_rules! typed {
    ($type:ty: $($variant:ident)|+, |$value:ident| $map:expr) => {
        impl Typed for $type {
            fn typed(value: ConfigValue) -> Option<Self> {
                match value {
                    $(ConfigValue::$variant($value) => Some($map),)+
                    _ => None,
                }
            }
        }
    };
}

typed!(bool: Boolean, |value| value);
typed!(i16: Short, |value| value);
typed!(i32: Int, |value| value);
typed!(i64: Long, |value| value);
typed!(String: String | Class, |value| value);
typed!(Vec<String>: List, |value| value);

impl Typed for Duration {
    /// Of a number of milliseconds; negative ones count as zero.
    fn typed(value: ConfigValue) -> Option<Self> {
        let millis = match value {
            ConfigValue::Int(millis) => i64::from(millis),
            ConfigValue::Long(millis) => millis,
            _ => return None,
        };
        Some(Self::from_millis(u64::try_from(millis).unwrap_or(0)))
    }
}

impl<T: Typed> Typed for Option<T> {
    fn typed(value: ConfigValue) -> Option<Self> {
        match value {
            ConfigValue::Null => Some(None),
            value => T::typed(value).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use sluice_api::config::{ConfigKey, ConfigType};

    use super::*;

    #[test]
    fn a_key_of_another_type_is_an_error_and_never_zero() {
        let def = ConfigDef::new()
            .define(ConfigKey::new("number", ConfigType::Long).default("7"))
            .define(ConfigKey::new("text", ConfigType::String).default("x"))
            .define(ConfigKey::new("absent", ConfigType::Int).optional());
        let values = || Values::parsed(&def, &Props::new()).unwrap();
        assert_eq!(values().take::<i64>("number"), Ok(7));
        assert_eq!(values().take::<Option<i32>>("absent"), Ok(None));
        assert!(values().take::<i64>("text").is_err());
        assert!(values().take::<i32>("number").is_err());
        assert!(values().take::<i32>("absent").is_err());
        assert!(values().take::<bool>("number").is_err());
        assert!(values().take::<i64>("nubmer").is_err());
        let mut twice = values();
        assert!(twice.take::<i64>("number").is_ok() && twice.take::<i64>("number").is_err());
        assert_eq!(twice.unaccounted(&def, &[]), ["text", "absent"]);
        let reasons: keys::WithoutField = &[(&["text"], "why"), (&["absent"], "why")];
        assert_eq!(twice.unaccounted(&def, reasons), [""; 0]);
        assert_eq!(values().unaccounted(&def, reasons), ["number"]);
        let reasons: keys::WithoutField = &[(&["number", "text", "absent"], "why")];
        assert_eq!(
            twice.unaccounted(&def, reasons),
            ["number"],
            "a reason for nothing"
        );
    }
}
