//! Records of MirrorMaker's own topics, byte for byte as Kafka writes them: big-endian integers, texts as a
//! 16-bit length and UTF-8.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use sluice_api::{
    ConnectRecord, OffsetAndMetadata, SourceOffset, SourcePartition, SourceRecord, TopicPartition,
    Value, schemas,
};

/// A record that can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormatError {
    /// It ends too early.
    #[error("the record is too short")]
    Short,
    /// A text is not UTF-8, or its length is negative.
    #[error("the record holds a broken text")]
    Text,
    /// Written by something newer.
    #[error("version {0} of the record is not known")]
    Version(i16),
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], FormatError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(FormatError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        self.take(N)?.try_into().map_err(|_| FormatError::Short)
    }

    fn int16(&mut self) -> Result<i16, FormatError> {
        self.array().map(i16::from_be_bytes)
    }

    fn int32(&mut self) -> Result<i32, FormatError> {
        self.array().map(i32::from_be_bytes)
    }

    fn int64(&mut self) -> Result<i64, FormatError> {
        self.array().map(i64::from_be_bytes)
    }

    fn text(&mut self) -> Result<&'a str, FormatError> {
        let length = usize::try_from(self.int16()?).map_err(|_| FormatError::Text)?;
        std::str::from_utf8(self.take(length)?).map_err(|_| FormatError::Text)
    }

    fn version(&mut self) -> Result<(), FormatError> {
        match self.int16()? {
            VERSION => Ok(()),
            other => Err(FormatError::Version(other)),
        }
    }
}

/// Version of checkpoints and heartbeats.
const VERSION: i16 = 0;
/// The most bytes of a text. Names of topics and groups are shorter; only metadata of offsets may come near.
const MOST_TEXT: usize = i16::MAX as usize;

fn put_text(out: &mut BytesMut, text: &str) {
    let mut end = text.len().min(MOST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end).unwrap_or_default();
    out.put_i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
    out.put_slice(text.as_bytes());
}

/// Which offset of the source is which of the target (`OffsetSync`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OffsetSync {
    /// On the source.
    pub(crate) partition: TopicPartition,
    /// Offset of a record on the source.
    pub(crate) upstream: i64,
    /// Its offset on the target.
    pub(crate) downstream: i64,
}

impl OffsetSync {
    pub(crate) fn key(&self) -> Bytes {
        let mut out = BytesMut::new();
        put_text(&mut out, &self.partition.topic);
        out.put_i32(self.partition.partition);
        out.freeze()
    }

    pub(crate) fn value(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(16);
        out.put_i64(self.upstream);
        out.put_i64(self.downstream);
        out.freeze()
    }

    pub(crate) fn read(key: &[u8], value: &[u8]) -> Result<Self, FormatError> {
        let (mut key, mut value) = (Reader(key), Reader(value));
        Ok(Self {
            partition: TopicPartition::new(key.text()?, key.int32()?),
            upstream: value.int64()?,
            downstream: value.int64()?,
        })
    }
}

/// The position of a consumer group on both clusters (`Checkpoint`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) group: String,
    /// On the target.
    pub(crate) partition: TopicPartition,
    /// Committed offset on the source.
    pub(crate) upstream: i64,
    /// Translated offset on the target.
    pub(crate) downstream: i64,
    /// The text committed with it.
    pub(crate) metadata: String,
}

impl Checkpoint {
    pub(crate) fn key(&self) -> Bytes {
        let mut out = BytesMut::new();
        put_text(&mut out, &self.group);
        put_text(&mut out, &self.partition.topic);
        out.put_i32(self.partition.partition);
        out.freeze()
    }

    pub(crate) fn value(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_i16(VERSION);
        out.put_i64(self.upstream);
        out.put_i64(self.downstream);
        put_text(&mut out, &self.metadata);
        out.freeze()
    }

    pub(crate) fn read(key: &[u8], value: &[u8]) -> Result<Self, FormatError> {
        let (mut key, mut value) = (Reader(key), Reader(value));
        value.version()?;
        Ok(Self {
            group: key.text()?.to_owned(),
            partition: TopicPartition::new(key.text()?, key.int32()?),
            upstream: value.int64()?,
            downstream: value.int64()?,
            metadata: value.text()?.to_owned(),
        })
    }

    pub(crate) fn committed(&self) -> OffsetAndMetadata {
        OffsetAndMetadata {
            offset: self.downstream,
            metadata: Some(self.metadata.clone()),
        }
    }

    /// Its source partition, in the order of fields that Kafka stores.
    pub(crate) fn source_partition(&self) -> SourcePartition {
        SourcePartition::of("partition", self.partition.partition)
            .with("topic", &*self.partition.topic)
            .with("group", &*self.group)
    }
}

/// A sign of life (`Heartbeat`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heartbeat {
    pub(crate) source_alias: String,
    pub(crate) target_alias: String,
    /// Milliseconds since the epoch.
    pub(crate) timestamp: i64,
}

impl Heartbeat {
    pub(crate) fn key(&self) -> Bytes {
        let mut out = BytesMut::new();
        put_text(&mut out, &self.source_alias);
        put_text(&mut out, &self.target_alias);
        out.freeze()
    }

    pub(crate) fn value(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(10);
        out.put_i16(VERSION);
        out.put_i64(self.timestamp);
        out.freeze()
    }

    /// Its source partition, in the order of fields that Kafka stores.
    pub(crate) fn source_partition(&self) -> SourcePartition {
        SourcePartition::of("sourceClusterAlias", &*self.source_alias)
            .with("targetClusterAlias", &*self.target_alias)
    }
}

/// The source partition of mirrored records, in the order of fields that Kafka stores.
pub(crate) fn source_partition(source_alias: &str, partition: &TopicPartition) -> SourcePartition {
    SourcePartition::of("cluster", source_alias)
        .with("partition", partition.partition)
        .with("topic", &*partition.topic)
}

/// A record of partition 0 of a topic of MirrorMaker's own. Its offset means nothing.
pub(crate) fn internal_record(
    topic: &str,
    partition: SourcePartition,
    key: Bytes,
    value: Bytes,
    timestamp: i64,
) -> SourceRecord {
    let mut record = ConnectRecord::new(
        topic.to_owned().into(),
        Some(schemas::BYTES.clone()),
        Value::Bytes(value),
    )
    .with_key(Some(schemas::BYTES.clone()), Value::Bytes(key))
    .with_timestamp(Some(timestamp));
    record.kafka_partition = Some(0);
    SourceRecord {
        record,
        source_partition: Some(Arc::new(partition)),
        source_offset: Some(SourceOffset::of("offset", 0_i64)),
    }
}
