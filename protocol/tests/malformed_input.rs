//! Whatever comes in: an error at worst, never a panic. The same targets as in `fuzz/`, with a few thousand
//! random and a few thousand damaged inputs in every test run.

use proptest::prelude::*;
use sluice_protocol::config_topic::ConfigRecord;
use sluice_protocol::group::{Assignment, MemberMetadata, Work};
use sluice_protocol::offset_topic::OffsetRecord;
use sluice_protocol::status_topic::StatusRecord;
use sluice_protocol::telemetry::TelemetryRecord;
use sluice_protocol::{ConfigMap, ConnectorTaskId, Millis, Offset, TargetState, jvm_json};

fn key() -> impl Strategy<Value = Vec<u8>> {
    let prefix = prop_oneof![
        Just(""),
        Just("connector-"),
        Just("task-"),
        Just("commit-"),
        Just("target-state-"),
        Just("restart-connector-"),
        Just("tasks-fencing-"),
        Just("session-key"),
        Just("logger-cluster-"),
        Just("status-connector-"),
        Just("status-task-"),
        Just("status-topic-"),
        Just("[\"c\","),
    ];
    (prefix, prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(prefix, rest)| {
        let mut key = prefix.as_bytes().to_vec();
        key.extend(rest);
        key
    })
}

/// JSON with the field names that count, with values that do not fit.
fn json() -> impl Strategy<Value = String> {
    let field = prop::sample::select(vec![
        "properties",
        "tasks",
        "state",
        "state.v2",
        "key",
        "algorithm",
        "creation-timestamp",
        "task-count",
        "include-tasks",
        "only-failed",
        "level",
        "trace",
        "worker_id",
        "generation",
        "version",
        "topic",
        "name",
        "connector",
        "task",
        "discoverTimestamp",
        "v",
        "at",
        "kind",
    ]);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        Just("1e400".to_owned()),
        Just("1.5".to_owned()),
        Just("[]".to_owned()),
        "[a-zA-Z]{0,8}".prop_map(|text| format!("{text:?}")),
        Just("\"STARTED\"".to_owned()),
        Just("\"RUNNING\"".to_owned()),
    ];
    leaf.prop_recursive(3, 20, 4, move |inner| {
        prop::collection::vec((field.clone(), inner), 0..5).prop_map(|fields| {
            let fields: Vec<String> = fields
                .into_iter()
                .map(|(name, value)| format!("{name:?}:{value}"))
                .collect();
            format!("{{{}}}", fields.join(","))
        })
    })
}

fn decode_all(key: &[u8], value: &[u8]) {
    if let Ok(Some(record)) = ConfigRecord::decode(Some(key), Some(value)) {
        let again = record.encode();
        let read = ConfigRecord::decode(Some(&again.key), again.value.as_deref());
        assert_eq!(read.ok().flatten().as_ref(), Some(&record));
    }
    if let Ok(Some(record)) = StatusRecord::decode(Some(key), Some(value)) {
        let again = record.encode();
        assert!(StatusRecord::decode(Some(&again.key), again.value.as_deref()).is_ok());
    }
    if let Ok(record) = OffsetRecord::decode(Some(key), Some(value)) {
        let again = record.encode();
        assert!(OffsetRecord::decode(Some(&again.key), again.value.as_deref()).is_ok());
    }
    if let Ok(record) = TelemetryRecord::decode(value) {
        assert!(record.encode().is_ok());
    }
    if let Ok(metadata) = MemberMetadata::decode(value) {
        let _ = metadata.encode();
    }
    if let Ok(assignment) = Assignment::decode(value) {
        let _ = assignment.encode();
    }
}

fn work() -> impl Strategy<Value = Work> {
    let name = "[a-z-]{1,12}";
    (
        prop::collection::btree_set(name, 0..5),
        prop::collection::btree_set((name, 0..5u32), 0..8),
    )
        .prop_map(|(connectors, tasks)| Work {
            connectors: connectors.into_iter().map(Into::into).collect(),
            tasks: tasks
                .into_iter()
                .map(|(name, task)| ConnectorTaskId::new(name, task))
                .collect(),
        })
}

