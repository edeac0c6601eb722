//! Kafka's predicates, which decide whether a transformation applies to a record.

mod has_header_key;
mod record_is_tombstone;
mod topic_name_matches;

use sluice_api::plugin::PredicatePlugin;

/// All predicates, under the names of Kafka's classes.
#[must_use]
pub fn predicates() -> Vec<PredicatePlugin> {
    vec![
        has_header_key::plugin(),
        record_is_tombstone::plugin(),
        topic_name_matches::plugin(),
    ]
}

/// Defines the function `plugin` that gives the descriptor.
macro_rules! predicate {
    ($name:ident) => {
        pub(super) fn plugin() -> sluice_api::plugin::PredicatePlugin {
            sluice_api::plugin::PredicatePlugin::of(
                concat!(
                    "org.apache.kafka.connect.transforms.predicates.",
                    stringify!($name)
                ),
                sluice_api::plugin::KAFKA_VERSION,
                config_def,
                || Box::new($name::default()),
            )
        }
    };
}
use predicate;
