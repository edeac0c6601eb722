//! Records into and out of topics.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewPartitions, NewTopic,
    ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::corpus::CorpusRecord;

/// A record as it is in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The key, if any.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// The headers in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Creates a topic and waits until clients see it; one that exists already is fine. Its records stay, however
/// old their timestamps say they are.
///
/// # Errors
/// When the broker refuses.
pub fn create_topic(bootstrap: &str, topic: &str, partitions: i32) -> Result<()> {
    create_topic_with(bootstrap, topic, partitions, &[("retention.ms", "-1")])
}

/// The same with configs.
///
/// # Errors
/// When the broker refuses.
pub fn create_topic_with(
    bootstrap: &str,
    topic: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> Result<()> {
    let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    for (name, value) in configs {
        new = new.set(name, value);
    }
    create(bootstrap, std::slice::from_ref(&new))
}

/// Creates topics with their numbers of partitions, all in one call.
///
/// # Errors
/// When the broker refuses one.
pub fn create_topics(bootstrap: &str, topics: &[(String, i32)]) -> Result<()> {
    let all: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|(name, partitions)| NewTopic::new(name, *partitions, TopicReplication::Fixed(1)))
        .collect();
    create(bootstrap, &all)
}

/// Creates a topic of one partition on that node of a cluster.
///
/// # Errors
/// When the broker refuses.
pub fn create_topic_on(bootstrap: &str, topic: &str, node: i32) -> Result<()> {
    let replicas: &[&[i32]] = &[&[node]];
    create(
        bootstrap,
        &[NewTopic::new(
            topic,
            1,
            TopicReplication::Variable(replicas),
        )],
    )
}

fn create(bootstrap: &str, new: &[NewTopic<'_>]) -> Result<()> {
    let options = admin_options();
    for result in administer(bootstrap, async |admin| {
        admin.create_topics(new, &options).await
    })? {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => bail!("topic {name}: {code}"),
        }
    }
    Ok(())
}

/// Grows a topic to so many partitions.
///
/// # Errors
/// When the broker refuses.
pub fn grow_topic(bootstrap: &str, topic: &str, partitions: usize) -> Result<()> {
    let new = NewPartitions::new(topic, partitions);
    let options = admin_options();
    for result in administer(bootstrap, async |admin| {
        admin.create_partitions([&new], &options).await
    })? {
        result.map_err(|(name, code)| anyhow::anyhow!("topic {name}: {code}"))?;
    }
    Ok(())
}

/// Sets a config of a topic; its others go back to their defaults.
///
/// # Errors
/// When the broker refuses.
pub fn set_topic_config(bootstrap: &str, topic: &str, name: &str, value: &str) -> Result<()> {
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(name, value);
    let options = admin_options();
    for result in administer(bootstrap, async |admin| {
        admin.alter_configs([&change], &options).await
    })? {
        result.map_err(|(_, code)| anyhow::anyhow!("topic {topic}: {code}"))?;
    }
    Ok(())
}

/// The configs of a topic that are not the broker's defaults.
///
/// # Errors
/// When the topic does not exist or the broker does not answer.
pub fn topic_configs(bootstrap: &str, topic: &str) -> Result<BTreeMap<String, String>> {
    let of = ResourceSpecifier::Topic(topic);
    let options = admin_options();
    let found = administer(bootstrap, async |admin| {
        admin.describe_configs([&of], &options).await
    })?;
    let mut configs = BTreeMap::new();
    for resource in found {
        let resource = resource.map_err(|code| anyhow::anyhow!("topic {topic}: {code}"))?;
        for entry in resource.entries {
            if entry.source == ConfigSource::DynamicTopic {
                configs.insert(entry.name, entry.value.unwrap_or_default());
            }
        }
    }
    Ok(configs)
}

/// How many partitions a topic has; `None` if there is no such topic.
///
/// # Errors
/// When the broker does not answer.
pub fn partition_count(bootstrap: &str, topic: &str) -> Result<Option<usize>> {
    let consumer: BaseConsumer = config(bootstrap).create()?;
    let metadata = consumer.fetch_metadata(None, Duration::from_secs(20))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    Ok(found.map(|found| found.partitions().len()))
}

fn admin_options() -> AdminOptions {
    AdminOptions::new()
        .operation_timeout(Some(Duration::from_secs(20)))
        .request_timeout(Some(Duration::from_secs(20)))
}

