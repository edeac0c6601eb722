//! The wire format of Protocol Buffers, from values and to them.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use chrono::{Datelike as _, NaiveDate};
use sluice_api::schema::same_schema;
use sluice_api::{
    ConnectError, Decimal, MapValue, Result, Schema, SchemaType, Struct, Value, logical,
};

use super::plan::{FieldPlan, MessagePlan, Scalar, Shape, Slot};

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const DELIMITED: u8 = 2;
const GROUP_START: u8 = 3;
const GROUP_END: u8 = 4;
const FIXED32: u8 = 5;
/// Groups within groups beyond this are refused; messages are as deep as their schema.
const MAX_DEPTH: usize = 100;
const NANOS_PER_MILLI: i64 = 1_000_000;
/// Days from the first of January of the year 1 to the epoch.
const EPOCH_DAYS: i32 = 719_163;

/// The path of a message as it is written: a count and the indices, zig-zag; the first message is a single
/// zero.
pub(super) fn path_bytes(path: &[i32]) -> Vec<u8> {
    if path == [0] {
        return vec![0];
    }
    let mut bytes = Vec::new();
    write_zigzag(&mut bytes, i64::try_from(path.len()).unwrap_or(i64::MAX));
    for index in path {
        write_zigzag(&mut bytes, (*index).into());
    }
    bytes
}

/// The path of the message, and the message.
pub(super) fn read_path(payload: &Bytes) -> Result<(Vec<i32>, Bytes)> {
    let mut reader = Reader::new(payload);
    let count = unzigzag(reader.varint()?);
    if count == 0 {
        return Ok((vec![0], reader.rest()));
    }
    let mut path = Vec::new();
    let possible = usize::try_from(count)
        .ok()
        .filter(|count| *count <= payload.len());
    let Some(count) = possible else {
        return Err(ConnectError::serialization(format!(
            "{count} message indexes in {} bytes",
            payload.len()
        )));
    };
    for _ in 0..count {
        let index = unzigzag(reader.varint()?);
        path.push(
            i32::try_from(index)
                .map_err(|_| ConnectError::serialization(format!("message index {index}")))?,
        );
    }
    Ok((path, reader.rest()))
}

fn write_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    let half = (number >> 1).cast_signed();
    if number & 1 == 0 { half } else { !half }
}

fn write_zigzag(out: &mut Vec<u8>, number: i64) {
    write_varint(out, zigzag(number));
}

fn write_tag(out: &mut Vec<u8>, number: u32, wire: u8) {
    write_varint(out, u64::from(number) << 3 | u64::from(wire));
}

/// Writes a field whose length stands before it.
fn delimited(
    out: &mut Vec<u8>,
    number: u32,
    write: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    write_tag(out, number, DELIMITED);
    with_length(out, write)
}

fn with_length(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
    // Room for a short length; a longer one moves what was written.
    let start = out.len();
    out.push(0);
    write(out)?;
    let length = out.len() - start - 1;
    let mut prefix = [0; 10];
    let mut size = 0;
    let mut rest = length as u64;
    loop {
        let more = rest >= 0x80;
        if let Some(slot) = prefix.get_mut(size) {
            *slot = (rest & 0x7F) as u8 | if more { 0x80 } else { 0 };
        }
        size += 1;
        rest >>= 7;
        if !more {
            break;
        }
    }
    out.splice(start..=start, prefix.into_iter().take(size));
    Ok(())
}

fn invalid(schema_type: &str, value: &Value) -> ConnectError {
    ConnectError::data(format!(
        "Invalid type for {schema_type}: class {}",
        value.java_class()
    ))
}

/// Writes the fields of a struct.
pub(super) fn write_message(plan: &MessagePlan, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    let Value::Struct(own) = value else {
        return Err(invalid("STRUCT", value));
    };
    if !same_schema(&plan.schema, own.schema()) {
        return Err(ConnectError::data("Mismatching struct schema"));
    }
    for field in &plan.fields {
        let value = match field.slot {
            Slot::Field(index) => own.value_at(index),
            Slot::Member { field, member } => match own.value_at(field) {
                Value::Struct(union) => {
                    // Of several members that are set the first counts.
                    let first = union.values().iter().position(|value| !value.is_null());
                    if first != Some(member) {
                        continue;
                    }
                    union.value_at(member)
                }
                _ => continue,
            },
        };
        let value = if value.is_null() {
            &field.connect_default
        } else {
            value
        };
        if value.is_null() {
            continue;
        }
        write_field(field, value, out).map_err(|error| {
            ConnectError::new(
                error.kind(),
                format!("field {}: {}", field.name, error.message()),
            )
        })?;
    }
    Ok(())
}

