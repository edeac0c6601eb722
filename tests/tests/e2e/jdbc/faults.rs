//! Agents that are killed and servers that crash in the middle: nothing is lost.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use sluice_tests::database::{self, Database, DatabaseKind};
use sluice_tests::topics::create_topic;
use sluice_tests::wait::{seconds, wait_for};
use sluice_tests::worker::Worker;

use super::{numbers, order, send, sink, source};
use crate::context::{Cluster, Context, Needs, Test, tested_kind};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "jdbc::faults::a_source_loses_nothing_when_agent_and_postgresql_die_in_the_middle",
        needs: Needs::POSTGRESQL,
        run: |context| reading(context, DatabaseKind::PostgreSql),
    },
    Test {
        name: "jdbc::faults::a_source_loses_nothing_when_agent_and_mariadb_die_in_the_middle",
        needs: Needs::MARIADB,
        run: |context| reading(context, DatabaseKind::MariaDb),
    },
    Test {
        name: "jdbc::faults::a_source_loses_nothing_when_the_agent_dies_in_the_middle_sqlite",
        needs: Needs::SQLITE,
        run: |context| reading(context, DatabaseKind::Sqlite),
    },
    Test {
        name: "jdbc::faults::a_sink_loses_nothing_when_agent_and_postgresql_die_in_the_middle",
        needs: Needs::POSTGRESQL,
        run: |context| writing(context, DatabaseKind::PostgreSql),
    },
    Test {
        name: "jdbc::faults::a_sink_loses_nothing_when_agent_and_mariadb_die_in_the_middle",
        needs: Needs::MARIADB,
        run: |context| writing(context, DatabaseKind::MariaDb),
    },
    Test {
        name: "jdbc::faults::a_sink_loses_nothing_when_the_agent_dies_in_the_middle_sqlite",
        needs: Needs::SQLITE,
        run: |context| writing(context, DatabaseKind::Sqlite),
    },
];

/// Rows of a round.
const STEP: i64 = 500;
const ROUNDS: i64 = 12;

fn insert(database: &dyn Database, from: i64) -> Result<()> {
    let rows: Vec<String> = (from..from + STEP).map(|id| format!("({id})")).collect();
    database.sql(&format!(
        "INSERT INTO orders (id) VALUES {}",
        rows.join(",")
    ))?;
    Ok(())
}

/// Kills the agent that runs the task, and starts it again.
fn kill_owner(cluster: &Cluster<'_>, workers: &mut Vec<Worker>, connector: &str) -> Result<()> {
    let states = wait_for("the task's agent", seconds(60), || {
        workers[0]
            .rest()
            .wait_running(connector, 1, Duration::ZERO)
            .map(Some)
    })?;
    let owner = &states.tasks[0].worker_id;
    let place = workers
        .iter()
        .position(|worker| worker.worker_id() == *owner)
        .context("nobody runs the task")?;
    let victim = workers.remove(place);
    let again = victim.properties().clone();
    victim.kill()?;
    workers.push(cluster.launch(tested_kind(), &again)?);
    Ok(())
}

/// One round of a fault: agents at some, the server at others.
fn disturb(
    round: i64,
    cluster: &Cluster<'_>,
    workers: &mut Vec<Worker>,
    connector: &str,
    database: &mut dyn Database,
) -> Result<()> {
    match round {
        3 | 8 => kill_owner(cluster, workers, connector),
        5 => {
            database.crash()?;
            database.restart()
        }
        _ => Ok(()),
    }
}

fn reading(context: &Context, kind: DatabaseKind) -> Result<()> {
    let mut database = database::start(kind)?;
    let owner = if kind == DatabaseKind::PostgreSql {
        "; ALTER TABLE orders OWNER TO sluice"
    } else {
        ""
    };
    database.sql(&format!(
        "CREATE TABLE orders (id int NOT NULL PRIMARY KEY){owner}"
    ))?;
    let cluster = context.cluster("reading")?;
    let mut workers = cluster.start(2)?;
    let prefix = format!("{}-", cluster.name);
    let name = format!("{prefix}source");
    let keys = json!({"mode": "incrementing", "incrementing.column.name": "id", "table.whitelist": "orders"});
    workers[0]
        .rest()
        .create(&name, &source(&*database, &prefix, &keys), 1)?;
    for round in 0..ROUNDS {
        insert(&*database, round * STEP)?;
        disturb(round, &cluster, &mut workers, &name, &mut *database)?;
    }
    let all: BTreeSet<i64> = (0..ROUNDS * STEP).collect();
    let topic = format!("{prefix}orders");
    let found = wait_for("all rows in the topic", seconds(120), || {
        let found = numbers(&cluster.bootstrap, &topic, "id")?;
        let distinct: BTreeSet<i64> = found.iter().copied().collect();
        ensure!(distinct == all, "{} of {}", distinct.len(), all.len());
        Ok(Some(found))
    })?;
    // What was acknowledged and not yet committed comes again after a kill: at most some polls of two agents.
    ensure!(found.len() < 2 * all.len(), "{} records", found.len());
    for worker in workers {
        worker.stop()?;
    }
    Ok(())
}

fn writing(context: &Context, kind: DatabaseKind) -> Result<()> {
    let mut database = database::start(kind)?;
    let cluster = context.cluster("writing")?;
    let mut workers = cluster.start(2)?;
    let topic = format!("{}-orders", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 3)?;
    let keys = json!({"table.name.format": "orders", "auto.create": "true", "insert.mode": "upsert",
                      "pk.mode": "record_key", "pk.fields": "id"});
    workers[0]
        .rest()
        .create(&topic, &sink(&*database, &topic, &keys), 1)?;
    for round in 0..ROUNDS {
        let records: Vec<_> = (round * STEP..(round + 1) * STEP)
            .map(|id| order(id, &format!("n{id}")))
            .collect();
        send(&cluster.bootstrap, &topic, &records)?;
        disturb(round, &cluster, &mut workers, &topic, &mut *database)?;
    }
    let count = ROUNDS * STEP;
    let name = if kind == DatabaseKind::MariaDb {
        "concat('n', id)"
    } else {
        "'n' || id"
    };
    super::wait_sql(
        &*database,
        &format!(
            "SELECT count(*), count(CASE WHEN name = {name} THEN 1 END), min(id), max(id) FROM orders"
        ),
        &format!("{count}|{count}|0|{}", count - 1),
    )?;
    for worker in workers {
        worker.stop()?;
    }
    Ok(())
}
