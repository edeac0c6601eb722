//! Two calendars of old dates: databases count in the proleptic Gregorian calendar, Connect in Java's, which
//! is Julian before 15 October 1582.
//!
//! The same date has another day number in each. JDBC drivers and `java.sql.Date` keep year, month and day,
//! which is `date.calendar.system=LEGACY` of the Confluent connector, its default, and done here: what a
//! transformation writes of such a date is what the database shows, and a sink gets the same date again. 5 to
//! 14 October 1582 are no dates of Java's calendar; as with the JVM they become 15 to 24 October.

use sluice_jvm_text::calendar::{self, CUTOVER};

use crate::time;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The day number in Java's calendar of a day of a database.
pub(crate) fn to_java(days: i64) -> i64 {
    if days >= CUTOVER {
        return days;
    }
    let (year, month, day) = time::civil(days);
    calendar::days_of(year, month.into(), day.into())
}

/// The day number for a database of a day in Java's calendar.
pub(crate) fn from_java(days: i64) -> i64 {
    if days >= CUTOVER {
        return days;
    }
    let date = calendar::Date::of_days(days);
    let number = |part: i64| u32::try_from(part).unwrap_or(1);
    time::days_of(date.year, number(date.month), number(date.day))
}

/// The same for microseconds of a wall clock.
pub(crate) fn micros_to_java(micros: i64) -> i64 {
    shifted(micros, to_java)
}

/// The same for microseconds of a wall clock.
pub(crate) fn micros_from_java(micros: i64) -> i64 {
    shifted(micros, from_java)
}

fn shifted(micros: i64, shift: fn(i64) -> i64) -> i64 {
    if micros >= CUTOVER * MICROS_PER_DAY {
        return micros;
    }
    let days = micros.div_euclid(MICROS_PER_DAY);
    micros.saturating_add((shift(days) - days).saturating_mul(MICROS_PER_DAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_keep_year_month_and_day_both_ways() {
        // 1 January of the year 1: two days between the calendars.
        assert_eq!(time::days_of(1, 1, 1), -719_162);
        assert_eq!(to_java(-719_162), -719_164);
        for days in (-800_000..10)
            .step_by(11)
            .chain([CUTOVER - 11, CUTOVER, CUTOVER + 1])
        {
            let missing = (CUTOVER - 10..CUTOVER).contains(&days);
            assert!(missing || from_java(to_java(days)) == days, "{days}");
        }
        // The ten days that Java's calendar has not.
        for days in CUTOVER - 10..CUTOVER {
            assert_eq!(from_java(to_java(days)), days + 10);
        }
    }

    #[test]
    fn times_of_day_stay() {
        let noon = -719_162 * MICROS_PER_DAY + MICROS_PER_DAY / 2;
        assert_eq!(micros_to_java(noon), noon - 2 * MICROS_PER_DAY);
        assert_eq!(micros_from_java(micros_to_java(noon)), noon);
        assert_eq!(micros_to_java(0), 0);
    }
}