fn write_field(field: &FieldPlan, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    let number = field.number;
    match (&field.shape, value) {
        (Shape::List(element), Value::Array(items)) => {
            if items.is_empty() {
                return Ok(());
            }
            match &**element {
                Shape::Scalar(scalar, _) if scalar.is_packed() => delimited(out, number, |out| {
                    items
                        .iter()
                        .try_for_each(|item| write_scalar(*scalar, item, out))
                }),
                Shape::Enum(symbols, _) => delimited(out, number, |out| {
                    for item in items {
                        write_varint(out, enum_number(symbols, item)?);
                    }
                    Ok(())
                }),
                shape => items
                    .iter()
                    .try_for_each(|item| write_tagged(shape, number, item, out)),
            }
        }
        (
            Shape::Map {
                key: key_shape,
                value: value_shape,
            },
            Value::Map(map),
        ) => {
            for (key, value) in map {
                delimited(out, number, |out| {
                    if !key.is_null() {
                        write_tagged(key_shape, 1, key, out)?;
                    }
                    if !value.is_null() {
                        write_tagged(value_shape, 2, value, out)?;
                    }
                    Ok(())
                })?;
            }
            Ok(())
        }
        (Shape::List(_), other) => Err(invalid("ARRAY", other)),
        (Shape::Map { .. }, other) => Err(invalid("MAP", other)),
        (Shape::Scalar(scalar, connect), value) => {
            if !field.has_presence && *value == scalar.default(*connect) {
                return Ok(());
            }
            write_tagged(&field.shape, number, value, out)
        }
        (Shape::Enum(symbols, _), value) => {
            if !field.has_presence && enum_number(symbols, value)? == 0 {
                return Ok(());
            }
            write_tagged(&field.shape, number, value, out)
        }
        (shape, value) => write_tagged(shape, number, value, out),
    }
}

fn enum_number(symbols: &super::plan::Symbols, value: &Value) -> Result<u64> {
    let number = match value {
        Value::String(symbol) => *symbols.numbers.get(&**symbol).ok_or_else(|| {
            ConnectError::serialization(format!("{symbol} is not a symbol of {}", symbols.name))
        })?,
        Value::Int32(number) => *number,
        other => return Err(invalid("enum", other)),
    };
    Ok(i64::from(number).cast_unsigned())
}

fn wire_type(scalar: Scalar) -> u8 {
    match scalar {
        Scalar::Sfixed32 | Scalar::Fixed32 | Scalar::Float => FIXED32,
        Scalar::Sfixed64 | Scalar::Fixed64 | Scalar::Double => FIXED64,
        Scalar::String | Scalar::Bytes => DELIMITED,
        _ => VARINT,
    }
}

