//! Topics: made, grown, changed, deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::{State, TopicRecord};
use crate::codec::{Reader, Writer};
use crate::log::partition::PartitionLog;
use crate::store::keys::{self, tag};
use crate::store::{Commit, StoreError};

/// Why a topic is not made or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TopicError {
    /// There is a topic of this name: `TOPIC_ALREADY_EXISTS`.
    Exists,
    /// There is no such topic: `UNKNOWN_TOPIC_OR_PARTITION`.
    Unknown,
    /// `INVALID_PARTITIONS`: the text says why.
    Partitions(String),
    /// The disk is nearly full: `KAFKA_STORAGE_ERROR`.
    Full,
}

/// A topic to make; its name and configs were checked.
#[derive(Debug, Clone)]
pub(crate) struct NewTopic {
    pub(crate) name: String,
    pub(crate) partitions: usize,
    pub(crate) configs: BTreeMap<String, String>,
}

/// Whether a name follows Kafka's rules (`Topic.validate`).
pub(crate) fn legal_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 249
        && name != "."
        && name != ".."
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Whether answers say that a topic is Kafka's own.
pub(crate) fn is_internal(name: &str) -> bool {
    matches!(name, "__consumer_offsets" | "__transaction_state")
}

impl TopicRecord {
    pub(super) fn encode(&self) -> Vec<u8> {
        Writer::new(0)
            .uuid(self.id)
            .list(self.partitions.iter(), |writer, id| writer.u64(*id))
            .list(self.configs.iter(), |writer, (name, value)| {
                writer.text(name).text(value)
            })
            .finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes, 0)?;
        Some(Self {
            id: reader.uuid()?,
            partitions: reader.list(Reader::u64)?,
            configs: reader
                .list(|reader| Some((reader.text()?, reader.text()?)))?
                .into_iter()
                .collect(),
        })
    }
}

impl State {
    /// Makes a topic with empty partitions; gives its id.
    pub(crate) fn create_topic(
        &mut self,
        commit: &mut Commit,
        new: NewTopic,
    ) -> Result<Uuid, TopicError> {
        if self.topics.contains_key(&new.name) {
            return Err(TopicError::Exists);
        }
        commit
            .check_space()
            .map_err(|_: StoreError| TopicError::Full)?;
        let mut record = TopicRecord {
            id: Uuid::new_v4(),
            configs: new.configs,
            partitions: Vec::new(),
        };
        self.add_partitions(commit, &new.name, &mut record, new.partitions);
        let id = record.id;
        commit.put(keys::named(tag::TOPIC, &new.name), record.encode());
        self.topics.insert(new.name, record);
        commit.changed.topics = true;
        Ok(id)
    }

    fn add_partitions(
        &mut self,
        commit: &mut Commit,
        topic: &str,
        record: &mut TopicRecord,
        count: usize,
    ) {
        let name: Arc<str> = Arc::from(topic);
        for index in record.partitions.len()..count {
            let id = self.partition_ids.take(commit);
            self.partitions.insert(id, PartitionLog::new(id));
            let index = i32::try_from(index).unwrap_or(i32::MAX);
            self.owners.insert(id, (Arc::clone(&name), index));
            record.partitions.push(id);
            commit.changed.partitions.insert(id);
        }
    }

    /// Gives a topic more partitions: `count` in all.
    pub(crate) fn grow_topic(
        &mut self,
        commit: &mut Commit,
        name: &str,
        count: usize,
        validate_only: bool,
    ) -> Result<(), TopicError> {
        let mut record = self.topics.get(name).cloned().ok_or(TopicError::Unknown)?;
        let now = record.partitions.len();
        if count == now {
            return Err(TopicError::Partitions(format!(
                "Topic already has {now} partition(s)."
            )));
        }
        if count < now {
            return Err(TopicError::Partitions(format!(
                "The topic {name} currently has {now} partition(s); {count} would not be an increase."
            )));
        }
        if validate_only {
            return Ok(());
        }
        commit
            .check_space()
            .map_err(|_: StoreError| TopicError::Full)?;
        self.add_partitions(commit, name, &mut record, count);
        commit.put(keys::named(tag::TOPIC, name), record.encode());
        self.topics.insert(name.to_owned(), record);
        commit.changed.topics = true;
        Ok(())
    }

    /// Gives a topic another configuration.
    pub(crate) fn configure_topic(
        &mut self,
        commit: &mut Commit,
        name: &str,
        configs: BTreeMap<String, String>,
    ) -> Result<(), TopicError> {
        let record = self.topics.get_mut(name).ok_or(TopicError::Unknown)?;
        record.configs = configs;
        commit.put(keys::named(tag::TOPIC, name), record.encode());
        commit.changed.topics = true;
        Ok(())
    }

    /// Deletes a topic at once; its batches are removed later.
    pub(crate) fn delete_topic(
        &mut self,
        commit: &mut Commit,
        name: &str,
    ) -> Result<Uuid, TopicError> {
        let record = self.topics.remove(name).ok_or(TopicError::Unknown)?;
        commit.remove(keys::named(tag::TOPIC, name));
        for id in record.partitions {
            let Some(log) = self.partitions.remove(&id) else {
                continue;
            };
            self.owners.remove(&id);
            commit.changed.partitions.remove(&id);
            commit.put(keys::partition(tag::DELETED, id), Writer::new(0).finish());
            commit.remove(keys::partition(tag::PARTITION, id));
            // What an earlier job of this commit wrote is removed with the rest of the partition.
            for (producer, _) in log.producers() {
                commit.remove(keys::in_partition(tag::PRODUCER, id, producer));
            }
            let published = log.publish();
            for segment in published.closed.iter() {
                commit.remove(keys::in_partition(tag::SEGMENT, id, segment.base_offset));
            }
            for aborted in published.aborted.iter() {
                commit.remove(keys::in_partition(tag::ABORTED, id, aborted.last_offset));
            }
        }
        Self::forget_offsets(commit, name);
        commit.changed.topics = true;
        Ok(record.id)
    }

    /// Removes what groups have committed for a topic that is gone.
    fn forget_offsets(commit: &mut Commit, topic: &str) {
        match commit.store().prefix(&[tag::OFFSET]) {
            Ok(offsets) => {
                for (key, _) in offsets {
                    if keys::parse_offset(&key).is_some_and(|(_, named, _)| named == topic) {
                        commit.remove(key.to_vec());
                    }
                }
            }
            // They do no harm but for a topic of the same name.
            Err(error) => tracing::warn!(%error, topic, "offsets of a deleted topic stay"),
        }
    }
}
