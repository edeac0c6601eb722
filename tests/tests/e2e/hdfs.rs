//! HDFS, and the sink that writes to it.

mod errors;
mod example;
mod faults;
mod layout;
mod once;
mod types;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::hdfs::{Hdfs, SUPERUSER};
use sluice_tests::topics::produce;
use sluice_tests::wait::{seconds, wait_for};

use crate::context::{Context, Needs, Test, merge};

/// All tests of this folder.
pub(crate) const TESTS: &[&[Test]] = &[
    SERVER,
    example::TESTS,
    types::TESTS,
    layout::TESTS,
    errors::TESTS,
    faults::TESTS,
    once::TESTS,
];

const SERVER: &[Test] = &[Test {
    name: "hdfs::the_server_keeps_its_files_when_it_is_stopped_or_crashes",
    needs: Needs::HDFS,
    run: server_keeps_files,
}];

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
/// The user that tasks write as.
const USER: &str = "sluice";
/// The folder that belongs to it.
const FOLDER: &str = "/topics";

/// A server with a folder that tasks may write.
fn start() -> Result<Hdfs> {
    let hdfs = Hdfs::start()?;
    hdfs.make_folder(FOLDER, USER, "755")?;
    Ok(hdfs)
}

/// The configuration of a sink of JSON lines, whose consumer is given up soon after its agent was killed.
fn sink(hdfs: &Hdfs, topics: &str, more: &Value) -> Value {
    let mut config = json!({
        "connector.class": "io.confluent.connect.hdfs.HdfsSinkConnector",
        "tasks.max": "1",
        "topics": topics,
        "hdfs.url": hdfs.url(),
        "topics.dir": FOLDER,
        "sluice.hdfs.user": USER,
        "format.class": "io.confluent.connect.hdfs.json.JsonFormat",
        "flush.size": "100",
        "retry.backoff.ms": "300",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": JSON,
        "value.converter.schemas.enable": "false",
        "consumer.override.session.timeout.ms": "6000",
        "consumer.override.heartbeat.interval.ms": "500",
    });
    merge(&mut config, more);
    config
}

/// Sends values without keys, which spread over partitions.
fn send(bootstrap: &str, topic: &str, values: &[Value]) -> Result<()> {
    let texts: Vec<String> = values.iter().map(Value::to_string).collect();
    let keys: Vec<String> = (0..texts.len()).map(|index| format!("k{index}")).collect();
    produce(
        bootstrap,
        topic,
        keys.iter()
            .zip(&texts)
            .map(|(key, text)| (Some(key.as_bytes()), Some(text.as_bytes()))),
    )
}

/// Finished files of a topic, by path.
fn files(hdfs: &Hdfs, topic: &str) -> Result<Vec<String>> {
    hdfs.files(&format!("{FOLDER}/{topic}"))
}

/// Lines of all files of a topic, as JSON.
fn lines(hdfs: &Hdfs, topic: &str) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for path in files(hdfs, topic)? {
        let bytes = hdfs.read(&path)?;
        for line in String::from_utf8(bytes)?.lines() {
            all.push(serde_json::from_str(line).with_context(|| format!("{path}: {line:?}"))?);
        }
    }
    Ok(all)
}

/// Waits until the files of a topic hold each of these ids exactly once.
fn wait_ids(hdfs: &Hdfs, topic: &str, count: i64) -> Result<()> {
    wait_for(&format!("{count} records in files"), seconds(120), || {
        let mut found: Vec<i64> = lines(hdfs, topic)?
            .iter()
            .map(|line| line["id"].as_i64().context("a line without id"))
            .collect::<Result<_>>()?;
        found.sort_unstable();
        let all: Vec<i64> = (0..count).collect();
        ensure!(
            found == all,
            "{} lines, of them {} distinct; expected {count}",
            found.len(),
            found
                .iter()
                .collect::<std::collections::BTreeSet<_>>()
                .len()
        );
        Ok(Some(()))
    })
}

/// First and last offsets of files, by folder and partition.
type Ranges = BTreeMap<(String, i32), Vec<(i64, i64)>>;

/// Offsets in the names of a topic's files, in order.
fn ranges(hdfs: &Hdfs, topic: &str) -> Result<Ranges> {
    let mut all = Ranges::new();
    for path in files(hdfs, topic)? {
        let (folder, name) = path.rsplit_once('/').context("a path")?;
        let parts: Vec<&str> = name.split(['+', '.']).collect();
        let number = |place: usize| -> Result<i64> {
            let text = parts.get(place).with_context(|| name.to_owned())?;
            text.parse().with_context(|| name.to_owned())
        };
        let partition = i32::try_from(number(1)?)?;
        let range = (number(2)?, number(3)?);
        all.entry((folder.to_owned(), partition))
            .or_default()
            .push(range);
    }
    for list in all.values_mut() {
        list.sort_unstable();
    }
    Ok(all)
}

/// No two files of a folder hold the same offset.
fn check_disjoint(hdfs: &Hdfs, topic: &str) -> Result<()> {
    for (place, list) in ranges(hdfs, topic)? {
        for pair in list.windows(2) {
            ensure!(pair[0].1 < pair[1].0, "{place:?}: {pair:?}");
        }
    }
    Ok(())
}

fn server_keeps_files(_: &Context) -> Result<()> {
    let mut hdfs = Hdfs::start()?;
    hdfs.make_folder("/topics", "sluice", "750")?;
    let path = "/topics/a b/p=1/t+0+0000000000+0000000002.avro";
    hdfs.write(path, b"one")?;
    let folder = hdfs.list("/")?;
    let folder = folder.first().context("no folder")?;
    assert!(folder.is_folder, "{folder:?}");
    assert_eq!(
        (folder.owner.as_str(), folder.permission.as_str()),
        ("sluice", "750")
    );

    hdfs.stop()?;
    hdfs.restart()?;
    assert_eq!(hdfs.files("/")?, [path]);
    assert_eq!(hdfs.read(path)?, b"one");
    hdfs.write("/topics/two", b"two")?;

    hdfs.crash()?;
    hdfs.restart()?;
    assert_eq!(hdfs.read("/topics/two")?, b"two");
    let listed = hdfs.list("/topics")?;
    let two = listed.last().context("no file")?;
    assert_eq!((two.length, two.owner.as_str()), (3, SUPERUSER));

    hdfs.process()?.freeze()?;
    hdfs.process()?.thaw()?;
    hdfs.delete("/topics")?;
    assert_eq!(hdfs.files("/topics")?, Vec::<String>::new());
    Ok(())
}
