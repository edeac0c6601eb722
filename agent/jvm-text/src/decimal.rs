//! Decimal numbers of any precision, as `java.math.BigDecimal`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use num_bigint::{BigInt, Sign};

use crate::{Exception, number};

/// Exponents beyond this are refused: they would make texts and integers of any length from a few bytes.
const MAX_EXPONENT: i64 = 100_000;

/// `unscaled * 10^-scale`. Equality compares the scale too, as in Java: 1.0 is not 1.00.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal {
    unscaled: BigInt,
    scale: i32,
}

impl Decimal {
    /// From its parts.
    #[must_use]
    pub fn new(unscaled: impl Into<BigInt>, scale: i32) -> Self {
        Self {
            unscaled: unscaled.into(),
            scale,
        }
    }

    /// From big-endian two's complement bytes.
    #[must_use]
    pub fn from_be_bytes(bytes: &[u8], scale: i32) -> Self {
        Self {
            unscaled: BigInt::from_signed_bytes_be(bytes),
            scale,
        }
    }

    /// Unscaled value as big-endian two's complement bytes, at least one.
    #[must_use]
    pub fn to_be_bytes(&self) -> Vec<u8> {
        self.unscaled.to_signed_bytes_be()
    }

    /// Digits after the point; negative for powers of ten.
    #[must_use]
    pub fn scale(&self) -> i32 {
        self.scale
    }

    /// Value without its scale.
    #[must_use]
    pub fn unscaled(&self) -> &BigInt {
        &self.unscaled
    }

    /// The same number with another scale; `None` if digits would be lost.
    #[must_use]
    pub fn rescaled(&self, scale: i32) -> Option<Self> {
        let difference = i64::from(scale) - i64::from(self.scale);
        let power = BigInt::from(10).pow(u32::try_from(difference.unsigned_abs()).ok()?);
        if difference >= 0 {
            return Some(Self::new(&self.unscaled * power, scale));
        }
        let quotient = &self.unscaled / &power;
        (&quotient * power == self.unscaled).then(|| Self::new(quotient, scale))
    }

    /// The integer, if there is no fraction.
    #[must_use]
    pub fn to_integer(&self) -> Option<BigInt> {
        let power = || BigInt::from(10).pow(self.scale.unsigned_abs());
        match self.scale.cmp(&0) {
            Ordering::Equal => Some(self.unscaled.clone()),
            Ordering::Less => Some(&self.unscaled * power()),
            Ordering::Greater => {
                // More digits after the point than digits at all: only zero is an integer.
                if self.unscaled.bits() / 3 < u64::from(self.scale.unsigned_abs()) / 2
                    && self.unscaled.sign() != Sign::NoSign
                {
                    return None;
                }
                let power = power();
                let quotient = &self.unscaled / &power;
                (&quotient * power == self.unscaled).then_some(quotient)
            }
        }
    }

    /// The integer part, towards zero (`BigDecimal.toBigInteger`).
    #[must_use]
    pub fn truncate(&self) -> BigInt {
        let power = || BigInt::from(10).pow(self.scale.unsigned_abs());
        match self.scale.cmp(&0) {
            Ordering::Equal => self.unscaled.clone(),
            Ordering::Less => &self.unscaled * power(),
            Ordering::Greater => &self.unscaled / power(),
        }
    }

    /// Nearest double; infinite if too large.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        format!("{}e{}", self.unscaled, -i64::from(self.scale))
            .parse()
            .unwrap_or(f64::NAN)
    }

    /// Nearest float; infinite if too large.
    #[must_use]
    pub fn to_f32(&self) -> f32 {
        format!("{}e{}", self.unscaled, -i64::from(self.scale))
            .parse()
            .unwrap_or(f32::NAN)
    }

    /// Text without exponent (`BigDecimal.toPlainString`).
    #[must_use]
    pub fn to_plain_string(&self) -> String {
        let digits = self.unscaled.magnitude().to_string();
        let sign = if self.unscaled.sign() == Sign::Minus {
            "-"
        } else {
            ""
        };
        if self.scale <= 0 {
            if self.unscaled.sign() == Sign::NoSign {
                return "0".to_owned();
            }
            let zeros = usize::try_from(self.scale.unsigned_abs()).unwrap_or(0);
            return format!("{sign}{digits}{}", "0".repeat(zeros));
        }
        let scale = usize::try_from(self.scale).unwrap_or(0);
        if digits.len() > scale {
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            format!("{sign}{whole}.{fraction}")
        } else {
            format!("{sign}0.{}{digits}", "0".repeat(scale - digits.len()))
        }
    }
}