/// Writes one value with its tag.
fn write_tagged(shape: &Shape, number: u32, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    match (shape, value) {
        (_, Value::Null) => Err(ConnectError::data("null as element of a list or map")),
        (Shape::Scalar(scalar, _), value) => {
            write_tag(out, number, wire_type(*scalar));
            write_scalar(*scalar, value, out)
        }
        (Shape::Enum(symbols, _), value) => {
            let symbol = enum_number(symbols, value)?;
            write_tag(out, number, VARINT);
            write_varint(out, symbol);
            Ok(())
        }
        (Shape::Wrapper(scalar, _), value) => {
            delimited(out, number, |out| write_wrapper_body(*scalar, value, out))
        }
        (Shape::Message(plan), value) => {
            delimited(out, number, |out| write_message(plan, value, out))
        }
        (Shape::Decimal, Value::Decimal(decimal)) => delimited(out, number, |out| {
            let digits = decimal.unscaled().magnitude().to_string().len() as u64;
            write_tag(out, 1, DELIMITED);
            write_bytes(&decimal.to_be_bytes(), out);
            numbers(out, &[(2, digits), (3, signed(decimal.scale().into()))]);
            Ok(())
        }),
        (Shape::Date, Value::Date(millis)) => {
            let days = logical::date_to_days(*millis)?;
            let date = days
                .checked_add(EPOCH_DAYS)
                .and_then(NaiveDate::from_num_days_from_ce_opt)
                .ok_or_else(|| ConnectError::data(format!("day {days} is beyond all dates")))?;
            delimited(out, number, |out| {
                let year = signed(date.year().into());
                numbers(
                    out,
                    &[(1, year), (2, date.month().into()), (3, date.day().into())],
                );
                Ok(())
            })
        }
        (Shape::Time, Value::Date(millis)) => {
            let millis = i64::from(logical::time_to_millis(*millis)?);
            let (seconds, rest) = (millis / 1000, millis % 1000);
            delimited(out, number, |out| {
                let parts = [
                    seconds / 3600,
                    seconds / 60 % 60,
                    seconds % 60,
                    rest * NANOS_PER_MILLI,
                ];
                for (number, part) in (1..).zip(parts) {
                    numbers(out, &[(number, signed(part))]);
                }
                Ok(())
            })
        }
        (Shape::Timestamp, Value::Date(millis)) => delimited(out, number, |out| {
            let nanos = millis.rem_euclid(1000) * NANOS_PER_MILLI;
            numbers(
                out,
                &[(1, signed(millis.div_euclid(1000))), (2, signed(nanos))],
            );
            Ok(())
        }),
        (Shape::Decimal, other) => Err(invalid("Decimal", other)),
        (Shape::Date | Shape::Time | Shape::Timestamp, other) => Err(invalid("Date", other)),
        (Shape::List(_) | Shape::Map { .. }, other) => Err(invalid("element", other)),
    }
}

fn signed(number: i64) -> u64 {
    number.cast_unsigned()
}

/// Writes numbers that are not zero.
fn numbers(out: &mut Vec<u8>, fields: &[(u32, u64)]) {
    for (number, value) in fields {
        if *value != 0 {
            write_tag(out, *number, VARINT);
            write_varint(out, *value);
        }
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// The message of a wrapper: its value, unless that is the default.
pub(super) fn write_wrapper_body(scalar: Scalar, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    let is_default = match value {
        Value::Int8(0) | Value::Int16(0) | Value::Int32(0) | Value::Int64(0) => true,
        Value::Boolean(flag) => !flag,
        Value::String(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::Float32(number) => number.to_bits() == 0,
        Value::Float64(number) => number.to_bits() == 0,
        _ => false,
    };
    if is_default {
        return Ok(());
    }
    write_tag(out, 1, wire_type(scalar));
    write_scalar(scalar, value, out)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the schema says how many bits there are"
)]
fn write_scalar(scalar: Scalar, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    let integer = || {
        value
            .as_i64()
            .ok_or_else(|| invalid("an integer type", value))
    };
    match (scalar, value) {
        (Scalar::Int32 | Scalar::Int64 | Scalar::Uint64, _) => {
            write_varint(out, signed(integer()?));
        }
        (Scalar::Uint32, _) => write_varint(out, u64::from(integer()? as u32)),
        (Scalar::Sint32 | Scalar::Sint64, _) => write_zigzag(out, integer()?),
        (Scalar::Sfixed32 | Scalar::Fixed32, _) => {
            out.extend_from_slice(&(integer()? as i32).to_le_bytes());
        }
        (Scalar::Sfixed64 | Scalar::Fixed64, _) => {
            out.extend_from_slice(&integer()?.to_le_bytes());
        }
        (Scalar::Float, Value::Float32(number)) => out.extend_from_slice(&number.to_le_bytes()),
        (Scalar::Double, Value::Float64(number)) => out.extend_from_slice(&number.to_le_bytes()),
        (Scalar::Double, Value::Float32(number)) => {
            out.extend_from_slice(&f64::from(*number).to_le_bytes());
        }
        (Scalar::Bool, Value::Boolean(flag)) => out.push((*flag).into()),
        (Scalar::String, Value::String(text)) => write_bytes(text.as_bytes(), out),
        (Scalar::Bytes, Value::Bytes(bytes)) => write_bytes(bytes, out),
        _ => return Err(invalid(&format!("{scalar:?}"), value)),
    }
    Ok(())
}

struct Reader<'a> {
    data: &'a Bytes,
    position: usize,
}

/// A field as it comes: its bytes, or its number.
enum Raw {
    Number(u64),
    Bytes(Bytes),
}

impl<'a> Reader<'a> {
    fn new(data: &'a Bytes) -> Self {
        Self { data, position: 0 }
    }

    fn end(&self) -> ConnectError {
        ConnectError::serialization(format!(
            "the message ends within a field, at byte {}",
            self.position
        ))
    }

    fn is_done(&self) -> bool {
        self.position >= self.data.len()
    }

    fn rest(&self) -> Bytes {
        self.data.slice(self.position.min(self.data.len())..)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut number = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = *self.data.get(self.position).ok_or_else(|| self.end())?;
            self.position += 1;
            number |= u64::from(byte & 0x7F).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(ConnectError::serialization(format!(
            "a number that never ends, at byte {}",
            self.position
        )))
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let range = self.position..self.position.saturating_add(N);
        let bytes = self.data.get(range).and_then(|bytes| bytes.try_into().ok());
        self.position += N;
        bytes.ok_or_else(|| self.end())
    }

    fn slice(&mut self) -> Result<Bytes> {
        let length = usize::try_from(self.varint()?).map_err(|_| self.end())?;
        let end = self.position.checked_add(length);
        let Some(end) = end.filter(|end| *end <= self.data.len()) else {
            return Err(self.end());
        };
        let slice = self.data.slice(self.position..end);
        self.position = end;
        Ok(slice)
    }

    /// The next field: its number and content; `None` for a group, which is passed over.
    fn field(&mut self) -> Result<(u32, Option<Raw>)> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).unwrap_or(0);
        if number == 0 {
            return Err(ConnectError::serialization(format!(
                "an invalid tag before byte {}",
                self.position
            )));
        }
        let raw = match (tag & 7) as u8 {
            GROUP_START => {
                self.skip_group(0)?;
                None
            }
            wire => Some(self.raw(wire)?),
        };
        Ok((number, raw))
    }

    fn raw(&mut self, wire: u8) -> Result<Raw> {
        Ok(match wire {
            VARINT => Raw::Number(self.varint()?),
            FIXED64 => Raw::Number(u64::from_le_bytes(self.fixed()?)),
            FIXED32 => Raw::Number(u32::from_le_bytes(self.fixed()?).into()),
            DELIMITED => Raw::Bytes(self.slice()?),
            other => {
                return Err(ConnectError::serialization(format!(
                    "an invalid wire type {other} before byte {}",
                    self.position
                )));
            }
        })
    }

    fn skip_group(&mut self, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(ConnectError::serialization("nested too deeply"));
        }
        loop {
            match (self.varint()? & 7) as u8 {
                GROUP_END => return Ok(()),
                GROUP_START => self.skip_group(depth + 1)?,
                wire => {
                    self.raw(wire)?;
                }
            }
        }
    }
}

