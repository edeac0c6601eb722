//! The Kafka clients of the worker and of its connectors: records that Kafka does not take, settings at and
//! beyond their limits, servers that are not there, and whom passwords are sent to.

use std::io::Read as _;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::corpus::CorpusRecord;
use sluice_tests::rest::Rest;
use sluice_tests::topics::{consume_all, create_topic, create_topic_with, produce, produce_corpus};
use sluice_tests::wait::{seconds, wait_until};
use sluice_tests::worker::Worker;

use crate::context::{Cluster, Context, Needs, Test, merge, tested_kind};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "kafka_clients::an_exactly_once_source_fails_at_a_record_that_is_too_large_and_commits_nothing",
        needs: Needs::NOTHING,
        run: too_large_exactly_once,
    },
    Test {
        name: "kafka_clients::records_up_to_javas_limit_pass_as_records_and_as_dead_letters",
        needs: Needs::NOTHING,
        run: large_records,
    },
    Test {
        name: "kafka_clients::a_dead_letter_that_cannot_be_written_stops_the_offset",
        needs: Needs::NOTHING,
        run: lost_dead_letter,
    },
    Test {
        name: "kafka_clients::a_record_that_the_broker_refuses_stops_the_offset",
        needs: Needs::NOTHING,
        run: refused_by_the_broker,
    },
    Test {
        name: "kafka_clients::a_connector_with_a_bad_client_setting_fails_alone_and_says_why",
        needs: Needs::NOTHING,
        run: bad_settings,
    },
    Test {
        name: "kafka_clients::settings_that_kafka_takes_are_taken",
        needs: Needs::NOTHING,
        run: good_settings,
    },
    Test {
        name: "kafka_clients::a_consumer_begins_by_duration",
        needs: Needs::NOTHING,
        run: by_duration,
    },
    Test {
        name: "kafka_clients::the_workers_settings_stay_with_the_worker",
        needs: Needs::NOTHING,
        run: foreign_servers,
    },
    Test {
        name: "kafka_clients::a_worker_without_kafka_says_so_at_once",
        needs: Needs::NOTHING,
        run: no_kafka,
    },
];

fn produce_values(bootstrap: &str, topic: &str, values: &[&str]) -> Result<()> {
    let records = values.iter().map(|value| (None, Some(value.as_bytes())));
    produce(bootstrap, topic, records)
}

fn line(size: usize) -> String {
    "x".repeat(size)
}

/// A source of three lines, the second of a given size.
fn three_lines(
    cluster: &Cluster<'_>,
    second: usize,
    more: &Value,
) -> Result<(String, String, Value)> {
    let topic = format!("{}-lines", cluster.name);
    let file = cluster.folder.join("in.txt");
    std::fs::write(&file, format!("first\n{}\nthird\n", line(second)))?;
    let mut config = json!({
        "connector.class": "FileStreamSource",
        "tasks.max": "1",
        "file": file,
        "topic": topic,
    });
    merge(&mut config, more);
    Ok((format!("{}-source", cluster.name), topic, config))
}

/// Sizes of the values that a reader of committed records sees.
fn sizes(cluster: &Cluster<'_>, topic: &str) -> Result<Vec<usize>> {
    let records = consume_all(&cluster.bootstrap, topic)?;
    Ok(records
        .iter()
        .map(|record| record.value.as_ref().map_or(0, Vec::len))
        .collect())
}

fn rest(workers: &[Worker]) -> Result<&Rest> {
    Ok(workers.first().context("no worker")?.rest())
}

