//! Kafka's config providers: values of variables in configurations, from files, folders and the environment.

mod allowed_paths;
mod directory;
mod env_var;
mod file;

use sluice_api::plugin::ConfigProviderPlugin;

/// All config providers.
#[must_use]
pub fn config_providers() -> Vec<ConfigProviderPlugin> {
    vec![directory::PLUGIN, env_var::PLUGIN, file::PLUGIN]
}

/// Defines the descriptor `PLUGIN` of a provider made by `new` from the environment.
macro_rules! provider {
    ($name:ident, $new:expr) => {
        /// Descriptor.
        pub(super) const PLUGIN: sluice_api::plugin::ConfigProviderPlugin =
            sluice_api::plugin::ConfigProviderPlugin {
                class: concat!(
                    "org.apache.kafka.common.config.provider.",
                    stringify!($name)
                ),
                version: sluice_api::plugin::KAFKA_VERSION,
                new: $new,
            };
    };
}
use provider;
