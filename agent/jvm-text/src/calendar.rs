//! Days since the epoch as dates, in the calendar of `java.util.GregorianCalendar` and so of `java.util.Date`
//! and JDBC: Gregorian from 15 October 1582 on, Julian before.

/// 15 October 1582 in days since the epoch.
pub const CUTOVER: i64 = -141_427;

/// A date. `year` counts 1 BC as 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    /// Days since the epoch.
    pub days: i64,
    /// Year; 1 BC is 0, 2 BC is -1.
    pub year: i64,
    /// Month of the year; January is 1.
    pub month: i64,
    /// Day of the month, from 1.
    pub day: i64,
}

impl Date {
    /// The date of a day, counted from the epoch.
    pub fn of_days(days: i64) -> Self {
        // Years are counted from March, so that leap days come last; 400 Gregorian and 4 Julian years repeat.
        let (year_of_march, day_of_year) = if days >= CUTOVER {
            let shifted = days + 719_468;
            let era = shifted.div_euclid(146_097);
            let of_era = shifted.rem_euclid(146_097);
            let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
            (
                era * 400 + year,
                of_era - (365 * year + year / 4 - year / 100),
            )
        } else {
            let shifted = days + 719_470;
            let era = shifted.div_euclid(1461);
            let of_era = shifted.rem_euclid(1461);
            let year = (of_era - of_era / 1460) / 365;
            (era * 4 + year, of_era - 365 * year)
        };
        let from_march = (5 * day_of_year + 2) / 153;
        let month = if from_march < 10 {
            from_march + 3
        } else {
            from_march - 9
        };
        Self {
            days,
            year: year_of_march + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * from_march + 2) / 5 + 1,
        }
    }

    /// 0 for Sunday.
    pub fn weekday(&self) -> i64 {
        weekday(self.days)
    }

    /// From 1.
    pub fn day_of_year(&self) -> i64 {
        self.days - days_of(self.year, 1, 1) + 1
    }

    /// From 1; weeks start on Sunday.
    pub fn week_of_month(&self) -> i64 {
        let first = self.days - (self.day - 1);
        (self.day - 1 + weekday(first)) / 7 + 1
    }

    /// Week year and week within; the week of 1 January is the first.
    pub fn week_year(&self) -> (i64, i64) {
        let next = days_in_week_year(self.year + 1);
        let (year, start) = if self.days >= next {
            (self.year + 1, next)
        } else {
            (self.year, days_in_week_year(self.year))
        };
        (year, (self.days - start) / 7 + 1)
    }
}

/// 0 for Sunday.
pub fn weekday(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// The Sunday on which a week year starts.
pub fn days_in_week_year(year: i64) -> i64 {
    let first = days_of(year, 1, 1);
    first - weekday(first)
}

/// Days since the epoch of a date whose month and day may be out of range.
pub fn days_of(year: i64, month: i64, day: i64) -> i64 {
    days_from(year, month, |first_of_month| first_of_month + day - 1)
}

/// Days since the epoch of what `day` makes of the first of a month, which may be out of range. As in
/// `GregorianCalendar.computeTime` it is asked in both calendars: the month of the cutover begins in the
/// Julian one and ends in the Gregorian, which counts wherever it gives a day that it has. Earlier years stay
/// Julian, however many days are added.
pub fn days_from(year: i64, month: i64, day: impl Fn(i64) -> i64) -> i64 {
    let julian_year = year < 1582;
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    let (march_year, from_march) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let first = march_year * 365 + march_year.div_euclid(4) + (153 * from_march + 2) / 5;
    let gregorian = day(first - march_year.div_euclid(100) + march_year.div_euclid(400) - 719_468);
    if gregorian >= CUTOVER && !julian_year {
        gregorian
    } else {
        day(first - 719_470)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_inverse() {
        for days in (-800_000..800_000)
            .step_by(37)
            .chain([CUTOVER - 1, CUTOVER])
        {
            let date = Date::of_days(days);
            assert_eq!(days_of(date.year, date.month, date.day), days, "{date:?}");
        }
    }

    /// `new GregorianCalendar(1582, OCTOBER, day)`: days that there were not are taken as Julian.
    #[test]
    fn every_day_of_october_1582_is_where_java_has_it() {
        for (day, days) in [(1, -141_431), (4, -141_428), (5, -141_427), (14, -141_418)] {
            assert_eq!(days_of(1582, 10, day), days, "{day}");
        }
        for day in 15..=31 {
            assert_eq!(days_of(1582, 10, day), CUTOVER + day - 15, "{day}");
        }
        assert_eq!(days_of(1582, 11, 1), CUTOVER + 17);
    }

    /// `yyyyMMdd` of `-9627856350606`, read leniently: year -962, month 78, day 56350606.
    #[test]
    fn days_added_to_a_julian_year_are_julian() {
        assert_eq!(
            days_of(-962, 78, 56_350_606),
            4_776_368_947_200_000 / 86_400_000
        );
    }

    #[test]
    fn the_calendar_changes_in_october_1582() {
        let last = Date::of_days(CUTOVER - 1);
        assert_eq!((last.year, last.month, last.day), (1582, 10, 4));
        let first = Date::of_days(CUTOVER);
        assert_eq!((first.year, first.month, first.day), (1582, 10, 15));
    }
}
