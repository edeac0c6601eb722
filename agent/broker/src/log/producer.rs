//! What a partition knows of a producer: its epoch, its last batches, its open transaction.
//!
//! The rules are those of Kafka's `ProducerAppendInfo` and `ProducerStateEntry`.

use std::collections::VecDeque;

use super::batch::{BatchHeader, advance_sequence};
use crate::codec::{Reader, Writer};

/// Batches that are remembered to recognise repeated ones: as many as clients have under way.
const REMEMBERED: usize = 5;

/// A batch that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrittenBatch {
    pub(crate) first_sequence: i32,
    pub(crate) last_sequence: i32,
    pub(crate) last_offset: i64,
    /// `last_offset` - this is the offset of its first record.
    pub(crate) offset_delta: i32,
    pub(crate) timestamp: i64,
}

/// One producer in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProducerEntry {
    pub(crate) epoch: i16,
    pub(crate) batches: VecDeque<WrittenBatch>,
    /// Offset of the first record of the open transaction.
    pub(crate) transaction_start: Option<i64>,
    /// When it last wrote, in milliseconds since 1970.
    pub(crate) last_timestamp: i64,
}

/// What is to be done with a batch of a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It continues what is there.
    Append,
    /// It is there already.
    Duplicate(WrittenBatch),
    /// A newer instance of the producer has written.
    OldEpoch,
    /// Batches between are missing.
    OutOfOrder,
}

impl ProducerEntry {
    /// A producer that has written nothing yet.
    pub(crate) fn new(epoch: i16, now: i64) -> Self {
        Self {
            epoch,
            batches: VecDeque::new(),
            transaction_start: None,
            last_timestamp: now,
        }
    }

    /// Judges a batch by its epoch and sequence numbers.
    pub(crate) fn judge(&self, header: &BatchHeader) -> Verdict {
        let (first, last) = (header.base_sequence, header.last_sequence());
        if header.producer_epoch < self.epoch {
            return Verdict::OldEpoch;
        }
        // A new epoch counts anew: its first batch has to be number 0, or one before it was lost.
        if header.producer_epoch > self.epoch {
            return if first == 0 {
                Verdict::Append
            } else {
                Verdict::OutOfOrder
            };
        }
        // Before the order is checked: a repeated batch is out of order too, but was written.
        let known = self
            .batches
            .iter()
            .find(|batch| batch.first_sequence == first && batch.last_sequence == last);
        if let Some(batch) = known {
            return Verdict::Duplicate(*batch);
        }
        let expected = self
            .batches
            .back()
            .map_or(0, |batch| advance_sequence(batch.last_sequence, 1));
        if first == expected {
            Verdict::Append
        } else {
            Verdict::OutOfOrder
        }
    }

    /// Notes a batch that is being written at `base_offset`.
    pub(crate) fn note(&mut self, header: &BatchHeader, base_offset: i64, now: i64) {
        if header.producer_epoch != self.epoch {
            self.epoch = header.producer_epoch;
            self.batches.clear();
        }
        if self.batches.len() == REMEMBERED {
            self.batches.pop_front();
        }
        self.batches.push_back(WrittenBatch {
            first_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            last_offset: base_offset + i64::from(header.last_offset_delta),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        });
        self.last_timestamp = now;
        if header.is_transactional() && self.transaction_start.is_none() {
            self.transaction_start = Some(base_offset);
        }
    }

    /// Notes the end of its transaction, written with `epoch`; returns where the transaction began in this
    /// partition.
    pub(crate) fn end_transaction(&mut self, epoch: i16, now: i64) -> Option<i64> {
        // A marker with a higher epoch was written to fence: batches of the old one are refused from here on.
        if epoch > self.epoch {
            self.epoch = epoch;
            self.batches.clear();
        }
        self.last_timestamp = now;
        self.transaction_start.take()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        Writer::new(0)
            .i16(self.epoch)
            .i64(self.transaction_start.unwrap_or(-1))
            .i64(self.last_timestamp)
            .list(self.batches.iter(), |writer, batch| {
                writer
                    .i32(batch.first_sequence)
                    .i32(batch.last_sequence)
                    .i64(batch.last_offset)
                    .i32(batch.offset_delta)
                    .i64(batch.timestamp)
            })
            .finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes, 0)?;
        Some(Self {
            epoch: reader.i16()?,
            transaction_start: Some(reader.i64()?).filter(|offset| *offset >= 0),
            last_timestamp: reader.i64()?,
            batches: reader
                .list(|reader| {
                    Some(WrittenBatch {
                        first_sequence: reader.i32()?,
                        last_sequence: reader.i32()?,
                        last_offset: reader.i64()?,
                        offset_delta: reader.i32()?,
                        timestamp: reader.i64()?,
                    })
                })?
                .into(),
        })
    }
}
