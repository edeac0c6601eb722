//! `Cast`: turns fields, or a whole key or value, into another primitive type.
//!
//! Numbers are narrowed as Java's casts do: integers keep their low bits, floating point numbers saturate
//! first. Texts are read as Java's parsers read them ([`java_number`]).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sluice_api::config::{ConfigError, ConfigType, ConfigValue};
use sluice_api::{
    ConfigDef, ConnectError, ConnectRecord, Props, RecordOrigin, Result, Schema, SchemaBuilder,
    SchemaType, Transformation, Value, logical, values,
};
use sluice_jvm_text::number;

use super::keys::{
    REPLACE_NULL_WITH_DEFAULT, invalid_mapping, java_split, replace_null_with_default, required,
};
use super::requirements;
use super::schema_cache::SchemaCache;
use super::side::Side;
use super::struct_values::{copied, rebuild};

super::key_and_value!(Cast);

const PURPOSE: &str = "cast types";

fn config_def() -> ConfigDef {
    ConfigDef::new()
        .define(
            required(
                "spec",
                ConfigType::List,
                "List of fields and the type to cast them to of the form field1:type,field2:type to cast \
                 fields of Maps or Structs. A single type to cast the entire value. Valid types are int8, \
                 int16, int32, int64, float32, float64, boolean, and string. Note that binary fields can \
                 only be cast to string.",
            )
            .validator(Arc::new(|_, value| match value {
                ConfigValue::List(list) if !list.is_empty() => Spec::parse(list).map(drop),
                _ => Err(ConfigError("Must specify at least one field to cast.".to_owned())),
            })),
        )
        .define(replace_null_with_default())
}

/// What is cast to what.
#[derive(Debug)]
enum Spec {
    Whole(SchemaType),
    Fields(Vec<(String, SchemaType)>),
}

impl Spec {
    fn parse(list: &[String]) -> Result<Self, ConfigError> {
        let mut fields: Vec<(String, SchemaType)> = Vec::new();
        let mut whole = None;
        for mapping in list {
            match java_split(mapping)[..] {
                [name] => whole = Some(target(name.trim())?),
                [field, name] => {
                    let (field, target) = (field.trim(), target(name.trim())?);
                    match fields.iter_mut().find(|(existing, _)| existing == field) {
                        Some((_, slot)) => *slot = target,
                        None => fields.push((field.to_owned(), target)),
                    }
                }
                _ => return Err(invalid_mapping(list, mapping)),
            }
        }
        match whole {
            Some(_) if list.len() > 1 => Err(ConfigError(
                "Cast transformations that specify a type to cast the entire value to may only specify a \
                 single cast in their spec"
                    .to_owned(),
            )),
            Some(target) => Ok(Self::Whole(target)),
            None => Ok(Self::Fields(fields)),
        }
    }

    fn target_of(&self, field: &str) -> Option<SchemaType> {
        match self {
            Self::Whole(_) => None,
            Self::Fields(fields) => fields
                .iter()
                .find(|(name, _)| name == field)
                .map(|(_, target)| *target),
        }
    }
}

const ALL_TYPES: [SchemaType; 12] = [
    SchemaType::Int8,
    SchemaType::Int16,
    SchemaType::Int32,
    SchemaType::Int64,
    SchemaType::Float32,
    SchemaType::Float64,
    SchemaType::Boolean,
    SchemaType::String,
    SchemaType::Bytes,
    SchemaType::Array,
    SchemaType::Map,
    SchemaType::Struct,
];
const INPUTS: &str = "[INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING, BYTES]";
const OUTPUTS: &str = "[INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING]";

fn target(name: &str) -> Result<SchemaType, ConfigError> {
    let upper = name.to_uppercase();
    let Some(target) = ALL_TYPES.into_iter().find(|one| one.as_str() == upper) else {
        // The JVM passes the cause where the value belongs.
        return Err(ConfigError(format!(
            "Invalid value java.lang.IllegalArgumentException: No enum constant \
             org.apache.kafka.connect.data.Schema.Type.{upper} for configuration Invalid type found in \
             casting spec: {name}"
        )));
    };
    if !target.is_primitive() || target == SchemaType::Bytes {
        return Err(ConfigError(format!(
            "Cast transformation does not support casting to {target}; supported types are {OUTPUTS}"
        )));
    }
    Ok(target)
}

/// How data of one schema is cast.
#[derive(Debug)]
struct Plan {
    schema: Arc<Schema>,
    /// Target type per field.
    targets: Vec<Option<SchemaType>>,
}

#[derive(Debug)]
struct Cast {
    side: Side,
    spec: Spec,
    defaults: bool,
    plans: SchemaCache<Plan>,
}

impl Cast {
    fn of(side: Side) -> Self {
        Self {
            side,
            spec: Spec::Fields(Vec::new()),
            defaults: true,
            plans: SchemaCache::default(),
        }
    }

