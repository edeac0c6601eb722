//! Patterns of `java.time.format.DateTimeFormatter`, as far as moments without a zone need them.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use sluice_jvm_text::simple_date_format::MONTHS;

/// Letters of one abbreviated month.
const SHORT: usize = 3;

/// A pattern, taken apart.
#[derive(Debug)]
pub(super) struct DatePattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Literal(String),
    /// Digits: this many, or with `most` up to that many.
    Number {
        field: Field,
        least: usize,
        most: usize,
    },
    /// `yy`: the years 2000 to 2099.
    ShortYear,
    /// `MMM` and `MMMM`, English.
    Month {
        full: bool,
    },
    HalfDay,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Year,
    Month,
    Day,
    /// Hour of the day, 0 to 23.
    Hour,
    /// Hour of the day, 1 to 24.
    ClockHour,
    /// Hour of the half day, 0 to 11.
    HourOfHalfDay,
    /// Hour of the half day, 1 to 12.
    ClockHourOfHalfDay,
    Minute,
    Second,
    /// Of a second, with this many digits of the text.
    Fraction(usize),
    Nano,
}

impl DatePattern {
    /// Takes a pattern apart.
    ///
    /// # Errors
    /// A letter that is not known here, or a pattern without date or hour, which no text would satisfy.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(letter) = rest.next() {
            if letter == '\'' {
                parts.push(Part::Literal(quoted(&mut rest)?));
                continue;
            }
            if !letter.is_ascii_alphabetic() {
                if "[]{}#".contains(letter) {
                    return Err(format!("{letter} is not supported"));
                }
                parts.push(Part::Literal(letter.to_string()));
                continue;
            }
            let mut count = 1;
            while rest.next_if_eq(&letter).is_some() {
                count += 1;
            }
            parts.push(part(letter, count)?);
        }
        let pattern = Self {
            text: text.to_owned(),
            parts,
        };
        pattern.complete()?;
        Ok(pattern)
    }

    /// The pattern as it was written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn complete(&self) -> Result<(), String> {
        let has = |wanted: fn(&Part) -> bool| self.parts.iter().any(wanted);
        let number = |field: Field| {
            let is = |part: &Part| matches!(part, Part::Number { field: own, .. } if *own == field);
            self.parts.iter().any(is)
        };
        let year = number(Field::Year) || has(|part| matches!(part, Part::ShortYear));
        let month = number(Field::Month) || has(|part| matches!(part, Part::Month { .. }));
        let half = number(Field::HourOfHalfDay) || number(Field::ClockHourOfHalfDay);
        let half = half && has(|part| matches!(part, Part::HalfDay));
        let hour = half || number(Field::Hour) || number(Field::ClockHour);
        for (given, what) in [
            (year, "year (y)"),
            (month, "month (M)"),
            (number(Field::Day), "day (d)"),
            (hour, "hour (H, or h with a)"),
        ] {
            if !given {
                return Err(format!("the {what} is missing"));
            }
        }
        Ok(())
    }

    /// Milliseconds since the epoch, the text being in UTC; `None` if the text is not as the pattern.
    pub(super) fn read(&self, text: &str) -> Option<i64> {
        let mut rest = text;
        let mut seen = Seen::default();
        for (index, part) in self.parts.iter().enumerate() {
            rest = match part {
                Part::Literal(literal) => rest.strip_prefix(literal.as_str())?,
                Part::HalfDay => {
                    let (half, after) = rest.split_at_checked(2)?;
                    seen.afternoon = match half {
                        "AM" => false,
                        "PM" => true,
                        _ => return None,
                    };
                    after
                }
                Part::Month { full } => {
                    let (month, after) = month(rest, *full)?;
                    seen.month = month;
                    after
                }
                Part::ShortYear => {
                    let (number, after) = digits(rest, 2, 2)?;
                    seen.year = 2_000 + i32::try_from(number).ok()?;
                    after
                }
                Part::Number { field, least, most } => {
                    // Numbers side by side leave each other the digits that they need.
                    let kept = self.needed_after(index);
                    let (number, after) = digits(rest, *least, (*most).min(available(rest, kept)))?;
                    seen.set(*field, number)?;
                    after
                }
            };
        }
        rest.is_empty().then_some(())?;
        seen.moment()
    }

    /// Digits that numbers right behind a part need.
    fn needed_after(&self, index: usize) -> usize {
        let behind = self.parts.iter().skip(index + 1);
        let needs = behind.map_while(|part| match part {
            Part::Number { least, most, .. } if least == most => Some(*least),
            Part::ShortYear => Some(2),
            _ => None,
        });
        needs.sum()
    }
}

