//! Exactly-once: the records in files are those of the topic, each once, whatever happens to agents and
//! server.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::topics::create_topic;
use sluice_tests::wait::{seconds, wait_for};

use super::{check_disjoint, send, sink, start, wait_ids};
use crate::context::{Context, Needs, Test, tested_kind};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "hdfs::once::thirty_rounds_of_killed_agents_write_every_record_once",
        needs: Needs::HDFS,
        run: killed,
    },
    Test {
        name: "hdfs::once::a_zombie_that_wakes_up_writes_nothing_twice",
        needs: Needs::HDFS,
        run: zombie,
    },
    Test {
        name: "hdfs::once::names_of_files_count_before_offsets_of_the_group",
        needs: Needs::HDFS,
        run: names_count,
    },
];

/// Records of a round.
const STEP: i64 = 300;

/// Each rotation ends files of three folders at once, after few records or by the clock.
fn keys() -> Value {
    json!({
        "tasks.max": "2",
        "partitioner.class": "FieldPartitioner",
        "partition.field.name": "kind",
        "flush.size": "40",
        "rotate.schedule.interval.ms": "700",
        "timezone": "UTC",
    })
}

fn orders(from: i64) -> Vec<Value> {
    (from..from + STEP)
        .map(|id| json!({"id": id, "kind": id % 3, "name": format!("n{id}")}))
        .collect()
}

fn killed(context: &Context) -> Result<()> {
    const ROUNDS: i64 = 30;
    let mut hdfs = start()?;
    let cluster = context.cluster("once")?;
    let mut workers = cluster.start(2)?;
    let topic = format!("{}-orders", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 4)?;
    workers[0]
        .rest()
        .create(&topic, &sink(&hdfs, &topic, &keys()), 2)?;
    for round in 0..ROUNDS {
        send(&cluster.bootstrap, &topic, &orders(round * STEP))?;
        let victim = workers.remove(0);
        let again = victim.properties().clone();
        // Each round meets another moment of a rotation.
        std::thread::sleep(Duration::from_millis(61 * (round.unsigned_abs() % 13)));
        victim.kill()?;
        workers.push(cluster.launch(tested_kind(), &again)?);
        if round == 14 {
            hdfs.crash()?;
            hdfs.restart()?;
        }
        if round % 5 == 4 {
            // Whatever was in the way, the agents get on in between.
            workers[1].wait_healthy(seconds(60))?;
            wait_ids(&hdfs, &topic, (round + 1) * STEP)
                .with_context(|| format!("round {round}"))?;
        }
    }
    wait_ids(&hdfs, &topic, ROUNDS * STEP)?;
    check_disjoint(&hdfs, &topic)?;
    for worker in workers {
        worker.stop()?;
    }
    wait_ids(&hdfs, &topic, ROUNDS * STEP)?;
    // The last tasks have cleaned up after those that were killed, and after themselves.
    let left = hdfs.files(&format!("{}/+tmp", super::FOLDER))?;
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

fn zombie(context: &Context) -> Result<()> {
    let hdfs = start()?;
    let cluster = context.cluster("undead")?;
    let mut workers = cluster.start(2)?;
    let topic = format!("{}-orders", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    let mut keys = keys();
    keys["tasks.max"] = "1".into();
    // Files end by the clock alone, so the frozen task holds records that another writes.
    keys["flush.size"] = "100000".into();
    keys["rotate.schedule.interval.ms"] = "3000".into();
    workers[0]
        .rest()
        .create(&topic, &sink(&hdfs, &topic, &keys), 1)?;
    send(&cluster.bootstrap, &topic, &orders(0))?;
    wait_ids(&hdfs, &topic, STEP)?;
    let states = workers[0].rest().wait_running(&topic, 1, seconds(10))?;
    let owner = states.tasks[0].worker_id.clone();
    let place = workers
        .iter()
        .position(|worker| worker.worker_id() == owner)
        .context("nobody runs the task")?;
    let mut frozen = workers.remove(place);
    send(&cluster.bootstrap, &topic, &orders(STEP))?;
    // In the middle of collecting them.
    std::thread::sleep(Duration::from_millis(800));
    frozen.process().freeze()?;
    let rest = workers[0].rest();
    wait_for("the task on the other worker", seconds(60), || {
        let states = rest.wait_running(&topic, 1, Duration::ZERO)?;
        ensure!(states.tasks[0].worker_id != owner, "{}", states.text());
        Ok(Some(()))
    })?;
    wait_ids(&hdfs, &topic, 2 * STEP)?;
    frozen.process().thaw()?;
    send(&cluster.bootstrap, &topic, &orders(2 * STEP))?;
    wait_ids(&hdfs, &topic, 3 * STEP)?;
    workers.push(frozen);
    for worker in workers {
        worker.stop()?;
    }
    wait_ids(&hdfs, &topic, 3 * STEP)?;
    check_disjoint(&hdfs, &topic)
}

fn names_count(context: &Context) -> Result<()> {
    let hdfs = start()?;
    let cluster = context.cluster("names")?;
    let workers = cluster.start(1)?;
    let rest = workers[0].rest();
    let topic = format!("{}-orders", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    send(&cluster.bootstrap, &topic, &orders(0))?;
    let config = sink(&hdfs, &topic, &json!({"flush.size": "100"}));
    rest.create(&topic, &config, 1)?;
    wait_ids(&hdfs, &topic, STEP)?;
    // A group of its own has no offsets, and would begin at the first record.
    let again = format!("{topic}-again");
    rest.delete(&topic)?;
    rest.wait_gone(&topic, seconds(30))?;
    rest.create(&again, &config, 1)?;
    send(&cluster.bootstrap, &topic, &orders(STEP))?;
    wait_ids(&hdfs, &topic, 2 * STEP)?;
    // Offsets against the names are refused, with what to do instead.
    rest.verb("PUT", &again, "stop")?;
    rest.wait_state(&again, "STOPPED", 0, seconds(30))?;
    let reply = rest.patient("DELETE", &format!("/connectors/{again}/offsets"), None)?;
    ensure!(
        reply.status >= 400 && reply.text.contains("move the files away"),
        "{} {}",
        reply.status,
        reply.text
    );
    rest.verb("PUT", &again, "resume")?;
    rest.wait_running(&again, 1, seconds(30))?;
    send(&cluster.bootstrap, &topic, &orders(2 * STEP))?;
    wait_ids(&hdfs, &topic, 3 * STEP)?;
    check_disjoint(&hdfs, &topic)
}
