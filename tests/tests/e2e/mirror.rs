//! MirrorMaker 2: two clusters, `a` and `b`, with workers beside the target.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::certificates::Authority;
use sluice_tests::command;
use sluice_tests::corpus::CorpusRecord;
use sluice_tests::kafka::{Kafka, Listener, PASSWORD, USER};
use sluice_tests::rest::Rest;
use sluice_tests::topics::{
    Record, committed, consume_all, consume_all_with_times, consume_as_group, create_topic,
    create_topic_with, grow_topic, partition_count, produce, produce_corpus, set_topic_config,
    topic_configs, topics_beginning_with,
};
use sluice_tests::wait::{seconds, wait_for, wait_until};
use sluice_tests::worker::{Kind, Worker, WorkerProperties};

use crate::context::{Cluster, Context, Needs, Test, tested_kind};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "mirror::topics_their_configs_and_their_records_are_the_same_on_both_sides",
        needs: Needs::NOTHING,
        run: same_on_both_sides,
    },
    Test {
        name: "mirror::a_consumer_group_goes_on_at_the_other_cluster_without_losing_a_record",
        needs: Needs::EMBEDDED,
        run: failing_over,
    },
    Test {
        name: "mirror::no_record_is_lost_when_agents_are_killed",
        needs: Needs::NOTHING,
        run: killed_agents,
    },
    Test {
        name: "mirror::with_exactly_once_killed_agents_repeat_no_record",
        needs: Needs::NOTHING,
        run: killed_agents_exactly_once,
    },
    Test {
        name: "mirror::both_directions_at_once_make_no_loop",
        needs: Needs::NOTHING,
        run: both_directions,
    },
    Test {
        name: "mirror::an_agent_takes_over_from_a_jvm_mirrormaker_and_gives_back",
        needs: Needs::JAVA,
        run: there_and_back,
    },
    Test {
        name: "mirror::a_secured_source_is_copied_with_what_is_said_of_its_topics",
        needs: Needs::JAVA,
        run: secured_source,
    },
    Test {
        name: "mirror::validation_answers_as_a_jvm_worker_does",
        needs: Needs::JAVA,
        run: validation,
    },
];

/// Two brokers.
struct Clusters {
    a: Kafka,
    b: Kafka,
}

impl Clusters {
    fn start(context: &Context) -> Result<Self> {
        Ok(Self {
            a: Kafka::start(&context.servers)?,
            b: Kafka::start(&context.servers)?,
        })
    }
}

/// The three connectors that mirror one cluster to another.
struct Mirror {
    source: String,
    target: String,
    common: BTreeMap<&'static str, String>,
}

impl Mirror {
    fn new(source: &str, source_bootstrap: &str, target: &str, target_bootstrap: &str) -> Self {
        let bytes = "org.apache.kafka.connect.converters.ByteArrayConverter";
        let common = [
            ("source.cluster.alias", source),
            ("target.cluster.alias", target),
            ("source.cluster.bootstrap.servers", source_bootstrap),
            ("target.cluster.bootstrap.servers", target_bootstrap),
            ("key.converter", bytes),
            ("value.converter", bytes),
            ("header.converter", bytes),
            ("topics", "orders.*, clicks"),
            ("topics.exclude", "orders-private"),
            ("tasks.max", "2"),
            ("replication.factor", "1"),
            ("offset-syncs.topic.replication.factor", "1"),
            ("checkpoints.topic.replication.factor", "1"),
            ("heartbeats.topic.replication.factor", "1"),
            ("refresh.topics.interval.seconds", "1"),
            ("sync.topic.configs.interval.seconds", "1"),
            ("refresh.groups.interval.seconds", "1"),
            ("emit.checkpoints.interval.seconds", "1"),
            ("sync.group.offsets.enabled", "true"),
            ("sync.group.offsets.interval.seconds", "1"),
            ("consumer.poll.timeout.ms", "300"),
            ("producer.override.linger.ms", "5"),
        ];
        Self {
            source: source.to_owned(),
            target: target.to_owned(),
            common: common.map(|(key, value)| (key, value.to_owned())).into(),
        }
    }

    fn with(mut self, key: &'static str, value: &str) -> Self {
        self.common.insert(key, value.to_owned());
        self
    }

