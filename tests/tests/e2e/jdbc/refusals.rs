//! Configurations that can't work are refused before they run, each by its key; those that can are not.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use sluice_tests::database::{self, Database, DatabaseKind, PASSWORD};
use sluice_tests::rest::Rest;
use sluice_tests::topics::create_topic;
use sluice_tests::wait::seconds;

use super::errors::refused;
use super::{order, send, sink, source, wait_sql};
use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "jdbc::refusals::of_postgresql",
        needs: Needs::POSTGRESQL,
        run: postgresql,
    },
    Test {
        name: "jdbc::refusals::of_mariadb",
        needs: Needs::MARIADB,
        run: mariadb,
    },
];

/// A configuration with more keys.
fn with(config: &Value, more: &Value) -> Value {
    let mut config = config.clone();
    crate::context::merge(&mut config, more);
    config
}

/// All messages of a configuration's validation, by key.
fn messages(rest: &Rest, name: &str, config: &Value) -> Result<Vec<(String, String)>> {
    let mut named = config.clone();
    named["name"] = name.into();
    let class = config["connector.class"].as_str().unwrap_or_default();
    let path = format!("/connector-plugins/{class}/config/validate");
    let answer = rest.call("PUT", &path, Some(&named))?.success()?.json()?;
    let mut all = Vec::new();
    for key in answer["configs"].as_array().into_iter().flatten() {
        for error in key["value"]["errors"].as_array().into_iter().flatten() {
            let name = key["value"]["name"].as_str().unwrap_or_default().to_owned();
            all.push((name, error.as_str().unwrap_or_default().to_owned()));
        }
    }
    Ok(all)
}

fn postgresql(context: &Context) -> Result<()> {
    let database = database::start(DatabaseKind::PostgreSql)?;
    database.sql(
        "CREATE TABLE orders (id bigint PRIMARY KEY, name text, changed timestamptz NOT NULL DEFAULT now(), u uuid);
         CREATE SCHEMA s2; CREATE TABLE s2.orders (id bigint PRIMARY KEY, other int);
         CREATE TABLE \"has space\" (id bigint PRIMARY KEY);
         ALTER TABLE orders OWNER TO sluice; ALTER TABLE s2.orders OWNER TO sluice; GRANT USAGE ON SCHEMA s2 TO sluice;
         ALTER TABLE \"has space\" OWNER TO sluice;",
    )?;
    let cluster = context.cluster("refusals")?;
    let workers = cluster.start(1)?;
    let rest = workers[0].rest();
    let prefix = format!("{}-", cluster.name);
    let name = format!("{prefix}refused");
    let of = |more: &Value| source(&*database, &prefix, more);
    refused(
        rest,
        &name,
        &of(&json!({"mode": "bulk", "table.whitelist": "orders"})),
        "table.whitelist",
        &["public.orders", "s2.orders", "one topic"],
    )?;
    refused(
        rest,
        &name,
        &of(&json!({"mode": "bulk", "table.whitelist": "has space"})),
        "topic.prefix",
        &["has space", "table.blacklist", "RegexRouter"],
    )?;
    for (column, kind) in [("changed", "timestamp"), ("u", "uuid"), ("name", "text")] {
        refused(
            rest,
            &name,
            &of(
                &json!({"mode": "incrementing", "incrementing.column.name": column, "table.whitelist": "public.orders",
                        "validate.non.null": "false"}),
            ),
            "mode",
            &[column, kind, "whole numbers"],
        )?;
    }
    for query in [
        "SELECT max(id) AS id, name FROM public.orders GROUP BY name",
        "SELECT id AS number FROM public.orders",
    ] {
        let column = if query.contains("number") {
            "number"
        } else {
            "id"
        };
        refused(
            rest,
            &name,
            &of(
                &json!({"mode": "incrementing", "incrementing.column.name": column, "query": query}),
            ),
            "query",
            &["SELECT * FROM (...) AS q"],
        )?;
    }
    for (key, value) in [
        ("sql.complex.types.enable", "true"),
        ("string.output.value.column.name", "x"),
    ] {
        let config = with(&sink(&*database, "t", &json!({})), &json!({key: value}));
        refused(rest, &name, &config, key, &[key, "not supported"])?;
    }
    let dotted = json!({"auto.create": "true", "insert.mode": "upsert", "pk.mode": "record_key", "pk.fields": "id"});
    refused(
        rest,
        &name,
        &sink(&*database, "srv1.public.orders", &dotted),
        "table.name.format",
        &["srv1.public.orders", "srv1", "RegexRouter"],
    )?;
    urls(rest, &name, &*database, &prefix)?;
    comment(&cluster.bootstrap, rest, &*database, &prefix)
}

