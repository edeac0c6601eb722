//! Reads from the log of a partition: batches from an offset, and offsets by time.

use bytes::{Bytes, BytesMut};

use super::batch::{BatchHeader, Records};
use super::view::Published;
use crate::store::keys::{self, PartitionId};
use crate::store::{Store, StoreError};

/// Batches in order, as they lie in the log.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    batches: Vec<Bytes>,
    /// Bytes of all of them.
    pub(crate) size: usize,
}

impl Batches {
    /// One after the other.
    pub(crate) fn join(mut self) -> Bytes {
        if self.batches.len() == 1 {
            return self.batches.swap_remove(0);
        }
        let mut joined = BytesMut::with_capacity(self.size);
        for batch in self.batches {
            joined.extend_from_slice(&batch);
        }
        joined.freeze()
    }
}

/// Reads whole batches from the one that holds `from` up to `upto`, not more than `most` bytes, but the first
/// one in any case if `at_least_one`.
///
/// # Errors
/// If the store cannot be read.
pub(crate) fn batches(
    store: &Store,
    partition: PartitionId,
    from: i64,
    upto: i64,
    most: usize,
    at_least_one: bool,
) -> Result<Batches, StoreError> {
    let mut found = Batches::default();
    if from >= upto {
        return Ok(found);
    }
    for batch in iterate(store, partition, from, upto) {
        let (_, batch) = batch?;
        let first = found.batches.is_empty() && at_least_one;
        if !first && found.size + batch.len() > most {
            break;
        }
        found.size += batch.len();
        found.batches.push(batch);
        if found.size >= most {
            break;
        }
    }
    Ok(found)
}

/// Batches whose last offset is in `from..upto`, with that offset.
pub(crate) fn iterate(
    store: &Store,
    partition: PartitionId,
    from: i64,
    upto: i64,
) -> impl Iterator<Item = Result<(i64, Bytes), StoreError>> {
    store
        .log
        .range(keys::batch(partition, from)..keys::batch(partition, upto))
        .map(|item| {
            let (key, value) = item
                .into_inner()
                .map_err(StoreError::failed("read the log"))?;
            let last = keys::batch_offset(&key).ok_or(StoreError::Damaged("batch key"))?;
            Ok((last, Bytes::from(value)))
        })
}

/// Last offsets of the batches that lie in `from..upto`, at most `most` of them.
///
/// # Errors
/// If the store cannot be read.
pub(crate) fn last_offsets(
    store: &Store,
    partition: PartitionId,
    from: i64,
    upto: i64,
    most: usize,
) -> Result<Vec<i64>, StoreError> {
    store
        .log
        .range(keys::batch(partition, from)..keys::batch(partition, upto))
        .take(most)
        .map(|item| {
            let key = item.key().map_err(StoreError::failed("read the log"))?;
            keys::batch_offset(&key).ok_or(StoreError::Damaged("batch key"))
        })
        .collect()
}

/// The first record at or after `timestamp`, below `upto`: its time and offset.
///
/// # Errors
/// If the store cannot be read.
pub(crate) fn by_time(
    store: &Store,
    partition: PartitionId,
    published: &Published,
    timestamp: i64,
    upto: i64,
) -> Result<Option<(i64, i64)>, StoreError> {
    let candidates = published
        .segments()
        .filter(|(segment, _)| segment.max_timestamp >= timestamp);
    for (segment, end) in candidates {
        let from = segment.base_offset.max(published.start);
        for batch in iterate(store, partition, from, end.min(upto)) {
            let (_, batch) = batch?;
            let Ok(header) = BatchHeader::read(&batch) else {
                return Err(StoreError::Damaged("batch"));
            };
            if header.max_timestamp < timestamp {
                continue;
            }
            let records = Records::read(&batch);
            let found = records.as_ref().ok().and_then(|records| records.all().ok());
            match found {
                // Records that cannot be unpacked: the batch as a whole is not before the time.
                None => return Ok(Some((header.max_timestamp, header.base_offset))),
                Some(records) => {
                    let record = records.into_iter().find(|record| {
                        record.timestamp >= timestamp && record.offset >= published.start
                    });
                    if let Some(record) = record {
                        return Ok(Some((record.timestamp, record.offset)));
                    }
                }
            }
        }
    }
    Ok(None)
}

/// The newest time of a record.
pub(crate) fn newest_time(published: &Published) -> Option<i64> {
    published
        .segments()
        .map(|(segment, _)| segment.max_timestamp)
        .max()
        .filter(|timestamp| *timestamp >= 0)
}
