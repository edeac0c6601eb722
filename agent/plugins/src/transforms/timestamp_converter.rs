//! `TimestampConverter`: turns a timestamp into another representation: text, Unix time, Date, Time or
//! Timestamp.

use std::sync::Arc;

use sluice_api::config::{ConfigError, ConfigKey, ConfigType, Importance, validators};
use sluice_api::error::ErrorKind;
use sluice_api::logical::{
    self, DATE_SCHEMA, MILLIS_PER_DAY, OPTIONAL_DATE_SCHEMA, OPTIONAL_TIME_SCHEMA,
    OPTIONAL_TIMESTAMP_SCHEMA, TIME_SCHEMA, TIMESTAMP_SCHEMA,
};
use sluice_api::{
    ConfigDef, ConnectError, ConnectRecord, Props, RecordOrigin, Result, Schema, SchemaBuilder,
    SchemaType, Struct, Transformation, Value, schemas,
};

use super::keys::{REPLACE_NULL_WITH_DEFAULT, replace_null_with_default, required};
use super::requirements;
use super::schema_cache::SchemaCache;
use super::side::Side;
use super::struct_values::{copied, rebuild};
use sluice_jvm_text::simple_date_format::SimpleDateFormat;

super::key_and_value!(TimestampConverter);

const PURPOSE: &str = "converting timestamp formats";

fn config_def() -> ConfigDef {
    ConfigDef::new()
        .define(
            ConfigKey::new("field", ConfigType::String)
                .default("")
                .importance(Importance::High)
                .doc("The field containing the timestamp, or empty if the entire value is a timestamp"),
        )
        .define(
            required(
                "target.type",
                ConfigType::String,
                "The desired timestamp representation: string, unix, Date, Time, or Timestamp",
            )
            .validator(validators::one_of(&["string", "unix", "Date", "Time", "Timestamp"])),
        )
        .define(
            ConfigKey::new("format", ConfigType::String).default("").doc(
                "A SimpleDateFormat-compatible format for the timestamp. Used to generate the output when \
                 type=string or used to parse the input if the input is a string.",
            ),
        )
        .define(
            ConfigKey::new("unix.precision", ConfigType::String)
                .default("milliseconds")
                .validator(validators::one_of(&[
                    "nanoseconds",
                    "microseconds",
                    "milliseconds",
                    "seconds",
                ]))
                .importance(Importance::Low)
                .doc(
                    "The desired Unix precision for the timestamp: seconds, milliseconds, microseconds, or \
                     nanoseconds. Used to generate the output when type=unix or used to parse the input if \
                     the input is a Long.Note: This SMT will cause precision loss during conversions from, \
                     and to, values with sub-millisecond components.",
                ),
        )
        .define(replace_null_with_default())
}

/// A representation of timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Unix,
    Date,
    Time,
    Timestamp,
}

impl Kind {
    fn parse(name: &str) -> Self {
        match name {
            "string" => Self::Text,
            "unix" => Self::Unix,
            "Date" => Self::Date,
            "Time" => Self::Time,
            _ => Self::Timestamp,
        }
    }

    fn of_schema(schema: &Schema) -> Result<Self> {
        Ok(match (schema.name(), schema.schema_type()) {
            (Some(logical::TIMESTAMP), _) => Self::Timestamp,
            (Some(logical::DATE), _) => Self::Date,
            (Some(logical::TIME), _) => Self::Time,
            (_, SchemaType::String) => Self::Text,
            (_, SchemaType::Int64) => Self::Unix,
            _ => {
                return Err(ConnectError::connect(format!(
                    "Schema {schema} does not correspond to a known timestamp type format"
                )));
            }
        })
    }

    fn of_value(value: &Value) -> Result<Self> {
        Ok(match value {
            Value::Date(_) => Self::Timestamp,
            Value::Int64(_) => Self::Unix,
            Value::String(_) => Self::Text,
            other => {
                return Err(ConnectError::data(format!(
                    "TimestampConverter does not support class {} objects as timestamps",
                    other.java_class()
                )));
            }
        })
    }

