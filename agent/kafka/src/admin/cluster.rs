//! The cluster as a whole, and the ends of partitions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kafka_protocol::ResponseError;
use kafka_protocol::error::ParseResponseErrorCode as _;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, ListOffsetsRequest};

use super::call::{Target, address_of};
use super::error::check;
use super::{Admin, AdminError};
use crate::types::{TopicPartition, by_topic, topic_name};

/// Markers are small: more need not be fetched to see that a partition ends with them.
const MARKER_FETCH_BYTES: i32 = 16 * 1024;

/// Up to where offsets of a partition are asked for (`IsolationLevel`, `ListOffsetsRequest`).
#[derive(Clone, Copy, Debug)]
enum Which {
    /// The end for all readers: the high watermark.
    End,
    /// The end for those who read committed records only: the last stable offset.
    StableEnd,
    /// The offset of the first record that is still there.
    Start,
}

impl Which {
    const fn isolation_level(self) -> i8 {
        match self {
            Self::End | Self::Start => 0,
            Self::StableEnd => 1,
        }
    }

    const fn timestamp(self) -> i64 {
        match self {
            Self::End | Self::StableEnd => -1,
            Self::Start => -2,
        }
    }
}

impl Admin {
    /// The id of the Kafka cluster; empty when the broker has none.
    pub async fn cluster_id(&self) -> Result<String, AdminError> {
        const WHAT: &str = "cluster id";
        let metadata = self
            .retrying(WHAT, || self.metadata(WHAT, Some(&[])))
            .await?;
        Ok(metadata
            .cluster_id
            .map(|id| id.to_string())
            .unwrap_or_default())
    }

    /// End offsets (high watermarks) of partitions; partitions that do not exist or have no leader are left
    /// out.
    pub async fn end_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, AdminError> {
        self.ends("end offsets", partitions, Which::End).await
    }

    /// As [`Admin::end_offsets`], but the last stable offsets: before the first record of an open
    /// transaction.
    pub async fn stable_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, AdminError> {
        self.ends("end offsets", partitions, Which::StableEnd).await
    }

    /// As [`Admin::end_offsets`], but the offsets of the first records that are still there.
    pub async fn start_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, AdminError> {
        self.ends("start offsets", partitions, Which::Start).await
    }

    async fn ends(
        &self,
        what: &'static str,
        partitions: &[TopicPartition],
        which: Which,
    ) -> Result<BTreeMap<TopicPartition, i64>, AdminError> {
        self.retrying(what, || async {
            let mut ends = BTreeMap::new();
            for (address, partitions) in self.leaders(what, partitions).await? {
                let connection = self.connection(what, Target::At(&address)).await?;
                let request = list_offsets(&partitions, which);
                let answer = self.ask(what, &connection, &request).await?;
                for topic in &answer.topics {
                    for p in &topic.partitions {
                        let of = TopicPartition::new(topic.name.0.as_str(), p.partition_index);
                        if p.error_code.err() == Some(ResponseError::UnknownTopicOrPartition) {
                            continue;
                        }
                        check(what, &of.to_string(), p.error_code)?;
                        ends.insert(of, p.offset);
                    }
                }
            }
            Ok(ends)
        })
        .await
    }

