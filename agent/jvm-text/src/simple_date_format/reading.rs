//! Lenient reading of times: what `SimpleDateFormat.parse` and the resolution of fields in
//! `GregorianCalendar` do.

use chrono::{Datelike as _, Utc};

use super::{Item, Letter, MILLIS_PER_DAY, MONTHS, SHORT, WEEKDAYS, first_day_of_week};
use crate::calendar::{Date, days_from, days_of, weekday};

/// What has been read. Of fields that contradict each other the one read last counts, by `stamp`.
#[derive(Debug, Default)]
struct Fields {
    stamp: u32,
    before_christ: bool,
    year: Option<(i64, u32)>,
    week_year: Option<(i64, u32)>,
    month: Option<(i64, u32)>,
    day: Option<(i64, u32)>,
    day_of_year: Option<(i64, u32)>,
    week_of_year: Option<(i64, u32)>,
    week_of_month: Option<(i64, u32)>,
    week_day_in_month: Option<(i64, u32)>,
    /// 0 for Sunday.
    weekday: Option<(i64, u32)>,
    hour_of_day: Option<(i64, u32)>,
    hour: Option<(i64, u32)>,
    afternoon: Option<(i64, u32)>,
    minute: i64,
    second: i64,
    millisecond: i64,
    offset_millis: i64,
}

/// Milliseconds since the epoch, or `None` if the text does not match.
pub(super) fn read(items: &[Item], text: &str) -> Option<i64> {
    let mut fields = Fields::default();
    let mut rest = text;
    for (index, item) in items.iter().enumerate() {
        match item {
            Item::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
            Item::Field(letter, count) => {
                // Digits are shared out only where a number follows at once.
                let obey_count = matches!(
                    items.get(index + 1),
                    Some(Item::Field(next, next_count)) if next.is_number(*next_count)
                );
                rest = fields.read_field(*letter, *count, obey_count, rest)?;
            }
        }
    }
    Some(fields.resolve())
}

/// A number at the start of a text, cut to 32 bits as Java does, and the text behind it.
fn number(text: &str) -> Option<(i64, &str)> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let length = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(length);
    if digits.is_empty() {
        return None;
    }
    let (value, rest) = match exponent(rest) {
        None => (int_value(digits, negative), rest),
        Some((power, rest)) => {
            let text = match power.parse::<usize>() {
                Ok(zeros @ 0..19) => format!("{digits}{}", "0".repeat(zeros)),
                _ => format!("{digits}E{power}"),
            };
            (int_value(&text, negative), rest)
        }
    };
    Some((value, rest))
}

/// The exponent that Java's `DecimalFormat` reads behind digits, in `5E3`, and the text behind it.
fn exponent(text: &str) -> Option<(&str, &str)> {
    let power = text.strip_prefix('E')?;
    let unsigned = power.strip_prefix('-').unwrap_or(power);
    let length = unsigned
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(unsigned.len());
    if length == 0 {
        return None;
    }
    Some(power.split_at(power.len() - unsigned.len() + length))
}

/// `Number.intValue` of what `DecimalFormat` makes of digits: a long, which is cut, or else a double, which
/// saturates.
#[expect(clippy::cast_possible_truncation, reason = "as Java's Number.intValue")]
fn int_value(digits: &str, negative: bool) -> i64 {
    let sign = if negative { -1 } else { 1 };
    let value = match digits.parse::<i64>() {
        Ok(value) => (sign * value) as i32,
        Err(_) => (f64::from(sign as i32) * digits.parse::<f64>().unwrap_or(0.0)) as i32,
    };
    i64::from(value)
}

/// The longest name a text starts with, in any case, and the text behind it.
fn name<'a>(names: &[&str], text: &'a str) -> Option<(i64, &'a str)> {
    let starts = |name: &str| {
        text.get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
    };
    let mut best: Option<(usize, usize)> = None;
    for (index, full) in names.iter().enumerate() {
        for candidate in [*full, full.get(..SHORT).unwrap_or(full)] {
            if starts(candidate) && best.is_none_or(|(_, length)| length < candidate.len()) {
                best = Some((index, candidate.len()));
            }
        }
    }
    let (index, length) = best?;
    Some((i64::try_from(index).ok()?, text.get(length..)?))
}

impl Fields {
    fn stamped(&mut self, value: i64) -> Option<(i64, u32)> {
        self.stamp += 1;
        Some((value, self.stamp))
    }

