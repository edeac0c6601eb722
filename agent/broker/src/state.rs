//! What the broker holds, on the writer's side: topics, partitions, transactions; and the picture of it for
//! readers.

mod topics;
mod transactions;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use base64::Engine as _;
use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

use crate::codec::{Reader, Writer};
use crate::log::partition::PartitionLog;
use crate::log::producer::ProducerEntry;
use crate::log::view::{Aborted, PartitionView, Segment};
use crate::store::keys::{self, PartitionId, tag};
use crate::store::{Changed, Commit, Store, StoreError};
use crate::topic_config::TopicSettings;

pub(crate) use topics::{NewTopic, TopicError, is_internal, legal_name};
pub(crate) use transactions::{InitError, Transaction, TxnError, TxnStatus};

/// Ids are reserved in blocks, so that not every new one costs a write.
const ID_BLOCK: u64 = 1000;

/// A topic as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicRecord {
    pub(crate) id: Uuid,
    pub(crate) configs: BTreeMap<String, String>,
    pub(crate) partitions: Vec<PartitionId>,
}

/// A topic for readers.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(crate) configs: BTreeMap<String, String>,
    pub(crate) settings: TopicSettings,
    pub(crate) partitions: Vec<Arc<PartitionView>>,
}

impl Topic {
    /// The partition with this number.
    pub(crate) fn partition(&self, index: i32) -> Option<&Arc<PartitionView>> {
        self.partitions.get(usize::try_from(index).ok()?)
    }
}

/// All topics for readers.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    pub(crate) by_name: BTreeMap<String, Arc<Topic>>,
    pub(crate) by_id: HashMap<Uuid, Arc<Topic>>,
}

/// What connections see of the state.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    topics: RwLock<Arc<Topics>>,
    /// Offsets that open transactions hold back: group to topic and partition.
    pub(crate) unstable: Mutex<HashMap<String, BTreeSet<(String, i32)>>>,
}

impl Shared {
    /// All topics as of the last commit.
    pub(crate) fn topics(&self) -> Arc<Topics> {
        Arc::clone(&self.topics.read())
    }

    /// The topic of this name as of the last commit.
    pub(crate) fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.read().by_name.get(name).cloned()
    }
}

/// An offset that a group has committed for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    pub(crate) offset: i64,
    /// -1 if the client did not say.
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
    /// When it was committed, in milliseconds since 1970.
    pub(crate) timestamp: i64,
}

impl OffsetEntry {
    pub(crate) fn encode(&self) -> Vec<u8> {
        Writer::new(0)
            .i64(self.offset)
            .i32(self.leader_epoch)
            .text(&self.metadata)
            .i64(self.timestamp)
            .finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes, 0)?;
        Some(Self {
            offset: reader.i64()?,
            leader_epoch: reader.i32()?,
            metadata: reader.text()?,
            timestamp: reader.i64()?,
        })
    }
}

/// All that the writer decides on. Only its thread has it, so no part of it is locked.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) cluster_id: String,
    pub(crate) topics: BTreeMap<String, TopicRecord>,
    pub(crate) partitions: HashMap<PartitionId, PartitionLog>,
    /// Topic and number of each partition.
    pub(crate) owners: HashMap<PartitionId, (Arc<str>, i32)>,
    pub(crate) transactions: BTreeMap<String, Transaction>,
    /// Producer id to transactional id.
    transactional: HashMap<i64, String>,
    transactions_changed: bool,
    partition_ids: Ids,
    producer_ids: Ids,
    views: HashMap<PartitionId, Arc<PartitionView>>,
    shared: Arc<Shared>,
    batch_bytes: usize,
}

/// Numbers that are given out once.
#[derive(Debug)]
struct Ids {
    name: &'static str,
    next: u64,
    reserved: u64,
}

impl Ids {
    fn load(store: &Store, name: &'static str) -> Result<Self, StoreError> {
        let next = match store.get(&keys::named(tag::CLUSTER, name))? {
            None => 0,
            Some(bytes) => Reader::new(&bytes, 0)
                .and_then(|mut reader| reader.u64())
                .ok_or(StoreError::Damaged("ids"))?,
        };
        Ok(Self {
            name,
            next,
            reserved: next,
        })
    }