    fn name(&self, part: &str) -> String {
        format!("{}-{}-{part}", self.source, self.target)
    }

    fn config(&self, part: &str) -> Value {
        let mut config = json!(self.common);
        config["connector.class"] = json!(format!(
            "org.apache.kafka.connect.mirror.Mirror{part}Connector"
        ));
        config
    }

    fn create(&self, rest: &Rest) -> Result<()> {
        for part in ["Source", "Checkpoint", "Heartbeat"] {
            rest.put_config(&self.name(part), &self.config(part))?;
        }
        Ok(())
    }

    /// Waits until the source connector runs with so many tasks.
    fn wait_source(&self, rest: &Rest, tasks: usize) -> Result<()> {
        rest.wait_running(&self.name("Source"), tasks, seconds(60))?;
        Ok(())
    }
}

fn records(count: usize, name: &str) -> Vec<CorpusRecord> {
    (0..count)
        .map(|n| CorpusRecord {
            key: (n % 7 != 0).then(|| format!("key-{n}").into_bytes()),
            value: (n % 11 != 0).then(|| format!("{name}-{n}").into_bytes()),
            headers: match n % 4 {
                0 => Vec::new(),
                1 => vec![("h".to_owned(), Some(vec![0, 159, 255]))],
                2 => vec![
                    ("same".to_owned(), Some(b"1".to_vec())),
                    ("same".to_owned(), Some(Vec::new())),
                ],
                _ => vec![("null".to_owned(), None)],
            },
        })
        .collect()
}

/// Waits until a topic of the target holds exactly what that of the source holds, times included.
fn wait_same(from: (&str, &str), to: (&str, &str)) -> Result<()> {
    wait_until(
        &format!("{} to be as {}", to.1, from.1),
        seconds(60),
        || {
            let wanted = consume_all_with_times(from.0, from.1)?;
            let found = consume_all_with_times(to.0, to.1)?;
            ensure!(
                found.len() == wanted.len(),
                "{} of {} records",
                found.len(),
                wanted.len()
            );
            for (wanted, found) in wanted.iter().zip(&found) {
                ensure!(wanted == found, "{wanted:?} became {found:?}");
            }
            Ok(true)
        },
    )
}

fn same_on_both_sides(context: &Context) -> Result<()> {
    let clusters = Clusters::start(context)?;
    let (a, b) = (clusters.a.bootstrap(), clusters.b.bootstrap());
    let configs = [
        ("retention.ms", "-1"),
        ("max.message.bytes", "2000000"),
        ("message.timestamp.type", "CreateTime"),
    ];
    create_topic_with(&a, "orders", 3, &configs)?;
    create_topic(&a, "orders-private", 1)?;
    create_topic(&a, "other", 1)?;
    produce_corpus(&a, "orders", &records(400, "orders"))?;
    let cluster = context.cluster_on("mirror", &b)?;
    let worker = cluster.worker(tested_kind(), &cluster.properties()?)?;
    let mirror = Mirror::new("a", &a, "b", &b);
    mirror.create(worker.rest())?;
    mirror.wait_source(worker.rest(), 2)?;
    wait_same((&a, "orders"), (&b, "a.orders"))?;
    ensure!(
        partition_count(&b, "a.orders")? == Some(3),
        "three partitions"
    );
    let copied = topic_configs(&b, "a.orders")?;
    ensure!(
        copied.get("retention.ms").map(String::as_str) == Some("-1")
            && copied.get("max.message.bytes").map(String::as_str) == Some("2000000"),
        "configs {copied:?}"
    );
    ensure!(
        !copied.contains_key("message.timestamp.type"),
        "excluded: {copied:?}"
    );

    // A config that changes, one that goes back to its default.
    set_topic_config(&a, "orders", "retention.ms", "7777777777")?;
    wait_until("the changed config", seconds(30), || {
        let copied = topic_configs(&b, "a.orders")?;
        ensure!(
            copied.get("retention.ms").map(String::as_str) == Some("7777777777")
                && !copied.contains_key("max.message.bytes"),
            "{copied:?}"
        );
        Ok(true)
    })?;

    // A topic that comes, a topic that grows.
    create_topic(&a, "clicks", 2)?;
    produce_corpus(&a, "clicks", &records(100, "clicks"))?;
    wait_same((&a, "clicks"), (&b, "a.clicks"))?;
    grow_topic(&a, "orders", 5)?;
    wait_until("new partitions", seconds(30), || {
        Ok(partition_count(&b, "a.orders")? == Some(5))
    })?;
    produce_corpus(&a, "orders", &records(400, "more"))?;
    wait_same((&a, "orders"), (&b, "a.orders"))?;

    // What stays at home, and MirrorMaker's own topics.
    let topics: BTreeSet<String> = topics_beginning_with(&b, "a.")?.into_iter().collect();
    let wanted = ["a.checkpoints.internal", "a.clicks", "a.orders"].map(str::to_owned);
    ensure!(topics == wanted.into(), "{topics:?}");
    for (bootstrap, topic) in [
        (&a, "mm2-offset-syncs.b.internal"),
        (&b, "a.checkpoints.internal"),
        (&b, "heartbeats"),
    ] {
        ensure!(partition_count(bootstrap, topic)? == Some(1), "{topic}");
        let policy = topic_configs(bootstrap, topic)?.remove("cleanup.policy");
        ensure!(policy.as_deref() == Some("compact"), "{topic}: {policy:?}");
    }
    wait_until("heartbeats", seconds(30), || {
        let beats = consume_all(&b, "heartbeats")?;
        let key = [&[0_u8, 1][..], b"a", &[0, 1], b"b"].concat();
        ensure!(
            beats.iter().all(|beat| beat.key.as_ref() == Some(&key)
                && beat.value.as_ref().is_some_and(|value| value.len() == 10)),
            "{beats:?}"
        );
        Ok(beats.len() >= 2)
    })?;
    stored_as_kafka_does(&worker.rest().offsets(&mirror.name("Source"))?, &a)?;
    worker.stop()
}

