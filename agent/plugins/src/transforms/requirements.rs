//! What transformations demand of values, with Kafka's messages (`transforms.util.Requirements`).

use std::sync::Arc;

use sluice_api::{ConnectError, MapValue, Result, Struct, Value};

/// The map of data without schema.
pub(crate) fn map(value: Value, purpose: &str) -> Result<MapValue> {
    match value {
        Value::Map(map) => Ok(map),
        other => Err(ConnectError::data(format!(
            "Only Map objects supported in absence of schema for [{purpose}], found: {}",
            other.java_class()
        ))),
    }
}

/// The struct of data with schema.
pub(crate) fn structure(value: Value, purpose: &str) -> Result<Arc<Struct>> {
    match value {
        Value::Struct(value) => Ok(value),
        other => Err(ConnectError::data(format!(
            "Only Struct objects supported for [{purpose}], found: {}",
            other.java_class()
        ))),
    }
}

/// The struct of data with schema, or nothing for null.
pub(crate) fn structure_or_null(value: Value, purpose: &str) -> Result<Option<Arc<Struct>>> {
    match value {
        Value::Null => Ok(None),
        other => structure(other, purpose).map(Some),
    }
}
