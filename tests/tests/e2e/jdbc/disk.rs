//! A full disk of the server: the sink says so, waits as long as it may, and loses nothing.

use anyhow::{Result, ensure};
use serde_json::json;
use sluice_tests::database::Database;
use sluice_tests::postgresql::PostgreSql;
use sluice_tests::topics::create_topic;
use sluice_tests::wait::{seconds, wait_for};

use super::{order, send, sink, wait_sql};
use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[Test {
    name: "jdbc::disk::a_sink_loses_nothing_when_the_disk_is_full_of_postgresql",
    needs: Needs {
        mounts: true,
        ..Needs::POSTGRESQL
    },
    run: full,
}];

const STEP: i64 = 2000;

/// Takes what is left of the disk.
fn fill(database: &dyn Database) -> Result<()> {
    database.sql("CREATE TABLE filler (x text) TABLESPACE small")?;
    let filled = "INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 30000)";
    // The file stays as long as it has become.
    ensure!(database.sql(filled).is_err(), "30 MB fit the disk of 16 MB");
    Ok(())
}

fn full(context: &Context) -> Result<()> {
    let database = PostgreSql::start_with_small_disk()?;
    database.sql(
        "CREATE TABLE orders (id bigint NOT NULL PRIMARY KEY, name text) TABLESPACE small;
         ALTER TABLE orders OWNER TO sluice",
    )?;
    let cluster = context.cluster("disk")?;
    let mut workers = cluster.start(1)?;
    let rest = &workers[0].rest().clone();
    let topic = format!("{}-orders", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    let keys = |retries: &str| {
        let keys = json!({"table.name.format": "orders", "insert.mode": "upsert", "pk.mode": "record_key",
                          "pk.fields": "id", "max.retries": retries});
        sink(&database, &topic, &keys)
    };
    let orders = |from: i64| -> Vec<_> {
        (from..from + STEP)
            .map(|id| order(id, &"n".repeat(1000)))
            .collect()
    };
    let count = "SELECT count(*), count(DISTINCT id), min(length(name)) FROM orders";

    // The attempts run out.
    rest.create(&topic, &keys("2"), 1)?;
    send(&cluster.bootstrap, &topic, &[order(-1, &"n".repeat(1000))])?;
    wait_sql(&database, count, "1|1|1000")?;
    fill(&database)?;
    send(&cluster.bootstrap, &topic, &orders(0))?;
    let trace = rest.wait_failed(&topic)?;
    for word in [
        database.place().as_str(),
        "orders",
        "gave up after 3 attempts",
        "make room on the disk",
    ] {
        ensure!(trace.contains(word), "{word:?} is not in {trace}");
    }
    database.sql("DROP TABLE filler")?;
    rest.verb("POST", &topic, "restart?includeTasks=true&onlyFailed=true")?;
    wait_sql(&database, count, &format!("{0}|{0}|1000", STEP + 1))?;

    // They do not.
    rest.put_config(&topic, &keys("200"))?;
    rest.wait_running(&topic, 1, seconds(30))?;
    fill(&database)?;
    let mut told = || {
        let log = workers[0].process().output();
        log.matches("make room on the disk").count()
    };
    let before = told();
    send(&cluster.bootstrap, &topic, &orders(STEP))?;
    wait_for("the full disk to be told", seconds(60), || {
        Ok((told() > before).then_some(()))
    })?;
    database.sql("DROP TABLE filler")?;
    wait_sql(&database, count, &format!("{0}|{0}|1000", 2 * STEP + 1))?;
    rest.wait_running(&topic, 1, seconds(10))?;
    Ok(())
}
