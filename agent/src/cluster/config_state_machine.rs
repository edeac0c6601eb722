//! What records of the config topic mean: a machine fed with one record after another.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sluice_protocol::RecordError;
use sluice_protocol::config_topic::ConfigRecord;
use sluice_protocol::{ConfigMap, ConnectorName, ConnectorTaskId, Offset, TargetState};

use super::{ClusterConfigState, ConfigUpdate};

/// Turns records into pictures and updates.
#[derive(Default)]
pub(crate) struct ConfigStateMachine {
    state: Arc<ClusterConfigState>,
    /// Task configs that wait for their commit. An entry, even empty, means that some were seen
    /// since loading.
    buffered: HashMap<ConnectorName, BTreeMap<u32, Arc<ConfigMap>>>,
    loaded: bool,
}

impl ConfigStateMachine {
    /// The picture as of the last record.
    pub(crate) fn snapshot(&self) -> Arc<ClusterConfigState> {
        self.state.clone()
    }

    /// From now on records are changes to act on, no longer the past.
    pub(crate) fn loaded(&mut self) {
        self.loaded = true;
    }

    /// Takes a record at an offset, and says what changed. Nothing is said before
    /// [`ConfigStateMachine::loaded`].
    ///
    /// # Errors
    /// If the record is not one of ours, or malformed; the picture is as before then, but for its offset.
    pub(crate) fn feed(
        &mut self,
        offset: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<Option<ConfigUpdate>, RecordError> {
        let record = ConfigRecord::decode(key, value);
        if !matches!(&record, Err(error) if !error.counts_as_read()) {
            Arc::make_mut(&mut self.state).offset = Offset(offset + 1);
        }
        let update = record?.and_then(|record| self.apply(record));
        Ok(update.filter(|_| self.loaded))
    }

    fn apply(&mut self, record: ConfigRecord) -> Option<ConfigUpdate> {
        match record {
            ConfigRecord::Connector {
                connector,
                config: Some(config),
            } => {
                self.edit()
                    .connector_configs
                    .insert(connector.clone(), Arc::new(config));
                Some(ConfigUpdate::Connector(connector))
            }
            ConfigRecord::Connector {
                connector,
                config: None,
            } => {
                self.buffered.remove(&connector);
                let state = self.edit();
                state.connector_configs.remove(&connector);
                state.task_counts.remove(&connector);
                state.task_configs.remove(&connector);
                state.applied_configs.remove(&connector);
                Some(ConfigUpdate::ConnectorRemoved(connector))
            }
            ConfigRecord::TargetState { connector, state } => self.target_state(connector, state),
            ConfigRecord::Task { id, config } => {
                self.buffered
                    .entry(id.connector)
                    .or_default()
                    .insert(id.task, Arc::new(config));
                None
            }
            ConfigRecord::Commit { connector, tasks } => self.commit(connector, tasks),
            ConfigRecord::TasksFencing {
                connector,
                task_count,
            } => {
                let state = self.edit();
                state.pending_fencing.remove(&connector);
                state.task_count_records.insert(connector, task_count);
                None
            }
            ConfigRecord::SessionKey(key) => {
                let key = Arc::new(key);
                self.edit().session_key = Some(key.clone());
                Some(ConfigUpdate::SessionKey(key))
            }
            ConfigRecord::Restart(request) => Some(ConfigUpdate::Restart(request)),
            ConfigRecord::LoggerLevel { namespace, level } => {
                Some(ConfigUpdate::LoggerLevel { namespace, level })
            }
        }
    }

    fn edit(&mut self) -> &mut ClusterConfigState {
        Arc::make_mut(&mut self.state)
    }

    fn target_state(
        &mut self,
        connector: ConnectorName,
        target: Option<TargetState>,
    ) -> Option<ConfigUpdate> {
        let before = self.state.target_state(&connector);
        match target {
            Some(target) => self.edit().target_states.insert(connector.clone(), target),
            None => self.edit().target_states.remove(&connector),
        };
        let changed = before.is_some() && before != self.state.target_state(&connector);
        (changed && self.state.contains(&connector)).then_some(ConfigUpdate::TargetState(connector))
    }

    fn commit(&mut self, connector: ConnectorName, tasks: u32) -> Option<ConfigUpdate> {
        if !self.state.contains(&connector) {
            // Left over from a deleted connector by compaction.
            self.buffered.remove(&connector);
            return None;
        }
        let buffered = self.buffered.get_mut(&connector);
        let complete = tasks == 0
            || buffered
                .as_ref()
                .is_some_and(|b| (0..tasks).all(|task| b.contains_key(&task)));
        let seen = buffered.is_some();
        let configs = buffered.map(std::mem::take).unwrap_or_default();
        let mut applied = Vec::new();
        let state = Arc::make_mut(&mut self.state);
        if complete {
            applied.extend(
                configs
                    .keys()
                    .map(|&task| ConnectorTaskId::new(connector.clone(), task)),
            );
            if seen {
                state
                    .task_config_generations
                    .entry(connector.clone())
                    .and_modify(|generation| *generation += 1)
                    .or_insert(0);
            }
            state
                .task_configs
                .entry(connector.clone())
                .or_default()
                .extend(configs);
            if let Some(config) = state.connector_configs.get(&connector).cloned() {
                state.applied_configs.insert(connector.clone(), config);
            }
            state.inconsistent.remove(&connector);
        } else {
            state.inconsistent.insert(connector.clone());
        }
        state.task_counts.insert(connector.clone(), tasks);
        state.pending_fencing.insert(connector.clone());
        Some(ConfigUpdate::Tasks { connector, applied })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(records: &[(&str, Option<&str>)]) -> ConfigStateMachine {
        let mut machine = ConfigStateMachine::default();
        for (record, offset) in records.iter().zip(0..) {
            feed(&mut machine, offset, *record);
        }
        machine.loaded();
        machine
    }

    fn feed(
        machine: &mut ConfigStateMachine,
        offset: i64,
        (key, value): (&str, Option<&str>),
    ) -> Option<ConfigUpdate> {
        machine
            .feed(offset, Some(key.as_bytes()), value.map(str::as_bytes))
            .unwrap()
    }

    const CONNECTOR: (&str, Option<&str>) = ("connector-c", Some(r#"{"properties":{"name":"c"}}"#));
    const TASK_0: (&str, Option<&str>) = ("task-c-0", Some(r#"{"properties":{"t":"0"}}"#));
    const TASK_1: (&str, Option<&str>) = ("task-c-1", Some(r#"{"properties":{"t":"1"}}"#));

    #[test]
    fn task_configs_count_only_from_their_commit_on() {
        let mut machine = machine(&[CONNECTOR, TASK_0, TASK_1]);
        assert!(machine.snapshot().tasks("c").is_empty());
        let update = feed(&mut machine, 3, ("commit-c", Some(r#"{"tasks":2}"#)));
        assert!(matches!(update, Some(ConfigUpdate::Tasks { applied, .. }) if applied.len() == 2));
        let state = machine.snapshot();
        assert_eq!(state.tasks("c").len(), 2);
        assert_eq!(state.offset(), Offset(4));
        assert_eq!(state.task_config_generation("c"), Some(0));
        assert!(state.pending_fencing("c"));
    }

    #[test]
    fn a_commit_of_more_than_was_buffered_leaves_the_connector_without_tasks() {
        let mut machine = machine(&[CONNECTOR, TASK_0, ("commit-c", Some(r#"{"tasks":2}"#))]);
        let state = machine.snapshot();
        assert!(state.tasks("c").is_empty());
        assert!(state.inconsistent_connectors().contains("c"));
        assert_eq!(state.task_count("c"), 2);
        for (offset, record) in [TASK_0, TASK_1, ("commit-c", Some(r#"{"tasks":2}"#))]
            .into_iter()
            .enumerate()
        {
            feed(&mut machine, 3 + i64::try_from(offset).unwrap(), record);
        }
        assert_eq!(machine.snapshot().tasks("c").len(), 2);
        assert!(machine.snapshot().inconsistent_connectors().is_empty());
    }

    #[test]
    fn a_snapshot_does_not_change_with_later_records() {
        let mut machine = machine(&[CONNECTOR]);
        let before = machine.snapshot();
        feed(&mut machine, 1, ("connector-c", None));
        assert!(before.contains("c"));
        assert!(!machine.snapshot().contains("c"));
    }

    #[test]
    fn a_target_state_is_news_only_if_it_differs_and_the_connector_exists() {
        let mut machine = machine(&[CONNECTOR]);
        let started = Some(r#"{"state":"STARTED","state.v2":"STARTED"}"#);
        let stopped = Some(r#"{"state":"PAUSED","state.v2":"STOPPED"}"#);
        assert_eq!(feed(&mut machine, 1, ("target-state-c", started)), None);
        assert!(feed(&mut machine, 2, ("target-state-c", stopped)).is_some());
        assert_eq!(
            machine.snapshot().target_state("c"),
            Some(TargetState::Stopped)
        );
        assert_eq!(feed(&mut machine, 3, ("target-state-x", stopped)), None);
        assert!(feed(&mut machine, 4, ("target-state-c", None)).is_some());
        assert_eq!(
            machine.snapshot().target_state("c"),
            Some(TargetState::Started)
        );
    }

    #[test]
    fn records_that_are_no_json_do_not_advance_the_offset_and_others_do() {
        let mut machine = machine(&[CONNECTOR]);
        assert!(
            machine
                .feed(7, Some(b"connector-x"), Some(b"\xff\x00 garbage"))
                .is_err()
        );
        assert_eq!(machine.snapshot().offset(), Offset(1));
        assert!(machine.feed(8, Some(b"connector-x"), Some(b"[1]")).is_err());
        assert_eq!(machine.snapshot().offset(), Offset(9));
        assert_eq!(
            machine.feed(9, Some(b"what-is-this"), Some(b"{}")).unwrap(),
            None
        );
        assert_eq!(machine.snapshot().connectors().len(), 1);
    }

    #[test]
    fn restart_requests_and_levels_of_the_past_are_not_acted_on() {
        let mut machine = ConfigStateMachine::default();
        let restart = (
            "restart-connector-c",
            Some(r#"{"include-tasks":true,"only-failed":false}"#),
        );
        assert_eq!(feed(&mut machine, 0, restart), None);
        machine.loaded();
        assert!(feed(&mut machine, 1, restart).is_some());
    }
}
