//! Numbers and words as Java's classes read them, which Kafka's configurations, transformations and
//! converters are made of.
//!
//! Java takes digits of other scripts where it reads integers and decimals, but not where it reads floating
//! point numbers; those may have blanks around them, a suffix `f` or `d`, and hexadecimal digits with a
//! binary exponent.

use std::borrow::Cow;

/// The zeros of all scripts with digits in the basic multilingual plane (`Character.digit`, Unicode 13 as in
/// Java 17).
const ZEROS: [u32; 37] = [
    0x0030, 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6,
    0x0D66, 0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80,
    0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0,
    0xFF10,
];

/// `String.trim`: without characters up to U+0020 at both ends. Blanks of other scripts stay.
#[must_use]
pub fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ')
}

/// The value of a decimal digit of any script (`Character.digit`); `None` for other characters.
#[must_use]
pub fn digit(character: char) -> Option<u8> {
    let code = u32::from(character);
    if character.is_ascii() {
        return character
            .to_digit(10)
            .and_then(|value| u8::try_from(value).ok());
    }
    let at = ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?;
    let value = code - ZEROS.get(at)?;
    u8::try_from(value).ok().filter(|value| *value < 10)
}

/// The text with the digits of other scripts as those of ASCII.
#[must_use]
pub fn ascii_digits(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    text.chars()
        .map(|c| digit(c).map_or(c, |value| char::from(b'0' + value)))
        .collect()
}

/// `Integer.parseInt` and its kin: an optional sign and digits, nothing else; `None` if it is not one or does
/// not fit.
#[must_use]
pub fn integer<T: std::str::FromStr>(text: &str) -> Option<T> {
    // Rust's parsers take what Java's take, once the digits are those of ASCII.
    ascii_digits(text).parse().ok()
}

/// `Double.parseDouble`; `None` where that throws.
#[must_use]
pub fn double(text: &str) -> Option<f64> {
    match Floating::of(text)? {
        Floating::Decimal(number) => number.parse().ok(),
        Floating::Hexadecimal(number) => Some(number.rounded(f64::MANTISSA_DIGITS, -1074)),
    }
}

/// `Float.parseFloat`; `None` where that throws.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the number has been rounded to the digits of a float"
)]
pub fn float(text: &str) -> Option<f32> {
    match Floating::of(text)? {
        Floating::Decimal(number) => number.parse().ok(),
        Floating::Hexadecimal(number) => Some(number.rounded(f32::MANTISSA_DIGITS, -149) as f32),
    }
}

/// `String.equalsIgnoreCase`: characters are equal if their capital or small letters are, without regard to a
/// language.
#[must_use]
pub fn equals_ignoring_case(one: &str, other: &str) -> bool {
    let folded = |text: &str| -> Vec<char> {
        // Java's `Character.toUpperCase` maps to one character; those with longer capitals stay.
        let single =
            |mut mapped: std::char::ToUppercase, c: char| match (mapped.next(), mapped.next()) {
                (Some(upper), None) => upper,
                _ => c,
            };
        text.chars()
            .map(|c| single(c.to_uppercase(), c))
            .map(|c| c.to_lowercase().next().unwrap_or(c))
            .collect()
    };
    one.eq_ignore_ascii_case(other)
        || (!(one.is_ascii() && other.is_ascii()) && folded(one) == folded(other))
}

/// A text that Java reads as a floating point number.
enum Floating<'a> {
    /// In the form that Rust reads too.
    Decimal(&'a str),
    Hexadecimal(Hexadecimal),
}

impl<'a> Floating<'a> {
    /// `FloatingDecimal.readJavaFormatString`.
    fn of(text: &'a str) -> Option<Self> {
        let trimmed = trim(text);
        let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
        if matches!(unsigned, "NaN" | "Infinity") {
            return Some(Self::Decimal(trimmed));
        }
        if let Some(digits) = unsigned
            .strip_prefix("0x")
            .or_else(|| unsigned.strip_prefix("0X"))
        {
            return Hexadecimal::of(digits, trimmed.starts_with('-')).map(Self::Hexadecimal);
        }
        let number = trimmed
            .strip_suffix(['f', 'F', 'd', 'D'])
            .unwrap_or(trimmed);
        let of_digits = number
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
        of_digits.then_some(Self::Decimal(number))
    }
}

/// `0.DIGITS * 16^point * 2^exponent`, as far as the digits count.
struct Hexadecimal {
    negative: bool,
    /// The first 64 bits, without leading zeros.
    bits: u64,
    /// Whether anything beyond them is not zero.
    more: bool,
    /// The power of two that `bits` is multiplied with.
    exponent: i64,
}

