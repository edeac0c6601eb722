//! Sinks: insert, upsert, update, keys, deletes, tables that are made and grow, dead letters.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use sluice_tests::database::{self, Database, DatabaseKind};
use sluice_tests::rest::Rest;
use sluice_tests::topics::{consume_all, create_topic};
use sluice_tests::wait::{seconds, wait_for};

use super::{ORDER, envelope, key, order, send, sink, wait_sql};
use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "jdbc::sinks::rows_are_inserted_upserted_updated_and_deleted_in_postgresql",
        needs: Needs::POSTGRESQL,
        run: |context| writes(context, DatabaseKind::PostgreSql),
    },
    Test {
        name: "jdbc::sinks::rows_are_inserted_upserted_updated_and_deleted_in_mariadb",
        needs: Needs::MARIADB,
        run: |context| writes(context, DatabaseKind::MariaDb),
    },
    Test {
        name: "jdbc::sinks::rows_are_inserted_upserted_updated_and_deleted_in_sqlite",
        needs: Needs::SQLITE,
        run: |context| writes(context, DatabaseKind::Sqlite),
    },
    Test {
        name: "jdbc::sinks::a_poison_record_goes_to_the_dead_letters_alone_postgresql",
        needs: Needs::POSTGRESQL,
        run: |context| poison(context, DatabaseKind::PostgreSql),
    },
    Test {
        name: "jdbc::sinks::a_poison_record_goes_to_the_dead_letters_alone_mariadb",
        needs: Needs::MARIADB,
        run: |context| poison(context, DatabaseKind::MariaDb),
    },
    Test {
        name: "jdbc::sinks::a_poison_record_goes_to_the_dead_letters_alone_sqlite",
        needs: Needs::SQLITE,
        run: |context| poison(context, DatabaseKind::Sqlite),
    },
];

/// Sinks with names of their own on topics of their own.
struct Sinks<'a> {
    database: &'a dyn Database,
    bootstrap: &'a str,
    cluster: &'a str,
    rest: &'a Rest,
}

impl Sinks<'_> {
    fn topic(&self, name: &str) -> String {
        format!("{}-{name}", self.cluster)
    }

    /// A sink of a new topic, into the table `name`.
    fn create(&self, name: &str, keys: &Value) -> Result<()> {
        create_topic(self.bootstrap, &self.topic(name), 1)?;
        let mut all = json!({"table.name.format": name});
        crate::context::merge(&mut all, keys);
        let config = sink(self.database, &self.topic(name), &all);
        self.rest.create(&self.topic(name), &config, 1)
    }

    fn send(&self, name: &str, records: &[(Vec<u8>, Option<Vec<u8>>)]) -> Result<()> {
        send(self.bootstrap, &self.topic(name), records)
    }

    fn wait(&self, select: &str, expected: &str) -> Result<()> {
        wait_sql(self.database, select, expected)
    }
}

fn writes(context: &Context, kind: DatabaseKind) -> Result<()> {
    let database = database::start(kind)?;
    let cluster = context.cluster("writes")?;
    let workers = cluster.start(1)?;
    let sinks = Sinks {
        database: &*database,
        bootstrap: &cluster.bootstrap,
        cluster: &cluster.name,
        rest: workers[0].rest(),
    };
    let first: Vec<_> = (1..=100).map(|id| order(id, "first")).collect();

    // Inserts without a key keep what is sent twice.
    sinks.create("plain", &json!({"auto.create": "true"}))?;
    sinks.send("plain", &first)?;
    sinks.send("plain", &first[..10])?;
    sinks.wait("SELECT count(*), count(DISTINCT id) FROM plain", "110|100")?;

    // Topic, partition and offset as the key.
    sinks.create(
        "coordinates",
        &json!({"auto.create": "true", "pk.mode": "kafka", "fields.whitelist": "name"}),
    )?;
    sinks.send("coordinates", &first[..3])?;
    sinks.wait(
        "SELECT __connect_partition, __connect_offset, name FROM coordinates ORDER BY 2",
        "0|0|first\n0|1|first\n0|2|first",
    )?;

    // Upserts, of one key several times in a batch, and deletes between them.
    let upsert = json!({"auto.create": "true", "auto.evolve": "true", "insert.mode": "upsert", "pk.mode": "record_key",
                        "pk.fields": "id", "delete.enabled": "true"});
    sinks.create("upserted", &upsert)?;
    let mut batch = first.clone();
    batch.extend([
        order(1, "second"),
        order(2, "second"),
        (key(2), None),
        (key(3), None),
        order(3, "again"),
    ]);
    batch.extend([
        (key(99), None),
        order(2, "third"),
        (key(2), None),
        order(1, "last"),
    ]);
    sinks.send("upserted", &batch)?;
    sinks.wait("SELECT count(*) FROM upserted", "98")?;
    sinks.wait(
        "SELECT id, name FROM upserted WHERE name <> 'first' ORDER BY id",
        "1|last\n3|again",
    )?;

    // The schema grows: an optional column, and one with a default; then the old schema again.
    let grown = [
        ("id", "int64", false),
        ("name", "string", true),
        ("note", "string", true),
        ("price", "double", true),
    ];
    let value = envelope(
        &grown,
        &json!({"id": 500, "name": "grown", "note": "n", "price": 2.5}),
    );
    sinks.send("upserted", &[(key(500), Some(value)), order(501, "old")])?;
    sinks.wait(
        "SELECT id, coalesce(note, '-'), coalesce(price, 0) FROM upserted WHERE id >= 500 ORDER BY id",
        "500|n|2.5\n501|-|0",
    )?;

    // Updates change what is there and insert nothing.
    let update = json!({"insert.mode": "update", "pk.mode": "record_value", "pk.fields": "id"});
    database.sql(&format!(
        "CREATE TABLE updated (id bigint PRIMARY KEY, name varchar(20)){}; INSERT INTO updated VALUES (1, \
         'x'), (2, 'y')",
        if kind == DatabaseKind::PostgreSql { "; ALTER TABLE updated OWNER TO sluice" } else { "" }
    ))?;
    sinks.create("updated", &update)?;
    sinks.send("updated", &[order(1, "a"), order(7, "b"), order(1, "c")])?;
    sinks.wait("SELECT id, name FROM updated ORDER BY id", "1|c\n2|y")?;

    // A table in another schema, by the format of its name.
    if kind == DatabaseKind::PostgreSql {
        database.sql("CREATE SCHEMA other AUTHORIZATION sluice")?;
        sinks.create(
            "elsewhere",
            &json!({"auto.create": "true", "table.name.format": "other.t_${topic}"}),
        )?;
        sinks.send("elsewhere", &first[..2])?;
        sinks.wait(
            &format!(
                "SELECT count(*) FROM other.\"t_{}\"",
                sinks.topic("elsewhere")
            ),
            "2",
        )?;
    }
    Ok(())
}