/// Each partition of the source has its last offset stored, with Kafka's fields.
fn stored_as_kafka_does(stored: &[Value], bootstrap: &str) -> Result<()> {
    let mut wanted = BTreeMap::new();
    for topic in ["orders", "clicks"] {
        for record in consume_all(bootstrap, topic)? {
            wanted.insert(
                (topic.to_owned(), i64::from(record.partition)),
                record.offset,
            );
        }
    }
    let mut found = BTreeMap::new();
    for entry in stored {
        let partition = &entry["partition"];
        ensure!(partition["cluster"] == "a", "{entry}");
        let topic = partition["topic"].as_str().context("topic")?.to_owned();
        let number = partition["partition"].as_i64().context("partition")?;
        let offset = entry["offset"]["offset"].as_i64().context("offset")?;
        found.insert((topic, number), offset);
    }
    // A moment may pass until the last ones are committed.
    ensure!(
        wanted.keys().all(|partition| found.contains_key(partition)),
        "stored {found:?}, of {wanted:?}"
    );
    Ok(())
}

fn numbered(from: usize, to: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    (from..to)
        .map(|n| (format!("k{n}").into_bytes(), format!("{n:08}").into_bytes()))
        .collect()
}

fn send(bootstrap: &str, topic: &str, from: usize, to: usize) -> Result<()> {
    let records = numbered(from, to);
    let records = records
        .iter()
        .map(|(key, value)| (Some(&key[..]), Some(&value[..])));
    produce(bootstrap, topic, records)
}

fn values(records: &[Record]) -> BTreeSet<Vec<u8>> {
    records
        .iter()
        .filter_map(|record| record.value.clone())
        .collect()
}

/// How many numbers below `count` are not among the values.
fn missing(records: &BTreeSet<Vec<u8>>, count: usize) -> usize {
    (0..count)
        .filter(|n| !records.contains(format!("{n:08}").as_bytes()))
        .count()
}