/// What is wrong with a URL is said once, and shows no secret.
fn urls(rest: &Rest, name: &str, database: &dyn Database, prefix: &str) -> Result<()> {
    let good = source(
        database,
        prefix,
        &json!({"mode": "bulk", "table.whitelist": "public.orders"}),
    );
    for url in [
        format!("jdbc:oracle:thin:scott/{PASSWORD}@//h:1521/orcl"),
        format!("jdbc:sqlserver://h:1433;databaseName=d;user=u;password={PASSWORD}"),
        format!("jdbc:db2://h:50000/d:user=u;password={PASSWORD};"),
        format!("jdbc:mysql://u:{PASSWORD}@h/d"),
        format!("jdbc:mysql:replication://h1,h2/db?password={PASSWORD}"),
        format!("jdbc:postgresql://h/d;password={PASSWORD}"),
        format!("jdbc:postgresql://h/d?sslpassword={PASSWORD}"),
    ] {
        let mut config = with(&good, &json!({"connection.url": url}));
        // The answer shows the configuration; only what is said about it counts here.
        config["connection.password"] = "another".into();
        let found = messages(rest, name, &config)?;
        ensure!(
            found.len() == 1 && found[0].0 == "connection.url" && !found[0].1.contains(PASSWORD),
            "{url}: {found:?}"
        );
    }
    let twice = messages(
        rest,
        name,
        &with(
            &good,
            &json!({"batch.max.rows": "many", "mode": "sideways"}),
        ),
    )?;
    let count = |key: &str| twice.iter().filter(|(found, _)| found == key).count();
    ensure!(
        count("mode") == 1 && count("connection.url") == 0,
        "{twice:?}"
    );
    let passed = format!(
        "{}?prepareThreshold=0&reWriteBatchedInserts=true&tcpNoDelay=true",
        database.url()
    );
    let found = messages(rest, name, &with(&good, &json!({"connection.url": passed})))?;
    ensure!(found.is_empty(), "{found:?}");
    Ok(())
}

/// A comment at the end of a query does not swallow its conditions.
fn comment(bootstrap: &str, rest: &Rest, database: &dyn Database, prefix: &str) -> Result<()> {
    database.sql("INSERT INTO orders (id) SELECT g FROM generate_series(1, 3) g")?;
    let topic = format!("{prefix}comment");
    create_topic(bootstrap, &topic, 1)?;
    let query = "SELECT * FROM (SELECT id FROM public.orders) AS q -- all of them";
    let mut config = source(
        database,
        prefix,
        &json!({"mode": "incrementing", "incrementing.column.name": "id", "query": query}),
    );
    config["topic.prefix"] = topic.clone().into();
    rest.create(&topic, &config, 1)?;
    sluice_tests::wait::wait_until("three rows", seconds(60), || {
        Ok(super::numbers(bootstrap, &topic, "id")?.len() >= 3)
    })?;
    database.sql("INSERT INTO orders (id) VALUES (4)")?;
    sluice_tests::wait::wait_until("the fourth row", seconds(60), || {
        Ok(super::numbers(bootstrap, &topic, "id")?.contains(&4))
    })?;
    let found = super::numbers(bootstrap, &topic, "id")?;
    ensure!(found == [1, 2, 3, 4], "{found:?}");
    Ok(())
}

