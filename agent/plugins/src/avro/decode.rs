//! Avro's binary encoding to values, along a plan made once per schema.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use sluice_api::{ConnectError, Decimal, Result, Schema, Struct, Value, logical};

/// Data without schema may be nested this deep; everything else is as deep as its schema.
const MAX_DEPTH: usize = 500;
/// Elements that take no bytes are bounded by their number.
const MAX_EMPTY_ELEMENTS: usize = 100_000;

/// How values of a type are read. Structs take their schema from the Connect schema beside the plan.
#[derive(Debug)]
pub(super) enum Plan {
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    String,
    Bytes,
    Fixed(usize),
    Date,
    Time,
    Timestamp,
    Decimal(i32),
    FixedDecimal {
        size: usize,
        scale: i32,
    },
    Enum(Vec<ByteString>),
    Array(Box<Plan>),
    Map(Box<Plan>),
    Entries {
        key: Box<Plan>,
        value: Box<Plan>,
        key_first: bool,
    },
    Record(Vec<Plan>),
    /// A union of one member.
    Only(Box<Plan>),
    /// A union of null and one other.
    Optional {
        null_index: usize,
        inner: Box<Plan>,
    },
    Union(Vec<Branch>),
    Anything,
}

/// A member of a union.
#[derive(Debug)]
pub(super) enum Branch {
    Null,
    /// The field of the struct, and how its value is read.
    Field(usize, Plan),
}

/// Reads a whole payload.
pub(super) fn read(plan: &Plan, schema: Option<&Arc<Schema>>, data: &Bytes) -> Result<Value> {
    let mut reader = Reader { data, position: 0 };
    match (plan, schema) {
        // The bytes of a schema that is just bytes have no length before them.
        (Plan::Bytes, _) => Ok(Value::Bytes(data.clone())),
        (Plan::Decimal(scale), _) => Ok(Value::from(Decimal::from_be_bytes(data, *scale))),
        (Plan::Anything, _) => reader.anything(0),
        (plan, Some(schema)) => reader.value(plan, schema),
        (_, None) => Err(ConnectError::serialization("no schema to read by")),
    }
}

struct Reader<'a> {
    data: &'a Bytes,
    position: usize,
}

