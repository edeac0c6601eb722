//! Against what Kafka's own classes do; see `tests/golden/README.md`.

use serde_json::Value as Json;
use sluice_api::config::{ConfigValue, DefaultValue, Importance};
use sluice_api::{ConfigDef, Props, SourcePartition, TopicPartition, Value};

use crate::client_keys::is_client_key;
use crate::filter::Filter;
use crate::format::{self, Checkpoint, Heartbeat, OffsetSync};
use crate::keys;
use crate::offset_sync_store::{OffsetSyncStore, Translation};
use crate::offset_sync_writer::SyncRule;
use crate::policy::ReplicationPolicy;

fn golden(kind: &str) -> Vec<Json> {
    let found: Vec<Json> = include_str!("../tests/golden/mirror_golden.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<Json>(line).unwrap())
        .filter(|case| case["kind"] == kind)
        .collect();
    assert!(!found.is_empty(), "no case of {kind}");
    found
}

fn text(case: &Json, field: &str) -> String {
    case[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} of {case}"))
        .to_owned()
}

fn number(case: &Json, field: &str) -> i64 {
    case[field]
        .as_i64()
        .unwrap_or_else(|| panic!("{field} of {case}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn partition(case: &Json) -> TopicPartition {
    TopicPartition::new(
        text(case, "topic"),
        i32::try_from(number(case, "partition")).unwrap(),
    )
}

/// As the offsets topic holds it.
fn stored(partition: &SourcePartition) -> String {
    let fields: Vec<String> = partition
        .iter()
        .map(|(key, value)| {
            let value = match value {
                Value::String(text) => Json::from(&**text),
                Value::Int32(number) => Json::from(*number),
                other => panic!("{other:?}"),
            };
            format!("{}:{value}", Json::from(&**key))
        })
        .collect();
    format!("{{{}}}", fields.join(","))
}

fn props(case: &Json) -> Props {
    case["config"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn records_have_kafkas_bytes() {
    for case in golden("offset-sync") {
        let sync = OffsetSync {
            partition: partition(&case),
            upstream: number(&case, "upstream"),
            downstream: number(&case, "downstream"),
        };
        assert_eq!(hex(&sync.key()), text(&case, "key"));
        assert_eq!(hex(&sync.value()), text(&case, "value"));
        assert_eq!(
            OffsetSync::read(&sync.key(), &sync.value()),
            Ok(sync.clone())
        );
        let source = format::source_partition("us-west", &sync.partition);
        assert_eq!(stored(&source), text(&case, "stored"));
    }
    for case in golden("checkpoint") {
        let checkpoint = Checkpoint {
            group: text(&case, "group"),
            partition: partition(&case),
            upstream: number(&case, "upstream"),
            downstream: number(&case, "downstream"),
            metadata: text(&case, "metadata"),
        };
        assert_eq!(hex(&checkpoint.key()), text(&case, "key"));
        assert_eq!(hex(&checkpoint.value()), text(&case, "value"));
        let read = Checkpoint::read(&checkpoint.key(), &checkpoint.value());
        assert_eq!(read, Ok(checkpoint.clone()));
        assert_eq!(
            stored(&checkpoint.source_partition()),
            text(&case, "stored")
        );
    }
    for case in golden("heartbeat") {
        let heartbeat = Heartbeat {
            source_alias: text(&case, "source"),
            target_alias: text(&case, "target"),
            timestamp: number(&case, "timestamp"),
        };
        assert_eq!(hex(&heartbeat.key()), text(&case, "key"));
        assert_eq!(hex(&heartbeat.value()), text(&case, "value"));
        assert_eq!(stored(&heartbeat.source_partition()), text(&case, "stored"));
    }
}

#[test]
fn records_cut_short_or_of_an_unknown_version_are_refused() {
    let checkpoint = Checkpoint {
        group: "g".to_owned(),
        partition: TopicPartition::new("t", 1),
        upstream: 1,
        downstream: 2,
        metadata: "m".to_owned(),
    };
    let (key, value) = (checkpoint.key(), checkpoint.value());
    for length in 0..key.len() {
        assert!(Checkpoint::read(&key[..length], &value).is_err());
        assert!(OffsetSync::read(&key[..length.min(6)], &value[..length.min(15)]).is_err());
    }
    for length in 0..value.len() {
        assert!(Checkpoint::read(&key, &value[..length]).is_err());
    }
    let mut newer = value.to_vec();
    newer[1] = 1;
    assert_eq!(
        Checkpoint::read(&key, &newer),
        Err(format::FormatError::Version(1))
    );
    assert_eq!(
        Checkpoint::read(&[0xff, 0xff, 0, 0], &value),
        Err(format::FormatError::Text)
    );
}

fn policy(case: &Json) -> ReplicationPolicy {
    let mut props = props(case);
    props.insert(keys::SOURCE_ALIAS.to_owned(), "us-west".to_owned());
    if case["identity"] == true {
        props.insert(
            keys::POLICY_CLASS.to_owned(),
            keys::IDENTITY_POLICY.to_owned(),
        );
    }
    ReplicationPolicy::new(&props)
}

#[test]
fn topics_are_named_as_kafkas_policies_do() {
    for case in golden("policy") {
        let policy = policy(&case);
        let topic = text(&case, "topic");
        let optional = |field: &str| case[field].as_str().map(str::to_owned);
        assert_eq!(
            policy.remote_topic("us-west", &topic),
            text(&case, "remote"),
            "{case}"
        );
        assert_eq!(
            policy.source(&topic).map(str::to_owned),
            optional("source"),
            "{case}"
        );
        assert_eq!(
            policy.upstream_topic(&topic).map(str::to_owned),
            optional("upstream"),
            "{case}"
        );
        assert_eq!(
            policy.original_topic(&topic),
            text(&case, "original"),
            "{case}"
        );
        assert_eq!(
            policy.is_internal_topic(&topic),
            case["internal"] == true,
            "{case}"
        );
        assert_eq!(
            policy.is_heartbeats_topic(&topic),
            case["heartbeats"] == true,
            "{case}"
        );
    }
    for case in golden("policy-topics") {
        let policy = policy(&case);
        assert_eq!(policy.offset_syncs_topic("eu"), text(&case, "syncs"));
        assert_eq!(policy.checkpoints_topic("eu"), text(&case, "checkpoints"));
        assert_eq!(policy.heartbeats_topic(), text(&case, "heartbeats"));
    }
}

#[test]
fn filters_accept_what_kafkas_do() {
    for case in golden("filter") {
        let filter = Filter::of(
            &props(&case),
            keys::TOPICS,
            keys::TOPICS_EXCLUDE,
            keys::TOPICS_EXCLUDE_DEFAULT,
        )
        .unwrap();
        assert_eq!(
            filter.accepts(&text(&case, "topic")),
            case["matches"] == true,
            "{case}"
        );
    }
}

#[test]
fn offsets_are_translated_as_kafkas_store_does() {
    for case in golden("store") {
        let mut store = OffsetSyncStore::new(case["onlyLast"] == true);
        let partition = TopicPartition::new("t", 0);
        let start = number(&case, "startedBefore");
        let mut translations = case["translations"].as_array().unwrap().iter();
        let mut next = translations.next();
        for (index, sync) in (0_i64..).zip(case["syncs"].as_array().unwrap()) {
            if index == start {
                store.set_complete();
            }
            store.add(&OffsetSync {
                partition: partition.clone(),
                upstream: sync[0].as_i64().unwrap(),
                downstream: sync[1].as_i64().unwrap(),
            });
            let Some(asked) = next.filter(|asked| asked[0].as_i64() == Some(index)) else {
                continue;
            };
            for pair in asked[1].as_array().unwrap() {
                let translated = match store.translate(&partition, pair[0].as_i64().unwrap()) {
                    Translation::Offset(offset) => offset,
                    Translation::TooOld => -1,
                    Translation::Unknown => -2,
                };
                assert_eq!(Some(translated), pair[1].as_i64(), "after {index}: {pair}");
            }
            next = translations.next();
        }
        assert!(next.is_none(), "all translations were compared");
    }
}

#[test]
fn offset_syncs_are_due_when_kafkas_are() {
    for case in golden("sync-rule") {
        let mut rule = SyncRule::new(number(&case, "lag"));
        for step in case["steps"].as_array().unwrap() {
            let due = rule.update(step[0].as_i64().unwrap(), step[1].as_i64().unwrap());
            assert_eq!(Json::from(due), step[2], "{step}");
        }
    }
}

#[test]
fn keys_types_defaults_and_importances_are_kafkas() {
    let defs: [(&str, ConfigDef); 3] = [
        ("source", keys::source_def()),
        ("checkpoint", keys::checkpoint_def()),
        ("heartbeat", keys::heartbeat_def()),
    ];
    for (connector, def) in defs {
        let cases: Vec<Json> = golden("key")
            .into_iter()
            .filter(|case| case["connector"] == connector)
            .collect();
        let ours: Vec<&str> = def.keys().map(|key| key.name.as_str()).collect();
        let kafkas: Vec<String> = cases.iter().map(|case| text(case, "name")).collect();
        assert_eq!(ours, kafkas);
        for (key, case) in def.keys().zip(&cases) {
            assert_eq!(key.kind.name(), text(case, "type"), "{case}");
            assert_eq!(
                Importance::name(key.importance),
                text(case, "importance"),
                "{case}"
            );
            match &key.default {
                DefaultValue::Required => assert_eq!(case["required"], true, "{case}"),
                DefaultValue::Value(value) => {
                    assert_eq!(case["required"], false, "{case}");
                    let default = match value {
                        ConfigValue::Null => None,
                        value => value.display(),
                    };
                    assert_eq!(default.as_deref(), case["default"].as_str(), "{case}");
                }
            }
        }
    }
    for name in golden("client-keys")[0]["names"].as_array().unwrap() {
        assert!(is_client_key(name.as_str().unwrap()), "{name}");
    }
    assert!(!is_client_key("alias"));
}
