//! JSON as JVM workers write and read it (Jackson with its default settings, no whitespace).
//!
//! Topic keys are compared by their bytes, by Kafka's compaction and by the offset reader. So the text must
//! be the JVM's to the byte: control characters as `\u00XX` in upper case, characters beyond the basic plane
//! as two escapes, numbers with a fraction as `Double.toString` gives them.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::ser::{CharEscape, Formatter, Serializer};

/// The compact JSON a JVM worker would write for `value`.
///
/// Fails only when `value` has map keys that are no text.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::with_capacity(128);
    value.serialize(&mut Serializer::with_formatter(&mut bytes, JvmFormatter))?;
    Ok(bytes)
}

/// Reads one JSON value and ignores what follows it, as Jackson's `readTree` does.
///
/// After a number only blanks may follow directly, after `true`, `false` and `null` nothing that could belong
/// to a word. Empty input is an error.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<T>();
    let value = match values.next() {
        Some(value) => value?,
        // Only blanks: let the parser word the error.
        None => return serde_json::from_slice(bytes),
    };
    Ok(value)
}

/// Reads any JSON value with the tolerance of [`from_slice`].
pub fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    from_slice(bytes)
}

struct JvmFormatter;

impl Formatter for JvmFormatter {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(java_double(value).as_bytes())
    }

    fn write_f32<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
        // Shortest digits of the f32, laid out by Java's rule.
        let text = format!("{value:e}");
        writer.write_all(java_layout(&text).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(|c: char| u32::from(c) > 0xffff) {
            let (plain, from_here) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut chars = from_here.chars();
            if let Some(c) = chars.next() {
                let mut units = [0u16; 2];
                for unit in c.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04X}")?;
                }
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        let text: &[u8] = match escape {
            CharEscape::Quote => b"\\\"",
            CharEscape::ReverseSolidus => b"\\\\",
            CharEscape::Solidus => b"\\/",
            CharEscape::Backspace => b"\\b",
            CharEscape::FormFeed => b"\\f",
            CharEscape::LineFeed => b"\\n",
            CharEscape::CarriageReturn => b"\\r",
            CharEscape::Tab => b"\\t",
            CharEscape::AsciiControl(byte) => return write!(writer, "\\u{byte:04X}"),
        };
        writer.write_all(text)
    }
}

/// `Double.toString` of a finite number: plain from 0.001 to 10,000,000, else with `E`.
fn java_double(value: f64) -> String {
    java_layout(&format!("{value:e}"))
}

/// Lays out shortest digits, given as Rust's `{:e}` text (`-1.25e-7`), by the rule of `Double.toString`.
fn java_layout(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits == "0" {
        return format!("{sign}0.0");
    }
    if !(-3..7).contains(&exponent) {
        let fraction = if fraction.is_empty() { "0" } else { fraction };
        return format!("{sign}{whole}.{fraction}E{exponent}");
    }
    if exponent < 0 {
        let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
        return format!("{sign}0.{zeros}{digits}");
    }
    let point = usize::try_from(exponent + 1).unwrap_or(1);
    let padded = format!("{digits:0<point$}");
    let (whole, fraction) = padded.split_at(point);
    let fraction = if fraction.is_empty() { "0" } else { fraction };
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<T: Serialize>(value: T) -> String {
        String::from_utf8(to_vec(&value).unwrap()).unwrap()
    }

    #[test]
    fn doubles_are_laid_out_as_java_does() {
        for (value, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (1.5, "1.5"),
            (-12.25, "-12.25"),
            (100.0, "100.0"),
            (9_999_999.0, "9999999.0"),
            (10_000_000.0, "1.0E7"),
            (12_345_678.9, "1.23456789E7"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (0.012_5, "0.0125"),
            (1e300, "1.0E300"),
        ] {
            assert_eq!(text(value), expected);
        }
    }

    #[test]
    fn strings_are_escaped_as_jackson_does() {
        assert_eq!(
            text("a\"\\/\n\t\u{1f}\u{7f}é"),
            "\"a\\\"\\\\/\\n\\t\\u001F\u{7f}é\""
        );
        assert_eq!(text("x😀y"), r#""x\uD83D\uDE00y""#);
    }

    #[test]
    fn what_follows_the_first_value_is_ignored_but_numbers_need_a_blank() {
        assert_eq!(parse(br#"{"a":1} rest"#).unwrap()["a"], 1);
        assert!(parse(b"5 rest").is_ok());
        assert!(parse(b"5\xff").is_err());
        assert!(parse(b"truex").is_err());
        for bad in [&b""[..], b"  ", b"{", b"\xff"] {
            assert!(parse(bad).is_err());
        }
    }
}
