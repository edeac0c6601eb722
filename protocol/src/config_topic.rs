//! Records of the config topic (`config.storage.topic`), as `KafkaConfigBackingStore` writes and reads them.
//!
//! Keys are text with a prefix per kind, values JSON objects without schema. [`ConfigRecord::decode`] turns a
//! record into a type, [`ConfigRecord::encode`] back; what the records mean together (commits, inconsistency)
//! is the config store's business.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::record_error::RecordError;
use crate::{ConfigMap, ConnectorName, ConnectorTaskId, Millis, TargetState, jvm_json};

const TARGET_STATE: &str = "target-state-";
const CONNECTOR: &str = "connector-";
const TASK: &str = "task-";
const COMMIT: &str = "commit-";
const RESTART: &str = "restart-connector-";
const TASKS_FENCING: &str = "tasks-fencing-";
const SESSION_KEY: &str = "session-key";
const LOGGER: &str = "logger-cluster-";

/// One record of the config topic.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigRecord {
    /// `connector-NAME`: the connector's config; `None` (tombstone) deletes the connector.
    Connector {
        /// Name of the connector.
        connector: ConnectorName,
        /// Its config, variables unresolved.
        config: Option<ConfigMap>,
    },
    /// `target-state-NAME`: what the connector should be; `None` (tombstone) forgets it.
    TargetState {
        /// Name of the connector.
        connector: ConnectorName,
        /// The state asked for.
        state: Option<TargetState>,
    },
    /// `task-NAME-N`: config of a task, which counts from the next commit on.
    Task {
        /// Connector and number of the task.
        id: ConnectorTaskId,
        /// Its config, variables unresolved.
        config: ConfigMap,
    },
    /// `commit-NAME`: the connector has this many tasks, their configs were written before.
    Commit {
        /// Name of the connector.
        connector: ConnectorName,
        /// Number of its tasks.
        tasks: u32,
    },
    /// `tasks-fencing-NAME`: how many producers to fence before the next start (KIP-618).
    TasksFencing {
        /// Name of the connector.
        connector: ConnectorName,
        /// Number of transactional ids in use.
        task_count: u32,
    },
    /// `session-key`: the key for internal requests (KIP-507).
    SessionKey(SessionKey),
    /// `restart-connector-NAME`: a restart was asked for (KIP-745).
    Restart(RestartRequest),
    /// `logger-cluster-NAMESPACE`: a log level for all workers (KIP-976).
    LoggerLevel {
        /// Name of the logger, `root` for all.
        namespace: String,
        /// Level as the caller wrote it.
        level: String,
    },
}

/// The key which signs internal requests. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKey {
    /// The raw key bytes.
    pub key: Vec<u8>,
    /// Algorithm of the key, for example `HmacSHA256`.
    pub algorithm: String,
    /// When the leader made it, by the leader's clock.
    pub creation_timestamp: Millis,
}

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionKey")
            .field("algorithm", &self.algorithm)
            .field("creation_timestamp", &self.creation_timestamp)
            .finish_non_exhaustive()
    }
}

/// A restart of a connector and, if wished, of its tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartRequest {
    /// Name of the connector.
    pub connector: ConnectorName,
    /// Whether its tasks are restarted with it.
    pub include_tasks: bool,
    /// Only what is FAILED.
    pub only_failed: bool,
}

impl RestartRequest {
    /// How much the request restarts; of several pending for one connector the highest counts.
    ///
    /// 0 failed connector, 1 failed connector and tasks, 2 connector, 3 everything
    /// (`RestartRequest.compareTo` of Kafka).
    pub const fn rank(&self) -> u8 {
        match (self.only_failed, self.include_tasks) {
            (true, false) => 0,
            (true, true) => 1,
            (false, false) => 2,
            (false, true) => 3,
        }
    }
}

/// Key and value of a record, ready to be sent; a `None` value is a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedRecord {
    /// Key of the record, UTF-8 text.
    pub key: Vec<u8>,
    /// Value of the record, JSON; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
}

