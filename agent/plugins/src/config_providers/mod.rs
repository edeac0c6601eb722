//! Kafka's config providers: values of variables in configurations, from files, folders and the environment.

mod allowed_paths;
mod directory;
mod env_var;
mod file;

use sluice_api::plugin::ConfigProviderPlugin;

/// All config providers, under the names of Kafka's classes.
#[must_use]
pub fn config_providers() -> Vec<ConfigProviderPlugin> {
    vec![directory::plugin(), env_var::plugin(), file::plugin()]
}

/// Defines the function `plugin` that gives the descriptor of a provider made by `new` from the environment.
macro_rules! provider {
    ($name:ident, $new:expr) => {
        pub(super) fn plugin() -> sluice_api::plugin::ConfigProviderPlugin {
            sluice_api::plugin::ConfigProviderPlugin {
                class: concat!(
                    "org.apache.kafka.common.config.provider.",
                    stringify!($name)
                )
                .into(),
                version: sluice_api::plugin::KAFKA_VERSION.into(),
                new: std::sync::Arc::new($new),
            }
        }
    };
}
use provider;
