//! HttpSink: POSTs records to a URL, with the class name and keys of Aiven's HTTP sink connector.

mod settings;
mod task;

use sluice_api::connector::PlainSink;
use sluice_api::plugin::SinkConnectorPlugin;

/// `HttpSinkConnector`.
pub const SINK: SinkConnectorPlugin = SinkConnectorPlugin {
    class: "io.aiven.kafka.connect.http.HttpSinkConnector",
    task_class: "io.aiven.kafka.connect.http.HttpSinkTask",
    version: env!("CARGO_PKG_VERSION"),
    config_def: settings::config_def,
    new_connector: || Box::new(PlainSink::new(|props| Box::pin(settings::validate(props)))),
    new_task: || Box::<task::HttpSinkTask>::default(),
};
