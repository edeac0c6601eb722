//! Kafka's predicates, which decide whether a transformation applies to a record.

mod has_header_key;
mod record_is_tombstone;
mod topic_name_matches;

use sluice_api::plugin::PredicatePlugin;

/// All predicates.
#[must_use]
pub fn predicates() -> Vec<PredicatePlugin> {
    vec![
        has_header_key::PLUGIN,
        record_is_tombstone::PLUGIN,
        topic_name_matches::PLUGIN,
    ]
}

/// Defines the descriptor `PLUGIN`.
macro_rules! predicate {
    ($name:ident) => {
        /// Descriptor.
        pub(super) const PLUGIN: sluice_api::plugin::PredicatePlugin =
            sluice_api::plugin::PredicatePlugin {
                class: concat!(
                    "org.apache.kafka.connect.transforms.predicates.",
                    stringify!($name)
                ),
                version: sluice_api::plugin::KAFKA_VERSION,
                config_def,
                new: || Box::new($name::default()),
            };
    };
}
use predicate;
