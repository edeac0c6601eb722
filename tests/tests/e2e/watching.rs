//! What the terminal says while it only watches: brokers that stand still, sources of JVM workers, its own
//! topics among those of a hundred other clusters.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::json;
use sluice_tests::kafka::Kafka;
use sluice_tests::pipeline::Pipeline;
use sluice_tests::pty::{Terminal, keys};
use sluice_tests::servers::sluice_binary;
use sluice_tests::topics::{create_topics, produce};
use sluice_tests::wait::seconds;
use sluice_tests::worker::{Kind, Worker};

use crate::context::{Cluster, Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "watching::a_broker_that_stands_still_is_said_and_forgotten_within_seconds",
        needs: Needs::NOTHING,
        run: |context| frozen(context, Kind::Agent),
    },
    Test {
        name: "watching::a_broker_that_stands_still_under_a_jvm_worker_is_said_and_forgotten",
        needs: Needs::JAVA,
        run: |context| frozen(context, Kind::Jvm),
    },
    Test {
        name: "watching::sources_of_a_jvm_worker_have_the_age_of_the_last_offset_that_moved",
        needs: Needs::JAVA,
        run: source_age,
    },
    Test {
        name: "watching::the_own_topics_are_found_among_those_of_a_hundred_clusters_within_seconds",
        needs: Needs::NOTHING,
        run: hundred_clusters,
    },
];

/// The terminal on a worker and its brokers, which are told it by address alone.
fn open(cluster: &Cluster<'_>, worker: &Worker, size: (u16, u16)) -> Result<Terminal> {
    let binary = sluice_binary()?.display().to_string();
    let url = worker.rest().url();
    let command = [
        &binary,
        "--connect",
        url,
        "--bootstrap-servers",
        &cluster.bootstrap,
    ];
    let command: Vec<String> = command.into_iter().map(str::to_owned).collect();
    Terminal::start(&command, &[("XDG_CONFIG_HOME", "/nowhere")], size.0, size.1)
}

fn head(screen: &str) -> &str {
    screen.lines().next().unwrap_or("")
}

/// Broken for 15 seconds and more, as in `brokers down 17s`.
fn is_down_for_long(screen: &str) -> bool {
    let since = head(screen)
        .split("brokers down ")
        .nth(1)
        .and_then(|rest| rest.split('s').next());
    since
        .and_then(|since| since.parse::<u32>().ok())
        .is_some_and(|since| since >= 15)
}

fn frozen(context: &Context, kind: Kind) -> Result<()> {
    let mut kafka = Kafka::start(&context.servers)?;
    let cluster = context.cluster_on("frozen", &kafka.bootstrap())?;
    let worker = cluster.worker(kind, &cluster.properties()?)?;
    let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
    pipeline.add_lines(50)?;
    pipeline.create(worker.rest())?;
    pipeline.wait_running(worker.rest(), seconds(60))?;
    pipeline.wait_count(seconds(60))?;
    let terminal = open(&cluster, &worker, (140, 40))?;
    let fresh = |screen: &str| {
        let head = head(screen);
        head.contains("live") && head.contains("lag 0  ") && !head.contains("down")
    };
    terminal.wait_screen("a fresh lag", seconds(40), fresh)?;
    let sink = pipeline.sink();
    kafka.process()?.freeze()?;
    // Nothing is green that nobody can vouch for, and no number stands there as if it were new.
    terminal.wait_screen("doubt", seconds(40), |screen| {
        let row = screen
            .lines()
            .find(|line| line.contains(&sink))
            .unwrap_or("");
        is_down_for_long(screen)
            && row.contains("0?")
            && (row.contains("HEALTHY?") || row.contains("STALE"))
    })?;
    kafka.process()?.thaw()?;
    let began = Instant::now();
    terminal.wait_screen("the brokers again", seconds(20), fresh)?;
    // And what comes after is followed.
    pipeline.add_lines(50)?;
    pipeline.wait_count(seconds(60))?;
    terminal.wait_line(&[&sink, "HEALTHY "], seconds(30))?;
    ensure!(began.elapsed() < seconds(90), "{:?}", began.elapsed());
    Ok(())
}

