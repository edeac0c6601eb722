//! An immutable picture of the config topic at one offset.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use sluice_protocol::config_topic::SessionKey;
use sluice_protocol::{ConfigMap, ConnectorName, ConnectorTaskId, Offset, TargetState};

/// What the config topic says up to [`offset`](Self::offset): connectors, their configs, tasks and
/// target states.
///
/// Shared as `Arc`; a snapshot never changes. All configs are raw: variables are not resolved.
#[derive(Clone, Debug)]
pub struct ClusterConfigState {
    pub(super) offset: Offset,
    pub(super) session_key: Option<Arc<SessionKey>>,
    pub(super) connector_configs: BTreeMap<ConnectorName, Arc<ConfigMap>>,
    pub(super) target_states: HashMap<ConnectorName, TargetState>,
    pub(super) task_counts: HashMap<ConnectorName, u32>,
    pub(super) task_configs: HashMap<ConnectorName, BTreeMap<u32, Arc<ConfigMap>>>,
    pub(super) task_count_records: HashMap<ConnectorName, u32>,
    pub(super) task_config_generations: HashMap<ConnectorName, u32>,
    pub(super) applied_configs: HashMap<ConnectorName, Arc<ConfigMap>>,
    pub(super) pending_fencing: HashSet<ConnectorName>,
    pub(super) inconsistent: BTreeSet<ConnectorName>,
}

impl ClusterConfigState {
    /// The picture before any record: no connectors, offset -1.
    pub fn empty() -> Self {
        Self {
            offset: Offset::NONE,
            session_key: None,
            connector_configs: BTreeMap::new(),
            target_states: HashMap::new(),
            task_counts: HashMap::new(),
            task_configs: HashMap::new(),
            task_count_records: HashMap::new(),
            task_config_generations: HashMap::new(),
            applied_configs: HashMap::new(),
            pending_fencing: HashSet::new(),
            inconsistent: BTreeSet::new(),
        }
    }

    /// Offset behind the last data record this picture includes, -1 before any.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// The key for internal requests, once the leader published one.
    pub fn session_key(&self) -> Option<&Arc<SessionKey>> {
        self.session_key.as_ref()
    }

    /// Whether the connector has a config.
    pub fn contains(&self, connector: &str) -> bool {
        self.connector_configs.contains_key(connector)
    }

    /// Names of all connectors, sorted.
    pub fn connectors(&self) -> impl ExactSizeIterator<Item = &ConnectorName> {
        self.connector_configs.keys()
    }

    /// The connector's config as stored.
    pub fn connector_config(&self, connector: &str) -> Option<&Arc<ConfigMap>> {
        self.connector_configs.get(connector)
    }

    /// What the connector should be; STARTED when nobody asked for anything else, `None` for an
    /// unknown connector.
    pub fn target_state(&self, connector: &str) -> Option<TargetState> {
        match self.target_states.get(connector) {
            Some(state) => Some(*state),
            None if self.contains(connector) => Some(TargetState::Started),
            None => None,
        }
    }

    /// How many tasks the last commit gave the connector; also for inconsistent connectors. 0
    /// before any commit.
    pub fn task_count(&self, connector: &str) -> u32 {
        self.task_counts.get(connector).copied().unwrap_or(0)
    }

    /// The tasks that may run: 0 to count - 1, none while the connector is inconsistent.
    pub fn tasks(&self, connector: &str) -> Vec<ConnectorTaskId> {
        let Some((name, _)) = self.connector_configs.get_key_value(connector) else {
            return Vec::new();
        };
        if self.inconsistent.contains(connector) {
            return Vec::new();
        }
        (0..self.task_count(connector))
            .map(|task| ConnectorTaskId::new(name.clone(), task))
            .collect()
    }

    /// A task's config as stored. Stays readable after a commit of fewer tasks, until the connector
    /// is deleted.
    pub fn task_config(&self, id: &ConnectorTaskId) -> Option<&Arc<ConfigMap>> {
        self.task_configs.get(&id.connector)?.get(&id.task)
    }

    /// The stored configs of the connector's tasks 0 to count - 1, in order; a missing one ends the list.
    pub fn all_task_configs(&self, connector: &str) -> Vec<Arc<ConfigMap>> {
        let Some(configs) = self.task_configs.get(connector) else {
            return Vec::new();
        };
        (0..self.task_count(connector))
            .map_while(|task| configs.get(&task).cloned())
            .collect()
    }

    /// Connectors whose last commit lacked task configs; they have no tasks until a good commit.
    pub fn inconsistent_connectors(&self) -> &BTreeSet<ConnectorName> {
        &self.inconsistent
    }

    /// The connector config that was current when task configs were last applied.
    pub fn applied_connector_config(&self, connector: &str) -> Option<&Arc<ConfigMap>> {
        self.applied_configs.get(connector)
    }

    /// Counts the applied sets of task configs, from 0; `None` before the first. Local: comparable
    /// only with itself.
    pub fn task_config_generation(&self, connector: &str) -> Option<u32> {
        self.task_config_generations.get(connector).copied()
    }

    /// Whether a commit came after the last fencing record (KIP-618).
    pub fn pending_fencing(&self, connector: &str) -> bool {
        self.pending_fencing.contains(connector)
    }

    /// The last fencing record: how many transactional ids may be in use.
    pub fn task_count_record(&self, connector: &str) -> Option<u32> {
        self.task_count_records.get(connector).copied()
    }
}

impl Default for ClusterConfigState {
    fn default() -> Self {
        Self::empty()
    }
}
