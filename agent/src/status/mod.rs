//! States of connectors and tasks on their way out: to the status topic, the log and the telemetry topic.
//!
//! The worker reports changes to the listeners; [`StatusReporter`] is what listens in a whole worker.

mod event_log;
mod listeners;
mod reporter;

pub(crate) use event_log::EventLog;
pub(crate) use listeners::ConnectorStatusListener;
pub use listeners::TaskStatusListener;
pub(crate) use reporter::{LocalState, StatusReporter};