    /// Partitions by the address of their leader; those without one are left out.
    async fn leaders(
        &self,
        what: &'static str,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<String, Vec<TopicPartition>>, AdminError> {
        let wanted: BTreeSet<&TopicPartition> = partitions.iter().collect();
        let names: BTreeSet<&str> = wanted.iter().map(|of| of.topic.as_str()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let mut leaders: HashMap<String, Vec<TopicPartition>> = HashMap::new();
        if names.is_empty() {
            return Ok(leaders);
        }
        let metadata = self.metadata(what, Some(&names)).await?;
        for topic in &metadata.topics {
            let Some(name) = topic.name.as_ref() else {
                continue;
            };
            for p in &topic.partitions {
                let of = TopicPartition::new(name.0.as_str(), p.partition_index);
                if let Some(leader) = address_of(&metadata, p.leader_id)
                    && wanted.contains(&of)
                {
                    leaders.entry(leader).or_default().push(of);
                }
            }
        }
        Ok(leaders)
    }

    /// Whether nothing but transaction markers stands from `from` up to `end`, as far as one fetch shows.
    pub async fn only_markers(
        &self,
        partition: &TopicPartition,
        from: i64,
        end: i64,
    ) -> Result<bool, AdminError> {
        const WHAT: &str = "fetch";
        let asked = FetchPartition::default()
            .with_partition(partition.partition)
            .with_fetch_offset(from)
            .with_partition_max_bytes(MARKER_FETCH_BYTES);
        let request = FetchRequest::default()
            .with_max_wait_ms(0)
            .with_min_bytes(0)
            .with_max_bytes(MARKER_FETCH_BYTES)
            .with_topics(vec![
                FetchTopic::default()
                    .with_topic(topic_name(&partition.topic))
                    .with_partitions(vec![asked]),
            ]);
        let one = std::slice::from_ref(partition);
        self.retrying(WHAT, || async {
            let Some(leader) = self.leaders(WHAT, one).await?.into_keys().next() else {
                return Ok(false);
            };
            let connection = self.connection(WHAT, Target::At(&leader)).await?;
            let answer = self.ask(WHAT, &connection, &request).await?;
            check(WHAT, &partition.topic, answer.error_code)?;
            let found = answer.responses.first().and_then(|t| t.partitions.first());
            let Some(found) = found else {
                return Ok(false);
            };
            check(WHAT, &partition.to_string(), found.error_code)?;
            let records = found.records.as_deref().unwrap_or_default();
            Ok(batches_are_markers(records, from, end))
        })
        .await
    }
}

fn list_offsets(partitions: &[TopicPartition], which: Which) -> ListOffsetsRequest {
    let asked = partitions.iter().map(|of| {
        let asked = ListOffsetsPartition::default()
            .with_partition_index(of.partition)
            .with_timestamp(which.timestamp());
        (of, asked)
    });
    let topics = by_topic(asked).into_iter().map(|(topic, partitions)| {
        ListOffsetsTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(partitions)
    });
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(which.isolation_level())
        .with_topics(topics.collect())
}

/// Whether record batches hold nothing but control records from `from` on, and reach up to `end`.
///
/// A batch begins with its base offset (8 bytes), length (4), leader epoch (4), magic (1), checksum (4),
/// attributes (2, bit 5 for control batches) and the offset of its last record relative to the first (4).
fn batches_are_markers(mut records: &[u8], from: i64, end: i64) -> bool {
    const OVERHEAD: usize = 12;
    const CONTROL: u8 = 0x20;
    let mut next = from;
    while next < end {
        let number = |at: usize| -> Option<i32> {
            let bytes = records.get(at..at + 4)?;
            Some(i32::from_be_bytes(bytes.try_into().ok()?))
        };
        let base = records
            .get(..8)
            .and_then(|bytes| Some(i64::from_be_bytes(bytes.try_into().ok()?)));
        let (Some(base), Some(length), Some(last)) = (base, number(8), number(23)) else {
            return false;
        };
        let after = base + i64::from(last) + 1;
        if after > next {
            if records.get(22).is_none_or(|low| low & CONTROL == 0) {
                return false;
            }
            next = after;
        }
        let whole = usize::try_from(length).unwrap_or(usize::MAX);
        match records.get(OVERHEAD.saturating_add(whole)..) {
            Some(rest) => records = rest,
            None => return next >= end,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch of so many records from an offset on, without the records.
    fn batch(base: i64, records: i32, control: bool) -> Vec<u8> {
        let mut bytes = base.to_be_bytes().to_vec();
        bytes.extend(49_i32.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.push(2);
        bytes.extend([0; 4]);
        bytes.extend(if control { [0, 0x30] } else { [0, 0] });
        bytes.extend((records - 1).to_be_bytes());
        bytes.resize(61, 0);
        bytes
    }

    #[test]
    fn a_gap_is_of_markers_only_if_every_batch_in_it_is_one() {
        let markers = [batch(5, 1, true), batch(6, 1, true)].concat();
        assert!(batches_are_markers(&markers, 5, 7));
        assert!(!batches_are_markers(&markers, 5, 8));
        let data = [batch(5, 1, true), batch(6, 3, false)].concat();
        assert!(batches_are_markers(&data, 5, 6));
        assert!(!batches_are_markers(&data, 5, 7));
        // A batch that begins earlier does not count.
        let earlier = [batch(2, 3, false), batch(5, 1, true)].concat();
        assert!(batches_are_markers(&earlier, 5, 6));
        assert!(!batches_are_markers(&markers[..30], 5, 7));
        assert!(!batches_are_markers(&[], 5, 7));
    }
}