    fn schema(self, optional: bool) -> Arc<Schema> {
        let (required, nullable): (&Arc<Schema>, &Arc<Schema>) = match self {
            Self::Text => (&schemas::STRING, &schemas::OPTIONAL_STRING),
            Self::Unix => (&schemas::INT64, &schemas::OPTIONAL_INT64),
            Self::Date => (&DATE_SCHEMA, &OPTIONAL_DATE_SCHEMA),
            Self::Time => (&TIME_SCHEMA, &OPTIONAL_TIME_SCHEMA),
            Self::Timestamp => (&TIMESTAMP_SCHEMA, &OPTIONAL_TIMESTAMP_SCHEMA),
        };
        Arc::clone(if optional { nullable } else { required })
    }

    fn expected(self, value: &Value) -> ConnectError {
        let (what, class) = match self {
            Self::Text => ("string timestamp", "String"),
            Self::Unix => ("Unix timestamp", "Long"),
            Self::Date => ("Date", "java.util.Date"),
            Self::Time => ("Time", "java.util.Date"),
            Self::Timestamp => ("Timestamp", "java.util.Date"),
        };
        ConnectError::data(format!(
            "Expected {what} to be a {class}, but found class {}",
            value.java_class()
        ))
    }
}

/// Unit of Unix times, by how it relates to milliseconds.
#[derive(Debug, Clone, Copy)]
enum Precision {
    Coarser(i64),
    Finer(i64),
}

impl Precision {
    fn parse(name: &str) -> Self {
        match name {
            "seconds" => Self::Coarser(1000),
            "microseconds" => Self::Finer(1000),
            "nanoseconds" => Self::Finer(1_000_000),
            _ => Self::Finer(1),
        }
    }

    /// Overflow saturates and fractions are cut, as in `TimeUnit`.
    fn to_millis(self, unix: i64) -> i64 {
        match self {
            Self::Coarser(factor) => unix.saturating_mul(factor),
            Self::Finer(factor) => unix / factor,
        }
    }

    fn of_millis(self, millis: i64) -> i64 {
        match self {
            Self::Coarser(factor) => millis / factor,
            Self::Finer(factor) => millis.saturating_mul(factor),
        }
    }
}

/// How one timestamp is converted.
#[derive(Debug)]
struct Conversion {
    target: Kind,
    format: Option<SimpleDateFormat>,
    precision: Precision,
}

impl Conversion {
    fn convert(&self, value: Value, source: Kind) -> Result<Value> {
        if value.is_null() {
            return Ok(value);
        }
        let millis = match (source, &value) {
            (Kind::Text, Value::String(text)) => self.parse(text)?,
            (Kind::Unix, Value::Int64(unix)) => self.precision.to_millis(*unix),
            (Kind::Date | Kind::Time | Kind::Timestamp, Value::Date(millis)) => *millis,
            (kind, other) => return Err(kind.expected(other)),
        };
        Ok(match self.target {
            Kind::Text => match &self.format {
                Some(format) => Value::from(format.format(millis)),
                None => return Err(no_format()),
            },
            Kind::Unix => Value::Int64(self.precision.of_millis(millis)),
            Kind::Date => Value::Date(millis - millis.rem_euclid(MILLIS_PER_DAY)),
            Kind::Time => Value::Date(millis.rem_euclid(MILLIS_PER_DAY)),
            Kind::Timestamp => Value::Date(millis),
        })
    }

    fn parse(&self, text: &str) -> Result<i64> {
        let format = self.format.as_ref().ok_or_else(no_format)?;
        format.parse(text).ok_or_else(|| {
            ConnectError::data(format!(
                "Could not parse timestamp: value ({text}) does not match pattern ({})",
                format.pattern()
            ))
        })
    }
}

/// The JVM dereferences null when a text comes and no `format` is configured.
fn no_format() -> ConnectError {
    ConnectError::new(
        ErrorKind::NullPointer,
        "Cannot invoke \"java.text.SimpleDateFormat.parse(String)\" because \"config.format\" is null",
    )
}

#[derive(Debug)]
struct TimestampConverter {
    side: Side,
    field: String,
    conversion: Conversion,
    defaults: bool,
    schemas: SchemaCache<Arc<Schema>>,
}

impl TimestampConverter {
    fn of(side: Side) -> Self {
        Self {
            side,
            field: String::new(),
            conversion: Conversion {
                target: Kind::Timestamp,
                format: None,
                precision: Precision::Finer(1),
            },
            defaults: true,
            schemas: SchemaCache::default(),
        }
    }