/// Reads a message into a struct of its schema.
pub(super) fn read_message(plan: &MessagePlan, data: &Bytes) -> Result<Value> {
    let schema = &plan.schema;
    let mut values = vec![Value::Null; schema.fields().len()];
    for field in &plan.fields {
        if let Slot::Field(index) = field.slot
            && let Some(slot) = values.get_mut(index)
        {
            *slot = absent(field);
        }
    }
    let mut reader = Reader::new(data);
    let mut expected = 0;
    while !reader.is_done() {
        let (number, raw) = reader.field()?;
        let Some(raw) = raw else { continue };
        // Fields mostly come in the order of their numbers.
        let found = match plan.fields.get(expected) {
            Some(field) if field.number == number => Some(expected),
            _ => plan
                .fields
                .binary_search_by_key(&number, |field| field.number)
                .ok(),
        };
        let Some((index, field)) = found.and_then(|index| Some((index, plan.fields.get(index)?)))
        else {
            continue;
        };
        expected = match field.shape {
            Shape::List(_) | Shape::Map { .. } => index,
            _ => index + 1,
        };
        match field.slot {
            Slot::Field(at) => {
                if let Some(slot) = values.get_mut(at) {
                    read_into(&field.shape, raw, slot)?;
                }
            }
            Slot::Member { field: at, member } => {
                let union = schema
                    .fields()
                    .get(at)
                    .map(sluice_api::schema::Field::schema);
                let (Some(union), Some(slot)) = (union, values.get_mut(at)) else {
                    continue;
                };
                let mut members = vec![Value::Null; union.fields().len()];
                if let Some(inner) = members.get_mut(member) {
                    read_into(&field.shape, raw, inner)?;
                }
                // The last member that comes counts.
                *slot = Value::from(Struct::from_values(Arc::clone(union), members)?);
            }
        }
    }
    Ok(Value::from(Struct::from_values(
        Arc::clone(schema),
        values,
    )?))
}

