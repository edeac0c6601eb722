//! HdfsSink: topics to files of HDFS, as JSON lines, text, Avro or Parquet, each record exactly once.
//!
//! It has the class name, keys, folders and file names of the Confluent HDFS connector; README.md tells what
//! differs and what is guaranteed. `store` is HDFS as the connector sees it; `ownership` decides which task
//! may write the files of a partition, and `partition_writer` writes them. Formats, folders and rotation are the
//! toolkit's.

mod compatibility;
mod config;
mod connector;
mod error;
mod file_name;
mod ownership;
mod partition_writer;
mod sink_task;
mod store;
mod temporary_file;

#[cfg(test)]
mod tests;

use sluice_api::plugin::{Definition, SinkConnectorPlugin, connectors, sink_tasks};
use sluice_toolkit::sink_connector::SameForEachTask;

/// `HdfsSinkConnector`.
#[must_use]
pub fn sink() -> SinkConnectorPlugin {
    SinkConnectorPlugin {
        class: "io.confluent.connect.hdfs.HdfsSinkConnector".into(),
        task_class: "io.confluent.connect.hdfs.HdfsSinkTask".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        config_def: Definition::at_hand(config::sink_def),
        new_connector: connectors(SameForEachTask::<connector::Hdfs>::default),
        start_task: sink_tasks(sink_task::HdfsSinkTask::start),
    }
}

/// `Hdfs3SinkConnector`: the same under the class names of Confluent's connector for HDFS 3, whose keys are
/// those of the other.
#[must_use]
pub fn sink_of_hdfs_3() -> SinkConnectorPlugin {
    SinkConnectorPlugin {
        class: "io.confluent.connect.hdfs3.Hdfs3SinkConnector".into(),
        task_class: "io.confluent.connect.hdfs3.Hdfs3SinkTask".into(),
        ..sink()
    }
}
