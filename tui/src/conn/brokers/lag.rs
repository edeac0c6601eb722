//! Lag of sinks: end offsets minus what their consumer group committed, and who reads which partition.
//!
//! All groups are asked about at once, see [`super::group_offsets`]. With security settings that only
//! librdkafka has, each group has a client of its own, since librdkafka asks for committed offsets under
//! the group id of the client. None joins a group. What telemetry reports counts while all tasks of a sink
//! run; of those that do not, the lag grows unseen by their workers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::metadata::Metadata;
use rdkafka::{Offset, TopicPartitionList};
use regex::Regex;
use sluice_protocol::ConnectorName;

use super::consumer::BrokerConsumer;
use super::group_offsets::{GroupLook, GroupOffsets};
use super::{Shared, TIMEOUT, lock};
use crate::conn::now;
use crate::conn::rest::Sink;
use crate::model::cluster::PartitionLag;
use crate::model::news::Update;
use crate::text::Text;

/// Distance between looks at the same group.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Time spent on groups in one turn, so that the rest is not kept waiting.
const TURN: Duration = Duration::from_secs(4);
/// Clients kept between looks; each has threads and connections.
const KEPT: usize = 8;
/// Looks may take one part in this many of the brokers' time.
const SHARE: u32 = 10;
/// Telemetry this old does not count: a worker that runs a task reports each change of it within a second.
const REPORTED_FOR: Duration = Duration::from_secs(5);

/// What is kept between looks.
#[derive(Default)]
pub(super) struct LagWatch {
    clients: HashMap<String, BrokerConsumer>,
    looked: HashMap<String, Instant>,
    /// How the brokers are asked for many groups at once; `Some(None)` when the client properties allow no
    /// such way.
    offsets: Option<Option<GroupOffsets>>,
    /// How long the last look took.
    took: Duration,
}

/// A partition of a topic.
pub(super) type Place = (String, i32);

impl LagWatch {
    /// Looks at the groups whose turn it is, those waiting longest first.
    pub(super) fn look(&mut self, shared: &Shared, consumer: &BrokerConsumer, metadata: &Metadata) {
        let reports = self.collect(shared, consumer, metadata, TURN);
        if !reports.is_empty() {
            shared.feed.send_blocking(Update::Lag {
                at: now(),
                partitions: reports,
            });
        }
    }

    /// What the groups whose turn it is committed, within `turn`.
    pub(super) fn collect(
        &mut self,
        shared: &Shared,
        consumer: &BrokerConsumer,
        metadata: &Metadata,
        turn: Duration,
    ) -> Vec<PartitionLag> {
        let known = shared.known.borrow().clone();
        let began = Instant::now();
        let mut due: Vec<&Sink> = known
            .sinks
            .iter()
            .filter(|sink| !is_reported(shared, &sink.connector))
            .filter(|sink| {
                self.looked
                    .get(&sink.group)
                    .is_none_or(|at| at.elapsed() >= LOOK_EVERY.max(self.took * SHARE))
            })
            .collect();
        due.sort_by_key(|sink| self.looked.get(&sink.group).copied());
        if due.is_empty() {
            return Vec::new();
        }
        let wanted: Vec<(&Sink, BTreeSet<Place>)> = due
            .into_iter()
            .map(|sink| (sink, places(sink, metadata)))
            .filter(|(_, places)| !places.is_empty())
            .collect();
        let groups: Vec<String> = wanted.iter().map(|(sink, _)| sink.group.clone()).collect();
        let offsets = self
            .offsets
            .get_or_insert_with(|| GroupOffsets::new(&shared.config, &shared.bootstrap));
        let looks = match offsets {
            Some(offsets) => shared.runtime.block_on(offsets.look(&groups)),
            None => self.one_by_one(shared, consumer, &wanted, turn),
        };
        for (sink, _) in wanted
            .iter()
            .filter(|(sink, _)| looks.contains_key(&sink.group))
        {
            self.looked.insert(sink.group.clone(), Instant::now());
        }
        let mut all = BTreeSet::new();
        let mut uncommitted = BTreeSet::new();
        for (sink, places) in &wanted {
            let Some(look) = looks.get(&sink.group) else {
                continue;
            };
            all.extend(places.iter());
            if sink.from_start {
                let unread = |place: &&Place| !look.committed.contains_key(*place);
                uncommitted.extend(places.iter().filter(unread));
            }
        }
        let ends = list_offsets(consumer, &all, Offset::End);
        let starts = list_offsets(consumer, &uncommitted, Offset::Beginning);
        let mut reports = Vec::new();
        for (sink, places) in &wanted {
            let Some(look) = looks.get(&sink.group) else {
                continue;
            };
            reports.extend(places.iter().map(|place| PartitionLag {
                connector: sink.connector.clone(),
                topic: Text::line(&place.0),
                partition: place.1,
                end: ends.get(place).copied().flatten(),
                committed: look.committed.get(place).copied(),
                start: starts.get(place).copied().flatten(),
                task: look.owners.get(place).copied(),
                slope: None,
                at: now(),
            }));
        }
        self.took = began.elapsed();
        let groups: BTreeSet<&String> = known.sinks.iter().map(|sink| &sink.group).collect();
        self.clients.retain(|group, _| groups.contains(group));
        self.looked.retain(|group, _| groups.contains(group));
        reports
    }

