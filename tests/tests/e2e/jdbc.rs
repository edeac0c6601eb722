//! The JDBC connectors against real databases: PostgreSQL, MariaDB, SQLite.

mod disk;
mod errors;
mod example;
mod faults;
mod once;
mod refusals;
mod secured;
mod sinks;
mod slow;
mod sources;
mod takeover;
mod types;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};
use sluice_tests::database::{Database, PASSWORD, USER};
use sluice_tests::topics::{consume_all, produce};
use sluice_tests::wait::{seconds, wait_for};

use crate::context::{Test, merge};

/// All tests of this folder.
pub(crate) const TESTS: &[&[Test]] = &[
    example::TESTS,
    types::TESTS,
    sources::TESTS,
    sinks::TESTS,
    errors::TESTS,
    faults::TESTS,
    slow::TESTS,
    disk::TESTS,
    secured::TESTS,
    once::TESTS,
    takeover::TESTS,
    refusals::TESTS,
];

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// The configuration of a connector on a database, with JSON converters and more keys.
fn config(database: &dyn Database, class: &str, more: &Value) -> Value {
    let mut config = Map::new();
    for (key, value) in [
        (
            "connector.class",
            format!("io.confluent.connect.jdbc.{class}"),
        ),
        ("tasks.max", "1".to_owned()),
        ("connection.url", database.url()),
        ("connection.user", USER.to_owned()),
        ("connection.password", PASSWORD.to_owned()),
        ("connection.backoff.ms", "500".to_owned()),
        ("key.converter", JSON.to_owned()),
        ("value.converter", JSON.to_owned()),
    ] {
        config.insert(key.to_owned(), value.into());
    }
    let mut config = Value::Object(config);
    merge(&mut config, more);
    config
}

/// The configuration of a source; it looks often.
fn source(database: &dyn Database, prefix: &str, more: &Value) -> Value {
    let mut all = json!({
        "topic.prefix": prefix,
        "poll.interval.ms": "200",
        "table.poll.interval.ms": "500",
    });
    merge(&mut all, more);
    config(database, "JdbcSourceConnector", &all)
}

/// The configuration of a sink, whose consumer is given up soon after its agent was killed.
fn sink(database: &dyn Database, topics: &str, more: &Value) -> Value {
    let mut all = json!({
        "topics": topics,
        "retry.backoff.ms": "300",
        "max.retries": "200",
        "consumer.override.session.timeout.ms": "6000",
        "consumer.override.heartbeat.interval.ms": "500",
    });
    merge(&mut all, more);
    config(database, "JdbcSinkConnector", &all)
}

/// The payloads of all records of a topic, in order.
fn payloads(bootstrap: &str, topic: &str) -> Result<Vec<Value>> {
    consume_all(bootstrap, topic)?
        .into_iter()
        .map(|record| {
            let value: Value = serde_json::from_slice(&record.value.context("a null value")?)?;
            Ok(value["payload"].clone())
        })
        .collect()
}

/// Integers of one field of all records of a topic.
fn numbers(bootstrap: &str, topic: &str, field: &str) -> Result<Vec<i64>> {
    payloads(bootstrap, topic)?
        .iter()
        .map(|payload| {
            payload[field]
                .as_i64()
                .with_context(|| format!("no integer {field} in {payload}"))
        })
        .collect()
}

/// Waits until the statement answers this.
fn wait_sql(database: &dyn Database, statement: &str, expected: &str) -> Result<()> {
    wait_for(
        &format!("{statement} to be {expected:?}"),
        seconds(60),
        || {
            let found = database.sql(statement)?;
            anyhow::ensure!(found == expected, "{found:?}");
            Ok(Some(()))
        },
    )
}

/// A JSON value with its schema; `fields` has name, type and whether it may be null.
fn envelope(fields: &[(&str, &str, bool)], payload: &Value) -> Vec<u8> {
    let fields: Vec<Value> = fields
        .iter()
        .map(|(name, kind, optional)| json!({"field": name, "type": kind, "optional": optional}))
        .collect();
    json!({"schema": {"type": "struct", "optional": false, "fields": fields}, "payload": payload})
        .to_string()
        .into_bytes()
}

/// A key that is an integer, with its schema.
fn key(id: i64) -> Vec<u8> {
    json!({"schema": {"type": "int64", "optional": false}, "payload": id})
        .to_string()
        .into_bytes()
}

const ORDER: &[(&str, &str, bool)] = &[("id", "int64", false), ("name", "string", true)];

/// An order as key and value.
fn order(id: i64, name: &str) -> (Vec<u8>, Option<Vec<u8>>) {
    (
        key(id),
        Some(envelope(ORDER, &json!({"id": id, "name": name}))),
    )
}

fn send(bootstrap: &str, topic: &str, records: &[(Vec<u8>, Option<Vec<u8>>)]) -> Result<()> {
    produce(
        bootstrap,
        topic,
        records
            .iter()
            .map(|(key, value)| (Some(key.as_slice()), value.as_deref())),
    )
}
