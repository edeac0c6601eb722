//! A cell: one value of a row in the terms that all databases share, between Connect's values and a driver's.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use sluice_api::logical::{self, MILLIS_PER_DAY};
use sluice_api::{Decimal, Schema, SchemaType, Value};

use crate::calendar;
use crate::time::Zone;

/// Milliseconds by which PostgreSQL's JDBC driver tells `infinity` (`PGStatement.DATE_POSITIVE_INFINITY`).
pub(crate) const POSITIVE_INFINITY: i64 = 9_223_372_036_825_200_000;
/// As [`POSITIVE_INFINITY`], for `-infinity`.
pub(crate) const NEGATIVE_INFINITY: i64 = -9_223_372_036_832_400_000;

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Null,
    Boolean(bool),
    Integer(i64),
    Float32(f32),
    Float64(f64),
    Decimal(Arc<Decimal>),
    Text(ByteString),
    Bytes(Bytes),
    /// Days since the epoch.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since the epoch; of the wall clock where the column knows no time zone.
    Timestamp(i64),
    /// Later, or earlier, than every timestamp.
    Infinity {
        positive: bool,
    },
    Array(Vec<Cell>),
}

/// How a column's cells become values; follows from the column's type and `numeric.mapping`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Decimal(i32),
    Text,
    Bytes,
    Date,
    Time,
    /// `instant` columns hold points in time, others a wall clock's time in `db.timezone`.
    Timestamp {
        instant: bool,
    },
}

/// As schemas name types.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "BOOLEAN",
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Float32 => "FLOAT32",
            Self::Float64 => "FLOAT64",
            Self::Decimal(scale) => {
                return write!(f, "Decimal with {scale} digits after the point");
            }
            Self::Text => "STRING",
            Self::Bytes => "BYTES",
            Self::Date => "Date",
            Self::Time => "Time",
            Self::Timestamp { .. } => "Timestamp",
        })
    }
}

