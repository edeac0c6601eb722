//! Agents in the place of JVM workers and beside them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::pipeline::Pipeline;
use sluice_tests::rest::Rest;
use sluice_tests::topics::consume_all;
use sluice_tests::wait::{seconds, wait_until};
use sluice_tests::worker::{Kind, Worker};

use crate::context::{Cluster, Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "takeover::an_agent_takes_the_place_of_a_jvm_worker_and_gives_it_back",
        needs: Needs::JAVA,
        run: there_and_back,
    },
    Test {
        name: "takeover::a_jvm_worker_and_two_agents_share_work_and_survive_each_other_leaving",
        needs: Needs::JAVA,
        run: mixed_group,
    },
    Test {
        name: "takeover::calls_reach_leader_and_owner_through_any_worker_of_a_mixed_group",
        needs: Needs::JAVA,
        run: forwarding,
    },
];

const LINES: u64 = 2_000;

fn there_and_back(context: &Context) -> Result<()> {
    let cluster = context.cluster("takeover")?;
    let properties = cluster.properties()?;
    let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
    let mut before: Option<BTreeMap<String, Value>> = None;
    for (turn, kind) in [Kind::Jvm, Kind::Agent, Kind::Jvm].into_iter().enumerate() {
        // Lines that came while no worker was there, too.
        pipeline.add_lines(LINES)?;
        let worker = cluster.worker(kind, &properties)?;
        let rest = worker.rest();
        if turn == 0 {
            pipeline.create(rest)?;
            for state in ["paused", "stopped"] {
                let body = json!({
                    "name": format!("{}-{state}", cluster.name),
                    "initial_state": state,
                    "config": pipeline.source_config(),
                });
                rest.patient("POST", "/connectors", Some(&body))?
                    .success()?;
            }
        }
        pipeline.wait_running(rest, seconds(60))?;
        rest.wait_state(
            &format!("{}-paused", cluster.name),
            "PAUSED",
            0,
            seconds(30),
        )?;
        rest.wait_state(
            &format!("{}-stopped", cluster.name),
            "STOPPED",
            0,
            seconds(30),
        )?;
        pipeline.add_lines(LINES)?;
        pipeline.wait_count(seconds(60))?;
        for connector in pipeline.connectors() {
            let states = rest.wait_running(&connector, 1, seconds(5))?;
            ensure!(
                states.workers().all(|id| id == worker.worker_id()),
                "turn {turn}: {}",
                states.text()
            );
        }
        // What each sees of the other's configs is the same.
        let configs = configs(rest)?;
        if let Some(before) = &before {
            ensure!(*before == configs, "configs {before:?} became {configs:?}");
        }
        before = Some(configs);
        worker.stop()?;
        pipeline
            .delivery()?
            .none_lost_or_repeated()
            .with_context(|| format!("turn {turn}"))?;
        left_in_good_order(&cluster, &pipeline, turn)?;
    }
    Ok(())
}

/// After a graceful stop, the status topic says UNASSIGNED of everything that ran.
fn left_in_good_order(cluster: &Cluster<'_>, pipeline: &Pipeline, turn: usize) -> Result<()> {
    let mut last = BTreeMap::new();
    for record in consume_all(&cluster.bootstrap, &format!("{}-status", cluster.name))? {
        let key = String::from_utf8(record.key.unwrap_or_default())?;
        last.insert(key, record.value);
    }
    let parts = pipeline.connectors().map(|connector| {
        [
            format!("status-connector-{connector}"),
            format!("status-task-{connector}-0"),
        ]
    });
    for part in parts.as_flattened() {
        let value = last.get(part).and_then(Option::as_ref);
        let value = value.with_context(|| format!("turn {turn}: no record {part}"))?;
        let value: Value = serde_json::from_slice(value)?;
        ensure!(
            value["state"] == "UNASSIGNED",
            "turn {turn}: {part} is {value}"
        );
    }
    Ok(())
}

fn configs(rest: &Rest) -> Result<BTreeMap<String, Value>> {
    let names: Vec<String> = serde_json::from_value(rest.get("/connectors")?.json()?)?;
    names
        .into_iter()
        .map(|name| {
            let config = rest.get(&format!("/connectors/{name}/config"))?;
            Ok((name, config.success()?.json()?))
        })
        .collect()
}

