//! A chain of transformations with predicates, and values from a config provider: the same bytes in the topic
//! from an agent as from a JVM worker, and no secret anywhere else.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::topics::{consume_all, create_topic};
use sluice_tests::wait::{seconds, wait_for};
use sluice_tests::worker::{Kind, WorkerProperties};

use crate::context::{Cluster, Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[Test {
    name: "transformations::a_chain_gives_the_same_bytes_on_both_workers_and_secrets_stay_out_of_sight",
    needs: Needs::JAVA,
    run: same_bytes,
}];

const SECRET: &str = "hunter2-of-the-vault";
const LINES: usize = 200;

type Pairs = Vec<(Option<Vec<u8>>, Option<Vec<u8>>)>;

fn same_bytes(context: &Context) -> Result<()> {
    let from_jvm = written_by(context, Kind::Jvm)?;
    let from_agent = written_by(context, Kind::Agent)?;
    ensure!(from_jvm.len() == LINES, "{} records", from_jvm.len());
    for (number, (jvm, agent)) in from_jvm.iter().zip(&from_agent).enumerate() {
        ensure!(
            jvm == agent,
            "record {number}\nJVM   {}\nagent {}",
            shown(jvm),
            shown(agent)
        );
    }
    ensure!(
        from_agent.len() == from_jvm.len(),
        "{} records",
        from_agent.len()
    );
    let value = from_agent[0].1.as_deref().unwrap_or_default();
    ensure!(
        String::from_utf8_lossy(value).contains(SECRET),
        "the value of the variable is not in the record"
    );
    Ok(())
}

fn shown((key, value): &(Option<Vec<u8>>, Option<Vec<u8>>)) -> String {
    let text = |bytes: &Option<Vec<u8>>| match bytes {
        Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        None => "null".to_owned(),
    };
    format!("{} = {}", text(key), text(value))
}

fn written_by(context: &Context, kind: Kind) -> Result<Pairs> {
    let cluster = context.cluster(match kind {
        Kind::Agent => "transforming-agent",
        Kind::Jvm => "transforming-jvm",
    })?;
    let secrets = cluster.folder.join("secrets.properties");
    std::fs::write(&secrets, format!("tag={SECRET}\n"))?;
    let input = cluster.folder.join("lines");
    let lines: String = (0..LINES).map(|n| format!("line {n} é\n")).collect();
    std::fs::write(&input, lines)?;
    let routed = format!("{}-routed", cluster.name);
    create_topic(&cluster.bootstrap, &routed, 1)?;

    let mut worker = cluster.worker(kind, &properties(&cluster)?)?;
    let connector = format!("{}-source", cluster.name);
    let config = chain(&cluster, &input, &secrets);
    let rest = worker.rest();
    rest.create(&connector, &config, 1)?;
    let records = wait_for("all records in the routed topic", seconds(60), || {
        let records = consume_all(&cluster.bootstrap, &routed)?;
        ensure!(records.len() >= LINES, "{} records", records.len());
        Ok(Some(records))
    })?;

    for path in ["", "/config", "/tasks", "/status"] {
        let body = rest.get(&format!("/connectors/{connector}{path}"))?.text;
        ensure!(!body.contains(SECRET), "{path} shows the secret");
    }
    for record in consume_all(&cluster.bootstrap, &format!("{}-configs", cluster.name))? {
        let text =
            String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
        ensure!(!text.contains(SECRET), "the config topic holds the secret");
    }
    if kind == Kind::Agent {
        let class = "FileStreamSource";
        let path = format!("/connector-plugins/{class}/config/validate");
        let mut config = config;
        // A value that is wrong, so that a fault names it.
        config["name"] = json!(connector);
        config["errors.tolerance"] = json!(variable(&secrets));
        let body = rest.call("PUT", &path, Some(&config))?.text;
        ensure!(!body.contains(SECRET), "validation shows the secret");
        ensure!(body.contains("String must be one of"), "no fault: {body}");
        let log = worker.process().log_end(100_000);
        ensure!(!log.contains(SECRET), "the log shows the secret");
    }
    worker.stop()?;
    Ok(records
        .into_iter()
        .map(|record| (record.key, record.value))
        .collect())
}

fn properties(cluster: &Cluster<'_>) -> Result<WorkerProperties> {
    let provider = "config.providers.file";
    let folder = cluster.folder.to_str().context("path of the folder")?;
    Ok(cluster
        .properties()?
        .with("config.providers", "file")
        .with(
            &format!("{provider}.class"),
            "org.apache.kafka.common.config.provider.FileConfigProvider",
        )
        .with(&format!("{provider}.param.allowed.paths"), folder))
}

fn variable(secrets: &Path) -> String {
    format!("${{file:{}:tag}}", secrets.display())
}

fn chain(cluster: &Cluster<'_>, input: &Path, secrets: &Path) -> Value {
    let package = "org.apache.kafka.connect.transforms";
    json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "tasks.max": "1",
        "file": input,
        "topic": format!("{}-raw", cluster.name),
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "transforms": "hoist,tag,name,number,cast,key,extract,mark,drop,skip,route",
        "transforms.hoist.type": format!("{package}.HoistField$Value"),
        "transforms.hoist.field": "line",
        "transforms.tag.type": format!("{package}.InsertField$Value"),
        "transforms.tag.static.field": "tag!",
        "transforms.tag.static.value": variable(secrets),
        "transforms.name.type": format!("{package}.ReplaceField$Value"),
        "transforms.name.renames": "line:text",
        "transforms.number.type": format!("{package}.InsertField$Value"),
        "transforms.number.static.field": "number",
        "transforms.number.static.value": "70000",
        "transforms.cast.type": format!("{package}.Cast$Value"),
        "transforms.cast.spec": "number:int32",
        "transforms.key.type": "ValueToKey",
        "transforms.key.fields": "text",
        "transforms.extract.type": format!("{package}.ExtractField$Key"),
        "transforms.extract.field": "text",
        "transforms.mark.type": "InsertHeader",
        "transforms.mark.header": "mark",
        "transforms.mark.value.literal": "[1, 2.5]",
        "transforms.drop.type": "Filter",
        "transforms.drop.predicate": "marked",
        "transforms.drop.negate": "true",
        "transforms.skip.type": "Filter",
        "transforms.skip.predicate": "tombstone",
        "transforms.route.type": "RegexRouter",
        "transforms.route.regex": "(.*)-raw",
        "transforms.route.replacement": "$1-routed",
        "transforms.route.predicate": "raw",
        "predicates": "marked,tombstone,raw",
        "predicates.marked.type": "HasHeaderKey",
        "predicates.marked.name": "mark",
        "predicates.tombstone.type": "RecordIsTombstone",
        "predicates.raw.type": "TopicNameMatches",
        "predicates.raw.pattern": ".*-raw",
    })
}