fn assignment() -> impl Strategy<Value = Assignment> {
    (
        1..=2i16,
        0..2i16,
        any::<i64>(),
        work(),
        work(),
        any::<i32>(),
    )
        .prop_map(
            |(version, error, offset, assigned, revoked, delay_ms)| Assignment {
                version,
                error,
                leader: "leader".into(),
                leader_url: "http://h:1/".to_owned(),
                config_offset: Offset(offset),
                assigned,
                revoked,
                delay_ms,
            },
        )
}

fn sorted(mut work: Work) -> Work {
    work.connectors.sort();
    work.tasks.sort();
    work
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_never_panic(key in key(), value in prop::collection::vec(any::<u8>(), 0..200)) {
        decode_all(&key, &value);
    }

    #[test]
    fn json_that_does_not_fit_never_panics(key in key(), value in json()) {
        decode_all(&key, value.as_bytes());
    }

    #[test]
    fn metadata_reads_back_and_damaged_bytes_never_panic(
        allocation in prop::option::of(assignment()),
        offset in any::<i64>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let metadata = MemberMetadata {
            version: 2,
            url: "http://host:8083/".to_owned(),
            config_offset: Offset(offset),
            allocation,
        };
        let bytes = metadata.encode().unwrap();
        let read = MemberMetadata::decode(&bytes).unwrap();
        // Tasks come back grouped by connector; what is held is the same.
        let plain = |metadata: MemberMetadata| {
            let allocation = metadata.allocation.map(|a| Assignment {
                assigned: sorted(a.assigned),
                revoked: sorted(a.revoked),
                ..a
            });
            MemberMetadata { allocation, ..metadata }
        };
        prop_assert_eq!(plain(read.clone()), plain(metadata));
        // Once written in groups, the bytes stay the same.
        prop_assert_eq!(&read.encode().unwrap(), &bytes);
        let mut damaged = bytes.to_vec();
        let at = at.index(damaged.len());
        damaged[at] = byte;
        let _ = MemberMetadata::decode(&damaged);
        let _ = MemberMetadata::decode(&damaged[..at]);
    }

    #[test]
    fn config_records_read_back(
        name in "[^-]{1,10}(-[a-z0-9]{1,4})?",
        task in 0..100u32,
        values in prop::collection::btree_map(".{0,10}", prop::option::of(".{0,20}"), 0..5),
    ) {
        let config = ConfigMap(values.into_iter().collect());
        for record in [
            ConfigRecord::Connector { connector: name.as_str().into(), config: Some(config.clone()) },
            ConfigRecord::Task { id: ConnectorTaskId::new(name.as_str(), task), config },
            ConfigRecord::Commit { connector: name.as_str().into(), tasks: task },
            ConfigRecord::TargetState { connector: name.as_str().into(), state: Some(TargetState::Stopped) },
            ConfigRecord::Connector { connector: name.as_str().into(), config: None },
        ] {
            let encoded = record.encode();
            let read = ConfigRecord::decode(Some(&encoded.key), encoded.value.as_deref()).unwrap();
            prop_assert_eq!(read, Some(record));
        }
    }

    #[test]
    fn texts_and_numbers_survive_the_jvms_json(text in any::<String>(), float in any::<f64>(), int in any::<i64>()) {
        let written = jvm_json::to_vec(&(text.as_str(), int)).unwrap();
        let read: (String, i64) = jvm_json::from_slice(&written).unwrap();
        prop_assert_eq!((read.0, read.1), (text, int));
        if float.is_finite() {
            let written = jvm_json::to_vec(&float).unwrap();
            let read: f64 = String::from_utf8(written).unwrap().parse().unwrap();
            prop_assert_eq!(read, float);
        }
    }
}

#[test]
fn a_session_key_reads_back() {
    use sluice_protocol::config_topic::SessionKey;
    let record = ConfigRecord::SessionKey(SessionKey {
        key: (0..=255).collect(),
        algorithm: "HmacSHA256".to_owned(),
        creation_timestamp: Millis(i64::MAX),
    });
    let encoded = record.encode();
    let read = ConfigRecord::decode(Some(&encoded.key), encoded.value.as_deref()).unwrap();
    assert_eq!(read, Some(record));
}