fn mixed_group(context: &Context) -> Result<()> {
    let cluster = context.cluster("mixed")?;
    // The first to come leads, so that is the JVM worker.
    let mut group = Vec::new();
    for kind in [Kind::Jvm, Kind::Agent, Kind::Agent] {
        group.push(cluster.worker(kind, &cluster.properties()?)?);
    }
    let mut pipelines: Vec<Pipeline> = (0..4)
        .map(|n| Pipeline::new(&cluster.folder, &cluster.name, &format!("pipe{n}")))
        .collect();
    for pipeline in &mut pipelines {
        pipeline.add_lines(LINES)?;
        pipeline.create(group[0].rest())?;
    }
    shared_by(&pipelines, &group)?;
    // Each leaves in turn and comes back. The JVM worker leads at first; when it has left, an agent does,
    // whichever of the two it is: so agents leave both as followers and as leaders.
    for leaving in [1, 0, 1, 2, 0] {
        let worker = group.remove(leaving);
        let (kind, properties) = (worker.kind(), worker.properties().clone());
        worker.stop()?;
        for pipeline in &mut pipelines {
            pipeline.add_lines(LINES)?;
        }
        shared_by(&pipelines, &group).with_context(|| format!("{kind:?} {leaving} has left"))?;
        group.insert(leaving, cluster.worker(kind, &properties)?);
        for pipeline in &mut pipelines {
            pipeline.add_lines(LINES)?;
        }
        shared_by(&pipelines, &group).with_context(|| format!("{kind:?} {leaving} is back"))?;
    }
    for worker in group {
        worker.stop()?;
    }
    for pipeline in &pipelines {
        pipeline
            .delivery()?
            .none_lost_or_repeated()
            .context(pipeline.name.clone())?;
    }
    Ok(())
}

/// Everything runs, on all workers of the group and on no other, every worker says so, and all lines arrive.
fn shared_by(pipelines: &[Pipeline], group: &[Worker]) -> Result<()> {
    let ids: BTreeSet<String> = group.iter().map(Worker::worker_id).collect();
    for observer in group {
        wait_until("work on every worker", seconds(60), || {
            let mut seen = BTreeSet::new();
            for connector in pipelines.iter().flat_map(Pipeline::connectors) {
                let states = observer.rest().states(&connector)?.context("no status")?;
                ensure!(
                    states.tasks.len() == 1
                        && states.connector.state == "RUNNING"
                        && states.tasks.iter().all(|task| task.state == "RUNNING"),
                    "{:?} says {connector}: {}",
                    observer.kind(),
                    states.text()
                );
                seen.extend(states.workers().map(str::to_owned));
            }
            ensure!(seen == ids, "work is on {seen:?}, the group is {ids:?}");
            Ok(true)
        })?;
    }
    for pipeline in pipelines {
        pipeline.wait_count(seconds(60))?;
    }
    Ok(())
}

fn forwarding(context: &Context) -> Result<()> {
    let cluster = context.cluster("forward")?;
    let mut group = Vec::new();
    for kind in [Kind::Agent, Kind::Jvm, Kind::Agent] {
        group.push(cluster.worker(kind, &cluster.properties()?)?);
    }
    let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
    pipeline.add_lines(10)?;
    for (turn, worker) in group.iter().enumerate() {
        let rest = worker.rest();
        let who = || format!("through {:?} {turn}", worker.kind());
        let created = rest
            .patient(
                "PUT",
                &format!("/connectors/{}/config", pipeline.source()),
                Some(&pipeline.source_config()),
            )?
            .success()
            .with_context(who)?;
        ensure!(created.status == 201, "{}: {}", who(), created.status);
        rest.put_config(&pipeline.sink(), &pipeline.sink_config())
            .with_context(who)?;
        pipeline.wait_running(rest, seconds(60)).with_context(who)?;
        for connector in pipeline.connectors() {
            rest.verb("POST", &connector, "restart").with_context(who)?;
            rest.verb("POST", &connector, "tasks/0/restart")
                .with_context(who)?;
            rest.verb("POST", &connector, "restart?includeTasks=true")
                .with_context(who)?;
            rest.wait_running(&connector, 1, seconds(60))
                .with_context(who)?;
            rest.verb("PUT", &connector, "pause").with_context(who)?;
            rest.wait_state(&connector, "PAUSED", 1, seconds(60))
                .with_context(who)?;
            rest.verb("PUT", &connector, "resume").with_context(who)?;
            rest.wait_running(&connector, 1, seconds(60))
                .with_context(who)?;
            rest.verb("PUT", &connector, "stop").with_context(who)?;
            rest.wait_state(&connector, "STOPPED", 0, seconds(60))
                .with_context(who)?;
            let offsets = format!("/connectors/{connector}/offsets");
            // A sink's group may still have members right after the stop; the worker says to try again.
            wait_until("offsets to be reset", seconds(30), || {
                rest.patient("DELETE", &offsets, None)?.success()?;
                Ok(true)
            })
            .with_context(who)?;
            ensure!(
                rest.offsets(&connector)?.is_empty(),
                "{}: offsets remain",
                who()
            );
            rest.delete(&connector).with_context(who)?;
        }
        for other in &group {
            for connector in pipeline.connectors() {
                other
                    .rest()
                    .wait_gone(&connector, seconds(30))
                    .with_context(who)?;
            }
        }
    }
    Ok(())
}
