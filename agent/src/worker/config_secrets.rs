//! Keeps values from config providers out of the states that connectors and tasks report.

use std::sync::Arc;

use sluice_protocol::{ConnectorName, ConnectorTaskId};

use crate::config_transformer::Resolved;
use crate::status::ConnectorStatusListener;
use crate::status::TaskStatusListener;

/// A listener that hears of failures without the values of a connector's variables.
pub(super) fn hiding(
    inner: Arc<dyn ConnectorStatusListener>,
    resolved: &Arc<Resolved>,
) -> Arc<dyn ConnectorStatusListener> {
    if resolved.is_plain() {
        return inner;
    }
    Arc::new(Hiding {
        inner,
        resolved: vec![Arc::clone(resolved)],
    })
}

/// As [`hiding`], for a task, whose own config and connector's config have variables.
pub(super) fn hiding_of_task(
    inner: Arc<dyn TaskStatusListener>,
    connector: &Arc<Resolved>,
    task: &Arc<Resolved>,
) -> Arc<dyn TaskStatusListener> {
    if connector.is_plain() && task.is_plain() {
        return inner;
    }
    Arc::new(Hiding {
        inner,
        resolved: vec![Arc::clone(connector), Arc::clone(task)],
    })
}

struct Hiding<L: ?Sized> {
    inner: Arc<L>,
    resolved: Vec<Arc<Resolved>>,
}

impl<L: ?Sized> Hiding<L> {
    fn hide(&self, trace: String) -> String {
        self.resolved
            .iter()
            .fold(trace, |text, resolved| resolved.hide(&text))
    }
}

impl ConnectorStatusListener for Hiding<dyn ConnectorStatusListener> {
    fn on_startup(&self, connector: &ConnectorName) {
        self.inner.on_startup(connector);
    }

    fn on_pause(&self, connector: &ConnectorName) {
        self.inner.on_pause(connector);
    }

    fn on_resume(&self, connector: &ConnectorName) {
        self.inner.on_resume(connector);
    }

    fn on_stop(&self, connector: &ConnectorName) {
        self.inner.on_stop(connector);
    }

    fn on_shutdown(&self, connector: &ConnectorName) {
        self.inner.on_shutdown(connector);
    }

    fn on_failure(&self, connector: &ConnectorName, trace: String) {
        self.inner.on_failure(connector, self.hide(trace));
    }
}

impl TaskStatusListener for Hiding<dyn TaskStatusListener> {
    fn on_startup(&self, id: &ConnectorTaskId, version: Option<&str>) {
        self.inner.on_startup(id, version);
    }

    fn on_pause(&self, id: &ConnectorTaskId) {
        self.inner.on_pause(id);
    }

    fn on_resume(&self, id: &ConnectorTaskId) {
        self.inner.on_resume(id);
    }

    fn on_shutdown(&self, id: &ConnectorTaskId) {
        self.inner.on_shutdown(id);
    }

    fn on_failure(&self, id: &ConnectorTaskId, trace: String) {
        self.inner.on_failure(id, self.hide(trace));
    }
}
