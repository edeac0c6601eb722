//! Wall clocks and calendars: `db.timezone`, and dates and times as SQL texts.

use std::fmt::Write as _;
use std::str::FromStr;

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset as _, TimeZone as _};
use chrono_tz::Tz;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// A time zone of the IANA database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Zone(Tz);

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Tz::from_str(text)
            .map(Self)
            .map_err(|_| format!("{text:?} is no time zone such as UTC or Europe/Berlin"))
    }
}

impl Zone {
    /// Coordinated Universal Time.
    pub(crate) const fn utc() -> Self {
        Self(Tz::UTC)
    }

    fn naive(micros: i64) -> Option<NaiveDateTime> {
        DateTime::from_timestamp_micros(micros).map(|time| time.naive_utc())
    }

    /// The point in time of a wall clock's time, both in microseconds. A time that a clock shows twice is the
    /// earlier one, a time that is skipped counts as if the clock had not been changed yet.
    pub(crate) fn to_utc(self, local: i64) -> i64 {
        if self.0 == Tz::UTC {
            return local;
        }
        let Some(naive) = Self::naive(local) else {
            return local;
        };
        let offset = match self.0.offset_from_local_datetime(&naive) {
            MappedLocalTime::Single(offset) | MappedLocalTime::Ambiguous(offset, _) => {
                offset.fix().local_minus_utc()
            }
            MappedLocalTime::None => {
                let before = naive - chrono::TimeDelta::hours(3);
                self.0
                    .offset_from_utc_datetime(&before)
                    .fix()
                    .local_minus_utc()
            }
        };
        local - i64::from(offset) * MICROS_PER_SECOND
    }

    /// What a wall clock shows at a point in time, both in microseconds.
    pub(crate) fn to_local(self, utc: i64) -> i64 {
        if self.0 == Tz::UTC {
            return utc;
        }
        let Some(naive) = Self::naive(utc) else {
            return utc;
        };
        let offset = self
            .0
            .offset_from_utc_datetime(&naive)
            .fix()
            .local_minus_utc();
        utc + i64::from(offset) * MICROS_PER_SECOND
    }
}

/// Year, month and day of days since the epoch, in the proleptic Gregorian calendar.
pub(crate) fn civil(days: i64) -> (i64, u32, u32) {
    // Days since 0000-03-01 of an era of 400 years, so that leap days come last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (
        year,
        u32::try_from(month).unwrap_or(1),
        u32::try_from(day).unwrap_or(1),
    )
}

/// Days since the epoch of a date, the inverse of [`civil`].
pub(crate) fn days_of(year: i64, month: u32, day: u32) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = i64::from(month);
    let month_index = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_index + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Adds `YYYY-MM-DD`, and ` BC` is the caller's matter: answers whether the year is before the first.
pub(crate) fn write_date(text: &mut String, days: i64) -> bool {
    let (year, month, day) = civil(days);
    let before_christ = year <= 0;
    let shown = if before_christ { 1 - year } else { year };
    // Writing to a String can't fail.
    let _ = write!(text, "{shown:04}-{month:02}-{day:02}");
    before_christ
}

/// Adds `HH:MM:SS`, with a fraction of three or six digits if there is one.
pub(crate) fn write_time(text: &mut String, micros: i64) {
    let seconds = micros.div_euclid(MICROS_PER_SECOND);
    let fraction = micros.rem_euclid(MICROS_PER_SECOND);
    // Writing to a String can't fail.
    let _ = write!(
        text,
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    if fraction % 1000 != 0 {
        let _ = write!(text, ".{fraction:06}");
    } else if fraction != 0 {
        let _ = write!(text, ".{:03}", fraction / 1000);
    }
}

/// Adds date and time with a blank between; answers whether the year is before the first.
pub(crate) fn write_timestamp(text: &mut String, micros: i64) -> bool {
    let before_christ = write_date(text, micros.div_euclid(MICROS_PER_DAY));
    text.push(' ');
    write_time(text, micros.rem_euclid(MICROS_PER_DAY));
    before_christ
}

/// Microseconds of `YYYY-MM-DD[ T]HH:MM[:SS[.fraction]]` or `YYYY-MM-DD`, as SQLite keeps them.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    let text = text.trim().trim_end_matches('Z');
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let days = parse_date(date)?;
    let micros = match time {
        Some(time) => parse_time(time)?,
        None => 0,
    };
    Some(days * MICROS_PER_DAY + micros)
}

/// Days since the epoch of `YYYY-MM-DD`.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let year: i64 = parts.next()?.parse().ok()?;
    let month: u32 = parts.next()?.parse().ok()?;
    let day: u32 = parts.next()?.parse().ok()?;
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    Some(days_of(year, month, day))
}

/// Microseconds since midnight of `HH:MM[:SS[.fraction]]`.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let hours: i64 = parts.next()?.parse().ok()?;
    let minutes: i64 = parts.next()?.parse().ok()?;
    let (seconds, fraction) = match parts.next() {
        Some(text) => text.split_once('.').unwrap_or((text, "")),
        None => ("0", ""),
    };
    let seconds: i64 = seconds.parse().ok()?;
    let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let fraction: i64 = digits.parse().ok()?;
    if parts.next().is_some() || hours > 24 || minutes > 59 || seconds > 60 {
        return None;
    }
    Some(((hours * 60 + minutes) * 60 + seconds) * MICROS_PER_SECOND + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_follows_its_zone_in_winter_and_summer() {
        let zone: Zone = "Europe/Berlin".parse().unwrap();
        let winter = parse_timestamp("2024-01-15 12:00:00").unwrap();
        let summer = parse_timestamp("2024-07-15 12:00:00").unwrap();
        assert_eq!(winter - zone.to_utc(winter), 3_600_000_000);
        assert_eq!(summer - zone.to_utc(summer), 7_200_000_000);
        assert_eq!(zone.to_local(zone.to_utc(summer)), summer);
        let skipped = parse_timestamp("2024-03-31 02:30:00").unwrap();
        assert_eq!(skipped - zone.to_utc(skipped), 3_600_000_000);
        assert!("Europe/Nowhere".parse::<Zone>().is_err());
    }

    #[test]
    fn texts_of_timestamps_are_read_as_they_were_written() {
        for text in [
            "1970-01-01 00:00:00",
            "2024-02-29 23:59:59.123",
            "1582-10-15 01:02:03.000004",
            "0001-01-01 00:00:00",
        ] {
            let mut written = String::new();
            assert!(!write_timestamp(
                &mut written,
                parse_timestamp(text).unwrap()
            ));
            assert_eq!(written, text);
        }
        assert_eq!(parse_timestamp("1969-12-31T23:59:59.5Z"), Some(-500_000));
        assert_eq!(parse_timestamp("yesterday"), None);
        for days in [-719_529, -1, 0, 59, 60, 19_782] {
            let (year, month, day) = civil(days);
            assert_eq!(days_of(year, month, day), days);
        }
    }
}