/// Seconds in `an offset last moved 12s ago`.
fn age(screen: &str) -> Option<u32> {
    let rest = screen.split("an offset last moved ").nth(1)?;
    rest.split("s ago").next()?.parse().ok()
}

fn source_age(context: &Context) -> Result<()> {
    let cluster = context.cluster("source-age")?;
    let worker = cluster.worker(Kind::Jvm, &cluster.properties()?)?;
    let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
    pipeline.add_lines(10)?;
    pipeline.create(worker.rest())?;
    pipeline.wait_running(worker.rest(), seconds(60))?;
    pipeline.wait_count(seconds(60))?;
    // Of one that has read nothing yet no age is known.
    let idle = format!("{}-idle", cluster.name);
    let file = cluster.folder.join("idle.in");
    std::fs::write(&file, "")?;
    worker.rest().put_config(
        &idle,
        &json!({
            "connector.class": "FileStreamSource",
            "file": file,
            "topic": cluster.name,
            "tasks.max": "1",
        }),
    )?;
    worker.rest().wait_running(&idle, 1, seconds(60))?;
    let mut terminal = open(&cluster, &worker, (140, 40))?;
    terminal.wait_text("live", seconds(40))?;
    crate::terminal::choose(&mut terminal, &pipeline.source())?;
    terminal.send(keys::ENTER)?;
    // It grows while the source is at the end of its file, though the worker goes on committing,
    terminal.wait_screen("an age that grows", seconds(60), |screen| {
        age(screen).is_some_and(|age| age >= 8)
    })?;
    // and falls with the next line.
    pipeline.add_lines(1)?;
    terminal.wait_screen("a new age", seconds(30), |screen| {
        age(screen).is_some_and(|age| age <= 5)
    })?;
    for list in ["connectors[1/3]", "connectors[3]"] {
        terminal.send(keys::ESCAPE)?;
        terminal.wait_text(list, seconds(10))?;
    }
    crate::terminal::choose(&mut terminal, &idle)?;
    terminal.send(keys::ENTER)?;
    terminal.wait_text("offset age n/a", seconds(20))
}

fn hundred_clusters(context: &Context) -> Result<()> {
    const OTHERS: usize = 100;
    let kafka = Kafka::start(&context.servers)?;
    let bootstrap = kafka.bootstrap();
    let topic = |n: usize| {
        [
            (format!("other-{n}-status"), 2),
            (format!("other-{n}-configs"), 1),
        ]
    };
    let topics: Vec<(String, i32)> = (0..OTHERS).flat_map(topic).collect();
    create_topics(&bootstrap, &topics)?;
    let config = json!({"properties": {"connector.class": "FileStreamSink"}}).to_string();
    for (n, pair) in topics.chunks(2).enumerate() {
        let worker = format!("10.0.0.{n}:8083");
        let state =
            json!({"state": "RUNNING", "trace": null, "worker_id": worker, "generation": 1});
        let state = state.to_string();
        let keys = ["status-connector-pipe", "connector-pipe"];
        for ((topic, key), value) in pair.iter().zip(keys).zip([&state, &config]) {
            produce(
                &bootstrap,
                &topic.0,
                [(Some(key.as_bytes()), Some(value.as_bytes()))],
            )?;
        }
    }
    let cluster = context.cluster_on("ours", &bootstrap)?;
    let worker = cluster.worker(Kind::Agent, &cluster.properties()?)?;
    let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
    pipeline.add_lines(10)?;
    pipeline.create(worker.rest())?;
    pipeline.wait_running(worker.rest(), seconds(60))?;
    pipeline.wait_count(seconds(60))?;
    let terminal = open(&cluster, &worker, (140, 40))?;
    // The status topic makes it live, the config topic knows who was asked to stop, telemetry who uses how
    // much.
    terminal.wait_text("live", seconds(15))?;
    terminal.wait_screen("the group", seconds(10), |screen| {
        head(screen).contains("Stable")
    })?;
    worker.rest().verb("PUT", &pipeline.source(), "stop")?;
    terminal.wait_line(&["STOPPED", &pipeline.source()], seconds(10))
}
