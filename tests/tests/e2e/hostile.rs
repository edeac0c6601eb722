//! Hostile peers: what anybody who reaches a port can send costs its sender something, and the worker little.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use sluice_tests::corpus::CorpusRecord;
use sluice_tests::hostile::{HostileBroker, peak_memory, silent_clients};
use sluice_tests::process::Process;
use sluice_tests::topics::{create_topic, produce_corpus};
use sluice_tests::wait::{seconds, wait_for, wait_until};
use sluice_tests::worker::{Kind, Worker, WorkerProperties, command};

use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "hostile::a_broker_whose_answers_claim_billions_ends_no_process",
        needs: Needs::NOTHING,
        run: lying_broker,
    },
    Test {
        name: "hostile::silent_clients_do_not_keep_rest_from_answering_nor_a_source_from_working",
        needs: Needs::NOTHING,
        run: silence,
    },
    Test {
        name: "hostile::half_requests_do_not_delay_a_stop",
        needs: Needs::NOTHING,
        run: half_requests,
    },
    Test {
        name: "hostile::headers_of_90_000_entries_leave_rest_and_the_group_alone",
        needs: Needs::NOTHING,
        run: header_bomb,
    },
    Test {
        name: "hostile::thirty_megabytes_of_empty_names_take_no_memory_of_the_embedded_broker",
        needs: Needs::NOTHING,
        run: empty_names,
    },
    Test {
        name: "hostile::connectors_that_the_workers_file_denies_are_refused_with_the_key",
        needs: Needs::NOTHING,
        run: denied,
    },
    Test {
        name: "hostile::connectors_reach_no_file_and_host_beyond_those_of_the_workers_file",
        needs: Needs::NOTHING,
        run: bounded,
    },
    Test {
        name: "hostile::the_layouts_of_messages_are_those_of_kafkas_definitions",
        needs: Needs::JAVA,
        run: layouts,
    },
];

/// Answers to `ApiVersions` 3: error 0 and an array of 2^31 - 2 elements, in eleven bytes; the same inside a
/// known tagged field; a header of many tagged fields in a version that has none.
const LIES: [&[u8]; 3] = [
    &[0, 0, 0xff, 0xff, 0xff, 0xff, 0x07, 0, 0, 0, 0],
    &[0, 0, 1, 0, 0, 0, 0, 1, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0, 0, 0x80, 0x80, 0x80, 0x80, 0x08, 0xff, 0xff, 0xff, 0xff],
];

fn lying_broker(context: &Context) -> Result<()> {
    let cluster = context.cluster("lying")?;
    // As the worker's own broker: it does not start, and says why.
    for lie in LIES {
        let broker = HostileBroker::start(lie)?;
        let properties = WorkerProperties::new(broker.address(), &cluster.name)?;
        let file = cluster.folder.join("lied-to.properties");
        std::fs::write(&file, properties.text())?;
        let command = command(Kind::Agent, &context.servers, &file)?;
        let log = cluster.folder.join("lied-to.log");
        let mut process = Process::start("lied-to", &command, &[], &log)?;
        wait_until("the lie to be told", seconds(30), || {
            Ok(broker.requests() > 0)
        })?;
        wait_until("the lie to be named", seconds(30), || {
            Ok(process.output().contains("claims"))
        })?;
        if let Some(status) = process.exit_status()? {
            ensure!(
                status.code() == Some(2),
                "{status}\n{}",
                process.log_end(20)
            );
        } else {
            process.kill()?;
        }
        std::fs::remove_file(&log)?;
    }
    // As the source cluster of a connector: the worker lives, and so does every other connector.
    let mut worker = cluster.worker(Kind::Agent, &cluster.properties()?)?;
    let broker = HostileBroker::start(LIES[0])?;
    worker.rest().put_config(
        "liar",
        &json!({
            "connector.class": "org.apache.kafka.connect.mirror.MirrorSourceConnector",
            "source.cluster.alias": "far", "target.cluster.alias": "near", "topics": ".*",
            "source.cluster.bootstrap.servers": broker.address(),
            "target.cluster.bootstrap.servers": cluster.bootstrap,
        }),
    )?;
    wait_until("the lie to be told", seconds(60), || {
        Ok(broker.requests() > 2)
    })?;
    worker.process().check_running()?;
    answers_within_a_second(&worker)?;
    let peak = peak_memory(worker.process().id())?;
    ensure!(peak < 300, "{peak} MB");
    worker.stop()
}

