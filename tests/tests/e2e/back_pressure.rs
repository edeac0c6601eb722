//! What cannot be handed on is not taken in: memory stays bounded while a sink hangs or the broker is gone.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::sys::signal::Signal;
use sluice_tests::files::line;
use sluice_tests::kafka::Kafka;
use sluice_tests::pipeline::Pipeline;
use sluice_tests::rest::Rest;
use sluice_tests::topics::create_topic_on;
use sluice_tests::wait::{seconds, wait_for, wait_until};

use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "back_pressure::a_sink_that_hangs_for_a_minute_grows_nothing_and_loses_nothing",
        needs: Needs::NOTHING,
        run: hanging_sink,
    },
    Test {
        name: "back_pressure::a_source_whose_broker_hangs_grows_nothing_and_loses_nothing",
        needs: Needs::NOTHING,
        run: hanging_broker,
    },
    Test {
        name: "back_pressure::a_topic_that_takes_nothing_holds_up_its_own_task_only",
        needs: Needs::JAVA,
        run: stuck_topic,
    },
    Test {
        name: "back_pressure::an_agent_stops_soon_though_its_brokers_are_silent_or_gone",
        needs: Needs::NOTHING,
        run: stop_without_broker,
    },
];

/// Some 65 bytes each: far more than may be in memory.
const LINES: u64 = 1_500_000;
/// What an agent may take at most, in MiB. Its queues hold up to 64 MiB; the rest is room for a build without
/// optimisation.
const MOST: u64 = 160;
/// What may come and go while nothing moves, in MiB.
const FLUCTUATION: u64 = 8;

fn hanging_sink(context: &Context) -> Result<()> {
    let cluster = context.cluster("hanging")?;
    let mut workers = cluster.start(1)?;
    let process = workers[0].process().id();
    let rest = workers[0].rest();
    let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
    pipeline.add_lines(LINES)?;
    rest.put_config(&pipeline.source(), &pipeline.source_config())?;
    wait_read(&pipeline, rest)?;

    // A pipe is a file that takes nothing while nobody reads.
    let output = file_of(&pipeline.sink_config())?;
    let made = Command::new("mkfifo").arg(&output).status()?;
    ensure!(made.success(), "mkfifo: {made}");
    let (go_on, told) = mpsc::channel();
    let (began, beginning) = mpsc::channel();
    let name = pipeline.name.clone();
    let reader: JoinHandle<Result<()>> = std::thread::spawn(move || {
        let mut lines = BufReader::new(std::fs::File::open(output)?).lines();
        for n in 0..LINES {
            let arrived = lines.next().context("the pipe was closed")??;
            ensure!(arrived == line(&name, n), "line {n} is {arrived:?}");
            if n == 0 {
                began.send(())?;
                told.recv()?;
            }
        }
        Ok(())
    });
    rest.put_config(&pipeline.sink(), &pipeline.sink_config())?;
    beginning
        .recv_timeout(seconds(60))
        .context("the first line")?;
    memory_is_steady(process, seconds(60))?;
    rest.wait_running(&pipeline.sink(), 1, Duration::ZERO)?;
    go_on.send(())?;
    wait_until("the end of the pipe", seconds(180), || {
        Ok(reader.is_finished())
    })?;
    reader.join().map_err(|_| anyhow!("the reader panicked"))?
}

fn hanging_broker(context: &Context) -> Result<()> {
    let mut kafka = Kafka::start(&context.servers)?;
    let cluster = context.cluster_on("stuck", &kafka.bootstrap())?;
    let mut workers = cluster.start(1)?;
    let process = workers[0].process().id();
    let rest = workers[0].rest();
    let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
    pipeline.add_lines(LINES)?;
    rest.put_config(&pipeline.source(), &pipeline.source_config())?;
    wait_until("the first offset", seconds(60), || {
        Ok(!rest.offsets(&pipeline.source())?.is_empty())
    })?;
    kafka.process()?.freeze()?;
    memory_is_steady(process, seconds(30))?;
    kafka.process()?.thaw()?;
    wait_read(&pipeline, rest)?;
    rest.put_config(&pipeline.sink(), &pipeline.sink_config())?;
    pipeline.wait_none_lost(seconds(180))?;
    Ok(())
}

