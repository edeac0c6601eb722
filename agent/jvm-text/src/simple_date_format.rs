//! Patterns of `java.text.SimpleDateFormat` for the time zone UTC and English names: writing and lenient
//! reading.
//!
//! Weeks start on Sunday and the first of January is in the first, as in the JVM without a country in its
//! locale. Dates before 15 October 1582 are of the Julian calendar. Reading knows the zones `UTC`, `GMT`,
//! `Z`, offsets, and the abbreviations of North America and central Europe; others do not match, where Java
//! looks into its names of zones.

use crate::Exception;
use crate::calendar::{Date, days_in_week_year};

mod reading;

/// The English names of months, January first.
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const SHORT: usize = 3;
const MILLIS_PER_DAY: i64 = 86_400_000;

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Literal(String),
    Field(Letter, usize),
}

/// The letters that a pattern may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letter {
    Era,
    Year,
    WeekYear,
    Month,
    WeekOfYear,
    WeekOfMonth,
    DayOfYear,
    DayOfMonth,
    DayOfWeekInMonth,
    DayName,
    DayNumber,
    AmPm,
    Hour0To23,
    Hour1To24,
    Hour0To11,
    Hour1To12,
    Minute,
    Second,
    Millisecond,
    ZoneName,
    ZoneOffset,
    ZoneIso,
}

impl Letter {
    fn parse(letter: char) -> Option<Self> {
        Some(match letter {
            'G' => Self::Era,
            'y' => Self::Year,
            'Y' => Self::WeekYear,
            'M' | 'L' => Self::Month,
            'w' => Self::WeekOfYear,
            'W' => Self::WeekOfMonth,
            'D' => Self::DayOfYear,
            'd' => Self::DayOfMonth,
            'F' => Self::DayOfWeekInMonth,
            'E' => Self::DayName,
            'u' => Self::DayNumber,
            'a' => Self::AmPm,
            'H' => Self::Hour0To23,
            'k' => Self::Hour1To24,
            'K' => Self::Hour0To11,
            'h' => Self::Hour1To12,
            'm' => Self::Minute,
            's' => Self::Second,
            'S' => Self::Millisecond,
            'z' => Self::ZoneName,
            'Z' => Self::ZoneOffset,
            'X' => Self::ZoneIso,
            _ => return None,
        })
    }

    /// Whether it is read as a number, for which adjacent fields share out the digits.
    fn is_number(self, count: usize) -> bool {
        match self {
            Self::Month => count < SHORT,
            Self::Era
            | Self::DayName
            | Self::AmPm
            | Self::ZoneName
            | Self::ZoneOffset
            | Self::ZoneIso => false,
            _ => true,
        }
    }
}

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct SimpleDateFormat {
    pattern: String,
    items: Vec<Item>,
}

impl SimpleDateFormat {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// `IllegalArgumentException` with Java's message: a letter that is not known, a quote that does not end.
    pub fn new(pattern: &str) -> Result<Self, Exception> {
        let illegal = Exception::IllegalArgument;
        let mut items: Vec<Item> = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '\'' {
                if chars.next_if_eq(&'\'').is_some() {
                    push_literal(&mut items, '\'');
                    continue;
                }
                loop {
                    match chars.next() {
                        None => return Err(illegal("Unterminated quote".to_owned())),
                        Some('\'') if chars.next_if_eq(&'\'').is_some() => {
                            push_literal(&mut items, '\'');
                        }
                        Some('\'') => break,
                        Some(other) => push_literal(&mut items, other),
                    }
                }
            } else if c.is_ascii_alphabetic() {
                let letter = Letter::parse(c)
                    .ok_or_else(|| illegal(format!("Illegal pattern character '{c}'")))?;
                let mut count = 1;
                while chars.next_if_eq(&c).is_some() {
                    count += 1;
                }
                if letter == Letter::ZoneIso && count > SHORT {
                    return Err(illegal(format!("invalid ISO 8601 format: length={count}")));
                }
                items.push(Item::Field(letter, count));
            } else {
                push_literal(&mut items, c);
            }
        }
        Ok(Self {
            pattern: pattern.to_owned(),
            items,
        })
    }

    /// The pattern as it was given.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Writes a time, in milliseconds since the epoch.
    #[must_use]
    pub fn format(&self, millis: i64) -> String {
        let date = Date::of_days(millis.div_euclid(MILLIS_PER_DAY));
        let of_day = millis.rem_euclid(MILLIS_PER_DAY);
        let mut text = String::with_capacity(self.pattern.len() + 8);
        for item in &self.items {
            match item {
                Item::Literal(literal) => text.push_str(literal),
                Item::Field(letter, count) => {
                    write_field(&mut text, *letter, *count, &date, of_day);
                }
            }
        }
        text
    }

    /// Reads a time, leniently: numbers may be out of range, text after the pattern does not matter. `None`
    /// if the text does not match.
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<i64> {
        reading::read(&self.items, text)
    }
}

