//! Offsets of connectors (KIP-875), and the plain message body.

use serde::{Deserialize, Serialize};

use crate::JsonObject;

/// Body of `GET` and `PATCH /connectors/{name}/offsets`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectorOffsets {
    /// One entry per partition. Missing and empty are the same fault in a request.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub offsets: Vec<ConnectorOffset>,
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<ConnectorOffset>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// One partition and how far the connector got in it.
///
/// Sinks: `{"kafka_topic":"t","kafka_partition":0}` and `{"kafka_offset":7}`. Sources: whatever the connector
/// defines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectorOffset {
    /// The partition; null or missing is for the connector (source) or the worker (sink) to refuse.
    #[serde(default)]
    pub partition: Option<JsonObject>,
    /// The offset; null or missing deletes it.
    #[serde(default)]
    pub offset: Option<JsonObject>,
}

/// A body that is one sentence: `{"message":"..."}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// What was done, a sentence for people.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_fields_keep_their_order() {
        let json = r#"{"offsets":[{"partition":{"z":1,"a":"x"},"offset":null}]}"#;
        let offsets: ConnectorOffsets = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&offsets).unwrap(), json);
    }

    #[test]
    fn missing_and_null_offsets_read_as_empty() {
        for json in ["{}", r#"{"offsets":null}"#, r#"{"offsets":[]}"#] {
            let read: ConnectorOffsets = serde_json::from_str(json).unwrap();
            assert!(read.offsets.is_empty(), "{json}");
        }
    }
}
