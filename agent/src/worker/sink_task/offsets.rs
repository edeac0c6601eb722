//! Offsets of a sink task's partitions, from consumed to committed. Nothing here speaks to Kafka or
//! to the task.

use std::collections::{BTreeMap, BTreeSet};

use sluice_api::{OffsetAndMetadata, RawRecord, SinkOffsets, TopicPartition};
use sluice_protocol::ConnectorTaskId;
use tokio::time::Instant;

use crate::clock::now;
use crate::worker::metrics::SinkPartitionState;

/// A commit on its way.
pub(super) struct Committing {
    seq: u64,
    pub(super) started: Instant,
    offsets: SinkOffsets,
}

/// Where the task is in each of its partitions. All offsets are those of the next record.
#[derive(Default)]
pub(super) struct Offsets {
    /// Behind the records of the batch, dropped ones included.
    consumed: BTreeMap<TopicPartition, i64>,
    /// Behind all records that a `put` took.
    taken: SinkOffsets,
    committed: SinkOffsets,
    /// In milliseconds since 1970.
    committed_at: Option<i64>,
    pub(super) committing: Option<Committing>,
    /// Number of the last commit.
    seq: u64,
}

impl Offsets {
    /// The first record of a partition shows where reading began.
    pub(super) fn begins_with(&mut self, record: &RawRecord) {
        let tp = TopicPartition::new(record.topic.clone(), record.partition);
        self.committed
            .entry(tp)
            .or_insert_with(|| OffsetAndMetadata::new(record.offset));
    }

    /// Records of the partition of `record` are in the batch, up to `next`.
    pub(super) fn consumed(&mut self, record: &RawRecord, next: i64) {
        let tp = TopicPartition::new(record.topic.clone(), record.partition);
        self.consumed.insert(tp, next);
    }

    /// Whether the batch stands for any record, even if all of them were dropped.
    pub(super) fn has_batch(&self) -> bool {
        !self.consumed.is_empty()
    }

    /// A `put` took the batch.
    pub(super) fn batch_taken(&mut self) {
        for (tp, offset) in std::mem::take(&mut self.consumed) {
            self.taken.insert(tp, OffsetAndMetadata::new(offset));
        }
    }

    /// Reading begins or goes on at these offsets, which count as committed.
    pub(super) fn start_at(&mut self, offsets: impl IntoIterator<Item = (TopicPartition, i64)>) {
        for (tp, offset) in offsets {
            let offset = OffsetAndMetadata::new(offset);
            self.committed.insert(tp.clone(), offset.clone());
            self.taken.insert(tp, offset);
        }
    }

    /// What is committed of these partitions.
    pub(super) fn committed(
        &self,
        partitions: &BTreeSet<TopicPartition>,
    ) -> Vec<(TopicPartition, i64)> {
        of(&self.committed, partitions)
            .map(|(tp, offset)| (tp.clone(), offset.offset))
            .collect()
    }

    /// What was taken behind these offsets is read again, and no longer counts as taken.
    pub(super) fn rewound(&mut self, to: Vec<(TopicPartition, i64)>) {
        for (tp, offset) in to {
            self.taken.insert(tp, OffsetAndMetadata::new(offset));
        }
    }

    /// The offset behind what was taken of a partition.
    pub(super) fn position(&self, tp: &TopicPartition) -> Option<i64> {
        self.taken.get(tp).map(|offset| offset.offset)
    }

    /// What was taken of these partitions, for the task to say how much of it is safe.
    pub(super) fn taken(&self, partitions: &BTreeSet<TopicPartition>) -> SinkOffsets {
        of(&self.taken, partitions)
            .map(|(tp, offset)| (tp.clone(), offset.clone()))
            .collect()
    }

    /// Number of a new commit.
    pub(super) fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// What to commit of these partitions, as the task answered that `committable` of `taken` is
    /// safe; `None` if that is committed already. Offsets that are not the task's to give are
    /// logged and ignored.
    pub(super) fn to_commit(
        &self,
        id: &ConnectorTaskId,
        partitions: &BTreeSet<TopicPartition>,
        taken: &SinkOffsets,
        committable: SinkOffsets,
    ) -> Option<SinkOffsets> {
        let mut offsets: SinkOffsets = of(&self.committed, partitions)
            .map(|(tp, offset)| (tp.clone(), offset.clone()))
            .collect();
        let mut changed = false;
        for (tp, offset) in committable {
            match taken.get(&tp) {
                Some(current) if offset.offset <= current.offset => {
                    changed |= offsets.get(&tp) != Some(&offset);
                    offsets.insert(tp, offset);
                }
                Some(current) => tracing::warn!(
                    task = %id,
                    "Ignoring invalid task provided offset {}/{} -- not yet consumed, taskOffset={} \
                     currentOffset={}",
                    tp, offset.offset, offset.offset, current.offset
                ),
                None => tracing::warn!(
                    task = %id,
                    "Ignoring invalid task provided offset {}/{} -- partition not assigned",
                    tp, offset.offset
                ),
            }
        }
        changed.then_some(offsets)
    }

