//! Types of columns, and their bytes in the binary format.

use std::sync::Arc;

use bytes::Bytes;
use num_bigint::{BigInt, Sign};
use sluice_api::{Decimal, Schema, SchemaType, logical};
use tokio_postgres::types::{FromSql, Kind, Type};

use crate::cell::Cell;
use crate::table::{Column, ColumnType};
use crate::time::{Zone, write_timestamp};

/// PostgreSQL's epoch, 2000-01-01, in days since that of Unix.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// How the bytes of a column are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Format {
    Boolean,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    /// A version byte, then text.
    Jsonb,
    Uuid,
    Bytes,
    Date,
    Time,
    Timestamp,
}

pub(super) fn format(kind: &Type) -> Option<(Format, ColumnType)> {
    Some(match *kind {
        Type::BOOL => (Format::Boolean, ColumnType::Boolean),
        Type::INT2 => (Format::Int2, ColumnType::Int16),
        Type::INT4 => (Format::Int4, ColumnType::Int32),
        Type::INT8 => (Format::Int8, ColumnType::Int64),
        Type::OID => (Format::Oid, ColumnType::Int64),
        Type::FLOAT4 => (Format::Float4, ColumnType::Float32),
        Type::FLOAT8 => (Format::Float8, ColumnType::Float64),
        Type::NUMERIC => (
            Format::Numeric,
            ColumnType::Numeric {
                precision: None,
                scale: 0,
            },
        ),
        Type::TEXT
        | Type::VARCHAR
        | Type::BPCHAR
        | Type::NAME
        | Type::CHAR
        | Type::XML
        | Type::JSON
        | Type::UNKNOWN => (Format::Text, ColumnType::Text),
        Type::JSONB => (Format::Jsonb, ColumnType::Text),
        Type::UUID => (Format::Uuid, ColumnType::Text),
        Type::BYTEA => (Format::Bytes, ColumnType::Bytes),
        Type::DATE => (Format::Date, ColumnType::Date),
        Type::TIME => (Format::Time, ColumnType::Time),
        Type::TIMESTAMP => (Format::Timestamp, ColumnType::Timestamp { instant: false }),
        Type::TIMESTAMPTZ => (Format::Timestamp, ColumnType::Timestamp { instant: true }),
        ref other => match other.kind() {
            Kind::Enum(_) => (Format::Text, ColumnType::Text),
            Kind::Domain(base) => return format(base),
            Kind::Simple if other.name() == "citext" => (Format::Text, ColumnType::Text),
            _ => return None,
        },
    })
}

/// Precision and scale that a type modifier of numeric holds.
pub(super) fn numeric_modifier(modifier: i32) -> ColumnType {
    if modifier < 4 {
        return ColumnType::Numeric {
            precision: None,
            scale: 0,
        };
    }
    let packed = modifier - 4;
    ColumnType::Numeric {
        precision: Some((packed >> 16) & 0xffff),
        // Eleven bits with sign.
        scale: ((packed & 0x7ff) ^ 1024) - 1024,
    }
}

/// The bytes of a cell, whatever its type.
pub(super) struct Raw<'a>(pub(super) &'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(
        _kind: &Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_kind: &Type) -> bool {
        true
    }
}

fn fixed<const N: usize>(raw: &[u8]) -> Result<[u8; N], String> {
    raw.try_into()
        .map_err(|_| format!("{} bytes where {N} belong", raw.len()))
}

/// Digits of base 10,000: count, weight of the first, sign, digits after the point, then the digits.
fn numeric(raw: &[u8]) -> Result<Cell, String> {
    let word = |index: usize| -> Result<i16, String> {
        let bytes = raw
            .get(index * 2..index * 2 + 2)
            .ok_or("a numeric is cut off")?;
        Ok(i16::from_be_bytes(fixed(bytes)?))
    };
    let (count, weight, sign, scale) = (word(0)?, word(1)?, word(2)?.cast_unsigned(), word(3)?);
    match sign {
        0 | 0x4000 => {}
        0xc000 => return Ok(Cell::Float64(f64::NAN)),
        0xd000 => return Ok(Cell::Float64(f64::INFINITY)),
        _ => return Ok(Cell::Float64(f64::NEG_INFINITY)),
    }
    let count = usize::try_from(count).unwrap_or(0);
    let digits = (0..count).map(|index| word(index + 4));
    // The unscaled value counts units of 10000^(weight - count + 1).
    let exponent = (i64::from(weight) + 1 - i64::try_from(count).unwrap_or(0)) * 4;
    let unscaled = if count <= 9 {
        let mut small = 0_i128;
        for digit in digits {
            small = small * 10_000 + i128::from(digit?);
        }
        BigInt::from(small)
    } else {
        let mut large = BigInt::from(0);
        for digit in digits {
            large = large * 10_000 + digit?;
        }
        large
    };
    let shift = exponent + i64::from(scale);
    let power = BigInt::from(10).pow(u32::try_from(shift.unsigned_abs()).unwrap_or(0));
    let magnitude = if shift >= 0 {
        unscaled * power
    } else {
        unscaled / power
    };
    let value = if sign == 0 {
        magnitude
    } else {
        BigInt::from_biguint(Sign::Minus, magnitude.into_parts().1)
    };
    Ok(Cell::Decimal(Arc::new(Decimal::new(
        value,
        i32::from(scale),
    ))))
}