/// The value of a field that is not there.
fn absent(field: &FieldPlan) -> Value {
    match &field.shape {
        Shape::List(_) => Value::Array(Vec::new()),
        Shape::Map { .. } => Value::Map(MapValue::new()),
        _ if field.has_presence => Value::Null,
        shape => default(shape),
    }
}

fn default(shape: &Shape) -> Value {
    match shape {
        Shape::Scalar(scalar, connect) => scalar.default(*connect),
        Shape::Enum(symbols, connect) => enum_value(symbols, *connect, 0),
        _ => Value::Null,
    }
}

fn enum_value(symbols: &super::plan::Symbols, connect: SchemaType, number: i32) -> Value {
    if connect == SchemaType::Int32 {
        return Value::Int32(number);
    }
    match symbols.symbols.get(&number) {
        Some(symbol) => Value::String(symbol.clone()),
        None => Value::from(format!("UNKNOWN_ENUM_VALUE_{}_{number}", symbols.name)),
    }
}

fn read_into(shape: &Shape, raw: Raw, slot: &mut Value) -> Result<()> {
    match (shape, slot) {
        (Shape::List(element), Value::Array(items)) => match (&**element, raw) {
            (Shape::Scalar(scalar, connect), Raw::Bytes(packed)) if scalar.is_packed() => {
                let mut reader = Reader::new(&packed);
                while !reader.is_done() {
                    let raw = reader.raw(wire_type(*scalar))?;
                    items.push(scalar_value(*scalar, *connect, raw)?);
                }
            }
            (Shape::Enum(symbols, connect), Raw::Bytes(packed)) => {
                let mut reader = Reader::new(&packed);
                while !reader.is_done() {
                    #[expect(clippy::cast_possible_truncation, reason = "enums have 32 bits")]
                    let number = reader.varint()? as i32;
                    items.push(enum_value(symbols, *connect, number));
                }
            }
            (shape, raw) => items.push(read_value(shape, raw)?),
        },
        (Shape::Map { key, value }, Value::Map(map)) => {
            let Raw::Bytes(entry) = raw else {
                return Err(ConnectError::serialization("a map entry that is a number"));
            };
            let mut reader = Reader::new(&entry);
            let (mut own_key, mut own_value) = (default(key), default(value));
            while !reader.is_done() {
                match reader.field()? {
                    (1, Some(raw)) => own_key = read_value(key, raw)?,
                    (2, Some(raw)) => own_value = read_value(value, raw)?,
                    _ => {}
                }
            }
            map.insert(own_key, own_value);
        }
        (shape, slot) => *slot = read_value(shape, raw)?,
    }
    Ok(())
}

fn read_value(shape: &Shape, raw: Raw) -> Result<Value> {
    let wrong = || ConnectError::serialization("a field is not of the type of its schema");
    match (shape, raw) {
        (Shape::Scalar(scalar, connect), raw) => scalar_value(*scalar, *connect, raw),
        #[expect(clippy::cast_possible_truncation, reason = "enums have 32 bits")]
        (Shape::Enum(symbols, connect), Raw::Number(number)) => {
            Ok(enum_value(symbols, *connect, number as i32))
        }
        (Shape::Message(plan), Raw::Bytes(data)) => read_message(plan, &data),
        (Shape::Wrapper(scalar, connect), Raw::Bytes(data)) => wrapper(*scalar, *connect, &data),
        (Shape::Decimal, Raw::Bytes(data)) => {
            let mut reader = Reader::new(&data);
            let (mut unscaled, mut scale) = (Bytes::new(), 0);
            while !reader.is_done() {
                match reader.field()? {
                    (1, Some(Raw::Bytes(bytes))) => unscaled = bytes,
                    #[expect(clippy::cast_possible_truncation, reason = "scales have 32 bits")]
                    (3, Some(Raw::Number(number))) => scale = number as i32,
                    _ => {}
                }
            }
            Ok(Value::from(Decimal::from_be_bytes(&unscaled, scale)))
        }
        (Shape::Date, Raw::Bytes(data)) => {
            let [year, month, day, _] = parts(&data)?;
            let date = NaiveDate::from_ymd_opt(
                i32::try_from(year).unwrap_or(i32::MAX),
                u32::try_from(month).unwrap_or(0),
                u32::try_from(day).unwrap_or(0),
            )
            .ok_or_else(|| ConnectError::data(format!("{year}-{month}-{day} is not a date")))?;
            Ok(logical::date_from_days(
                date.num_days_from_ce() - EPOCH_DAYS,
            ))
        }
        (Shape::Time, Raw::Bytes(data)) => {
            let [hours, minutes, seconds, nanos] = parts(&data)?;
            let millis = hours
                .checked_mul(60)
                .and_then(|v| v.checked_add(minutes))
                .and_then(|v| v.checked_mul(60))
                .and_then(|v| v.checked_add(seconds))
                .and_then(|v| v.checked_mul(1000))
                .and_then(|v| v.checked_add(nanos / NANOS_PER_MILLI))
                .and_then(|v| i32::try_from(v).ok());
            let millis = millis.ok_or_else(|| ConnectError::data("no time of a day"))?;
            logical::time_from_millis(millis)
        }
        (Shape::Timestamp, Raw::Bytes(data)) => {
            let [seconds, nanos, ..] = parts(&data)?;
            let millis = seconds
                .checked_mul(1000)
                .and_then(|millis| millis.checked_add(nanos / NANOS_PER_MILLI));
            millis
                .map(Value::Date)
                .ok_or_else(|| ConnectError::data("a timestamp beyond all dates"))
        }
        _ => Err(wrong()),
    }
}

