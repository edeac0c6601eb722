//! What the herder tries again and again: its cause is logged once and then counted, each attempt
//! waits longer, and `/health` knows it.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use sluice_protocol::telemetry::{Event, Severity};
use tokio::time::Instant;

use super::Shared;

/// Pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Failures by what was tried.
#[derive(Debug, Default)]
pub(super) struct Troubles(Mutex<BTreeMap<&'static str, Trouble>>);

#[derive(Debug)]
struct Trouble {
    cause: String,
    since: Instant,
    times: u32,
}

/// What follows from a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failed {
    /// How long to wait before the next attempt.
    pub(super) pause: Duration,
    /// What to log, if it is worth a line: the first failure, one with another cause, and each time
    /// the count has doubled.
    pub(super) line: Option<String>,
}

impl Troubles {
    /// Notes that `what` failed for `cause`.
    pub(super) fn failed(&self, what: &'static str, cause: &str) -> Failed {
        let mut troubles = self.0.lock();
        let trouble = troubles.entry(what).or_insert_with(|| Trouble {
            cause: String::new(),
            since: Instant::now(),
            times: 0,
        });
        let is_new = trouble.cause != cause;
        trouble.times = trouble.times.saturating_add(1);
        if is_new {
            cause.clone_into(&mut trouble.cause);
        }
        let doublings = trouble.times.saturating_sub(1).min(10);
        Failed {
            pause: FIRST_PAUSE
                .saturating_mul(1 << doublings)
                .min(LONGEST_PAUSE),
            line: (is_new || trouble.times.is_power_of_two()).then(|| trouble.text(what)),
        }
    }

    /// Notes that `what` works; whether it had failed before.
    pub(super) fn passed(&self, what: &'static str) -> bool {
        self.0.lock().remove(what).is_some()
    }

    /// All that does not work now, as one text.
    pub(super) fn text(&self) -> Option<String> {
        let troubles = self.0.lock();
        let texts: Vec<String> = troubles
            .iter()
            .map(|(what, trouble)| trouble.text(what))
            .collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}

impl Trouble {
    fn text(&self, what: &str) -> String {
        let Self {
            cause,
            since,
            times,
        } = self;
        match times {
            1 => format!("{what}: {cause}"),
            _ => format!(
                "{what}, {times} times in {} s: {cause}",
                since.elapsed().as_secs()
            ),
        }
    }
}

impl Shared {
    /// Notes a failed attempt, and returns how long the next one has to wait.
    pub(super) fn failed(&self, what: &'static str, cause: &str) -> Duration {
        let failed = self.troubles.failed(what, cause);
        if let Some(line) = failed.line {
            self.trouble(&line, false);
        }
        failed.pause
    }

    /// Notes that what may have failed before works.
    pub(super) fn passed(&self, what: &'static str) {
        if self.troubles.passed(what) {
            self.trouble(&format!("works again: {what}"), true);
        }
    }

    pub(super) fn trouble(&self, what: &str, recovered: bool) {
        let severity = if recovered {
            Severity::Info
        } else {
            Severity::Warning
        };
        if recovered {
            tracing::info!("{what}");
        } else {
            tracing::warn!("{what}");
        }
        self.events.record(
            severity,
            Event::Trouble {
                what: what.to_owned(),
                recovered,
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_logged_once_and_then_counted_with_longer_and_longer_pauses() {
        let troubles = Troubles::default();
        let mut lines = Vec::new();
        let mut waited = Duration::ZERO;
        for _ in 0..100 {
            let failed = troubles.failed("cannot write", "not authorized");
            waited += failed.pause;
            lines.extend(failed.line);
        }
        assert_eq!(lines.len(), 7, "{lines:?}");
        assert_eq!(lines[0], "cannot write: not authorized");
        assert!(
            lines[6].starts_with("cannot write, 64 times in "),
            "{lines:?}"
        );
        assert!(waited > Duration::from_secs(90 * 30));
        assert!(
            troubles
                .text()
                .is_some_and(|text| text.contains("100 times"))
        );

        let other = troubles.failed("cannot write", "no leader");
        assert!(other.line.is_some_and(|line| line.contains("no leader")));
        assert!(troubles.passed("cannot write"));
        assert!(!troubles.passed("cannot write"));
        assert_eq!(troubles.text(), None);
    }
}
