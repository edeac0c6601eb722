//! Bad input: properties files, connector configs, and records in the internal topics that are not ours.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use sluice_tests::pipeline::Pipeline;
use sluice_tests::process::Process;
use sluice_tests::topics::{consume_all, produce};
use sluice_tests::wait::seconds;
use sluice_tests::worker::{Kind, command};

use crate::context::{Cluster, Context, Needs, Test, tested_kind};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "bad_input::a_bad_properties_file_ends_the_worker_with_the_key_named",
        needs: Needs::NOTHING,
        run: bad_properties,
    },
    Test {
        name: "bad_input::unknown_properties_are_a_warning_and_the_worker_runs",
        needs: Needs::NOTHING,
        run: unknown_properties,
    },
    Test {
        name: "bad_input::broken_requests_are_refused_and_the_worker_goes_on",
        needs: Needs::NOTHING,
        run: broken_requests,
    },
    Test {
        name: "bad_input::foreign_records_in_the_internal_topics_are_named_and_nothing_is_lost",
        needs: Needs::NOTHING,
        run: foreign_records,
    },
];

fn bad_properties(context: &Context) -> Result<()> {
    let cluster = context.cluster("properties")?;
    let good = cluster.properties()?;
    let without = |key: &str| -> String {
        let text = good.text();
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with(&format!("{key}=")))
            .collect();
        lines.join("\n")
    };
    let cases: &[(&str, String, &[&str])] = &[
        ("no-group", without("group.id"), &["group.id"]),
        (
            "no-brokers",
            without("bootstrap.servers"),
            &["bootstrap.servers"],
        ),
        (
            "no-topic",
            without("config.storage.topic"),
            &["config.storage.topic"],
        ),
        (
            "no-converter",
            without("value.converter"),
            &["value.converter"],
        ),
        (
            "no-number",
            good.clone().with("offset.flush.interval.ms", "soon").text(),
            &["offset.flush.interval.ms", "soon"],
        ),
        (
            "no-protocol",
            good.clone().with("connect.protocol", "telepathy").text(),
            &["connect.protocol", "telepathy"],
        ),
        (
            "no-listener",
            good.clone().with("listeners", "nonsense").text(),
            &["listeners"],
        ),
        (
            "no-class",
            good.clone()
                .with("key.converter", "com.example.Nope")
                .text(),
            &["com.example.Nope"],
        ),
        ("empty", String::new(), &["bootstrap.servers"]),
        ("bad-escape", format!("{}\nx=\\uZZZZ\n", good.text()), &[]),
    ];
    for (name, text, expected) in cases {
        let file = cluster.folder.join(format!("{name}.properties"));
        std::fs::write(&file, text)?;
        refused(context, &cluster, name, &file, expected)?;
    }
    refused(
        context,
        &cluster,
        "absent",
        Path::new("/nonexistent/worker.properties"),
        &["/nonexistent/worker.properties"],
    )?;
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let file = cluster.folder.join("random.properties");
    std::fs::write(&file, bytes)?;
    refused(context, &cluster, "random", &file, &[])
}

/// The worker ends by itself, with a failure, and says why.
fn refused(
    context: &Context,
    cluster: &Cluster<'_>,
    name: &str,
    file: &Path,
    expected: &[&str],
) -> Result<()> {
    let command = command(tested_kind(), &context.servers, file)?;
    let log = cluster.folder.join(format!("{name}.log"));
    let mut process = Process::start(name, &command, &[], &log)?;
    let status = process.wait_exit(seconds(30)).context(name.to_owned())?;
    let output = process.output();
    ensure!(!status.success(), "{name}: accepted\n{output}");
    ensure!(
        status.code().is_some_and(|code| code != 101),
        "{name}: {status}\n{output}"
    );
    ensure!(!output.trim().is_empty(), "{name}: nothing said");
    for word in expected {
        ensure!(
            output.contains(word),
            "{name}: {word:?} is not in\n{output}"
        );
    }
    Ok(())
}

