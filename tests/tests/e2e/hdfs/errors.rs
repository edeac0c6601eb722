//! What goes wrong for good says where, what and what to do; what is wrong with a record concerns that record
//! alone.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use sluice_tests::rest::Rest;
use sluice_tests::topics::{consume_all, create_topic, produce};
use sluice_tests::wait::{seconds, wait_for};

use super::{FOLDER, send, sink, start, wait_ids};
use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "hdfs::errors::faults_say_where_and_what_to_do",
        needs: Needs::HDFS,
        run: faults,
    },
    Test {
        name: "hdfs::errors::poison_records_are_dead_letters_and_all_others_are_written",
        needs: Needs::HDFS,
        run: poison,
    },
    Test {
        name: "hdfs::errors::two_connectors_do_not_write_the_same_files",
        needs: Needs::HDFS,
        run: two_connectors,
    },
];

fn has_words(text: &str, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(text.contains(word), "{word:?} is not in {text}");
    }
    Ok(())
}

/// The worker refuses the configuration with a changed key, with all these words.
fn refused(
    rest: &Rest,
    name: &str,
    config: &Value,
    changed: (&str, &str),
    words: &[&str],
) -> Result<()> {
    let mut config = config.clone();
    config[changed.0] = changed.1.into();
    let reply = rest.patient("PUT", &format!("/connectors/{name}/config"), Some(&config))?;
    ensure!(
        reply.status == 400,
        "{changed:?}: {} {}",
        reply.status,
        reply.text
    );
    has_words(&reply.text, words)
}

fn faults(context: &Context) -> Result<()> {
    let hdfs = start()?;
    hdfs.write("/topics/file", b"x")?;
    let cluster = context.cluster("errors")?;
    let workers = cluster.start(1)?;
    let rest = workers[0].rest();
    let topic = format!("{}-in", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    let config = sink(&hdfs, &topic, &json!({}));
    let place = hdfs.place();
    let refused = |key: &str, value: &str, words: &[&str]| {
        refused(rest, &topic, &config, (key, value), words)
    };
    refused(
        "hdfs.url",
        "hdfs://no-such-host.invalid:8020",
        &[
            "no-such-host.invalid:8020",
            "hdfs.url",
            "check host and port",
        ],
    )?;
    let closed = format!("127.0.0.1:{}", sluice_tests::ports::free_port()?);
    refused(
        "hdfs.url",
        &format!("hdfs://{closed}"),
        &[&closed, "name node"],
    )?;
    refused(
        "sluice.hdfs.user",
        "eve",
        &[&place, "user=eve", "/topics/+tmp", "topics.dir"],
    )?;
    refused(
        "topics.dir",
        "/elsewhere",
        &[&place, "user=sluice", "/elsewhere"],
    )?;
    refused(
        "topics.dir",
        "/topics/file",
        &[&place, "/topics/file", "move what is in its way"],
    )?;
    refused(
        "hive.integration",
        "true",
        &["hive.integration", "Hive is not supported"],
    )?;
    refused(
        "hdfs.authentication.kerberos",
        "true",
        &["this build has no Kerberos"],
    )?;
    refused(
        "format.class",
        "io.confluent.connect.hdfs.orc.OrcFormat",
        &["OrcFormat"],
    )?;
    refused("hdfs.namenode", "x", &["hdfs.namenode is not supported"])?;

    // A right that goes while the task runs.
    rest.create(&topic, &config, 1)?;
    send(&cluster.bootstrap, &topic, &[json!({"id": 0})])?;
    hdfs.make_folder(&format!("{FOLDER}/{topic}"), "somebody", "700")?;
    let more: Vec<Value> = (1..100).map(|id| json!({"id": id})).collect();
    send(&cluster.bootstrap, &topic, &more)?;
    let trace = rest.wait_failed(&topic)?;
    has_words(
        &trace,
        &[&place, "user=sluice", &topic, "give the user the right"],
    )?;
    hdfs.delete(&format!("{FOLDER}/{topic}"))?;
    rest.verb("POST", &topic, "restart?includeTasks=true")?;
    wait_ids(&hdfs, &topic, 100)
}

fn poison(context: &Context) -> Result<()> {
    let hdfs = start()?;
    let cluster = context.cluster("poison")?;
    let workers = cluster.start(1)?;
    let rest = workers[0].rest();
    let topic = format!("{}-in", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    let mut values: Vec<Vec<u8>> = (0..20)
        .map(|id| json!({"id": id, "kind": "k"}).to_string().into_bytes())
        .collect();
    // No JSON at all; no field to make a folder of; one that cannot be one.
    values.insert(3, b"{".to_vec());
    values.insert(8, json!({"id": -1}).to_string().into_bytes());
    values.insert(9, json!({"id": -2, "kind": [1]}).to_string().into_bytes());
    let mut records: Vec<_> = values
        .iter()
        .map(|value| (None, Some(value.as_slice())))
        .collect();
    records.push((None, None));
    produce(&cluster.bootstrap, &topic, records)?;
    let keys = json!({"flush.size": "20", "partitioner.class": "FieldPartitioner", "partition.field.name": "kind"});
    let mut config = sink(&hdfs, &topic, &keys);
    rest.put_config(&topic, &config)?;
    let trace = rest.wait_failed(&topic)?;
    ensure!(trace.contains("Tolerance exceeded"), "{trace}");

    let letters = format!("{topic}-dead");
    config["errors.tolerance"] = "all".into();
    config["errors.deadletterqueue.topic.name"] = letters.clone().into();
    config["errors.deadletterqueue.topic.replication.factor"] = "1".into();
    config["errors.deadletterqueue.context.headers.enable"] = "true".into();
    rest.create(&topic, &config, 1)?;
    wait_ids(&hdfs, &topic, 20)?;
    let dead = wait_for("dead letters", seconds(60), || {
        let dead = consume_all(&cluster.bootstrap, &letters)?;
        ensure!(dead.len() >= 4, "{} dead letters", dead.len());
        Ok(Some(dead))
    })?;
    ensure!(dead.len() == 4, "{} dead letters", dead.len());
    let headers = dead.iter().flat_map(|letter| &letter.headers);
    let all: String = headers
        .filter_map(|(_, value)| Some(String::from_utf8_lossy(value.as_ref()?).into_owned()))
        .collect();
    has_words(
        &all,
        &[
            &format!("record {topic}-0@8"),
            "no field kind",
            "cannot name a folder",
        ],
    )?;
    for worker in workers {
        worker.stop()?;
    }
    Ok(())
}

fn two_connectors(context: &Context) -> Result<()> {
    let hdfs = start()?;
    let cluster = context.cluster("two")?;
    let workers = cluster.start(1)?;
    let rest = workers[0].rest();
    let topic = format!("{}-in", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    let config = sink(&hdfs, &topic, &json!({"flush.size": "10"}));
    rest.create(&topic, &config, 1)?;
    let values: Vec<Value> = (0..10).map(|id| json!({"id": id})).collect();
    send(&cluster.bootstrap, &topic, &values)?;
    wait_ids(&hdfs, &topic, 10)?;
    let other = format!("{topic}-other");
    rest.put_config(&other, &config)?;
    let trace = rest.wait_failed(&other)?;
    has_words(
        &trace,
        &[
            &hdfs.place(),
            "another connector writes it too",
            &topic,
            "topics.dir",
        ],
    )?;
    let more: Vec<Value> = (10..20).map(|id| json!({"id": id})).collect();
    send(&cluster.bootstrap, &topic, &more)?;
    wait_ids(&hdfs, &topic, 20)
}
