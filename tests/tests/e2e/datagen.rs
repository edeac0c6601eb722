//! Confluent's Datagen: its quickstarts, keys and faults.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::topics::{Record, consume_all, create_topic};
use sluice_tests::wait::{seconds, wait_for};

use crate::context::{Cluster, Context, Needs, Test, merge};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "datagen::a_quickstart_makes_as_many_records_as_its_iterations",
        needs: Needs::NOTHING,
        run: quickstart,
    },
    Test {
        name: "datagen::a_restarted_task_goes_on_with_its_schema_of_a_file",
        needs: Needs::NOTHING,
        run: restart,
    },
    Test {
        name: "datagen::wrong_configurations_are_faults_of_their_keys",
        needs: Needs::NOTHING,
        run: faults,
    },
];

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// Configuration of a connector that writes JSON without schemas as fast as it can.
fn config(topic: &str, more: &Value) -> Value {
    let mut config = json!({
        "connector.class": "io.confluent.kafka.connect.datagen.DatagenConnector",
        "tasks.max": "1",
        "kafka.topic": topic,
        "max.interval": "0",
        "key.converter": JSON,
        "key.converter.schemas.enable": "false",
        "value.converter": JSON,
        "value.converter.schemas.enable": "false",
    });
    merge(&mut config, more);
    config
}

fn topic(cluster: &Cluster<'_>) -> Result<String> {
    let topic = format!("{}-records", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    Ok(topic)
}

fn parsed(bytes: Option<&Vec<u8>>) -> Result<Value> {
    Ok(serde_json::from_slice(bytes.context("null")?)?)
}

/// Waits until the topic has that many records; they must not be more.
fn records(cluster: &Cluster<'_>, topic: &str, count: usize) -> Result<Vec<Record>> {
    let records = wait_for(&format!("{count} records"), seconds(60), || {
        let records = consume_all(&cluster.bootstrap, topic)?;
        Ok((records.len() >= count).then_some(records))
    })?;
    ensure!(records.len() == count, "{} records", records.len());
    Ok(records)
}

fn quickstart(context: &Context) -> Result<()> {
    let cluster = context.cluster("datagen-quickstart")?;
    let topic = topic(&cluster)?;
    let workers = cluster.start(1)?;
    let more = json!({"quickstart": "users", "iterations": "1200"});
    workers[0]
        .rest()
        .put_config(&topic, &config(&topic, &more))?;
    let trace = workers[0].rest().wait_failed(&topic)?;
    let why = "Stopping connector: generated the configured 1200 number of messages";
    ensure!(trace.contains(why), "{trace}");
    for record in records(&cluster, &topic, 1200)? {
        let (key, value) = (parsed(record.key.as_ref())?, parsed(record.value.as_ref())?);
        ensure!(key == value["userid"], "{key} of {value}");
        let fields: Vec<&String> = value.as_object().context("a struct")?.keys().collect();
        ensure!(
            fields.len() == 4 && value["registertime"].is_i64(),
            "{value}"
        );
        for (field, beginning) in [("userid", "User_"), ("regionid", "Region_"), ("gender", "")] {
            let text = value[field].as_str().context("text")?;
            ensure!(text.starts_with(beginning), "{field} of {value}");
        }
    }
    Ok(())
}

fn restart(context: &Context) -> Result<()> {
    let cluster = context.cluster("datagen-restart")?;
    let topic = topic(&cluster)?;
    let schema = cluster.folder.join("counted.avro");
    fs::write(
        &schema,
        json!({
            "type": "record", "name": "counted", "fields": [
                {"name": "n", "type": {"type": "long", "arg.properties": {"iteration": {"start": 100, "step": 5}}}},
            ],
        })
        .to_string(),
    )?;
    let mut workers = cluster.start(1)?;
    let more = |iterations: &str| json!({"schema.filename": schema, "schema.keyfield": "n", "iterations": iterations});
    let rest = workers[0].rest();
    rest.put_config(&topic, &config(&topic, &more("300")))?;
    rest.wait_failed(&topic)?;
    records(&cluster, &topic, 300)?;
    workers.pop().context("a worker")?.stop()?;
    let workers = cluster.start(1)?;
    workers[0]
        .rest()
        .put_config(&topic, &config(&topic, &more("500")))?;
    for (count, record) in (0_i64..).zip(records(&cluster, &topic, 500)?) {
        let expected = json!({"n": 100 + 5 * count});
        ensure!(parsed(record.value.as_ref())? == expected, "{expected}");
        ensure!(parsed(record.key.as_ref())? == expected["n"], "{expected}");
    }
    let offsets = workers[0].rest().offsets(&topic)?;
    ensure!(
        offsets
            .iter()
            .any(|entry| entry["partition"]["task.id"] == 0),
        "{offsets:?}"
    );
    Ok(())
}

fn faults(context: &Context) -> Result<()> {
    let cluster = context.cluster("datagen-faults")?;
    let topic = topic(&cluster)?;
    let workers = cluster.start(1)?;
    for (more, key, why) in [
        (json!({}), "quickstart", "Must set exactly one of"),
        (
            json!({"quickstart": "movies"}),
            "quickstart",
            "not among the quickstarts",
        ),
        (
            json!({"schema.string": "{\"type\": \"rec"}),
            "schema.string",
            "Unable to parse the provided schema",
        ),
        (
            json!({"schema.filename": "/nonexistent.avro"}),
            "schema.filename",
            "/nonexistent.avro cannot be read",
        ),
    ] {
        let path = "/connector-plugins/DatagenConnector/config/validate";
        let mut config = config(&topic, &more);
        config["name"] = json!(topic);
        let reply = workers[0].rest().call("PUT", path, Some(&config))?;
        let answer = reply.success()?.json()?;
        let found = answer["configs"].as_array().into_iter().flatten();
        let errors: Vec<String> = found
            .filter(|entry| entry["value"]["name"] == key)
            .map(|entry| entry["value"]["errors"].to_string())
            .collect();
        ensure!(
            errors.iter().any(|error| error.contains(why)),
            "{key}: {errors:?}"
        );
    }
    Ok(())
}
