//! Foreign clients on the embedded broker: kcat, Kafka's own tools, a JVM Connect worker with exactly-once
//! on.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use sluice_tests::kafka::Kafka;
use sluice_tests::pipeline::Pipeline;
use sluice_tests::servers::{BrokerKind, Servers};
use sluice_tests::wait::seconds;
use sluice_tests::worker::Kind;

use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "java_clients::kafkas_tools_work_on_the_embedded_broker",
        needs: Needs::JAVA,
        run: tools,
    },
    Test {
        name: "java_clients::kcat_produces_consumes_and_joins_a_group_on_the_embedded_broker",
        needs: Needs::JAVA,
        run: kcat,
    },
    Test {
        name: "java_clients::a_jvm_worker_runs_exactly_once_on_the_embedded_broker",
        needs: Needs::JAVA,
        run: jvm_worker,
    },
];

/// Runs a tool with `input` and returns what it printed.
fn run(mut command: Command, input: &str) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{command:?}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that fails early closes its end; its status tells.
        let _ = stdin.write_all(input.as_bytes());
    }
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output()?;
    let (out, err) = (
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    ensure!(status.success(), "{command:?}: {status}\n{out}\n{err}");
    Ok(out.into_owned())
}

fn java(servers: &Servers, class: &str, arguments: &str, input: &str) -> Result<String> {
    let start = servers.java("256m", "warn")?;
    let mut command = Command::new(&start[0]);
    command
        .args(&start[1..])
        .arg(class)
        .args(arguments.split(' '));
    run(command, input)
}

fn tools(context: &Context) -> Result<()> {
    const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
    const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
    const CONFIGS: &str = "kafka.admin.ConfigCommand";
    const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
    let broker = Kafka::start_kind(&context.servers, BrokerKind::Embedded)?;
    let at = format!("--bootstrap-server {}", broker.bootstrap());
    let call = |class: &str, rest: &str, input: &str| {
        java(&context.servers, class, &format!("{at} {rest}"), input)
    };

    call(
        TOPICS,
        "--create --topic t --partitions 2 --config retention.ms=7200000",
        "",
    )?;
    let described = call(TOPICS, "--describe --topic t", "")?;
    ensure!(
        described.contains("PartitionCount: 2") && described.contains("retention.ms=7200000"),
        "{described}"
    );
    call(TOPICS, "--alter --topic t --partitions 3", "")?;
    let lines: String = (0..300).map(|number| format!("line {number}\n")).collect();
    call(
        "org.apache.kafka.tools.ConsoleProducer",
        "--topic t",
        &lines,
    )?;
    let read = call(
        CONSUMER,
        "--topic t --from-beginning --max-messages 300 --timeout-ms 30000 --group g",
        "",
    )?;
    let mut read: Vec<&str> = read.lines().collect();
    read.sort_unstable();
    read.dedup();
    ensure!(read.len() == 300, "{} different lines", read.len());

    let groups = call(GROUPS, "--list", "")?;
    ensure!(groups.lines().any(|line| line == "g"), "{groups}");
    let group = call(GROUPS, "--describe --group g", "")?;
    let lag_is_zero = |line: &str| line.split_whitespace().nth(5) == Some("0");
    let partitions: Vec<&str> = group
        .lines()
        .filter(|line| line.starts_with("g "))
        .collect();
    ensure!(
        partitions.len() == 3 && partitions.iter().all(|line| lag_is_zero(line)),
        "{group}"
    );
    call(
        GROUPS,
        "--group g --topic t --reset-offsets --to-earliest --execute",
        "",
    )?;
    call(GROUPS, "--delete --group g", "")?;
    ensure!(!call(GROUPS, "--list", "")?.lines().any(|line| line == "g"));

    let entity = "--entity-type topics --entity-name t";
    call(
        CONFIGS,
        &format!("--alter {entity} --add-config cleanup.policy=compact"),
        "",
    )?;
    call(
        CONFIGS,
        &format!("--alter {entity} --delete-config retention.ms"),
        "",
    )?;
    let configs = call(CONFIGS, &format!("--describe {entity}"), "")?;
    ensure!(
        configs.contains("cleanup.policy=compact") && !configs.contains("retention.ms=7200000"),
        "{configs}"
    );

    java(
        &context.servers,
        "org.apache.kafka.tools.ProducerPerformance",
        &format!(
            "--topic tx --num-records 5000 --record-size 100 --throughput -1 --transactional-id perf \
             --transaction-duration-ms 50 --bootstrap-server {}",
            broker.bootstrap()
        ),
        "",
    )?;
    let read = call(
        CONSUMER,
        "--topic tx --from-beginning --max-messages 5000 --timeout-ms 30000 --isolation-level read_committed",
        "",
    )?;
    ensure!(read.lines().count() == 5000, "{}", read.lines().count());
    call(TOPICS, "--delete --topic t", "")?;
    ensure!(!call(TOPICS, "--list", "")?.lines().any(|line| line == "t"));
    Ok(())
}

fn kcat(context: &Context) -> Result<()> {
    let broker = Kafka::start_kind(&context.servers, BrokerKind::Embedded)?;
    let call = |arguments: &str, input: &str| {
        let mut command = Command::new("kcat");
        command
            .args(["-b", &broker.bootstrap()])
            .args(arguments.split(' '));
        run(command, input)
    };
    let lines: String = (0..1000).map(|number| format!("{number}\n")).collect();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        call(
            &format!("-P -t k -X enable.idempotence=true -z {codec}"),
            &lines,
        )?;
    }
    let read = call("-C -t k -o beginning -e -q", "")?;
    ensure!(read == lines.repeat(5), "{} lines", read.lines().count());
    let read = call("-G g -e -q -X auto.offset.reset=earliest k", "")?;
    ensure!(
        read.lines().count() == 5000,
        "{} lines",
        read.lines().count()
    );
    let found = call("-Q -t k:0:-1", "")?;
    ensure!(found.contains("offset 5000"), "{found}");
    Ok(())
}

fn jvm_worker(context: &Context) -> Result<()> {
    const LINES: u64 = 5_000;
    let broker = Kafka::start_kind(&context.servers, BrokerKind::Embedded)?;
    let cluster = context.cluster_on("jvm-exactly-once", &broker.bootstrap())?;
    let properties = cluster
        .properties()?
        .with("exactly.once.source.support", "enabled");
    let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
    pipeline.add_lines(LINES)?;
    let worker = cluster.worker(Kind::Jvm, &properties)?;
    pipeline.create(worker.rest())?;
    pipeline.wait_running(worker.rest(), seconds(60))?;
    pipeline.wait_count(seconds(60))?;
    // A second worker takes part, which fences the first one's producers.
    let second = cluster
        .properties()?
        .with("exactly.once.source.support", "enabled");
    let second = cluster.worker(Kind::Jvm, &second)?;
    pipeline.add_lines(LINES)?;
    pipeline.wait_running(second.rest(), seconds(60))?;
    pipeline.wait_none_lost(seconds(90))?;
    Ok(())
}
