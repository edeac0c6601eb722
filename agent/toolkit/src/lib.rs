//! What connectors share: nothing here is needed to be a plugin, and everything here was needed by a
//! second connector.
//!
//! * [`requests`]: sinks that send records in requests; all of such a connector but the request itself.
//! * [`sink_connector`]: the connector of a sink whose tasks all have its configuration.
//! * [`retries`]: attempts and their backoff, for the keys `max.retries` and `retry.backoff.ms`.
//! * [`reports`]: bad records to the errant record reporter, named by their place.
//! * [`projection`]: data moved from one schema to another.
//! * `files`, with the feature of this name: formats, folders and rotation for sinks that write files.
//! * [`testing`]: a context for tasks in the tests of connectors.

#[cfg(feature = "files")]
pub mod files;
pub mod projection;
pub mod reports;
pub mod requests;
pub mod retries;
pub mod sink_connector;
pub mod testing;