impl ConfigRecord {
    /// Reads a record. `Ok(None)` is a key of no known kind, which workers pass over silently.
    ///
    /// The JSON of the value is looked at first, as a JVM worker does, because a record whose value is no
    /// JSON does not count as read (see [`RecordError::counts_as_read`]).
    pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Option<Self>, RecordError> {
        let body = Body::parse(value)?;
        let key = String::from_utf8_lossy(key.ok_or(RecordError::NoKey)?);
        let key = key.as_ref();
        if let Some(name) = key.strip_prefix(TARGET_STATE) {
            return target_state(name, &body).map(Some);
        }
        if let Some(name) = key.strip_prefix(CONNECTOR) {
            return Ok(Some(Self::Connector {
                connector: name.into(),
                config: if body.is_null() {
                    None
                } else {
                    Some(body.properties()?)
                },
            }));
        }
        if let Some(rest) = key.strip_prefix(TASK) {
            let (name, number) = split_task(rest)
                .ok_or_else(|| RecordError::key(key, "does not end in a task number"))?;
            return Ok(Some(Self::Task {
                id: ConnectorTaskId::new(name, number),
                config: body.properties()?,
            }));
        }
        if let Some(name) = key.strip_prefix(COMMIT) {
            return Ok(Some(Self::Commit {
                connector: name.into(),
                tasks: body.count("tasks")?,
            }));
        }
        if let Some(name) = key.strip_prefix(RESTART) {
            body.fields()?;
            return Ok(Some(Self::Restart(RestartRequest {
                connector: name.into(),
                include_tasks: body.flag("include-tasks"),
                only_failed: body.flag("only-failed"),
            })));
        }
        if let Some(name) = key.strip_prefix(TASKS_FENCING) {
            return Ok(Some(Self::TasksFencing {
                connector: name.into(),
                task_count: body.count("task-count")?,
            }));
        }
        if key == SESSION_KEY {
            return session_key(&body).map(|key| Some(Self::SessionKey(key)));
        }
        if let Some(namespace) = key.strip_prefix(LOGGER) {
            return Ok(Some(Self::LoggerLevel {
                namespace: namespace.to_owned(),
                level: body.text("level")?.to_owned(),
            }));
        }
        Ok(None)
    }

    /// The key of the record as text.
    pub fn key(&self) -> String {
        match self {
            Self::Connector { connector, .. } => format!("{CONNECTOR}{connector}"),
            Self::TargetState { connector, .. } => format!("{TARGET_STATE}{connector}"),
            Self::Task { id, .. } => format!("{TASK}{}-{}", id.connector, id.task),
            Self::Commit { connector, .. } => format!("{COMMIT}{connector}"),
            Self::TasksFencing { connector, .. } => format!("{TASKS_FENCING}{connector}"),
            Self::SessionKey(_) => SESSION_KEY.to_owned(),
            Self::Restart(request) => format!("{RESTART}{}", request.connector),
            Self::LoggerLevel { namespace, .. } => format!("{LOGGER}{namespace}"),
        }
    }

    /// Key and value as a JVM worker would write them.
    pub fn encode(&self) -> EncodedRecord {
        let key = self.key().into_bytes();
        let tombstone = matches!(
            self,
            Self::Connector { config: None, .. } | Self::TargetState { state: None, .. }
        );
        // Serialising maps with text keys into memory can't fail; an empty object would still be valid JSON.
        let value =
            (!tombstone).then(|| jvm_json::to_vec(&ValueOf(self)).unwrap_or(b"{}".to_vec()));
        EncodedRecord { key, value }
    }
}

/// Writes the value of a record with the field order of the JVM.
struct ValueOf<'a>(&'a ConfigRecord);

impl Serialize for ValueOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.0 {
            ConfigRecord::Connector { config, .. } => map.serialize_entry("properties", config)?,
            ConfigRecord::Task { config, .. } => map.serialize_entry("properties", config)?,
            ConfigRecord::TargetState { state, .. } => {
                let state = state.unwrap_or_default();
                // Workers before 3.5 know nothing of STOPPED and look at `state` only.
                let legacy = match state {
                    TargetState::Stopped => TargetState::Paused,
                    other => other,
                };
                map.serialize_entry("state", legacy.as_str())?;
                map.serialize_entry("state.v2", state.as_str())?;
            }
            ConfigRecord::Commit { tasks, .. } => map.serialize_entry("tasks", tasks)?,
            ConfigRecord::TasksFencing { task_count, .. } => {
                map.serialize_entry("task-count", task_count)?;
            }
            ConfigRecord::SessionKey(key) => {
                map.serialize_entry("key", &BASE64.encode(&key.key))?;
                map.serialize_entry("algorithm", &key.algorithm)?;
                map.serialize_entry("creation-timestamp", &key.creation_timestamp)?;
            }
            ConfigRecord::Restart(request) => {
                map.serialize_entry("include-tasks", &request.include_tasks)?;
                map.serialize_entry("only-failed", &request.only_failed)?;
            }
            ConfigRecord::LoggerLevel { level, .. } => map.serialize_entry("level", level)?,
        }
        map.end()
    }
}

/// Name and number of `NAME-N`; the number is behind the last dash.
fn split_task(text: &str) -> Option<(&str, u32)> {
    let (name, number) = text.rsplit_once('-')?;
    let number: i32 = number.parse().ok()?;
    Some((name, u32::try_from(number).ok()?))
}

