//! A server that falls silent: short silence is waited out, a long one given up, and nothing is lost or
//! twice.

use anyhow::{Result, ensure};
use serde_json::json;
use sluice_tests::database::{self, DatabaseKind};
use sluice_tests::proxy::Proxy;
use sluice_tests::topics::create_topic;
use sluice_tests::wait::{seconds, wait_for};

use super::errors::refused;
use super::{numbers, order, send, sink, source, wait_sql};
use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "jdbc::slow::a_silent_server_costs_nothing_and_is_not_waited_for_for_ever_postgresql",
        needs: Needs::POSTGRESQL,
        run: |context| silent(context, DatabaseKind::PostgreSql),
    },
    Test {
        name: "jdbc::slow::a_silent_server_costs_nothing_and_is_not_waited_for_for_ever_mariadb",
        needs: Needs::MARIADB,
        run: |context| silent(context, DatabaseKind::MariaDb),
    },
];

const STEP: i64 = 1000;
const ROUNDS: i64 = 4;

fn silent(context: &Context, kind: DatabaseKind) -> Result<()> {
    let database = database::start(kind)?;
    let (owner, limits) = match kind {
        DatabaseKind::PostgreSql => (
            "; ALTER TABLE orders OWNER TO sluice",
            "connectTimeout=3&socketTimeout=3",
        ),
        _ => ("", "connectTimeout=3000&socketTimeout=3000"),
    };
    database.sql(&format!(
        "CREATE TABLE orders (id bigint NOT NULL PRIMARY KEY){owner}"
    ))?;
    let proxy = Proxy::start(&database.place())?;
    let url = database.url().replace(&database.place(), &proxy.place());
    let url = format!("{url}?{limits}");
    let cluster = context.cluster("silent")?;
    let mut workers = cluster.start(1)?;
    let prefix = format!("{}-", cluster.name);
    let (reading, writing) = (format!("{prefix}reading"), format!("{prefix}writing"));
    create_topic(&cluster.bootstrap, &writing, 2)?;
    // Neither has a key that would hide what comes twice.
    let source = source(
        &*database,
        &prefix,
        &json!({"connection.url": url, "mode": "incrementing", "incrementing.column.name": "id",
                "table.whitelist": "orders", "batch.max.rows": "100"}),
    );
    let sink = sink(
        &*database,
        &writing,
        &json!({"connection.url": url, "table.name.format": "copies", "auto.create": "true",
                "sluice.exactly.once": "true"}),
    );
    workers[0].rest().create(&reading, &source, 1)?;
    workers[0].rest().create(&writing, &sink, 1)?;
    for round in 0..ROUNDS {
        let ids: Vec<i64> = (round * STEP..(round + 1) * STEP).collect();
        match round {
            1 => {
                proxy.silence();
                // Silence shorter than the limit is what is tested.
                std::thread::sleep(seconds(1));
            }
            2 => proxy.silence(),
            _ => {}
        }
        let rows: Vec<String> = ids.iter().map(|id| format!("({id})")).collect();
        database.sql(&format!(
            "INSERT INTO orders (id) VALUES {}",
            rows.join(",")
        ))?;
        let records: Vec<_> = ids.iter().map(|id| order(*id, "n")).collect();
        send(&cluster.bootstrap, &writing, &records)?;
        if round == 2 {
            for name in [&reading, &writing] {
                wait_for(&format!("{name} to give up"), seconds(60), || {
                    let log = workers[0].process().output();
                    let told = log.lines().any(|line| {
                        line.contains(name.as_str())
                            && line.contains(&proxy.place())
                            && line.contains("no answer within 3s")
                    });
                    Ok(told.then_some(()))
                })?;
            }
            let mut unanswered = sink.clone();
            unanswered["connection.attempts"] = "1".into();
            refused(
                workers[0].rest(),
                &format!("{prefix}refused"),
                &unanswered,
                "connection.url",
                &[&proxy.place(), "no answer within 3s", "server runs"],
            )?;
        }
        proxy.speak();
    }
    let all: Vec<i64> = (0..ROUNDS * STEP).collect();
    let topic = format!("{prefix}orders");
    wait_for("all rows in the topic", seconds(60), || {
        let found = numbers(&cluster.bootstrap, &topic, "id")?;
        ensure!(found.len() >= all.len(), "{} records", found.len());
        Ok(Some(()))
    })?;
    let mut found = numbers(&cluster.bootstrap, &topic, "id")?;
    found.sort_unstable();
    ensure!(
        found == all,
        "{} records of {} rows",
        found.len(),
        all.len()
    );
    let count = ROUNDS * STEP;
    wait_sql(
        &*database,
        "SELECT count(*), count(DISTINCT id), min(id), max(id) FROM copies",
        &format!("{count}|{count}|0|{}", count - 1),
    )?;
    for name in [&reading, &writing] {
        workers[0].rest().wait_running(name, 1, seconds(10))?;
    }
    Ok(())
}
