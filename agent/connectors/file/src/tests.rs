use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sluice_api::{
    ConnectError, ConnectRecord, Connector, ExactlyOnceSupport, Props, SchemaBuilder, SinkRecord,
    SinkTask, SourceOffset, SourcePartition, SourceRecord, SourceTask, Struct, TimestampType,
    Value, schemas,
};
use sluice_toolkit::testing::TestContext;
use tokio_util::sync::CancellationToken;

use crate::LineSplitter;

fn props(pairs: &[(&str, &str)]) -> Props {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

struct Source {
    task: Box<dyn SourceTask>,
    stopping: CancellationToken,
}

async fn source(file: &str, batch: &str, stored: Option<SourceOffset>) -> Source {
    let props = props(&[("file", file), ("topic", "t"), ("batch.size", batch)]);
    let context = Arc::new(TestContext {
        stored,
        ..TestContext::new(props.clone())
    });
    let stopping = context.stopping.clone();
    let task = (crate::source().start_task)(context).await.unwrap();
    Source { task, stopping }
}

fn lines(records: Option<Vec<SourceRecord>>) -> Vec<(String, i64)> {
    records
        .unwrap_or_default()
        .into_iter()
        .map(|record| {
            let Some(Value::Int64(position)) = record
                .source_offset
                .as_ref()
                .and_then(|offset| offset.get("position"))
                .cloned()
            else {
                panic!("no position");
            };
            (record.record.value.to_string(), position)
        })
        .collect()
}

fn own(pairs: &[(&str, i64)]) -> Vec<(String, i64)> {
    pairs
        .iter()
        .map(|(line, position)| ((*line).to_owned(), *position))
        .collect()
}

#[test]
fn lines_end_as_in_kafka() {
    let mut splitter = LineSplitter::default();
    let mut rest = Bytes::new();
    let mut found = Vec::new();
    // Byte by byte, so that every end falls on the border of two reads once.
    for byte in b"a\n\nb\r\nc\rd\r" {
        let mut block = rest.to_vec();
        block.push(*byte);
        splitter.refill(block.into());
        while let Some((line, taken)) = splitter.next_line() {
            found.push((String::from_utf8(line.to_vec()).unwrap(), taken));
        }
        rest = splitter.rest().clone();
    }
    let expected: Vec<(String, usize)> = [("a", 2), ("", 1), ("b", 3), ("c", 2)]
        .map(|(l, n)| (l.to_owned(), n))
        .into();
    assert_eq!(found, expected);
    assert_eq!(rest, "d\r");
}

#[test]
fn lines_that_are_not_utf_8_are_replaced_where_they_stand() {
    let mut splitter = LineSplitter::default();
    splitter.refill(bytes::Bytes::from_static(
        b"a\xff\n\xc3\xa4\nb\xffc\nrest\xff",
    ));
    let lines: Vec<(String, usize)> = std::iter::from_fn(|| splitter.next_text())
        .map(|(text, taken)| (text.to_string(), taken))
        .collect();
    let expected = [("a\u{fffd}", 3), ("\u{e4}", 3), ("b\u{fffd}c", 4)];
    assert_eq!(
        lines,
        expected.map(|(text, taken)| (text.to_owned(), taken))
    );
    assert_eq!(splitter.rest(), &b"rest\xff"[..]);
}

#[tokio::test]
async fn lines_come_in_batches_with_the_position_after_each() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.txt");
    std::fs::write(&path, "one\ntwo\r\nthree\n\nunfinished").unwrap();
    let mut source = source(path.to_str().unwrap(), "2", None).await;
    let batch = lines(source.task.poll().await.unwrap());
    assert_eq!(batch, own(&[("one", 4), ("two", 9)]));
    let batch = lines(source.task.poll().await.unwrap());
    assert_eq!(batch, own(&[("three", 15), ("", 16)]));
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap();
    file.write_all(b" no more\n").unwrap();
    let batch = lines(source.task.poll().await.unwrap());
    assert_eq!(batch, own(&[("unfinished no more", 35)]));
    source.stopping.cancel();
    assert!(source.task.poll().await.unwrap().is_none());
}

#[tokio::test]
async fn reading_resumes_at_the_stored_byte_also_after_text_that_is_not_ascii() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.txt");
    std::fs::write(&path, "é\nnext\n").unwrap();
    let mut first = source(path.to_str().unwrap(), "1", None).await;
    let records = first.task.poll().await.unwrap().unwrap();
    let offset = records[0].source_offset.clone();
    let mut second = source(path.to_str().unwrap(), "1", offset).await;
    assert_eq!(
        lines(second.task.poll().await.unwrap()),
        own(&[("next", 8)])
    );
}

#[tokio::test]
async fn a_missing_file_is_waited_for_and_a_stop_ends_the_wait() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("later.txt");
    let mut source = source(path.to_str().unwrap(), "10", None).await;
    let stopping = source.stopping.clone();
    stopping.cancel();
    let polled = tokio::time::timeout(Duration::from_secs(5), source.task.poll())
        .await
        .unwrap();
    assert!(polled.unwrap().is_none());
    std::fs::write(&path, "x\n").unwrap();
    assert_eq!(lines(source.task.poll().await.unwrap()), own(&[("x", 2)]));
}