fn answers_within_a_second(worker: &Worker) -> Result<()> {
    let begin = Instant::now();
    worker.rest().get("/connectors")?.success()?;
    let took = begin.elapsed();
    ensure!(
        took < Duration::from_secs(1),
        "REST answered after {took:?}"
    );
    Ok(())
}

/// A worker that may open 256 files.
fn of_few_descriptors(
    context: &Context,
    folder: &std::path::Path,
    properties: &WorkerProperties,
) -> Result<Process> {
    let file = folder.join("few.properties");
    std::fs::write(&file, properties.text())?;
    let mut all: Vec<String> = ["prlimit", "--nofile=256", "--"].map(str::to_owned).into();
    all.extend(command(Kind::Agent, &context.servers, &file)?);
    let mut process = Process::start("few", &all, &[], &folder.join("few.log"))?;
    let rest = properties.rest()?;
    wait_until("the worker to be healthy", seconds(60), || {
        process.check_running()?;
        Ok(rest.get("/health")?.status == 200)
    })?;
    Ok(process)
}

fn silence(context: &Context) -> Result<()> {
    let cluster = context.cluster("silence")?;
    let properties = cluster.properties()?;
    let mut process = of_few_descriptors(context, &cluster.folder, &properties)?;
    let address = properties.worker_id();
    let request = "GET /connectors HTTP/1.1\r\nhost: x\r\n";
    let body = "POST /connectors HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: \
                999\r\n\r\n{";
    for bytes in ["", &request[..9], request, body] {
        let clients = silent_clients(&address, 300, bytes.as_bytes())?;
        let begin = Instant::now();
        // A connection that was kept open has given way to the silent ones.
        properties.rest()?.get("/connectors")?.success()?;
        ensure!(
            begin.elapsed() < Duration::from_secs(1),
            "{:?}",
            begin.elapsed()
        );
        drop(clients);
    }
    let _clients = silent_clients(&address, 300, b"")?;
    // A source that starts now needs descriptors for its producer.
    let lines = cluster.folder.join("lines.txt");
    std::fs::write(&lines, "one\ntwo\n")?;
    let topic = format!("{}-lines", cluster.name);
    properties.rest()?.create(
        "lines",
        &json!({"connector.class": "FileStreamSource", "file": lines, "topic": topic, "tasks.max": "1"}),
        1,
    )?;
    wait_until("both lines", seconds(30), || {
        Ok(sluice_tests::topics::consume_all(&cluster.bootstrap, &topic)?.len() == 2)
    })?;
    let status = process.terminate(seconds(5))?;
    ensure!(status.success(), "{status}");
    Ok(())
}

fn half_requests(context: &Context) -> Result<()> {
    let cluster = context.cluster("half")?;
    let mut worker = cluster.worker(Kind::Agent, &cluster.properties()?)?;
    let address = worker.worker_id();
    let mut halves = vec![];
    for bytes in [
        "GET /connectors HTTP/1.1\r\nhost",
        "GET /connectors HTTP/1.1\r\nhost: x\r\n",
        "PUT /connectors/a/config HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: \
         50\r\n\r\n{\"a\":",
        "PUT /connectors/a/config HTTP/1.1\r\nhost: x\r\ncontent-type: \
         application/json\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{",
    ] {
        let mut client = TcpStream::connect(&address)?;
        client.write_all(bytes.as_bytes())?;
        halves.push(client);
    }
    answers_within_a_second(&worker)?;
    let status = worker
        .process()
        .terminate(seconds(5))
        .context("a stop with half requests takes under five seconds")?;
    ensure!(status.success(), "{status}");
    Ok(())
}

fn header_bomb(context: &Context) -> Result<()> {
    let cluster = context.cluster("bomb")?;
    let mut worker = cluster.worker(Kind::Agent, &cluster.properties()?)?;
    let topic = format!("{}-bombs", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 4)?;
    let entries: Vec<String> = (0..90_000).map(|number| format!("{number}:0")).collect();
    let bomb = format!("{{{}}}", entries.join(","));
    let record = CorpusRecord {
        value: Some(b"bomb".to_vec()),
        headers: vec![("h".to_owned(), Some(bomb.into_bytes()))],
        ..CorpusRecord::default()
    };
    produce_corpus(&cluster.bootstrap, &topic, &vec![record; 4])?;
    let file = cluster.folder.join("bombs.txt");
    worker.rest().put_config(
        "bombs",
        &json!({"connector.class": "FileStreamSink", "topics": topic, "file": file, "tasks.max": "4"}),
    )?;
    wait_until("all four records", seconds(120), || {
        answers_within_a_second(&worker)?;
        Ok(std::fs::read_to_string(&file).is_ok_and(|text| text.lines().count() == 4))
    })?;
    worker.process().check_running()?;
    worker.stop()
}

