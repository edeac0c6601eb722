//! Folders, names and when files end.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::data_file::{self, Format};
use sluice_tests::topics::create_topic;
use sluice_tests::wait::{seconds, wait_for};

use super::{FOLDER, JSON, files, send, sink, start, wait_ids};
use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "hdfs::layout::names_and_folders_are_those_of_the_confluent_connector",
        needs: Needs::HDFS,
        run: names,
    },
    Test {
        name: "hdfs::layout::the_class_names_of_hdfs_3_write_the_same_files",
        needs: Needs::HDFS,
        run: class_names_of_hdfs_3,
    },
    Test {
        name: "hdfs::layout::time_ends_files",
        needs: Needs::HDFS,
        run: time,
    },
    Test {
        name: "hdfs::layout::schemas_that_change_end_files_or_are_projected",
        needs: Needs::HDFS,
        run: schemas,
    },
];

/// Waits until these are the files of a topic, without the topic's own folder.
fn wait_files(hdfs: &sluice_tests::hdfs::Hdfs, topic: &str, expected: &[String]) -> Result<()> {
    wait_for("the files", seconds(60), || {
        let found = files(hdfs, topic)?;
        let folder = format!("{FOLDER}/{topic}/");
        let found: Vec<&str> = found
            .iter()
            .filter_map(|path| path.strip_prefix(&folder))
            .collect();
        ensure!(found == expected, "{found:#?}\nexpected {expected:#?}");
        Ok(Some(()))
    })
}

