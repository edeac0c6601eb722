//! The writer's side of a partition: decides offsets, sequences and transactions, and says what has to be
//! stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::batch::{self, BatchHeader};
use super::producer::{ProducerEntry, Verdict};
use super::view::{Aborted, Published, Segment};
use crate::codec::{Reader, Writer};
use crate::store::keys::PartitionId;

/// Bytes after which a new segment begins: the grain of retention and of lookups by time.
const SEGMENT_BYTES: u64 = 1 << 20;

/// Why a batch was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppendError {
    /// A newer instance of the producer has written: `INVALID_PRODUCER_EPOCH`.
    OldEpoch,
    /// Batches before it are missing: `OUT_OF_ORDER_SEQUENCE_NUMBER`.
    OutOfOrder,
}

/// Where a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    /// Offset of its first record.
    pub(crate) base_offset: i64,
    /// Time of arrival if the topic stamps batches with it, else -1.
    pub(crate) append_time: i64,
    /// Whether it had been there before.
    pub(crate) duplicate: bool,
}

/// A batch on its way into the store.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) last_offset: i64,
    pub(crate) bytes: Vec<u8>,
}

/// What changed in a partition and is not in the store yet.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Segments that were closed or cut, by base offset; `None` is gone.
    pub(crate) segments: BTreeMap<i64, Option<Segment>>,
    /// Producers that wrote or expired.
    pub(crate) producers: BTreeSet<i64>,
    /// Aborted transactions that were added, by last offset; `false` is gone.
    pub(crate) aborted: BTreeMap<i64, Option<Aborted>>,
}

/// One partition as the writer knows it.
#[derive(Debug)]
pub(crate) struct PartitionLog {
    pub(crate) id: PartitionId,
    /// Offset of the first record that is there.
    pub(crate) start: i64,
    /// Offset the next record gets.
    pub(crate) end: i64,
    /// Bytes of all batches.
    pub(crate) bytes: u64,
    /// Up to where the log was compacted.
    pub(crate) compacted: i64,
    closed: Arc<Vec<Segment>>,
    open: Segment,
    aborted: Arc<Vec<Aborted>>,
    producers: BTreeMap<i64, ProducerEntry>,
    /// First offset to producer of the open transactions.
    transactions: BTreeMap<i64, i64>,
    pub(crate) changes: Changes,
}

impl PartitionLog {
    pub(crate) fn new(id: PartitionId) -> Self {
        Self {
            id,
            start: 0,
            end: 0,
            bytes: 0,
            compacted: 0,
            closed: Arc::default(),
            open: Segment::new(0),
            aborted: Arc::default(),
            producers: BTreeMap::new(),
            transactions: BTreeMap::new(),
            changes: Changes::default(),
        }
    }

    /// Appends a checked batch at the end. `stamp` writes the time of arrival into it.
    ///
    /// # Errors
    /// If the producer's epoch or sequence numbers do not allow it; nothing has changed then.
    pub(crate) fn append(
        &mut self,
        header: &BatchHeader,
        bytes: &[u8],
        stamp: bool,
        now: i64,
    ) -> Result<(Appended, Option<Stored>), AppendError> {
        // A producer that was forgotten may begin with any number, as in Kafka: a refusal would stop
        // it forever.
        if header.producer_id >= 0
            && let Some(entry) = self.producers.get(&header.producer_id)
        {
            match entry.judge(header) {
                Verdict::Append => (),
                Verdict::Duplicate(batch) => {
                    let appended = Appended {
                        base_offset: batch.last_offset - i64::from(batch.offset_delta),
                        append_time: if stamp { batch.timestamp } else { -1 },
                        duplicate: true,
                    };
                    return Ok((appended, None));
                }
                Verdict::OldEpoch => return Err(AppendError::OldEpoch),
                Verdict::OutOfOrder => return Err(AppendError::OutOfOrder),
            }
        }
        let base_offset = self.end;
        let mut batch = bytes.to_vec();
        batch::assign_offset(&mut batch, base_offset);
        let mut header = *header;
        if stamp {
            batch::stamp(&mut batch, now);
            header.max_timestamp = now;
        }
        if header.producer_id >= 0 {
            let entry = self
                .producers
                .entry(header.producer_id)
                .or_insert_with(|| ProducerEntry::new(header.producer_epoch, now));
            // The first batch of a transaction holds the last stable offset back from here on.
            let open_before = entry.transaction_start;
            entry.note(&header, base_offset, now);
            if open_before.is_none()
                && let Some(first) = entry.transaction_start
            {
                self.transactions.insert(first, header.producer_id);
            }
            self.changes.producers.insert(header.producer_id);
        }
        let last_offset = base_offset + i64::from(header.last_offset_delta);
        self.grow(last_offset, batch.len() as u64, header.max_timestamp);
        let appended = Appended {
            base_offset,
            append_time: if stamp { now } else { -1 },
            duplicate: false,
        };
        let stored = Stored {
            last_offset,
            bytes: batch,
        };
        Ok((appended, Some(stored)))
    }

