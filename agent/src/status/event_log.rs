//! Events for the telemetry topic, taken from anywhere without waiting; a full buffer drops the
//! oldest, never the worker's work.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use sluice_protocol::Millis;
use sluice_protocol::telemetry::{Event, EventTelemetry, Severity};
use tokio::sync::Notify;

use crate::clock::now;

/// Events kept while the telemetry topic cannot be written.
const MAX_WAITING_EVENTS: usize = 1000;

/// Events on their way to the telemetry topic. Clones share one buffer.
#[derive(Clone, Default)]
pub(crate) struct EventLog(Arc<Waiting>);

#[derive(Default)]
struct Waiting {
    seq: AtomicU64,
    events: Mutex<VecDeque<(Millis, EventTelemetry)>>,
    arrived: Notify,
}

impl EventLog {
    pub(crate) fn record(&self, severity: Severity, event: Event) {
        let mut events = self.0.events.lock();
        let seq = self.0.seq.fetch_add(1, Ordering::Relaxed);
        if events.len() == MAX_WAITING_EVENTS {
            events.pop_front();
        }
        events.push_back((
            now(),
            EventTelemetry {
                seq,
                severity,
                event,
            },
        ));
        drop(events);
        self.0.arrived.notify_one();
    }

    /// All events taken since the last call, oldest first.
    pub(crate) fn take(&self) -> Vec<(Millis, EventTelemetry)> {
        self.0.events.lock().drain(..).collect()
    }

    /// Returns when there is an event.
    pub(crate) async fn arrived(&self) {
        self.0.arrived.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_buffer_drops_the_oldest_event() {
        let log = EventLog::default();
        for _ in 0..=MAX_WAITING_EVENTS {
            log.record(
                Severity::Info,
                Event::WorkerStart {
                    version: String::new(),
                },
            );
        }
        let events = log.take();
        assert_eq!(events.len(), MAX_WAITING_EVENTS);
        assert_eq!(events[0].1.seq, 1);
        assert!(log.take().is_empty());
    }
}
