//! Folders of records, and what encoders make of them, without HDFS.

use std::sync::Arc;

use sluice_api::record::TimestampType;
use sluice_api::{
    ConnectRecord, MapValue, Props, Schema, SchemaBuilder, SinkRecord, Struct, Value, schemas,
};

use crate::config::SinkSettings;

fn settings(pairs: &[(&str, &str)]) -> SinkSettings {
    let mut props: Props = [("hdfs.url", "hdfs://nn:8020"), ("flush.size", "3")]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    for (key, value) in pairs {
        props.insert((*key).to_owned(), (*value).to_owned());
    }
    SinkSettings::parse(&props).unwrap()
}

fn record(schema: Option<Arc<Schema>>, value: Value) -> SinkRecord {
    let record =
        ConnectRecord::new("t".into(), schema, value).with_timestamp(Some(1_709_251_199_000));
    SinkRecord {
        record,
        kafka_offset: 5,
        timestamp_type: TimestampType::CreateTime,
        original_topic: "t".into(),
        original_kafka_partition: 2,
        original_kafka_offset: 5,
    }
}

fn order(version: i32, country: &str) -> SinkRecord {
    let address = SchemaBuilder::structure()
        .field("country", schemas::STRING.clone())
        .build()
        .unwrap();
    let mut builder = SchemaBuilder::structure()
        .name("Order")
        .version(version)
        .field("id", schemas::INT32.clone())
        .field("at", address.clone());
    if version > 1 {
        builder = builder.field("note", schemas::OPTIONAL_STRING.clone());
    }
    let schema = builder.build().unwrap();
    let address = Struct::new(address)
        .unwrap()
        .with("country", country)
        .unwrap();
    let value = Struct::new(schema.clone())
        .unwrap()
        .with("id", 7)
        .unwrap()
        .with("at", Value::from(address))
        .unwrap();
    record(Some(schema), Value::from(value))
}

fn folder(pairs: &[(&str, &str)], record: &SinkRecord) -> Result<String, String> {
    let partitioner = settings(pairs).partitioner;
    let text = |error: sluice_api::ConnectError| error.message().to_owned();
    let time = partitioner.time(record, 0).map_err(text)?;
    let mut path = String::new();
    partitioner
        .folder(record, Some(time), &mut path)
        .map_err(text)?;
    Ok(path)
}

#[test]
fn folders_are_those_of_the_confluent_partitioners() {
    let order = order(1, "de");
    assert_eq!(folder(&[], &order).unwrap(), "partition=2");
    let field = ("partitioner.class", "FieldPartitioner");
    let fields = ("partition.field.name", "at.country,id");
    assert_eq!(
        folder(&[field, fields], &order).unwrap(),
        "at.country=de/id=7"
    );
    let bare = ("partition.field.format.path", "false");
    assert_eq!(folder(&[field, fields, bare], &order).unwrap(), "de/7");
    let daily = ("partitioner.class", "DailyPartitioner");
    let by_record = ("timestamp.extractor", "Record");
    // 2024-02-29T23:59:59Z
    assert_eq!(
        folder(&[daily, by_record, ("timezone", "UTC")], &order).unwrap(),
        "year=2024/month=02/day=29"
    );
    assert_eq!(
        folder(&[daily, by_record, ("timezone", "Europe/Berlin")], &order).unwrap(),
        "year=2024/month=03/day=01"
    );
    let timed = [
        ("partitioner.class", "TimeBasedPartitioner"),
        ("partition.duration.ms", "600000"),
        ("path.format", "'dt'=YYYY-MM-dd/HHmm"),
        ("timezone", "UTC"),
        by_record,
    ];
    assert_eq!(folder(&timed, &order).unwrap(), "dt=2024-02-29/2350");
}

#[test]
fn values_cannot_leave_their_folder() {
    let field = [
        ("partitioner.class", "FieldPartitioner"),
        ("partition.field.name", "at.country"),
    ];
    assert_eq!(
        folder(&field, &order(1, "a/../b:c")).unwrap(),
        "at.country=a%2F..%2Fb%3Ac"
    );
    let bare = [field[0], field[1], ("partition.field.format.path", "false")];
    for nothing in ["", ".", ".."] {
        assert_eq!(
            folder(&bare, &order(1, nothing)).unwrap(),
            "__HIVE_DEFAULT_PARTITION__"
        );
    }
}

