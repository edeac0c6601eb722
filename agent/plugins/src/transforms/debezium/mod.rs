//! Transformations of Debezium, under its class names: sinks behind a Debezium connector have them in their
//! configurations.
//!
//! What Debezium's own classes do is recorded in `tests/golden/debezium_*` and demanded of these.

pub(super) mod extract_new_record_state;
mod field_reference;
