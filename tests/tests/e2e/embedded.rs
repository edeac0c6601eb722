//! A worker with the broker in its own process: `bootstrap.servers=embedded:DIR`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use sluice_tests::pipeline::Pipeline;
use sluice_tests::wait::{seconds, wait_for};
use sluice_tests::worker::Kind;

use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "embedded::a_worker_and_its_broker_in_one_process_go_on_after_a_restart",
        needs: Needs::EMBEDDED,
        run: restart,
    },
    Test {
        name: "embedded::a_worker_with_default_properties_has_topics_of_one_copy",
        needs: Needs::EMBEDDED,
        run: default_properties,
    },
    Test {
        name: "embedded::a_worker_that_asks_for_several_copies_is_told_that_there_is_one_node",
        needs: Needs::EMBEDDED,
        run: several_copies,
    },
    Test {
        name: "embedded::metrics_are_families_with_help_and_type_about_all_that_runs",
        needs: Needs::EMBEDDED,
        run: metrics,
    },
];

const REPLICATION: [&str; 3] = [
    "config.storage.replication.factor",
    "offset.storage.replication.factor",
    "status.storage.replication.factor",
];

fn restart(context: &Context) -> Result<()> {
    const LINES: u64 = 2_000;
    let data = context.folder(&context.unique("embedded-data"))?;
    let cluster = context.cluster_on("embedded", &format!("embedded:{}", data.display()))?;
    let properties = cluster.properties()?;
    let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
    for turn in 0..3 {
        pipeline.add_lines(LINES)?;
        let mut worker = cluster.worker(Kind::Agent, &properties)?;
        if turn == 0 {
            pipeline.create(worker.rest())?;
        }
        pipeline.wait_running(worker.rest(), seconds(60))?;
        // Lines whose offsets were not committed come again.
        pipeline.wait_none_lost(seconds(60))?;
        // In order, and then as if the power of the process had gone.
        if turn == 0 {
            worker.process().terminate(seconds(30))?;
        } else {
            worker.process().kill()?;
        }
    }
    Ok(())
}

fn default_properties(context: &Context) -> Result<()> {
    let data = context.folder(&context.unique("embedded-data"))?;
    let cluster = context.cluster_on("defaults", &format!("embedded:{}", data.display()))?;
    let mut properties = cluster.properties()?;
    for key in REPLICATION {
        properties = properties.without(key);
    }
    let worker = cluster.worker(Kind::Agent, &properties)?;
    let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
    pipeline.add_lines(100)?;
    pipeline.create(worker.rest())?;
    pipeline.wait_none_lost(seconds(60))?;
    worker.stop()
}

fn several_copies(context: &Context) -> Result<()> {
    let data = context.folder(&context.unique("embedded-data"))?;
    let cluster = context.cluster_on("copies", &format!("embedded:{}", data.display()))?;
    for key in REPLICATION {
        let properties = cluster.properties()?.with(key, "3");
        let mut worker = cluster.launch(Kind::Agent, &properties)?;
        let status = worker.process().wait_exit(seconds(30))?;
        let told = worker.process().output();
        ensure!(status.code() == Some(2), "{status}\n{told}");
        ensure!(
            told.contains(&format!("invalid value 3 for configuration {key}"))
                && told.contains("one node"),
            "{told}"
        );
    }
    Ok(())
}

/// The families of an answer of `/metrics` by their names, each with its samples.
fn families(text: &str) -> Result<BTreeMap<&str, Vec<&str>>> {
    let mut families = BTreeMap::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let help = line
            .strip_prefix("# HELP ")
            .with_context(|| format!("no help: {line}"))?;
        let (name, _) = help
            .split_once(' ')
            .with_context(|| format!("an empty help: {line}"))?;
        let kind = lines.next().unwrap_or_default();
        let kinds = ["counter", "gauge"].map(|kind| format!("# TYPE {name} {kind}"));
        ensure!(
            kinds.iter().any(|one| one == kind),
            "after {line} stands {kind}"
        );
        let mut samples = Vec::new();
        while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
            ensure!(
                sample.split(['{', ' ']).next() == Some(name),
                "{sample} stands in {name}"
            );
            samples.push(sample);
        }
        ensure!(!samples.is_empty(), "{name} has no sample");
        ensure!(
            families.insert(name, samples).is_none(),
            "{name} stands twice"
        );
    }
    Ok(families)
}

fn metrics(context: &Context) -> Result<()> {
    const LINES: u64 = 500;
    let data = context.folder(&context.unique("embedded-data"))?;
    let cluster = context.cluster_on("metrics", &format!("embedded:{}", data.display()))?;
    let worker = cluster.worker(Kind::Agent, &cluster.properties()?)?;
    let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
    pipeline.add_lines(LINES)?;
    pipeline.create(worker.rest())?;
    pipeline.wait_none_lost(seconds(60))?;
    let [source, sink] = pipeline.connectors();
    let file = "org.apache.kafka.connect.file.FileStream";
    let expected = [
        "kafka_connect_worker_connector_count 2".to_owned(),
        "kafka_connect_coordinator_assigned_tasks 2".to_owned(),
        "kafka_connect_worker_rebalance_rebalancing 0".to_owned(),
        "kafka_connect_worker_rebalance_connect_protocol{connect_protocol=\"sessioned\"} 1"
            .to_owned(),
        format!("kafka_connect_connector_status{{connector=\"{source}\",status=\"running\"}} 1"),
        format!(
            "kafka_connect_connector_connector_type{{connector=\"{sink}\",connector_type=\"sink\"}} 1"
        ),
        format!(
            "kafka_connect_connector_connector_class{{connector=\"{sink}\",connector_class=\"{file}SinkConnector\"}} 1"
        ),
        format!(
            "kafka_connect_connector_task_status{{connector=\"{sink}\",task=\"0\",status=\"running\"}} 1"
        ),
        format!(
            "kafka_connect_source_task_source_record_poll_total{{connector=\"{source}\",task=\"0\"}} {LINES}"
        ),
        format!(
            "kafka_connect_sink_task_sink_record_read_total{{connector=\"{sink}\",task=\"0\"}} {LINES}"
        ),
        format!(
            "kafka_connect_task_error_total_record_errors{{connector=\"{sink}\",task=\"0\"}} 0"
        ),
        format!("kafka_connect_worker_connector_running_task_count{{connector=\"{source}\"}} 1"),
    ];
    wait_for("all of it in /metrics", seconds(30), || {
        let answer = worker.rest().get("/metrics")?.success()?;
        let families = families(&answer.text)?;
        let missing = |line: &&String| !families.values().flatten().any(|sample| sample == line);
        match expected.iter().find(missing) {
            None => Ok(Some(())),
            Some(line) => bail!("no {line} in\n{}", answer.text),
        }
    })?;
    worker.stop()
}