fn failing_over(context: &Context) -> Result<()> {
    const HALF: usize = 2_000;
    const ALL: usize = 5_000;
    /// Records that the group leaves unread on the source.
    const LEFT: usize = 40;
    /// `offset.lag.max`.
    const LAG: usize = 10;
    let clusters = Clusters::start(context)?;
    let (a, b) = (clusters.a.bootstrap(), clusters.b.bootstrap());
    create_topic(&a, "orders", 3)?;
    send(&a, "orders", 0, HALF)?;
    let cluster = context.cluster_on("failover", &b)?;
    let worker = cluster.worker(tested_kind(), &cluster.properties()?)?;
    let mirror = Mirror::new("a", &a, "b", &b).with("offset.lag.max", &LAG.to_string());
    mirror.create(worker.rest())?;
    mirror.wait_source(worker.rest(), 2)?;

    let group = "billing";
    let mut seen = values(&consume_as_group(&a, group, "orders", HALF)?);
    ensure!(seen.len() == HALF, "read {} on the source", seen.len());
    send(&a, "orders", HALF, ALL)?;
    // The group reads on, and stops shortly before the end. (The further from the end, the fewer offset syncs
    // are kept, and the more a group reads again.)
    let more = ALL - HALF - LEFT;
    seen.extend(values(&consume_as_group(&a, group, "orders", more)?));
    let on_source = committed(&a, group, "orders")?;
    wait_until("the group's offsets on the target", seconds(60), || {
        let on_target = committed(&b, group, "a.orders")?;
        // Copies have the offsets of their originals here, so that both can be compared.
        let most = i64::try_from(LEFT + LAG)?;
        let near = on_source.iter().all(|(partition, offset)| {
            on_target
                .get(partition)
                .is_some_and(|there| there <= offset && offset - there <= most)
        });
        ensure!(
            near,
            "{on_source:?} on the source, {on_target:?} on the target"
        );
        Ok(true)
    })?;
    let checkpoints = consume_all(&b, "a.checkpoints.internal")?;
    ensure!(
        checkpoints
            .iter()
            .any(|record| record.key.as_ref().is_some_and(|key| {
                key.starts_with(&[&[0, 7][..], b"billing", &[0, 8], b"a.orders"].concat())
            })),
        "{checkpoints:?}"
    );
    wait_until("all records on the target", seconds(60), || {
        Ok(missing(&values(&consume_all(&b, "a.orders")?), ALL) == 0)
    })?;

    // The source is gone; the group goes on at the target.
    drop(clusters.a);
    let before = seen.len();
    let after = consume_as_group(&b, group, "a.orders", usize::MAX)?;
    seen.extend(values(&after));
    ensure!(
        missing(&seen, ALL) == 0,
        "{} records lost",
        missing(&seen, ALL)
    );
    ensure!(
        after.len() <= 3 * (LEFT + LAG),
        "{} records were read on the target, {before} of {ALL} before",
        after.len()
    );
    Ok(())
}

fn killed_agents(context: &Context) -> Result<()> {
    kill_in_the_middle(context, false)
}

fn killed_agents_exactly_once(context: &Context) -> Result<()> {
    kill_in_the_middle(context, true)
}

/// Records come all the time, and workers are killed one after the other.
fn kill_in_the_middle(context: &Context, exactly_once: bool) -> Result<()> {
    const ROUNDS: usize = 4;
    const RECORDS: usize = 15_000;
    let clusters = Clusters::start(context)?;
    let (a, b) = (clusters.a.bootstrap(), clusters.b.bootstrap());
    create_topic(&a, "orders", 4)?;
    let cluster = context.cluster_on("killed", &b)?;
    let properties = || -> Result<WorkerProperties> {
        let support = if exactly_once { "enabled" } else { "disabled" };
        Ok(cluster
            .properties()?
            .with("exactly.once.source.support", support)
            .with("scheduled.rebalance.max.delay.ms", "500"))
    };
    let mut workers: Vec<Worker> = Vec::new();
    for _ in 0..2 {
        workers.push(cluster.worker(tested_kind(), &properties()?)?);
    }
    let identity = "org.apache.kafka.connect.mirror.IdentityReplicationPolicy";
    let mut mirror = Mirror::new("a", &a, "b", &b).with("replication.policy.class", identity);
    if exactly_once {
        mirror = mirror
            .with("consumer.isolation.level", "read_committed")
            .with("exactly.once.support", "required")
            .with("producer.override.transaction.timeout.ms", "20000");
    }
    let source = mirror.name("Source");
    workers[0]
        .rest()
        .create(&source, &mirror.config("Source"), 2)?;
    for round in 0..ROUNDS {
        send(&a, "orders", round * RECORDS, (round + 1) * RECORDS)?;
        wait_until("the first of them", seconds(60), || {
            let there = values(&consume_all(&b, "orders")?);
            Ok((round * RECORDS..(round + 1) * RECORDS)
                .any(|n| there.contains(format!("{n:08}").as_bytes())))
        })?;
        workers.remove(0).kill()?;
        workers.push(cluster.worker(tested_kind(), &properties()?)?);
    }
    let count = ROUNDS * RECORDS;
    let copied = wait_for("all records on the target", seconds(120), || {
        let there = consume_all(&b, "orders")?;
        let missing = missing(&values(&there), count);
        ensure!(missing == 0, "{missing} of {count} are missing");
        Ok(Some(there))
    })?;
    if exactly_once {
        ensure!(
            copied.len() == count,
            "{} records were repeated",
            copied.len() - count
        );
    }
    // The order within partitions is that of the source, repetitions aside.
    let original = consume_all(&a, "orders")?;
    ensure!(
        in_first_order(&original) == in_first_order(&copied),
        "the order has changed"
    );
    Ok(())
}

