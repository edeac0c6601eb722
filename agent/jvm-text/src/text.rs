//! Texts as the JVM writes them: floating point numbers and dates.

use std::borrow::Cow;

use crate::calendar::Date;

/// Longest text of a double: sign, 17 digits, point, `E-`, three digits.
const MAX_LEN: usize = 32;

/// The text of a floating point number as `Double.toString` and `Float.toString` give it, on the stack.
///
/// Digits are the shortest that read back to the same number, but two at least where a second one comes
/// nearer: as since JDK 19, where earlier ones wrote more digits of some numbers (JDK-4511638).
#[derive(Debug, Clone, Copy)]
pub struct FloatText {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl FloatText {
    /// Text of a double.
    #[must_use]
    pub fn from_f64(value: f64) -> Self {
        if !value.is_finite() {
            return Self::not_finite(value.is_nan(), value > 0.0);
        }
        if value.abs() < 1e-322
            && let nearest = format!("{value:.1e}")
            && nearest.parse() == Ok(value)
        {
            return Self::layout(&nearest);
        }
        Self::layout(ryu::Buffer::new().format_finite(value))
    }

    /// Text of a float.
    #[must_use]
    pub fn from_f32(value: f32) -> Self {
        if !value.is_finite() {
            return Self::not_finite(value.is_nan(), value > 0.0);
        }
        if value.abs() < 1e-43
            && let nearest = format!("{value:.1e}")
            && nearest.parse() == Ok(value)
        {
            return Self::layout(&nearest);
        }
        Self::layout(ryu::Buffer::new().format_finite(value))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever pushed.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The text as ASCII bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn not_finite(nan: bool, positive: bool) -> Self {
        let mut text = Self {
            bytes: [0; MAX_LEN],
            len: 0,
        };
        text.push_all(if nan {
            b"NaN"
        } else if positive {
            b"Infinity"
        } else {
            b"-Infinity"
        });
        text
    }

    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
            self.len += 1;
        }
    }

    fn push_all(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.push(*byte);
        }
    }

    /// Turns the layout of ryu (`1e20`, `123.0`, `1.5e-7`) into that of Java: plain from 10^-3 up to 10^7,
    /// with an exponent outside.
    fn layout(shortest: &str) -> Self {
        // Small numbers come with up to five zeros before their digits.
        let mut digits = [0_u8; MAX_LEN];
        let mut count = 0;
        let mut point = None;
        let mut exponent = 0_i32;
        let (negative, unsigned) = match shortest.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, shortest),
        };
        let (mantissa, exponent_text) = unsigned.split_once('e').unwrap_or((unsigned, "0"));
        for byte in mantissa.bytes() {
            if byte == b'.' {
                point = Some(count);
            } else if let Some(slot) = digits.get_mut(count) {
                *slot = byte;
                count += 1;
            }
        }
        exponent += exponent_text.parse::<i32>().unwrap_or(0);
        // Value = 0.DIGITS * 10^scale, without leading and trailing zeros.
        let mut scale = i32::try_from(point.unwrap_or(count)).unwrap_or(0) + exponent;
        let mut start = 0;
        while start < count && digits.get(start) == Some(&b'0') {
            start += 1;
            scale -= 1;
        }
        while count > start && digits.get(count - 1) == Some(&b'0') {
            count -= 1;
        }
        let digits = digits.get(start..count).unwrap_or_default();

        let mut text = Self {
            bytes: [0; MAX_LEN],
            len: 0,
        };
        if negative {
            text.push(b'-');
        }
        let Some((first, rest)) = digits.split_first() else {
            text.push_all(b"0.0");
            return text;
        };
        if (-2..=7).contains(&scale) {
            if scale <= 0 {
                text.push_all(b"0.");
                for _ in scale..0 {
                    text.push(b'0');
                }
                text.push_all(digits);
            } else {
                let whole = usize::try_from(scale).unwrap_or(0);
                for index in 0..whole {
                    text.push(digits.get(index).copied().unwrap_or(b'0'));
                }
                text.push(b'.');
                match digits.get(whole..) {
                    Some(fraction) if !fraction.is_empty() => text.push_all(fraction),
                    _ => text.push(b'0'),
                }
            }
        } else {
            text.push(*first);
            text.push(b'.');
            if rest.is_empty() {
                text.push(b'0');
            } else {
                text.push_all(rest);
            }
            text.push(b'E');
            text.push_all(itoa::Buffer::new().format(scale - 1).as_bytes());
        }
        text
    }
}