    fn take(&mut self, commit: &mut Commit) -> u64 {
        if self.next == self.reserved {
            self.reserved += ID_BLOCK;
            commit.put(
                keys::named(tag::CLUSTER, self.name),
                Writer::new(0).u64(self.reserved).finish(),
            );
        }
        self.next += 1;
        self.next - 1
    }
}

impl State {
    /// Reads the state of a store; a new store gets a cluster id.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn load(
        store: &Store,
        shared: Arc<Shared>,
        batch_bytes: usize,
    ) -> Result<Self, StoreError> {
        let mut state = Self {
            cluster_id: cluster_id(store)?,
            topics: BTreeMap::new(),
            partitions: HashMap::new(),
            owners: HashMap::new(),
            transactions: BTreeMap::new(),
            transactional: HashMap::new(),
            transactions_changed: true,
            partition_ids: Ids::load(store, "partition-ids")?,
            producer_ids: Ids::load(store, "producer-ids")?,
            views: HashMap::new(),
            shared,
            batch_bytes,
        };
        for (key, value) in store.prefix(&[tag::TOPIC])? {
            let topic = keys::parse_named(&key)
                .zip(TopicRecord::decode(&value))
                .ok_or(StoreError::Damaged("topic"))?;
            state.topics.insert(topic.0, topic.1);
        }
        state.load_partitions(store)?;
        for (key, value) in store.prefix(&[tag::TRANSACTION])? {
            let (id, transaction) = keys::parse_named(&key)
                .zip(Transaction::decode(&value))
                .ok_or(StoreError::Damaged("transaction"))?;
            state
                .transactional
                .insert(transaction.producer_id, id.clone());
            state.transactions.insert(id, transaction);
        }
        Ok(state)
    }

    fn load_partitions(&mut self, store: &Store) -> Result<(), StoreError> {
        let mut segments: HashMap<PartitionId, Vec<Segment>> = HashMap::new();
        for (key, value) in store.prefix(&[tag::SEGMENT])? {
            let (id, segment) = keys::parse_in_partition(&key)
                .and_then(|(id, base)| Some((id, Segment::decode(base, &value)?)))
                .ok_or(StoreError::Damaged("segment"))?;
            segments.entry(id).or_default().push(segment);
        }
        let mut producers: HashMap<PartitionId, BTreeMap<i64, ProducerEntry>> = HashMap::new();
        for (key, value) in store.prefix(&[tag::PRODUCER])? {
            let (id, producer, entry) = keys::parse_in_partition(&key)
                .and_then(|(id, producer)| Some((id, producer, ProducerEntry::decode(&value)?)))
                .ok_or(StoreError::Damaged("producer"))?;
            producers.entry(id).or_default().insert(producer, entry);
        }
        let mut aborted: HashMap<PartitionId, Vec<Aborted>> = HashMap::new();
        for (key, value) in store.prefix(&[tag::ABORTED])? {
            let (id, transaction) = keys::parse_in_partition(&key)
                .and_then(|(id, last)| Some((id, Aborted::decode(last, &value)?)))
                .ok_or(StoreError::Damaged("aborted transaction"))?;
            aborted.entry(id).or_default().push(transaction);
        }
        for (name, topic) in &self.topics {
            let name: Arc<str> = Arc::from(name.as_str());
            for (index, id) in (0..).zip(&topic.partitions) {
                let bytes = store
                    .get(&keys::partition(tag::PARTITION, *id))?
                    .ok_or(StoreError::Damaged("partition"))?;
                let log = PartitionLog::decode(
                    *id,
                    &bytes,
                    segments.remove(id).unwrap_or_default(),
                    producers.remove(id).unwrap_or_default(),
                    aborted.remove(id).unwrap_or_default(),
                )
                .ok_or(StoreError::Damaged("partition"))?;
                self.partitions.insert(*id, log);
                self.owners.insert(*id, (Arc::clone(&name), index));
            }
        }
        Ok(())
    }

    /// Reads everything again; the readers' side of partitions that are still there stays.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn reload(&mut self, store: &Store) -> Result<(), StoreError> {
        let fresh = Self::load(store, Arc::clone(&self.shared), self.batch_bytes)?;
        let views = std::mem::take(&mut self.views);
        *self = fresh;
        self.views = views;
        self.views.retain(|id, _| self.partitions.contains_key(id));
        Ok(())
    }

    /// Puts what jobs changed into the commit.
    pub(crate) fn store_changes(&mut self, commit: &mut Commit) {
        for id in commit.changed.partitions.clone() {
            let Some(log) = self.partitions.get_mut(&id) else {
                continue;
            };
            commit.put(keys::partition(tag::PARTITION, id), log.encode());
            let changes = std::mem::take(&mut log.changes);
            for (base, segment) in changes.segments {
                let key = keys::in_partition(tag::SEGMENT, id, base);
                match segment {
                    Some(segment) => commit.put(key, segment.encode()),
                    None => commit.remove(key),
                }
            }
            for producer in changes.producers {
                let key = keys::in_partition(tag::PRODUCER, id, producer);
                match log.producer(producer) {
                    Some(entry) => commit.put(key, entry.encode()),
                    None => commit.remove(key),
                }
            }
            for (last, aborted) in changes.aborted {
                let key = keys::in_partition(tag::ABORTED, id, last);
                match aborted {
                    Some(aborted) => commit.put(key, aborted.encode()),
                    None => commit.remove(key),
                }
            }
        }
    }

    /// Shows readers what was committed.
    pub(crate) fn publish(&mut self, changed: &Changed) {
        for id in &changed.partitions {
            let (Some(log), Some(view)) = (self.partitions.get(id), self.views.get(id)) else {
                continue;
            };
            let bytes = changed
                .appended
                .iter()
                .filter(|(partition, _)| partition == id)
                .map(|(_, bytes)| bytes)
                .sum();
            view.publish(log.publish(), bytes);
        }
        if changed.topics {
            self.publish_topics();
        }
        if std::mem::take(&mut self.transactions_changed) {
            self.publish_unstable();
        }
    }

    /// Shows readers everything, after it was read from the store.
    pub(crate) fn publish_all(&mut self) {
        for (id, log) in &self.partitions {
            if let Some(view) = self.views.get(id) {
                view.publish(log.publish(), 0);
            }
        }
        self.publish_topics();
        self.publish_unstable();
    }

    fn publish_topics(&mut self) {
        let before = self.shared.topics();
        let mut topics = Topics::default();
        for (name, record) in &self.topics {
            let same = before.by_name.get(name).filter(|topic| {
                topic.id == record.id
                    && topic.configs == record.configs
                    && topic.partitions.len() == record.partitions.len()
            });
            let topic = match same {
                Some(topic) => Arc::clone(topic),
                None => Arc::new(Topic {
                    name: name.clone(),
                    id: record.id,
                    settings: TopicSettings::new(&record.configs, self.batch_bytes),
                    configs: record.configs.clone(),
                    partitions: record
                        .partitions
                        .iter()
                        .filter_map(|id| {
                            let log = self.partitions.get(id)?;
                            let view = self.views.entry(*id).or_insert_with(|| {
                                Arc::new(PartitionView::new(*id, log.publish()))
                            });
                            Some(Arc::clone(view))
                        })
                        .collect(),
                }),
            };
            topics.by_id.insert(record.id, Arc::clone(&topic));
            topics.by_name.insert(name.clone(), topic);
        }
        self.views.retain(|id, _| self.partitions.contains_key(id));
        *self.shared.topics.write() = Arc::new(topics);
    }

    /// The partition with this number of a topic.
    pub(crate) fn partition_id(&self, topic: &str, index: i32) -> Option<PartitionId> {
        self.topics
            .get(topic)?
            .partitions
            .get(usize::try_from(index).ok()?)
            .copied()
    }

    /// A producer id nobody had before.
    pub(crate) fn new_producer_id(&mut self, commit: &mut Commit) -> i64 {
        i64::try_from(self.producer_ids.take(commit)).unwrap_or(i64::MAX)
    }
}

fn cluster_id(store: &Store) -> Result<String, StoreError> {
    let key = keys::named(tag::CLUSTER, "id");
    if let Some(bytes) = store.get(&key)? {
        return Reader::new(&bytes, 0)
            .and_then(|mut reader| reader.text())
            .ok_or(StoreError::Damaged("cluster id"));
    }
    // As Kafka's: a random UUID in URL-safe base64.
    let id = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Uuid::new_v4().as_bytes());
    store
        .state
        .insert(key, Writer::new(0).text(&id).finish())
        .map_err(StoreError::failed("write the cluster id"))?;
    Ok(id)
}
