//! Pauses between attempts that grow, each a little shorter or longer than planned.

use std::time::Duration;

use rand::Rng as _;

/// How far a pause is from the one planned, at most (`CommonClientConfigs.RETRY_BACKOFF_JITTER`).
const JITTER: f64 = 0.2;

/// The pauses of one series of attempts (`org.apache.kafka.common.utils.ExponentialBackoff`, KIP-580).
///
/// Each is twice the one before it, up to the longest, times a random factor between 0.8 and 1.2: clients
/// that lost the same broker at the same moment do not return to it at the same moment.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// Pauses from `first` up to `longest`, `retry.backoff.ms` and `retry.backoff.max.ms` of Kafka's
    /// clients. A `first` that is longer than `longest` counts as `longest`, as in Kafka.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first: first.min(longest).max(Duration::from_millis(1)),
            longest: longest.max(Duration::from_millis(1)),
            failures: 0,
        }
    }

    /// The pause after one more failure.
    pub fn next_pause(&mut self) -> Duration {
        let planned = self.first.saturating_mul(1 << self.failures.min(30));
        self.failures = self.failures.saturating_add(1);
        jittered(planned.min(self.longest)).min(self.longest)
    }

    /// How many attempts failed since the last success.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Notes a success: the next pause is a first one again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A pause that is always the same, but for the random factor.
#[must_use]
pub fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(1.0 - JITTER..1.0 + JITTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_differ_from_client_to_client() {
        let millis = Duration::from_millis;
        let series = || {
            let mut backoff = Backoff::new(millis(100), millis(1000));
            let pauses: Vec<Duration> = (0..40).map(|_| backoff.next_pause()).collect();
            assert_eq!(backoff.failures(), 40);
            backoff.reset();
            assert!(backoff.next_pause() <= millis(120));
            pauses
        };
        let pauses = series();
        for (pause, planned) in pauses.iter().zip([100, 200, 400, 800, 1000, 1000]) {
            let (least, most) = (planned * 4 / 5, (planned * 6 / 5).min(1000));
            assert!((millis(least)..=millis(most)).contains(pause), "{pauses:?}");
        }
        assert!(pauses.iter().all(|pause| *pause <= millis(1000)));
        assert_ne!(pauses, series(), "two clients pause alike");
    }

    #[test]
    fn a_first_pause_beyond_the_longest_is_the_longest_and_none_is_a_busy_loop() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(10 * second, second);
        assert!((second.mul_f64(0.8)..=second).contains(&backoff.next_pause()));
        let mut none = Backoff::new(Duration::ZERO, Duration::ZERO);
        assert!(none.next_pause() > Duration::ZERO);
    }
}