    /// A commit was sent, or is about to be; one that is on its way still is not waited for.
    pub(super) fn begin_commit(&mut self, seq: u64, started: Instant, offsets: SinkOffsets) {
        self.committing = Some(Committing {
            seq,
            started,
            offsets,
        });
    }

    /// The commit of this number was answered: when it began, or `None` if it is not the one that
    /// is waited for.
    pub(super) fn end_commit(&mut self, seq: u64, is_done: bool) -> Option<Instant> {
        let committing = self
            .committing
            .take_if(|committing| committing.seq == seq)?;
        if is_done {
            self.committed_at = Some(now().get());
            self.committed.extend(committing.offsets);
        }
        Some(committing.started)
    }

    /// The partitions are not this task's any more.
    pub(super) fn forget(&mut self, gone: &BTreeSet<TopicPartition>) {
        self.consumed.retain(|tp, _| !gone.contains(tp));
        self.taken.retain(|tp, _| !gone.contains(tp));
        self.committed.retain(|tp, _| !gone.contains(tp));
        if let Some(committing) = &mut self.committing {
            committing.offsets.retain(|tp, _| !gone.contains(tp));
        }
    }

    /// The figures of partitions, and the number of records that were consumed and are not committed.
    pub(super) fn figures(
        &self,
        partitions: BTreeSet<TopicPartition>,
        end_offset: impl Fn(&TopicPartition) -> Option<i64>,
    ) -> (Vec<SinkPartitionState>, u64) {
        let mut active = 0;
        let states = partitions
            .into_iter()
            .map(|tp| {
                let position = self.position(&tp);
                let committed = self.committed.get(&tp).map(|offset| offset.offset);
                let consumed = self.consumed.get(&tp).copied().or(position);
                if let (Some(consumed), Some(committed)) = (consumed, committed) {
                    active += u64::try_from(consumed - committed).unwrap_or(0);
                }
                SinkPartitionState {
                    end_offset: end_offset(&tp),
                    partition: tp,
                    position,
                    committed,
                    committed_at: self.committed_at,
                }
            })
            .collect();
        (states, active)
    }
}

fn of<'a>(
    offsets: &'a SinkOffsets,
    partitions: &'a BTreeSet<TopicPartition>,
) -> impl Iterator<Item = (&'a TopicPartition, &'a OffsetAndMetadata)> {
    offsets.iter().filter(|(tp, _)| partitions.contains(tp))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(partitions: &[i32]) -> BTreeSet<TopicPartition> {
        partitions
            .iter()
            .map(|p| TopicPartition::new("t", *p))
            .collect()
    }

    fn offsets(of: &[(i32, i64)]) -> SinkOffsets {
        of.iter()
            .map(|(p, offset)| {
                (
                    TopicPartition::new("t", *p),
                    OffsetAndMetadata::new(*offset),
                )
            })
            .collect()
    }

    fn taken_to(offset: i64) -> Offsets {
        let mut state = Offsets::default();
        state.start_at([
            (TopicPartition::new("t", 0), 3),
            (TopicPartition::new("t", 1), 5),
        ]);
        state.consumed.insert(TopicPartition::new("t", 0), offset);
        state.batch_taken();
        state
    }

    #[test]
    fn only_offsets_of_what_was_taken_are_committed_and_only_if_they_are_new() {
        let id = ConnectorTaskId::new("c", 0);
        let state = taken_to(8);
        let both = set(&[0, 1]);
        let taken = state.taken(&both);
        assert_eq!(taken, offsets(&[(0, 8), (1, 5)]));
        let to_commit =
            |committable: &[(i32, i64)]| state.to_commit(&id, &both, &taken, offsets(committable));
        assert_eq!(to_commit(&[(0, 7)]), Some(offsets(&[(0, 7), (1, 5)])));
        assert_eq!(to_commit(&[(1, 5)]), None);
        assert_eq!(to_commit(&[(0, 9), (7, 1)]), None);
    }

    #[test]
    fn a_commit_counts_by_its_number_and_without_partitions_that_are_gone() {
        let mut state = taken_to(8);
        state.begin_commit(4, Instant::now(), offsets(&[(0, 8), (1, 5)]));
        assert!(state.end_commit(3, true).is_none());
        state.forget(&set(&[1]));
        assert!(state.end_commit(4, true).is_some());
        assert_eq!(state.committed, offsets(&[(0, 8)]));
        assert!(state.end_commit(4, true).is_none());
    }

    #[test]
    fn a_failed_commit_leaves_what_is_committed_and_reading_goes_back_there() {
        let mut state = taken_to(8);
        state.begin_commit(1, Instant::now(), offsets(&[(0, 8)]));
        assert!(state.end_commit(1, false).is_some());
        let back = state.committed(&set(&[0]));
        assert_eq!(back, [(TopicPartition::new("t", 0), 3)]);
        state.rewound(back);
        assert_eq!(state.position(&TopicPartition::new("t", 0)), Some(3));
        assert_eq!(state.position(&TopicPartition::new("t", 1)), Some(5));
    }
}
