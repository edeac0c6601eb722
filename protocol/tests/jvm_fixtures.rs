//! Everything captured from live JVM workers is read, and written back to the same bytes (topics, group) or
//! the same meaning (REST).

#![expect(clippy::unwrap_used, reason = "helpers of a test")]

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sluice_protocol::config_topic::{ConfigRecord, EncodedRecord};
use sluice_protocol::group::{Assignment, MemberMetadata, Subprotocol};
use sluice_protocol::offset_topic::OffsetRecord;
use sluice_protocol::rest;
use sluice_protocol::status_topic::StatusRecord;

/// Lines of all fixture files in `folder` whose names end in `suffix`, with the place they came from.
fn lines(folder: &str, suffix: &str) -> Vec<(String, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/kafka-connect-4.3.0");
    let mut files: Vec<PathBuf> = std::fs::read_dir(root.join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(suffix))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no fixtures {folder}/*{suffix}");
    let mut lines = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let place = format!("{}:{}", file.display(), number + 1);
            lines.push((place, serde_json::from_str(line).unwrap()));
        }
    }
    lines
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    value.as_str().map(|text| STANDARD.decode(text).unwrap())
}

/// Checks key and value of every record of one kind of topic.
fn topic(suffix: &str, rewrite: impl Fn(Option<&[u8]>, Option<&[u8]>) -> EncodedRecord) {
    for (place, line) in lines("topics", suffix) {
        let (key, value) = (bytes(&line["key"]), bytes(&line["value"]));
        let written = rewrite(key.as_deref(), value.as_deref());
        let text = |bytes: Option<Vec<u8>>| bytes.map(|b| String::from_utf8_lossy(&b).into_owned());
        assert_eq!(text(Some(written.key)), text(key), "{place}");
        assert_eq!(text(written.value), text(value), "{place}");
    }
}

#[test]
fn config_records_are_written_back_to_the_byte() {
    topic(".config.jsonl", |key, value| {
        ConfigRecord::decode(key, value).unwrap().unwrap().encode()
    });
}

#[test]
fn status_records_are_written_back_to_the_byte() {
    topic(".status.jsonl", |key, value| {
        StatusRecord::decode(key, value).unwrap().unwrap().encode()
    });
}

#[test]
fn offset_records_are_written_back_to_the_byte() {
    topic(".offset.jsonl", |key, value| {
        OffsetRecord::decode(key, value).unwrap().encode()
    });
}

#[test]
fn records_lie_in_the_partitions_a_jvm_producer_chose() {
    for suffix in [".status.jsonl", ".offset.jsonl"] {
        let all = lines("topics", suffix);
        let fits = |partitions: u32| {
            all.iter().all(|(_, line)| {
                let key = bytes(&line["key"]).unwrap_or_default();
                let chosen = sluice_protocol::partitioner::partition_for_key(&key, partitions);
                line["partition"].as_u64() == Some(u64::from(chosen))
            })
        };
        assert!(
            (1..=50).any(fits),
            "no number of partitions explains {suffix}"
        );
    }
}

#[test]
fn group_metadata_and_assignments_are_written_back_to_the_byte() {
    for (place, line) in lines("group", ".jsonl") {
        let protocol = Subprotocol::parse(line["protocol"].as_str().unwrap()).unwrap();
        for member in line["members"].as_array().unwrap() {
            let metadata = bytes(&member["metadata"]).unwrap();
            let read = MemberMetadata::decode(&metadata).unwrap();
            assert_eq!(read.version, protocol.version(), "{place}");
            assert_eq!(&read.encode().unwrap()[..], metadata, "{place}: {read:?}");
            let assignment = bytes(&member["assignment"]).unwrap();
            let read = Assignment::decode(&assignment).unwrap();
            assert_eq!(read.version, protocol.version(), "{place}");
            assert_eq!(&read.encode().unwrap()[..], assignment, "{place}: {read:?}");
        }
    }
}

/// The body read as `T` and written again means the same.
fn same<T: DeserializeOwned + Serialize>(place: &str, body: &Value) {
    let read: T = serde_json::from_str(&body.to_string())
        .unwrap_or_else(|error| panic!("{place}: {error}: {body}"));
    assert_eq!(&serde_json::to_value(&read).unwrap(), body, "{place}");
}

#[test]
fn rest_bodies_mean_the_same_when_written_again() {
    let mut known = 0;
    for (place, line) in lines("rest", ".jsonl") {
        let (method, path) = (
            line["method"].as_str().unwrap(),
            line["path"].as_str().unwrap(),
        );
        let (status, body) = (line["status"].as_u64().unwrap(), &line["body"]);
        if !body.is_object() && !body.is_array() {
            continue;
        }
        let path = path.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        if status >= 400 {
            if body.get("error_code").is_some() {
                same::<rest::ErrorMessage>(&place, body);
                known += 1;
            }
            continue;
        }
        match (method, parts.as_slice()) {
            ("GET", []) => same::<rest::ServerInfo>(&place, body),
            ("GET", ["health"]) => same::<rest::Health>(&place, body),
            ("GET", ["connectors"]) if body.is_array() => same::<Vec<String>>(&place, body),
            ("GET", ["connectors"]) => same::<rest::ExpandedConnectors>(&place, body),
            ("POST", ["connectors"]) | ("GET", ["connectors", _]) => {
                same::<rest::ConnectorInfo>(&place, body);
            }
            ("GET", ["connectors", _, "config"]) => {
                same::<sluice_protocol::ConfigMap>(&place, body);
            }
            (_, ["connectors", _, "config"]) => same::<rest::ConnectorInfo>(&place, body),
            (_, ["connectors", _, "status" | "restart"]) => {
                same::<rest::ConnectorStateInfo>(&place, body);
            }
            ("GET", ["connectors", _, "tasks"]) => same::<Vec<rest::TaskInfo>>(&place, body),
            ("GET", ["connectors", _, "tasks", _, "status"]) => {
                same::<rest::TaskState>(&place, body);
            }
            ("GET", ["connectors", _, "topics"]) => same::<rest::ActiveTopics>(&place, body),
            ("GET", ["connectors", _, "offsets"]) => same::<rest::ConnectorOffsets>(&place, body),
            (_, ["connectors", _, "offsets"]) => same::<rest::Message>(&place, body),
            ("GET", ["connector-plugins"]) => same::<Vec<rest::PluginInfo>>(&place, body),
            ("GET", ["connector-plugins", _, "config"]) => {
                same::<Vec<rest::ConfigKeyInfo>>(&place, body);
            }
            ("PUT", ["connector-plugins", _, "config", "validate"]) => {
                same::<rest::ConfigInfos>(&place, body);
            }
            ("GET", ["admin", "loggers"]) => same::<rest::LoggerLevels>(&place, body),
            ("GET", ["admin", "loggers", _]) => same::<rest::LoggerLevel>(&place, body),
            ("PUT", ["admin", "loggers", _]) => same::<Vec<String>>(&place, body),
            other => panic!("{place}: no type for {other:?}"),
        }
        known += 1;
    }
    assert!(known > 100, "only {known} bodies");
}
