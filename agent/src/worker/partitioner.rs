//! The partitions of records that name none, chosen as Java's producer does (`BuiltInPartitioner`, KIP-794).
//!
//! librdkafka's own choice for records without key reads the clock and takes two locks for each of
//! them, and stays with a partition for a time instead of for a batch.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use rdkafka::producer::Partitioner;
use sluice_protocol::partitioner::partition_for_key;

/// Java's default `batch.size`, bytes: so much goes to a partition at least before the next is chosen.
const BATCH_SIZE: u64 = 16_384;

/// By the key's hash; records without key go together to one partition at a time that has a leader,
/// by chance.
#[derive(Debug, Default)]
pub struct BuiltInPartitioner {
    chance: RandomState,
    sent: AtomicU64,
}

impl BuiltInPartitioner {
    /// Notes bytes that were sent; what is noted at once goes to one partition.
    pub fn on_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Partitioner for BuiltInPartitioner {
    fn partition(
        &self,
        _topic: &str,
        key: Option<&[u8]>,
        count: i32,
        is_available: impl Fn(i32) -> bool,
    ) -> i32 {
        if count == 1 {
            return 0;
        }
        let partitions = count.unsigned_abs();
        if let Some(key) = key {
            return partition_for_key(key, partitions).cast_signed();
        }
        let batch = self.sent.load(Ordering::Relaxed) / BATCH_SIZE;
        let chosen =
            i32::try_from(self.chance.hash_one(batch) % u64::from(partitions)).unwrap_or(0);
        (chosen..count)
            .chain(0..chosen)
            .find(|partition| is_available(*partition))
            .unwrap_or(chosen)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn records_without_key_stay_for_a_batch_and_reach_every_partition_with_a_leader() {
        let partitioner = BuiltInPartitioner::default();
        let choose = || partitioner.partition("t", None, 4, |partition| partition != 2);
        let mut seen = HashSet::new();
        for _ in 0..1_000 {
            let chosen = choose();
            partitioner.on_sent(BATCH_SIZE / 2);
            seen.insert(chosen);
            let half = choose();
            partitioner.on_sent(BATCH_SIZE / 2);
            assert_eq!(half, chosen);
        }
        assert_eq!(seen, HashSet::from([0, 1, 3]));
    }

    #[test]
    fn without_any_leader_a_partition_is_chosen_all_the_same() {
        let chosen = BuiltInPartitioner::default().partition("t", None, 3, |_| false);
        assert!((0..3).contains(&chosen), "{chosen}");
    }
}