fn unknown_properties(context: &Context) -> Result<()> {
    let cluster = context.cluster("unknown")?;
    let properties = cluster
        .properties()?
        .with("offset.flush.intervall.ms", "1000")
        .with("colour", "blue");
    let mut worker = cluster.worker(tested_kind(), &properties)?;
    let output = worker.process().output();
    for key in ["offset.flush.intervall.ms", "colour"] {
        ensure!(output.contains(key), "{key} is not mentioned\n{output}");
    }
    worker.stop()
}

fn broken_requests(context: &Context) -> Result<()> {
    let cluster = context.cluster("requests")?;
    let mut worker = cluster.worker(tested_kind(), &cluster.properties()?)?;
    let rest = worker.rest().clone();
    let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
    pipeline.add_lines(1000)?;
    pipeline.create(&rest)?;
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let long = "x".repeat(300_000);
    let bodies = [
        "\"text\"".to_owned(),
        "17".to_owned(),
        "true".to_owned(),
        "{\"name\":17}".to_owned(),
        "{\"name\":\"x\",\"config\":[]}".to_owned(),
        "{\"name\":\"x\",\"config\":{\"connector.class\":{}}}".to_owned(),
        "{\"name\":\"x\",\"config\":{\"connector.class\":null}}".to_owned(),
        "{\"name\":\"\u{1b}[2J\",\"config\":{\"connector.class\":\"FileStreamSource\",\"topic\":\"t\"}}".to_owned(),
        "{\"name\":\"x\",\"config\":{\"connector.class\":\"\u{0}\"}}".to_owned(),
        format!("{{\"name\":\"x\",\"config\":{{\"connector.class\":\"{long}\"}}}}"),
        deep,
    ];
    for body in &bodies {
        let shown: String = body.chars().take(60).collect();
        for (method, path) in [
            ("POST", "/connectors"),
            ("PUT", "/connectors/x/config"),
            ("PATCH", "/connectors/x/offsets"),
            ("PUT", "/connector-plugins/FileStreamSource/config/validate"),
            ("PUT", "/admin/loggers/x"),
        ] {
            let json = [("content-type", "application/json")];
            let reply = rest
                .send(method, path, &json, Some(body.clone()))
                .with_context(|| format!("{method} {path} {shown}"))?;
            ensure!(
                reply.status >= 400,
                "{method} {path} {shown}: {} {}",
                reply.status,
                reply.text
            );
        }
    }
    let names = rest.get("/connectors")?.json()?;
    let names = names.as_array().context("no list")?;
    ensure!(names.len() == 2, "something was created: {names:?}");
    worker.process().check_running()?;
    pipeline.wait_running(&rest, seconds(60))?;
    pipeline.wait_count(seconds(60))?;
    worker.stop()?;
    pipeline.delivery()?.none_lost_or_repeated()
}

fn foreign_records(context: &Context) -> Result<()> {
    let cluster = context.cluster("foreign")?;
    let properties = cluster.properties()?;
    let mut worker = cluster.worker(tested_kind(), &properties)?;
    let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
    pipeline.add_lines(1000)?;
    pipeline.create(worker.rest())?;
    pipeline.wait_running(worker.rest(), seconds(60))?;
    let garbage = garbage(&pipeline)?;
    let first = spoil(&cluster, &pipeline, &garbage)?;
    // It meets the records while it runs, and again when it reads the topics at start.
    for turn in ["while it runs", "at start"] {
        pipeline.add_lines(1000)?;
        pipeline.wait_count(seconds(60)).context(turn)?;
        pipeline
            .wait_running(worker.rest(), seconds(60))
            .context(turn)?;
        worker.process().check_running()?;
        if turn == "while it runs" {
            // A config write after the garbage works as before.
            worker.rest().verb("PUT", &pipeline.source(), "pause")?;
            worker
                .rest()
                .wait_state(&pipeline.source(), "PAUSED", 1, seconds(30))?;
            worker.rest().verb("PUT", &pipeline.source(), "resume")?;
            pipeline.wait_running(worker.rest(), seconds(30))?;
            worker.stop()?;
            worker = cluster.worker(tested_kind(), &properties)?;
        }
    }
    let output = worker.process().output();
    worker.stop()?;
    pipeline.delivery()?.none_lost_or_repeated()?;
    if tested_kind() == Kind::Agent {
        // The agent says which record of which topic it could not use, once for each topic at least.
        for (topic, offset) in first {
            ensure!(
                output
                    .lines()
                    .any(|line| line.contains(&topic) && line.contains(&offset.to_string())),
                "no line on {topic} offset {offset}\n{output}"
            );
        }
    }
    Ok(())
}

