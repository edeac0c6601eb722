//! Converters whose schemas live in a Schema Registry (Confluent's wire format), without their formats.
//!
//! * `settings`: the keys all of them have.
//! * `client`: the registry's REST API: several addresses, credentials, TLS, repetitions.
//! * `codec`: a format without a registry.
//! * `subject`: under which name a schema is registered.
//! * `wire`: the bytes before the payload.
//! * `converter`: the converter. It keeps a compiled plan per schema, so that a record costs no request, lock
//!   or allocation of its own; what it does not know yet it fetches in `ready`. A `converter::Format` does
//!   the rest.

pub(crate) mod client;
pub mod codec;
pub(crate) mod converter;
pub(crate) mod settings;
mod subject;
mod tls;
pub(crate) mod wire;

/// Version of Confluent's converters that those under their names follow, and report as theirs.
pub(crate) const CONFLUENT_VERSION: &str = "8.1.0";

#[cfg(test)]
mod tests;