/// Tasks of a worker share a producer: one that cannot get rid of its records must not fill it for all.
fn stuck_topic(context: &Context) -> Result<()> {
    let kafka = Kafka::start(&context.servers)?;
    let bootstrap = kafka.bootstrap();
    let cluster = context.cluster_on("share", &bootstrap)?;
    let mut workers = cluster.start(1)?;
    let process = workers[0].process().id();
    let rest = workers[0].rest();
    let mut stuck = Pipeline::new(&cluster.folder, &cluster.name, "stuck");
    let mut free = Pipeline::new(&cluster.folder, &cluster.name, "free");
    // The worker's own topics and the offsets of groups are on the first node by now.
    create_topic_on(&bootstrap, &free.topic, 1)?;
    free.add_lines(1_000)?;
    free.create(rest)?;
    free.wait_none_lost(seconds(60))?;

    let mut second = kafka.start_second()?;
    create_topic_on(&bootstrap, &stuck.topic, 2)?;
    stuck.add_lines(1_000)?;
    stuck.create(rest)?;
    stuck.wait_none_lost(seconds(60))?;
    second.kill()?;
    stuck.add_lines(LINES)?;
    memory_is_steady(process, seconds(15))?;
    free.add_lines(100_000)?;
    free.wait_none_lost(seconds(60))?;
    ensure!(stuck.arrived()? < LINES, "the second node is not gone");

    second.restart()?;
    stuck.wait_none_lost(seconds(180))?;
    rest.wait_running(&stuck.source(), 1, Duration::ZERO)?;
    Ok(())
}

/// What an agent still has to tell its brokers when it ends takes no longer than it can be worth.
fn stop_without_broker(context: &Context) -> Result<()> {
    for gone in [false, true] {
        let mut kafka = Kafka::start(&context.servers)?;
        let name = if gone { "gone" } else { "silent" };
        let cluster = context.cluster_on(name, &kafka.bootstrap())?;
        let mut workers = cluster.start(1)?;
        let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
        pipeline.add_lines(1_000)?;
        pipeline.create(workers[0].rest())?;
        pipeline.wait_none_lost(seconds(60))?;
        if gone {
            kafka.kill()?;
        } else {
            kafka.process()?.freeze()?;
        }
        let agent = workers[0].process();
        agent.signal(Signal::SIGTERM)?;
        agent.wait_exit(seconds(15))?;
        let log = agent.log_end(40);
        ensure!(log.contains("Kafka does not answer"), "{name}: {log}");
        if !gone {
            kafka.process()?.thaw()?;
        }
    }
    Ok(())
}

/// Waits until the offsets say that the source has read all of its file.
fn wait_read(pipeline: &Pipeline, rest: &Rest) -> Result<()> {
    let size = std::fs::metadata(file_of(&pipeline.source_config())?)?.len();
    wait_for("all of the file", seconds(180), || {
        let offsets = rest.offsets(&pipeline.source())?;
        let position = offsets.first().map(|one| &one["offset"]["position"]);
        ensure!(
            position.and_then(|at| at.as_u64()) == Some(size),
            "{offsets:?} of {size}"
        );
        Ok(Some(()))
    })
}

fn file_of(config: &serde_json::Value) -> Result<PathBuf> {
    Ok(config["file"].as_str().context("a file")?.into())
}

/// Watches the memory of a process that can move nothing: it may fill its queues first, and grows no more
/// after that.
fn memory_is_steady(process: u32, during: Duration) -> Result<()> {
    let start = Instant::now();
    let (mut filled, mut most) = (0, 0);
    while start.elapsed() < during {
        let now = resident(process)?;
        if start.elapsed() < during / 3 {
            filled = filled.max(now);
        }
        most = most.max(now);
        std::thread::sleep(Duration::from_millis(500));
    }
    ensure!(
        most <= filled + FLUCTUATION,
        "from {filled} MiB to {most} MiB"
    );
    ensure!(most <= MOST, "{most} MiB");
    Ok(())
}

/// Resident memory in MiB.
fn resident(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .map(|kib| kib / 1024)
        .context("VmRSS")
}
