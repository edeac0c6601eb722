//! Values to Avro's binary encoding, along a plan made once per Connect schema and Avro schema.
//!
//! The Avro schema need not be the one the Connect schema maps to: fields are found by name, numbers widen, a
//! field that only Avro has is written as its default, one that only Connect has is left out. So data can be
//! written with the latest version of its subject.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;
use sluice_api::schema::same_schema;
use sluice_api::{ConnectError, Result, Schema, SchemaType, Value, logical};

use super::Settings;
use super::names::{KEY_FIELD, UNION, VALUE_FIELD, is_union};
use super::schema::{AvroSchema, Field, Kind, NodeId};
use super::to_connect::is_anything;

/// Nesting of data without schema beyond this is refused.
const MAX_DEPTH: usize = 500;

/// How values of a Connect schema are written.
#[derive(Debug)]
pub(super) enum Plan {
    Boolean,
    /// Any integer, as `int` or `long`, which are written alike.
    Integer,
    /// A number as `float`.
    Float,
    /// A number as `double`.
    Double,
    /// Text, to `string` or `bytes`, which are written alike.
    String,
    Bytes,
    Fixed(usize),
    Date,
    Time,
    Timestamp,
    Decimal(i32),
    FixedDecimal {
        scale: i32,
        size: usize,
    },
    Enum(HashMap<String, i64>),
    Array(Box<Plan>),
    Map(Box<Plan>),
    Entries {
        key: Box<Plan>,
        value: Box<Plan>,
        key_first: bool,
    },
    Record {
        schema: Arc<Schema>,
        fields: Vec<FieldPlan>,
    },
    /// A member of a union; null, if it is one, is another.
    Member {
        index: i64,
        null_index: Option<i64>,
        inner: Box<Plan>,
    },
    /// A struct that stands for a union.
    Union {
        schema: Arc<Schema>,
        members: Vec<(i64, Plan)>,
        null_index: Option<i64>,
        use_defaults: bool,
    },
    Anything,
}

/// How a field of a record is written.
#[derive(Debug)]
pub(super) enum FieldPlan {
    /// A field of the struct, or else its default.
    Value {
        name: String,
        index: usize,
        default: Value,
        plan: Plan,
    },
    /// The encoded default of a field that the struct does not have.
    Default(Vec<u8>),
}

/// A plan for a Connect schema, `None` for data without one, and an Avro schema.
///
/// # Errors
/// The two do not fit.
pub(super) fn plan(
    settings: Settings,
    schema: Option<&Arc<Schema>>,
    avro: &AvroSchema,
    root: NodeId,
) -> Result<Plan> {
    let planner = Planner {
        settings,
        avro,
        depth: std::cell::Cell::new(0),
    };
    match schema {
        Some(schema) => planner.plan(schema, root),
        None if is_anything(avro.node(root)) => Ok(Plan::Anything),
        None => Err(ConnectError::serialization(
            "data without schema can be written as the record io.confluent.connect.avro.Anything only",
        )),
    }
}

struct Planner<'a> {
    settings: Settings,
    avro: &'a AvroSchema,
    depth: std::cell::Cell<usize>,
}

