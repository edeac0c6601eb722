//! Records of the status topic (`status.storage.topic`), as `KafkaStatusBackingStore` writes and reads them.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::config_topic::EncodedRecord;
use crate::record_error::RecordError;
use crate::{
    ConnectorName, ConnectorTaskId, Generation, Millis, State, TopicName, WorkerId, jvm_json,
};

const CONNECTOR: &str = "status-connector-";
const TASK: &str = "status-task-";
const TOPIC: &str = "status-topic-";
const TOPIC_CONNECTOR: &str = ":connector-";

/// What a record of the status topic is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StatusKey {
    /// The state of a connector: `status-connector-NAME`.
    Connector(ConnectorName),
    /// The state of a task: `status-task-NAME-N`.
    Task(ConnectorTaskId),
    /// `status-topic-TOPIC:connector-NAME`: the connector uses the topic (KIP-558).
    Topic {
        /// Name of the topic in use.
        topic: TopicName,
        /// The connector using it.
        connector: ConnectorName,
    },
}

/// State of a connector or task as one worker reported it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusValue {
    /// What it is doing. DESTROYED is never written: send a tombstone.
    pub state: State,
    /// Stack trace text of a failure; written as explicit null when there is none.
    pub trace: Option<String>,
    /// Id of the worker that reports it.
    pub worker_id: WorkerId,
    /// Group generation of that worker's last assignment.
    pub generation: Generation,
    /// Plugin version; null when unknown. Workers before 4.1 leave it out.
    pub version: Option<String>,
}

/// A topic in use by a connector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TopicStatus {
    /// Name of the topic in use.
    pub name: TopicName,
    /// Name of the connector using it.
    pub connector: ConnectorName,
    /// Number of the task that used it first.
    pub task: u32,
    /// When that task used it first.
    #[serde(rename = "discoverTimestamp")]
    pub discover_timestamp: Millis,
}

/// One record of the status topic; `None` values are tombstones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusRecord {
    /// State of a connector.
    Connector {
        /// Name of the connector.
        connector: ConnectorName,
        /// Its state, `None` where it was deleted.
        status: Option<StatusValue>,
    },
    /// State of a task.
    Task {
        /// Connector and number of the task.
        id: ConnectorTaskId,
        /// Its state, `None` where it was deleted.
        status: Option<StatusValue>,
    },
    /// A topic in use.
    Topic {
        /// Name of the topic in use.
        topic: TopicName,
        /// The connector using it.
        connector: ConnectorName,
        /// Who found it and when.
        status: Option<TopicStatus>,
    },
}

impl StatusKey {
    /// Reads a key; `Ok(None)` is a key of no known kind.
    pub fn parse(key: &str) -> Result<Option<Self>, RecordError> {
        if let Some(name) = key.strip_prefix(CONNECTOR) {
            return Ok(Some(Self::Connector(name.into())));
        }
        if let Some(rest) = key.strip_prefix(TASK) {
            let id = rest.rsplit_once('-').and_then(|(name, number)| {
                let number = number.parse::<i32>().ok()?;
                Some(ConnectorTaskId::new(name, u32::try_from(number).ok()?))
            });
            return match id {
                Some(id) => Ok(Some(Self::Task(id))),
                None => Err(RecordError::key(key, "does not end in a task number")),
            };
        }
        if let Some(rest) = key.strip_prefix(TOPIC) {
            let split = rest.find(':').and_then(|at| rest.split_at_checked(at));
            return match split
                .and_then(|(topic, tail)| Some((topic, tail.strip_prefix(TOPIC_CONNECTOR)?)))
            {
                Some((topic, connector)) => Ok(Some(Self::Topic {
                    topic: topic.into(),
                    connector: connector.into(),
                })),
                None => Err(RecordError::key(key, "has no :connector- behind the topic")),
            };
        }
        Ok(None)
    }
}

