//! Records of offset topics (`offset.storage.topic` and the connector's own `offsets.storage.topic`).
//!
//! Key: the JSON array `["NAME",{partition}]`, value: the offset as JSON object, or a tombstone. Lookups go
//! by the bytes of the key, so partition fields keep the order in which they were stored or given.

use serde_json::Value;

use crate::config_topic::EncodedRecord;
use crate::record_error::RecordError;
use crate::{ConnectorName, JsonObject, jvm_json};

/// One record of an offset topic.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetRecord {
    /// The connector the offset belongs to.
    pub connector: ConnectorName,
    /// The partition, as the connector defines it.
    pub partition: JsonObject,
    /// The offset; `None` is a tombstone.
    pub offset: Option<JsonObject>,
}

impl OffsetRecord {
    /// Reads a record. Anything whose key is not a pair of text and object is an error, and so is a value
    /// that is no object; callers that list partitions pass over it.
    pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Self, RecordError> {
        let (connector, partition) = decode_key(key.ok_or(RecordError::NoKey)?)?;
        let offset = match value {
            None => None,
            Some(bytes) => decode_value(bytes)?,
        };
        Ok(Self {
            connector,
            partition,
            offset,
        })
    }

    /// Key and value as a JVM worker would write them.
    pub fn encode(&self) -> EncodedRecord {
        EncodedRecord {
            key: encode_key(&self.connector, &self.partition),
            value: self.offset.as_ref().map(encode_value),
        }
    }
}

/// The key bytes of a partition: `["NAME",{partition}]`.
pub fn encode_key(connector: &ConnectorName, partition: &JsonObject) -> Vec<u8> {
    // Maps with text keys always serialise.
    jvm_json::to_vec(&(connector, partition)).unwrap_or_default()
}

/// The value bytes of an offset.
pub fn encode_value(offset: &JsonObject) -> Vec<u8> {
    // Maps with text keys always serialise.
    jvm_json::to_vec(offset).unwrap_or_default()
}

/// Connector and partition of a key.
pub fn decode_key(key: &[u8]) -> Result<(ConnectorName, JsonObject), RecordError> {
    jvm_json::from_slice(key).map_err(|_| match jvm_json::parse(key) {
        Err(error) => RecordError::NotJson(error),
        Ok(found) => RecordError::field(
            "key",
            "a pair of connector name and partition",
            Some(&found),
        ),
    })
}

/// The offset of a value; JSON null counts as deleted.
pub fn decode_value(value: &[u8]) -> Result<Option<JsonObject>, RecordError> {
    jvm_json::from_slice(value).map_err(|_| match jvm_json::parse(value) {
        Err(error) => RecordError::NotJson(error),
        Ok(found) => RecordError::field("value", "object", Some(&found)),
    })
}

/// Whether `fields` may be a source partition or offset: only null, booleans, numbers and text as values.
///
/// On failure names the field and Kafka's schema type of what is there (`MAP`, `ARRAY`).
pub fn check_primitive(fields: &JsonObject) -> Result<(), (&str, &'static str)> {
    for (name, value) in fields {
        match value {
            Value::Object(_) => return Err((name, "MAP")),
            Value::Array(_) => return Err((name, "ARRAY")),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captured_records_are_written_back_to_the_byte() {
        for (key, value) in [
            (
                r#"["src1",{"filename":"/data/in.txt"}]"#,
                Some(r#"{"position":9}"#),
            ),
            (r#"["src1",{"filename":"/data/in.txt"}]"#, None),
            (
                r#"["mm",{"cluster":"a","partition":0,"topic":"t"}]"#,
                Some(r#"{"offset":18}"#),
            ),
            (r#"["mm",{"z":null,"a":1.5E10,"m":true}]"#, Some("{}")),
        ] {
            let record =
                OffsetRecord::decode(Some(key.as_bytes()), value.map(str::as_bytes)).unwrap();
            let encoded = record.encode();
            assert_eq!(String::from_utf8(encoded.key).unwrap(), key);
            assert_eq!(
                encoded
                    .value
                    .map(|v| String::from_utf8(v).unwrap())
                    .as_deref(),
                value
            );
        }
    }

    #[test]
    fn other_keys_are_errors_that_say_what_is_there() {
        for (key, expected) in [
            (
                "{}",
                r#"field "key": expected a pair of connector name and partition, found object of 0 fields"#,
            ),
            (
                "[1,{}]",
                r#"field "key": expected a pair of connector name and partition, found array of 2"#,
            ),
            (
                r#"["a",{},1]"#,
                r#"field "key": expected a pair of connector name and partition, found array of 3"#,
            ),
            (
                r#"["a"]"#,
                r#"field "key": expected a pair of connector name and partition, found array of 1"#,
            ),
        ] {
            let error = OffsetRecord::decode(Some(key.as_bytes()), None).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        assert!(OffsetRecord::decode(None, None).is_err());
        assert!(OffsetRecord::decode(Some(b"\xff"), None).is_err());
        assert!(OffsetRecord::decode(Some(br#"["a",{}]"#), Some(b"5")).is_err());
    }

    #[test]
    fn nested_values_are_named() {
        let fields: JsonObject = serde_json::from_str(r#"{"a":1,"b":{"c":2}}"#).unwrap();
        assert_eq!(check_primitive(&fields), Err(("b", "MAP")));
    }
}
