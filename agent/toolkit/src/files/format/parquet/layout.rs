//! Connect schemas to Parquet schemas, and values to columns.
//!
//! Types are those that the Confluent connector's files have, by way of Avro: Date is DATE, Time TIME in
//! milliseconds, Timestamp TIMESTAMP in milliseconds. Only Decimal differs: it is DECIMAL in bytes of a fixed
//! number, not of any number, since Spark (4.1, `WritableColumnVector.getDecimal`) cannot read a dictionary
//! of the latter for a decimal of up to 18 digits, and every reader takes the former.

use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::schema::types::{Type, TypePtr};
use sluice_api::schema::same_schema;
use sluice_api::{ConnectError, Decimal, Result, Schema, SchemaType, Value, logical};

use super::columns::{Column, Values};

/// Digits of a Decimal whose schema does not say how many it has (`connect.decimal.precision`), as
/// Confluent's Avro has it.
const DEFAULT_PRECISION: u16 = 64;
const PRECISION: &str = "connect.decimal.precision";
/// More than any database has, and few enough for a column of bytes.
const MAX_PRECISION: u16 = 1_000;
/// The name of a struct without one.
const DEFAULT_NAME: &str = "ConnectDefault";

/// How a value is put into columns.
#[derive(Debug)]
pub(super) struct Node {
    optional: bool,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Leaf {
        column: usize,
        leaf: Leaf,
    },
    Struct {
        schema: Arc<Schema>,
        fields: Vec<Node>,
    },
    List {
        level: i16,
        element: Box<Node>,
    },
    Map {
        level: i16,
        key: Box<Node>,
        value: Box<Node>,
    },
}

/// What a column's values are made of.
#[derive(Debug, Clone, Copy)]
enum Leaf {
    Boolean,
    /// An integer of up to 32 bits.
    Int32,
    Int64,
    Float,
    Double,
    Text,
    Bytes,
    Date,
    Time,
    Timestamp,
    Decimal(Digits),
}

/// The form of a decimal column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Digits {
    /// Digits in all.
    precision: u16,
    /// Digits behind the point.
    scale: i32,
}

impl Digits {
    fn of(schema: &Schema) -> Result<Self> {
        let given = schema
            .parameters()
            .and_then(|parameters| parameters.get(PRECISION));
        let unfit = |text: &str| {
            ConnectError::data(format!(
                "{PRECISION} is {text:?}, not a number from 1 to {MAX_PRECISION}"
            ))
        };
        let precision = match given {
            Some(text) => text.parse().map_err(|_| unfit(text))?,
            None => DEFAULT_PRECISION,
        };
        if !(1..=MAX_PRECISION).contains(&precision) {
            return Err(unfit(&precision.to_string()));
        }
        Ok(Self {
            precision,
            scale: logical::scale(schema)?,
        })
    }

    /// Bits of every number of this many digits; one more holds them all, and one its sign.
    fn bits(self) -> usize {
        // The logarithm of ten to the base of two, which no whole number of digits makes whole.
        usize::from(self.precision) * 33_219_281 / 10_000_000
    }

    fn width(self) -> usize {
        (self.bits() + 2).div_ceil(8)
    }

    /// Adds the bytes of a number, from the highest.
    fn write(self, decimal: &Decimal, data: &mut Vec<u8>) -> Result<()> {
        let misfit = |why: String| Err(ConnectError::data(format!("the Decimal {decimal} {why}")));
        if decimal.scale() != self.scale {
            return misfit(format!(
                "has scale {}, its schema {}",
                decimal.scale(),
                self.scale
            ));
        }
        if usize::try_from(decimal.unscaled().bits()).is_ok_and(|bits| bits > self.bits()) {
            let digits = decimal.unscaled().magnitude().to_string().len();
            if digits > usize::from(self.precision) {
                return misfit(format!(
                    "has {digits} digits, its schema {}",
                    self.precision
                ));
            }
        }
        let bytes = decimal.to_be_bytes();
        let gap = self.width().saturating_sub(bytes.len());
        let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
        data.extend(std::iter::repeat_n(if negative { 0xff } else { 0 }, gap));
        data.extend_from_slice(&bytes);
        Ok(())
    }
}