impl Hexadecimal {
    /// From what follows `0x`: digits with an optional point, and an exponent, which must be there.
    fn of(text: &str, negative: bool) -> Option<Self> {
        let text = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
        let (digits, exponent) = text.split_once(['p', 'P'])?;
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all = || whole.bytes().chain(fraction.bytes());
        let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if power.is_empty()
            || all().next().is_none()
            || !all().all(|b| b.is_ascii_hexdigit())
            || !power.bytes().all(|b| b.is_ascii_digit())
        {
            return None;
        }
        // Beyond a billion every number is infinite or zero, whatever its digits.
        let power = power.parse::<i64>().unwrap_or(i64::MAX).min(1_000_000_000);
        let power = if exponent.starts_with('-') {
            -power
        } else {
            power
        };
        let mut number = Self {
            negative,
            bits: 0,
            more: false,
            exponent: power.checked_sub(4 * i64::try_from(fraction.len()).ok()?)?,
        };
        for byte in all() {
            let value = u64::from(char::from(byte).to_digit(16)?);
            if number.bits >> 60 == 0 {
                number.bits = number.bits << 4 | value;
            } else {
                number.more |= value != 0;
                number.exponent += 4;
            }
        }
        Some(number)
    }

    /// Rounded half to even, to so many binary digits and no smaller a power of two than `least`.
    fn rounded(&self, digits: u32, least: i64) -> f64 {
        let sign = if self.negative { -1.0 } else { 1.0 };
        if self.bits == 0 {
            return sign * 0.0;
        }
        let length = i64::from(64 - self.bits.leading_zeros());
        let dropped = (length - i64::from(digits)).max(least - self.exponent);
        let (mut kept, mut exponent) = (u128::from(self.bits), self.exponent);
        if dropped > 65 {
            return sign * 0.0;
        }
        if dropped > 0 {
            let half = 1_u128 << (dropped - 1);
            let rest = kept & ((half << 1) - 1);
            kept >>= dropped;
            exponent += dropped;
            if rest > half || (rest == half && (self.more || kept & 1 == 1)) {
                kept += 1;
            }
        }
        // The digits of a float have the range of floats: what is beyond it becomes infinite in the cast.
        #[expect(clippy::cast_precision_loss, reason = "it has no more digits than fit")]
        let kept = kept as f64;
        // In two steps, since 2^-1074 is no normal number.
        let exponent = i32::try_from(exponent.clamp(-2200, 2200)).unwrap_or(0);
        sign * kept * 2_f64.powi(exponent / 2) * 2_f64.powi(exponent - exponent / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floating_point_numbers_are_read_as_java_does() {
        for (text, value) in [
            ("1f", 1.0),
            (" 1.5D\t", 1.5),
            ("0x1p3", 8.0),
            ("-0X1.8p-3f", -0.1875),
            ("0x.8p1", 1.0),
            ("0x1.p1d", 2.0),
            ("0x1p-1074", f64::from_bits(1)),
            ("0x1p-1075", 0.0),
            ("0x1.8p-1075", f64::from_bits(1)),
            ("0x1.fffffffffffffp1023", f64::MAX),
            ("0x1p1024", f64::INFINITY),
            ("0x1.00000000000008p0", 1.0),
            ("0x1.000000000000081p0", 1.000_000_000_000_000_2),
            ("+Infinity", f64::INFINITY),
            ("1e400", f64::INFINITY),
            ("5.", 5.0),
            (".5", 0.5),
        ] {
            assert_eq!(double(text), Some(value), "{text}");
        }
        for text in [
            "", "inf", "nan", "infinity", "1e", "0x1", "0xp1", "1_0", "\u{a0}1", "\u{661}", ".",
            "1ff", "0x1p",
        ] {
            assert_eq!(double(text), None, "{text}");
        }
        assert_eq!(float("0x1.fffffep127"), Some(f32::MAX));
        assert_eq!(float("0x1.ffffffp127"), Some(f32::INFINITY));
        assert_eq!(float("0x1p-149"), Some(f32::from_bits(1)));
        assert_eq!(float("1e39"), Some(f32::INFINITY));
    }

    #[test]
    fn integers_have_digits_of_any_script() {
        assert_eq!(integer::<i32>("+\u{661}\u{662}"), Some(12));
        assert_eq!(integer::<i8>("-\u{FF11}28"), Some(-128));
        for text in ["", "+", " 1", "1 ", "128", "1_0", "\u{1D7CE}", "1.0"] {
            assert_eq!(integer::<i8>(text), None, "{text}");
        }
    }

    #[test]
    fn words_are_equal_by_the_letters_of_unicode() {
        assert!(equals_ignoring_case("fal\u{17F}e", "FALSE"));
        assert!(equals_ignoring_case("True", "true"));
        assert!(!equals_ignoring_case("tru", "true"));
    }
}
