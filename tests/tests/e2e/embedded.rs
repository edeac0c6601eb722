//! A worker with the broker in its own process: `bootstrap.servers=embedded:DIR`.

use anyhow::{Result, ensure};
use sluice_tests::pipeline::Pipeline;
use sluice_tests::wait::seconds;
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
