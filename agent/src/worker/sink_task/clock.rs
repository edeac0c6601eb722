//! What is due when.

use std::time::Duration;

use tokio::time::Instant;

use super::offsets::Committing;

/// The longest wait, so that the group does not take the consumer for dead.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(60);
/// How often positions are shown.
const METRICS_INTERVAL: Duration = Duration::from_secs(1);

/// Times of the next commit, the next `put` of a refused batch and the next figures.
pub(super) struct Clock {
    /// `offset.flush.interval.ms`, a millisecond at least.
    interval: Duration,
    /// `offset.flush.timeout.ms`, after which a commit counts as failed.
    timeout: Duration,
    next_commit: Instant,
    /// By the plugin, or because the connector is paused: the next commit does not wait for its time.
    commit_requested: bool,
    /// The time that the plugin set for the next `put` of what it refused.
    pub(super) retry_at: Option<Instant>,
    next_metrics: Instant,
}

impl Clock {
    pub(super) fn new(interval: Duration, timeout: Duration) -> Self {
        let interval = interval.max(Duration::from_millis(1));
        let now = Instant::now();
        Self {
            interval,
            timeout,
            next_commit: now + interval,
            commit_requested: false,
            retry_at: None,
            next_metrics: now,
        }
    }

    pub(super) fn request_commit(&mut self, requested: bool) {
        self.commit_requested |= requested;
    }

    /// Whether offsets are to be committed now; the next time is set then.
    pub(super) fn take_commit(&mut self, now: Instant) -> bool {
        let due = self.commit_requested || now >= self.next_commit;
        if due {
            self.commit_requested = false;
            self.next_commit = now + self.interval;
        }
        due
    }

    pub(super) fn metrics_due(&self) -> bool {
        Instant::now() >= self.next_metrics
    }

    pub(super) fn metrics_shown(&mut self) {
        self.next_metrics = Instant::now() + METRICS_INTERVAL;
    }

    /// When a commit on its way counts as failed.
    pub(super) fn expires(&self, committing: &Committing) -> Instant {
        committing.started + self.timeout
    }

    /// How long the loop may wait for records.
    pub(super) fn wait_until(&self, now: Instant, committing: Option<&Committing>) -> Instant {
        // A commit that is due waits for the one on its way, and so must the loop: it would spin otherwise.
        let commit = committing.map_or(self.next_commit, |committing| self.expires(committing));
        let until = (now + MAX_WAIT).min(commit);
        self.retry_at.map_or(until, |retry_at| until.min(retry_at))
    }
}