    fn plan(&self, schema: &Schema) -> Result<Plan> {
        let (mut builder, targets) = match &self.spec {
            Spec::Whole(target) => (SchemaBuilder::of(*target).basics_of(schema), Vec::new()),
            Spec::Fields(_) => {
                let mut builder = SchemaBuilder::structure().basics_of(schema);
                let mut targets = Vec::with_capacity(schema.fields().len());
                for field in schema.try_fields()? {
                    let target = self.spec.target_of(field.name());
                    let schema = match target {
                        None => Arc::clone(field.schema()),
                        Some(target) => {
                            with_nulls(SchemaBuilder::of(target), field.schema(), target)?
                                .build()?
                        }
                    };
                    builder = builder.field(field.name().clone(), schema);
                    targets.push(target);
                }
                (builder, targets)
            }
        };
        let schema_type = builder.schema_type();
        builder = with_nulls(builder, schema, schema_type)?;
        Ok(Plan {
            schema: builder.build()?,
            targets,
        })
    }
}

/// Makes a builder optional and gives it a default as another schema has them.
fn with_nulls(
    mut builder: SchemaBuilder,
    source: &Schema,
    target: SchemaType,
) -> Result<SchemaBuilder> {
    if source.is_optional() {
        builder = builder.optional();
    }
    if let Some(default) = source.default_value() {
        builder = builder.default_value(cast(Some(source), default.clone(), target)?);
    }
    Ok(builder)
}

impl Transformation for Cast {
    fn configure(&mut self, props: &Props) -> Result<()> {
        let config = config_def().parse(props)?;
        self.spec = Spec::parse(config.list("spec"))?;
        self.defaults = config.boolean(REPLACE_NULL_WITH_DEFAULT);
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        let value = self.side.take(&mut record);
        if value.is_null() {
            return Ok(Some(record));
        }
        let schema = self.side.schema(&record).cloned();
        let (schema, value) = match (schema, &self.spec) {
            (None, Spec::Whole(target)) => (None, cast(None, value, *target)?),
            (None, Spec::Fields(fields)) => {
                let mut map = requirements::map(value, PURPOSE)?;
                for (field, target) in fields {
                    let old = map.get_str(field).cloned().unwrap_or_default();
                    map.insert(Value::from(field.as_str()), cast(None, old, *target)?);
                }
                (None, Value::Map(map))
            }
            (Some(schema), Spec::Whole(target)) => {
                let plan = self.plans.get(&schema, |schema| self.plan(schema))?;
                let value = cast(Some(&schema), value, *target)?;
                (Some(Arc::clone(&plan.schema)), value)
            }
            (Some(schema), Spec::Fields(_)) => {
                let plan = self.plans.get(&schema, |schema| self.plan(schema))?;
                let value = requirements::structure(value, PURPOSE)?;
                let value = rebuild(value, |mut values| {
                    self.cast_fields(&schema, &plan, &mut values)?;
                    Ok((Arc::clone(&plan.schema), values))
                })?;
                (Some(Arc::clone(&plan.schema)), value)
            }
        };
        self.side.set(&mut record, schema, value);
        Ok(Some(record))
    }
}

impl Cast {
    fn cast_fields(&self, old: &Schema, plan: &Plan, values: &mut [Value]) -> Result<()> {
        for (((field, updated), target), slot) in old
            .fields()
            .iter()
            .zip(plan.schema.fields())
            .zip(&plan.targets)
            .zip(values)
        {
            let plain = !matches!(
                slot,
                Value::Null | Value::Struct(_) | Value::Array(_) | Value::Map(_)
            );
            match target {
                None if plain => {}
                None => *slot = copied(field, std::mem::take(slot), self.defaults)?,
                Some(target) => {
                    let mut value = std::mem::take(slot);
                    if value.is_null() && self.defaults {
                        value = field.schema().default_value().cloned().unwrap_or_default();
                    }
                    *slot = copied(updated, cast(Some(field.schema()), value, *target)?, false)?;
                }
            }
        }
        Ok(())
    }
}