fn poison(context: &Context, kind: DatabaseKind) -> Result<()> {
    let database = database::start(kind)?;
    let owner = if kind == DatabaseKind::PostgreSql {
        "; ALTER TABLE strict OWNER TO sluice"
    } else {
        ""
    };
    database.sql(&format!(
        "CREATE TABLE strict (id bigint PRIMARY KEY, name varchar(20) NOT NULL, CHECK (name <> \
         'poison')){owner}"
    ))?;
    let cluster = context.cluster("poison")?;
    let mut workers = cluster.start(1)?;
    let rest = workers[0].rest();
    let topic = format!("{}-strict", cluster.name);
    let dead = format!("{}-dead", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    let mut records: Vec<_> = (1..=500).map(|id| order(id, "good")).collect();
    // A constraint; a null where none may be; no struct; no schema; a key that is in the batch twice.
    records[77] = order(78, "poison");
    records[200] = (
        key(201),
        Some(envelope(ORDER, &json!({"id": 201, "name": null}))),
    );
    records[300] = (
        key(301),
        Some(
            json!({"schema": {"type": "string"}, "payload": "text"})
                .to_string()
                .into_bytes(),
        ),
    );
    records[400] = (key(401), None);
    records.push(order(499, "poison"));
    send(&cluster.bootstrap, &topic, &records)?;
    let keys = json!({
        "table.name.format": "strict", "insert.mode": "upsert", "pk.mode": "record_value", "pk.fields": "id",
        "errors.tolerance": "all", "errors.deadletterqueue.topic.name": dead,
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    });
    rest.create(&topic, &sink(&*database, &topic, &keys), 1)?;
    wait_sql(
        &*database,
        "SELECT count(*), min(name), max(name) FROM strict",
        "496|good|good",
    )?;
    // What came before the poison of the same key is there.
    wait_sql(&*database, "SELECT name FROM strict WHERE id = 499", "good")?;
    let letters = wait_for("five dead letters", seconds(30), || {
        let letters = consume_all(&cluster.bootstrap, &dead)?;
        ensure!(letters.len() >= 5, "{}", letters.len());
        Ok(Some(letters))
    })?;
    let mut keys: Vec<String> = letters
        .iter()
        .filter_map(|letter| serde_json::from_slice::<Value>(letter.key.as_deref()?).ok())
        .map(|key| key["payload"].to_string())
        .collect();
    keys.sort();
    ensure!(keys == ["201", "301", "401", "499", "78"], "{keys:?}");
    let text = |letter: &sluice_tests::topics::Record, name: &str| {
        letter
            .headers
            .iter()
            .find(|(key, _)| key == name)
            .and_then(|(_, value)| value.clone())
            .map(|value| String::from_utf8_lossy(&value).into_owned())
            .unwrap_or_default()
    };
    for letter in &letters {
        let reason = text(letter, "__connect.errors.exception.message");
        ensure!(reason.contains(&format!("{topic}-0@")), "{reason}");
    }
    let reason = letters
        .iter()
        .map(|letter| text(letter, "__connect.errors.exception.message"))
        .find(|reason| reason.contains("strict") && reason.contains(&database.place()));
    ensure!(reason.is_some(), "no reason names table and place");
    // Without tolerance the task fails, and names record, table, place and reason.
    let strict = sink(
        &*database,
        &topic,
        &json!({"table.name.format": "strict", "insert.mode": "upsert",
        "pk.mode": "record_value", "pk.fields": "id"}),
    );
    let name = format!("{topic}-intolerant");
    rest.put_config(&name, &strict)?;
    let trace = rest.wait_failed(&name)?;
    ensure!(
        trace.contains("strict") || trace.contains("struct"),
        "{trace}"
    );
    workers[0].process().check_running()
}