/// The first four fields of a message of numbers.
fn parts(data: &Bytes) -> Result<[i64; 4]> {
    let mut parts = [0; 4];
    let mut reader = Reader::new(data);
    while !reader.is_done() {
        let (number, raw) = reader.field()?;
        let slot = usize::try_from(number)
            .ok()
            .and_then(|number| parts.get_mut(number - 1));
        if let (Some(slot), Some(Raw::Number(value))) = (slot, raw) {
            *slot = value.cast_signed();
        }
    }
    Ok(parts)
}

fn wrapper(scalar: Scalar, connect: SchemaType, data: &Bytes) -> Result<Value> {
    let mut value = scalar.default(connect);
    let mut reader = Reader::new(data);
    while !reader.is_done() {
        if let (1, Some(raw)) = reader.field()? {
            value = scalar_value(scalar, connect, raw)?;
        }
    }
    Ok(value)
}

/// Reads a wrapper message that is a whole payload.
pub(super) fn read_wrapper(scalar: Scalar, schema: &Schema, data: &Bytes) -> Result<Value> {
    wrapper(scalar, schema.schema_type(), data)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the schema says how many bits there are"
)]
fn scalar_value(scalar: Scalar, connect: SchemaType, raw: Raw) -> Result<Value> {
    let number = match (scalar, raw) {
        (Scalar::String, Raw::Bytes(bytes)) => {
            return ByteString::try_from(bytes)
                .map(Value::String)
                .map_err(|_| ConnectError::serialization("a text is not UTF-8"));
        }
        (Scalar::Bytes, Raw::Bytes(bytes)) => return Ok(Value::Bytes(bytes)),
        (Scalar::String | Scalar::Bytes, Raw::Number(_)) | (_, Raw::Bytes(_)) => {
            return Err(ConnectError::serialization(
                "a field is not of the type of its schema",
            ));
        }
        (_, Raw::Number(number)) => number,
    };
    let integer = match scalar {
        Scalar::Int32 | Scalar::Sfixed32 => i64::from(number as i32),
        Scalar::Sint32 => i64::from(unzigzag(u64::from(number as u32)) as i32),
        Scalar::Uint32 | Scalar::Fixed32 => i64::from(number as u32),
        Scalar::Sint64 => unzigzag(number),
        _ => number.cast_signed(),
    };
    Ok(match connect {
        SchemaType::Int8 => Value::Int8(integer as i8),
        SchemaType::Int16 => Value::Int16(integer as i16),
        SchemaType::Int32 => Value::Int32(integer as i32),
        SchemaType::Int64 => Value::Int64(integer),
        SchemaType::Boolean => Value::Boolean(number != 0),
        SchemaType::Float32 if scalar == Scalar::Double => {
            Value::Float32(f64::from_bits(number) as f32)
        }
        SchemaType::Float32 => Value::Float32(f32::from_bits(number as u32)),
        _ => Value::Float64(f64::from_bits(number)),
    })
}