impl Reader<'_> {
    fn end(&self) -> ConnectError {
        ConnectError::serialization(format!(
            "the message ends within a value, at byte {}",
            self.position
        ))
    }

    fn byte(&mut self) -> Result<u8> {
        let byte = self.data.get(self.position).copied();
        self.position += 1;
        byte.ok_or_else(|| self.end())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let range = self.position..self.position.saturating_add(N);
        let bytes = self.data.get(range).and_then(|bytes| bytes.try_into().ok());
        self.position += N;
        bytes.ok_or_else(|| self.end())
    }

    fn slice(&mut self, length: usize) -> Result<Bytes> {
        let end = self.position.checked_add(length);
        match end.filter(|end| *end <= self.data.len()) {
            Some(end) => {
                let slice = self.data.slice(self.position..end);
                self.position = end;
                Ok(slice)
            }
            None => Err(self.end()),
        }
    }

    /// A zig-zag number of up to ten bytes.
    fn long(&mut self) -> Result<i64> {
        let mut number = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                let half = (number >> 1).cast_signed();
                return Ok(if number & 1 == 0 { half } else { !half });
            }
        }
        Err(ConnectError::serialization(format!(
            "a number that never ends, at byte {}",
            self.position
        )))
    }

    fn int(&mut self) -> Result<i32> {
        let number = self.long()?;
        i32::try_from(number).map_err(|_| {
            ConnectError::serialization(format!(
                "{number} at byte {} is no 32-bit number",
                self.position
            ))
        })
    }

    fn length(&mut self) -> Result<usize> {
        let number = self.long()?;
        usize::try_from(number).map_err(|_| {
            ConnectError::serialization(format!(
                "Malformed data. Length is negative: {number}, at byte {}",
                self.position
            ))
        })
    }

    fn text(&mut self) -> Result<ByteString> {
        let length = self.length()?;
        let position = self.position;
        ByteString::try_from(self.slice(length)?)
            .map_err(|_| ConnectError::serialization(format!("invalid UTF-8 at byte {position}")))
    }

    /// Reads blocks of elements, each by `element`.
    fn blocks(&mut self, mut element: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        let mut empty = 0_usize;
        loop {
            let mut count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // Then comes the size of the block, for those who skip it.
                self.long()?;
                count = count.checked_neg().ok_or_else(|| self.end())?;
            }
            for _ in 0..count {
                let before = self.position;
                element(self)?;
                if self.position == before {
                    empty += 1;
                    if empty > MAX_EMPTY_ELEMENTS {
                        return Err(ConnectError::serialization(format!(
                            "more than {MAX_EMPTY_ELEMENTS} elements without bytes"
                        )));
                    }
                }
            }
        }
    }

    fn index(&mut self, count: usize) -> Result<usize> {
        let number = self.long()?;
        usize::try_from(number)
            .ok()
            .filter(|index| *index < count)
            .ok_or_else(|| {
                ConnectError::serialization(format!(
                    "{number} at byte {} is none of {count} members",
                    self.position
                ))
            })
    }

    fn value(&mut self, plan: &Plan, schema: &Arc<Schema>) -> Result<Value> {
        let inner = |schema: Result<Option<&Arc<Schema>>>| {
            schema?
                .cloned()
                .ok_or_else(|| ConnectError::serialization("no schema of elements"))
        };
        Ok(match plan {
            Plan::Boolean => Value::Boolean(self.byte()? != 0),
            #[expect(clippy::cast_possible_truncation, reason = "as Java's byteValue")]
            Plan::Int8 => Value::Int8(self.int()? as i8),
            #[expect(clippy::cast_possible_truncation, reason = "as Java's shortValue")]
            Plan::Int16 => Value::Int16(self.int()? as i16),
            Plan::Int32 => Value::Int32(self.int()?),
            Plan::Int64 => Value::Int64(self.long()?),
            Plan::Float32 => Value::Float32(f32::from_le_bytes(self.array()?)),
            Plan::Float64 => Value::Float64(f64::from_le_bytes(self.array()?)),
            Plan::String => Value::String(self.text()?),
            Plan::Bytes => {
                let length = self.length()?;
                Value::Bytes(self.slice(length)?)
            }
            Plan::Fixed(size) => Value::Bytes(self.slice(*size)?),
            Plan::Date => logical::date_from_days(self.int()?),
            Plan::Time => logical::time_from_millis(self.int()?)?,
            Plan::Timestamp => Value::Date(self.long()?),
            Plan::Decimal(scale) => {
                let length = self.length()?;
                Value::from(Decimal::from_be_bytes(&self.slice(length)?, *scale))
            }
            Plan::FixedDecimal { size, scale } => {
                Value::from(Decimal::from_be_bytes(&self.slice(*size)?, *scale))
            }
            Plan::Enum(symbols) => {
                let index = self.index(symbols.len())?;
                symbols
                    .get(index)
                    .map_or(Value::Null, |symbol| Value::String(symbol.clone()))
            }
            Plan::Array(element) => {
                let schema = inner(schema.value_schema())?;
                let mut items = Vec::new();
                self.blocks(|reader| {
                    items.push(reader.value(element, &schema)?);
                    Ok(())
                })?;
                Value::Array(items)
            }
            Plan::Map(plan) => {
                let schema = inner(schema.value_schema())?;
                let mut entries = Vec::new();
                self.blocks(|reader| {
                    let key = Value::String(reader.text()?);
                    entries.push((key, reader.value(plan, &schema)?));
                    Ok(())
                })?;
                Value::Map(entries.into_iter().collect())
            }
            Plan::Entries {
                key,
                value,
                key_first,
            } => {
                let key_schema = inner(schema.key_schema())?;
                let value_schema = inner(schema.value_schema())?;
                let mut entries = Vec::new();
                self.blocks(|reader| {
                    entries.push(if *key_first {
                        let key = reader.value(key, &key_schema)?;
                        (key, reader.value(value, &value_schema)?)
                    } else {
                        let value = reader.value(value, &value_schema)?;
                        (reader.value(key, &key_schema)?, value)
                    });
                    Ok(())
                })?;
                Value::Map(entries.into_iter().collect())
            }
            Plan::Record(plans) => {
                let mut values = Vec::with_capacity(plans.len());
                for (plan, field) in plans.iter().zip(schema.fields()) {
                    values.push(self.value(plan, field.schema())?);
                }
                Value::from(Struct::from_values(Arc::clone(schema), values)?)
            }
            Plan::Only(inner) => {
                self.index(1)?;
                self.value(inner, schema)?
            }
            Plan::Optional { null_index, inner } => {
                if self.index(2)? == *null_index {
                    Value::Null
                } else {
                    self.value(inner, schema)?
                }
            }
            Plan::Union(branches) => {
                let index = self.index(branches.len())?;
                let (Some(Branch::Field(position, plan)), fields) =
                    (branches.get(index), schema.fields())
                else {
                    return Ok(Value::Null);
                };
                let mut values = vec![Value::Null; fields.len()];
                if let (Some(field), Some(slot)) =
                    (fields.get(*position), values.get_mut(*position))
                {
                    *slot = self.value(plan, field.schema())?;
                }
                Value::from(Struct::from_values(Arc::clone(schema), values)?)
            }
            Plan::Anything => self.anything(0)?,
        })
    }

    /// The record of data without schema: nine optional fields, of which one is set, or none for null.
    fn anything(&mut self, depth: usize) -> Result<Value> {
        if depth > MAX_DEPTH {
            return Err(ConnectError::serialization("nested too deeply"));
        }
        let mut result = Value::Null;
        for field in 0..9 {
            if self.index(2)? == 0 {
                continue;
            }
            let value = match field {
                0 => Value::Boolean(self.byte()? != 0),
                1 => {
                    let length = self.length()?;
                    Value::Bytes(self.slice(length)?)
                }
                2 => Value::Float64(f64::from_le_bytes(self.array()?)),
                3 => Value::Float32(f32::from_le_bytes(self.array()?)),
                4 => Value::Int32(self.int()?),
                5 => Value::Int64(self.long()?),
                6 => Value::String(self.text()?),
                7 => {
                    let mut items = Vec::new();
                    self.blocks(|reader| {
                        items.push(reader.anything(depth + 1)?);
                        Ok(())
                    })?;
                    Value::Array(items)
                }
                _ => {
                    let mut entries = Vec::new();
                    self.blocks(|reader| {
                        let key = reader.anything(depth + 1)?;
                        entries.push((key, reader.anything(depth + 1)?));
                        Ok(())
                    })?;
                    Value::Map(entries.into_iter().collect())
                }
            };
            // The first that is set counts.
            if result.is_null() {
                result = value;
            }
        }
        Ok(result)
    }
}
