//! JdbcSource and JdbcSink: tables of PostgreSQL, MariaDB and SQLite to topics, and topics to tables.
//!
//! They have the class names, keys, offsets and schemas of the Confluent JDBC connector; README.md tells what
//! differs and what is guaranteed. `dialect` holds the databases behind one trait, everything else knows none
//! of them.

mod calendar;
mod cell;
mod config;
mod connector;
mod dialect;
mod error;
mod exactly_once;
mod row_groups;
mod row_key;
mod row_plan;
mod sink_plan;
mod sink_refused;
mod sink_task;
mod sink_writer;
mod source_offset;
mod source_query;
mod source_task;
mod sql_text;
mod table;
mod table_facts;
mod time;
mod tls;
mod url;
mod url_parameters;

#[cfg(test)]
mod tests;

use sluice_api::plugin::{
    Definition, SinkConnectorPlugin, SourceConnectorPlugin, connectors, sink_tasks, source_tasks,
};
use sluice_toolkit::sink_connector::SameForEachTask;

/// `JdbcSourceConnector`.
#[must_use]
pub fn source() -> SourceConnectorPlugin {
    SourceConnectorPlugin {
        class: "io.confluent.connect.jdbc.JdbcSourceConnector".into(),
        task_class: "io.confluent.connect.jdbc.source.JdbcSourceTask".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        config_def: Definition::at_hand(config::source_def),
        new_connector: connectors(connector::JdbcSourceConnector::default),
        start_task: source_tasks(source_task::JdbcSourceTask::start),
    }
}

/// `JdbcSinkConnector`.
#[must_use]
pub fn sink() -> SinkConnectorPlugin {
    SinkConnectorPlugin {
        class: "io.confluent.connect.jdbc.JdbcSinkConnector".into(),
        task_class: "io.confluent.connect.jdbc.sink.JdbcSinkTask".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        config_def: Definition::at_hand(config::sink_def),
        new_connector: connectors(SameForEachTask::<connector::SinkDatabase>::default),
        start_task: sink_tasks(sink_task::JdbcSinkTask::start),
    }
}
