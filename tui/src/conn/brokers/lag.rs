//! Lag of sinks: end offsets minus what their consumer group committed, and who reads which partition.
//!
//! All groups are asked about at once, and none is joined. What telemetry reports counts while all tasks of
//! a sink run; of those that do not, the lag grows unseen by their workers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use rdkafka::metadata::{Metadata, MetadataPartition};
use regex::Regex;
use sluice_kafka::admin::{Admin, AdminError, DescribedGroup, Offsets};
use sluice_kafka::types::TopicPartition;
use sluice_protocol::ConnectorName;

use super::{Shared, lock};
use crate::conn::now;
use crate::conn::rest::Sink;
use crate::model::cluster::PartitionLag;
use crate::model::news::Update;
use crate::text::Text;

/// Distance between looks at the same group.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Looks may take one part in this many of the brokers' time.
const SHARE: u32 = 10;
/// Telemetry this old does not count: a worker that runs a task reports each change of it within a second.
const REPORTED_FOR: Duration = Duration::from_secs(5);

/// What is kept between looks.
#[derive(Default)]
pub(super) struct LagWatch {
    looked: HashMap<String, Instant>,
    /// How long the last look took.
    took: Duration,
}

/// A sink with the partitions that it reads.
type Wanted<'a> = (&'a Sink, BTreeSet<TopicPartition>);

/// What the brokers say of groups and partitions.
#[derive(Default)]
struct Answers {
    committed: BTreeMap<String, Offsets>,
    members: BTreeMap<String, DescribedGroup>,
    ends: BTreeMap<TopicPartition, i64>,
    /// First offsets, of partitions that a sink reads from their start and has not committed.
    starts: BTreeMap<TopicPartition, i64>,
}

impl LagWatch {
    /// Looks at the groups whose turn it is.
    pub(super) fn look(&mut self, shared: &Shared, metadata: &Metadata) {
        let reports = self.collect(shared, metadata);
        if !reports.is_empty() {
            shared.feed.send_blocking(Update::Lag {
                at: now(),
                partitions: reports,
            });
        }
    }

    /// What the groups whose turn it is committed.
    pub(super) fn collect(&mut self, shared: &Shared, metadata: &Metadata) -> Vec<PartitionLag> {
        let Some(admin) = shared.admin() else {
            return Vec::new();
        };
        let known = shared.known.borrow().clone();
        let began = Instant::now();
        let is_due = |sink: &&Sink| {
            let looked = self.looked.get(&sink.group);
            looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY.max(self.took * SHARE))
        };
        let due = known.sinks.iter().filter(is_due);
        let due = due.filter(|sink| !is_reported(shared, &sink.connector));
        let wanted: Vec<Wanted<'_>> = due
            .map(|sink| (sink, places(sink, metadata)))
            .filter(|(_, places)| !places.is_empty())
            .collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        let answers = shared.runtime.block_on(ask(admin, &wanted));
        let answers = answers.unwrap_or_else(|error| {
            tracing::debug!(%error, "the lag of sinks is not known");
            Answers::default()
        });
        let mut reports = Vec::new();
        for (sink, places) in &wanted {
            if answers.committed.contains_key(&sink.group) {
                self.looked.insert(sink.group.clone(), Instant::now());
                reports.extend(answers.reports(sink, places));
            }
        }
        self.took = began.elapsed();
        let groups: BTreeSet<&String> = known.sinks.iter().map(|sink| &sink.group).collect();
        self.looked.retain(|group, _| groups.contains(group));
        reports
    }
}

/// Asks about all groups, and about the partitions of those that were answered.
async fn ask(admin: &Admin, wanted: &[Wanted<'_>]) -> Result<Answers, AdminError> {
    let groups: Vec<&str> = wanted.iter().map(|(sink, _)| &*sink.group).collect();
    let committed = admin.offsets_of_groups(&groups).await?;
    let members = admin.describe_groups(&groups).await?;
    let mut all = BTreeSet::new();
    let mut uncommitted = BTreeSet::new();
    for (sink, places) in wanted {
        let Some(committed) = committed.get(&sink.group) else {
            continue;
        };
        all.extend(places.iter().cloned());
        if sink.from_start {
            let unread = places.iter().filter(|place| !committed.contains_key(place));
            uncommitted.extend(unread.cloned());
        }
    }
    let list = |places: BTreeSet<TopicPartition>| places.into_iter().collect::<Vec<_>>();
    // Of partitions that can't be asked about the rest is shown all the same.
    Ok(Answers {
        ends: admin.stable_offsets(&list(all)).await.unwrap_or_default(),
        starts: admin
            .start_offsets(&list(uncommitted))
            .await
            .unwrap_or_default(),
        committed,
        members,
    })
}

impl Answers {
    fn reports<'a>(
        &'a self,
        sink: &'a Sink,
        places: &'a BTreeSet<TopicPartition>,
    ) -> impl Iterator<Item = PartitionLag> + 'a {
        let committed = self.committed.get(&sink.group);
        let owners = owners(self.members.get(&sink.group));
        places.iter().map(move |place| PartitionLag {
            connector: sink.connector.clone(),
            topic: Text::line(&place.topic),
            partition: place.partition,
            end: self.ends.get(place).copied(),
            committed: committed
                .and_then(|committed| committed.get(place))
                .map(|committed| committed.offset),
            start: self.starts.get(place).copied(),
            task: owners.get(place).copied(),
            slope: None,
            at: now(),
        })
    }
}

/// Which task reads which partition: members of a sink's group are named `connector-consumer-NAME-N`.
fn owners(group: Option<&DescribedGroup>) -> BTreeMap<&TopicPartition, u32> {
    let mut owners = BTreeMap::new();
    for member in group.into_iter().flat_map(|group| &group.members) {
        let task = member.client_id.rsplit('-').next();
        if let Some(task) = task.and_then(|n| n.parse().ok()) {
            owners.extend(member.partitions.iter().map(|of| (of, task)));
        }
    }
    owners
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
fn places(sink: &Sink, metadata: &Metadata) -> BTreeSet<TopicPartition> {
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
            let of = |p: &MetadataPartition| TopicPartition::new(topic.name(), p.id());
            topic.partitions().iter().map(of)
        })
        .collect()
}