/// A value as another type; null stays null.
fn cast(schema: Option<&Schema>, value: Value, target: SchemaType) -> Result<Value> {
    if value.is_null() {
        return Ok(value);
    }
    let source = match schema {
        Some(schema) => schema.schema_type(),
        None => type_of(&value)?,
    };
    if !source.is_primitive() {
        return Err(ConnectError::data(format!(
            "Cast transformation does not support casting from {source}; supported types are {INPUTS}"
        )));
    }
    if target == SchemaType::String {
        return text_of(value);
    }
    let value = physical(schema, value)?;
    #[expect(clippy::cast_possible_truncation, reason = "as Java's narrowing does")]
    Ok(match target {
        SchemaType::Int8 => match &value {
            Value::String(text) => Value::Int8(parsed(text)?),
            value => Value::Int8(to_i32(value)? as i8),
        },
        SchemaType::Int16 => match &value {
            Value::String(text) => Value::Int16(parsed(text)?),
            value => Value::Int16(to_i32(value)? as i16),
        },
        SchemaType::Int32 => match &value {
            Value::String(text) => Value::Int32(parsed(text)?),
            value => Value::Int32(to_i32(value)?),
        },
        SchemaType::Int64 => match &value {
            Value::String(text) => Value::Int64(parsed(text)?),
            value => Value::Int64(to_i64(value)?),
        },
        SchemaType::Float32 => Value::Float32(match &value {
            Value::String(text) => number::float(text).ok_or_else(|| out_of_range(text))?,
            Value::Float32(value) => *value,
            Value::Decimal(value) => value.to_f32(),
            #[expect(clippy::cast_precision_loss, reason = "as Java's Long.floatValue")]
            Value::Int64(value) => *value as f32,
            value => to_f64(value)? as f32,
        }),
        SchemaType::Float64 => Value::Float64(match &value {
            Value::String(text) => number::double(text).ok_or_else(|| out_of_range(text))?,
            value => to_f64(value)?,
        }),
        SchemaType::Boolean => Value::Boolean(match &value {
            Value::Boolean(value) => *value,
            Value::String(text) => number::equals_ignoring_case(text, "true"),
            value => to_i64(value)? != 0,
        }),
        other => {
            return Err(ConnectError::data(format!(
                "{other} is not supported in the Cast transformation."
            )));
        }
    })
}

/// The type that the class of a value without schema stands for.
fn type_of(value: &Value) -> Result<SchemaType> {
    Ok(match value {
        Value::Int8(_) => SchemaType::Int8,
        Value::Int16(_) => SchemaType::Int16,
        Value::Int32(_) => SchemaType::Int32,
        Value::Int64(_) => SchemaType::Int64,
        Value::Float32(_) => SchemaType::Float32,
        Value::Float64(_) => SchemaType::Float64,
        Value::Boolean(_) => SchemaType::Boolean,
        Value::String(_) => SchemaType::String,
        Value::Bytes(_) => SchemaType::Bytes,
        Value::Array(_) => SchemaType::Array,
        Value::Map(_) => SchemaType::Map,
        Value::Struct(_) => SchemaType::Struct,
        Value::Null | Value::Decimal(_) | Value::Date(_) => {
            return Err(ConnectError::data(format!(
                "Cast transformation was passed a value of type class {} which is not supported by Connect's \
                 data API",
                value.java_class()
            )));
        }
    })
}

/// The number that stands for a date of a logical type.
fn physical(schema: Option<&Schema>, value: Value) -> Result<Value> {
    let Value::Date(millis) = value else {
        return Ok(value);
    };
    Ok(match schema.and_then(Schema::name) {
        Some(logical::DATE) => Value::Int32(logical::date_to_days(millis)?),
        Some(logical::TIME) => Value::Int32(logical::time_to_millis(millis)?),
        Some(logical::TIMESTAMP) => Value::Int64(millis),
        _ => value,
    })
}

fn text_of(value: Value) -> Result<Value> {
    Ok(match value {
        Value::String(_) => value,
        Value::Bytes(bytes) => Value::from(STANDARD.encode(bytes)),
        Value::Date(_) => {
            values::convert_to_string(None, &value)?.map_or(Value::Null, Value::String)
        }
        other => Value::from(other.to_string()),
    })
}

fn unexpected(value: &Value) -> ConnectError {
    ConnectError::data(format!(
        "Unexpected type in Cast transformation: class {}",
        value.java_class()
    ))
}

fn out_of_range(text: &str) -> ConnectError {
    ConnectError::data(format!(
        "Value ({text}) was out of range for requested data type"
    ))
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T> {
    number::integer(text).ok_or_else(|| out_of_range(text))
}

/// `Number.intValue`: floating point numbers saturate, longs keep their low bits.
#[expect(clippy::cast_possible_truncation, reason = "as Java's narrowing does")]
fn to_i32(value: &Value) -> Result<i32> {
    Ok(match value {
        Value::Float32(value) => *value as i32,
        Value::Float64(value) => *value as i32,
        value => to_i64(value)? as i32,
    })
}

#[expect(clippy::cast_possible_truncation, reason = "as Java's narrowing does")]
fn to_i64(value: &Value) -> Result<i64> {
    match value {
        Value::Boolean(value) => Ok(i64::from(*value)),
        Value::Float32(value) => Ok(*value as i64),
        Value::Float64(value) => Ok(*value as i64),
        Value::Decimal(_) => Ok(values::convert_to_i64(None, value)?.unwrap_or_default()),
        value => value.as_i64().ok_or_else(|| unexpected(value)),
    }
}

fn to_f64(value: &Value) -> Result<f64> {
    match value {
        Value::Boolean(value) => Ok(f64::from(u8::from(*value))),
        Value::Decimal(value) => Ok(value.to_f64()),
        value => value.as_f64().ok_or_else(|| unexpected(value)),
    }
}