fn too_large_exactly_once(context: &Context) -> Result<()> {
    let cluster = context.cluster("too-large")?;
    let properties = cluster
        .properties()?
        .with("exactly.once.source.support", "enabled");
    let worker = cluster.worker(tested_kind(), &properties)?;
    let tolerant = json!({"errors.tolerance": "all"});
    let (name, topic, config) = three_lines(&cluster, 2_000_000, &tolerant)?;
    create_topic(&cluster.bootstrap, &topic, 1)?;
    worker.rest().put_config(&name, &config)?;
    let trace = worker.rest().wait_failed(&name)?;
    ensure!(
        trace.contains("Failed to flush offsets and/or records for task"),
        "{trace}"
    );
    ensure!(trace.contains("max.request.size"), "{trace}");
    ensure!(
        sizes(&cluster, &topic)?.is_empty(),
        "something was committed"
    );
    ensure!(
        worker.rest().offsets(&name)?.is_empty(),
        "an offset was committed"
    );
    // Without it all arrives, once.
    std::fs::write(cluster.folder.join("in.txt"), "first\nsecond\nthird\n")?;
    let mut config = config;
    merge(&mut config, &json!({"errors.tolerance": "none"}));
    worker.rest().put_config(&name, &config)?;
    wait_until("all lines to be there", seconds(60), || {
        Ok(sizes(&cluster, &topic)? == [5, 6, 5])
    })
}

fn large_records(context: &Context) -> Result<()> {
    let cluster = context.cluster("large")?;
    let workers = cluster.start(1)?;
    let (name, topic, config) = three_lines(&cluster, 1_020_000, &json!({}))?;
    create_topic(&cluster.bootstrap, &topic, 1)?;
    rest(&workers)?.put_config(&name, &config)?;
    wait_until("the lines to be there", seconds(60), || {
        Ok(sizes(&cluster, &topic)? == [5, 1_020_000, 5])
    })?;
    // None of them is JSON.
    let dead = format!("{}-dead", cluster.name);
    let sink = json!({
        "connector.class": "FileStreamSink",
        "tasks.max": "1",
        "topics": topic,
        "file": cluster.folder.join("out.txt"),
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": dead,
        "errors.deadletterqueue.topic.replication.factor": "1",
    });
    rest(&workers)?.put_config(&format!("{}-sink", cluster.name), &sink)?;
    wait_until("the dead letters in their order", seconds(60), || {
        Ok(sizes(&cluster, &dead).unwrap_or_default() == [5, 1_020_000, 5])
    })
}

