//! Servers that crash, restart or answer late in the middle: nothing is lost, nothing twice.

use anyhow::Result;
use serde_json::{Value, json};
use sluice_tests::topics::create_topic;
use sluice_tests::wait::{seconds, wait_for};

use super::{check_disjoint, send, sink, start, wait_ids};
use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "hdfs::faults::a_server_that_restarts_or_crashes_in_the_middle_costs_nothing",
        needs: Needs::HDFS,
        run: restarts,
    },
    Test {
        name: "hdfs::faults::a_slow_server_is_waited_for",
        needs: Needs::HDFS,
        run: slow,
    },
];

const STEP: i64 = 500;

fn orders(from: i64) -> Vec<Value> {
    (from..from + STEP)
        .map(|id| json!({"id": id, "text": "x".repeat(2000)}))
        .collect()
}

fn restarts(context: &Context) -> Result<()> {
    let mut hdfs = start()?;
    let cluster = context.cluster("restarts")?;
    let workers = cluster.start(1)?;
    let topic = format!("{}-in", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 2)?;
    let keys =
        json!({"flush.size": "400", "rotate.schedule.interval.ms": "1000", "timezone": "UTC"});
    workers[0]
        .rest()
        .create(&topic, &sink(&hdfs, &topic, &keys), 1)?;
    for round in 0..8 {
        send(&cluster.bootstrap, &topic, &orders(round * STEP))?;
        match round {
            2 => {
                hdfs.stop()?;
                send(&cluster.bootstrap, &topic, &orders((round + 100) * STEP))?;
                hdfs.restart()?;
            }
            5 => {
                hdfs.crash()?;
                hdfs.restart()?;
            }
            _ => {}
        }
    }
    wait_for("all records", seconds(120), || {
        let mut found: Vec<i64> = super::lines(&hdfs, &topic)?
            .iter()
            .filter_map(|line| line["id"].as_i64())
            .collect();
        found.sort_unstable();
        let all: Vec<i64> = (0..8 * STEP).chain(102 * STEP..103 * STEP).collect();
        anyhow::ensure!(found == all, "{} of {}", found.len(), all.len());
        Ok(Some(()))
    })?;
    check_disjoint(&hdfs, &topic)?;
    workers[0].rest().wait_running(&topic, 1, seconds(10))?;
    Ok(())
}

fn slow(context: &Context) -> Result<()> {
    let mut hdfs = start()?;
    let cluster = context.cluster("slow")?;
    let workers = cluster.start(1)?;
    let topic = format!("{}-in", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    // One limit of time is shorter than the server's silence.
    let keys =
        json!({"flush.size": "250", "sluice.request.timeout.ms": "1500", "format.class": "Json"});
    workers[0]
        .rest()
        .create(&topic, &sink(&hdfs, &topic, &keys), 1)?;
    send(&cluster.bootstrap, &topic, &orders(0))?;
    wait_ids(&hdfs, &topic, STEP)?;
    for round in 1..4_u32 {
        hdfs.process()?.freeze()?;
        send(&cluster.bootstrap, &topic, &orders(i64::from(round) * STEP))?;
        // Silence is what is tested.
        std::thread::sleep(seconds(u64::from(round)));
        hdfs.process()?.thaw()?;
    }
    wait_ids(&hdfs, &topic, 4 * STEP)?;
    check_disjoint(&hdfs, &topic)?;
    workers[0].rest().wait_running(&topic, 1, seconds(10))?;
    Ok(())
}