type Garbage = Vec<(Option<Vec<u8>>, Option<Vec<u8>>)>;

/// Records that look as if they were about the running connectors, and records that look like nothing.
///
/// None of them says anything a worker would have to obey: a well-formed tombstone of a connector, for
/// instance, is a deletion whoever wrote it.
fn garbage(pipeline: &Pipeline) -> Result<Garbage> {
    let source = pipeline.source();
    let random: Vec<u8> = (0..5000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let huge = json!({ "properties": { "x": "y".repeat(900_000) } }).to_string();
    let keys = [
        format!("connector-{source}"),
        format!("task-{source}-0"),
        format!("task-{source}-x"),
        format!("commit-{source}"),
        format!("target-state-{source}"),
        format!("tasks-fencing-{source}"),
        format!("restart-connector-{source}"),
        "session-key".to_owned(),
        "logger-cluster-x".to_owned(),
        format!("status-connector-{source}"),
        format!("status-task-{source}-0"),
        format!("status-task-{source}-x"),
        format!("status-topic-t:connector-{source}"),
        "status-topic-".to_owned(),
        "no kind at all".to_owned(),
        "[\"half".to_owned(),
        "[\"name\",{\"a\":1},3]".to_owned(),
        "{\"a\":1}".to_owned(),
    ];
    let values: [&[u8]; 6] = [
        &random,
        b"{",
        b"[]",
        b"17",
        b"\"text\"",
        b"{\"state\":17,\"tasks\":\"many\",\"properties\":5}",
    ];
    let mut records: Garbage = Vec::new();
    for key in &keys {
        for value in values {
            records.push((Some(key.clone().into_bytes()), Some(value.to_vec())));
        }
    }
    records.push((None, Some(b"no key".to_vec())));
    records.push((None, None));
    records.push((Some(Vec::new()), Some(Vec::new())));
    records.push((Some(random.clone()), Some(random.clone())));
    records.push((Some(b"huge".to_vec()), Some(huge.into_bytes())));
    records.push((Some(vec![b'k'; 100_000]), Some(b"{}".to_vec())));
    Ok(records)
}

/// Writes the garbage to the three internal topics and returns where in each the first undecodable record is.
fn spoil(
    cluster: &Cluster<'_>,
    pipeline: &Pipeline,
    garbage: &Garbage,
) -> Result<Vec<(String, i64)>> {
    let mut first = Vec::new();
    for (kind, key) in [
        ("configs", format!("commit-{}", pipeline.source())),
        ("status", format!("status-task-{}-0", pipeline.source())),
    ] {
        let topic = format!("{}-{kind}", cluster.name);
        write(cluster, &topic, garbage)?;
        let found = consume_all(&cluster.bootstrap, &topic)?
            .into_iter()
            .find(|record| {
                record.key.as_deref() == Some(key.as_bytes())
                    && record.value.as_deref() == Some(b"{")
            })
            .context("the garbage that was just written")?;
        first.push((topic, found.offset));
    }
    write(cluster, &format!("{}-offsets", cluster.name), garbage)?;
    Ok(first)
}

fn write(cluster: &Cluster<'_>, topic: &str, garbage: &Garbage) -> Result<()> {
    let records = garbage
        .iter()
        .filter(|(key, _)| !(topic.ends_with("-configs") && key.is_none()));
    // Compacted topics refuse records without a key, and one refusal would fail all.
    produce(
        &cluster.bootstrap,
        topic,
        records
            .filter(|(key, _)| key.is_some())
            .map(|(key, value)| (key.as_deref(), value.as_deref())),
    )
}
