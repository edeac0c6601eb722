//! Offset syncs, and the translation of offsets by them (`OffsetSyncStore`).
//!
//! Pure: records come in as values. Of each partition 64 syncs are kept, at most, closely spaced near the end
//! of the topic and ever wider apart before it. With `syncs[0]` the newest, for each i < j of different
//! syncs:
//!
//! * B: `syncs[i].upstream <= syncs[j].upstream + 2^j - 2^i`;
//! * C: `syncs[i].upstream >= syncs[j].upstream + 2^(i-2)`.
//!
//! Which sync is kept decides what is translated, so that the rules are Kafka's to the letter.

use std::collections::HashMap;

use sluice_api::TopicPartition;

use crate::format::OffsetSync;

/// One for each bit of an offset.
const KEPT: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Sync {
    /// Kafka compares objects, not values: two syncs of equal offsets are not the same.
    id: u64,
    upstream: i64,
    downstream: i64,
}

/// The answer to a question for a translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Translation {
    /// The offset on the target.
    Offset(i64),
    /// The offset is older than what is known.
    TooOld,
    /// Nothing is known, or not yet.
    Unknown,
}

/// The offset syncs that translation needs, sparser the older they are.
#[derive(Debug)]
pub(crate) struct OffsetSyncStore {
    syncs: HashMap<TopicPartition, Box<[Sync; KEPT]>>,
    next_id: u64,
    /// Until the end of the topic was read only the last sync counts, for translation must not go back behind
    /// what an earlier task, whose checkpoints are not known, may have told.
    only_last: bool,
    complete: bool,
}

impl OffsetSyncStore {
    /// `only_last`: earlier checkpoints could not be read.
    pub(crate) fn new(only_last: bool) -> Self {
        Self {
            syncs: HashMap::new(),
            next_id: 0,
            only_last,
            complete: false,
        }
    }

    /// The topic was read to its end.
    pub(crate) fn set_complete(&mut self) {
        self.complete = true;
    }

    /// Takes a sync, in the order of the topic.
    pub(crate) fn add(&mut self, sync: &OffsetSync) {
        let new = Sync {
            id: self.next_id,
            upstream: sync.upstream,
            downstream: sync.downstream,
        };
        self.next_id += 1;
        let only_last = self.only_last && !self.complete;
        match self.syncs.get_mut(&sync.partition) {
            None => {
                self.syncs
                    .insert(sync.partition.clone(), Box::new([new; KEPT]));
            }
            Some(syncs) if only_last || new.upstream < syncs[0].upstream => **syncs = [new; KEPT],
            Some(syncs) => update(syncs, new),
        }
    }

    /// The offset on the target for a committed offset of the source.
    pub(crate) fn translate(&self, partition: &TopicPartition, upstream: i64) -> Translation {
        if !self.complete {
            return Translation::Unknown;
        }
        let Some(syncs) = self.syncs.get(partition) else {
            return Translation::Unknown;
        };
        match syncs.iter().find(|sync| sync.upstream <= upstream) {
            None => Translation::TooOld,
            Some(sync) if sync.upstream == upstream => Translation::Offset(sync.downstream),
            // What lies between sync and group may or may not be on the target: one step is safe, more is
            // not.
            Some(sync) => Translation::Offset(sync.downstream + 1),
        }
    }
}

fn power(exponent: usize) -> i64 {
    u32::try_from(exponent).map_or(0, |exponent| 1_i64.wrapping_shl(exponent))
}

fn invariant_b(newer: &Sync, older: &Sync, i: usize, j: usize) -> bool {
    let bound = older.upstream.wrapping_add(power(j)).wrapping_sub(power(i));
    newer.id == older.id || bound < 0 || newer.upstream <= bound
}

fn invariant_c(newer: &Sync, older: &Sync, i: usize) -> bool {
    let bound = older.upstream.wrapping_add(power(i.saturating_sub(2)));
    newer.id == older.id || (bound >= 0 && newer.upstream >= bound)
}

/// Puts the newest sync in front and lets older ones move back where the invariants ask for it.
fn update(syncs: &mut [Sync; KEPT], new: Sync) {
    let original = *syncs;
    let mut replacement = new;
    let mut candidate = 0;
    syncs[0] = new;
    for current in 1..KEPT {
        let previous = current - 1;
        loop {
            let old = original[candidate];
            let is_recent = invariant_b(&syncs[previous], &old, previous, current);
            let apart_from_previous = invariant_c(&syncs[previous], &old, previous);
            let apart_from_next =
                current + 1 >= KEPT || invariant_c(&old, &syncs[current + 1], current);
            let repeated = original
                .get(candidate + 1)
                .is_some_and(|next| next.id == old.id);
            let promoted = is_recent && apart_from_previous && apart_from_next;
            if promoted {
                replacement = old;
            }
            let skipped = repeated || !apart_from_previous;
            if promoted || skipped {
                candidate += 1;
            }
            if !(candidate < current && skipped) {
                break;
            }
        }
        if invariant_b(&syncs[previous], &syncs[current], previous, current) {
            // It holds for everything behind, too.
            break;
        }
        syncs[current] = replacement;
    }
}
