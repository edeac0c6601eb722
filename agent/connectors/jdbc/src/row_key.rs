//! Normal forms of keys, and values that a column accepts for certain.
//!
//! Two texts of keys are equal exactly if the database finds the keys equal. Where that can't be said of a
//! value, it has no text, and its record keeps its place.

use std::fmt::Write as _;

use sluice_api::logical::MILLIS_PER_DAY;

use crate::cell::Cell;

/// The longest text that fits into every index beside others.
const MAX_INDEXED: usize = 400;
/// The longest text or bytes that are certain to be accepted where no index is.
const MAX_FREE: usize = 1 << 20;
/// Days of 9999-12-31 since the epoch; that of the year 1 is further from the other end.
const MAX_DAYS: i64 = 2_932_896;
const MIN_DAYS: i64 = -719_162;

/// How values of a column of a key are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyForm {
    Integer,
    Uuid,
    /// Texts byte by byte, of at most this many characters.
    Text(Option<usize>),
    Boolean,
    Bytes,
    Date,
}

/// Which values a column takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SureForm {
    pub(crate) kind: SureKind,
    pub(crate) nullable: bool,
    /// Whether an index has the column, in which long values have no room.
    pub(crate) indexed: bool,
}

/// See [`SureForm`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SureKind {
    /// Between these.
    Integer(i64, i64),
    Boolean,
    /// Of at most this many characters.
    Text(Option<usize>),
    Float32,
    Float64,
    Bytes,
    Date,
    Timestamp,
    Uuid,
    /// Digits in all and after the point; without them any number.
    Numeric(Option<(i64, i64)>),
}

