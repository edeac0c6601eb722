//! Source offsets on their way to the offsets topic and back (`OffsetStorageWriter`,
//! `OffsetStorageReaderImpl`).
//!
//! [`OffsetWriter`] collects offsets until a flush takes them; a flush that fails gives them back,
//! and newer ones win. Keys and values are Connect's JSON without schemas, keys byte for byte as a
//! JVM worker writes them.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use indexmap::IndexMap;
use serde_json::Number;
use sluice_api::{
    ConnectError, ErrorKind, OffsetStorageReader, Result, SourceOffset, SourcePartition, Value,
    async_trait,
};
use sluice_protocol::{ConnectorName, JsonObject, offset_topic};
use tokio_util::sync::CancellationToken;

use crate::storage::{OffsetBackingStore, StorageError};

/// The JSON object of a partition or an offset.
fn to_json<'a>(
    fields: impl Iterator<Item = (&'a bytestring::ByteString, &'a Value)>,
) -> Result<JsonObject> {
    let mut object = JsonObject::new();
    for (key, value) in fields {
        let json = match value {
            Value::Null => serde_json::Value::Null,
            Value::Boolean(v) => (*v).into(),
            Value::Int8(_) | Value::Int16(_) | Value::Int32(_) | Value::Int64(_) => {
                value.as_i64().unwrap_or_default().into()
            }
            // JSON has no NaN; Jackson writes it as text.
            Value::Float32(_) | Value::Float64(_) => {
                match value.as_f64().and_then(Number::from_f64) {
                    Some(number) => serde_json::Value::Number(number),
                    None => value.to_string().into(),
                }
            }
            Value::String(v) => v.to_string().into(),
            Value::Bytes(v) => STANDARD.encode(v).into(),
            other => {
                return Err(ConnectError::data(format!(
                    "Offsets may only contain primitive types as values, but field {key} contains {}",
                    other.java_class()
                )));
            }
        };
        object.insert(key.to_string(), json);
    }
    Ok(object)
}

/// Key of a partition in the offsets topic.
pub(crate) fn offset_key(
    connector: &ConnectorName,
    partition: &SourcePartition,
) -> Result<Vec<u8>> {
    Ok(offset_topic::encode_key(
        connector,
        &to_json(partition.iter())?,
    ))
}

/// Value of an offset in the offsets topic; `None` is a tombstone.
pub(crate) fn offset_value(offset: Option<&SourceOffset>) -> Result<Option<Vec<u8>>> {
    offset
        .map(|offset| Ok(offset_topic::encode_value(&to_json(offset.iter())?)))
        .transpose()
}

/// A JSON value of a partition or offset; integers become 64-bit.
fn from_json(key: &str, value: serde_json::Value) -> Result<Value> {
    Ok(match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(v) => Value::Boolean(v),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(v) => Value::Int64(v),
            None => Value::Float64(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::from(text),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
            return Err(ConnectError::data(format!(
                "Offsets may only contain primitive types as values, but field {key} contains a nested value"
            )));
        }
    })
}

/// A partition from the JSON object of a REST call or a record.
pub(crate) fn source_partition(object: JsonObject) -> Result<SourcePartition> {
    object
        .into_iter()
        .map(|(key, value)| Ok((key.as_str().into(), from_json(&key, value)?)))
        .collect()
}

/// An offset from the JSON object of a REST call or a record.
pub(crate) fn source_offset(object: JsonObject) -> Result<SourceOffset> {
    object
        .into_iter()
        .map(|(key, value)| Ok((key.as_str().into(), from_json(&key, value)?)))
        .collect()
}

/// A store's error with its causes in one text.
pub(super) fn storage_error(error: &StorageError) -> ConnectError {
    ConnectError::new(ErrorKind::Kafka, sluice_api::causes::with_causes(error))
}

/// Reads the stored offsets of one connector.
pub(crate) struct OffsetReader {
    store: Arc<dyn OffsetBackingStore>,
    connector: ConnectorName,
    closed: CancellationToken,
}

impl OffsetReader {
    /// A reader for a connector.
    #[must_use]
    pub(crate) fn new(connector: ConnectorName, store: Arc<dyn OffsetBackingStore>) -> Self {
        Self {
            store,
            connector,
            closed: CancellationToken::new(),
        }
    }

    /// The reader answers with an error once `closed` is cancelled.
    #[must_use]
    pub(crate) fn closed_by(mut self, closed: CancellationToken) -> Self {
        self.closed = closed;
        self
    }
}