    /// Writes the end of a producer's transaction; an aborted one is noted for readers of committed records.
    pub(crate) fn end_transaction(
        &mut self,
        producer_id: i64,
        epoch: i16,
        committed: bool,
        now: i64,
    ) -> Stored {
        let offset = self.end;
        let marker = batch::control_batch(offset, producer_id, epoch, committed, now);
        let first = self
            .producers
            .entry(producer_id)
            .or_insert_with(|| ProducerEntry::new(epoch, now))
            .end_transaction(epoch, now);
        self.changes.producers.insert(producer_id);
        // Without a batch in this partition there is nothing for readers to leave out.
        if let Some(first_offset) = first {
            self.transactions.remove(&first_offset);
            if !committed {
                let aborted = Aborted {
                    producer_id,
                    first_offset,
                    last_offset: offset,
                };
                Arc::make_mut(&mut self.aborted).push(aborted);
                self.changes.aborted.insert(offset, Some(aborted));
            }
        }
        self.grow(offset, marker.len() as u64, now);
        Stored {
            last_offset: offset,
            bytes: marker,
        }
    }

    /// Accounts for a batch that ends at `last_offset`.
    fn grow(&mut self, last_offset: i64, size: u64, timestamp: i64) {
        if self.open.bytes > 0 && self.open.bytes + size > SEGMENT_BYTES {
            self.changes
                .segments
                .insert(self.open.base_offset, Some(self.open));
            Arc::make_mut(&mut self.closed).push(self.open);
            self.open = Segment::new(self.end);
        }
        self.open.bytes += size;
        self.open.max_timestamp = self.open.max_timestamp.max(timestamp);
        self.bytes += size;
        self.end = last_offset + 1;
    }

    /// Gives up everything below `offset`, which is between start and end. The batches are removed by the
    /// caller.
    pub(crate) fn delete_before(&mut self, offset: i64) {
        self.start = offset;
        let ends = self
            .closed
            .iter()
            .skip(1)
            .map(|segment| segment.base_offset)
            .chain([self.open.base_offset]);
        let whole = ends
            .take_while(|end| *end <= offset)
            .count()
            .min(self.closed.len());
        for gone in Arc::make_mut(&mut self.closed).drain(..whole) {
            self.bytes = self.bytes.saturating_sub(gone.bytes);
            self.changes.segments.insert(gone.base_offset, None);
        }
        if offset == self.end {
            self.bytes = 0;
            self.open = Segment::new(self.end);
        }
        let gone: Vec<i64> = self
            .aborted
            .iter()
            .map(|aborted| aborted.last_offset)
            .filter(|last| *last < offset)
            .collect();
        if !gone.is_empty() {
            Arc::make_mut(&mut self.aborted).retain(|aborted| aborted.last_offset >= offset);
            self.changes
                .aborted
                .extend(gone.into_iter().map(|last| (last, None)));
        }
        self.compacted = self.compacted.max(offset);
    }

