//! A worker with the broker in its own process: `bootstrap.servers=embedded:DIR`.

use anyhow::Result;
use sluice_tests::pipeline::Pipeline;
use sluice_tests::wait::seconds;
use sluice_tests::worker::Kind;

use crate::context::{Context, Test};

pub(crate) const TESTS: &[Test] = &[Test {
    name: "embedded::a_worker_and_its_broker_in_one_process_go_on_after_a_restart",
    run: restart,
}];

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
        pipeline.wait_count(seconds(60))?;
        // In order, and then as if the power of the process had gone.
        if turn == 0 {
            worker.process().terminate(seconds(30))?;
        } else {
            worker.process().kill()?;
        }
    }
    pipeline.delivery()?.none_lost()
}
