//! Follows the status and the config topic: read from the beginning to the end, then each change as it comes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::Message as _;
use rdkafka::consumer::Consumer;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};
use sluice_kafka::backoff::jittered;
use sluice_protocol::config_topic::ConfigRecord;
use sluice_protocol::status_topic::{StatusRecord, StatusValue};
use sluice_protocol::{ConnectorName, TargetState};

use super::consumer::{BrokerConsumer, LastFailure};
use super::topics::{Subjects, Topics};
use super::{Shared, TIMEOUT};
use crate::conn::now;
use crate::model::news::{StatusChange, Update};
use crate::text::Text;

/// Records of a topic larger than this are passed over; a trace is a few KiB.
const RECORD_CAP: usize = 4 << 20;
/// Pause before a topic that can't be followed yet is looked at again.
const RETRY: Duration = Duration::from_secs(3);
/// Longest look into topics that may turn out not to be ours.
const LOOK: Duration = Duration::from_secs(30);
/// States kept while a status topic is loaded; the newest of each key counts.
const STATES_CAP: usize = 500_000;

/// Assigns all partitions of a topic to a consumer of its own; returns how many there are, at least one.
/// `start` says where to begin, given that number.
pub(super) fn assign(
    shared: &Shared,
    topic: &str,
    start: impl Fn(usize) -> Offset,
) -> Option<(BrokerConsumer, usize)> {
    let consumer = shared.consumer(super::CLIENT_ID).ok()?;
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).ok()?;
    let partitions: Vec<i32> = metadata
        .topics()
        .first()?
        .partitions()
        .iter()
        .map(|p| p.id())
        .collect();
    if partitions.is_empty() {
        return None;
    }
    let mut list = TopicPartitionList::new();
    for partition in &partitions {
        list.add_partition_offset(topic, *partition, start(partitions.len()))
            .ok()?;
    }
    consumer.assign(&list).ok()?;
    Some((consumer, partitions.len()))
}

/// Reads from where the consumer was assigned to the end; false when it could not be read in `time`.
pub(super) fn read_to_end(
    shared: &Shared,
    consumer: &BrokerConsumer,
    partitions: usize,
    time: Duration,
    mut record: impl FnMut(&BorrowedMessage<'_>),
) -> bool {
    let until = Instant::now() + time;
    let mut ended = BTreeSet::new();
    while ended.len() < partitions {
        if shared.is_over() || Instant::now() > until {
            return false;
        }
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => record(&message),
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                ended.insert(partition);
            }
            // Brokers that do not answer are reported by the thread that looks at them.
            Some(Err(_)) | None => {}
        }
    }
    true
}

fn status_change(message: &BorrowedMessage<'_>, old: bool) -> Option<StatusChange> {
    if message.payload_len() > RECORD_CAP {
        return None;
    }
    let record = StatusRecord::decode(message.key(), message.payload()).ok()??;
    let (connector, task, status): (ConnectorName, Option<u32>, Option<StatusValue>) = match record
    {
        StatusRecord::Connector { connector, status } => (connector, None, status),
        StatusRecord::Task { id, status } => (id.connector, Some(id.task), status),
        StatusRecord::Topic { .. } => return None,
    };
    let at = message.timestamp().to_millis().unwrap_or_else(now);
    Some(match status {
        Some(status) => StatusChange {
            connector,
            task,
            state: Some(status.state),
            worker: Text::line(&status.worker_id),
            trace: status.trace,
            generation: Some(status.generation.get()).filter(|generation| *generation >= 0),
            version: status.version.as_deref().map(Text::line),
            at,
            old,
        },
        None => StatusChange {
            connector,
            task,
            state: None,
            worker: Text::default(),
            trace: None,
            generation: None,
            version: None,
            at,
            old,
        },
    })
}

/// What kind of records a topic may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// States: the status topic.
    Status,
    /// Configurations: the config topic.
    Config,
}

/// Connectors and workers that topics name, all of them read at once: there may be hundreds. What was
/// deleted does not count. A topic that could not be read to its end in time is left out.
pub(super) fn subjects(
    shared: &Shared,
    topics: &Topics,
    about: About,
) -> BTreeMap<String, Subjects> {
    // By topic, connector and task (none for the connector itself): the worker, or nothing.
    let mut found: BTreeMap<String, BTreeMap<(String, Option<u32>), String>> = BTreeMap::new();
    let ended = read_all(shared, topics, LOOK, |message| {
        let (key, worker) = match about {
            About::Status => {
                let Some(change) = status_change(message, true) else {
                    return;
                };
                let key = (change.connector.as_str().to_owned(), change.task);
                (key, change.state.map(|_| change.worker.to_string()))
            }
            About::Config => {
                let Some(ConfigRecord::Connector { connector, config }) = config_record(message)
                else {
                    return;
                };
                let key = (connector.as_str().to_owned(), None);
                (key, config.map(|_| String::new()))
            }
        };
        let of_topic = found.entry(message.topic().to_owned()).or_default();
        match worker {
            None => {
                of_topic.remove(&key);
            }
            Some(worker) if of_topic.len() < STATES_CAP => {
                of_topic.insert(key, worker);
            }
            Some(_) => {}
        }
    });
    let of_topic = |topic: String| {
        let records = found.remove(&topic).unwrap_or_default();
        let connectors = records.keys().map(|(connector, _)| connector.clone());
        let connectors: BTreeSet<String> = connectors.collect();
        let workers = records.into_values().filter(|worker| !worker.is_empty());
        (topic, (connectors, workers.collect()))
    };
    ended.into_iter().map(of_topic).collect()
}