/// A schema in all its forms.
pub(super) struct Layout {
    pub(super) root: Node,
    pub(super) columns: Vec<Column>,
    pub(super) schema: TypePtr,
}

impl Layout {
    /// Of the schema of a struct.
    ///
    /// # Errors
    /// It has a part that Parquet has no form for.
    pub(super) fn of(schema: &Arc<Schema>) -> Result<Self> {
        let mut columns = Vec::new();
        let mut fields = Vec::new();
        let mut types = Vec::new();
        for field in schema.fields() {
            let (node, kind) = place(field.name(), field.schema(), 0, 0, &mut columns)?;
            fields.push(node);
            types.push(kind);
        }
        if fields.is_empty() {
            return Err(ConnectError::data(
                "Parquet has no form for a struct without fields",
            ));
        }
        let root = Node {
            optional: false,
            kind: Kind::Struct {
                schema: Arc::clone(schema),
                fields,
            },
        };
        let name = schema.name().unwrap_or(DEFAULT_NAME);
        let schema = Type::group_type_builder(name)
            .with_fields(types)
            .build()
            .map_err(|error| unfit(name, &error))?;
        Ok(Self {
            root,
            columns,
            schema: Arc::new(schema),
        })
    }
}

fn unfit(name: &str, why: &dyn std::fmt::Display) -> ConnectError {
    ConnectError::data(format!("Parquet has no form for field {name}: {why}"))
}

fn inner(schema: Option<&Arc<Schema>>) -> Result<&Arc<Schema>> {
    schema.ok_or_else(|| ConnectError::data("the schema of elements is not known"))
}

/// The way of values of a schema, at given levels of definition and repetition of what is around it.
fn place(
    name: &str,
    schema: &Arc<Schema>,
    definition: i16,
    repetition: i16,
    columns: &mut Vec<Column>,
) -> Result<(Node, TypePtr)> {
    let optional = schema.is_optional();
    let definition = definition + i16::from(optional);
    let occurs = if optional {
        Repetition::OPTIONAL
    } else {
        Repetition::REQUIRED
    };
    let group = Type::group_type_builder;
    let (kind, parquet) = match schema.schema_type() {
        SchemaType::Struct => {
            let mut fields = Vec::new();
            let mut types = Vec::new();
            for field in schema.fields() {
                let (node, kind) = place(
                    field.name(),
                    field.schema(),
                    definition,
                    repetition,
                    columns,
                )?;
                fields.push(node);
                types.push(kind);
            }
            if fields.is_empty() {
                return Err(unfit(name, &"a struct without fields"));
            }
            let kind = Kind::Struct {
                schema: Arc::clone(schema),
                fields,
            };
            (
                kind,
                group(name)
                    .with_fields(types)
                    .with_repetition(occurs)
                    .build(),
            )
        }
        SchemaType::Array => {
            let level = repetition + 1;
            let element = inner(schema.value_schema()?)?;
            let (node, element) = place("element", element, definition + 1, level, columns)?;
            let list = group("list")
                .with_fields(vec![element])
                .with_repetition(Repetition::REPEATED)
                .build()
                .map_err(|error| unfit(name, &error))?;
            let kind = Kind::List {
                level,
                element: Box::new(node),
            };
            let outer = group(name)
                .with_fields(vec![Arc::new(list)])
                .with_repetition(occurs)
                .with_converted_type(ConvertedType::LIST)
                .with_logical_type(Some(LogicalType::List));
            (kind, outer.build())
        }
        SchemaType::Map => {
            let level = repetition + 1;
            let key = inner(schema.key_schema()?)?;
            if key.is_optional() {
                return Err(unfit(name, &"the keys of a map may not be optional"));
            }
            let (key_node, key) = place("key", key, definition + 1, level, columns)?;
            let value = inner(schema.value_schema()?)?;
            let (value_node, value) = place("value", value, definition + 1, level, columns)?;
            let entries = group("key_value")
                .with_fields(vec![key, value])
                .with_repetition(Repetition::REPEATED)
                .build()
                .map_err(|error| unfit(name, &error))?;
            let kind = Kind::Map {
                level,
                key: Box::new(key_node),
                value: Box::new(value_node),
            };
            let outer = group(name)
                .with_fields(vec![Arc::new(entries)])
                .with_repetition(occurs)
                .with_converted_type(ConvertedType::MAP)
                .with_logical_type(Some(LogicalType::Map));
            (kind, outer.build())
        }
        _ => {
            let leaf = Leaf::of(schema)?;
            let (physical, logical) = leaf.parquet();
            let values = match physical {
                Physical::BOOLEAN => Values::Boolean(Vec::new()),
                Physical::INT32 => Values::Int32(Vec::new()),
                Physical::INT64 => Values::Int64(Vec::new()),
                Physical::FLOAT => Values::Float(Vec::new()),
                Physical::DOUBLE => Values::Double(Vec::new()),
                _ => Values::Bytes {
                    data: Vec::new(),
                    ends: Vec::new(),
                },
            };
            columns.push(Column::new(values, definition, repetition));
            let mut builder = Type::primitive_type_builder(name, physical).with_repetition(occurs);
            if let Some(LogicalType::Decimal(decimal)) = &logical {
                builder = builder
                    .with_precision(decimal.precision)
                    .with_scale(decimal.scale);
            }
            if let Leaf::Decimal(digits) = leaf {
                builder = builder.with_length(digits.width().try_into().unwrap_or(i32::MAX));
            }
            let kind = Kind::Leaf {
                column: columns.len() - 1,
                leaf,
            };
            (kind, builder.with_logical_type(logical).build())
        }
    };
    let parquet = parquet.map_err(|error| unfit(name, &error))?;
    Ok((Node { optional, kind }, Arc::new(parquet)))
}