fn empty_names(context: &Context) -> Result<()> {
    let data = context.folder(&context.unique("names-data"))?;
    let cluster = context.cluster_on("names", &format!("embedded:{}", data.display()))?;
    let port = sluice_tests::ports::free_port()?;
    let properties = cluster
        .properties()?
        .with("embedded.port", &port.to_string());
    let mut worker = cluster.worker(Kind::Agent, &properties)?;
    // Metadata 1 with fifteen million names of no letters.
    let mut request = vec![0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff];
    request.extend(15_000_000_u32.to_be_bytes());
    request.resize(request.len() + 30_000_000, 0);
    for _ in 0..3 {
        let mut client = TcpStream::connect(("127.0.0.1", port))?;
        client.write_all(&u32::try_from(request.len())?.to_be_bytes())?;
        // The broker may close the connection before it has read everything.
        let _ = client.write_all(&request);
        client.set_read_timeout(Some(seconds(30)))?;
        let mut answer = [0; 4];
        let read = std::io::Read::read(&mut client, &mut answer);
        ensure!(!matches!(read, Ok(1..)), "it was answered");
    }
    answers_within_a_second(&worker)?;
    let peak = peak_memory(worker.process().id())?;
    ensure!(peak < 300, "{peak} MB");
    worker.stop()
}

/// The file that both ends check lengths by is made again from the jar of Kafka's clients.
fn layouts(context: &Context) -> Result<()> {
    let folder = sluice_tests::servers::tests_folder().join("../agent/wire");
    let jar = context.servers.jar("kafka-clients")?;
    let made = std::process::Command::new("python3")
        .arg(folder.join("layouts.py"))
        .arg(jar)
        .output()?;
    ensure!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let kept = std::fs::read(folder.join("src/layouts.rs"))?;
    ensure!(
        made.stdout == kept,
        "agent/wire/src/layouts.rs is not what layouts.py makes"
    );
    Ok(())
}

