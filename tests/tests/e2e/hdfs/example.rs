//! The configuration of the connector's own page.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::servers::tests_folder;
use sluice_tests::topics::create_topic;

use super::{FOLDER, USER, files, send, start, wait_ids};
use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[Test {
    name: "hdfs::example::the_configuration_of_the_page_runs",
    needs: Needs::HDFS,
    run: page,
}];

fn example() -> Result<Value> {
    let page = tests_folder().join("../agent/connectors/hdfs/README.md");
    let page = std::fs::read_to_string(page)?;
    let text = page
        .split_once("```json\n")
        .and_then(|(_, rest)| rest.split_once("```"))
        .context("no example")?
        .0;
    Ok(serde_json::from_str(text)?)
}

fn page(context: &Context) -> Result<()> {
    let hdfs = start()?;
    let cluster = context.cluster("page")?;
    let workers = cluster.start(1)?;
    let topic = format!("{}-orders", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    let mut config = example()?;
    config["hdfs.url"] = hdfs.url().into();
    config["topics.dir"] = FOLDER.into();
    config["sluice.hdfs.user"] = USER.into();
    // Tests share a broker.
    config["topics"] = topic.clone().into();
    workers[0].rest().create(&topic, &config, 2)?;
    let flush: i64 = config["flush.size"]
        .as_str()
        .context("flush.size")?
        .parse()?;
    let orders: Vec<Value> = (0..flush).map(|id| json!({"id": id})).collect();
    send(&cluster.bootstrap, &topic, &orders)?;
    wait_ids(&hdfs, &topic, flush)?;
    let paths = files(&hdfs, &topic)?;
    ensure!(
        paths.iter().all(|path| path.contains("/year=")),
        "{paths:?}"
    );
    Ok(())
}