fn class_names_of_hdfs_3(context: &Context) -> Result<()> {
    let hdfs = start()?;
    let cluster = context.cluster("three")?;
    let workers = cluster.start(1)?;
    let topic = format!("{}-t", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    let values: Vec<Value> = (0..4_i64).map(|id| json!({"id": id})).collect();
    send(&cluster.bootstrap, &topic, &values)?;
    let more = json!({
        "connector.class": "io.confluent.connect.hdfs3.Hdfs3SinkConnector",
        "format.class": "io.confluent.connect.hdfs3.json.JsonFormat",
        "storage.class": "io.confluent.connect.hdfs3.storage.HdfsStorage",
        "flush.size": "2",
    });
    let config = sink(&hdfs, &topic, &more);
    workers[0].rest().create(&cluster.name, &config, 1)?;
    wait_ids(&hdfs, &topic, 4)
}

fn names(context: &Context) -> Result<()> {
    let hdfs = start()?;
    let cluster = context.cluster("names")?;
    let workers = cluster.start(1)?;
    let rest = workers[0].rest();
    let topic = |name: &str| format!("{}-{name}", cluster.name);
    // From 2024-02-29T23:59:59Z on, ten minutes apart.
    let values: Vec<Value> = (0..7_i64)
        .map(|id| {
            let country = if id % 2 == 0 { "de" } else { "a/b" };
            json!({"id": id, "country": country, "at": 1_709_251_199_000 + 600_000 * id})
        })
        .collect();
    let run = |name: &str, more: &Value| -> Result<String> {
        let topic = topic(name);
        create_topic(&cluster.bootstrap, &topic, 1)?;
        send(&cluster.bootstrap, &topic, &values)?;
        rest.create(&topic, &sink(&hdfs, &topic, more), 1)?;
        Ok(topic)
    };
    let default = run(
        "default",
        &json!({"flush.size": "3", "filename.offset.zero.pad.width": "4"}),
    )?;
    wait_files(
        &hdfs,
        &default,
        &[
            format!("partition=0/{default}+0+0000+0002.json"),
            format!("partition=0/{default}+0+0003+0005.json"),
        ],
    )?;
    // The seventh record is in no finished file, and its offset is not committed.
    wait_for("the offset", seconds(60), || {
        let offsets = rest.offsets(&default)?;
        let offset = offsets.first().context("no offset")?;
        ensure!(offset["offset"]["kafka_offset"] == 6, "{offset}");
        Ok(Some(()))
    })?;
    let field = run(
        "field",
        &json!({"flush.size": "6", "partitioner.class": "io.confluent.connect.storage.partitioner.FieldPartitioner",
                "partition.field.name": "country"}),
    )?;
    wait_files(
        &hdfs,
        &field,
        &[
            format!("country=a%2Fb/{field}+0+0000000001+0000000005.json"),
            format!("country=de/{field}+0+0000000000+0000000004.json"),
        ],
    )?;
    let hourly = run(
        "hourly",
        &json!({"flush.size": "7", "partitioner.class": "HourlyPartitioner", "timezone": "Europe/Berlin", "locale": "de-DE",
                "timestamp.extractor": "RecordField", "timestamp.field": "at", "max.open.files.per.partition": "5"}),
    )?;
    wait_files(
        &hdfs,
        &hourly,
        &[
            format!("year=2024/month=03/day=01/hour=00/{hourly}+0+0000000000+0000000000.json"),
            format!("year=2024/month=03/day=01/hour=01/{hourly}+0+0000000001+0000000006.json"),
        ],
    )?;
    // One open file at most: each change of folder ends the one before.
    let narrow = run(
        "narrow",
        &json!({"flush.size": "3", "partitioner.class": "FieldPartitioner", "partition.field.name": "country",
                "max.open.files.per.partition": "1"}),
    )?;
    let expected = (0..6).map(|id| (["de", "a%2Fb"][id % 2], id));
    let mut expected: Vec<String> = expected
        .map(|(folder, id)| format!("country={folder}/{narrow}+0+{id:010}+{id:010}.json"))
        .collect();
    expected.sort();
    wait_files(&hdfs, &narrow, &expected)?;
    for worker in workers {
        worker.stop()?;
    }
    let left = hdfs.files(&format!("{FOLDER}/+tmp"))?;
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

fn time(context: &Context) -> Result<()> {
    let hdfs = start()?;
    let cluster = context.cluster("time")?;
    let workers = cluster.start(1)?;
    let rest = workers[0].rest();
    // By the clock, without further records.
    for (name, key) in [
        ("interval", "rotate.interval.ms"),
        ("schedule", "rotate.schedule.interval.ms"),
    ] {
        let topic = format!("{}-{name}", cluster.name);
        create_topic(&cluster.bootstrap, &topic, 2)?;
        let values: Vec<Value> = (0..5).map(|id| json!({"id": id})).collect();
        send(&cluster.bootstrap, &topic, &values)?;
        let config = sink(
            &hdfs,
            &topic,
            &json!({"flush.size": "1000", key: "500", "timezone": "UTC"}),
        );
        rest.create(&topic, &config, 1)?;
        wait_ids(&hdfs, &topic, 5)?;
    }
    // By the time of records: the third is beyond the span of the first, and stays open.
    let topic = format!("{}-records", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    let config = sink(
        &hdfs,
        &topic,
        &json!({"flush.size": "1000", "rotate.interval.ms": "1000", "partitioner.class": "DailyPartitioner", "timezone": "UTC",
                "timestamp.extractor": "RecordField", "timestamp.field": "at"}),
    );
    let values = [0, 999, 1000, 1500].map(|at| json!({"id": at, "at": at}));
    send(&cluster.bootstrap, &topic, &values)?;
    rest.create(&topic, &config, 1)?;
    wait_files(
        &hdfs,
        &topic,
        &[format!(
            "year=1970/month=01/day=01/{topic}+0+0000000000+0000000001.json"
        )],
    )?;
    for worker in workers {
        worker.stop()?;
    }
    Ok(())
}

fn schemas(context: &Context) -> Result<()> {
    let hdfs = start()?;
    let cluster = context.cluster("schemas")?;
    let workers = cluster.start(1)?;
    let order = |id: i64, version: i64| {
        let mut fields = vec![json!({"field": "id", "type": "int64"})];
        let mut payload = json!({"id": id});
        if version > 1 {
            fields.push(json!({"field": "note", "type": "string", "optional": true}));
            payload["note"] = format!("n{id}").into();
        }
        json!({"schema": {"type": "struct", "name": "Order", "version": version, "fields": fields}, "payload": payload})
    };
    let values: Vec<Value> = [1, 1, 2, 1, 2, 1]
        .iter()
        .zip(0..)
        .map(|(version, id)| order(id, *version))
        .collect();
    for (mode, expected) in [
        ("NONE", vec![(0, 1), (2, 2), (3, 3), (4, 4)]),
        ("BACKWARD", vec![(0, 1), (2, 5)]),
        ("FORWARD", vec![(0, 5)]),
    ] {
        let topic = format!("{}-{mode}", cluster.name);
        create_topic(&cluster.bootstrap, &topic, 1)?;
        send(&cluster.bootstrap, &topic, &values)?;
        let flush = if mode == "FORWARD" { "6" } else { "4" };
        let config = sink(
            &hdfs,
            &topic,
            &json!({"format.class": "Parquet", "schema.compatibility": mode, "flush.size": flush, "value.converter": JSON,
                    "value.converter.schemas.enable": "true"}),
        );
        workers[0].rest().create(&topic, &config, 1)?;
        let names: Vec<String> = expected
            .iter()
            .map(|(first, last)| format!("partition=0/{topic}+0+{first:010}+{last:010}.parquet"))
            .collect();
        wait_files(&hdfs, &topic, &names)?;
        let last = files(&hdfs, &topic)?.pop().context("no file")?;
        let rows = data_file::read(Format::Parquet, &hdfs.read(&last)?)?.rows;
        match mode {
            "BACKWARD" => ensure!(
                rows[0]["note"] == "n2" && rows[1] == json!({"id": 3, "note": null}),
                "{rows:?}"
            ),
            "FORWARD" => ensure!(rows[2] == json!({"id": 2}), "{rows:?}"),
            _ => {}
        }
    }
    for worker in workers {
        worker.stop()?;
    }
    Ok(())
}