fn in_first_order(records: &[Record]) -> Vec<(i32, Vec<u8>)> {
    let mut seen = BTreeSet::new();
    records
        .iter()
        .filter_map(|record| Some((record.partition, record.value.clone()?)))
        .filter(|one| seen.insert(one.clone()))
        .collect()
}

fn both_directions(context: &Context) -> Result<()> {
    let clusters = Clusters::start(context)?;
    let (a, b) = (clusters.a.bootstrap(), clusters.b.bootstrap());
    let everything = |mirror: Mirror| {
        mirror.with("topics", ".*").with(
            "topics.exclude",
            r"mm2.*\.internal, .*\.replica, __.*, active-.*",
        )
    };
    let there = everything(Mirror::new("a", &a, "b", &b));
    let back = everything(Mirror::new("b", &b, "a", &a));
    for (bootstrap, name) in [(&a, "one"), (&b, "two")] {
        create_topic(bootstrap, "orders", 2)?;
        produce_corpus(bootstrap, "orders", &records(50, name))?;
    }
    let worker_at = |bootstrap: &str| -> Result<(Cluster<'_>, Worker)> {
        let cluster = context.cluster_on("active", bootstrap)?;
        let worker = cluster.worker(tested_kind(), &cluster.properties()?)?;
        Ok((cluster, worker))
    };
    let (_, at_b) = worker_at(&b)?;
    let (_, at_a) = worker_at(&a)?;
    there.create(at_b.rest())?;
    back.create(at_a.rest())?;
    wait_same((&a, "orders"), (&b, "a.orders"))?;
    wait_same((&b, "orders"), (&a, "b.orders"))?;
    // Heartbeats of each go to the other, and not back again.
    for (bootstrap, topic) in [(&b, "a.heartbeats"), (&a, "b.heartbeats")] {
        wait_until(topic, seconds(60), || {
            Ok(partition_count(bootstrap, topic)? == Some(1)
                && consume_all(bootstrap, topic)?.len() > 3)
        })?;
    }
    // By then topics were looked for several times.
    let mut wrong = String::new();
    for (bootstrap, own, other) in [(&a, "a", "b"), (&b, "b", "a")] {
        let copies = topics_beginning_with(bootstrap, &format!("{other}."))?;
        let wanted = ["checkpoints.internal", "heartbeats", "orders"];
        for copy in copies {
            if !wanted
                .iter()
                .any(|topic| copy == format!("{other}.{topic}"))
            {
                let _ = write!(wrong, " {copy} on {own}");
            }
        }
        for copy in topics_beginning_with(bootstrap, &format!("{own}."))? {
            let _ = write!(wrong, " {copy} on {own}");
        }
    }
    ensure!(wrong.is_empty(), "copied, but should not be:{wrong}");
    at_a.stop()?;
    at_b.stop()
}