impl Planner<'_> {
    fn misfit(&self, schema: &Schema, node: NodeId) -> ConnectError {
        ConnectError::serialization(format!(
            "{schema} does not fit the Avro type {}",
            self.avro.node(node).kind.type_name()
        ))
    }

    fn plan(&self, schema: &Arc<Schema>, id: NodeId) -> Result<Plan> {
        // Connect schemas are finite, Avro's need not be.
        self.depth.set(self.depth.get() + 1);
        if self.depth.get() > MAX_DEPTH {
            return Err(ConnectError::serialization("nested too deeply"));
        }
        let result = match &self.avro.node(id).kind {
            Kind::Union(members) => self.member_of(schema, members, id),
            _ => self.plain(schema, id),
        };
        self.depth.set(self.depth.get() - 1);
        result
    }

    fn member_of(&self, schema: &Arc<Schema>, members: &[NodeId], id: NodeId) -> Result<Plan> {
        let null_index = members
            .iter()
            .position(|member| self.avro.node(*member).kind == Kind::Null)
            .map(position);
        if is_union(schema) {
            let mut plans = Vec::with_capacity(schema.fields().len());
            let mut taken = Vec::new();
            for field in schema.fields() {
                let (index, plan) = self
                    .best_member(field.schema(), members, &taken)
                    .ok_or_else(|| self.misfit(field.schema(), id))?;
                taken.push(index);
                plans.push((position(index), plan));
            }
            return Ok(Plan::Union {
                schema: Arc::clone(schema),
                members: plans,
                null_index,
                use_defaults: !self.settings.ignore_defaults,
            });
        }
        let (index, plan) = self
            .best_member(schema, members, &[])
            .ok_or_else(|| self.misfit(schema, id))?;
        Ok(Plan::Member {
            index: position(index),
            null_index,
            inner: Box::new(plan),
        })
    }

    /// The member of a union that a schema maps to, or else the first that takes it.
    fn best_member(
        &self,
        schema: &Arc<Schema>,
        members: &[NodeId],
        taken: &[usize],
    ) -> Option<(usize, Plan)> {
        let free = || {
            members
                .iter()
                .enumerate()
                .filter(|(index, _)| !taken.contains(index))
        };
        let own_name = schema.name().map(|name| self.settings.full_name(name));
        let is_own = |id: &NodeId| {
            let kind = &self.avro.node(*id).kind;
            match kind.name() {
                Some(name) => own_name.as_ref().is_none_or(|own| *own == name.full()),
                None => own_type(schema.schema_type()) == kind.type_name(),
            }
        };
        let fitting = |(index, id): (usize, &NodeId)| Some((index, self.plan(schema, *id).ok()?));
        free()
            .filter(|(_, id)| is_own(id))
            .find_map(fitting)
            .or_else(|| free().find_map(fitting))
    }

    fn plain(&self, schema: &Arc<Schema>, id: NodeId) -> Result<Plan> {
        let kind = &self.avro.node(id).kind;
        let misfit = || self.misfit(schema, id);
        Ok(match (schema.name(), schema.schema_type(), kind) {
            (Some(logical::DECIMAL), SchemaType::Bytes, Kind::Bytes) => {
                Plan::Decimal(logical::scale(schema)?)
            }
            (Some(logical::DECIMAL), SchemaType::Bytes, Kind::Fixed { size, .. }) => {
                Plan::FixedDecimal {
                    scale: logical::scale(schema)?,
                    size: *size,
                }
            }
            (Some(logical::DATE), SchemaType::Int32, Kind::Int | Kind::Long) => Plan::Date,
            (Some(logical::TIME), SchemaType::Int32, Kind::Int | Kind::Long) => Plan::Time,
            (Some(logical::TIMESTAMP), SchemaType::Int64, Kind::Long) => Plan::Timestamp,
            (Some(logical::DECIMAL | logical::DATE | logical::TIME | logical::TIMESTAMP), _, _) => {
                return Err(misfit());
            }
            (_, SchemaType::Boolean, Kind::Boolean) => Plan::Boolean,
            (
                _,
                SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32,
                Kind::Int | Kind::Long,
            )
            | (_, SchemaType::Int64, Kind::Long) => Plan::Integer,
            (
                _,
                SchemaType::Int8
                | SchemaType::Int16
                | SchemaType::Int32
                | SchemaType::Int64
                | SchemaType::Float32,
                Kind::Float,
            ) => Plan::Float,
            (
                _,
                SchemaType::Int8
                | SchemaType::Int16
                | SchemaType::Int32
                | SchemaType::Int64
                | SchemaType::Float32
                | SchemaType::Float64,
                Kind::Double,
            ) => Plan::Double,
            (_, SchemaType::String, Kind::String | Kind::Bytes) => Plan::String,
            (_, SchemaType::String, Kind::Enum { symbols, .. }) => Plan::Enum(
                symbols
                    .iter()
                    .enumerate()
                    .map(|(index, symbol)| (symbol.clone(), position(index)))
                    .collect(),
            ),
            (_, SchemaType::Bytes, Kind::Bytes | Kind::String) => Plan::Bytes,
            (_, SchemaType::Bytes, Kind::Fixed { size, .. }) => Plan::Fixed(*size),
            (_, SchemaType::Array, Kind::Array(items)) => {
                let inner = schema.value_schema()?.ok_or_else(misfit)?;
                Plan::Array(Box::new(self.plan(inner, *items)?))
            }
            (_, SchemaType::Map, Kind::Map(values)) if self.settings.is_avro_map(schema)? => {
                let inner = schema.value_schema()?.ok_or_else(misfit)?;
                Plan::Map(Box::new(self.plan(inner, *values)?))
            }
            (_, SchemaType::Map, Kind::Array(entry)) => self.entries(schema, *entry)?,
            (_, SchemaType::Struct, Kind::Record { fields, .. }) if !is_union(schema) => {
                self.record(schema, fields)?
            }
            // A union of one member may have been flattened.
            (Some(UNION), SchemaType::Struct, _) => {
                let [field] = schema.fields() else {
                    return Err(misfit());
                };
                return self.plan(field.schema(), id);
            }
            _ => return Err(misfit()),
        })
    }

    fn entries(&self, schema: &Arc<Schema>, entry: NodeId) -> Result<Plan> {
        let misfit = || self.misfit(schema, entry);
        let Kind::Record { fields, .. } = &self.avro.node(entry).kind else {
            return Err(misfit());
        };
        let place = |name: &str| fields.iter().position(|field| field.name == name);
        let (2, Some(key), Some(value)) = (fields.len(), place(KEY_FIELD), place(VALUE_FIELD))
        else {
            return Err(misfit());
        };
        let plan = |schema: Option<&Arc<Schema>>, index: usize| {
            let field = fields.get(index).ok_or_else(misfit)?;
            self.plan(schema.ok_or_else(misfit)?, field.node)
        };
        Ok(Plan::Entries {
            key: Box::new(plan(schema.key_schema()?, key)?),
            value: Box::new(plan(schema.value_schema()?, value)?),
            key_first: key < value,
        })
    }

    fn record(&self, schema: &Arc<Schema>, fields: &[Field]) -> Result<Plan> {
        // Names as Avro has them; without scrubbing they are those of the struct.
        let scrubbed: Option<HashMap<String, usize>> = self.settings.scrub_names.then(|| {
            schema
                .fields()
                .iter()
                .map(|field| (self.settings.field_name(field.name()), field.index()))
                .collect()
        });
        let find = |name: &str| match &scrubbed {
            Some(names) => names
                .get(name)
                .and_then(|index| schema.fields().get(*index)),
            None => schema.field(name),
        };
        let mut plans = Vec::with_capacity(fields.len());
        for field in fields {
            plans.push(match find(&field.name) {
                Some(own) => FieldPlan::Value {
                    name: own.name().to_string(),
                    index: own.index(),
                    default: if self.settings.ignore_defaults {
                        Value::Null
                    } else {
                        own.schema().default_value().cloned().unwrap_or_default()
                    },
                    plan: self.plan(own.schema(), field.node).map_err(|cause| {
                        ConnectError::serialization(format!("field {}", field.name))
                            .caused_by(cause)
                    })?,
                },
                None => {
                    let default = field.default.as_ref().ok_or_else(|| {
                        ConnectError::serialization(format!(
                            "field {} of the Avro schema is not in {schema} and has no default",
                            field.name
                        ))
                    })?;
                    let mut bytes = Vec::new();
                    self.write_default(field.node, default, &mut bytes)?;
                    FieldPlan::Default(bytes)
                }
            });
        }
        Ok(Plan::Record {
            schema: Arc::clone(schema),
            fields: plans,
        })
    }

    /// Encodes a default of an Avro schema.
    fn write_default(&self, id: NodeId, json: &Json, out: &mut Vec<u8>) -> Result<()> {
        let wrong = || {
            ConnectError::serialization(format!(
                "{json} is not a default of the Avro type {}",
                self.avro.node(id).kind.type_name()
            ))
        };
        let text = || json.as_str().ok_or_else(wrong);
        let latin = || -> Result<Vec<u8>> {
            text()?
                .chars()
                .map(|c| u8::try_from(u32::from(c)).map_err(|_| wrong()))
                .collect()
        };
        match &self.avro.node(id).kind {
            Kind::Null if json.is_null() => {}
            Kind::Null => return Err(wrong()),
            Kind::Boolean => out.push(json.as_bool().ok_or_else(wrong)?.into()),
            Kind::Int | Kind::Long => write_long(out, json.as_i64().ok_or_else(wrong)?),
            #[expect(clippy::cast_possible_truncation, reason = "the schema says float")]
            Kind::Float => {
                out.extend_from_slice(&(json.as_f64().ok_or_else(wrong)? as f32).to_le_bytes());
            }
            Kind::Double => {
                out.extend_from_slice(&json.as_f64().ok_or_else(wrong)?.to_le_bytes());
            }
            Kind::String => write_bytes(out, text()?.as_bytes()),
            Kind::Bytes => write_bytes(out, &latin()?),
            Kind::Fixed { .. } => out.extend_from_slice(&latin()?),
            Kind::Enum { symbols, .. } => {
                let text = text()?;
                let index = symbols.iter().position(|symbol| symbol == text);
                write_long(out, position(index.ok_or_else(wrong)?));
            }
            Kind::Array(items) => {
                let list = json.as_array().ok_or_else(wrong)?;
                write_count(out, list.len());
                for item in list {
                    self.write_default(*items, item, out)?;
                }
                end_blocks(out, list.len());
            }
            Kind::Map(values) => {
                let object = json.as_object().ok_or_else(wrong)?;
                write_count(out, object.len());
                for (key, value) in object {
                    write_bytes(out, key.as_bytes());
                    self.write_default(*values, value, out)?;
                }
                end_blocks(out, object.len());
            }
            Kind::Union(members) => {
                for (index, member) in members.iter().enumerate() {
                    let start = out.len();
                    write_long(out, position(index));
                    if self.write_default(*member, json, out).is_ok() {
                        return Ok(());
                    }
                    out.truncate(start);
                }
                return Err(wrong());
            }
            Kind::Record { fields, .. } => {
                let object = json.as_object().ok_or_else(wrong)?;
                for field in fields {
                    let given = object.get(&field.name).or(field.default.as_ref());
                    self.write_default(field.node, given.ok_or_else(wrong)?, out)?;
                }
            }
        }
        Ok(())
    }
}

