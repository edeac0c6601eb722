//! Schemas that change while files are open, as `StorageSchemaCompatibility` of the Confluent connector has
//! it.

use std::borrow::Cow;
use std::sync::Arc;

use sluice_api::schema::same_schemas;
use sluice_api::{ConnectError, Result, Schema, SinkRecord, Value};
use sluice_toolkit::projection::project;

use crate::config::SchemaCompatibility;

/// The schema of open files; `None` inside is that of data without one.
pub(crate) type FileSchema = Option<Arc<Schema>>;

impl SchemaCompatibility {
    /// Whether a record needs new files, given the schema of those that are open.
    ///
    /// # Errors
    /// The record can go to no files beside these: it has no version, or has a schema where the others have
    /// none.
    pub(crate) fn needs_new_files(self, record: &SinkRecord, current: &FileSchema) -> Result<bool> {
        let schema = &record.record.value_schema;
        if same_schemas(schema.as_ref(), current.as_ref()) {
            return Ok(false);
        }
        if self == Self::None {
            return Ok(true);
        }
        let (Some(schema), Some(current)) = (schema, current) else {
            return Err(ConnectError::schema_projector(
                "Switch between schema-based and schema-less data is not supported",
            ));
        };
        let (Some(version), Some(current)) = (schema.version(), current.version()) else {
            let name = match self {
                Self::Backward => "BACKWARD",
                Self::Forward => "FORWARD",
                _ => "FULL",
            };
            return Err(ConnectError::schema_projector(format!(
                "Schema version required for {name} compatibility"
            )));
        };
        Ok(match self {
            Self::Forward => version < current,
            _ => version > current,
        })
    }

    /// The value of a record as the schema of the open files describes it.
    ///
    /// # Errors
    /// It does not fit.
    pub(crate) fn value<'a>(
        self,
        record: &'a SinkRecord,
        current: &FileSchema,
    ) -> Result<Cow<'a, Value>> {
        let value = &record.record.value;
        match (&record.record.value_schema, current) {
            (Some(schema), Some(current))
                if self != Self::None && !Arc::ptr_eq(schema, current) && schema != current =>
            {
                Ok(Cow::Owned(project(schema, value, current)?))
            }
            _ => Ok(Cow::Borrowed(value)),
        }
    }
}