#[async_trait]
impl OffsetStorageReader for OffsetReader {
    async fn offsets(&self, partitions: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>> {
        let keys = partitions
            .iter()
            .map(|partition| offset_key(&self.connector, partition))
            .collect::<Result<Vec<_>>>()?;
        let stored = tokio::select! {
            stored = self.store.get(keys.clone()) => stored.map_err(|error| {
                ConnectError::connect("Failed to fetch offsets.").caused_by(storage_error(&error))
            })?,
            () = self.closed.cancelled() => {
                return Err(ConnectError::connect(
                    "Offset reader is closed. This is likely because the task has already been scheduled to \
                     stop but has taken longer than the graceful shutdown period to do so.",
                ));
            }
        };
        let mut offsets = Vec::with_capacity(keys.len());
        for key in &keys {
            let offset = match stored.get(key).and_then(Option::as_ref) {
                None => None,
                Some(value) => match offset_topic::decode_value(value) {
                    Ok(Some(object)) => Some(source_offset(object)?),
                    Ok(None) => None,
                    Err(error) => {
                        // As in Kafka: an offset that can't be read is as good as none, and is told.
                        tracing::error!(
                            connector = %self.connector,
                            "CRITICAL: Failed to deserialize offset data when getting offsets for task with \
                             namespace {}. No value for this data will be returned, which may break the task \
                             or cause it to skip some data: {error}",
                            self.connector
                        );
                        None
                    }
                },
            };
            offsets.push(offset);
        }
        Ok(offsets)
    }
}

/// Key and value of a record of the offsets topic.
pub(crate) type OffsetRecord = (Vec<u8>, Option<Vec<u8>>);

/// Offsets by partition; `None` is a tombstone.
pub(crate) type OffsetsByPartition = IndexMap<Arc<SourcePartition>, Option<SourceOffset>>;

/// Collects offsets and hands them to flushes, one at a time.
#[derive(Debug, Default)]
pub(crate) struct OffsetWriter {
    data: OffsetsByPartition,
    flushing: Option<OffsetsByPartition>,
    flush_id: u64,
}

impl OffsetWriter {
    /// Notes an offset; a later one of the same partition replaces it.
    pub(crate) fn offset(&mut self, partition: Arc<SourcePartition>, offset: Option<SourceOffset>) {
        self.data.insert(partition, offset);
    }

    /// Takes all offsets noted so far for a flush, whose number is answered; nothing if there are none.
    pub(crate) fn begin_flush(&mut self) -> Option<u64> {
        if self.data.is_empty() || self.flushing.is_some() {
            return None;
        }
        self.flushing = Some(std::mem::take(&mut self.data));
        self.flush_id += 1;
        Some(self.flush_id)
    }

    /// The records of the flush under way, for the offsets topic.
    ///
    /// # Errors
    /// A partition or offset holds something else than primitives.
    pub(crate) fn records(&self, connector: &ConnectorName) -> Result<Vec<OffsetRecord>> {
        self.flushing
            .iter()
            .flatten()
            .map(|(partition, offset)| {
                Ok((
                    offset_key(connector, partition)?,
                    offset_value(offset.as_ref())?,
                ))
            })
            .collect()
    }

    /// Ends the flush of that number; answers what was stored. A late answer of another flush is ignored.
    pub(crate) fn finish_flush(&mut self, flush_id: u64) -> Option<OffsetsByPartition> {
        if flush_id != self.flush_id {
            return None;
        }
        self.flushing.take()
    }

    /// Takes back the flush under way; offsets noted since win.
    pub(crate) fn cancel_flush(&mut self) {
        if let Some(mut flushing) = self.flushing.take() {
            flushing.extend(std::mem::take(&mut self.data));
            self.data = flushing;
            self.flush_id += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(name: &str) -> Arc<SourcePartition> {
        Arc::new(SourcePartition::of("filename", name))
    }

    #[test]
    fn keys_and_values_are_those_of_the_jvm() {
        let connector = ConnectorName::new("src1");
        let key = offset_key(&connector, &partition("/data/in.txt")).unwrap();
        assert_eq!(&key[..], br#"["src1",{"filename":"/data/in.txt"}]"#);
        let value = offset_value(Some(&SourceOffset::of("position", 9_i64)))
            .unwrap()
            .unwrap();
        assert_eq!(&value[..], br#"{"position":9}"#);
        assert_eq!(offset_value(None).unwrap(), None);
    }

    #[test]
    fn a_cancelled_flush_gives_its_offsets_back_and_newer_ones_win() {
        let mut writer = OffsetWriter::default();
        writer.offset(partition("a"), Some(SourceOffset::of("p", 1)));
        writer.offset(partition("b"), Some(SourceOffset::of("p", 1)));
        let flush = writer.begin_flush().unwrap();
        assert_eq!(writer.begin_flush(), None);
        writer.offset(partition("b"), Some(SourceOffset::of("p", 2)));
        writer.cancel_flush();
        assert!(writer.finish_flush(flush).is_none());
        let flush = writer.begin_flush().unwrap();
        let stored = writer.finish_flush(flush).unwrap();
        assert_eq!(stored[&partition("a")], Some(SourceOffset::of("p", 1)));
        assert_eq!(stored[&partition("b")], Some(SourceOffset::of("p", 2)));
        assert_eq!(writer.begin_flush(), None);
    }
}
