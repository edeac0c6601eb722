//! `MaskField`: replaces fields by the empty value of their type, or by a given text or number.

use std::sync::Arc;

use sluice_api::config::{ConfigKey, ConfigType, Importance, validators};
use sluice_api::{
    ConfigDef, ConnectError, ConnectRecord, Decimal, MapValue, Props, RecordOrigin, Result,
    Transformation, Value,
};

use super::keys::{REPLACE_NULL_WITH_DEFAULT, replace_null_with_default, required};
use super::requirements;
use super::side::Side;
use super::struct_values::{copied, rebuild};

super::key_and_value!(MaskField);

const PURPOSE: &str = "mask fields";

fn config_def() -> ConfigDef {
    ConfigDef::new()
        .define(
            required("fields", ConfigType::List, "Names of fields to mask.")
                .distinct(false),
        )
        .define(
            ConfigKey::new("replacement", ConfigType::String)
                .optional()
                .validator(validators::non_empty())
                .importance(Importance::Low)
                .doc("Custom value replacement, that will be applied to all 'fields' values (numeric or \
                      non-empty string values only)."),
        )
        .define(replace_null_with_default())
}

#[derive(Debug)]
struct MaskField {
    side: Side,
    fields: Vec<String>,
    replacement: Option<Replacement>,
    defaults: bool,
}

/// The given text, and the number it is, if it is one.
#[derive(Debug)]
struct Replacement {
    text: Value,
    number: Option<Decimal>,
}

impl MaskField {
    fn of(side: Side) -> Self {
        Self {
            side,
            fields: Vec::new(),
            replacement: None,
            defaults: true,
        }
    }

    fn masked(&self, value: &Value) -> Result<Value> {
        match (&self.replacement, value) {
            (_, Value::Null) => Ok(Value::Null),
            (None, value) => empty(value),
            (Some(replacement), value) => replacement.like(value),
        }
    }
}

fn empty(value: &Value) -> Result<Value> {
    Ok(match value {
        Value::Boolean(_) => Value::Boolean(false),
        Value::Int8(_) => Value::Int8(0),
        Value::Int16(_) => Value::Int16(0),
        Value::Int32(_) => Value::Int32(0),
        Value::Int64(_) => Value::Int64(0),
        Value::Float32(_) => Value::Float32(0.0),
        Value::Float64(_) => Value::Float64(0.0),
        Value::Decimal(_) => Decimal::new(0, 0).into(),
        Value::Date(_) => Value::Date(0),
        Value::String(_) => Value::from_static(""),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Map(_) => Value::Map(MapValue::new()),
        Value::Null | Value::Bytes(_) | Value::Struct(_) => {
            return Err(ConnectError::data(format!(
                "Cannot mask value of type: class {}",
                value.java_class()
            )));
        }
    })
}

impl Replacement {
    /// The replacement as the type of a value. Numbers are cut as Java's narrowing does.
    #[expect(clippy::cast_possible_truncation, reason = "as Java's Number methods")]
    fn like(&self, value: &Value) -> Result<Value> {
        let integer = || {
            self.number("a number").map(|number| {
                sluice_api::values::convert_to_i64(None, &Value::from(number.clone()))
                    .ok()
                    .flatten()
                    .unwrap_or_default()
            })
        };
        Ok(match value {
            Value::String(_) => self.text.clone(),
            Value::Int8(_) => Value::Int8(integer()? as i8),
            Value::Int16(_) => Value::Int16(integer()? as i16),
            Value::Int32(_) => Value::Int32(integer()? as i32),
            Value::Int64(_) => Value::Int64(integer()?),
            Value::Float32(_) => Value::Float32(self.number("a number")?.to_f32()),
            Value::Float64(_) => Value::Float64(self.number("a number")?.to_f64()),
            Value::Decimal(_) => self.number("number")?.clone().into(),
            other => {
                return Err(ConnectError::data(format!(
                    "Cannot mask value of type class {} with custom replacement.",
                    other.java_class()
                )));
            }
        })
    }

    /// The number, or a fault in the words of the conversion that the JVM uses.
    fn number(&self, what: &str) -> Result<&Decimal> {
        self.number.as_ref().ok_or_else(|| {
            ConnectError::data(format!(
                "Unable to convert {} (class java.lang.String) to {what}",
                self.text
            ))
        })
    }
}

impl Transformation for MaskField {
    fn configure(&mut self, props: &Props) -> Result<()> {
        let config = config_def().parse(props)?;
        self.fields = config.list("fields").to_vec();
        self.replacement = config
            .optional_string("replacement")
            .map(|text| Replacement {
                text: Value::from(text),
                number: text.parse().ok(),
            });
        self.defaults = config.boolean(REPLACE_NULL_WITH_DEFAULT);
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        let value = self.side.take(&mut record);
        if self.side.schema(&record).is_none() {
            let mut map = requirements::map(value, PURPOSE)?;
            for field in &self.fields {
                let masked = match map.get_str(field) {
                    Some(value) => self.masked(value)?,
                    None => Value::Null,
                };
                map.insert(Value::from(field.as_str()), masked);
            }
            self.side.set_value(&mut record, Value::Map(map));
            return Ok(Some(record));
        }
        let value = requirements::structure(value, PURPOSE)?;
        let schema = Arc::clone(value.schema());
        let value = rebuild(value, |mut values| {
            for (field, slot) in schema.fields().iter().zip(&mut values) {
                let value = std::mem::take(slot);
                let value = match value {
                    Value::Null if self.defaults => {
                        field.schema().default_value().cloned().unwrap_or_default()
                    }
                    value => value,
                };
                *slot = if self.fields.iter().any(|name| *name == **field.name()) {
                    copied(field, self.masked(&value)?, false)?
                } else {
                    copied(field, value, false)?
                };
            }
            Ok((schema, values))
        })?;
        self.side.set_value(&mut record, value);
        Ok(Some(record))
    }
}
