//! When the files of a topic's partition end: after so many records, so much time of the records, or by the
//! clock.

use std::time::Duration;

use chrono_tz::Tz;

use super::partitioner::offset_of;

const DAY: i64 = 86_400_000;

/// The state of one partition's rotation. Times are milliseconds since the epoch.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// The extractor's time of the first record of the files.
    first: Option<i64>,
    /// When the schedule ends files next.
    scheduled: Option<i64>,
}

/// When files end.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// Records (`flush.size`).
    pub flush_size: u64,
    /// Milliseconds by the extractor's time.
    pub interval: Option<i64>,
    /// Milliseconds by the clock.
    pub schedule: Option<i64>,
    /// The zone whose midnight the schedule counts from.
    pub zone: Tz,
}

impl Rotation {
    /// The shortest time that the clock may end files after.
    pub fn shortest(&self) -> Option<Duration> {
        let shortest = self.interval.into_iter().chain(self.schedule).min()?;
        u64::try_from(shortest).ok().map(Duration::from_millis)
    }

    /// Sets the schedule going; it goes by the clock, whatever comes.
    pub fn start(&self, clock: &mut Clock, now: i64) {
        clock.first = None;
        clock.scheduled = self.schedule.map(|interval| self.next(now, interval));
    }

    /// The next multiple of the interval, counted from midnight (`DateTimeUtils.getNextTimeAdjustedByDay`).
    fn next(&self, now: i64, interval: i64) -> i64 {
        let offset = offset_of(self.zone, now);
        let midnight = (now + offset).div_euclid(DAY) * DAY - offset;
        midnight + ((now - midnight) / interval + 1) * interval
    }

    /// Notes the time of a record that is written.
    pub fn record(clock: &mut Clock, time: i64) {
        clock.first.get_or_insert(time);
    }

    /// Whether files that hold this many records end before a record of this time, or, without one, now.
    pub fn is_due(&self, clock: &Clock, records: u64, time: Option<i64>, now: i64) -> bool {
        let spans = match (self.interval, clock.first, time) {
            (Some(interval), Some(first), Some(time)) => time - first >= interval,
            _ => false,
        };
        spans
            || records >= self.flush_size
            || clock.scheduled.is_some_and(|scheduled| now >= scheduled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn rotation(interval: Option<i64>, schedule: Option<i64>) -> Rotation {
        Rotation {
            flush_size: 3,
            interval,
            schedule,
            zone: Tz::Asia__Kolkata,
        }
    }

    #[test]
    fn records_end_files() {
        let (rotation, clock) = (rotation(None, None), Clock::default());
        assert!(!rotation.is_due(&clock, 2, Some(0), 0));
        assert!(rotation.is_due(&clock, 3, None, 0));
    }

    #[test]
    fn the_time_of_records_ends_files_before_the_record_that_is_beyond() {
        let rotation = rotation(Some(10), None);
        let mut clock = Clock::default();
        assert!(!rotation.is_due(&clock, 0, Some(100), 7));
        Rotation::record(&mut clock, 100);
        Rotation::record(&mut clock, 105);
        assert!(!rotation.is_due(&clock, 2, Some(109), 7));
        assert!(rotation.is_due(&clock, 2, Some(110), 7));
        assert!(!rotation.is_due(&clock, 2, None, 1_000));
        rotation.start(&mut clock, 0);
        assert!(!rotation.is_due(&clock, 0, Some(110), 7));
    }

    #[test]
    fn the_schedule_counts_from_midnight_of_the_zone() {
        let rotation = rotation(None, Some(6 * HOUR));
        let mut clock = Clock::default();
        // 05:30 in the zone.
        rotation.start(&mut clock, 0);
        assert!(!rotation.is_due(&clock, 1, None, HOUR / 2 - 1));
        assert!(rotation.is_due(&clock, 1, None, HOUR / 2));
    }
}