#[tokio::test]
async fn a_stored_position_of_another_type_fails() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.txt");
    std::fs::write(&path, "x\n").unwrap();
    let mut source = source(
        path.to_str().unwrap(),
        "10",
        Some(SourceOffset::of("position", "1")),
    )
    .await;
    let error = source.task.poll().await.unwrap_err();
    assert_eq!(error.message(), "Offset position is the incorrect type");
}

#[tokio::test]
async fn blocks_and_lines_longer_than_a_read_are_put_together() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.txt");
    let long = "x".repeat(900_000);
    let text: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
    std::fs::write(&path, format!("{long}\n{text}")).unwrap();
    let mut source = source(path.to_str().unwrap(), "1000", None).await;
    let mut all = Vec::new();
    while all.len() < 20_001 {
        all.extend(lines(source.task.poll().await.unwrap()));
    }
    assert_eq!(all[0].0, long);
    assert_eq!(all[20_000].0, "line 19999");
    assert_eq!(all[20_000].1, (long.len() + 1 + text.len()) as i64);
}

#[tokio::test]
async fn a_batch_of_long_lines_ends_with_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.txt");
    let text = format!("{}\n", "x".repeat(600 * 1024)).repeat(3);
    std::fs::write(&path, text).unwrap();
    let mut source = source(path.to_str().unwrap(), "2000", None).await;
    for count in [2, 1] {
        let batch = lines(source.task.poll().await.unwrap());
        assert_eq!(batch.len(), count);
    }
}

#[tokio::test]
async fn offsets_are_checked_before_they_are_altered() {
    let connector: Box<dyn Connector> = (crate::source().new_connector)();
    let with_file = props(&[("file", "/f"), ("topic", "t")]);
    let partition = SourcePartition::of("filename", "/f");
    let alter = async |props: &Props, partition: &SourcePartition, offset: Option<SourceOffset>| {
        connector
            .alter_source_offsets(props, &[(partition.clone(), offset)])
            .await
            .map_err(|error| error.message().to_owned())
    };
    assert_eq!(alter(&with_file, &partition, None).await, Ok(true));
    assert_eq!(
        alter(
            &with_file,
            &partition,
            Some(SourceOffset::of("position", 5_i64))
        )
        .await,
        Ok(true)
    );
    for (offset, message) in [
        (
            SourceOffset::of("x", 1_i64),
            "Offset objects should either be null or contain the key 'position'",
        ),
        (
            SourceOffset::of("position", "1"),
            "The value for the 'position' key in the offset is expected to be a Long value",
        ),
        (
            SourceOffset::of("position", -1_i64),
            "The value for the 'position' key in the offset should be a non-negative value",
        ),
    ] {
        assert_eq!(
            alter(&with_file, &partition, Some(offset)).await,
            Err(message.to_owned())
        );
    }
    assert_eq!(
        alter(
            &with_file,
            &SourcePartition::of("x", 1),
            Some(SourceOffset::of("position", 1_i64))
        )
        .await,
        Err("Partition objects should contain the key 'filename'".to_owned())
    );
    let stdin = props(&[("topic", "t")]);
    assert!(
        alter(&stdin, &partition, None)
            .await
            .unwrap_err()
            .starts_with("Offsets cannot be modified")
    );
    assert_eq!(
        connector.exactly_once_support(&stdin).await.unwrap(),
        Some(ExactlyOnceSupport::Unsupported)
    );
    assert_eq!(
        connector.exactly_once_support(&with_file).await.unwrap(),
        Some(ExactlyOnceSupport::Supported)
    );
}

fn sink_record(value: Value) -> SinkRecord {
    SinkRecord {
        record: ConnectRecord::new("t".into(), None, value),
        kafka_offset: 0,
        timestamp_type: TimestampType::CreateTime,
        original_topic: "t".into(),
        original_kafka_partition: 0,
        original_kafka_offset: 0,
    }
}

#[tokio::test]
async fn values_are_appended_as_lines_of_text() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.txt");
    std::fs::write(&path, "before\n").unwrap();
    let props = props(&[("file", path.to_str().unwrap())]);
    let context = Arc::new(TestContext::new(props));
    let mut task: Box<dyn SinkTask> = (crate::sink().start_task)(context).await.unwrap();
    let schema = SchemaBuilder::structure()
        .field("a", schemas::INT32.clone())
        .build()
        .unwrap();
    let structure = Struct::new(schema).unwrap().with("a", 1).unwrap();
    let map = Value::Map([(Value::from("b"), Value::from(1))].into_iter().collect());
    let values = [Value::from("x"), Value::Null, map, Value::from(structure)];
    task.put(&values.map(sink_record)).await.unwrap();
    task.put(&[]).await.unwrap();
    task.put(&[sink_record(Value::from(1.0))]).await.unwrap();
    task.pre_commit(&BTreeMap::new()).await.unwrap();
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "before\nx\nnull\n{b=1}\nStruct{a=1}\n1.0\n"
    );
    task.stop().await.unwrap();
}

#[tokio::test]
async fn a_file_that_cannot_be_made_fails_the_start() {
    let props = props(&[("file", "/does/not/exist/out.txt")]);
    let context = Arc::new(TestContext::new(props));
    let started = (crate::sink().start_task)(context).await;
    let error: ConnectError = started.err().expect("an error");
    assert_eq!(
        error.message(),
        "Couldn't find or create file '/does/not/exist/out.txt' for FileStreamSinkTask"
    );
}
