//! Compaction: of the records with the same key the last one stays, as with `cleanup.policy=compact`.
//!
//! Two passes over the log below the last stable offset. The first notes the last offset of each key, the
//! second writes batches again without the records that are superseded. Offsets never change. Records of
//! aborted transactions go, markers and tombstones stay until `delete.retention.ms` has passed. Records
//! without a key stay.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use super::batch::{BatchHeader, Records};
use super::view::{Aborted, Published};

/// Keys of one run; a log with more is compacted in several.
const KEYS: usize = 1_000_000;

/// Which records of a partition stay.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Two seeded hashes of a key to the offset of its last record: enough to tell keys apart, and small.
    last: HashMap<(u64, u64), i64>,
    seeds: (RandomState, RandomState),
    aborted: Vec<Aborted>,
    /// Markers and tombstones older than this go, in milliseconds since 1970.
    horizon: i64,
    /// What was looked at ends here.
    pub(crate) upto: i64,
}

/// What happens to a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Keep,
    Remove,
    /// Some records go: the batch without them.
    Replace(Vec<u8>),
}

impl Plan {
    /// A run that begins where the last one ended; tombstones and markers before `horizon` go.
    pub(crate) fn new(published: &Published, horizon: i64) -> Self {
        Self {
            last: HashMap::new(),
            seeds: (RandomState::new(), RandomState::new()),
            aborted: published.aborted.to_vec(),
            horizon,
            upto: published.compacted.max(published.start),
        }
    }

    fn hash(&self, key: &[u8]) -> (u64, u64) {
        (self.seeds.0.hash_one(key), self.seeds.1.hash_one(key))
    }

    fn is_aborted(&self, header: &BatchHeader) -> bool {
        header.is_transactional()
            && !header.is_control()
            && self.aborted.iter().any(|aborted| {
                aborted.producer_id == header.producer_id
                    && (aborted.first_offset..aborted.last_offset).contains(&header.base_offset)
            })
    }

    /// First pass: notes the keys of the next batch; `false` if no more fit.
    pub(crate) fn note(&mut self, batch: &[u8]) -> bool {
        if self.last.len() >= KEYS {
            return false;
        }
        let Ok(header) = BatchHeader::read(batch) else {
            return false;
        };
        if !header.is_control()
            && !self.is_aborted(&header)
            && let Ok(records) = Records::read(batch)
            && let Ok(records) = records.all()
        {
            for record in records {
                if let Some(key) = record.key {
                    let hash = self.hash(key);
                    self.last.insert(hash, record.offset);
                }
            }
        }
        self.upto = header.last_offset() + 1;
        true
    }

    /// Second pass: what happens to a batch.
    pub(crate) fn judge(&self, batch: &[u8]) -> Outcome {
        let Ok(header) = BatchHeader::read(batch) else {
            return Outcome::Keep;
        };
        if header.is_control() {
            // Readers forget that a producer aborted when they meet its marker, so it stays as long as the
            // transaction is on the list of aborted ones.
            let aborted = self
                .aborted
                .iter()
                .any(|aborted| aborted.last_offset == header.base_offset);
            return if header.max_timestamp < self.horizon && !aborted {
                Outcome::Remove
            } else {
                Outcome::Keep
            };
        }
        if self.is_aborted(&header) {
            return Outcome::Remove;
        }
        let Ok(records) = Records::read(batch) else {
            return Outcome::Keep;
        };
        let Ok(all) = records.all() else {
            return Outcome::Keep;
        };
        let before = all.len();
        let kept: Vec<_> = all
            .into_iter()
            .filter(|record| match record.key {
                None => true,
                Some(key) => {
                    let superseded = self
                        .last
                        .get(&self.hash(key))
                        .is_some_and(|last| *last > record.offset);
                    let expired = record.value.is_none() && record.timestamp < self.horizon;
                    !superseded && !expired
                }
            })
            .collect();
        if kept.len() == before {
            Outcome::Keep
        } else if kept.is_empty() {
            Outcome::Remove
        } else {
            Outcome::Replace(records.rebuild(batch, &kept))
        }
    }
}
