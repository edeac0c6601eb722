//! Transformations of Confluent's `connect-transforms`, under its class names.
//!
//! Its jar is not in public registries: keys, defaults and behaviour are those of the reference in
//! Confluent's documentation, and texts of faults are ours. Where that reference does not say what happens,
//! the module of the transformation does.

pub(super) mod drop;
pub(super) mod extract_topic;
pub(super) mod filter;
mod json_path;
pub(super) mod message_timestamp_router;
pub(super) mod tombstone_handler;

#[cfg(test)]
mod tests;

/// Defines the function `$function` that gives the descriptor of a transformation made by `$new`.
macro_rules! confluent {
    ($function:ident, $class:literal, $new:expr) => {
        pub(in crate::transforms) fn $function() -> sluice_api::plugin::TransformationPlugin {
            sluice_api::plugin::TransformationPlugin::of(
                concat!("io.confluent.connect.transforms.", $class),
                env!("CARGO_PKG_VERSION"),
                config_def,
                || Box::new($new),
            )
        }
    };
}
use confluent;