/// Reads many topics from the beginning to the end with one client; answers those whose end was reached in
/// `time`.
fn read_all(
    shared: &Shared,
    topics: &Topics,
    time: Duration,
    mut record: impl FnMut(&BorrowedMessage<'_>),
) -> BTreeSet<String> {
    let until = Instant::now() + time;
    let nothing = BTreeSet::new();
    let Ok(consumer) = shared.consumer(super::CLIENT_ID).map(Arc::new) else {
        return nothing;
    };
    let mut list = TopicPartitionList::new();
    for (topic, partitions) in topics {
        for partition in partitions {
            if list
                .add_partition_offset(topic, *partition, Offset::Beginning)
                .is_err()
            {
                return nothing;
            }
        }
    }
    if list.count() == 0 || consumer.assign(&list).is_err() {
        return nothing;
    }
    // The end of a partition is reported without its topic, so each has a queue of its own.
    let mut open: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for (topic, partitions) in topics {
        let queues = partitions.iter();
        let queues = queues.map(|partition| consumer.split_partition_queue(topic, *partition));
        // One without a queue can't be seen to end.
        if let Some(queues) = queues.collect::<Option<Vec<_>>>().filter(|q| !q.is_empty()) {
            open.insert(topic, queues);
        }
    }
    let mut ended = BTreeSet::new();
    while !open.is_empty() && !shared.is_over() && Instant::now() < until {
        // Events and errors of the client; brokers that do not answer are reported by the thread that looks
        // at them.
        let _ = consumer.poll(Duration::from_millis(10));
        open.retain(|topic, queues| {
            queues.retain(|queue| !drained(queue, &mut record));
            if queues.is_empty() {
                ended.insert((*topic).to_owned());
            }
            !queues.is_empty()
        });
    }
    ended
}

/// Takes what waits in the queue of a partition; true at its end.
fn drained(
    queue: &PartitionQueue<LastFailure>,
    record: &mut impl FnMut(&BorrowedMessage<'_>),
) -> bool {
    while let Some(next) = queue.poll(Duration::ZERO) {
        match next {
            Ok(message) => record(&message),
            Err(KafkaError::PartitionEOF(_)) => return true,
            Err(_) => {}
        }
    }
    false
}

/// Follows the status topic until the cluster is left or the brokers come back.
pub(super) fn follow_status(shared: &Shared, topic: &str) {
    let birth = shared.birth();
    let Some((consumer, partitions)) =
        retry(shared, || assign(shared, topic, |_| Offset::Beginning))
    else {
        return;
    };
    let mut latest: BTreeMap<(String, Option<u32>), StatusChange> = BTreeMap::new();
    let complete = read_to_end(
        shared,
        &consumer,
        partitions,
        Duration::from_secs(600),
        |message| {
            if let Some(change) = status_change(message, true) {
                let key = (change.connector.as_str().to_owned(), change.task);
                if change.state.is_none() {
                    latest.remove(&key);
                } else if latest.len() < STATES_CAP || latest.contains_key(&key) {
                    latest.insert(key, change);
                }
            }
        },
    );
    if !complete {
        return;
    }
    shared
        .feed
        .send_blocking(Update::StatusBatch(latest.into_values().collect()));
    shared.status_followed.store(true, Ordering::Relaxed);
    while shared.is_current(birth) {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(500))
            && let Some(change) = status_change(&message, false)
        {
            shared.feed.send_blocking(Update::Status(change));
        }
    }
}

/// Follows the config topic, as the status topic: target states and configurations. Secrets in it stay in
/// memory, masked on the screen.
pub(super) fn follow_config(shared: &Shared, topic: &str) {
    let birth = shared.birth();
    let Some((consumer, partitions)) =
        retry(shared, || assign(shared, topic, |_| Offset::Beginning))
    else {
        return;
    };
    let mut targets: BTreeMap<ConnectorName, TargetState> = BTreeMap::new();
    let complete = read_to_end(
        shared,
        &consumer,
        partitions,
        Duration::from_secs(600),
        |message| {
            if let Some(ConfigRecord::TargetState { connector, state }) = config_record(message) {
                match state {
                    Some(state) => targets.insert(connector, state),
                    None => targets.remove(&connector),
                };
            }
        },
    );
    if !complete {
        return;
    }
    shared.feed.send_blocking(Update::Targets(targets));
    while shared.is_current(birth) {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(500)) else {
            continue;
        };
        let update = match config_record(&message) {
            Some(ConfigRecord::TargetState { connector, state }) => {
                Update::Target(connector, state)
            }
            Some(ConfigRecord::Connector { connector, config }) => {
                Update::Config(connector, config)
            }
            _ => continue,
        };
        shared.feed.send_blocking(update);
    }
}

fn config_record(message: &BorrowedMessage<'_>) -> Option<ConfigRecord> {
    if message.payload_len() > RECORD_CAP {
        return None;
    }
    ConfigRecord::decode(message.key(), message.payload())
        .ok()
        .flatten()
}

/// Tries until it works or the cluster is left.
pub(super) fn retry<T>(shared: &Shared, mut work: impl FnMut() -> Option<T>) -> Option<T> {
    while !shared.is_over() {
        if let Some(done) = work() {
            return Some(done);
        }
        shared.pause(jittered(RETRY));
    }
    None
}
