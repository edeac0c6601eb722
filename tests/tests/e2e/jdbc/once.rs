//! Exactly-once: counts and contents of a table equal the topic's, whatever happens to agents and server.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use sluice_tests::database::{self, Database, DatabaseKind};
use sluice_tests::topics::create_topic;
use sluice_tests::wait::{seconds, wait_for};

use super::{order, send, sink, wait_sql};
use crate::context::{Context, Needs, Test, tested_kind};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "jdbc::once::thirty_rounds_of_killed_agents_write_every_record_once_to_postgresql",
        needs: Needs::POSTGRESQL,
        run: |context| killed(context, DatabaseKind::PostgreSql, 30),
    },
    Test {
        name: "jdbc::once::killed_agents_write_every_record_once_to_mariadb",
        needs: Needs::MARIADB,
        run: |context| killed(context, DatabaseKind::MariaDb, 8),
    },
    Test {
        name: "jdbc::once::killed_agents_write_every_record_once_to_sqlite",
        needs: Needs::SQLITE,
        run: |context| killed(context, DatabaseKind::Sqlite, 8),
    },
    Test {
        name: "jdbc::once::a_zombie_that_wakes_up_writes_nothing_twice",
        needs: Needs::POSTGRESQL,
        run: zombie,
    },
];

/// Rows of a round.
const STEP: i64 = 300;

fn keys() -> serde_json::Value {
    // Without a key nothing but the stored offsets stands between the table and what comes twice.
    json!({"table.name.format": "orders", "auto.create": "true", "sluice.exactly.once": "true", "tasks.max": "2"})
}

fn orders(from: i64) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    (from..from + STEP)
        .map(|id| order(id, &format!("n{id}")))
        .collect()
}

fn check(database: &dyn Database, count: i64) -> Result<()> {
    let name = if database.kind() == DatabaseKind::MariaDb {
        "concat('n', id)"
    } else {
        "'n' || id"
    };
    let expected = format!("{count}|{count}|{count}|0|{}", count - 1);
    wait_sql(
        database,
        &format!(
            "SELECT count(*), count(DISTINCT id), count(CASE WHEN name = {name} THEN 1 END), min(id), \
             max(id) FROM orders"
        ),
        &expected,
    )
}

fn killed(context: &Context, kind: DatabaseKind, rounds: i64) -> Result<()> {
    let mut database = database::start(kind)?;
    let cluster = context.cluster("once")?;
    let mut workers = cluster.start(2)?;
    let topic = format!("{}-orders", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 4)?;
    workers[0]
        .rest()
        .create(&topic, &sink(&*database, &topic, &keys()), 2)?;
    for round in 0..rounds {
        send(&cluster.bootstrap, &topic, &orders(round * STEP))?;
        let victim = workers.remove(0);
        let again = victim.properties().clone();
        // Each round meets another moment of a transaction.
        std::thread::sleep(Duration::from_millis(61 * (round.unsigned_abs() % 13)));
        victim.kill()?;
        workers.push(cluster.launch(tested_kind(), &again)?);
        if round % 10 == 9 {
            database.crash()?;
            database.restart()?;
        }
        if round % 5 == 4 {
            // Whatever was in the way, the agents get on in between.
            workers[1].wait_healthy(seconds(60))?;
            check(&*database, (round + 1) * STEP).with_context(|| format!("round {round}"))?;
        }
    }
    check(&*database, rounds * STEP)?;
    // The table of offsets says the same as the topic.
    wait_sql(
        &*database,
        "SELECT count(*), sum(next_offset) FROM sluice_offsets",
        &format!("4|{}", rounds * STEP),
    )?;
    for worker in workers {
        worker.stop()?;
    }
    check(&*database, rounds * STEP)
}

fn zombie(context: &Context) -> Result<()> {
    let database = database::start(DatabaseKind::PostgreSql)?;
    let cluster = context.cluster("undead")?;
    let mut workers = cluster.start(2)?;
    let topic = format!("{}-orders", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    let mut keys = keys();
    keys["tasks.max"] = "1".into();
    let states = {
        workers[0]
            .rest()
            .create(&topic, &sink(&*database, &topic, &keys), 1)?;
        send(&cluster.bootstrap, &topic, &orders(0))?;
        check(&*database, STEP)?;
        workers[0].rest().wait_running(&topic, 1, seconds(10))?
    };
    let owner = states.tasks[0].worker_id.clone();
    let place = workers
        .iter()
        .position(|worker| worker.worker_id() == owner)
        .context("nobody runs the task")?;
    let mut frozen = workers.remove(place);
    frozen.process().freeze()?;
    send(&cluster.bootstrap, &topic, &orders(STEP))?;
    let rest = workers[0].rest();
    wait_for("the task on the other worker", seconds(60), || {
        let states = rest.wait_running(&topic, 1, Duration::ZERO)?;
        ensure!(states.tasks[0].worker_id != owner, "{}", states.text());
        Ok(Some(()))
    })?;
    check(&*database, 2 * STEP)?;
    frozen.process().thaw()?;
    send(&cluster.bootstrap, &topic, &orders(2 * STEP))?;
    check(&*database, 3 * STEP)?;
    for worker in workers {
        worker.stop()?;
    }
    check(&*database, 3 * STEP)
}