fn text(raw: &[u8]) -> Result<Cell, String> {
    let text = std::str::from_utf8(raw).map_err(|_| "a text is not UTF-8")?;
    Ok(Cell::Text(text.into()))
}

fn uuid(raw: &[u8]) -> Result<Cell, String> {
    let number = u128::from_be_bytes(fixed(raw)?);
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    Ok(Cell::Text(
        format!(
            "{}-{}-{}-{}-{}",
            part(0, 8),
            part(8, 12),
            part(12, 16),
            part(16, 20),
            part(20, 32)
        )
        .into(),
    ))
}

pub(super) fn decode(format: Format, raw: &[u8]) -> Result<Cell, String> {
    Ok(match format {
        Format::Boolean => Cell::Boolean(raw.first() == Some(&1)),
        Format::Int2 => Cell::Integer(i16::from_be_bytes(fixed(raw)?).into()),
        Format::Int4 => Cell::Integer(i32::from_be_bytes(fixed(raw)?).into()),
        Format::Int8 => Cell::Integer(i64::from_be_bytes(fixed(raw)?)),
        Format::Oid => Cell::Integer(u32::from_be_bytes(fixed(raw)?).into()),
        Format::Float4 => Cell::Float32(f32::from_be_bytes(fixed(raw)?)),
        Format::Float8 => Cell::Float64(f64::from_be_bytes(fixed(raw)?)),
        Format::Numeric => numeric(raw)?,
        Format::Text => text(raw)?,
        Format::Jsonb => text(raw.get(1..).unwrap_or_default())?,
        Format::Uuid => uuid(raw)?,
        Format::Bytes => Cell::Bytes(Bytes::copy_from_slice(raw)),
        Format::Date => match i32::from_be_bytes(fixed(raw)?) {
            i32::MAX => Cell::Infinity { positive: true },
            i32::MIN => Cell::Infinity { positive: false },
            days => Cell::Date(days.saturating_add(EPOCH_DAYS)),
        },
        Format::Time => Cell::Time(i64::from_be_bytes(fixed(raw)?)),
        Format::Timestamp => match i64::from_be_bytes(fixed(raw)?) {
            i64::MAX => Cell::Infinity { positive: true },
            i64::MIN => Cell::Infinity { positive: false },
            micros => Cell::Timestamp(micros.saturating_add(EPOCH_MICROS)),
        },
    })
}

/// `'2024-01-01 00:00:00+00'`; PostgreSQL gives it the column's type.
pub(in crate::dialect) fn timestamp_literal(micros: i64, column: &Column, zone: Zone) -> String {
    let instant = column.kind == ColumnType::Timestamp { instant: true };
    let shown = if instant {
        micros
    } else {
        zone.to_local(micros)
    };
    let mut text = "'".to_owned();
    let before_christ = write_timestamp(&mut text, shown);
    if instant {
        text.push_str("+00");
    }
    if before_christ {
        text.push_str(" BC");
    }
    text.push('\'');
    text
}

/// Column types as the Confluent connector creates them.
pub(in crate::dialect) fn column_type(schema: &Schema) -> Result<String, String> {
    let name = match schema.name() {
        Some(logical::DECIMAL) => "DECIMAL",
        Some(logical::DATE) => "DATE",
        Some(logical::TIME) => "TIME",
        Some(logical::TIMESTAMP) => "TIMESTAMP",
        _ => match schema.schema_type() {
            SchemaType::Int8 | SchemaType::Int16 => "SMALLINT",
            SchemaType::Int32 => "INT",
            SchemaType::Int64 => "BIGINT",
            SchemaType::Float32 => "REAL",
            SchemaType::Float64 => "DOUBLE PRECISION",
            SchemaType::Boolean => "BOOLEAN",
            SchemaType::String => "TEXT",
            SchemaType::Bytes => "BYTEA",
            SchemaType::Array => {
                let inner = schema.value_schema().ok().flatten();
                let inner = inner.ok_or("an array without schema of its elements")?;
                return Ok(format!("{}[]", column_type(inner)?));
            }
            kind @ (SchemaType::Map | SchemaType::Struct) => {
                return Err(format!("{kind} has no column type"));
            }
        },
    };
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_base_ten_thousand_are_read() {
        let encoded = |words: &[i16]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_be_bytes()).collect()
        };
        for (words, shown) in [
            (&[2_i16, 0, 0, 2, 12, 3400][..], "12.34"),
            (&[1, 0, 0x4000, 0, 7], "-7"),
            (&[1, 1, 0, 0, 3], "30000"),
            (&[0, 0, 0, 3], "0.000"),
            (&[1, -1, 0, 4, 5], "0.0005"),
            (&[1, -2, 0, 6, 500], "0.000005"),
        ] {
            let Cell::Decimal(value) = numeric(&encoded(words)).unwrap() else {
                panic!("no decimal");
            };
            assert_eq!(value.to_plain_string(), shown);
        }
        assert!(numeric(&[0, 1]).is_err());
        assert_eq!(
            numeric_modifier((10 << 16 | 2) + 4),
            ColumnType::Numeric {
                precision: Some(10),
                scale: 2
            }
        );
    }
}