fn administer<T>(
    bootstrap: &str,
    call: impl AsyncFnOnce(&AdminClient<DefaultClientContext>) -> KafkaResult<T>,
) -> Result<T> {
    let admin: AdminClient<DefaultClientContext> = config(bootstrap).create()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(call(&admin))?)
}

/// Writes records and waits until the broker has them all.
///
/// # Errors
/// When one is refused or not acknowledged within 60 s.
pub fn produce<'a>(
    bootstrap: &str,
    topic: &str,
    records: impl IntoIterator<Item = (Option<&'a [u8]>, Option<&'a [u8]>)>,
) -> Result<()> {
    let producer: BaseProducer = config(bootstrap)
        .set("acks", "all")
        .set("linger.ms", "5")
        .set("message.max.bytes", "20000000")
        .create()?;
    let records = records.into_iter().map(|(key, value)| (key, value, None));
    send_all(&producer, topic, records)
}

/// Writes records with their headers and timestamps of 2023 and waits until all are acknowledged.
///
/// # Errors
/// When the broker does not take one.
pub fn produce_corpus(bootstrap: &str, topic: &str, records: &[CorpusRecord]) -> Result<()> {
    let producer: BaseProducer = config(bootstrap).set("acks", "all").create()?;
    let records = records.iter().map(|record| {
        let headers = record
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header {
                    key,
                    value: value.as_ref(),
                })
            });
        (
            record.key.as_deref(),
            record.value.as_deref(),
            Some(headers),
        )
    });
    send_all(&producer, topic, records)
}

fn send_all<'a>(
    producer: &BaseProducer,
    topic: &str,
    records: impl Iterator<Item = (Option<&'a [u8]>, Option<&'a [u8]>, Option<OwnedHeaders>)>,
) -> Result<()> {
    /// The corpus is the same in every run, its times too.
    const TIMESTAMP: i64 = 1_700_000_000_000;
    for (key, value, headers) in records {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic);
        record.key = key;
        record.payload = value;
        record.timestamp = headers.is_some().then_some(TIMESTAMP);
        record.headers = headers;
        while let Err((error, back)) = producer.send(record) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(error).context("produce");
            }
            producer.poll(Duration::from_millis(100));
            record = back;
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(Duration::from_secs(60)).context("flush")
}

/// Reads everything that is in a topic now, transactions that were not committed left out.
///
/// # Errors
/// When the topic does not exist or cannot be read to its end within 60 s.
pub fn consume_all(bootstrap: &str, topic: &str) -> Result<Vec<Record>> {
    let mut records = read_all(bootstrap, topic, record_of)?;
    records.sort_by_key(|record| (record.partition, record.offset));
    Ok(records)
}

/// The same with the time of each record, in milliseconds since the epoch.
///
/// # Errors
/// When the topic does not exist or cannot be read to its end within 60 s.
pub fn consume_all_with_times(bootstrap: &str, topic: &str) -> Result<Vec<(Record, Option<i64>)>> {
    let mut records = read_all(bootstrap, topic, |message| {
        (record_of(message), message.timestamp().to_millis())
    })?;
    records.sort_by_key(|(record, _)| (record.partition, record.offset));
    Ok(records)
}

fn record_of(message: &BorrowedMessage<'_>) -> Record {
    Record {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: message
            .headers()
            .into_iter()
            .flat_map(Headers::iter)
            .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
            .collect(),
    }
}