/// The Avro type that a Connect type maps to.
fn own_type(schema_type: SchemaType) -> &'static str {
    match schema_type {
        SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32 => "int",
        SchemaType::Int64 => "long",
        SchemaType::Float32 => "float",
        SchemaType::Float64 => "double",
        SchemaType::Boolean => "boolean",
        SchemaType::String => "string",
        SchemaType::Bytes => "bytes",
        SchemaType::Array => "array",
        SchemaType::Map => "map",
        SchemaType::Struct => "record",
    }
}

fn position(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

/// Appends a number as Avro writes `int` and `long`: zigzag, seven bits to a byte.
pub fn write_long(out: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push((rest & 0x7F) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Appends Avro's `bytes` or `string`: the length as a `long`, then the bytes.
pub fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_long(out, position(bytes.len()));
    out.extend_from_slice(bytes);
}

fn write_count(out: &mut Vec<u8>, count: usize) {
    write_long(out, position(count));
}

/// Blocks end with an empty one, which the count of nothing already is.
fn end_blocks(out: &mut Vec<u8>, count: usize) {
    if count > 0 {
        out.push(0);
    }
}

/// Appends a whole payload.
pub(super) fn write(plan: &Plan, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    match (plan, value) {
        // The bytes of a schema that is just bytes have no length before them.
        (Plan::Bytes, Value::Bytes(bytes)) => {
            out.extend_from_slice(bytes);
            Ok(())
        }
        (Plan::Decimal(scale), Value::Decimal(decimal)) => {
            out.extend_from_slice(&unscaled(decimal, *scale)?);
            Ok(())
        }
        _ => write_value(plan, value, out),
    }
}

fn unscaled(decimal: &sluice_api::Decimal, scale: i32) -> Result<Vec<u8>> {
    if decimal.scale() == scale {
        return Ok(decimal.to_be_bytes());
    }
    Err(ConnectError::data(format!(
        "Decimal value has mismatching scale for given Decimal schema. Schema has scale {scale}, value has \
         scale {}.",
        decimal.scale()
    )))
}

fn invalid(plan: &Plan, value: &Value) -> ConnectError {
    if value.is_null() {
        return ConnectError::data("Found null value for non-optional schema");
    }
    let name = match plan {
        Plan::Boolean => "BOOLEAN",
        Plan::Integer => "an integer type",
        Plan::Float | Plan::Double => "a number type",
        Plan::String | Plan::Enum(_) => "STRING",
        Plan::Bytes | Plan::Fixed(_) => "BYTES",
        Plan::Date => "Date",
        Plan::Time => "Time",
        Plan::Timestamp => "Timestamp",
        Plan::Decimal(_) | Plan::FixedDecimal { .. } => "Decimal",
        Plan::Array(_) => "ARRAY",
        Plan::Map(_) | Plan::Entries { .. } => "MAP",
        Plan::Record { .. } | Plan::Union { .. } | Plan::Member { .. } => "STRUCT",
        Plan::Anything => "data without schema",
    };
    ConnectError::data(format!(
        "Invalid type for {name}: class {}",
        value.java_class()
    ))
}

fn write_value(plan: &Plan, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    match (plan, value) {
        (Plan::Boolean, Value::Boolean(v)) => out.push((*v).into()),
        (Plan::Integer, Value::Int8(v)) => write_long(out, (*v).into()),
        (Plan::Integer, Value::Int16(v)) => write_long(out, (*v).into()),
        (Plan::Integer, Value::Int32(v)) => write_long(out, (*v).into()),
        (Plan::Integer, Value::Int64(v)) => write_long(out, *v),
        (Plan::Float, Value::Float32(v)) => out.extend_from_slice(&v.to_le_bytes()),
        (Plan::Float, other) => {
            let number = other.as_f64().ok_or_else(|| invalid(plan, value))?;
            #[expect(clippy::cast_possible_truncation, reason = "Avro's promotion to float")]
            out.extend_from_slice(&(number as f32).to_le_bytes());
        }
        (Plan::Double, other) => {
            let number = other.as_f64().ok_or_else(|| invalid(plan, value))?;
            out.extend_from_slice(&number.to_le_bytes());
        }
        (Plan::String, Value::String(v)) => write_bytes(out, v.as_bytes()),
        (Plan::Bytes, Value::Bytes(v)) => write_bytes(out, v),
        (Plan::Fixed(size), Value::Bytes(v)) => {
            if v.len() != *size {
                return Err(ConnectError::data(format!(
                    "{} bytes are no fixed of {size}",
                    v.len()
                )));
            }
            out.extend_from_slice(v);
        }
        (Plan::Date, Value::Date(v)) => write_long(out, logical::date_to_days(*v)?.into()),
        (Plan::Time, Value::Date(v)) => write_long(out, logical::time_to_millis(*v)?.into()),
        (Plan::Timestamp, Value::Date(v)) => write_long(out, *v),
        (Plan::Decimal(scale), Value::Decimal(v)) => write_bytes(out, &unscaled(v, *scale)?),
        (Plan::FixedDecimal { scale, size }, Value::Decimal(v)) => {
            write_fixed_decimal(&unscaled(v, *scale)?, *size, out)?;
        }
        (Plan::Enum(symbols), Value::String(v)) => {
            let index = symbols.get(&**v).ok_or_else(|| {
                ConnectError::serialization(format!("{v} is not a symbol of the enum"))
            })?;
            write_long(out, *index);
        }
        (Plan::Array(inner), Value::Array(items)) => {
            write_count(out, items.len());
            for item in items {
                write_value(inner, item, out)?;
            }
            end_blocks(out, items.len());
        }
        (Plan::Map(inner), Value::Map(map)) => {
            write_count(out, map.len());
            for (key, value) in map {
                let key = key.as_str().ok_or_else(|| invalid(&Plan::String, key))?;
                write_bytes(out, key.as_bytes());
                write_value(inner, value, out)?;
            }
            end_blocks(out, map.len());
        }
        (
            Plan::Entries {
                key: key_plan,
                value: value_plan,
                key_first,
            },
            Value::Map(map),
        ) => {
            write_count(out, map.len());
            for (key, value) in map {
                if *key_first {
                    write_value(key_plan, key, out)?;
                    write_value(value_plan, value, out)?;
                } else {
                    write_value(value_plan, value, out)?;
                    write_value(key_plan, key, out)?;
                }
            }
            end_blocks(out, map.len());
        }
        (Plan::Record { schema, fields }, Value::Struct(v)) => {
            check_schema(schema, v.schema())?;
            for field in fields {
                match field {
                    FieldPlan::Default(bytes) => out.extend_from_slice(bytes),
                    FieldPlan::Value {
                        name,
                        index,
                        default,
                        plan,
                    } => {
                        let own = v.value_at(*index);
                        let value = if own.is_null() { default } else { own };
                        write_value(plan, value, out).map_err(|error| in_field(name, &error))?;
                    }
                }
            }
        }
        (
            Plan::Member {
                index,
                null_index,
                inner,
            },
            value,
        ) => match (value, null_index) {
            (Value::Null, Some(null_index)) => write_long(out, *null_index),
            _ => {
                write_long(out, *index);
                write_value(inner, value, out)?;
            }
        },
        (
            Plan::Union {
                null_index: Some(index),
                ..
            },
            Value::Null,
        ) => write_long(out, *index),
        (
            Plan::Union {
                schema,
                members,
                null_index,
                use_defaults,
            },
            Value::Struct(v),
        ) => {
            check_schema(schema, v.schema())?;
            let found = schema
                .fields()
                .iter()
                .zip(members)
                .find_map(|(field, member)| {
                    let value = if *use_defaults {
                        v.get_field(field)
                    } else {
                        v.value_at(field.index())
                    };
                    (!value.is_null()).then_some((member, value))
                });
            match (found, null_index) {
                (Some(((index, plan), value)), _) => {
                    write_long(out, *index);
                    write_value(plan, value, out)?;
                }
                (None, Some(index)) => write_long(out, *index),
                (None, None) => return Err(invalid(plan, &Value::Null)),
            }
        }
        (Plan::Anything, value) => write_anything(value, out, 0)?,
        _ => return Err(invalid(plan, value)),
    }
    Ok(())
}

/// Says in which field an error is; the text is made when there is one.
fn in_field(name: &str, error: &ConnectError) -> ConnectError {
    ConnectError::new(error.kind(), format!("field {name}: {}", error.message()))
}

fn check_schema(expected: &Arc<Schema>, found: &Arc<Schema>) -> Result<()> {
    if same_schema(expected, found) {
        return Ok(());
    }
    Err(ConnectError::data("Mismatching struct schema"))
}

fn write_fixed_decimal(bytes: &[u8], size: usize, out: &mut Vec<u8>) -> Result<()> {
    let Some(missing) = size.checked_sub(bytes.len()) else {
        return Err(ConnectError::data(format!(
            "Unscaled value byte array length {} is greater than fixed size {size}",
            bytes.len()
        )));
    };
    let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
        0xFF
    } else {
        0
    };
    out.extend(std::iter::repeat_n(sign, missing));
    out.extend_from_slice(bytes);
    Ok(())
}

/// The record of data without schema: the field of the value's type is set, the eight others are null.
fn write_anything(value: &Value, out: &mut Vec<u8>, depth: usize) -> Result<()> {
    const FIELDS: usize = 9;
    if depth > MAX_DEPTH {
        return Err(ConnectError::serialization("nested too deeply"));
    }
    let field = match value {
        Value::Null => {
            out.extend_from_slice(&[0; FIELDS]);
            return Ok(());
        }
        Value::Boolean(_) => 0,
        Value::Bytes(_) => 1,
        Value::Float64(_) => 2,
        Value::Float32(_) => 3,
        Value::Int8(_) | Value::Int16(_) | Value::Int32(_) => 4,
        Value::Int64(_) => 5,
        Value::String(_) => 6,
        Value::Array(_) => 7,
        Value::Map(_) => 8,
        Value::Struct(_) | Value::Decimal(_) | Value::Date(_) => {
            return Err(ConnectError::data(format!(
                "Unknown Java type for schemaless data: class {}",
                value.java_class()
            )));
        }
    };
    out.extend(std::iter::repeat_n(0, field));
    write_long(out, 1);
    match value {
        Value::Boolean(v) => out.push((*v).into()),
        Value::Bytes(v) => write_bytes(out, v),
        Value::Float64(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::Float32(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::String(v) => write_bytes(out, v.as_bytes()),
        Value::Array(items) => {
            write_count(out, items.len());
            for item in items {
                write_anything(item, out, depth + 1)?;
            }
            end_blocks(out, items.len());
        }
        Value::Map(map) => {
            write_count(out, map.len());
            for (key, value) in map {
                write_anything(key, out, depth + 1)?;
                write_anything(value, out, depth + 1)?;
            }
            end_blocks(out, map.len());
        }
        other => write_long(out, other.as_i64().unwrap_or_default()),
    }
    out.extend(std::iter::repeat_n(0, FIELDS - 1 - field));
    Ok(())
}