fn there_and_back(context: &Context) -> Result<()> {
    const RECORDS: usize = 1_000;
    let clusters = Clusters::start(context)?;
    let (a, b) = (clusters.a.bootstrap(), clusters.b.bootstrap());
    create_topic(&a, "orders", 3)?;
    let cluster = context.cluster_on("mirror", &b)?;
    let properties = cluster.properties()?;
    let mirror = Mirror::new("a", &a, "b", &b).with("offset.lag.max", "5");
    let group = "billing";
    let mut sent = 0;
    let mut last = BTreeMap::new();
    for (turn, kind) in [Kind::Jvm, Kind::Agent, Kind::Jvm, Kind::Agent]
        .into_iter()
        .enumerate()
    {
        let turn = format!("turn {turn}, {kind:?}");
        // While no worker was there, too.
        send(&a, "orders", sent, sent + RECORDS)?;
        sent += RECORDS;
        let worker = cluster.worker(kind, &properties)?;
        let rest = worker.rest();
        if last.is_empty() {
            mirror.create(rest)?;
        }
        mirror.wait_source(rest, 2).with_context(|| turn.clone())?;
        send(&a, "orders", sent, sent + RECORDS)?;
        sent += RECORDS;
        wait_same((&a, "orders"), (&b, "a.orders")).with_context(|| turn.clone())?;
        consume_as_group(&a, group, "orders", 2 * RECORDS)?;
        let on_source = committed(&a, group, "orders")?;
        let on_target = wait_for("the group's offsets on the target", seconds(90), || {
            let on_target = committed(&b, group, "a.orders")?;
            let near = on_source.iter().all(|(partition, offset)| {
                on_target
                    .get(partition)
                    .is_some_and(|there| there <= offset && offset - there <= 10)
            });
            ensure!(
                near,
                "{on_source:?} on the source, {on_target:?} on the target"
            );
            Ok(Some(on_target))
        })
        .with_context(|| turn.clone())?;
        for (partition, offset) in &last {
            ensure!(
                on_target.get(partition) >= Some(offset),
                "{turn}: the group went back from {last:?} to {on_target:?}"
            );
        }
        last = on_target;
        for part in ["Checkpoint", "Heartbeat"] {
            rest.wait_running(&mirror.name(part), 1, seconds(30))
                .with_context(|| turn.clone())?;
        }
        worker.stop()?;
    }
    // Neither wrote the offsets of a partition under another key than the other.
    let offsets = consume_all(&b, &format!("{}-offsets", cluster.name))?;
    let keys: BTreeSet<String> = offsets
        .iter()
        .filter_map(|record| String::from_utf8(record.key.clone()?).ok())
        .collect();
    for part in ["Source", "Checkpoint", "Heartbeat"] {
        let start = format!("[\"{}\",", mirror.name(part));
        let count = keys.iter().filter(|key| key.starts_with(&start)).count();
        let wanted = if part == "Heartbeat" { 1 } else { 3 };
        ensure!(count == wanted, "{part}: {keys:?}");
    }
    Ok(())
}

/// Kafka's own tool for rights.
fn acls(context: &Context, bootstrap: &str, arguments: &[&str]) -> Result<String> {
    let mut command = context.servers.java("128m", "warn")?;
    command.extend(
        [
            "org.apache.kafka.tools.AclCommand",
            "--bootstrap-server",
            bootstrap,
        ]
        .map(str::to_owned),
    );
    command.extend(arguments.iter().map(|&argument| argument.to_owned()));
    Ok(command::run(&command, &[], "", seconds(60))?
        .expect(0)?
        .stdout)
}