fn mariadb(context: &Context) -> Result<()> {
    let database = database::start(DatabaseKind::MariaDb)?;
    database.sql(
        "CREATE TABLE orders (id bigint PRIMARY KEY, name varchar(20)); CREATE VIEW v AS SELECT id, name FROM orders;
         CREATE TABLE old (id bigint PRIMARY KEY, name varchar(3)) ENGINE=MyISAM;
         CREATE TABLE odd (id int PRIMARY KEY, t time NOT NULL); INSERT INTO odd VALUES (1, '-00:30:00');
         SET sql_mode = ''; CREATE TABLE zeros (id int PRIMARY KEY, born date NOT NULL); INSERT INTO zeros VALUES (1, '0000-00-00');",
    )?;
    let cluster = context.cluster("refusals")?;
    let workers = cluster.start(1)?;
    let rest = workers[0].rest();
    let prefix = format!("{}-", cluster.name);
    let name = format!("{prefix}refused");
    let topic = format!("{prefix}in");
    create_topic(&cluster.bootstrap, &topic, 1)?;
    let upsert = json!({"insert.mode": "upsert", "pk.mode": "record_key", "pk.fields": "id", "table.name.format": "v",
                        "table.types": "VIEW"});
    let mut config = sink(&*database, &topic, &upsert);
    // What a driver takes and what only tunes it.
    let url = format!(
        "{}?sslMode=PREFERRED&serverTimezone=UTC&nullCatalogMeansCurrent=true&autoReconnect=true",
        database.url()
    );
    config["connection.url"] = url.into();
    rest.create(&topic, &config, 1)?;
    send(&cluster.bootstrap, &topic, &[order(1, "by view")])?;
    wait_sql(
        &*database,
        "SELECT name FROM orders WHERE id = 1",
        "by view",
    )?;
    let once = with(
        &config,
        &json!({"table.name.format": "old", "sluice.exactly.once": "true"}),
    );
    refused(
        rest,
        &name,
        &once,
        "table.name.format",
        &["old", "MyISAM", "sluice.exactly.once", "InnoDB"],
    )?;
    let round = format!("{}?zeroDateTimeBehavior=round", database.url());
    let found = messages(
        rest,
        &name,
        &with(&config, &json!({"connection.url": round})),
    )?;
    ensure!(
        found.len() == 1 && found[0].1.contains("zeroDateTimeBehavior"),
        "{found:?}"
    );
    // Without transactions each row is written once, and none is cut.
    let plain = with(
        &config,
        &json!({"table.name.format": "old", "insert.mode": "insert", "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": format!("{topic}-dlq"), "topics": format!("{topic}-old"),
        "errors.deadletterqueue.topic.replication.factor": "1"}),
    );
    create_topic(&cluster.bootstrap, &format!("{topic}-old"), 1)?;
    let records = [
        order(1, "a"),
        order(2, "toolong"),
        order(3, "c"),
        order(1, "x"),
    ];
    send(&cluster.bootstrap, &format!("{topic}-old"), &records)?;
    rest.create(&format!("{topic}-old"), &plain, 1)?;
    wait_sql(
        &*database,
        "SELECT group_concat(id, name ORDER BY id) FROM old",
        "1a,3c",
    )?;
    for (table, words) in [
        ("odd", ["-00:30:00", "\"t\""]),
        ("zeros", ["NOT NULL", "\"born\""]),
    ] {
        let keys = json!({"mode": "bulk", "table.whitelist": table});
        let failing = format!("{prefix}{table}");
        rest.put_config(&failing, &source(&*database, &prefix, &keys))?;
        let trace = rest.wait_failed(&failing)?;
        for word in words {
            ensure!(trace.contains(word), "{word:?} is not in {trace}");
        }
    }
    Ok(())
}
