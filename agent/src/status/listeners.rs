//! What connectors and tasks report their states to.

use sluice_protocol::{ConnectorName, ConnectorTaskId};

/// Receives the states of connectors (`ConnectorStatus.Listener`). Calls are short and never wait.
pub(crate) trait ConnectorStatusListener: Send + Sync {
    /// The connector has started and is RUNNING.
    fn on_startup(&self, connector: &ConnectorName);
    /// The connector does nothing more until `on_resume`: PAUSED.
    fn on_pause(&self, connector: &ConnectorName);
    /// It works again after `on_pause`: RUNNING.
    fn on_resume(&self, connector: &ConnectorName);
    /// Its tasks are gone, its configuration stays: STOPPED.
    fn on_stop(&self, connector: &ConnectorName);
    /// Ended as requested: UNASSIGNED.
    fn on_shutdown(&self, connector: &ConnectorName);
    /// FAILED, with the text for the status record.
    fn on_failure(&self, connector: &ConnectorName, trace: String);
}

/// Receives the states of tasks (`TaskStatus.Listener`). Calls are short and never wait.
pub trait TaskStatusListener: Send + Sync {
    /// The task has started: RUNNING. A version is the task's own, where it is not that of its plugin.
    fn on_startup(&self, id: &ConnectorTaskId, version: Option<&str>);
    /// PAUSED, also for a task that was started while its connector is paused.
    fn on_pause(&self, id: &ConnectorTaskId);
    /// It works again after `on_pause`: RUNNING.
    fn on_resume(&self, id: &ConnectorTaskId);
    /// Ended as requested: UNASSIGNED. Not called after `cancelled`.
    fn on_shutdown(&self, id: &ConnectorTaskId);
    /// FAILED, with the text for the status record. Not called after `cancelled`.
    fn on_failure(&self, id: &ConnectorTaskId, trace: String);
}