fn secured_source(context: &Context) -> Result<()> {
    let authority = Authority::new("sluice tests")?;
    let source = Kafka::start_secured(&context.servers, &authority)?;
    let target = Kafka::start_secured(&context.servers, &authority)?;
    let (a, b) = (source.bootstrap(), target.bootstrap());
    create_topic(&a, "orders", 2)?;
    produce_corpus(&a, "orders", &records(100, "orders"))?;
    for (kind, user, operation) in [
        ("--allow-principal", "User:bob", "All"),
        ("--allow-principal", "User:carol", "Write"),
        ("--deny-principal", "User:dave", "Read"),
    ] {
        let rule = [
            "--add",
            kind,
            user,
            "--operation",
            operation,
            "--topic",
            "orders",
        ];
        acls(context, &a, &rule)?;
    }
    let cluster = context.cluster_on("rights", &b)?;
    let mut worker = cluster.worker(tested_kind(), &cluster.properties()?)?;
    let way_in = source.address(Listener::SaslSsl)?;
    let login = format!(
        "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"{USER}\" \
         password=\"{PASSWORD}\";"
    );
    let mirror = Mirror::new("a", &way_in, "b", &b)
        .with("source.cluster.security.protocol", "SASL_SSL")
        .with("source.cluster.sasl.mechanism", "SCRAM-SHA-512")
        .with("source.cluster.sasl.jaas.config", &login)
        .with("source.cluster.ssl.truststore.type", "PEM")
        .with(
            "source.cluster.ssl.truststore.certificates",
            authority.pem(),
        )
        .with("sync.topic.acls.interval.seconds", "1");
    mirror.create(worker.rest())?;
    wait_same((&a, "orders"), (&b, "a.orders"))?;
    wait_until("the rights on the copy", seconds(60), || {
        let told = acls(context, &b, &["--list", "--topic", "a.orders"])?;
        let of =
            |user: &str| -> Vec<&str> { told.lines().filter(|line| line.contains(user)).collect() };
        let says = |lines: &[&str], operation: &str, permission: &str| {
            lines.len() == 1
                && lines[0].contains(&format!("operation={operation}"))
                && lines[0].contains(&format!("permissionType={permission}"))
        };
        ensure!(
            says(&of("bob"), "READ", "ALLOW")
                && says(&of("dave"), "READ", "DENY")
                && of("carol").is_empty(),
            "{told}"
        );
        Ok(true)
    })?;
    let output = worker.process().output();
    ensure!(!output.contains(PASSWORD), "the password is in the log");
    worker.stop()
}

/// Keys, values and faults of configurations, right and wrong, as both kinds of worker tell them.
fn validation(context: &Context) -> Result<()> {
    let mut answers = Vec::new();
    for kind in [Kind::Jvm, Kind::Agent] {
        let cluster = context.cluster("mirrorcheck")?;
        let worker = cluster.worker(kind, &cluster.properties()?)?;
        answers.push(validated(worker.rest())?);
        worker.stop()?;
    }
    for (jvm, agent) in answers[0].iter().zip(&answers[1]) {
        ensure!(
            jvm == agent,
            "a JVM worker says {jvm:#?}, an agent {agent:#?}"
        );
    }
    Ok(())
}

/// What of an answer is compared: each key with value and faults.
type Told = (String, BTreeMap<String, (Value, Value)>);

fn validated(rest: &Rest) -> Result<Vec<Told>> {
    let mirror = Mirror::new("a", "127.0.0.1:1", "b", "127.0.0.1:1");
    let changes: [(&str, &[(&str, &str)]); 7] = [
        ("Source", &[]),
        ("Checkpoint", &[]),
        ("Heartbeat", &[]),
        ("Source", &[("emit.offset-syncs.enabled", "false")]),
        (
            "Source",
            &[
                ("offset-syncs.topic.location", "nowhere"),
                ("offset.lag.max", "many"),
            ],
        ),
        (
            "Checkpoint",
            &[
                ("emit.checkpoints.enabled", "false"),
                ("emit.offset-syncs.enabled", "false"),
            ],
        ),
        ("Source", &[("topics", "a,,b"), ("replication.factor", "")]),
    ];
    let mut told = Vec::new();
    for (part, changed) in changes {
        let mut config = mirror.config(part);
        config["name"] = json!(mirror.name(part));
        for (key, value) in changed {
            config[*key] = json!(value);
        }
        let path = format!("/connector-plugins/Mirror{part}Connector/config/validate");
        let answer = rest.call("PUT", &path, Some(&config))?.success()?.json()?;
        let configs = answer["configs"].as_array().context("configs")?;
        let keys = configs
            .iter()
            .map(|one| {
                let value = &one["value"];
                let name = value["name"].as_str().unwrap_or_default().to_owned();
                (name, (value["value"].clone(), value["errors"].clone()))
            })
            // Kafka's definition of these connectors repeats the framework's keys, without the defaults of
            // these four.
            .filter(|(name, _)| !name.ends_with("plugin.version"))
            .collect();
        told.push((format!("{part} {changed:?}"), keys));
    }
    Ok(told)
}