impl std::fmt::Display for StatusKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connector(name) => write!(f, "{CONNECTOR}{name}"),
            Self::Task(id) => write!(f, "{TASK}{}-{}", id.connector, id.task),
            Self::Topic { topic, connector } => {
                write!(f, "{TOPIC}{topic}{TOPIC_CONNECTOR}{connector}")
            }
        }
    }
}

impl StatusRecord {
    /// Reads a record. `Ok(None)` is a key of no known kind.
    pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Option<Self>, RecordError> {
        let key = String::from_utf8_lossy(key.ok_or(RecordError::NoKey)?);
        let Some(key) = StatusKey::parse(&key)? else {
            return Ok(None);
        };
        let value = match value {
            None => Value::Null,
            Some(bytes) => jvm_json::parse(bytes).map_err(RecordError::NotJson)?,
        };
        Ok(Some(match key {
            StatusKey::Connector(connector) => Self::Connector {
                connector,
                status: status_value(&value)?,
            },
            StatusKey::Task(id) => Self::Task {
                id,
                status: status_value(&value)?,
            },
            StatusKey::Topic { topic, connector } => Self::Topic {
                topic,
                connector,
                status: topic_status(&value)?,
            },
        }))
    }

    /// What the record is about.
    pub fn key(&self) -> StatusKey {
        match self {
            Self::Connector { connector, .. } => StatusKey::Connector(connector.clone()),
            Self::Task { id, .. } => StatusKey::Task(id.clone()),
            Self::Topic {
                topic, connector, ..
            } => StatusKey::Topic {
                topic: topic.clone(),
                connector: connector.clone(),
            },
        }
    }

    /// Key and value as a JVM worker would write them; DESTROYED becomes a tombstone.
    pub fn encode(&self) -> EncodedRecord {
        #[derive(Serialize)]
        struct TopicEnvelope<'a> {
            topic: &'a TopicStatus,
        }
        let value = match self {
            Self::Connector { status, .. } | Self::Task { status, .. } => status
                .as_ref()
                .filter(|status| status.state != State::Destroyed)
                .map(jvm_json::to_vec),
            Self::Topic { status, .. } => status
                .as_ref()
                .map(|topic| jvm_json::to_vec(&TopicEnvelope { topic })),
        };
        EncodedRecord {
            key: self.key().to_string().into_bytes(),
            // Structs with text fields always serialise.
            value: value.and_then(Result::ok),
        }
    }
}

fn fields<'a>(value: &'a Value, name: &'static str) -> Result<&'a Map<String, Value>, RecordError> {
    value
        .as_object()
        .ok_or_else(|| RecordError::field(name, "object", Some(value)))
}

fn integer(map: &Map<String, Value>, field: &'static str) -> Result<i64, RecordError> {
    let found = map.get(field);
    found
        .and_then(Value::as_i64)
        .ok_or_else(|| RecordError::field(field, "integer", found))
}

fn text<'a>(map: &'a Map<String, Value>, field: &'static str) -> Result<&'a str, RecordError> {
    let found = map.get(field);
    found
        .and_then(Value::as_str)
        .ok_or_else(|| RecordError::field(field, "string", found))
}

fn optional_text(
    map: &Map<String, Value>,
    field: &'static str,
) -> Result<Option<String>, RecordError> {
    match map.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => text(map, field).map(|text| Some(text.to_owned())),
    }
}

fn status_value(value: &Value) -> Result<Option<StatusValue>, RecordError> {
    if value.is_null() {
        return Ok(None);
    }
    let map = fields(value, "value")?;
    let state = State::parse(text(map, "state")?)
        .ok_or_else(|| RecordError::field("state", "a known state", map.get("state")))?;
    let generation = integer(map, "generation")?;
    Ok(Some(StatusValue {
        state,
        trace: optional_text(map, "trace")?,
        worker_id: optional_text(map, "worker_id")?.unwrap_or_default().into(),
        // Java narrows the long it read the same way.
        #[expect(clippy::cast_possible_truncation, reason = "Long.intValue of the JVM")]
        generation: Generation(generation as i32),
        version: optional_text(map, "version")?,
    }))
}

