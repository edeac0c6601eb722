//! Files through Kafka into files, on a cluster of three workers: without faults nothing is lost or repeated,
//! with faults nothing is lost.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sluice_tests::kafka::Kafka;
use sluice_tests::pipeline::Pipeline;
use sluice_tests::rest::Rest;
use sluice_tests::wait::{seconds, wait_for, wait_until};
use sluice_tests::worker::Worker;

use crate::context::{Cluster, Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "delivery::a_million_lines_arrive_once_on_three_agents",
        needs: Needs::NOTHING,
        run: a_million_lines,
    },
    Test {
        name: "delivery::an_agent_killed_in_the_middle_loses_nothing",
        needs: Needs::EMBEDDED,
        run: killed_agent,
    },
    Test {
        name: "delivery::an_agent_frozen_past_its_session_loses_nothing",
        needs: Needs::NOTHING,
        run: frozen_agent,
    },
    Test {
        name: "delivery::a_broker_gone_for_twenty_seconds_loses_nothing_and_all_runs_again",
        needs: Needs::NOTHING,
        run: stopped_broker,
    },
];

fn a_million_lines(context: &Context) -> Result<()> {
    const LINES: u64 = 100_000;
    let cluster = context.cluster("million")?;
    let workers = cluster.start(3)?;
    let rest = workers[0].rest();
    let mut pipelines = pipelines(&cluster, 10);
    for pipeline in &mut pipelines {
        pipeline.add_lines(LINES)?;
        pipeline.create(rest)?;
    }
    for pipeline in &pipelines {
        pipeline.wait_running(rest, seconds(120))?;
    }
    for pipeline in &pipelines {
        pipeline.wait_count(seconds(180))?;
    }
    spread_evenly(&pipelines, rest, 3)?;
    // What would arrive twice comes with the commits and stops that are still to come.
    for worker in workers {
        worker.stop()?;
    }
    let mut lines = 0;
    for pipeline in &pipelines {
        let delivery = pipeline.delivery()?;
        delivery
            .none_lost_or_repeated()
            .context(pipeline.name.clone())?;
        lines += delivery.sent;
    }
    ensure!(lines == 10 * LINES, "{lines} lines");
    Ok(())
}

fn killed_agent(context: &Context) -> Result<()> {
    let cluster = context.cluster("killed")?;
    let mut workers = cluster.start(3)?;
    let mut pipelines = running_pipelines(&cluster, 4, &workers)?;
    write_some(&mut pipelines, 20)?;
    wait_flow(&pipelines)?;
    let victim = workers.pop().context("three workers")?;
    let killed = victim.worker_id();
    victim.kill()?;
    write_some(&mut pipelines, 20)?;
    recovered(&pipelines, workers[0].rest(), Some(&killed))
}

fn frozen_agent(context: &Context) -> Result<()> {
    let cluster = context.cluster("frozen")?;
    let mut workers = cluster.start(3)?;
    let mut pipelines = running_pipelines(&cluster, 4, &workers)?;
    write_some(&mut pipelines, 10)?;
    wait_flow(&pipelines)?;
    let mut frozen = workers.pop().context("three workers")?;
    frozen.process().freeze()?;
    write_some(&mut pipelines, 10)?;
    recovered(&pipelines, workers[0].rest(), Some(&frozen.worker_id()))?;
    // It wakes up, finds its place taken, and joins again like a new member.
    frozen.process().thaw()?;
    write_some(&mut pipelines, 10)?;
    wait_until("work on the worker that came back", seconds(60), || {
        on_worker(&pipelines, workers[0].rest(), &frozen.worker_id())
    })?;
    recovered(&pipelines, workers[0].rest(), None)
}

fn stopped_broker(context: &Context) -> Result<()> {
    let mut kafka = Kafka::start(&context.servers)?;
    let cluster = context.cluster_on("brokerless", &kafka.bootstrap())?;
    let mut workers = cluster.start(3)?;
    let mut pipelines = running_pipelines(&cluster, 4, &workers)?;
    write_some(&mut pipelines, 20)?;
    wait_flow(&pipelines)?;
    kafka.stop()?;
    write_some(&mut pipelines, 10)?;
    // The outage is what is tested, so its length is not a condition to wait for.
    std::thread::sleep(seconds(20));
    kafka.restart()?;
    write_some(&mut pipelines, 10)?;
    recovered(&pipelines, workers[0].rest(), None)?;
    for worker in &mut workers {
        worker.wait_healthy(seconds(60))?;
    }
    drop(workers);
    Ok(())
}