impl Leaf {
    fn of(schema: &Schema) -> Result<Self> {
        Ok(match (schema.name(), schema.schema_type()) {
            (Some(logical::DECIMAL), SchemaType::Bytes) => Self::Decimal(Digits::of(schema)?),
            (Some(logical::DATE), SchemaType::Int32) => Self::Date,
            (Some(logical::TIME), SchemaType::Int32) => Self::Time,
            (Some(logical::TIMESTAMP), SchemaType::Int64) => Self::Timestamp,
            (_, SchemaType::Boolean) => Self::Boolean,
            (_, SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32) => Self::Int32,
            (_, SchemaType::Int64) => Self::Int64,
            (_, SchemaType::Float32) => Self::Float,
            (_, SchemaType::Float64) => Self::Double,
            (_, SchemaType::String) => Self::Text,
            _ => Self::Bytes,
        })
    }

    fn parquet(self) -> (Physical, Option<LogicalType>) {
        match self {
            Self::Boolean => (Physical::BOOLEAN, None),
            Self::Int32 => (Physical::INT32, None),
            Self::Int64 => (Physical::INT64, None),
            Self::Float => (Physical::FLOAT, None),
            Self::Double => (Physical::DOUBLE, None),
            Self::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Self::Bytes => (Physical::BYTE_ARRAY, None),
            Self::Date => (Physical::INT32, Some(LogicalType::Date)),
            Self::Time => (
                Physical::INT32,
                Some(LogicalType::time(true, TimeUnit::MILLIS)),
            ),
            Self::Timestamp => (
                Physical::INT64,
                Some(LogicalType::timestamp(true, TimeUnit::MILLIS)),
            ),
            Self::Decimal(digits) => (
                Physical::FIXED_LEN_BYTE_ARRAY,
                Some(LogicalType::decimal(digits.scale, digits.precision.into())),
            ),
        }
    }