fn available(text: &str, kept: usize) -> usize {
    let all = text.bytes().take_while(u8::is_ascii_digit).count();
    all.saturating_sub(kept)
}

/// What stands between two apostrophes; two in a row are one.
fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let mut literal = String::new();
    loop {
        match rest.next() {
            Some('\'') if rest.next_if_eq(&'\'').is_some() && !literal.is_empty() => {
                literal.push('\'');
            }
            Some('\'') => break,
            Some(other) => literal.push(other),
            None => return Err("an apostrophe is not closed".to_owned()),
        }
    }
    if literal.is_empty() {
        literal.push('\'');
    }
    Ok(literal)
}

fn part(letter: char, count: usize) -> Result<Part, String> {
    let number = |field, least, most| Ok(Part::Number { field, least, most });
    let short = |field| match count {
        1 => number(field, 1, 2),
        2 => number(field, 2, 2),
        _ => Err(format!("{letter} stands {count} times, which is too often")),
    };
    match (letter, count) {
        ('y' | 'u', 2) => Ok(Part::ShortYear),
        ('y' | 'u', 1 | 3 | 4) => number(Field::Year, count, if count == 4 { 4 } else { 9 }),
        ('M' | 'L', 3 | 4) => Ok(Part::Month { full: count == 4 }),
        ('M' | 'L', _) => short(Field::Month),
        ('d', _) => short(Field::Day),
        ('H', _) => short(Field::Hour),
        ('k', _) => short(Field::ClockHour),
        ('K', _) => short(Field::HourOfHalfDay),
        ('h', _) => short(Field::ClockHourOfHalfDay),
        ('m', _) => short(Field::Minute),
        ('s', _) => short(Field::Second),
        ('S', 1..=9) => number(Field::Fraction(count), count, count),
        ('n', 1..=9) => number(Field::Nano, count, 9),
        ('a', 1) => Ok(Part::HalfDay),
        ('V' | 'z' | 'O' | 'X' | 'x' | 'Z' | 'v', _) => Err(format!(
            "{letter} is a zone, which FromJson would read and ignore; use \"format\": \"date-time\" for \
             moments with a zone"
        )),
        _ => Err(format!(
            "{} is not supported",
            letter.to_string().repeat(count)
        )),
    }
}

/// The number of an English month, and what follows it.
fn month(text: &str, full: bool) -> Option<(u32, &str)> {
    (1..).zip(MONTHS).find_map(|(number, name)| {
        let name = if full { name } else { name.get(..SHORT)? };
        Some((number, text.strip_prefix(name)?))
    })
}

fn digits(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let count = text
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    if count < least {
        return None;
    }
    let (digits, rest) = text.split_at_checked(count)?;
    Some((digits.parse().ok()?, rest))
}

/// What a text has said.
#[derive(Debug, Default)]
struct Seen {
    year: i32,
    month: u32,
    day: u32,
    hour: Option<u32>,
    hour_of_half: u32,
    afternoon: bool,
    minute: u32,
    second: u32,
    nano: u32,
}

impl Seen {
    fn set(&mut self, field: Field, number: u32) -> Option<()> {
        let within =
            |range: std::ops::RangeInclusive<u32>| range.contains(&number).then_some(number);
        match field {
            Field::Year => self.year = i32::try_from(number).ok()?,
            Field::Month => self.month = number,
            Field::Day => self.day = number,
            Field::Hour => self.hour = Some(number),
            Field::ClockHour => self.hour = Some(within(1..=24)? % 24),
            Field::HourOfHalfDay => self.hour_of_half = within(0..=11)?,
            Field::ClockHourOfHalfDay => self.hour_of_half = within(1..=12)? % 12,
            Field::Minute => self.minute = number,
            Field::Second => self.second = number,
            Field::Fraction(digits) => {
                self.nano = number * 10_u32.pow(u32::try_from(9 - digits).ok()?);
            }
            Field::Nano => self.nano = number,
        }
        Some(())
    }