fn read_all<T>(
    bootstrap: &str,
    topic: &str,
    of: impl Fn(&BorrowedMessage<'_>) -> T,
) -> Result<Vec<T>> {
    let consumer: BaseConsumer = config(bootstrap)
        .set("group.id", "sluice-tests-reader")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .create()?;
    let timeout = Duration::from_secs(20);
    let metadata = consumer.fetch_metadata(Some(topic), timeout)?;
    let found = metadata.topics().first().context("no metadata")?;
    if let Some(error) = found.error() {
        bail!("topic {topic}: {:?}", RDKafkaErrorCode::from(error));
    }
    let mut list = TopicPartitionList::new();
    for partition in found.partitions() {
        list.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    let mut open = found.partitions().len();
    consumer.assign(&list)?;
    let mut records = Vec::new();
    let end = Instant::now() + Duration::from_secs(60);
    while open > 0 {
        if Instant::now() > end {
            bail!("topic {topic}: {open} partitions not read to their end");
        }
        match consumer.poll(Duration::from_millis(200)) {
            None => {}
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => return Err(error).context("consume"),
            Some(Ok(message)) => records.push(of(&message)),
        }
    }
    Ok(records)
}

/// Reads as a member of a consumer group until `count` records came or nothing came for five seconds,
/// commits, and leaves.
///
/// # Errors
/// When the broker refuses, or offsets cannot be committed.
pub fn consume_as_group(
    bootstrap: &str,
    group: &str,
    topic: &str,
    count: usize,
) -> Result<Vec<Record>> {
    const QUIET: Duration = Duration::from_secs(5);
    let consumer: BaseConsumer = config(bootstrap)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .create()?;
    consumer.subscribe(&[topic])?;
    let mut records = Vec::new();
    let end = Instant::now() + Duration::from_secs(60);
    let mut last = Instant::now() + Duration::from_secs(20);
    while records.len() < count && last.elapsed() < QUIET && Instant::now() < end {
        match consumer.poll(Duration::from_millis(200)) {
            None => {}
            Some(Err(error)) => return Err(error).context("consume as a group"),
            Some(Ok(message)) => {
                consumer.store_offset_from_message(&message)?;
                records.push(record_of(&message));
                last = Instant::now();
            }
        }
    }
    if !records.is_empty() {
        consumer.commit_consumer_state(CommitMode::Sync)?;
    }
    consumer.unsubscribe();
    Ok(records)
}

/// The offsets that a group has committed in a topic, by partition.
///
/// # Errors
/// When the topic does not exist or the broker does not answer.
pub fn committed(bootstrap: &str, group: &str, topic: &str) -> Result<BTreeMap<i32, i64>> {
    let timeout = Duration::from_secs(20);
    let consumer: BaseConsumer = config(bootstrap).set("group.id", group).create()?;
    let partitions = partition_count(bootstrap, topic)?.context("no such topic")?;
    let mut list = TopicPartitionList::new();
    for partition in 0..i32::try_from(partitions)? {
        list.add_partition(topic, partition);
    }
    Ok(consumer
        .committed_offsets(list, timeout)?
        .elements()
        .iter()
        .filter_map(|element| Some((element.partition(), element.offset().to_raw()?)))
        .filter(|(_, offset)| *offset >= 0)
        .collect())
}

/// The names of all topics whose name begins with `prefix`.
///
/// # Errors
/// When the broker does not answer.
pub fn topics_beginning_with(bootstrap: &str, prefix: &str) -> Result<Vec<String>> {
    let consumer: BaseConsumer = config(bootstrap).create()?;
    let metadata = consumer.fetch_metadata(None, Duration::from_secs(20))?;
    let names = metadata
        .topics()
        .iter()
        .map(|topic| topic.name().to_owned());
    Ok(names.filter(|name| name.starts_with(prefix)).collect())
}

/// The names of all groups, of any protocol type, whose name begins with `prefix`.
///
/// # Errors
/// When the broker does not answer.
pub fn groups_beginning_with(bootstrap: &str, prefix: &str) -> Result<Vec<String>> {
    let consumer: BaseConsumer = config(bootstrap).create()?;
    let list = consumer.fetch_group_list(None, Duration::from_secs(20))?;
    let names = list.groups().iter().map(|group| group.name().to_owned());
    Ok(names.filter(|name| name.starts_with(prefix)).collect())
}

/// How many records of a topic its consumer group has not committed yet.
///
/// # Errors
/// When the topic does not exist or the broker does not answer.
pub fn group_lag(bootstrap: &str, group: &str, topic: &str) -> Result<i64> {
    let timeout = Duration::from_secs(20);
    let consumer: BaseConsumer = config(bootstrap).set("group.id", group).create()?;
    let metadata = consumer.fetch_metadata(Some(topic), timeout)?;
    let found = metadata.topics().first().context("no metadata")?;
    let mut list = TopicPartitionList::new();
    for partition in found.partitions() {
        list.add_partition(topic, partition.id());
    }
    let mut lag = 0;
    for committed in consumer.committed_offsets(list, timeout)?.elements() {
        let (first, end) = consumer.fetch_watermarks(topic, committed.partition(), timeout)?;
        lag += end
            - committed
                .offset()
                .to_raw()
                .filter(|at| *at >= 0)
                .unwrap_or(first);
    }
    Ok(lag)
}

fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}
