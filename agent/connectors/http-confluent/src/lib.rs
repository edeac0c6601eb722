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
use sluice_api::requests::{RequestSink, RequestTask, Target as _};

use crate::target::Http;

/// `HttpSinkConnector`.
pub const SINK: SinkConnectorPlugin = SinkConnectorPlugin {
    class: "io.confluent.connect.http.HttpSinkConnector",
    task_class: "io.confluent.connect.http.HttpSinkTask",
    version: env!("CARGO_PKG_VERSION"),
    config_def: Http::config_def,
    new_connector: || Box::<RequestSink<Http>>::default(),
    new_task: || Box::<RequestTask<Http>>::default(),
};