    fn moment(&self) -> Option<i64> {
        let half = self.hour_of_half + if self.afternoon { 12 } else { 0 };
        let date = NaiveDate::from_ymd_opt(self.year, self.month, self.day)?;
        let hour = self.hour.unwrap_or(half);
        let time = NaiveTime::from_hms_nano_opt(hour, self.minute, self.second, self.nano)?;
        Some(NaiveDateTime::new(date, time).and_utc().timestamp_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of Java 17's `LocalDateTime.parse(text, DateTimeFormatter.ofPattern(pattern))` in UTC, but for
    /// a day that the month does not have: Java takes the last one instead.
    #[test]
    fn texts_are_read_as_by_java() {
        for (pattern, text, millis) in [
            (
                "yyyy-MM-dd HH:mm:ss.SSSSSSS",
                "2020-01-07 04:47:05.0000000",
                Some(1_578_372_425_000),
            ),
            (
                "yyyy-MM-dd HH:mm:ss.SSSSSSS",
                "2020-01-07 04:47:05.1239999",
                Some(1_578_372_425_123),
            ),
            (
                "yyyy-MM-dd HH:mm:ss.SSSSSSS",
                "2020-01-07 04:47:05.123",
                None,
            ),
            ("d/M/yyyy H:m", "7/1/2020 4:47", Some(1_578_372_420_000)),
            ("d/M/yyyy H:m", "07/01/2020 04:47", Some(1_578_372_420_000)),
            ("dd/MM/yyyy HH:mm", "7/1/2020 4:47", None),
            ("yyyyMMddHHmmss", "20200107044705", Some(1_578_372_425_000)),
            (
                "yyyyMMddHHmmssSSS",
                "20200107044705678",
                Some(1_578_372_425_678),
            ),
            ("yyMMdd HH", "200107 04", Some(1_578_369_600_000)),
            (
                "MMM d, uuuu h:mm a",
                "Jan 7, 2020 4:47 PM",
                Some(1_578_415_620_000),
            ),
            (
                "d MMMM yyyy hh:mm a",
                "7 January 2020 12:47 AM",
                Some(1_578_358_020_000),
            ),
            (
                "yyyy-MM-dd'T'kk:mm",
                "2020-01-07T24:10",
                Some(1_578_355_800_000),
            ),
            ("yyyy-MM-dd''HH", "2020-01-07'04", Some(1_578_369_600_000)),
            (
                "yyyy-MM-dd HH 'o''clock'",
                "2020-01-07 04 o'clock",
                Some(1_578_369_600_000),
            ),
            ("yyyy-MM-dd HH", "2020-02-30 04", None),
            ("yyyy-MM-dd HH", "2020-01-07 25", None),
            ("yyyy-MM-dd HH", "2020-01-07 04 ", None),
            ("yyyy-MM-dd HH", "\u{96f}020-01-07 04", None),
            ("yyyy-MM-dd HH", "", None),
        ] {
            assert_eq!(
                DatePattern::parse(pattern).unwrap().read(text),
                millis,
                "{pattern} of {text}"
            );
        }
    }

    #[test]
    fn patterns_that_no_text_satisfies_or_that_lose_a_zone_are_refused() {
        for (pattern, why) in [
            ("yyyy-MM-dd", "hour"),
            ("HH:mm", "year"),
            ("yyyy-MM-dd hh:mm", "hour"),
            ("yyyy-MM-dd'T'HH:mm:ssXXX", "zone"),
            ("yyyy-MM-dd HH:mm z", "zone"),
            ("yyyy-MM-dd HH:mm 'x", "apostrophe"),
            ("yyyy-MM-dd HH:mm[:ss]", "["),
            ("yyyy-MM-dd HHH", "too often"),
            ("YYYY-MM-dd HH", "YYYY"),
            ("", "year"),
        ] {
            let refused = DatePattern::parse(pattern).unwrap_err();
            assert!(refused.contains(why), "{pattern}: {refused}");
        }
    }
}