fn topic_status(value: &Value) -> Result<Option<TopicStatus>, RecordError> {
    if value.is_null() {
        return Ok(None);
    }
    let envelope = fields(value, "value")?;
    let topic = envelope
        .get("topic")
        .ok_or_else(|| RecordError::field("topic", "object", None))?;
    let map = fields(topic, "topic")?;
    let task = integer(map, "task")?;
    Ok(Some(TopicStatus {
        name: text(map, "name")?.into(),
        connector: text(map, "connector")?.into(),
        task: u32::try_from(task)
            .map_err(|_| RecordError::field("task", "task number", map.get("task")))?,
        discover_timestamp: Millis(integer(map, "discoverTimestamp")?),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTURED: &[(&str, Option<&str>)] = &[
        (
            "status-connector-src1",
            Some(
                r#"{"state":"RUNNING","trace":null,"worker_id":"h:p","generation":6,"version":"4.3.0"}"#,
            ),
        ),
        (
            "status-task-src-1-10",
            Some(
                r#"{"state":"FAILED","trace":"a\n\tat b","worker_id":"h:p","generation":6,"version":null}"#,
            ),
        ),
        (
            "status-topic-T:connector-a:b",
            Some(
                r#"{"topic":{"name":"T","connector":"a:b","task":0,"discoverTimestamp":1795367630056}}"#,
            ),
        ),
        ("status-task-c-0", None),
        ("status-topic-T:connector-a", None),
    ];

    fn decode(key: &str, value: Option<&str>) -> Result<Option<StatusRecord>, RecordError> {
        StatusRecord::decode(Some(key.as_bytes()), value.map(str::as_bytes))
    }

    #[test]
    fn captured_records_are_written_back_to_the_byte() {
        for (key, value) in CAPTURED {
            let encoded = decode(key, *value).unwrap().unwrap().encode();
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
    fn older_records_without_version_are_read() {
        let json = r#"{"state":"RUNNING","trace":null,"worker_id":"h:p","generation":6}"#;
        let Some(StatusRecord::Connector {
            status: Some(status),
            ..
        }) = decode("status-connector-c", Some(json)).unwrap()
        else {
            panic!("not a connector status");
        };
        assert_eq!(status.version, None);
    }

    #[test]
    fn destroyed_is_written_as_a_tombstone() {
        let record = StatusRecord::Connector {
            connector: "c".into(),
            status: Some(StatusValue {
                state: State::Destroyed,
                trace: None,
                worker_id: "h:1".into(),
                generation: Generation(1),
                version: None,
            }),
        };
        assert_eq!(record.encode().value, None);
    }

    #[test]
    fn faults_name_the_field_and_the_value() {
        for (key, value, expected) in [
            (
                "status-connector-c",
                r#"{"state":"ASLEEP","generation":1}"#,
                r#"field "state": expected a known state, found string "ASLEEP""#,
            ),
            (
                "status-connector-c",
                r#"{"state":"RUNNING","generation":1.5}"#,
                r#"field "generation": expected integer, found number 1.5"#,
            ),
            (
                "status-task-c-0",
                "7",
                r#"field "value": expected object, found number 7"#,
            ),
            (
                "status-task-c",
                "{}",
                r#"key "status-task-c": does not end in a task number"#,
            ),
            (
                "status-topic-T",
                "{}",
                r#"key "status-topic-T": has no :connector- behind the topic"#,
            ),
            (
                "status-topic-T:connector-c",
                "{}",
                r#"field "topic": expected object, found nothing"#,
            ),
        ] {
            assert_eq!(decode(key, Some(value)).unwrap_err().to_string(), expected);
        }
        assert_eq!(decode("something", Some("{")).unwrap(), None);
    }
}
