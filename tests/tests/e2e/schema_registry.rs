//! Converters with a Schema Registry: what agents write is read by the Confluent client for Python, and the
//! other way round; credentials, TLS and refusals. The registry is the small one of the harness.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::certificates::{Authority, write_pem};
use sluice_tests::command;
use sluice_tests::schema_registry::SchemaRegistry;
use sluice_tests::servers::{self, tests_folder};
use sluice_tests::topics::{consume_all, create_topic, produce};
use sluice_tests::wait::{seconds, wait_for};
use sluice_tests::worker::{Kind, Worker};

use crate::context::{Cluster, Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "schema_registry::avro_is_exchanged_with_the_python_client",
        needs: Needs::PYTHON,
        run: |context| exchange(context, "avro", "io.confluent.connect.avro.AvroConverter"),
    },
    Test {
        name: "schema_registry::json_schema_is_exchanged_with_the_python_client",
        needs: Needs::PYTHON,
        run: |context| {
            exchange(
                context,
                "json",
                "io.confluent.connect.json.JsonSchemaConverter",
            )
        },
    },
    Test {
        name: "schema_registry::protobuf_is_exchanged_with_the_python_client",
        needs: Needs::PYTHON,
        run: |context| {
            exchange(
                context,
                "protobuf",
                "io.confluent.connect.protobuf.ProtobufConverter",
            )
        },
    },
    Test {
        name: "schema_registry::tls_credentials_and_a_dead_address_first",
        needs: Needs::NOTHING,
        run: secured,
    },
    Test {
        name: "schema_registry::what_the_registry_refuses_is_told_and_can_be_tolerated",
        needs: Needs::NOTHING,
        run: refused,
    },
];

const TRANSFORMS: &str = "org.apache.kafka.connect.transforms";

/// The class name without its package and `Converter`, the short form.
fn short(class: &str) -> &str {
    let simple = class.rsplit('.').next().unwrap_or(class);
    simple.strip_suffix("Converter").unwrap_or(simple)
}

/// A source of lines with a struct of several types around them.
fn source(cluster: &Cluster<'_>, topic: &str, converter: &str, url: &str) -> Value {
    let insert = |field: &str, value: &str| (field.to_owned(), value.to_owned());
    let mut config = json!({
        "connector.class": "FileStreamSource",
        "tasks.max": "1",
        "file": cluster.folder.join("lines"),
        "topic": topic,
        "value.converter": converter,
        "value.converter.schema.registry.url": url,
        "transforms": "hoist,number,big,ratio,flag,note,cast",
        "transforms.hoist.type": format!("{TRANSFORMS}.HoistField$Value"),
        "transforms.hoist.field": "line",
        "transforms.cast.type": format!("{TRANSFORMS}.Cast$Value"),
        "transforms.cast.spec": "number:int32,big:int64,ratio:float64,flag:boolean",
    });
    for (field, value) in [
        insert("number", "-70000"),
        insert("big", "1099511627776"),
        insert("ratio", "0.125"),
        insert("flag", "true"),
        insert("note", "é \"quoted\""),
    ] {
        config[format!("transforms.{field}.type")] =
            json!(format!("{TRANSFORMS}.InsertField$Value"));
        config[format!("transforms.{field}.static.field")] = json!(format!("{field}!"));
        config[format!("transforms.{field}.static.value")] = json!(value);
    }
    config
}