    fn updated(&self, schema: &Schema) -> Result<Arc<Schema>> {
        let mut builder = SchemaBuilder::structure().basics_of(schema);
        for field in schema.try_fields()? {
            let field_schema = if *field.name() == self.field {
                self.conversion.target.schema(field.schema().is_optional())
            } else {
                Arc::clone(field.schema())
            };
            builder = builder.field(field.name().clone(), field_schema);
        }
        if schema.is_optional() {
            builder = builder.optional();
        }
        if let Some(Value::Struct(default)) = schema.default_value() {
            // The default's schema is the new one without a default.
            let plain = builder.clone().build()?;
            let default = self.convert_struct(Arc::clone(default), &plain)?;
            builder = builder.default_value(default);
        }
        builder.build()
    }

    fn convert_struct(&self, value: Arc<Struct>, updated: &Arc<Schema>) -> Result<Value> {
        let schema = Arc::clone(value.schema());
        rebuild(value, |mut values| {
            for ((field, new), slot) in schema
                .fields()
                .iter()
                .zip(updated.fields())
                .zip(&mut values)
            {
                let mut value = std::mem::take(slot);
                if value.is_null() && self.defaults {
                    value = field.schema().default_value().cloned().unwrap_or_default();
                }
                if *field.name() == self.field {
                    let source = Kind::of_schema(field.schema())?;
                    value = self.conversion.convert(value, source)?;
                }
                *slot = copied(new, value, false)?;
            }
            Ok((Arc::clone(updated), values))
        })
    }

    fn with_schema(&self, schema: &Arc<Schema>, value: Value) -> Result<(Arc<Schema>, Value)> {
        if self.field.is_empty() {
            let source = Kind::of_schema(schema)?;
            let updated = self.conversion.target.schema(schema.is_optional());
            return Ok((updated, self.conversion.convert(value, source)?));
        }
        let value = requirements::structure_or_null(value, PURPOSE)?;
        let updated = self.schemas.get(schema, |schema| self.updated(schema))?;
        let value = match value {
            Some(value) => self.convert_struct(value, &updated)?,
            None => Value::Null,
        };
        Ok((Arc::clone(&updated), value))
    }

    fn without_schema(&self, value: Value) -> Result<Value> {
        let convert = |value: Value| match value {
            Value::Null => Ok(Value::Null),
            value => {
                let source = Kind::of_value(&value)?;
                self.conversion.convert(value, source)
            }
        };
        if value.is_null() || self.field.is_empty() {
            return convert(value);
        }
        let mut map = requirements::map(value, PURPOSE)?;
        let old = map.get_str(&self.field).cloned().unwrap_or_default();
        map.insert(Value::from(self.field.as_str()), convert(old)?);
        Ok(Value::Map(map))
    }
}

impl Transformation for TimestampConverter {
    fn configure(&mut self, props: &Props) -> Result<()> {
        let config = config_def().parse(props)?;
        config.string("field").clone_into(&mut self.field);
        self.defaults = config.boolean(REPLACE_NULL_WITH_DEFAULT);
        let target = Kind::parse(config.string("target.type"));
        let pattern = config.string("format");
        if target == Kind::Text && pattern.trim().is_empty() {
            return Err(ConnectError::config(
                "TimestampConverter requires format option to be specified when using string timestamps",
            ));
        }
        let format = if pattern.trim().is_empty() {
            None
        } else {
            let format = SimpleDateFormat::new(pattern).map_err(|error| {
                // The JVM passes the cause where the value belongs.
                let name = format!(
                    "TimestampConverter requires a SimpleDateFormat-compatible pattern for string \
                     timestamps: {pattern}"
                );
                ConfigError(format!(
                    "Invalid value java.lang.IllegalArgumentException: {error} for configuration {name}"
                ))
            })?;
            Some(format)
        };
        self.conversion = Conversion {
            target,
            format,
            precision: Precision::parse(config.string("unix.precision")),
        };
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        let value = self.side.take(&mut record);
        match self.side.schema(&record) {
            Some(schema) => {
                let (schema, value) = self.with_schema(schema, value)?;
                self.side.set(&mut record, Some(schema), value);
            }
            None => {
                let value = self.without_schema(value)?;
                self.side.set_value(&mut record, value);
            }
        }
        Ok(Some(record))
    }
}