    /// Adds a value that is not null.
    fn write(self, value: &Value, values: &mut Values) -> Result<()> {
        let misfit = || {
            Err(ConnectError::data(format!(
                "Invalid type for {self:?}: class {}",
                value.java_class()
            )))
        };
        let number = match (self, value) {
            (Self::Date, Value::Date(millis)) => Some(logical::date_to_days(*millis)?),
            (Self::Time, Value::Date(millis)) => Some(logical::time_to_millis(*millis)?),
            (Self::Int32, Value::Int8(number)) => Some((*number).into()),
            (Self::Int32, Value::Int16(number)) => Some((*number).into()),
            (Self::Int32, Value::Int32(number)) => Some(*number),
            _ => None,
        };
        match (values, value) {
            (Values::Int32(values), _) => match number {
                Some(number) => values.push(number),
                None => return misfit(),
            },
            (Values::Int64(values), Value::Date(millis)) if matches!(self, Self::Timestamp) => {
                values.push(*millis);
            }
            (Values::Int64(values), Value::Int64(number)) if matches!(self, Self::Int64) => {
                values.push(*number);
            }
            (Values::Boolean(values), Value::Boolean(flag)) => values.push(*flag),
            (Values::Float(values), Value::Float32(number)) => values.push(*number),
            (Values::Double(values), Value::Float64(number)) => values.push(*number),
            (Values::Bytes { data, ends }, value) => {
                match (self, value) {
                    (Self::Text, Value::String(text)) => data.extend_from_slice(text.as_bytes()),
                    (Self::Bytes, Value::Bytes(bytes)) => data.extend_from_slice(bytes),
                    (Self::Decimal(digits), Value::Decimal(decimal)) => {
                        digits.write(decimal, data)?;
                    }
                    _ => return misfit(),
                }
                ends.push(data.len());
            }
            _ => return misfit(),
        }
        Ok(())
    }
}

impl Node {
    /// Puts a value into the columns, at the levels of what is around it.
    ///
    /// # Errors
    /// It does not fit the schema; some columns have parts of it then.
    pub(super) fn write(
        &self,
        value: &Value,
        columns: &mut [Column],
        definition: i16,
        repetition: i16,
    ) -> Result<()> {
        if value.is_null() {
            if !self.optional {
                return Err(ConnectError::data("null for a required value"));
            }
            self.write_gap(columns, definition, repetition);
            return Ok(());
        }
        let definition = definition + i16::from(self.optional);
        match (&self.kind, value) {
            (Kind::Leaf { column, leaf }, value) => {
                if let Some(column) = columns.get_mut(*column) {
                    leaf.write(value, &mut column.values)?;
                    column.push_level(definition, repetition);
                }
            }
            (Kind::Struct { schema, fields }, Value::Struct(found)) => {
                if !same_schema(schema, found.schema()) {
                    return Err(ConnectError::data("Mismatching struct schema"));
                }
                for (field, node) in schema.fields().iter().zip(fields) {
                    node.write(found.get_field(field), columns, definition, repetition)
                        .map_err(|error| in_field(field.name(), &error))?;
                }
            }
            (Kind::List { level, element }, Value::Array(items)) => {
                if items.is_empty() {
                    element.write_gap(columns, definition, repetition);
                }
                let mut at = repetition;
                for item in items {
                    element.write(item, columns, definition + 1, at)?;
                    at = *level;
                }
            }
            (Kind::Map { level, key, value }, Value::Map(map)) => {
                if map.is_empty() {
                    key.write_gap(columns, definition, repetition);
                    value.write_gap(columns, definition, repetition);
                }
                let mut at = repetition;
                for (one_key, one_value) in map {
                    key.write(one_key, columns, definition + 1, at)?;
                    value.write(one_value, columns, definition + 1, at)?;
                    at = *level;
                }
            }
            (_, other) => {
                return Err(ConnectError::data(format!(
                    "Invalid type: class {}",
                    other.java_class()
                )));
            }
        }
        Ok(())
    }

    /// Notes in all columns below that there is nothing.
    fn write_gap(&self, columns: &mut [Column], definition: i16, repetition: i16) {
        match &self.kind {
            Kind::Leaf { column, .. } => {
                if let Some(column) = columns.get_mut(*column) {
                    column.push_level(definition, repetition);
                }
            }
            Kind::Struct { fields, .. } => {
                for field in fields {
                    field.write_gap(columns, definition, repetition);
                }
            }
            Kind::List { element, .. } => element.write_gap(columns, definition, repetition),
            Kind::Map { key, value, .. } => {
                key.write_gap(columns, definition, repetition);
                value.write_gap(columns, definition, repetition);
            }
        }
    }
}

/// Says in which field an error is.
fn in_field(name: &str, error: &ConnectError) -> ConnectError {
    ConnectError::new(error.kind(), format!("field {name}: {}", error.message()))
}
