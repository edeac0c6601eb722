use sluice_toolkit::files::format::{FormatKind, ParquetCodec};
use sluice_toolkit::files::partitioner::PartitionerKind;

use super::*;

fn props(pairs: &[(&str, &str)]) -> Props {
    let mut all: Props = [("hdfs.url", "hdfs://nn:8020"), ("flush.size", "3")]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    for (key, value) in pairs {
        all.insert((*key).to_owned(), (*value).to_owned());
    }
    all
}

fn faults(pairs: &[(&str, &str)]) -> Vec<String> {
    let props = props(pairs);
    let faults = SinkSettings::parse(&props).unwrap().faults(&props);
    faults.into_iter().map(|fault| fault.key).collect()
}

/// The error of a key by itself.
fn error_of(key: &str, value: &str) -> String {
    let validated = sink_def().validate(&props(&[(key, value)]));
    let found = validated.iter().find(|one| one.name == key).unwrap();
    found.errors.join("; ")
}

#[test]
fn classes_of_the_connector_for_hdfs_3_are_those_of_hdfs_2() {
    let three = "io.confluent.connect.hdfs3";
    for (format, kind) in [
        ("avro.AvroFormat", FormatKind::Avro),
        ("parquet.ParquetFormat", FormatKind::Parquet),
        ("json.JsonFormat", FormatKind::Json),
        ("string.StringFormat", FormatKind::Text),
    ] {
        let format = format!("{three}.{format}");
        let storage = format!("{three}.storage.HdfsStorage");
        let props = props(&[
            ("name", "n"),
            ("topics", "t"),
            ("hdfs.url", "hdfs://name:8020"),
            ("flush.size", "3"),
            ("format.class", &format),
            ("storage.class", &storage),
            ("confluent.license", ""),
            ("confluent.topic.bootstrap.servers", "localhost:9092"),
        ]);
        let settings = SinkSettings::parse(&props).unwrap();
        assert_eq!(settings.faults(&props), []);
        assert_eq!(settings.format.kind, kind);
    }
    assert!(error_of("format.class", &format!("{three}.orc.OrcFormat")).contains("not supported"));
    assert!(error_of("storage.class", "com.example.Storage").contains("HdfsStorage"));
}

#[test]
fn a_configuration_of_the_confluent_connector_runs_unchanged() {
    let props = props(&[
        ("name", "hdfs-sink"),
        (
            "connector.class",
            "io.confluent.connect.hdfs.HdfsSinkConnector",
        ),
        ("tasks.max", "1"),
        ("topics", "test_hdfs"),
        ("topics.dir", "data/kafka/"),
        ("logs.dir", "logs"),
        (
            "format.class",
            "io.confluent.connect.hdfs.parquet.ParquetFormat",
        ),
        (
            "partitioner.class",
            "io.confluent.connect.hdfs.partitioner.HourlyPartitioner",
        ),
        ("locale", "en"),
        ("timezone", "UTC"),
        ("rotate.interval.ms", "60000"),
        ("hive.integration", "false"),
        ("schema.compatibility", "BACKWARD"),
        ("hdfs.authentication.kerberos", "false"),
        ("hadoop.conf.dir", "/etc/hadoop/conf"),
        ("dfs.client.use.datanode.hostname", "true"),
    ]);
    let settings = SinkSettings::parse(&props).unwrap();
    assert_eq!(settings.faults(&props), []);
    assert_eq!(settings.topics_dir, "/data/kafka");
    assert_eq!(settings.format.kind, FormatKind::Parquet);
    assert_eq!(settings.format.parquet_codec, ParquetCodec::Snappy);
    assert_eq!(settings.rotation.interval, Some(60_000));
    assert_eq!(settings.compatibility, SchemaCompatibility::Backward);
    assert!(matches!(
        settings.partitioner.kind,
        PartitionerKind::Time {
            duration: 3_600_000,
            ..
        }
    ));
    assert!(settings.connection.hadoop.contains(&(
        "dfs.client.use.datanode.hostname".to_owned(),
        "true".to_owned()
    )));
}

#[test]
fn classes_have_short_names() {
    for class in [
        "Json",
        "JsonFormat",
        "json",
        "io.confluent.connect.hdfs.json.JsonFormat",
    ] {
        let settings = SinkSettings::parse(&props(&[("format.class", class)])).unwrap();
        assert_eq!(settings.format.kind, FormatKind::Json, "{class}");
    }
    let error = error_of("format.class", "io.confluent.connect.hdfs.orc.OrcFormat");
    assert!(
        error.contains("OrcFormat") && error.contains("not supported"),
        "{error}"
    );
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    assert_eq!(
        faults(&[
            ("store.kafka.keys", "true"),
            ("hdfs.something", "x"),
            ("transforms", "a"),
        ]),
        ["store.kafka.keys", "hdfs.something"]
    );
    for (key, value, word) in [
        ("hive.integration", "true", "Hive"),
        ("hdfs.url", "s3://bucket", "hdfs://HOST:PORT"),
        ("hdfs.url", "hdfs://nn:1/path", "topics.dir"),
        ("topics.dir", "a/../b", "path"),
        ("topics.dir", "${topic}", "placeholders"),
        ("avro.codec", "bzip2", "snappy"),
        ("parquet.codec", "lzo", "zstd"),
        ("directory.delim", "-", "changed"),
        ("path.format", "'year'=xxxx", "letter x"),
        ("timezone", "Mars/Base", "time zone"),
        ("storage.class", "my.Storage", "HdfsStorage"),
        ("flush.size", "0", "at least 1"),
    ] {
        let error = error_of(key, value);
        assert!(error.contains(word), "{key}={value}: {error}");
    }
}

#[test]
fn keys_that_need_each_other_are_told() {
    assert_eq!(
        faults(&[("partitioner.class", "FieldPartitioner")]),
        ["partition.field.name"]
    );
    assert_eq!(
        faults(&[("sluice.compression.type", "gzip")]),
        ["sluice.compression.type"]
    );
    let mut nowhere = props(&[]);
    nowhere.shift_remove("hdfs.url");
    let found = SinkSettings::parse(&nowhere).unwrap().faults(&nowhere);
    assert_eq!(found[0].key, "hdfs.url");
    for (key, pairs) in [
        (
            "partition.duration.ms",
            vec![("partitioner.class", "TimeBasedPartitioner")],
        ),
        ("timezone", vec![("partitioner.class", "DailyPartitioner")]),
        (
            "rotate.schedule.interval.ms",
            vec![("rotate.schedule.interval.ms", "1000")],
        ),
    ] {
        let error = SinkSettings::parse(&props(&pairs)).unwrap_err();
        assert!(error.message().starts_with(key), "{error}");
    }
}

#[test]
fn kerberos_is_a_feature() {
    let given = [
        ("hdfs.authentication.kerberos", "true"),
        ("connect.hdfs.principal", "sluice@EXAMPLE.COM"),
        ("connect.hdfs.keytab", "/etc/sluice.keytab"),
    ];
    let expected: &[&str] = if cfg!(feature = "kerberos") {
        &[]
    } else {
        &["hdfs.authentication.kerberos"]
    };
    assert_eq!(faults(&given), expected);
}

#[test]
fn every_key_is_documented() {
    for key in sink_def().keys() {
        assert!(!key.documentation.is_empty(), "{}", key.name);
    }
}