/// What the Python client has to make of a record of [`source`].
fn expected(line: &str) -> Value {
    json!({
        "line": line, "number": -70000, "big": 1_099_511_627_776_i64, "ratio": 0.125, "flag": true,
        "note": "é \"quoted\"",
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    (0..hex.len())
        .step_by(2)
        .map(|at| {
            let digits = hex.get(at..at + 2).context("odd hex")?;
            Ok(u8::from_str_radix(digits, 16)?)
        })
        .collect()
}

/// Runs the Python client.
fn python(action: &str, format: &str, url: &str, topic: &str, input: &str) -> Result<String> {
    let script = tests_folder().join("schema_registry.py");
    let command: Vec<String> = [
        &servers::python()?.display().to_string(),
        &script.display().to_string(),
        action,
        format,
        url,
        topic,
    ]
    .iter()
    .map(|part| (*part).to_owned())
    .collect();
    Ok(command::run(&command, &[], input, seconds(120))?
        .expect(0)?
        .stdout)
}

fn exchange(context: &Context, format: &str, converter: &str) -> Result<()> {
    let cluster = context.cluster(&format!("registry-{format}"))?;
    let registry = SchemaRegistry::start(None)?;
    let worker = cluster.worker(Kind::Agent, &cluster.properties()?)?;
    let listed = worker
        .rest()
        .get("/connector-plugins?connectorsOnly=false")?
        .text;
    ensure!(listed.contains(converter), "{converter} is not listed");
    agent_writes(&cluster, &worker, &registry, format, converter)?;
    python_writes(&cluster, &worker, &registry, format, converter)?;
    worker.stop()
}

fn agent_writes(
    cluster: &Cluster<'_>,
    worker: &Worker,
    registry: &SchemaRegistry,
    format: &str,
    converter: &str,
) -> Result<()> {
    const LINES: usize = 300;
    let topic = format!("{}-written", cluster.name);
    let lines: Vec<String> = (0..LINES).map(|n| format!("line {n} é")).collect();
    std::fs::write(cluster.folder.join("lines"), lines.join("\n") + "\n")?;
    create_topic(&cluster.bootstrap, &topic, 1)?;
    // The short form of the class name, as JVM workers take it.
    let config = source(cluster, &topic, short(converter), registry.url());
    let connector = format!("{}-source", cluster.name);
    worker.rest().create(&connector, &config, 1)?;
    let records = wait_for("all records", seconds(60), || {
        let records = consume_all(&cluster.bootstrap, &topic)?;
        ensure!(records.len() >= LINES, "{} records", records.len());
        Ok(Some(records))
    })?;
    let input: String = records
        .iter()
        .map(|record| hex(record.value.as_deref().unwrap_or_default()) + "\n")
        .collect();
    let read = python("read", format, registry.url(), &topic, &input)?;
    let read: Vec<Value> = read
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    ensure!(read.len() == LINES, "{} of {LINES} read", read.len());
    for (value, line) in read.iter().zip(&lines) {
        ensure!(
            *value == expected(line),
            "{value}\nand not\n{}\nschema {}",
            expected(line),
            registry.latest(&format!("{topic}-value"))?
        );
    }
    let asked = registry
        .requests()
        .iter()
        .filter(|request| request.starts_with("POST") && request.contains(&topic))
        .count();
    ensure!(asked == 1, "{asked} requests for one schema");
    worker.rest().delete(&connector)
}

fn python_writes(
    cluster: &Cluster<'_>,
    worker: &Worker,
    registry: &SchemaRegistry,
    format: &str,
    converter: &str,
) -> Result<()> {
    let topic = format!("{}-read", cluster.name);
    let written = python("write", format, registry.url(), &topic, "")?;
    let values: Vec<Vec<u8>> = written.lines().map(bytes).collect::<Result<_>>()?;
    create_topic(&cluster.bootstrap, &topic, 1)?;
    produce(
        &cluster.bootstrap,
        &topic,
        values.iter().map(|value| (None, Some(value.as_slice()))),
    )?;
    let output: PathBuf = cluster.folder.join("read.out");
    let connector = format!("{}-sink", cluster.name);
    let config = json!({
        "connector.class": "FileStreamSink",
        "topics": topic,
        "file": output,
        "value.converter": converter,
        "value.converter.schema.registry.url": registry.url(),
    });
    worker.rest().put_config(&connector, &config)?;
    let lines = wait_for("the lines of the sink", seconds(60), || {
        let states = worker.rest().states(&connector)?.context("no status")?;
        let text = std::fs::read_to_string(&output).unwrap_or_default();
        ensure!(
            text.lines().count() >= values.len(),
            "{text}{}",
            states.text()
        );
        Ok(Some(text))
    })?;
    ensure!(
        lines
            == "Struct{id=1,name=one,ratio=0.5,flag=true,tags=[a, b]}\n\
                Struct{id=-1099511627776,name=zwei é,ratio=-1.0E300,flag=false,tags=[],note=n}\n",
        "{lines}"
    );
    worker.rest().delete(&connector)
}

/// The source with one line through a registry with TLS and a password, behind an address nobody listens on.
fn secured(context: &Context) -> Result<()> {
    const SECRET: &str = "open-sesame-registry";
    let cluster = context.cluster("registry-secured")?;
    let authority = Authority::new("sluice tests")?;
    let registry = SchemaRegistry::start(Some(&authority.issue("registry")?))?;
    // alice:open-sesame-registry
    registry.demand("Basic YWxpY2U6b3Blbi1zZXNhbWUtcmVnaXN0cnk=");
    let trusted = write_pem(&cluster.folder.join("trusted.pem"), authority.pem())?;
    let mut worker = cluster.worker(Kind::Agent, &cluster.properties()?)?;
    std::fs::write(cluster.folder.join("lines"), "one\n")?;
    let dead = sluice_tests::ports::free_port()?;
    let urls = format!("https://127.0.0.1:{dead},{}", registry.url());
    let topic = format!("{}-written", cluster.name);
    let mut config = source(&cluster, &topic, "Avro", &urls);
    let mut set = |key: &str, value: &str| {
        config[format!("value.converter.{key}")] = json!(value);
    };
    set("schema.registry.ssl.truststore.type", "PEM");
    set("schema.registry.ssl.truststore.location", &trusted);
    set("basic.auth.credentials.source", "USER_INFO");
    set("basic.auth.user.info", &format!("alice:{SECRET}"));
    set("value.subject.name.strategy", "TopicNameStrategy");
    let connector = format!("{}-source", cluster.name);
    worker.rest().put_config(&connector, &config)?;
    wait_for("the record", seconds(60), || {
        let records = consume_all(&cluster.bootstrap, &topic)?;
        ensure!(records.len() == 1, "{} records", records.len());
        Ok(Some(()))
    })?;
    registry.latest(&format!("{topic}-value"))?;

    // With another password it fails, and says why without it.
    config["value.converter.basic.auth.user.info"] = json!(format!("alice:wrong-{SECRET}"));
    config["file"] = json!(cluster.folder.join("more"));
    std::fs::write(cluster.folder.join("more"), "two\n")?;
    let other = format!("{}-other", cluster.name);
    worker.rest().put_config(&other, &config)?;
    let trace = worker.rest().wait_failed(&other)?;
    ensure!(
        trace.contains("Unauthorized; status 401, error code: 401")
            && trace.contains(registry.url()),
        "{trace}"
    );
    let log = worker.process().log_end(100_000);
    for text in [&trace, &log] {
        ensure!(!text.contains(SECRET), "the password is shown:\n{text}");
    }
    worker.stop()
}

fn refused(context: &Context) -> Result<()> {
    let cluster = context.cluster("registry-refused")?;
    let registry = SchemaRegistry::start(None)?;
    let worker = cluster.worker(Kind::Agent, &cluster.properties()?)?;
    std::fs::write(cluster.folder.join("lines"), "one\n")?;
    let topic = format!("{}-written", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    registry.freeze(&format!("{topic}-value"));
    let connector = format!("{}-source", cluster.name);
    let config = source(&cluster, &topic, "Avro", registry.url());
    worker.rest().put_config(&connector, &config)?;
    let trace = worker.rest().wait_failed(&connector)?;
    for part in [
        "org.apache.kafka.connect.errors.DataException: Failed to serialize Avro data from topic",
        "not compatible with earlier versions",
        "Schema being registered is incompatible with an earlier schema",
        "status 409, error code: 409",
        registry.url(),
    ] {
        ensure!(trace.contains(part), "no {part:?} in\n{trace}");
    }

    // A sink that meets an id nobody knows, bytes that are no message, and a good one after them.
    let input = format!("{}-read", cluster.name);
    let schema = json!({ "schema": "\"string\"" });
    let id = u8::try_from(registry.register("elsewhere", &schema)?)?;
    let good = [0, 0, 0, 0, id, 4, b'o', b'k'];
    let values: [&[u8]; 3] = [&[0, 0, 0, 3, 9, 1], b"{}", &good];
    create_topic(&cluster.bootstrap, &input, 1)?;
    produce(
        &cluster.bootstrap,
        &input,
        values.iter().map(|value| (None, Some(*value))),
    )?;
    let dead_letters = format!("{}-dead", cluster.name);
    create_topic(&cluster.bootstrap, &dead_letters, 1)?;
    let output = cluster.folder.join("read.out");
    let sink = format!("{}-sink", cluster.name);
    let config = json!({
        "connector.class": "FileStreamSink",
        "topics": input,
        "file": output,
        "value.converter": "AvroConverter",
        "value.converter.schema.registry.url": registry.url(),
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": dead_letters,
        "errors.deadletterqueue.context.headers.enable": "true",
    });
    worker.rest().put_config(&sink, &config)?;
    wait_for("the good record", seconds(60), || {
        let text = std::fs::read_to_string(&output).unwrap_or_default();
        ensure!(text == "ok\n", "{text:?}");
        Ok(Some(()))
    })?;
    let dead = wait_for("two dead letters", seconds(60), || {
        let dead = consume_all(&cluster.bootstrap, &dead_letters)?;
        ensure!(dead.len() == 2, "{} dead letters", dead.len());
        Ok(Some(dead))
    })?;
    for (record, value) in dead.iter().zip(values) {
        ensure!(record.value.as_deref() == Some(value), "{record:?}");
    }
    worker.stop()
}