/// A whole number as a program writes it: no sign but a minus, no leading zero.
fn integer(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A UUID in its usual form, in lower case.
fn uuid(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let fits = bytes.len() == 36
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    fits.then(|| text.to_ascii_lowercase())
}

fn fits_text(text: &str, limit: Option<usize>) -> bool {
    !text.contains('\0') && limit.is_none_or(|limit| text.chars().count() <= limit)
}

impl KeyForm {
    fn add(self, key: &mut String, cell: &Cell) -> Option<()> {
        // Writing to a String can't fail; lengths tell columns apart.
        match (self, cell) {
            (Self::Integer, Cell::Integer(value)) => write!(key, "{value},"),
            (Self::Integer, Cell::Text(text)) => write!(key, "{},", integer(text)?),
            (Self::Uuid, Cell::Text(text)) => write!(key, "{},", uuid(text)?),
            (Self::Text(limit), Cell::Text(text)) if fits_text(text, limit) => {
                write!(key, "{}:{text},", text.len())
            }
            (Self::Text(None), Cell::Integer(value)) => {
                let text = value.to_string();
                write!(key, "{}:{text},", text.len())
            }
            (Self::Boolean, Cell::Boolean(value)) => write!(key, "{value},"),
            (Self::Date, Cell::Date(days)) => write!(key, "{days},"),
            (Self::Bytes, Cell::Bytes(bytes)) => {
                crate::sql_text::write_hex(key, bytes);
                key.write_char(',')
            }
            _ => return None,
        }
        .ok()
    }
}

/// A text that rows have in common exactly if the database finds their keys equal; `None` if that is not
/// certain.
pub(crate) fn key_of(forms: &[KeyForm], row: &[Cell]) -> Option<String> {
    let mut key = String::new();
    for (form, cell) in forms.iter().zip(row) {
        form.add(&mut key, cell)?;
    }
    Some(key)
}

impl SureForm {
    fn takes(self, cell: &Cell) -> bool {
        let longest = if self.indexed { MAX_INDEXED } else { MAX_FREE };
        match (self.kind, cell) {
            (_, Cell::Null) => self.nullable,
            (SureKind::Integer(least, most), Cell::Integer(value)) => {
                (least..=most).contains(value)
            }
            (SureKind::Boolean, Cell::Boolean(_))
            | (SureKind::Float32 | SureKind::Float64, Cell::Float32(_))
            | (SureKind::Float64, Cell::Float64(_)) => true,
            (SureKind::Text(limit), Cell::Text(text)) => {
                text.len() <= longest && fits_text(text, limit)
            }
            (SureKind::Bytes, Cell::Bytes(bytes)) => bytes.len() <= longest,
            (SureKind::Uuid, Cell::Text(text)) => uuid(text).is_some(),
            (SureKind::Date, Cell::Date(days)) => (MIN_DAYS..=MAX_DAYS).contains(&i64::from(*days)),
            (SureKind::Timestamp, Cell::Timestamp(micros)) => {
                (MIN_DAYS + 1..MAX_DAYS).contains(&micros.div_euclid(MILLIS_PER_DAY * 1000))
            }
            (SureKind::Numeric(None), Cell::Integer(_)) => true,
            (SureKind::Numeric(Some((precision, scale))), Cell::Integer(value)) => {
                i64::from(value.unsigned_abs().checked_ilog10().unwrap_or(0)) < precision - scale
            }
            (SureKind::Numeric(limits), Cell::Decimal(value)) => {
                let digits = i64::try_from(value.unscaled().bits() / 3 + 1).unwrap_or(i64::MAX);
                let whole = digits - i64::from(value.scale());
                // One digit less, since rounding may add one.
                let most = limits.map_or(100, |(precision, scale)| precision - scale - 1);
                digits <= 1000 && value.scale().abs() <= 1000 && whole <= most
            }
            _ => false,
        }
    }
}

/// Whether the database accepts a row, whatever else the table holds.
pub(crate) fn is_sure(forms: &[Option<SureForm>], row: &[Cell]) -> bool {
    !forms.is_empty()
        && forms
            .iter()
            .zip(row)
            .all(|(form, cell)| form.is_some_and(|form| form.takes(cell)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_a_text_only_where_equality_is_certain() {
        let key = |form, text: &str| key_of(&[form], &[Cell::Text(text.into())]);
        assert_eq!(
            key(KeyForm::Uuid, "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"),
            key(KeyForm::Uuid, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
        );
        assert_eq!(
            key(KeyForm::Uuid, "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"),
            None
        );
        assert_eq!(key(KeyForm::Integer, "007"), None);
        assert_eq!(key(KeyForm::Integer, "+7"), None);
        assert_eq!(
            key(KeyForm::Integer, "7"),
            key_of(&[KeyForm::Integer], &[Cell::Integer(7)])
        );
        assert_eq!(key(KeyForm::Text(Some(3)), "abc "), None);
        let pair = |a: &str, b: &str| {
            let row = [Cell::Text(a.into()), Cell::Text(b.into())];
            key_of(&[KeyForm::Text(None); 2], &row)
        };
        assert_ne!(pair("a,1:b", "c"), pair("a", "b,1:c"));
    }

    #[test]
    fn only_what_fits_for_certain_is_sure() {
        let takes = |kind, cell: Cell| {
            let form = SureForm {
                kind,
                nullable: false,
                indexed: true,
            };
            is_sure(&[Some(form)], &[cell])
        };
        let numeric = SureKind::Numeric(Some((6, 2)));
        assert!(takes(
            numeric,
            Cell::Decimal(std::sync::Arc::new("12.34".parse().unwrap()))
        ));
        assert!(!takes(
            numeric,
            Cell::Decimal(std::sync::Arc::new("9999.995".parse().unwrap()))
        ));
        assert!(takes(numeric, Cell::Integer(9999)));
        assert!(!takes(numeric, Cell::Integer(10_000)));
        assert!(!takes(SureKind::Text(None), Cell::Text("a\0".into())));
        assert!(!takes(
            SureKind::Text(None),
            Cell::Text("x".repeat(500).into())
        ));
        assert!(!takes(SureKind::Boolean, Cell::Null));
        assert!(!takes(SureKind::Float32, Cell::Float64(1e300)));
    }
}