fn push_literal(items: &mut Vec<Item>, c: char) {
    if let Some(Item::Literal(literal)) = items.last_mut() {
        literal.push(c);
    } else {
        items.push(Item::Literal(c.to_string()));
    }
}

fn write_field(text: &mut String, letter: Letter, count: usize, date: &Date, of_day: i64) {
    use std::fmt::Write as _;
    let hour = of_day / 3_600_000;
    let number = match letter {
        Letter::Era => return text.push_str(if date.year > 0 { "AD" } else { "BC" }),
        Letter::Year | Letter::WeekYear => {
            let year = match letter {
                Letter::WeekYear => date.week_year().0,
                _ if date.year > 0 => date.year,
                _ => 1 - date.year,
            };
            if count == 2 {
                year.rem_euclid(100)
            } else {
                year
            }
        }
        Letter::Month if count >= SHORT => return push_name(text, &MONTHS, date.month - 1, count),
        Letter::Month => date.month,
        Letter::WeekOfYear => date.week_year().1,
        Letter::WeekOfMonth => date.week_of_month(),
        Letter::DayOfYear => date.day_of_year(),
        Letter::DayOfMonth => date.day,
        Letter::DayOfWeekInMonth => (date.day - 1) / 7 + 1,
        Letter::DayName => return push_name(text, &WEEKDAYS, date.weekday(), count),
        Letter::DayNumber => (date.weekday() + 6) % 7 + 1,
        Letter::AmPm => return text.push_str(if hour < 12 { "AM" } else { "PM" }),
        Letter::Hour0To23 => hour,
        Letter::Hour1To24 => (hour + 23) % 24 + 1,
        Letter::Hour0To11 => hour % 12,
        Letter::Hour1To12 => (hour + 11) % 12 + 1,
        Letter::Minute => of_day / 60_000 % 60,
        Letter::Second => of_day / 1000 % 60,
        Letter::Millisecond => of_day % 1000,
        Letter::ZoneName => {
            return text.push_str(if count > SHORT {
                "Coordinated Universal Time"
            } else {
                "UTC"
            });
        }
        Letter::ZoneOffset => return text.push_str("+0000"),
        Letter::ZoneIso => return text.push('Z'),
    };
    // Writing to a String can't fail.
    let _ = write!(text, "{number:0count$}");
}

fn push_name(text: &mut String, names: &[&str], index: i64, count: usize) {
    let name = usize::try_from(index)
        .ok()
        .and_then(|index| names.get(index))
        .copied()
        .unwrap_or_default();
    text.push_str(if count > SHORT {
        name
    } else {
        name.get(..SHORT).unwrap_or(name)
    });
}