#[test]
fn fields_are_found_in_values_without_schema_too() {
    let map: MapValue = [(Value::from("at"), Value::from("1970-01-02T00:00:00Z"))]
        .into_iter()
        .collect();
    let record = record(None, Value::Map(map));
    let keys = [
        ("partitioner.class", "HourlyPartitioner"),
        ("timezone", "UTC"),
        ("timestamp.extractor", "RecordField"),
        ("timestamp.field", "at"),
    ];
    assert_eq!(
        folder(&keys, &record).unwrap(),
        "year=1970/month=01/day=02/hour=00"
    );
    let missing = [keys[0], keys[1], keys[2], ("timestamp.field", "when")];
    let error = folder(&missing, &record).unwrap_err();
    assert!(error.contains("when"), "{error}");
}

#[test]
fn schemas_that_change_begin_files_or_are_projected() {
    let (old, new) = (order(1, "de"), order(2, "de"));
    let schema = |record: &SinkRecord| record.record.value_schema.clone();
    let needs = |mode: &str, record: &SinkRecord, current: &SinkRecord| {
        settings(&[("schema.compatibility", mode)])
            .compatibility
            .needs_new_files(record, &schema(current))
            .map_err(|error| error.message().to_owned())
    };
    assert!(needs("NONE", &new, &old).unwrap());
    assert!(needs("NONE", &old, &new).unwrap());
    assert!(!needs("NONE", &old, &old).unwrap());
    for mode in ["BACKWARD", "FULL"] {
        assert!(needs(mode, &new, &old).unwrap());
        assert!(!needs(mode, &old, &new).unwrap());
    }
    assert!(!needs("FORWARD", &new, &old).unwrap());
    assert!(needs("FORWARD", &old, &new).unwrap());
    let bare = record(None, Value::from("x"));
    assert!(
        needs("BACKWARD", &bare, &new)
            .unwrap_err()
            .contains("schema-less")
    );
    assert!(needs("NONE", &bare, &new).unwrap());
    let backward = settings(&[("schema.compatibility", "BACKWARD")]).compatibility;
    let projected = backward.value(&old, &schema(&new)).unwrap();
    assert_eq!(projected.to_string(), "Struct{id=7,at=Struct{country=de}}");
    assert_eq!(
        projected.as_struct().unwrap().schema(),
        &schema(&new).unwrap()
    );
}

fn encoded(pairs: &[(&str, &str)], records: &[SinkRecord]) -> Vec<u8> {
    let format = settings(pairs).format;
    let mut encoder = format
        .encoder(records[0].record.value_schema.as_ref())
        .unwrap();
    let mut out = Vec::new();
    for record in records {
        encoder.write(&record.record.value, &mut out).unwrap();
    }
    encoder.finish(&mut out).unwrap();
    out
}

#[test]
fn json_and_text_are_lines() {
    let records = [order(1, "de"), order(1, "line\nbreak")];
    let json = "{\"id\":7,\"at\":{\"country\":\"de\"}}\n{\"id\":7,\"at\":{\"country\":\"line\\nbreak\"}}\n";
    assert_eq!(
        encoded(&[("format.class", "Json")], &records),
        json.as_bytes()
    );
    let keys = [
        ("format.class", "Json"),
        ("sluice.compression.type", "gzip"),
    ];
    let mut plain = String::new();
    let packed = encoded(&keys, &records);
    let mut reader = flate2::read::GzDecoder::new(packed.as_slice());
    std::io::Read::read_to_string(&mut reader, &mut plain).unwrap();
    assert_eq!(plain, json);
    let texts = [
        record(None, Value::from("one")),
        record(None, Value::from("two")),
    ];
    assert_eq!(
        encoded(&[("format.class", "String")], &texts),
        b"one\ntwo\n"
    );
}

#[test]
fn a_bad_value_is_not_in_an_avro_file() {
    let format = settings(&[]).format;
    let mut encoder = format.encoder(Some(&schemas::INT32)).unwrap();
    let mut out = Vec::new();
    encoder.write(&Value::Int32(1), &mut out).unwrap();
    encoder.write(&Value::from("x"), &mut out).unwrap_err();
    encoder.write(&Value::Int32(-1), &mut out).unwrap();
    encoder.finish(&mut out).unwrap();
    let sync = &out[out.len() - 16..];
    // Two values of two bytes in all between two marks.
    let block = [&[4, 4, 2, 1][..], sync].concat();
    assert!(out.ends_with(&block), "{out:?}");
}