    fn read_field<'a>(
        &mut self,
        letter: Letter,
        count: usize,
        obey_count: bool,
        text: &'a str,
    ) -> Option<&'a str> {
        let trimmed = text.trim_start_matches([' ', '\t']);
        if trimmed.is_empty() {
            return None;
        }
        if !letter.is_number(count) {
            return self.read_text(letter, count, trimmed);
        }
        let (value, rest) = if obey_count {
            // The count includes blanks before the number.
            let limit = count.checked_sub(text.len() - trimmed.len())?;
            if text.len() < count {
                return None;
            }
            let (value, unread) = number(trimmed.get(..limit)?)?;
            (value, trimmed.get(limit - unread.len()..)?)
        } else {
            number(trimmed)?
        };
        let two_digits =
            trimmed.len() - rest.len() == 2 && trimmed.bytes().take(2).all(|b| b.is_ascii_digit());
        self.set_number(letter, count, value, two_digits);
        Some(rest)
    }

    fn set_number(&mut self, letter: Letter, count: usize, value: i64, two_digits: bool) {
        let value = match letter {
            Letter::Year | Letter::WeekYear if count <= 2 && two_digits => in_this_century(value),
            Letter::Hour1To24 if value == 24 => 0,
            Letter::Hour1To12 if value == 12 => 0,
            Letter::DayNumber => value.rem_euclid(7),
            _ => value,
        };
        let stamped = self.stamped(value);
        match letter {
            Letter::Year => self.year = stamped,
            Letter::WeekYear => self.week_year = stamped,
            Letter::Month => self.month = stamped,
            Letter::WeekOfYear => self.week_of_year = stamped,
            Letter::WeekOfMonth => self.week_of_month = stamped,
            Letter::DayOfYear => self.day_of_year = stamped,
            Letter::DayOfMonth => self.day = stamped,
            Letter::DayOfWeekInMonth => self.week_day_in_month = stamped,
            Letter::DayNumber => self.weekday = stamped,
            Letter::Hour0To23 | Letter::Hour1To24 => self.hour_of_day = stamped,
            Letter::Hour0To11 | Letter::Hour1To12 => self.hour = stamped,
            Letter::Minute => self.minute = value,
            Letter::Second => self.second = value,
            Letter::Millisecond => self.millisecond = value,
            Letter::Era
            | Letter::DayName
            | Letter::AmPm
            | Letter::ZoneName
            | Letter::ZoneOffset
            | Letter::ZoneIso => {}
        }
    }

    fn read_text<'a>(&mut self, letter: Letter, count: usize, text: &'a str) -> Option<&'a str> {
        match letter {
            Letter::Era => {
                let (index, rest) = whole_name(&["BC", "AD"], text)?;
                self.before_christ = index == 0;
                Some(rest)
            }
            Letter::Month => {
                let (index, rest) = name(&MONTHS, text)?;
                self.month = self.stamped(index + 1);
                Some(rest)
            }
            Letter::DayName => {
                let (index, rest) = name(&WEEKDAYS, text)?;
                self.weekday = self.stamped(index);
                Some(rest)
            }
            Letter::AmPm => {
                let (index, rest) = whole_name(&["AM", "PM"], text)?;
                self.afternoon = self.stamped(index);
                Some(rest)
            }
            Letter::ZoneIso => {
                let (minutes, rest) = iso_offset(text, count)?;
                self.offset_millis = minutes * 60_000;
                Some(rest)
            }
            _ => {
                let (minutes, rest) = zone(text)?;
                self.offset_millis = minutes * 60_000;
                Some(rest)
            }
        }
    }

    fn resolve(&self) -> i64 {
        let millis = self
            .days()
            .saturating_mul(MILLIS_PER_DAY)
            .saturating_add(self.hours() * 3_600_000)
            .saturating_add(self.minute * 60_000)
            .saturating_add(self.second * 1000)
            .saturating_add(self.millisecond);
        millis.saturating_sub(self.offset_millis)
    }

    fn hours(&self) -> i64 {
        let stamp = |field: Option<(i64, u32)>| field.map_or(0, |(_, stamp)| stamp);
        let of_half = stamp(self.hour).max(stamp(self.afternoon));
        match self.hour_of_day {
            Some((hour, read)) if read >= of_half || self.hour.is_none() => hour,
            _ => value(self.hour, 0) + 12 * value(self.afternoon, 0),
        }
    }

    /// The day, by the group of fields that was completed last (`GregorianCalendar.selectFields`).
    fn days(&self) -> i64 {
        let stamp = |field: Option<(i64, u32)>| field.map_or(0, |(_, stamp)| stamp);
        if stamp(self.week_year) > stamp(self.year) {
            let week = value(self.week_of_year, 1);
            return first_day_of_week(value(self.week_year, 1970), week) + value(self.weekday, 0);
        }
        let year = match value(self.year, 1970) {
            year if self.before_christ => 1 - year,
            year => year,
        };
        // A week counts as complete with a weekday; alone it counts only if there is nothing better.
        let complete = |field: Option<(i64, u32)>| match (field, self.weekday) {
            (Some((_, a)), Some((_, b))) => a.max(b),
            _ => 0,
        };
        let mut groups = [
            (stamp(self.day), Group::Day),
            (complete(self.week_of_month), Group::WeekOfMonth),
            (complete(self.week_day_in_month), Group::WeekdayInMonth),
            (stamp(self.day_of_year), Group::DayOfYear),
            (complete(self.week_of_year), Group::WeekOfYear),
        ];
        if groups.iter().all(|(stamp, _)| *stamp == 0) {
            let in_month = stamp(self.week_day_in_month).max(stamp(self.weekday));
            groups = [
                (0, Group::Day),
                (stamp(self.week_of_month), Group::WeekOfMonth),
                (in_month, Group::WeekdayInMonth),
                (0, Group::DayOfYear),
                (stamp(self.week_of_year), Group::WeekOfYear),
            ];
        }
        let mut best = (0, Group::Day);
        for group in groups {
            if group.0 > best.0 {
                best = group;
            }
        }
        let month = value(self.month, 1);
        match best.1 {
            Group::Day => days_of(year, month, value(self.day, 1)),
            Group::DayOfYear => days_of(year, 1, 1) + value(self.day_of_year, 1) - 1,
            Group::WeekOfMonth => days_from(year, month, |first_of_month| {
                let first_week = first_of_month - weekday(first_of_month);
                first_week + (value(self.week_of_month, 1) - 1) * 7 + value(self.weekday, 0)
            }),
            Group::WeekdayInMonth => days_from(year, month, |first_of_month| {
                let wanted = value(self.weekday, 0);
                match value(self.week_day_in_month, 1) {
                    nth @ 0.. => {
                        let first = (wanted - weekday(first_of_month)).rem_euclid(7);
                        first_of_month + first + (nth - 1) * 7
                    }
                    from_end => {
                        let next = Date::of_days(first_of_month + 31);
                        let last = days_of(next.year, next.month, 1) - 1;
                        last - (weekday(last) - wanted).rem_euclid(7) + (from_end + 1) * 7
                    }
                }
            }),
            Group::WeekOfYear => {
                first_day_of_week(year, value(self.week_of_year, 1)) + value(self.weekday, 0)
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Group {
    Day,
    DayOfYear,
    WeekOfMonth,
    WeekdayInMonth,
    WeekOfYear,
}

fn value(field: Option<(i64, u32)>, default: i64) -> i64 {
    field.map_or(default, |(value, _)| value)
}

/// A year of two digits: within the 80 years before now and the 20 after.
fn in_this_century(value: i64) -> i64 {
    let start = i64::from(Utc::now().year()) - 80;
    let year = start - start.rem_euclid(100) + value;
    if year < start { year + 100 } else { year }
}

fn whole_name<'a>(names: &[&str], text: &'a str) -> Option<(i64, &'a str)> {
    let index = names.iter().position(|name| {
        text.get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
    })?;
    let length = names.get(index)?.len();
    Some((i64::try_from(index).ok()?, text.get(length..)?))
}

/// One or two digits.
fn short_number(text: &str) -> Option<(i64, &str)> {
    let length = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(length);
    Some((digits.parse().ok()?, rest))
}

fn sign(text: &str) -> Option<(i64, &str)> {
    match text.strip_prefix('+') {
        Some(rest) => Some((1, rest)),
        None => Some((-1, text.strip_prefix('-')?)),
    }
}

/// Minutes east of Greenwich of `Z`, `+hh`, `+hhmm` or `+hh:mm`, by the number of letters.
fn iso_offset(text: &str, count: usize) -> Option<(i64, &str)> {
    if let Some(rest) = text.strip_prefix('Z') {
        return Some((0, rest));
    }
    let (sign, text) = sign(text)?;
    let two = |text: &str| -> Option<i64> {
        let digits = text.get(..2)?;
        digits
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    let hours = two(text).filter(|hours| *hours <= 23)?;
    let text = text.get(2..)?;
    if count == 1 {
        return Some((sign * hours * 60, text));
    }
    let text = if count == 3 {
        text.strip_prefix(':')?
    } else {
        text
    };
    let minutes = two(text).filter(|minutes| *minutes <= 59)?;
    Some((sign * (hours * 60 + minutes), text.get(2..)?))
}

/// Minutes east of Greenwich of `+hhmm`, `GMT+hh:mm` or a name.
fn zone(text: &str) -> Option<(i64, &str)> {
    if let Some((sign, digits)) = sign(text) {
        let hours = digits.get(..2)?;
        let (hours, _) = short_number(hours)?;
        let rest = digits.get(2..)?;
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        let minutes = rest.get(..2)?;
        let (minutes, _) = short_number(minutes)?;
        return Some((sign * (hours * 60 + minutes), rest.get(2..)?));
    }
    if let Some((_, rest)) = whole_name(&["GMT"], text) {
        let Some((sign, digits)) = sign(rest) else {
            return Some((0, rest));
        };
        let (hours, digits) = short_number(digits)?;
        let digits = digits.strip_prefix(':')?;
        let minutes = digits.get(..2)?;
        let (minutes, _) = short_number(minutes)?;
        return Some((sign * (hours * 60 + minutes), digits.get(2..)?));
    }
    const ZONES: [(&str, i64); 14] = [
        ("Coordinated Universal Time", 0),
        ("UTC", 0),
        ("PST", -480),
        ("PDT", -420),
        ("MST", -420),
        ("MDT", -360),
        ("CST", -360),
        ("CDT", -300),
        ("EST", -300),
        ("EDT", -240),
        ("CET", 60),
        ("CEST", 120),
        ("EET", 120),
        ("EEST", 180),
    ];
    let (name, minutes) = ZONES
        .iter()
        .filter(|(name, _)| {
            text.get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name))
        })
        .max_by_key(|(name, _)| name.len())?;
    Some((*minutes, text.get(name.len()..)?))
}
