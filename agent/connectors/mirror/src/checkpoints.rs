//! Checkpoints that were written, and what follows from them (`CheckpointStore`, rules of
//! `MirrorCheckpointTask`).
//!
//! Pure: no clients and no clock.

use std::collections::{BTreeMap, HashMap};

use sluice_api::{OffsetAndMetadata, TopicPartition};
use sluice_kafka::admin;

use crate::format::Checkpoint;
use crate::offset_sync_store::{OffsetSyncStore, Translation};
use crate::policy::ReplicationPolicy;

/// Committed offsets by partition.
pub(crate) type Offsets = BTreeMap<TopicPartition, OffsetAndMetadata>;

/// Offsets as an admin client gives them.
pub(crate) fn from_admin(offsets: admin::Offsets) -> Offsets {
    let offsets = offsets.into_iter();
    offsets
        .map(|(of, committed)| ((&of).into(), committed))
        .collect()
}

/// Offsets as an admin client takes them.
pub(crate) fn to_admin(offsets: &Offsets) -> admin::Offsets {
    let offsets = offsets.iter();
    offsets
        .map(|(of, committed)| (of.into(), committed.clone()))
        .collect()
}

/// The newest checkpoint of each group and partition.
#[derive(Debug, Default)]
pub(crate) struct Checkpoints {
    groups: HashMap<String, HashMap<TopicPartition, Checkpoint>>,
}

impl Checkpoints {
    /// Takes a checkpoint that was written.
    pub(crate) fn add(&mut self, checkpoint: Checkpoint) {
        self.groups
            .entry(checkpoint.group.clone())
            .or_default()
            .insert(checkpoint.partition.clone(), checkpoint);
    }

    /// Whether a checkpoint says anything new: the group went back on the source, or forward on the target.
    /// Anything else would let the group go back on the target.
    pub(crate) fn is_news(&self, checkpoint: &Checkpoint) -> bool {
        let last = self
            .groups
            .get(&checkpoint.group)
            .and_then(|group| group.get(&checkpoint.partition));
        last.is_none_or(|last| {
            checkpoint.upstream < last.upstream || checkpoint.downstream > last.downstream
        })
    }

    /// Translated offsets of a group.
    pub(crate) fn translated(&self, group: &str) -> Offsets {
        let checkpoints = self.groups.get(group).into_iter().flat_map(HashMap::values);
        checkpoints
            .map(|checkpoint| (checkpoint.partition.clone(), checkpoint.committed()))
            .collect()
    }
}

/// The checkpoint for an offset that a group has committed on the source, if it can be translated.
pub(crate) fn translate(
    syncs: &OffsetSyncStore,
    policy: &ReplicationPolicy,
    (source_alias, target_alias): (&str, &str),
    group: &str,
    partition: &TopicPartition,
    committed: &OffsetAndMetadata,
) -> Option<Checkpoint> {
    let Translation::Offset(downstream) = syncs.translate(partition, committed.offset) else {
        return None;
    };
    // What came from the target has its own name there.
    let topic = if policy.source(&partition.topic) == Some(target_alias) {
        policy.original_topic(&partition.topic).to_owned()
    } else {
        policy.remote_topic(source_alias, &partition.topic)
    };
    Some(Checkpoint {
        group: group.to_owned(),
        partition: TopicPartition::new(topic, partition.partition),
        upstream: committed.offset,
        downstream,
        metadata: committed.metadata.clone().unwrap_or_default(),
    })
}

/// What of a group's translated offsets is to be committed on the target, where it has these offsets: never
/// one that lies behind.
pub(crate) fn to_commit(translated: Offsets, on_target: &Offsets) -> Offsets {
    translated
        .into_iter()
        .filter(|(partition, wanted)| {
            on_target
                .get(partition)
                .is_none_or(|there| there.offset < wanted.offset)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::OffsetSync;
    use sluice_api::Props;

    fn partition(topic: &str) -> TopicPartition {
        TopicPartition::new(topic, 3)
    }

    fn checkpoint(upstream: i64, downstream: i64) -> Checkpoint {
        Checkpoint {
            group: "g".to_owned(),
            partition: partition("a.t"),
            upstream,
            downstream,
            metadata: "m".to_owned(),
        }
    }

    #[test]
    fn a_checkpoint_is_written_if_the_group_went_on_or_was_set_back() {
        let mut known = Checkpoints::default();
        assert!(known.is_news(&checkpoint(10, 5)));
        known.add(checkpoint(10, 5));
        assert!(!known.is_news(&checkpoint(10, 5)));
        assert!(!known.is_news(&checkpoint(11, 5)));
        assert!(!known.is_news(&checkpoint(11, 4)), "no way back");
        assert!(known.is_news(&checkpoint(11, 6)));
        assert!(known.is_news(&checkpoint(9, 4)), "set back on the source");
    }

    #[test]
    fn only_offsets_that_lie_ahead_are_committed() {
        let mut known = Checkpoints::default();
        known.add(checkpoint(10, 5));
        let at = |offset| Offsets::from([(partition("a.t"), OffsetAndMetadata::new(offset))]);
        let commits = |on_target: &Offsets| to_commit(known.translated("g"), on_target).len();
        assert_eq!(commits(&Offsets::new()), 1);
        assert_eq!(commits(&at(4)), 1);
        assert_eq!(commits(&at(5)), 0);
        assert_eq!(commits(&at(6)), 0);
        let wanted = known.translated("g").remove(&partition("a.t"));
        assert_eq!(wanted.unwrap().metadata.as_deref(), Some("m"));
        assert!(known.translated("other").is_empty());
    }

    #[test]
    fn topics_are_named_as_on_the_target() {
        let policy = ReplicationPolicy::new(&Props::new());
        let mut syncs = OffsetSyncStore::new(false);
        for topic in ["t", "b.t"] {
            syncs.add(&OffsetSync {
                partition: partition(topic),
                upstream: 10,
                downstream: 4,
            });
        }
        let committed = OffsetAndMetadata::new(12);
        let topic_of = |syncs: &OffsetSyncStore, topic: &str| {
            translate(
                syncs,
                &policy,
                ("a", "b"),
                "g",
                &partition(topic),
                &committed,
            )
            .map(|checkpoint| {
                (
                    checkpoint.partition.topic.to_string(),
                    checkpoint.downstream,
                )
            })
        };
        assert_eq!(topic_of(&syncs, "t"), None, "not read to the end yet");
        syncs.set_complete();
        assert_eq!(topic_of(&syncs, "t"), Some(("a.t".to_owned(), 5)));
        assert_eq!(topic_of(&syncs, "b.t"), Some(("t".to_owned(), 5)));
        assert_eq!(topic_of(&syncs, "unknown"), None);
    }
}