fn denied(context: &Context) -> Result<()> {
    let cluster = context.cluster("denied")?;
    let properties = cluster
        .properties()?
        .with("sluice.plugins.deny", "FileStreamSink,io.confluent.*");
    let worker = cluster.worker(Kind::Agent, &properties)?;
    let file = cluster.folder.join("passwd");
    let config = json!({"connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "topics": "t", "file": file});
    let refused = worker
        .rest()
        .call("PUT", "/connectors/sink/config", Some(&config))?;
    ensure!(
        refused.status == 400 && refused.text.contains("sluice.plugins.deny"),
        "{} {}",
        refused.status,
        refused.text
    );
    let listed = worker.rest().get("/connector-plugins")?.success()?.text;
    ensure!(
        listed.contains("FileStreamSource") && !listed.contains("FileStreamSink"),
        "{listed}"
    );
    worker.stop()
}

/// Configurations with one key each that names what the worker's file does not allow.
fn beyond(folder: &std::path::Path, port: u16) -> Vec<(&'static str, serde_json::Value)> {
    let outside = folder.join("outside.txt");
    let up = folder.join("shared/../outside.txt");
    let link = folder.join("shared/link/outside.txt");
    let file = |path: &dyn AsRef<std::path::Path>| json!({"connector.class": "FileStreamSink", "topics": "t", "file": path.as_ref()});
    let inside = folder.join("shared/out.txt");
    let with = |key: &str, value: String| {
        let mut config =
            json!({"connector.class": "FileStreamSink", "topics": "t", "file": inside});
        config[key] = value.into();
        config
    };
    vec![
        ("file", file(&outside)),
        ("file", file(&up)),
        ("file", file(&link)),
        ("file", file(&"relative.txt")),
        (
            "file",
            json!({"connector.class": "FileStreamSource", "topic": "t", "file": "/etc/passwd"}),
        ),
        (
            "http.url",
            json!({"connector.class": "HttpSink", "topics": "t", "http.url": format!("http://127.0.0.1:{port}/")}),
        ),
        (
            "connection.url",
            json!({"connector.class": "JdbcSink", "topics": "t", "connection.url": format!("jdbc:sqlite:{}", outside.display())}),
        ),
        (
            "connection.url",
            json!({"connector.class": "JdbcSink", "topics": "t", "connection.url": format!("jdbc:postgresql://127.0.0.1:{port}/d")}),
        ),
        (
            "hdfs.url",
            json!({"connector.class": "HdfsSink", "topics": "t", "hdfs.url": format!("hdfs://127.0.0.1:{port}"), "flush.size": "1"}),
        ),
        (
            "consumer.override.bootstrap.servers",
            with(
                "consumer.override.bootstrap.servers",
                format!("127.0.0.1:{port}"),
            ),
        ),
        (
            "consumer.override.ssl.truststore.location",
            with(
                "consumer.override.ssl.truststore.location",
                "/etc/passwd".to_owned(),
            ),
        ),
        (
            "source.cluster.bootstrap.servers",
            json!({
                "connector.class": "MirrorSource", "source.cluster.alias": "a", "target.cluster.alias": "b", "topics": "t",
                "source.cluster.bootstrap.servers": format!("127.0.0.1:{port}"), "target.cluster.bootstrap.servers": "allowed.example:1",
            }),
        ),
    ]
}

fn bounded(context: &Context) -> Result<()> {
    let cluster = context.cluster("bounded")?;
    let shared = cluster.folder.join("shared");
    std::fs::create_dir(&shared)?;
    std::os::unix::fs::symlink(&cluster.folder, shared.join("link"))?;
    std::fs::write(
        cluster.folder.join("secret.properties"),
        "password=geheim\n",
    )?;
    let topic = format!("{}-lines", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    // Stored while everything is allowed.
    let worker = cluster.worker(Kind::Agent, &cluster.properties()?)?;
    let before = json!({
        "connector.class": "FileStreamSink", "topics": topic, "file": cluster.folder.join("outside.txt"), "tasks.max": "1",
    });
    worker.rest().put_config("before", &before)?;
    worker.rest().wait_running("before", 1, seconds(60))?;
    worker.stop()?;

    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let properties = cluster
        .properties()?
        .with("sluice.file.roots", &shared.display().to_string())
        .with(
            "sluice.http.hosts",
            "allowed.example,*.allowed.example,10.0.0.0/8",
        )
        .with("scheduled.rebalance.max.delay.ms", "0")
        .with("config.providers", "file")
        .with(
            "config.providers.file.class",
            "org.apache.kafka.common.config.provider.FileConfigProvider",
        );
    let worker = cluster.worker(Kind::Agent, &properties)?;
    wait_for("the connector of before to fail", seconds(60), || {
        let status = worker.rest().get("/connectors/before/status")?.text;
        let failed = status.contains("FAILED") && status.contains("sluice.file.roots");
        ensure!(failed, "{status}");
        Ok(Some(()))
    })?;
    for (key, config) in beyond(&cluster.folder, port) {
        let refused = worker
            .rest()
            .call("PUT", "/connectors/beyond/config", Some(&config))?;
        ensure!(
            refused.status == 400
                && refused.text.contains(&format!("{key}: "))
                && refused.text.contains("sluice."),
            "{config} was answered {} {}",
            refused.status,
            refused.text
        );
        let class = config["connector.class"].as_str().unwrap_or_default();
        let path = format!("/connector-plugins/{class}/config/validate");
        let mut config = config.clone();
        config["name"] = "beyond".into();
        let answer = worker
            .rest()
            .call("PUT", &path, Some(&config))?
            .success()?
            .text;
        ensure!(answer.contains(&format!("{key}: ")), "{key}: {answer}");
    }
    ensure!(listener.accept().is_err(), "a host out of reach was tried");

    let secret = format!(
        "${{file:{}:password}}",
        cluster.folder.join("secret.properties").display()
    );
    let config =
        json!({"connector.class": "FileStreamSink", "topics": topic, "file": shared.join(&secret)});
    let refused = worker
        .rest()
        .call("PUT", "/connectors/beyond/config", Some(&config))?;
    ensure!(
        refused.status >= 400
            && refused.text.contains("allowed.paths")
            && !refused.text.contains("geheim"),
        "{} {}",
        refused.status,
        refused.text
    );

    let within = json!({"connector.class": "FileStreamSink", "topics": topic, "file": shared.join("new.txt"), "tasks.max": "1"});
    worker.rest().put_config("within", &within)?;
    worker.rest().wait_running("within", 1, seconds(60))?;
    ensure!(
        shared.join("new.txt").exists(),
        "the file of a root was not made"
    );
    worker.stop()
}