fn integer(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Integer(value) => Some(*value),
        Cell::Boolean(value) => Some((*value).into()),
        Cell::Decimal(value) => value.to_integer()?.try_into().ok(),
        Cell::Text(text) => text.trim().parse().ok(),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole numbers within the range only"
        )]
        Cell::Float64(value) if value.fract() == 0.0 && value.abs() < 9.0e15 => Some(*value as i64),
        _ => None,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the column is read as a floating point number"
)]
fn float(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Float32(value) => Some((*value).into()),
        Cell::Float64(value) => Some(*value),
        Cell::Integer(value) => Some(*value as f64),
        Cell::Decimal(value) => Some(value.to_f64()),
        Cell::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn decimal(cell: &Cell, scale: i32) -> Option<Decimal> {
    let exact = match cell {
        Cell::Decimal(value) => return value.rescaled(scale),
        Cell::Integer(value) => Decimal::new(*value, 0),
        Cell::Float64(value) => value.to_string().parse().ok()?,
        Cell::Text(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    exact.rescaled(scale)
}

fn text(cell: &Cell) -> Option<Value> {
    Some(Value::String(match cell {
        Cell::Text(text) => text.clone(),
        Cell::Integer(value) => value.to_string().into(),
        Cell::Float32(value) => value.to_string().into(),
        Cell::Float64(value) => value.to_string().into(),
        Cell::Boolean(value) => value.to_string().into(),
        Cell::Decimal(value) => value.to_plain_string().into(),
        Cell::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.to_owned().into(),
        _ => return None,
    }))
}

impl Cell {
    fn unfit(&self, target: Target) -> String {
        let mut shown = String::new();
        crate::sql_text::write(&mut shown, self, false, Zone::utc());
        format!("the value {shown:.100} can't be read as {target}")
    }

    /// The number in an offset; `None` if the cell is null.
    pub(crate) fn integer(&self) -> Result<Option<i64>, String> {
        match (self, integer(self)) {
            (Self::Null, _) => Ok(None),
            (_, None) => Err(self.unfit(Target::Int64)),
            (_, found) => Ok(found),
        }
    }

    /// Microseconds since the epoch of a date or a time of the target; `None` for all other cells.
    pub(crate) fn micros(&self, target: Target, zone: Zone) -> Option<i64> {
        match self {
            Self::Timestamp(micros) if target == (Target::Timestamp { instant: false }) => {
                Some(zone.to_utc(*micros))
            }
            Self::Timestamp(micros) => Some(*micros),
            Self::Date(days) => Some(i64::from(*days) * MILLIS_PER_DAY * 1000),
            _ => None,
        }
    }

    /// The value of Connect, or what does not fit.
    pub(crate) fn into_value(self, target: Target, zone: Zone) -> Result<Value, String> {
        let value = match (target, &self) {
            (_, Self::Null) => Some(Value::Null),
            (Target::Text, Self::Text(_)) => None,
            (Target::Boolean, Self::Boolean(value)) => Some(Value::Boolean(*value)),
            (Target::Boolean, other) => integer(other).map(|value| Value::Boolean(value != 0)),
            (Target::Int8, other) => integer(other)
                .and_then(|value| value.try_into().ok())
                .map(Value::Int8),
            (Target::Int16, other) => integer(other)
                .and_then(|value| value.try_into().ok())
                .map(Value::Int16),
            (Target::Int32, other) => integer(other)
                .and_then(|value| value.try_into().ok())
                .map(Value::Int32),
            (Target::Int64, other) => integer(other).map(Value::Int64),
            (Target::Float32, Self::Float32(value)) => Some(Value::Float32(*value)),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the column is a 32-bit one"
            )]
            (Target::Float32, other) => float(other).map(|value| Value::Float32(value as f32)),
            (Target::Float64, other) => float(other).map(Value::Float64),
            (Target::Decimal(scale), other) => decimal(other, scale).map(Value::from),
            (Target::Text, other) => text(other),
            (Target::Bytes, Self::Bytes(bytes)) => Some(Value::Bytes(bytes.clone())),
            (Target::Bytes, Self::Text(text)) => Some(Value::Bytes(text.as_bytes().clone())),
            (Target::Date, Self::Date(days)) => {
                let days = calendar::to_java(i64::from(*days));
                Some(Value::Date(days * MILLIS_PER_DAY))
            }
            (Target::Date, Self::Timestamp(micros)) => {
                let days = calendar::to_java(micros.div_euclid(MILLIS_PER_DAY * 1000));
                Some(Value::Date(days * MILLIS_PER_DAY))
            }
            (Target::Time, Self::Time(micros)) => Some(Value::Date(micros.div_euclid(1000))),
            (Target::Timestamp { instant }, Self::Timestamp(micros)) => {
                let micros = calendar::micros_to_java(*micros);
                let micros = if instant { micros } else { zone.to_utc(micros) };
                Some(Value::Date(micros.div_euclid(1000)))
            }
            (Target::Timestamp { .. }, Self::Date(days)) => {
                let local = calendar::to_java(i64::from(*days)) * MILLIS_PER_DAY * 1000;
                Some(Value::Date(zone.to_utc(local).div_euclid(1000)))
            }
            // Beyond the dates that PostgreSQL knows, and within those of Connect.
            (Target::Date, Self::Infinity { positive }) => {
                Some(logical::date_from_days(if *positive {
                    i32::MAX
                } else {
                    i32::MIN
                }))
            }
            (Target::Timestamp { .. }, Self::Infinity { positive }) => {
                Some(Value::Date(if *positive {
                    POSITIVE_INFINITY
                } else {
                    NEGATIVE_INFINITY
                }))
            }
            _ => None,
        };
        match (value, self) {
            (Some(value), _) => Ok(value),
            (None, Self::Text(text)) if target == Target::Text => Ok(Value::String(text)),
            (None, cell) => Err(cell.unfit(target)),
        }
    }

    /// The cell of a value of a record, or why databases can't hold it.
    pub(crate) fn of(value: &Value, schema: Option<&Schema>) -> Result<Self, String> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Boolean(value) => Self::Boolean(*value),
            Value::Int8(_) | Value::Int16(_) | Value::Int32(_) | Value::Int64(_) => {
                Self::Integer(value.as_i64().unwrap_or_default())
            }
            Value::Float32(value) => Self::Float32(*value),
            Value::Float64(value) => Self::Float64(*value),
            Value::String(text) => Self::Text(text.clone()),
            Value::Bytes(bytes) => Self::Bytes(bytes.clone()),
            Value::Decimal(decimal) => Self::Decimal(Arc::clone(decimal)),
            Value::Date(millis) if *millis == POSITIVE_INFINITY => {
                Self::Infinity { positive: true }
            }
            Value::Date(millis) if *millis == NEGATIVE_INFINITY => {
                Self::Infinity { positive: false }
            }
            Value::Date(millis) => {
                let micros = || {
                    millis
                        .checked_mul(1000)
                        .ok_or_else(|| format!("{millis} milliseconds are beyond every calendar"))
                };
                match schema.and_then(Schema::name) {
                    Some(logical::DATE) => match i32::try_from(millis.div_euclid(MILLIS_PER_DAY)) {
                        Ok(i32::MAX) => Self::Infinity { positive: true },
                        Ok(i32::MIN) => Self::Infinity { positive: false },
                        Ok(days) => Self::Date(
                            i32::try_from(calendar::from_java(i64::from(days))).unwrap_or(days),
                        ),
                        Err(_) => {
                            return Err(format!("{millis} milliseconds are beyond every date"));
                        }
                    },
                    Some(logical::TIME) => Self::Time(micros()?),
                    _ => Self::Timestamp(calendar::micros_from_java(micros()?)),
                }
            }
            Value::Array(items) => {
                let inner = schema.and_then(|schema| schema.value_schema().ok().flatten());
                Self::Array(
                    items
                        .iter()
                        .map(|item| Self::of(item, inner.map(|schema| &**schema)))
                        .collect::<Result<_, _>>()?,
                )
            }
            Value::Map(_) | Value::Struct(_) => {
                let kind = schema.map_or(SchemaType::Map, Schema::schema_type);
                return Err(format!(
                    "a value of type {kind} has no column type; flatten it with the Flatten transformation"
                ));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_brought_to_the_scale_of_the_column_or_refused() {
        let cell = |text: &str| Cell::Decimal(Arc::new(text.parse().unwrap()));
        let read = |text: &str, scale| cell(text).into_value(Target::Decimal(scale), Zone::utc());
        assert_eq!(read("1.5", 3).unwrap().to_string(), "1.500");
        assert_eq!(read("1.50", 1).unwrap().to_string(), "1.5");
        assert!(read("1.55", 1).is_err());
    }

    #[test]
    fn numbers_that_do_not_fit_are_told() {
        assert!(
            Cell::Integer(300)
                .into_value(Target::Int8, Zone::utc())
                .is_err()
        );
        let error = Cell::Text("x".into())
            .into_value(Target::Int32, Zone::utc())
            .unwrap_err();
        assert_eq!(error, "the value x can't be read as INT32");
    }

    #[test]
    fn logical_types_find_their_way_there_and_back() {
        let timestamp = Value::Date(1_700_000_000_123);
        let cell = Cell::of(&timestamp, Some(&logical::TIMESTAMP_SCHEMA)).unwrap();
        assert_eq!(cell, Cell::Timestamp(1_700_000_000_123_000));
        assert_eq!(
            cell.into_value(Target::Timestamp { instant: true }, Zone::utc())
                .unwrap(),
            timestamp
        );
        let date = logical::date_from_days(-3);
        assert_eq!(
            Cell::of(&date, Some(&logical::DATE_SCHEMA)).unwrap(),
            Cell::Date(-3)
        );
        for positive in [true, false] {
            let last = Cell::Infinity { positive };
            let value = last.clone().into_value(Target::Date, Zone::utc()).unwrap();
            assert_eq!(Cell::of(&value, Some(&logical::DATE_SCHEMA)).unwrap(), last);
        }
        assert_eq!(
            Cell::of(&Value::Date(5), Some(&logical::TIME_SCHEMA)).unwrap(),
            Cell::Time(5000)
        );
    }
}