fn pipelines(cluster: &Cluster<'_>, count: usize) -> Vec<Pipeline> {
    (0..count)
        .map(|n| Pipeline::new(&cluster.folder, &cluster.name, &format!("pipe{n}")))
        .collect()
}

/// Pipelines that run and have moved their first lines.
fn running_pipelines(
    cluster: &Cluster<'_>,
    count: usize,
    workers: &[Worker],
) -> Result<Vec<Pipeline>> {
    let rest = workers.first().context("no workers")?.rest();
    let mut pipelines = pipelines(cluster, count);
    for pipeline in &mut pipelines {
        pipeline.add_lines(1000)?;
        pipeline.create(rest)?;
    }
    for pipeline in &pipelines {
        pipeline.wait_running(rest, seconds(120))?;
        pipeline.wait_count(seconds(60))?;
    }
    spread_evenly(&pipelines, rest, workers.len())?;
    Ok(pipelines)
}

/// Writes lines at the pace of a busy log, so that a fault meets work under way.
fn write_some(pipelines: &mut [Pipeline], rounds: u32) -> Result<()> {
    for _ in 0..rounds {
        for pipeline in &mut *pipelines {
            pipeline.add_lines(500)?;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn wait_flow(pipelines: &[Pipeline]) -> Result<()> {
    for pipeline in pipelines {
        let before = pipeline.arrived()?;
        wait_until("lines on their way", seconds(30), || {
            Ok(before > 1000 || pipeline.arrived()? > before)
        })?;
    }
    Ok(())
}

/// Everything is RUNNING again, not on `gone`, and every line has arrived.
fn recovered(pipelines: &[Pipeline], rest: &Rest, gone: Option<&str>) -> Result<()> {
    for pipeline in pipelines {
        for connector in pipeline.connectors() {
            wait_for(&format!("{connector} to run again"), seconds(120), || {
                let states = rest.wait_running(&connector, 1, Duration::ZERO)?;
                let stale = gone.is_some_and(|gone| states.workers().any(|id| id == gone));
                ensure!(!stale, "still said to be on {gone:?}: {}", states.text());
                Ok(Some(()))
            })?;
        }
    }
    for pipeline in pipelines {
        // A consumer that could not say goodbye stays a member of its group for its session, 45 s by default,
        // and each of several rebalances may leave one behind.
        pipeline.wait_none_lost(seconds(180))?;
    }
    Ok(())
}

fn on_worker(pipelines: &[Pipeline], rest: &Rest, worker_id: &str) -> Result<bool> {
    for pipeline in pipelines {
        for connector in pipeline.connectors() {
            let states = rest.states(&connector)?;
            if states.is_some_and(|states| states.workers().any(|id| id == worker_id)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Connectors and tasks are each spread over the workers within one of each other.
fn spread_evenly(pipelines: &[Pipeline], rest: &Rest, workers: usize) -> Result<()> {
    wait_until("an even spread over the workers", seconds(60), || {
        let mut connectors = std::collections::BTreeMap::<String, usize>::new();
        let mut tasks = connectors.clone();
        for connector in pipelines.iter().flat_map(Pipeline::connectors) {
            let states = rest.states(&connector)?.context("no status")?;
            *connectors.entry(states.connector.worker_id).or_default() += 1;
            for task in states.tasks {
                *tasks.entry(task.worker_id).or_default() += 1;
            }
        }
        for counts in [&connectors, &tasks] {
            let (least, most) = (counts.values().min(), counts.values().max());
            let even = least
                .zip(most)
                .is_some_and(|(least, most)| most - least <= 1);
            ensure!(
                even && counts.len() == workers.min(2 * pipelines.len()),
                "connectors {connectors:?}, tasks {tasks:?}"
            );
        }
        Ok(true)
    })
}
