//! The picture of the config topic that decisions are made on, and what changed in it since they were made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sluice_protocol::ConnectorName;
use sluice_protocol::config_topic::RestartRequest;
use tokio::sync::mpsc;

use crate::cluster::{ClusterConfigState, ConfigUpdate};
use crate::herder::{HerderError, HerderResult};

/// Failed reads of the config topic before all own work is stopped.
const BACKOFF_STEPS: u32 = 5;

/// What the herder's task knows of the config topic.
pub(super) struct ConfigView {
    /// Taken at one moment: the store may be ahead of it.
    pub(super) snapshot: Arc<ClusterConfigState>,
    updates: mpsc::UnboundedReceiver<ConfigUpdate>,
    changes: Changes,
    /// False after a read or write failed; the topic is read to its end before anything else then.
    pub(super) is_readable: bool,
    pub(super) backoff_steps_left: u32,
}

/// Changes of the config topic since they were last acted on.
#[derive(Default)]
pub(super) struct Changes {
    /// Why the group has to rebalance.
    pub(super) rejoin: Option<String>,
    pub(super) configs: BTreeSet<ConnectorName>,
    pub(super) removed: BTreeSet<ConnectorName>,
    pub(super) target_states: BTreeSet<ConnectorName>,
    /// Connectors whose tasks have new configs.
    pub(super) tasks: BTreeSet<ConnectorName>,
    pub(super) restarts: BTreeMap<ConnectorName, RestartRequest>,
}

impl ConfigView {
    pub(super) fn new(updates: mpsc::UnboundedReceiver<ConfigUpdate>) -> Self {
        Self {
            snapshot: Arc::new(ClusterConfigState::empty()),
            updates,
            changes: Changes::default(),
            is_readable: true,
            backoff_steps_left: BACKOFF_STEPS,
        }
    }

    /// Fails in Connect's words if there is no connector of this name.
    pub(super) fn existing(&self, name: &str) -> HerderResult<()> {
        if self.snapshot.contains(name) {
            return Ok(());
        }
        Err(HerderError::connector_not_found(name))
    }

    /// Waits for the next update. Cancel-safe.
    pub(super) async fn next_update(&mut self) -> Option<ConfigUpdate> {
        self.updates.recv().await
    }

    /// An update that is there already.
    pub(super) fn waiting_update(&mut self) -> Option<ConfigUpdate> {
        self.updates.try_recv().ok()
    }

    /// What changed, once there is anything; it is forgotten here.
    pub(super) fn take_changes(&mut self) -> Option<Changes> {
        let changes = std::mem::take(&mut self.changes);
        (!changes.is_empty()).then_some(changes)
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Reading or writing works again.
    pub(super) fn reset_backoff(&mut self) {
        self.backoff_steps_left = BACKOFF_STEPS;
    }

    /// Notes an update, to be acted on later. What it means depends on the snapshot: of a connector
    /// that is in there some work may run, of any other none.
    pub(super) fn note(&mut self, update: ConfigUpdate) {
        let (changes, snapshot) = (&mut self.changes, &self.snapshot);
        let mut rejoin = |reason: String| {
            changes.rejoin.get_or_insert(reason);
        };
        match update {
            ConfigUpdate::Connector(name) if snapshot.contains(&name) => {
                changes.configs.insert(name);
            }
            ConfigUpdate::Connector(name) => rejoin(format!("connector {name} is new")),
            ConfigUpdate::ConnectorRemoved(name) if snapshot.contains(&name) => {
                rejoin(format!("connector {name} was deleted"));
            }
            ConfigUpdate::ConnectorRemoved(name) => {
                changes.removed.insert(name);
            }
            ConfigUpdate::Tasks { connector, applied } => {
                rejoin(format!("connector {connector} has new tasks"));
                if !applied.is_empty() {
                    changes.tasks.insert(connector);
                }
            }
            ConfigUpdate::TargetState(name) => {
                changes.target_states.insert(name);
            }
            ConfigUpdate::Restart(request) => {
                let wider = changes
                    .restarts
                    .get(&request.connector)
                    .is_none_or(|known| known.rank() < request.rank());
                if wider {
                    changes.restarts.insert(request.connector.clone(), request);
                }
            }
            ConfigUpdate::SessionKey(_) | ConfigUpdate::LoggerLevel { .. } => {}
        }
    }
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.rejoin.is_none()
            && self.configs.is_empty()
            && self.removed.is_empty()
            && self.target_states.is_empty()
            && self.tasks.is_empty()
            && self.restarts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> ConfigView {
        ConfigView::new(mpsc::unbounded_channel().1)
    }

    fn request(only_failed: bool) -> ConfigUpdate {
        ConfigUpdate::Restart(RestartRequest {
            connector: "c".into(),
            include_tasks: true,
            only_failed,
        })
    }

    #[test]
    fn a_new_connector_and_new_tasks_need_one_rebalance_and_changes_are_taken_once() {
        let mut view = view();
        assert!(!view.has_changes());
        view.note(ConfigUpdate::Connector("c".into()));
        view.note(ConfigUpdate::Tasks {
            connector: "c".into(),
            applied: Vec::new(),
        });
        let changes = view.take_changes().unwrap();
        assert_eq!(changes.rejoin.as_deref(), Some("connector c is new"));
        assert!(changes.tasks.is_empty());
        assert!(changes.configs.is_empty());
        assert!(view.take_changes().is_none());
    }

    #[test]
    fn of_two_restart_requests_the_wider_one_counts() {
        for updates in [
            [request(true), request(false)],
            [request(false), request(true)],
        ] {
            let mut view = view();
            for update in updates {
                view.note(update);
            }
            let changes = view.take_changes().unwrap();
            assert!(!changes.restarts["c"].only_failed);
        }
    }
}