fn target_state(name: &str, body: &Body) -> Result<ConfigRecord, RecordError> {
    let connector = ConnectorName::from(name);
    if body.is_null() {
        return Ok(ConfigRecord::TargetState {
            connector,
            state: None,
        });
    }
    let fields = body.fields()?;
    let (field, text) = match fields.get("state.v2").and_then(Value::as_str) {
        Some(text) => ("state.v2", text),
        None => ("state", body.text("state")?),
    };
    let state = TargetState::parse(text).ok_or_else(|| {
        RecordError::field(field, "STARTED, PAUSED or STOPPED", fields.get(field))
    })?;
    Ok(ConfigRecord::TargetState {
        connector,
        state: Some(state),
    })
}

fn session_key(body: &Body) -> Result<SessionKey, RecordError> {
    // The found value is never shown here, because a malformed key may still be most of a key.
    let secret = |expected| RecordError::Field {
        field: "key",
        expected,
        found: "something else".to_owned(),
    };
    let key = body.text("key").map_err(|_| secret("string"))?;
    let key = BASE64.decode(key).map_err(|_| secret("base64 text"))?;
    Ok(SessionKey {
        key,
        algorithm: body.text("algorithm")?.to_owned(),
        creation_timestamp: Millis(body.integer("creation-timestamp")?),
    })
}

/// The parsed value of a record.
struct Body {
    value: Value,
    /// The `properties` object once more, with its order, which `Value` does not keep.
    properties: Option<ConfigMap>,
}

#[derive(serde::Deserialize)]
struct Properties {
    properties: ConfigMap,
}

impl Body {
    fn parse(bytes: Option<&[u8]>) -> Result<Self, RecordError> {
        let Some(bytes) = bytes else {
            return Ok(Self {
                value: Value::Null,
                properties: None,
            });
        };
        let value = jvm_json::parse(bytes).map_err(RecordError::NotJson)?;
        let properties = match value.get("properties") {
            Some(Value::Object(_)) => jvm_json::from_slice::<Properties>(bytes)
                .ok()
                .map(|body| body.properties),
            _ => None,
        };
        Ok(Self { value, properties })
    }

    fn is_null(&self) -> bool {
        self.value.is_null()
    }

    fn fields(&self) -> Result<&Map<String, Value>, RecordError> {
        self.value
            .as_object()
            .ok_or_else(|| RecordError::field("value", "object", Some(&self.value)))
    }

    fn properties(self) -> Result<ConfigMap, RecordError> {
        self.fields()?;
        match self.properties {
            Some(properties) => Ok(properties),
            // Shown by kind only: the values may be secrets.
            None => Err(RecordError::Field {
                field: "properties",
                expected: "map of strings",
                found: match self.value.get("properties") {
                    None => "nothing".to_owned(),
                    Some(Value::Object(_)) => "a map with other values".to_owned(),
                    Some(_) => "no map".to_owned(),
                },
            }),
        }
    }

    fn text(&self, field: &'static str) -> Result<&str, RecordError> {
        let found = self.fields()?.get(field);
        found
            .and_then(Value::as_str)
            .ok_or_else(|| RecordError::field(field, "string", found))
    }

    fn integer(&self, field: &'static str) -> Result<i64, RecordError> {
        let found = self.fields()?.get(field);
        found
            .and_then(Value::as_i64)
            .ok_or_else(|| RecordError::field(field, "integer", found))
    }

    fn count(&self, field: &'static str) -> Result<u32, RecordError> {
        let number = self.integer(field)?;
        i32::try_from(number)
            .ok()
            .and_then(|number| u32::try_from(number).ok())
            .ok_or_else(|| RecordError::field(field, "number of tasks", self.value.get(field)))
    }

