//! Projects a value from the schema it was written with to the schema it is read with (`SchemaProjector`).

use std::sync::Arc;

use sluice_api::error::{ConnectError, Result};
use sluice_api::schema::{Schema, SchemaType, same_schema};
use sluice_api::struct_::Struct;
use sluice_api::value::{MapValue, Value};

/// Numbers may be widened forward along this list.
const PROMOTION: [SchemaType; 6] = [
    SchemaType::Int8,
    SchemaType::Int16,
    SchemaType::Int32,
    SchemaType::Int64,
    SchemaType::Float32,
    SchemaType::Float64,
];

/// The value as `target` describes it.
///
/// # Errors
/// Types are neither equal nor promotable, names or parameters differ, a required value has no default.
pub fn project(source: &Arc<Schema>, value: &Value, target: &Arc<Schema>) -> Result<Value> {
    check_maybe_compatible(source, target)?;
    if source.is_optional() && !target.is_optional() {
        if let Some(default) = target.default_value() {
            if value.is_null() {
                return Ok(default.clone());
            }
            return project_required(source, value, target);
        }
        return Err(ConnectError::schema_projector(
            "Writer schema is optional, however, target schema does not provide a default value.",
        ));
    }
    if value.is_null() {
        return Ok(Value::Null);
    }
    project_required(source, value, target)
}

fn project_required(source: &Arc<Schema>, value: &Value, target: &Arc<Schema>) -> Result<Value> {
    match (target.schema_type(), value) {
        (SchemaType::Struct, Value::Struct(value)) => project_struct(source, value, target),
        (SchemaType::Array, Value::Array(items)) => {
            let (source, target) = (
                inner(source.value_schema()?)?,
                inner(target.value_schema()?)?,
            );
            items
                .iter()
                .map(|item| project(source, item, target))
                .collect::<Result<Vec<_>>>()
                .map(Value::Array)
        }
        (SchemaType::Map, Value::Map(map)) => {
            let (source_key, target_key) =
                (inner(source.key_schema()?)?, inner(target.key_schema()?)?);
            let (source_value, target_value) = (
                inner(source.value_schema()?)?,
                inner(target.value_schema()?)?,
            );
            map.iter()
                .map(|(key, value)| {
                    Ok((
                        project(source_key, key, target_key)?,
                        project(source_value, value, target_value)?,
                    ))
                })
                .collect::<Result<MapValue>>()
                .map(Value::Map)
        }
        _ => promote(value, target),
    }
}

fn inner(schema: Option<&Arc<Schema>>) -> Result<&Arc<Schema>> {
    schema.ok_or_else(|| ConnectError::schema_projector("schema of elements is not known"))
}

fn project_struct(source: &Arc<Schema>, value: &Struct, target: &Arc<Schema>) -> Result<Value> {
    let mut projected = Struct::new(Arc::clone(target))?;
    for field in target.fields() {
        let name = field.name();
        if let Some(source_field) = source.field(name) {
            let projected_value = project(source_field.schema(), value.get(name)?, field.schema())
                .map_err(|e| {
                    ConnectError::schema_projector(format!("Error projecting {name}")).caused_by(e)
                })?;
            projected.put(name, projected_value)?;
        } else if field.schema().is_optional() {
            // Left unset.
        } else if let Some(default) = field.schema().default_value() {
            projected.put(name, default.clone())?;
        } else {
            return Err(ConnectError::schema_projector(format!(
                "Required field `{name}` is missing from source schema: {source}"
            )));
        }
    }
    Ok(Value::from(projected))
}

fn check_maybe_compatible(source: &Arc<Schema>, target: &Arc<Schema>) -> Result<()> {
    if same_schema(source, target) {
        return Ok(());
    }
    let (from, to) = (source.schema_type(), target.schema_type());
    if from != to && !is_promotable(from, to) {
        return Err(ConnectError::schema_projector(format!(
            "Schema type mismatch. source type: {from} and target type: {to}"
        )));
    }
    if source.name() != target.name() {
        return Err(ConnectError::schema_projector(format!(
            "Schema name mismatch. source name: {} and target name: {}",
            source.name().unwrap_or("null"),
            target.name().unwrap_or("null")
        )));
    }
    if source.parameters() != target.parameters() {
        let shown = |schema: &Schema| {
            let Some(parameters) = schema.parameters() else {
                return "null".to_owned();
            };
            let entries: Vec<String> = parameters
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            format!("{{{}}}", entries.join(", "))
        };
        return Err(ConnectError::schema_projector(format!(
            "Schema parameters not equal. source parameters: {} and target parameters: {}",
            shown(source),
            shown(target)
        )));
    }
    Ok(())
}

