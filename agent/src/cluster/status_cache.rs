//! What records of the status topic mean, and which reports may be written.

use std::collections::{BTreeMap, HashMap};

use sluice_protocol::status_topic::{StatusKey, StatusRecord, StatusValue, TopicStatus};
use sluice_protocol::{ConnectorName, ConnectorTaskId, State, TopicName};

/// The last states read of all connectors and tasks, and the topics that connectors use.
#[derive(Default)]
pub(crate) struct StatusCache {
    connectors: BTreeMap<ConnectorName, StatusValue>,
    tasks: HashMap<ConnectorName, BTreeMap<u32, StatusValue>>,
    topics: HashMap<ConnectorName, BTreeMap<TopicName, TopicStatus>>,
}

impl StatusCache {
    pub(crate) fn feed(&mut self, record: StatusRecord) {
        match record {
            StatusRecord::Connector {
                connector,
                status: Some(status),
            } => {
                // After an outage the word of the worker that gave the connector up may arrive
                // behind that of its next one. The JVM has no such rule for connectors and then
                // shows UNASSIGNED until the next change.
                let outdated = status.state == State::Unassigned
                    && self.connectors.get(&connector).is_some_and(|known| {
                        known.state == State::Running && known.generation > status.generation
                    });
                if !outdated {
                    self.connectors.insert(connector, status);
                }
            }
            StatusRecord::Connector {
                connector,
                status: None,
            } => {
                self.connectors.remove(&connector);
                self.tasks.remove(&connector);
            }
            StatusRecord::Task {
                id,
                status: Some(status),
            } => {
                // A late word of the worker that gave the task up says nothing about the one that
                // runs it now.
                let outdated = status.state == State::Unassigned
                    && self.task(&id).is_some_and(|known| {
                        known.state == State::Running && known.generation >= status.generation
                    });
                if !outdated {
                    self.tasks
                        .entry(id.connector)
                        .or_default()
                        .insert(id.task, status);
                }
            }
            StatusRecord::Task { id, status: None } => {
                if let Some(tasks) = self.tasks.get_mut(&id.connector) {
                    tasks.remove(&id.task);
                }
            }
            StatusRecord::Topic {
                topic,
                connector,
                status: Some(status),
            } => {
                self.topics
                    .entry(connector)
                    .or_default()
                    .insert(topic, status);
            }
            StatusRecord::Topic {
                topic,
                connector,
                status: None,
            } => {
                if let Some(topics) = self.topics.get_mut(&connector) {
                    topics.remove(&topic);
                }
            }
        }
    }

    /// Whether there is an entry.
    pub(crate) fn contains(&self, key: &StatusKey) -> bool {
        match key {
            StatusKey::Connector(connector) => self.connector(connector).is_some(),
            StatusKey::Task(id) => self.task(id).is_some(),
            StatusKey::Topic { topic, connector } => self.topic(connector, topic).is_some(),
        }
    }

    /// The state of a connector.
    pub(crate) fn connector(&self, connector: &str) -> Option<&StatusValue> {
        self.connectors.get(connector)
    }

    /// The state of a task.
    pub(crate) fn task(&self, id: &ConnectorTaskId) -> Option<&StatusValue> {
        self.tasks.get(&id.connector)?.get(&id.task)
    }

    /// The states of all tasks of a connector, sorted by number.
    pub(crate) fn tasks(&self, connector: &str) -> Vec<(u32, StatusValue)> {
        let tasks = self.tasks.get(connector);
        tasks
            .into_iter()
            .flatten()
            .map(|(task, status)| (*task, status.clone()))
            .collect()
    }

    /// The entry for a topic a connector uses.
    pub(crate) fn topic(&self, connector: &str, topic: &str) -> Option<&TopicStatus> {
        self.topics.get(connector)?.get(topic)
    }

    /// All topics a connector uses, sorted by name.
    pub(crate) fn topics(&self, connector: &str) -> Vec<TopicStatus> {
        self.topics
            .get(connector)
            .into_iter()
            .flat_map(BTreeMap::values)
            .cloned()
            .collect()
    }

    /// Names of all connectors with a state, sorted.
    pub(crate) fn connectors(&self) -> Vec<ConnectorName> {
        self.connectors.keys().cloned().collect()
    }

    /// Whether a safe put of `new` may be written: nobody else reported something newer.
    pub(crate) fn allows(known: Option<&StatusValue>, new: &StatusValue) -> bool {
        known.is_none_or(|known| {
            known.worker_id == new.worker_id || known.generation <= new.generation
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_protocol::Generation;

    fn status(state: State, worker: &str, generation: i32) -> StatusValue {
        StatusValue {
            state,
            trace: None,
            worker_id: worker.into(),
            generation: Generation(generation),
            version: None,
        }
    }

    #[test]
    fn a_late_unassigned_does_not_hide_the_new_owner() {
        let id = ConnectorTaskId::new("c", 0);
        let mut cache = StatusCache::default();
        let feed = |cache: &mut StatusCache, value| {
            cache.feed(StatusRecord::Task {
                id: id.clone(),
                status: Some(value),
            });
        };
        feed(&mut cache, status(State::Running, "new", 5));
        feed(&mut cache, status(State::Unassigned, "old", 4));
        assert_eq!(cache.task(&id).unwrap().state, State::Running);
        feed(&mut cache, status(State::Unassigned, "new", 6));
        assert_eq!(cache.task(&id).unwrap().state, State::Unassigned);
    }

    #[test]
    fn a_connector_started_in_a_later_generation_is_not_hidden_by_its_former_worker() {
        let mut cache = StatusCache::default();
        let feed = |cache: &mut StatusCache, value| {
            cache.feed(StatusRecord::Connector {
                connector: "c".into(),
                status: Some(value),
            });
        };
        feed(&mut cache, status(State::Running, "new", 5));
        feed(&mut cache, status(State::Unassigned, "old", 4));
        assert_eq!(cache.connector("c").unwrap().state, State::Running);
        // Its own word counts, in the same generation too.
        feed(&mut cache, status(State::Unassigned, "new", 5));
        assert_eq!(cache.connector("c").unwrap().state, State::Unassigned);
    }

    #[test]
    fn a_deleted_connector_takes_the_states_of_its_tasks_along() {
        let mut cache = StatusCache::default();
        let id = ConnectorTaskId::new("c", 0);
        cache.feed(StatusRecord::Task {
            id,
            status: Some(status(State::Running, "w", 1)),
        });
        cache.feed(StatusRecord::Connector {
            connector: "c".into(),
            status: None,
        });
        assert!(cache.tasks("c").is_empty());
    }

    #[test]
    fn a_safe_put_gives_way_to_a_newer_report_of_another_worker() {
        let known = status(State::Running, "other", 5);
        assert!(!StatusCache::allows(
            Some(&known),
            &status(State::Unassigned, "me", 4)
        ));
        assert!(StatusCache::allows(
            Some(&known),
            &status(State::Failed, "me", 5)
        ));
        assert!(StatusCache::allows(
            Some(&known),
            &status(State::Failed, "other", 1)
        ));
        assert!(StatusCache::allows(None, &status(State::Failed, "me", 0)));
    }
}