fn lost_dead_letter(context: &Context) -> Result<()> {
    let cluster = context.cluster("lost-letter")?;
    let workers = cluster.start(1)?;
    let topic = format!("{}-in", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    let long = line(20_000);
    produce_values(&cluster.bootstrap, &topic, &["short", &long, "short"])?;
    let name = format!("{}-sink", cluster.name);
    let config = json!({
        "connector.class": "FileStreamSink",
        "tasks.max": "1",
        "topics": topic,
        "file": cluster.folder.join("out.txt"),
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": format!("{}-dead", cluster.name),
        "errors.deadletterqueue.topic.replication.factor": "1",
        "producer.override.max.request.size": "2000",
    });
    let rest = rest(&workers)?;
    rest.put_config(&name, &config)?;
    let trace = rest.wait_failed(&name)?;
    ensure!(
        trace.contains("Could not produce message to dead letter queue"),
        "{trace}"
    );
    let offsets = rest.offsets(&name)?;
    ensure!(offsets.is_empty(), "passed by: {offsets:?}");
    Ok(())
}

fn refused_by_the_broker(context: &Context) -> Result<()> {
    let cluster = context.cluster("refused")?;
    let workers = cluster.start(1)?;
    let slow = json!({"producer.override.linger.ms": "0", "producer.override.batch.size": "1"});
    let (name, topic, config) = three_lines(&cluster, 500_000, &slow)?;
    create_topic_with(
        &cluster.bootstrap,
        &topic,
        1,
        &[("max.message.bytes", "100000")],
    )?;
    let rest = rest(&workers)?;
    rest.put_config(&name, &config)?;
    let trace = rest.wait_failed(&name)?;
    ensure!(
        trace.contains("Unrecoverable exception from producer send callback"),
        "{trace}"
    );
    let offsets = rest.offsets(&name)?;
    let passed = offsets
        .iter()
        .filter_map(|offset| offset["offset"]["position"].as_u64())
        .max();
    ensure!(
        passed.is_none_or(|position| position <= 6),
        "passed by: {offsets:?}"
    );
    Ok(())
}

fn sink(cluster: &Cluster<'_>, topic: &str, name: &str, more: &Value) -> (String, Value) {
    let mut config = json!({
        "connector.class": "FileStreamSink",
        "tasks.max": "1",
        "topics": topic,
        "file": cluster.folder.join(format!("{name}.txt")),
    });
    merge(&mut config, more);
    (format!("{}-{name}", cluster.name), config)
}

fn bad_settings(context: &Context) -> Result<()> {
    let cluster = context.cluster("bad-clients")?;
    let mut workers = cluster.start(1)?;
    let topic = format!("{}-in", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    for (number, (key, value, part)) in [
        ("consumer.override.group.id", "", "valid group.id"),
        ("consumer.override.group.id", "  ", "valid group.id"),
        (
            "consumer.override.auto.offset.reset",
            "Earliest",
            "The value must be either 'earliest'",
        ),
        (
            "consumer.override.auto.offset.reset",
            "by_duration:1h",
            "by_duration",
        ),
        (
            "consumer.override.isolation.level",
            "READ_COMMITTED",
            "String must be one of",
        ),
        (
            "consumer.override.fetch.min.bytes",
            "-1",
            "Value must be at least 0",
        ),
        (
            "consumer.override.max.poll.records",
            "0",
            "Value must be at least 1",
        ),
        (
            "consumer.override.bootstrap.servers",
            "localhost",
            "Invalid url in bootstrap.servers",
        ),
        (
            "consumer.override.bootstrap.servers",
            "localhost:99999",
            "Invalid port in bootstrap.servers",
        ),
        (
            "consumer.override.bootstrap.servers",
            "no-such-host.invalid:1",
            "No resolvable bootstrap urls",
        ),
        ("topics", "a b!", "Invalid topics: [a b!]"),
        ("topics", "a,b.*c", "Invalid topics: [b.*c]"),
    ]
    .into_iter()
    .enumerate()
    {
        let (name, config) = sink(
            &cluster,
            &topic,
            &format!("bad{number}"),
            &json!({key: value}),
        );
        let worker = workers.first_mut().context("no worker")?;
        worker.rest().put_config(&name, &config)?;
        let trace = worker
            .rest()
            .wait_failed(&name)
            .with_context(|| format!("{key}={value}"))?;
        ensure!(trace.contains(part), "{key}={value}: {trace}");
        worker.process().check_running()?;
        worker.rest().delete(&name)?;
    }
    Ok(())
}

fn good_settings(context: &Context) -> Result<()> {
    let cluster = context.cluster("good-clients")?;
    let workers = cluster.start(1)?;
    let topic = format!("{}-in", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    produce_values(&cluster.bootstrap, &topic, &["there"])?;
    let servers = format!("PLAINTEXT://{0},{0}", cluster.bootstrap);
    for (number, (key, value)) in [
        ("max.poll.interval.ms", "10000"),
        ("fetch.max.bytes", "2147483647"),
        ("max.partition.fetch.bytes", "1073741824"),
        ("fetch.min.bytes", "0"),
        ("reconnect.backoff.ms", "5000"),
        ("max.poll.records", "2147483647"),
        ("bootstrap.servers", &servers),
    ]
    .into_iter()
    .enumerate()
    {
        let set = json!({format!("consumer.override.{key}"): value});
        let (name, config) = sink(&cluster, &topic, &format!("good{number}"), &set);
        rest(&workers)?.put_config(&name, &config)?;
        let file = cluster.folder.join(format!("good{number}.txt"));
        wait_until(
            &format!("the record to arrive with {key}={value}"),
            seconds(60),
            || Ok(std::fs::read_to_string(&file).is_ok_and(|text| text == "there\n")),
        )?;
        rest(&workers)?.delete(&name)?;
    }
    Ok(())
}

fn by_duration(context: &Context) -> Result<()> {
    let cluster = context.cluster("by-duration")?;
    let workers = cluster.start(1)?;
    let topic = format!("{}-in", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    // Records of a corpus are of 2023.
    let old = CorpusRecord {
        value: Some(b"old".to_vec()),
        ..CorpusRecord::default()
    };
    produce_corpus(&cluster.bootstrap, &topic, &[old.clone(), old])?;
    produce_values(&cluster.bootstrap, &topic, &["one", "two"])?;
    for (name, duration, expected) in [
        ("hour", "PT1H", "one\ntwo\n"),
        ("years", "P9999D", "old\nold\none\ntwo\n"),
    ] {
        let reset =
            json!({"consumer.override.auto.offset.reset": format!("by_duration:{duration}")});
        let (connector, config) = sink(&cluster, &topic, name, &reset);
        rest(&workers)?.put_config(&connector, &config)?;
        let file = cluster.folder.join(format!("{name}.txt"));
        wait_until(&format!("the records of {duration}"), seconds(60), || {
            Ok(std::fs::read_to_string(&file).is_ok_and(|text| text == expected))
        })?;
        rest(&workers)?.delete(&connector)?;
    }
    Ok(())
}

/// Takes whatever is sent to it, and answers nothing.
struct Listener {
    place: String,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Listener {
    fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let place = listener.local_addr()?.to_string();
        let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
        let hearing = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let hearing = Arc::clone(&hearing);
                std::thread::spawn(move || {
                    let mut stream = stream;
                    let mut bytes = [0; 4096];
                    while let Ok(count @ 1..) = stream.read(&mut bytes) {
                        if let Ok(mut heard) = hearing.lock() {
                            heard.extend_from_slice(&bytes[..count]);
                        }
                    }
                });
            }
        });
        Ok(Self { place, heard })
    }

    fn heard(&self) -> Vec<u8> {
        self.heard
            .lock()
            .map(|heard| heard.clone())
            .unwrap_or_default()
    }
}

fn foreign_servers(context: &Context) -> Result<()> {
    let cluster = context.cluster("foreign")?;
    // What belongs to the worker alone: neither reaches the task's producer nor its consumer.
    let properties = cluster
        .properties()?
        .with("max.request.size", "300000")
        .with("client.rack", "geheim-rack");
    let worker = cluster.worker(tested_kind(), &properties)?;
    let (name, topic, config) = three_lines(&cluster, 500_000, &json!({}))?;
    create_topic(&cluster.bootstrap, &topic, 1)?;
    worker.rest().put_config(&name, &config)?;
    wait_until("the line to pass", seconds(60), || {
        Ok(sizes(&cluster, &topic)? == [5, 500_000, 5])
    })?;
    let listener = Listener::start()?;
    let servers = json!({"consumer.override.bootstrap.servers": listener.place});
    let (name, config) = sink(&cluster, &topic, "away", &servers);
    worker.rest().put_config(&name, &config)?;
    wait_until("the consumer to call", seconds(30), || {
        Ok(!listener.heard().is_empty())
    })?;
    let heard = listener.heard();
    let heard = String::from_utf8_lossy(&heard);
    ensure!(!heard.contains("geheim"), "{heard:?}");
    Ok(())
}

fn no_kafka(context: &Context) -> Result<()> {
    let cluster = context.cluster("no-kafka")?;
    for (servers, part) in [
        (
            "no-such-host.invalid:9092",
            "No resolvable bootstrap urls given in bootstrap.servers",
        ),
        ("localhost", "Invalid url in bootstrap.servers: localhost"),
        (
            "localhost:99999",
            "Invalid port in bootstrap.servers: localhost:99999",
        ),
    ] {
        let properties = cluster.properties()?.with("bootstrap.servers", servers);
        let began = Instant::now();
        let mut worker = cluster.launch(tested_kind(), &properties)?;
        let status = worker.process().wait_exit(seconds(40))?;
        let output = worker.process().output();
        ensure!(status.code() == Some(2), "{servers}: {status}\n{output}");
        ensure!(output.contains(part), "{servers}:\n{output}");
        ensure!(began.elapsed() < Duration::from_secs(35), "{servers}: late");
    }
    // One that does not answer is waited for, and named meanwhile.
    let silent = Listener::start()?;
    for servers in ["127.0.0.1:1", &silent.place] {
        let properties = cluster.properties()?.with("bootstrap.servers", servers);
        let mut worker = cluster.launch(tested_kind(), &properties)?;
        wait_until("the log to say what is missing", seconds(20), || {
            Ok(worker.process().output().contains(servers))
        })?;
        worker.process().kill()?;
    }
    Ok(())
}