/// `BigDecimal.toString`: plain for a scale from 0 with an exponent above -7, else with `E`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.unscaled.magnitude().to_string();
        let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        let exponent = -i64::from(self.scale) + (count - 1);
        if self.scale >= 0 && exponent >= -6 {
            return f.write_str(&self.to_plain_string());
        }
        if self.unscaled.sign() == Sign::Minus {
            f.write_str("-")?;
        }
        let (first, rest) = digits.split_at(1);
        f.write_str(first)?;
        if !rest.is_empty() {
            write!(f, ".{rest}")?;
        }
        if exponent != 0 {
            write!(f, "E{}{exponent}", if exponent > 0 { "+" } else { "" })?;
        }
        Ok(())
    }
}

/// Reads what `new BigDecimal(String)` reads: `1`, `+1.50`, `.5`, `1e-3`, with the digits of any script.
impl FromStr for Decimal {
    type Err = Exception;

    fn from_str(text: &str) -> Result<Self, Exception> {
        let bad = || Exception::NumberFormat(format!("not a decimal number: {text:.100}"));
        let text = &*number::ascii_digits(text);
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => {
                let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
                if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(bad());
                }
                let exponent: i64 = exponent.parse().map_err(|_| bad())?;
                (mantissa, exponent)
            }
            None => (text, 0),
        };
        let unsigned = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        if whole.is_empty() && fraction.is_empty()
            || !whole
                .bytes()
                .chain(fraction.bytes())
                .all(|b| b.is_ascii_digit())
            || exponent.abs() > MAX_EXPONENT
        {
            return Err(bad());
        }
        let sign = if mantissa.starts_with('-') { "-" } else { "" };
        let unscaled = BigInt::from_str(&format!("{sign}{whole}{fraction}")).map_err(|_| bad())?;
        let scale = i64::try_from(fraction.len()).map_err(|_| bad())? - exponent;
        Ok(Self {
            unscaled,
            scale: i32::try_from(scale).map_err(|_| bad())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_that_of_big_decimal() {
        for (text, expected) in [
            ("12.34", "12.34"),
            ("-0.5", "-0.5"),
            ("1E+3", "1E+3"),
            ("1e400", "1E+400"),
            ("0.0000001", "1E-7"),
            ("0.000001", "0.000001"),
            ("123e-10", "1.23E-8"),
            ("0.00", "0.00"),
            ("+7", "7"),
            (".5", "0.5"),
            ("5.", "5"),
        ] {
            assert_eq!(
                text.parse::<Decimal>().unwrap().to_string(),
                expected,
                "{text}"
            );
        }
        for text in [
            "",
            "+",
            "1 2",
            "0x10",
            "e5",
            "1e",
            ".",
            "--1",
            "1e999999999999",
        ] {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
    }

    #[test]
    fn integers_are_found_without_loss() {
        let integer = |text: &str| text.parse::<Decimal>().unwrap().to_integer();
        assert_eq!(integer("1.0"), Some(BigInt::from(1)));
        assert_eq!(integer("1e3"), Some(BigInt::from(1000)));
        assert_eq!(integer("1.5"), None);
        assert_eq!(integer("0.000000000000"), Some(BigInt::from(0)));
        assert_eq!(integer("10.00"), Some(BigInt::from(10)));
        assert_eq!(integer("1e-90000"), None);
    }
}
