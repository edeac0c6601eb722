//! Transformations of single records, and predicates that decide whether they apply.

use crate::config::Props;
use crate::error::Result;
use crate::record::{ConnectRecord, SourceOffset, SourcePartition, TimestampType};

/// Where a record comes from, for transformations that tell sources and sinks apart.
#[derive(Debug, Clone, Copy)]
pub enum RecordOrigin<'a> {
    /// From a source task.
    Source {
        /// Source partition.
        partition: Option<&'a SourcePartition>,
        /// Source offset.
        offset: Option<&'a SourceOffset>,
    },
    /// From a topic.
    Sink {
        /// Offset in the topic.
        offset: i64,
        /// Meaning of the timestamp.
        timestamp_type: TimestampType,
    },
}

impl RecordOrigin<'_> {
    /// The text of a record of this origin, as `SourceRecord.toString` and `SinkRecord.toString` give it.
    ///
    /// The original coordinates of a sink record are taken from the record as it is now.
    #[must_use]
    pub fn text_of(&self, record: &ConnectRecord) -> String {
        match self {
            Self::Source { partition, offset } => {
                let partition = partition.map_or("null".to_owned(), ToString::to_string);
                let offset = offset.map_or("null".to_owned(), ToString::to_string);
                format!(
                    "SourceRecord{{sourcePartition={partition}, sourceOffset={offset}}} {record}"
                )
            }
            Self::Sink {
                offset,
                timestamp_type,
            } => format!(
                "SinkRecord{{kafkaOffset={offset}, timestampType={timestamp_type}, originalTopic={}, \
                 originalKafkaPartition={}, originalKafkaOffset={offset}}} {record}",
                record.topic,
                record.kafka_partition.unwrap_or_default(),
            ),
        }
    }
}

/// Changes one record, or drops it.
pub trait Transformation: Send + Sync {
    /// Takes its properties, without prefix.
    fn configure(&mut self, props: &Props) -> Result<()>;

    /// The changed record; `None` drops it.
    fn apply(
        &self,
        record: ConnectRecord,
        origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>>;
}

/// Decides whether a transformation applies to a record.
pub trait Predicate: Send + Sync {
    /// Takes its properties, without prefix.
    fn configure(&mut self, props: &Props) -> Result<()>;

    /// Whether it holds.
    fn test(&self, record: &ConnectRecord, origin: &RecordOrigin<'_>) -> Result<bool>;
}