/// First day of a week of a week year, in days since the epoch.
fn first_day_of_week(week_year: i64, week: i64) -> i64 {
    days_in_week_year(week_year) + (week - 1) * 7
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(pattern: &str, millis: i64) -> String {
        SimpleDateFormat::new(pattern).unwrap().format(millis)
    }

    fn parse(pattern: &str, text: &str) -> Option<i64> {
        SimpleDateFormat::new(pattern).unwrap().parse(text)
    }

    /// Days since the epoch that Java 17 reads, at the cutover of the calendars and before it.
    #[test]
    fn dates_around_october_1582_are_read_as_java_does() {
        for (pattern, text, days) in [
            ("yyyy-MM-dd", "1582-10-01", -141_431),
            ("yyyy-MM-dd", "1582-10-04", -141_428),
            ("yyyy-MM-dd", "1582-10-05", -141_427),
            ("yyyy-MM-dd", "1582-10-14", -141_418),
            ("yyyy-MM-dd", "1582-10-15", -141_427),
            ("yyyy-MM-dd", "1582-10-31", -141_411),
            ("yyyy-MM-dd", "1582-11-01", -141_410),
            ("yyyy-MM-dd", "1582-09-40", -141_422),
            ("yyyy-MM-dd", "1582-10-99", -141_343),
            ("yyyy-DDD", "1582-290", -141_415),
            ("yyyy-MM W E", "1582-10 3 Mon", -141_417),
            ("yyyy-MM F E", "1582-10 2 Mon", -141_424),
            ("yyyy ww E", "1582 45 Tue", -141_395),
            ("yyyy-MM-dd", "0001-01-01", -719_164),
        ] {
            assert_eq!(
                parse(pattern, text),
                Some(days * 86_400_000),
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn times_are_written_as_java_does() {
        let times = [
            0,
            1_566_570_894_346,
            -1,
            -62_135_769_600_001,
            -12_219_292_800_001,
            1_704_067_199_999,
            1_719_835_200_000,
        ];
        for (pattern, expected) in [
            ("G", "AD AD AD BC AD AD AD"),
            ("y", "1970 2019 1969 1 1582 2023 2024"),
            ("yy", "70 19 69 01 82 23 24"),
            ("yyyyy", "01970 02019 01969 00001 01582 02023 02024"),
            ("Y", "1970 2019 1970 1 1582 2024 2024"),
            ("MM", "01 08 12 12 10 12 07"),
            ("MMM", "Jan Aug Dec Dec Oct Dec Jul"),
            (
                "LLLL",
                "January August December December October December July",
            ),
            ("w", "1 34 1 1 40 1 27"),
            ("W", "1 4 5 5 1 6 1"),
            ("D", "1 235 365 366 277 365 183"),
            ("d", "1 23 31 31 4 31 1"),
            ("F", "1 4 5 5 1 5 1"),
            ("E", "Thu Fri Wed Fri Thu Sun Mon"),
            ("u", "4 5 3 5 4 7 1"),
            ("a", "AM PM PM PM PM PM PM"),
            ("k", "24 14 23 23 23 23 12"),
            ("h", "12 2 11 11 11 11 12"),
            ("K", "0 2 11 11 11 11 0"),
            ("SSSSSS", "000000 000346 000999 000999 000999 000999 000000"),
        ] {
            let written: Vec<String> = times.iter().map(|time| format(pattern, *time)).collect();
            assert_eq!(written.join(" "), expected, "{pattern}");
        }
        assert_eq!(
            format(
                "yyyy-MM-dd'T'HH:mm:ss.SSSXXX 'o''clock' zzzz Z",
                1_566_570_894_346
            ),
            "2019-08-23T14:34:54.346Z o'clock Coordinated Universal Time +0000"
        );
    }

    #[test]
    fn times_are_read_as_java_does() {
        for (pattern, text, expected) in [
            ("yyyy-MM-dd", "2019-08-23", Some(1_566_518_400_000)),
            ("yyyy-MM-dd", "2019-13-45", Some(1_581_638_400_000)),
            ("yyyy-MM-dd", "2019-8-3 extra", Some(1_564_790_400_000)),
            ("yyyyMMdd", "20190823", Some(1_566_518_400_000)),
            ("yyyyMMdd", "2019823", Some(1_759_449_600_000)),
            (
                "yyyyMMddHHmmssSSS",
                "20190823143454346",
                Some(1_566_570_894_346),
            ),
            ("yyyy", "19", Some(-61_567_776_000_000)),
            ("yy", "2019", Some(1_546_300_800_000)),
            ("MMM d yyyy", "august 23 2019", Some(1_566_518_400_000)),
            ("MMMM d yyyy", "aUg 23 2019", Some(1_566_518_400_000)),
            ("HH:mm", "25:61", Some(93_660_000)),
            ("hh:mm a", "12:30 PM", Some(45_000_000)),
            ("hh:mm a", "12:30 am", Some(1_800_000)),
            ("kk", "24", Some(0)),
            ("K a", "0 PM", Some(43_200_000)),
            (
                "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
                "2019-08-23T14:34:54.346+02:00",
                Some(1_566_563_694_346),
            ),
            (
                "yyyy-MM-dd'T'HH:mm:ssX",
                "2019-08-23T14:34:54Z",
                Some(1_566_570_894_000),
            ),
            (
                "yyyy-MM-dd'T'HH:mm:ssX",
                "2019-08-23T14:34:54+02",
                Some(1_566_563_694_000),
            ),
            (
                "yyyy-MM-dd HH:mm:ss Z",
                "2019-08-23 14:34:54 +0200",
                Some(1_566_563_694_000),
            ),
            (
                "yyyy-MM-dd HH:mm:ss z",
                "2019-08-23 14:34:54 PST",
                Some(1_566_599_694_000),
            ),
            ("yyyy-MM-dd HH:mm:ss z", "2019-08-23 14:34:54 GMT+2", None),
            (
                "yyyy-MM-dd HH:mm:ss Z",
                "2019-08-23 14:34:54 GMT+02:30",
                Some(1_566_561_894_000),
            ),
            ("yyyy-DDD", "2019-235", Some(1_566_518_400_000)),
            ("YYYY-'W'ww-u", "2019-W34-5", Some(1_566_518_400_000)),
            ("EEE MMM yyyy", "Fri Aug 2019", Some(1_564_704_000_000)),
            (
                "EEE, d MMM yyyy",
                "Mon, 23 Aug 2019",
                Some(1_566_518_400_000),
            ),
            ("yyyy", "-5", Some(-62_325_158_400_000)),
            ("yyyy", " 2019", Some(1_546_300_800_000)),
            ("yyyy", "x", None),
            ("yyyy-MM-dd", "2019-08", None),
            ("s.SSSSSS", "1.123456", Some(124_456)),
            ("yyyy-MM-dd G", "0005-01-01 BC", Some(-62_293_622_400_000)),
            ("yyyy-MM-dd", "1500-02-29", Some(-14_825_894_400_000)),
            ("dd", "29", Some(2_419_200_000)),
            ("D", "300", Some(25_833_600_000)),
            ("w", "5", Some(2_073_600_000)),
            ("E", "Mon", Some(345_600_000)),
            ("yyyy-MM W", "2019-08 2", Some(1_564_876_800_000)),
            ("HH a", "3 PM", Some(10_800_000)),
            ("a HH", "PM 3", Some(10_800_000)),
            ("yyyy-MM-dd HH:mm:ss", "2019-08-23T14:34:54", None),
            ("YYYY", "2019", Some(1_546_128_000_000)),
            ("YYYY-MM-dd", "2019-08-23", Some(1_546_128_000_000)),
            ("F E MMM yyyy", "2 Mon Aug 2019", Some(1_565_568_000_000)),
        ] {
            assert_eq!(parse(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn broken_patterns_are_refused_in_the_words_of_java() {
        for (pattern, message) in [
            ("b", "Illegal pattern character 'b'"),
            ("'abc", "Unterminated quote"),
            ("XXXX", "invalid ISO 8601 format: length=4"),
        ] {
            assert_eq!(
                SimpleDateFormat::new(pattern).unwrap_err().to_string(),
                message
            );
        }
    }

    #[test]
    fn hostile_texts_do_not_overflow() {
        for text in [
            "99999999999999999999",
            "2147483647-2147483647-2147483647",
            "-2147483648",
        ] {
            let _ = parse("y-M-d", text);
            let _ = parse("Y-w-u", text);
            let _ = parse("D H:m:s.S", text);
        }
        let _ = format("yyyy-MM-dd G Y w", i64::MIN);
        let _ = format("yyyy-MM-dd G Y w", i64::MAX);
    }
}
