//! What the JVM connector leaves behind is found: offsets, in every form it stores them in, and decimals of
//! its precision.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::database::{self, DATABASE, DatabaseKind};
use sluice_tests::topics::{consume_all, create_topic};
use sluice_tests::wait::{seconds, wait_for};

use super::{numbers, source};
use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "jdbc::takeover::offsets_in_every_stored_form_are_found_on_postgresql",
        needs: Needs::POSTGRESQL,
        run: |context| offsets(context, DatabaseKind::PostgreSql),
    },
    Test {
        name: "jdbc::takeover::offsets_in_every_stored_form_are_found_on_mariadb",
        needs: Needs::MARIADB,
        run: |context| offsets(context, DatabaseKind::MariaDb),
    },
    Test {
        name: "jdbc::takeover::decimals_keep_their_precision_on_postgresql",
        needs: Needs::POSTGRESQL,
        run: |context| decimals(context, DatabaseKind::PostgreSql),
    },
    Test {
        name: "jdbc::takeover::decimals_keep_their_precision_on_mariadb",
        needs: Needs::MARIADB,
        run: |context| decimals(context, DatabaseKind::MariaDb),
    },
];

fn offsets(context: &Context, kind: DatabaseKind) -> Result<()> {
    let database = database::start(kind)?;
    let (rows, owner, forms) = match kind {
        DatabaseKind::PostgreSql => (
            "SELECT g, 'n' FROM generate_series(1, 10) g",
            "; ALTER TABLE orders OWNER TO sluice",
            vec![
                json!({"protocol": "1", "table": "public.orders"}),
                json!({"protocol": "1", "table": format!("{DATABASE}.public.orders")}),
                json!({"protocol": "1", "table": "\"public\".\"orders\""}),
                json!({"protocol": "1", "table": format!("\"{DATABASE}\".\"public\".\"orders\"")}),
                json!({"table": "orders"}),
            ],
        ),
        _ => (
            "SELECT seq, 'n' FROM seq_1_to_10",
            "",
            vec![
                json!({"protocol": "1", "table": format!("{DATABASE}.orders")}),
                json!({"protocol": "1", "table": format!("`{DATABASE}`.`orders`")}),
                json!({"table": "orders"}),
            ],
        ),
    };
    database.sql(&format!(
        "CREATE TABLE orders (id int PRIMARY KEY, name varchar(9)); INSERT INTO orders {rows}{owner}"
    ))?;
    let cluster = context.cluster("offsets")?;
    let workers = cluster.start(1)?;
    let rest = workers[0].rest();
    for (number, partition) in forms.iter().enumerate() {
        let prefix = format!("{}-{number}-", cluster.name);
        let topic = format!("{prefix}orders");
        create_topic(&cluster.bootstrap, &topic, 1)?;
        let keys = json!({"mode": "incrementing", "incrementing.column.name": "id", "table.whitelist": "orders"});
        let name = format!("{prefix}source");
        let stopped = json!({
            "name": name,
            "config": source(&*database, &prefix, &keys),
            "initial_state": "STOPPED",
        });
        rest.patient("POST", "/connectors", Some(&stopped))?
            .success()?;
        let patch = json!({"offsets": [{"partition": partition, "offset": {"incrementing": 7}}]});
        let path = format!("/connectors/{name}/offsets");
        wait_for("the offsets to be altered", seconds(60), || {
            let reply = rest.call("PATCH", &path, Some(&patch))?;
            Ok((reply.status == 200).then_some(()))
        })?;
        rest.verb("PUT", &name, "resume")?;
        let found = wait_for("three rows", seconds(60), || {
            let found = numbers(&cluster.bootstrap, &topic, "id")?;
            Ok((found.len() >= 3).then_some(found))
        })?;
        ensure!(found == [8, 9, 10], "{partition}: {found:?}");
        // It goes on in the form that the JVM connector would look for after a return.
        wait_for("the offset to be stored", seconds(60), || {
            let stored = rest.get(&path)?.success()?.json()?;
            let wanted = json!([{"partition": partition, "offset": {"incrementing": 10}}]);
            ensure!(stored["offsets"] == wanted, "{stored}");
            Ok(Some(()))
        })?;
        rest.delete(&name)?;
    }
    Ok(())
}

/// The parameters of a field in the schema of the first record of a topic.
fn parameters(bootstrap: &str, topic: &str, key: bool) -> Result<Value> {
    let records = wait_for(&format!("a record of {topic}"), seconds(60), || {
        let records = consume_all(bootstrap, topic)?;
        Ok((!records.is_empty()).then_some(records))
    })?;
    let record = records.first().context("a record")?;
    let text = if key { &record.key } else { &record.value };
    let record: Value = serde_json::from_slice(text.as_ref().context("bytes")?)?;
    let fields = record["schema"]["fields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let field = fields.into_iter().find(|field| field["field"] == "price");
    Ok(field.context("no price")?["parameters"].clone())
}

fn decimals(context: &Context, kind: DatabaseKind) -> Result<()> {
    let database = database::start(kind)?;
    let owner = match kind {
        DatabaseKind::PostgreSql => "; ALTER TABLE prices OWNER TO sluice",
        _ => "",
    };
    database.sql(&format!(
        "CREATE TABLE prices (id int PRIMARY KEY, price numeric(6,2) NOT NULL, changed timestamp NOT NULL DEFAULT now());
         INSERT INTO prices (id, price) VALUES (1, 1234.56){owner}"
    ))?;
    let cluster = context.cluster("decimals")?;
    let workers = cluster.start(1)?;
    let changed = json!({"mode": "timestamp", "timestamp.column.name": "changed", "table.whitelist": "prices"});
    let connectors = [
        ("bulk", json!({"mode": "bulk", "table.whitelist": "prices"})),
        (
            "incrementing",
            json!({"mode": "incrementing", "incrementing.column.name": "id", "table.whitelist": "prices"}),
        ),
        ("timestamp", changed),
        (
            "mapped",
            json!({"mode": "bulk", "table.whitelist": "prices", "numeric.mapping": "precision_only"}),
        ),
        (
            "query",
            json!({"mode": "bulk", "query": "SELECT id, price FROM prices"}),
        ),
    ];
    for (name, mut keys) in connectors {
        for (key, value) in [
            // Once: what is read of a topic has to have an end.
            ("poll.interval.ms", "600000"),
            ("transforms", "key"),
            (
                "transforms.key.type",
                "org.apache.kafka.connect.transforms.ValueToKey",
            ),
            ("transforms.key.fields", "price"),
        ] {
            keys[key] = value.into();
        }
        let prefix = format!("{}-{name}-", cluster.name);
        let topic = if name == "query" {
            prefix.clone()
        } else {
            format!("{prefix}prices")
        };
        create_topic(&cluster.bootstrap, &topic, 1)?;
        workers[0].rest().create(
            &format!("{prefix}source"),
            &source(&*database, &prefix, &keys),
            1,
        )?;
        let wanted = json!({"scale": "2", "connect.decimal.precision": "6"});
        for key in [false, true] {
            let found = parameters(&cluster.bootstrap, &topic, key)?;
            ensure!(found == wanted, "{name}, key {key}: {found}");
        }
        workers[0].rest().delete(&format!("{prefix}source"))?;
    }
    Ok(())
}
