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

use sluice_api::plugin::{SinkConnectorPlugin, SourceConnectorPlugin};

/// `JdbcSourceConnector`.
pub const SOURCE: SourceConnectorPlugin = SourceConnectorPlugin {
    class: "io.confluent.connect.jdbc.JdbcSourceConnector",
    task_class: "io.confluent.connect.jdbc.source.JdbcSourceTask",
    version: env!("CARGO_PKG_VERSION"),
    config_def: config::source_def,
    new_connector: || Box::<connector::JdbcSourceConnector>::default(),
    new_task: || Box::<source_task::JdbcSourceTask>::default(),
};

/// `JdbcSinkConnector`.
pub const SINK: SinkConnectorPlugin = SinkConnectorPlugin {
    class: "io.confluent.connect.jdbc.JdbcSinkConnector",
    task_class: "io.confluent.connect.jdbc.sink.JdbcSinkTask",
    version: env!("CARGO_PKG_VERSION"),
    config_def: config::sink_def,
    new_connector: || Box::<connector::JdbcSinkConnector>::default(),
    new_task: || Box::<sink_task::JdbcSinkTask>::default(),
};