fn is_promotable(from: SchemaType, to: SchemaType) -> bool {
    let rank = |kind| PROMOTION.iter().position(|one| *one == kind);
    matches!((rank(from), rank(to)), (Some(from), Some(to)) if from <= to)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "promotion goes to the wider type only"
)]
fn promote(value: &Value, target: &Schema) -> Result<Value> {
    if matches!(value, Value::Date(_) | Value::Decimal(_)) {
        return Ok(value.clone());
    }
    let integer = || {
        value.as_i64().ok_or_else(|| {
            ConnectError::schema_projector(format!(
                "a value of class {} does not fit {target}",
                value.java_class()
            ))
        })
    };
    let float = || {
        value.as_f64().ok_or_else(|| {
            ConnectError::schema_projector(format!(
                "a value of class {} does not fit {target}",
                value.java_class()
            ))
        })
    };
    Ok(match target.schema_type() {
        SchemaType::Int8 => Value::Int8(integer()? as i8),
        SchemaType::Int16 => Value::Int16(integer()? as i16),
        SchemaType::Int32 => Value::Int32(integer()? as i32),
        SchemaType::Int64 => Value::Int64(integer()?),
        SchemaType::Float32 => Value::Float32(float()? as f32),
        SchemaType::Float64 => Value::Float64(float()?),
        _ => value.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_api::schema::{SchemaBuilder, schemas};

    #[test]
    fn numbers_are_widened_forward_only() {
        let wide = project(&schemas::INT8, &Value::Int8(3), &schemas::FLOAT64).unwrap();
        assert_eq!(wide, Value::Float64(3.0));
        assert!(project(&schemas::INT64, &Value::Int64(3), &schemas::INT8).is_err());
        assert!(project(&schemas::INT32, &Value::Int32(3), &schemas::STRING).is_err());
    }

    #[test]
    fn a_required_target_needs_a_default_even_for_a_value() {
        let error =
            project(&schemas::OPTIONAL_INT32, &Value::Int32(1), &schemas::INT32).unwrap_err();
        assert_eq!(error.kind(), sluice_api::ErrorKind::SchemaProjector);
        let target = SchemaBuilder::int32()
            .default_value(Value::Int32(9))
            .build()
            .unwrap();
        assert_eq!(
            project(&schemas::OPTIONAL_INT32, &Value::Null, &target).unwrap(),
            Value::Int32(9)
        );
    }

    #[test]
    fn structs_are_projected_field_by_field() {
        let source = SchemaBuilder::structure()
            .field("a", schemas::INT8.clone())
            .field("gone", schemas::INT8.clone())
            .build()
            .unwrap();
        let target = SchemaBuilder::structure()
            .field("a", schemas::INT32.clone())
            .field("new", schemas::OPTIONAL_STRING.clone())
            .field(
                "d",
                SchemaBuilder::int8()
                    .default_value(Value::Int8(4))
                    .build()
                    .unwrap(),
            )
            .build()
            .unwrap();
        let value = Struct::new(source.clone())
            .unwrap()
            .with("a", 1_i8)
            .unwrap()
            .with("gone", 2_i8)
            .unwrap();
        let projected = project(&source, &Value::from(value.clone()), &target).unwrap();
        assert_eq!(projected.to_string(), "Struct{a=1,d=4}");
        let strict = SchemaBuilder::structure()
            .field("x", schemas::INT8.clone())
            .build()
            .unwrap();
        assert!(
            project(&source, &Value::from(value), &strict)
                .unwrap_err()
                .message()
                .contains("Required field `x` is missing from source schema")
        );
    }
}