    fn flag(&self, field: &str) -> bool {
        self.value
            .get(field)
            .and_then(Value::as_bool)
            .unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records captured from a JVM 4.3.0 cluster.
    const CAPTURED: &[(&str, Option<&str>)] = &[
        (
            "connector-c",
            Some(
                r#"{"properties":{"connector.class":"FileStreamSource","topic":"t","file":"/f","tasks.max":"1","name":"c"}}"#,
            ),
        ),
        (
            "task-c-0",
            Some(
                r#"{"properties":{"topic":"t","task.class":"org.apache.kafka.connect.file.FileStreamSourceTask","file":null}}"#,
            ),
        ),
        ("commit-c", Some(r#"{"tasks":1}"#)),
        ("tasks-fencing-c", Some(r#"{"task-count":1}"#)),
        (
            "target-state-c",
            Some(r#"{"state":"PAUSED","state.v2":"PAUSED"}"#),
        ),
        (
            "target-state-c",
            Some(r#"{"state":"STARTED","state.v2":"STARTED"}"#),
        ),
        (
            "restart-connector-c",
            Some(r#"{"include-tasks":true,"only-failed":false}"#),
        ),
        (
            "target-state-c",
            Some(r#"{"state":"PAUSED","state.v2":"STOPPED"}"#),
        ),
        ("connector-c", None),
        ("target-state-c", None),
        (
            "session-key",
            Some(
                r#"{"key":"AQIDBA==","algorithm":"HmacSHA256","creation-timestamp":1795367776543}"#,
            ),
        ),
        ("logger-cluster-org.x", Some(r#"{"level":"info"}"#)),
    ];

    fn decode(key: &str, value: Option<&str>) -> Result<Option<ConfigRecord>, RecordError> {
        ConfigRecord::decode(Some(key.as_bytes()), value.map(str::as_bytes))
    }

    #[test]
    fn captured_records_are_written_back_to_the_byte() {
        for (key, value) in CAPTURED {
            let record = decode(key, *value).unwrap().unwrap();
            let encoded = record.encode();
            assert_eq!(String::from_utf8(encoded.key).unwrap(), *key);
            assert_eq!(
                encoded
                    .value
                    .map(|v| String::from_utf8(v).unwrap())
                    .as_deref(),
                *value
            );
        }
    }

    #[test]
    fn names_with_dashes_and_prefixes_inside_are_kept() {
        assert!(matches!(
            decode("task-a-b-12", Some(r#"{"properties":{}}"#)).unwrap(),
            Some(ConfigRecord::Task { id, .. }) if id == ConnectorTaskId::new("a-b", 12)
        ));
        assert!(matches!(
            decode("connector-connector-task-0", None).unwrap(),
            Some(ConfigRecord::Connector { connector, .. }) if connector == "connector-task-0"
        ));
    }

    #[test]
    fn state_v2_is_preferred_only_when_it_is_a_string() {
        let state = |json| match decode("target-state-c", Some(json)).unwrap() {
            Some(ConfigRecord::TargetState { state, .. }) => state,
            other => panic!("{other:?}"),
        };
        assert_eq!(state(r#"{"state":"PAUSED"}"#), Some(TargetState::Paused));
        assert_eq!(
            state(r#"{"state":"PAUSED","state.v2":7}"#),
            Some(TargetState::Paused)
        );
        assert_eq!(state("null"), None);
    }

    #[test]
    fn faults_name_the_field_and_the_value() {
        for (key, value, expected) in [
            (
                "commit-c",
                r#"{"tasks":"x"}"#,
                r#"field "tasks": expected integer, found string "x""#,
            ),
            (
                "commit-c",
                r#"{}"#,
                r#"field "tasks": expected integer, found nothing"#,
            ),
            (
                "commit-c",
                r#"{"tasks":-1}"#,
                r#"field "tasks": expected number of tasks, found number -1"#,
            ),
            (
                "commit-c",
                "[1]",
                r#"field "value": expected object, found array of 1"#,
            ),
            (
                "target-state-c",
                r#"{"state":"ASLEEP"}"#,
                r#"field "state": expected STARTED, PAUSED or STOPPED, found string "ASLEEP""#,
            ),
            (
                "connector-c",
                r#"{"properties":{"password":{}}}"#,
                r#"field "properties": expected map of strings, found a map with other values"#,
            ),
            (
                "session-key",
                r#"{"key":"ü","algorithm":"a","creation-timestamp":1}"#,
                r#"field "key": expected base64 text, found something else"#,
            ),
            (
                "task-c-x",
                r#"{"properties":{}}"#,
                r#"key "task-c-x": does not end in a task number"#,
            ),
            (
                "task-c",
                r#"{"properties":{}}"#,
                r#"key "task-c": does not end in a task number"#,
            ),
        ] {
            let error = decode(key, Some(value)).unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert!(error.counts_as_read());
        }
        let error = decode("connector-c", Some("{not json")).unwrap_err();
        assert!(!error.counts_as_read());
        assert!(ConfigRecord::decode(None, Some(b"{}")).is_err());
    }

    #[test]
    fn unknown_keys_are_passed_over() {
        assert_eq!(decode("leader-lunch", Some("{}")).unwrap(), None);
        assert_eq!(decode("", None).unwrap(), None);
    }

    #[test]
    fn restart_flags_that_are_no_booleans_count_as_false() {
        assert_eq!(
            decode("restart-connector-c", Some(r#"{"include-tasks":"true"}"#)).unwrap(),
            Some(ConfigRecord::Restart(RestartRequest {
                connector: "c".into(),
                include_tasks: false,
                only_failed: false,
            }))
        );
    }

    #[test]
    fn the_session_key_is_not_in_debug_output() {
        let record = decode("session-key", CAPTURED[10].1).unwrap().unwrap();
        assert!(!format!("{record:?}").contains("[1, 2"), "{record:?}");
    }
}
