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
