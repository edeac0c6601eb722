//! Which part of a record a transformation works on.

use std::sync::Arc;

use sluice_api::{ConnectRecord, Schema, Value};

/// Key or value of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Key,
    Value,
}

impl Side {
    pub(crate) fn schema(self, record: &ConnectRecord) -> Option<&Arc<Schema>> {
        match self {
            Self::Key => record.key_schema.as_ref(),
            Self::Value => record.value_schema.as_ref(),
        }
    }

    /// Takes the value out; null stays behind.
    pub(crate) fn take(self, record: &mut ConnectRecord) -> Value {
        match self {
            Self::Key => std::mem::take(&mut record.key),
            Self::Value => std::mem::take(&mut record.value),
        }
    }

    pub(crate) fn set_value(self, record: &mut ConnectRecord, value: Value) {
        match self {
            Self::Key => record.key = value,
            Self::Value => record.value = value,
        }
    }

    pub(crate) fn set(self, record: &mut ConnectRecord, schema: Option<Arc<Schema>>, value: Value) {
        match self {
            Self::Key => record.key_schema = schema,
            Self::Value => record.value_schema = schema,
        }
        self.set_value(record, value);
    }
}
