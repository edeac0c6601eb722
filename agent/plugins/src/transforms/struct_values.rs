//! Moving the values of one struct into another.

use std::sync::Arc;

use sluice_api::schema::Field;
use sluice_api::{Result, Schema, Struct, Value};

/// Makes a struct of another schema from the values of this one; in place if nobody else holds it.
pub(crate) fn rebuild(
    mut value: Arc<Struct>,
    change: impl FnOnce(Vec<Value>) -> Result<(Arc<Schema>, Vec<Value>)>,
) -> Result<Value> {
    match Arc::get_mut(&mut value) {
        Some(unique) => {
            let (schema, values) = change(unique.take_values())?;
            *unique = Struct::from_values(schema, values)?;
            Ok(Value::Struct(value))
        }
        None => {
            let (schema, values) = change(value.values().to_vec())?;
            Ok(Struct::from_values(schema, values)?.into())
        }
    }
}

/// The values of a struct: its own if nobody else holds it.
pub(crate) fn into_values(mut value: Arc<Struct>) -> Vec<Value> {
    match Arc::get_mut(&mut value) {
        Some(unique) => unique.take_values(),
        None => value.values().to_vec(),
    }
}

/// A value on its way from a field into one of the same schema, as `Struct.put` takes what `Struct.get` gave.
///
/// Null becomes the field's default if `defaults` is set. Primitive values are not checked again: they fit
/// already.
pub(crate) fn copied(field: &Field, value: Value, defaults: bool) -> Result<Value> {
    match value {
        Value::Null => {
            if defaults && let Some(default) = field.schema().default_value() {
                return Ok(default.clone());
            }
            if !field.schema().is_optional() {
                field.schema().validate_field(field.name(), &Value::Null)?;
            }
            Ok(Value::Null)
        }
        Value::Struct(_) | Value::Array(_) | Value::Map(_) => {
            field.schema().validate_field(field.name(), &value)?;
            Ok(value)
        }
        primitive => Ok(primitive),
    }
}

/// [`copied`] for all fields of a schema, in place.
pub(crate) fn copy_all(schema: &Schema, values: &mut [Value], defaults: bool) -> Result<()> {
    for (field, slot) in schema.fields().iter().zip(values) {
        match slot {
            Value::Null | Value::Struct(_) | Value::Array(_) | Value::Map(_) => {
                *slot = copied(field, std::mem::take(slot), defaults)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The value of a field as `Struct.get` or `getWithoutDefault` give it.
pub(crate) fn read(value: &Struct, field: &Field, defaults: bool) -> Value {
    if defaults {
        value.get_field(field).clone()
    } else {
        value.value_at(field.index()).clone()
    }
}
