//! FileStreamSource and FileStreamSink: lines of a file to a topic, and values of topics to lines of a file.
//!
//! They have the class names, keys, offsets and messages of Kafka's own (`org.apache.kafka.connect.file`).
//! One difference: positions count bytes, where Kafka counts decoded characters and then skips as many bytes
//! on resume; for ASCII both are the same, for other text Kafka repeats or tears lines after a restart and
//! this does not.

mod sink_connector;
mod sink_task;
mod source_connector;
mod source_task;

use sluice_api::plugin::{KAFKA_VERSION, SinkConnectorPlugin, SourceConnectorPlugin};

pub use source_task::LineSplitter;

/// Key of the file's path; absent or empty is stdin or stdout.
const FILE: &str = "file";

/// `FileStreamSourceConnector`.
pub const SOURCE: SourceConnectorPlugin = SourceConnectorPlugin {
    class: "org.apache.kafka.connect.file.FileStreamSourceConnector",
    task_class: "org.apache.kafka.connect.file.FileStreamSourceTask",
    version: KAFKA_VERSION,
    config_def: source_connector::config_def,
    new_connector: || Box::<source_connector::FileStreamSourceConnector>::default(),
    new_task: || Box::<source_task::FileStreamSourceTask>::default(),
};

/// `FileStreamSinkConnector`.
pub const SINK: SinkConnectorPlugin = SinkConnectorPlugin {
    class: "org.apache.kafka.connect.file.FileStreamSinkConnector",
    task_class: "org.apache.kafka.connect.file.FileStreamSinkTask",
    version: KAFKA_VERSION,
    config_def: sink_connector::config_def,
    new_connector: || Box::<sink_connector::FileStreamSinkConnector>::default(),
    new_task: || Box::<sink_task::FileStreamSinkTask>::default(),
};

#[cfg(test)]
mod tests;