    /// Where retention by time and size (in bytes) allows the log to begin; whole segments only, and never
    /// past an open transaction.
    pub(crate) fn retention_start(&self, oldest: Option<i64>, largest: Option<u64>) -> i64 {
        let mut start = self.start;
        let mut bytes = self.bytes;
        let ends = self
            .closed
            .iter()
            .skip(1)
            .map(|segment| segment.base_offset)
            .chain([self.open.base_offset]);
        let mut segments: Vec<(Segment, i64)> = self.closed.iter().copied().zip(ends).collect();
        if self.open.bytes > 0 {
            segments.push((self.open, self.end));
        }
        for (segment, end) in segments {
            let expired = oldest.is_some_and(|oldest| segment.max_timestamp < oldest);
            let too_much =
                largest.is_some_and(|largest| bytes.saturating_sub(segment.bytes) >= largest);
            if !(expired || too_much) || end > self.stable() {
                break;
            }
            bytes -= segment.bytes;
            start = start.max(end);
        }
        start
    }

    /// Up to where all transactions are decided (the last stable offset).
    pub(crate) fn stable(&self) -> i64 {
        self.transactions.keys().next().copied().unwrap_or(self.end)
    }

    /// The producers, with their ids.
    pub(crate) fn producers(&self) -> impl Iterator<Item = (i64, &ProducerEntry)> {
        self.producers.iter().map(|(id, entry)| (*id, entry))
    }

    /// What is known of the producer with this id.
    pub(crate) fn producer(&self, id: i64) -> Option<&ProducerEntry> {
        self.producers.get(&id)
    }

    /// Forgets producers that have not written since `oldest` and have no open transaction.
    pub(crate) fn expire_producers(&mut self, oldest: i64) {
        let gone: Vec<i64> = self
            .producers
            .iter()
            .filter(|(_, entry)| entry.last_timestamp < oldest && entry.transaction_start.is_none())
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.producers.remove(&id);
            self.changes.producers.insert(id);
        }
    }

    /// Accounts for batches that compaction made smaller, of `segment bytes` less in the segment that holds
    /// `offset`.
    pub(crate) fn shrink(&mut self, offset: i64, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
        if offset >= self.open.base_offset {
            self.open.bytes = self.open.bytes.saturating_sub(bytes);
            return;
        }
        let closed = Arc::make_mut(&mut self.closed);
        let at = closed.partition_point(|segment| segment.base_offset <= offset);
        if let Some(segment) = at.checked_sub(1).and_then(|at| closed.get_mut(at)) {
            segment.bytes = segment.bytes.saturating_sub(bytes);
            self.changes
                .segments
                .insert(segment.base_offset, Some(*segment));
        }
    }

    /// What readers may see.
    pub(crate) fn publish(&self) -> Published {
        Published {
            start: self.start,
            end: self.end,
            stable: self.stable(),
            bytes: self.bytes,
            compacted: self.compacted,
            closed: Arc::clone(&self.closed),
            open: self.open,
            aborted: Arc::clone(&self.aborted),
        }
    }

    /// The stored value; segments, producers and aborted transactions have their own.
    pub(crate) fn encode(&self) -> Vec<u8> {
        Writer::new(0)
            .i64(self.start)
            .i64(self.end)
            .u64(self.bytes)
            .i64(self.compacted)
            .i64(self.open.base_offset)
            .u64(self.open.bytes)
            .i64(self.open.max_timestamp)
            .finish()
    }

    /// Puts a partition together again.
    pub(crate) fn decode(
        id: PartitionId,
        bytes: &[u8],
        closed: Vec<Segment>,
        producers: BTreeMap<i64, ProducerEntry>,
        aborted: Vec<Aborted>,
    ) -> Option<Self> {
        let mut reader = Reader::new(bytes, 0)?;
        Some(Self {
            id,
            start: reader.i64()?,
            end: reader.i64()?,
            bytes: reader.u64()?,
            compacted: reader.i64()?,
            open: Segment {
                base_offset: reader.i64()?,
                bytes: reader.u64()?,
                max_timestamp: reader.i64()?,
            },
            closed: Arc::new(closed),
            aborted: Arc::new(aborted),
            transactions: producers
                .iter()
                .filter_map(|(id, entry)| Some((entry.transaction_start?, *id)))
                .collect(),
            producers,
            changes: Changes::default(),
        })
    }
}