    /// For security settings only librdkafka has: a client for each group, one after the other within `turn`.
    fn one_by_one(
        &mut self,
        shared: &Shared,
        consumer: &BrokerConsumer,
        wanted: &[(&Sink, BTreeSet<Place>)],
        turn: Duration,
    ) -> BTreeMap<String, GroupLook> {
        let began = Instant::now();
        let mut looks = BTreeMap::new();
        for (sink, places) in wanted {
            if began.elapsed() > turn || shared.is_over() {
                break;
            }
            if let Some(committed) = self.committed(shared, &sink.group, places) {
                let owners = owners(consumer, sink);
                looks.insert(sink.group.clone(), GroupLook { committed, owners });
            }
        }
        looks
    }

    fn committed(
        &mut self,
        shared: &Shared,
        group: &str,
        places: &BTreeSet<Place>,
    ) -> Option<BTreeMap<Place, i64>> {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in places {
            list.add_partition(topic, *partition);
        }
        let kept = self.clients.remove(group);
        let client = match kept {
            Some(client) => client,
            None => shared.consumer(group).ok()?,
        };
        let answer = client.committed_offsets(list, TIMEOUT).ok();
        if self.clients.len() < KEPT {
            self.clients.insert(group.to_owned(), client);
        }
        let committed = answer?
            .elements()
            .iter()
            .filter_map(|element| match element.offset() {
                Offset::Offset(offset) => {
                    Some(((element.topic().to_owned(), element.partition()), offset))
                }
                _ => None,
            })
            .collect();
        Some(committed)
    }
}

fn is_reported(shared: &Shared, connector: &ConnectorName) -> bool {
    lock(&shared.reported)
        .get(connector.as_str())
        .is_some_and(|tasks| {
            let fresh = |(has_lag, at): &(bool, Instant)| *has_lag && at.elapsed() < REPORTED_FOR;
            !tasks.is_empty() && tasks.values().all(fresh)
        })
}

/// All partitions of the topics a sink reads.
fn places(sink: &Sink, metadata: &Metadata) -> BTreeSet<Place> {
    let pattern = sink.topics_regex.as_ref().and_then(|regex| {
        // Java matches the whole name.
        Regex::new(&format!("^(?:{regex})$")).ok()
    });
    metadata
        .topics()
        .iter()
        .filter(|topic| {
            sink.topics.iter().any(|name| name == topic.name())
                || pattern
                    .as_ref()
                    .is_some_and(|pattern| pattern.is_match(topic.name()))
        })
        .flat_map(|topic| {
            topic
                .partitions()
                .iter()
                .map(|p| (topic.name().to_owned(), p.id()))
        })
        .collect()
}

/// First or end offsets of many partitions, in one request to each broker.
fn list_offsets(
    consumer: &BrokerConsumer,
    places: &BTreeSet<&Place>,
    which: Offset,
) -> BTreeMap<Place, Option<i64>> {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in places {
        // In ListOffsets -1 asks for the end and -2 for the start; the binding writes them from these.
        if list.add_partition_offset(topic, *partition, which).is_err() {
            return BTreeMap::new();
        }
    }
    if places.is_empty() {
        return BTreeMap::new();
    }
    let Ok(found) = consumer.offsets_for_times(list, TIMEOUT) else {
        return BTreeMap::new();
    };
    found
        .elements()
        .iter()
        .map(|element| {
            let offset = match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
            ((element.topic().to_owned(), element.partition()), offset)
        })
        .collect()
}

/// Which task reads which partition: members of a sink's group are named `connector-consumer-NAME-N`.
fn owners(consumer: &BrokerConsumer, sink: &Sink) -> BTreeMap<Place, u32> {
    let Ok(list) = consumer.fetch_group_list(Some(&sink.group), TIMEOUT) else {
        return BTreeMap::new();
    };
    let mut owners = BTreeMap::new();
    for member in list.groups().iter().flat_map(|group| group.members()) {
        own(&mut owners, member.client_id(), member.assignment());
    }
    owners
}

/// Takes over what one member of a sink's group is assigned.
pub(super) fn own(owners: &mut BTreeMap<Place, u32>, client: &str, assignment: Option<&[u8]>) {
    let Some(task) = client.rsplit('-').next().and_then(|n| n.parse().ok()) else {
        return;
    };
    for place in assignment.and_then(assigned).unwrap_or_default() {
        owners.insert(place, task);
    }
}

/// Reads an assignment of the consumer protocol: version, then topics with their partitions.
fn assigned(bytes: &[u8]) -> Option<Vec<Place>> {
    let mut reader = Reader(bytes);
    reader.i16()?;
    let mut places = Vec::new();
    for _ in 0..reader.i32()? {
        let length = usize::try_from(reader.i16()?).ok()?;
        let topic = std::str::from_utf8(reader.take(length)?).ok()?.to_owned();
        for _ in 0..reader.i32()? {
            places.push((topic.clone(), reader.i32()?));
        }
    }
    Some(places)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn i16(&mut self) -> Option<i16> {
        self.take(2)?.try_into().ok().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.take(4)?.try_into().ok().map(i32::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_read_and_a_broken_one_is_refused() {
        let mut bytes = vec![0, 1, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2];
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 4]);
        let places = assigned(&bytes).unwrap();
        assert_eq!(places, [("t".to_owned(), 0), ("t".to_owned(), 4)]);
        for cut in 0..bytes.len() {
            assert_eq!(assigned(&bytes[..cut]), None);
        }
        assert_eq!(assigned(&[0, 1, 0x7f, 0xff, 0xff, 0xff]), None);
    }
}