/// Bytes as `new String(bytes, UTF_8)` reads them: what is malformed becomes U+FFFD. Half of a surrogate pair
/// in the form of three bytes is one such character, where Rust makes three of it.
#[must_use]
pub fn utf8_lossy(bytes: &[u8]) -> Cow<'_, str> {
    let mut rest = bytes;
    let mut text = String::new();
    while let Err(malformed) = std::str::from_utf8(rest) {
        let (valid, after) = rest.split_at(malformed.valid_up_to());
        text.push_str(std::str::from_utf8(valid).unwrap_or_default());
        text.push('\u{FFFD}');
        let surrogate = matches!(after, [0xED, 0xA0..=0xBF, 0x80..=0xBF, ..]);
        let length = if surrogate {
            Some(3)
        } else {
            malformed.error_len()
        };
        rest = length
            .and_then(|length| after.get(length..))
            .unwrap_or_default();
    }
    let valid = std::str::from_utf8(rest).unwrap_or_default();
    if text.is_empty() {
        return Cow::Borrowed(valid);
    }
    Cow::Owned(text + valid)
}

/// Text of `java.util.Date.toString` in UTC, such as `Sun Nov 22 17:14:47 UTC 2026`; years before Christ look
/// like those after.
#[must_use]
pub fn java_date(millis: i64) -> String {
    const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let name = |names: &[&'static str], index: i64| {
        let index = usize::try_from(index).unwrap_or(0);
        names.get(index).copied().unwrap_or_default()
    };
    let seconds = millis.div_euclid(1000);
    let date = Date::of_days(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    format!(
        "{} {} {:02} {:02}:{:02}:{:02} UTC {}",
        name(&WEEKDAYS, date.weekday()),
        name(&MONTHS, date.month - 1),
        date.day,
        second / 3600,
        second / 60 % 60,
        second % 60,
        if date.year > 0 {
            date.year
        } else {
            1 - date.year
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_java_does() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (1.5, "1.5"),
            (100.0, "100.0"),
            (1234567.0, "1234567.0"),
            (9999999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (12345678.9, "1.23456789E7"),
            (1e20, "1.0E20"),
            (1e10, "1.0E10"),
            (0.001, "0.001"),
            (0.00123, "0.00123"),
            (0.0001, "1.0E-4"),
            (1.5e-7, "1.5E-7"),
            // All 17 digits, though many zeros stand before them.
            (1.326_211_265_309_121_2e-5, "1.3262112653091212E-5"),
            (0.0013262112653091213, "0.0013262112653091213"),
            (123.456, "123.456"),
            (-2.5e100, "-2.5E100"),
            (f64::MAX, "1.7976931348623157E308"),
            (5e-324, "4.9E-324"),
            (1e-323, "9.9E-324"),
            (2e-323, "2.0E-323"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(FloatText::from_f64(value).as_str(), text);
        }
        assert_eq!(
            FloatText::from_f32(std::f32::consts::PI).as_str(),
            "3.1415927"
        );
        assert_eq!(FloatText::from_f32(1e10).as_str(), "1.0E10");
        assert_eq!(FloatText::from_f32(1e-45).as_str(), "1.4E-45");
        assert_eq!(FloatText::from_f32(3e-45).as_str(), "2.8E-45");
    }

    #[test]
    fn malformed_text_is_replaced_as_java_does() {
        for (bytes, text) in [
            (&b"plain"[..], "plain"),
            (b"\xED\xA0\x80", "\u{FFFD}"),
            (b"a\xED\xA0", "a\u{FFFD}\u{FFFD}"),
            (b"\xE2\x82x", "\u{FFFD}x"),
            (b"\xC0\x80", "\u{FFFD}\u{FFFD}"),
            (b"\xF4\x90\x80\x80", "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"),
        ] {
            assert_eq!(utf8_lossy(bytes), text, "{bytes:?}");
        }
    }

    #[test]
    fn dates_are_written_as_java_does() {
        for (millis, text) in [
            (1_795_367_687_000, "Sun Nov 22 17:14:47 UTC 2026"),
            (-1, "Wed Dec 31 23:59:59 UTC 1969"),
            (-12_219_292_800_001, "Thu Oct 04 23:59:59 UTC 1582"),
            (-12_219_292_800_000, "Fri Oct 15 00:00:00 UTC 1582"),
            (-62_135_769_600_000, "Sat Jan 01 00:00:00 UTC 1"),
            (-106_202_154_365_963, "Fri Aug 15 09:33:54 UTC 1397"),
            (7_464_959_913_600_000, "Thu Mar 01 00:00:00 UTC 238525"),
            (
                7_766_279_631_452_241_920,
                "Fri May 31 09:37:21 UTC 246105574",
            ),
        ] {
            assert_eq!(java_date(millis), text);
        }
    }
}
