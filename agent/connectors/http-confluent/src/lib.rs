//! HttpSink of Confluent: sends records to a URL, with the class name and keys of Confluent's HTTP sink
//! connector, whose reference is public while its code is not. `README.md` tells what is done otherwise.
//!
//! `config` has the keys, `template` the URLs with `${...}` in them, `authorization` what says who sends,
//! `target` the requests.

mod authorization;
mod config;
mod target;
mod template;

#[cfg(test)]
mod tests;

use sluice_api::plugin::SinkConnectorPlugin;
use sluice_toolkit::requests;

use crate::target::Http;

/// `HttpSinkConnector`.
#[must_use]
pub fn sink() -> SinkConnectorPlugin {
    const CLASS: &str = "io.confluent.connect.http.HttpSinkConnector";
    requests::plugin::<Http>(CLASS, env!("CARGO_PKG_VERSION"))
}
