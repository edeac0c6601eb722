//! Answers of the REST API that come from the stores alone, the same for both herders.

use sluice_protocol::rest::{
    ActiveTopics, ConnectorInfo, ConnectorState, ConnectorStateInfo, TaskInfo, TaskState, TopicList,
};
use sluice_protocol::{ConfigMap, ConnectorName, ConnectorTaskId, ConnectorType};

use super::{HerderError, HerderResult};
use crate::cluster::ClusterConfigState;
use crate::plugins::Plugins;
use crate::settings::WorkerSettings;
use crate::storage::StatusBackingStore;

/// The direction of a connector with this config; unknown if its class is not here.
pub(crate) fn connector_type(plugins: &Plugins, config: Option<&ConfigMap>) -> ConnectorType {
    config
        .and_then(|config| config.text("connector.class"))
        .and_then(|class| plugins.connector(class).ok())
        .map_or(ConnectorType::Unknown, |plugin| plugin.kind())
}

/// Config, tasks and type of a connector.
///
/// # Errors
/// There is none of that name.
pub(crate) fn connector_info(
    configs: &ClusterConfigState,
    plugins: &Plugins,
    name: &str,
) -> HerderResult<ConnectorInfo> {
    let config = configs
        .connector_config(name)
        .ok_or_else(|| HerderError::connector_not_found(name))?;
    Ok(ConnectorInfo {
        name: name.into(),
        config: config.as_ref().clone(),
        tasks: configs.tasks(name),
        connector_type: connector_type(plugins, Some(config)),
    })
}

/// Tasks of a connector with their configs.
///
/// # Errors
/// There is no connector of that name.
pub(crate) fn task_infos(configs: &ClusterConfigState, name: &str) -> HerderResult<Vec<TaskInfo>> {
    if !configs.contains(name) {
        return Err(HerderError::connector_not_found(name));
    }
    Ok(configs
        .tasks(name)
        .into_iter()
        .map(|id| TaskInfo {
            config: configs
                .task_config(&id)
                .map(|config| config.as_ref().clone())
                .unwrap_or_default(),
            id,
        })
        .collect())
}

/// States of a connector and its tasks.
///
/// # Errors
/// No state was recorded.
pub(crate) fn connector_status(
    configs: &ClusterConfigState,
    statuses: &dyn StatusBackingStore,
    plugins: &Plugins,
    name: &str,
) -> HerderResult<ConnectorStateInfo> {
    let connector = statuses
        .connector(name)
        .ok_or_else(|| HerderError::NotFound(format!("No status found for connector {name}")))?;
    Ok(ConnectorStateInfo {
        name: name.into(),
        connector: ConnectorState {
            state: connector.state,
            worker_id: connector.worker_id,
            version: connector.version,
            trace: connector.trace,
        },
        tasks: statuses
            .tasks(name)
            .into_iter()
            .map(|(id, status)| TaskState {
                id,
                state: status.state,
                worker_id: status.worker_id,
                version: status.version,
                trace: status.trace,
            })
            .collect(),
        connector_type: connector_type(
            plugins,
            configs.connector_config(name).map(|config| &**config),
        ),
    })
}

/// State of a task.
///
/// # Errors
/// No state was recorded.
pub(crate) fn task_status(
    statuses: &dyn StatusBackingStore,
    id: &ConnectorTaskId,
) -> HerderResult<TaskState> {
    let status = statuses
        .task(id)
        .ok_or_else(|| HerderError::NotFound(format!("No status found for task {id}")))?;
    Ok(TaskState {
        id: id.task,
        state: status.state,
        worker_id: status.worker_id,
        version: status.version,
        trace: status.trace,
    })
}

/// Topics a connector has used.
///
/// # Errors
/// Topics are not tracked.
pub(crate) fn active_topics(
    config: &WorkerSettings,
    statuses: &dyn StatusBackingStore,
    name: &str,
) -> HerderResult<ActiveTopics> {
    if !config.topic_tracking.enabled {
        return Err(HerderError::Disabled("Topic tracking is disabled."));
    }
    let topics = statuses
        .topics(name)
        .into_iter()
        .map(|status| status.name.as_str().to_owned())
        .collect();
    Ok(ActiveTopics::from_iter([(
        ConnectorName::from(name),
        TopicList { topics },
    )]))
}

/// Forgets the topics a connector has used.
///
/// # Errors
/// Topics are not tracked, or may not be reset.
pub(crate) fn reset_active_topics(
    config: &WorkerSettings,
    statuses: &dyn StatusBackingStore,
    name: &str,
) -> HerderResult<()> {
    if !config.topic_tracking.enabled {
        return Err(HerderError::Disabled("Topic tracking is disabled."));
    }
    if !config.topic_tracking.allow_reset {
        return Err(HerderError::Disabled("Topic tracking reset is disabled."));
    }
    for status in statuses.topics(name) {
        statuses.delete_topic(&status.connector, &status.name);
    }
    Ok(())
}

/// Checks that a connector and a task of it exist, for a restart.
///
/// # Errors
/// One of them does not, in the words of the JVM worker.
pub(crate) fn known_task(configs: &ClusterConfigState, id: &ConnectorTaskId) -> HerderResult<()> {
    if !configs.contains(&id.connector) {
        return Err(HerderError::NotFound(format!(
            "Unknown connector: {}",
            id.connector
        )));
    }
    if configs.task_config(id).is_none() {
        return Err(HerderError::NotFound(format!("Unknown task: {id}")));
    }
    Ok(())
}

/// Merges a patch into a raw config: null deletes a key (KIP-477).
pub(crate) fn patched(config: &ConfigMap, patch: ConfigMap) -> ConfigMap {
    let mut merged = config.clone();
    for (key, value) in patch {
        match value {
            Some(_) => {
                merged.insert(key, value);
            }
            None => {
                merged.shift_remove(&key);
            }
        }
    }
    merged
}

/// The keys of which the value differs between two configs; all of `new` if there was none before.
pub(crate) fn changed_keys(old: Option<&ConfigMap>, new: &ConfigMap) -> Vec<String> {
    let removed = old
        .into_iter()
        .flat_map(|old| old.keys())
        .filter(|key| !new.contains_key(*key))
        .cloned();
    new.iter()
        .filter(|(key, value)| old.and_then(|old| old.get(*key)) != Some(value))
        .map(|(key, _)| key.clone())
        .chain(removed)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_sets_and_deletes_and_leaves_the_rest() {
        let config = ConfigMap::from([("a", "1"), ("b", "2")]);
        let mut patch = ConfigMap::from([("c", "3")]);
        patch.insert("a".into(), None);
        let merged = patched(&config, patch);
        assert_eq!(merged, ConfigMap::from([("b", "2"), ("c", "3")]));
        let mut changed = changed_keys(Some(&config), &merged);
        changed.sort();
        assert_eq!(changed, ["a", "c"]);
    }
}
