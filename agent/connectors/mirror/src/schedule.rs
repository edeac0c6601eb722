//! Work of a connector that is done again and again (`Scheduler`), and what it finds first.

use std::time::Duration;

use sluice_api::{ConnectError, Result};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

/// Work is not done more often than this, whatever is configured.
const SHORTEST: Duration = Duration::from_millis(100);

/// Ticks of one kind of work; none if it is switched off.
#[derive(Debug)]
pub(crate) struct Ticks(Option<tokio::time::Interval>);

impl Ticks {
    /// The first tick at once.
    pub(crate) fn at_once(interval: Option<Duration>) -> Self {
        Self::first_after(interval, Duration::ZERO)
    }

    /// The first tick after one interval.
    pub(crate) fn delayed(interval: Option<Duration>) -> Self {
        Self::first_after(interval, interval.unwrap_or_default().max(SHORTEST))
    }

    fn first_after(interval: Option<Duration>, first: Duration) -> Self {
        Self(interval.map(|interval| {
            let start = Instant::now() + first;
            let mut ticks = tokio::time::interval_at(start, interval.max(SHORTEST));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        }))
    }

    /// Waits for the next tick; for ever if the work is switched off. Cancel-safe.
    pub(crate) async fn next(&mut self) {
        match &mut self.0 {
            Some(interval) => {
                interval.tick().await;
            }
            None => std::future::pending().await,
        }
    }
}

/// What the work of a connector found, once it has found something for the first time.
///
/// # Errors
/// If that takes longer than `limit` or the work has ended: retriable, "Timeout while loading `what`.".
pub(crate) async fn first_found<T: Clone + Default>(
    found: &mut watch::Receiver<Option<T>>,
    limit: Duration,
    what: &str,
) -> Result<T> {
    match tokio::time::timeout(limit, found.wait_for(Option::is_some)).await {
        Ok(Ok(found)) => Ok(found.clone().unwrap_or_default()),
        Ok(Err(_)) | Err(_) => Err(ConnectError::retriable(format!(
            "Timeout while loading {what}."
        ))),
    }
}
