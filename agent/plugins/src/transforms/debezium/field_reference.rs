//! References to fields of an envelope, as `add.fields` and `add.headers` have them: `op`, `source.ts_ms`,
//! `table:of`.

use std::sync::Arc;

use bytestring::ByteString;
use sluice_api::{ConnectError, Result, Schema, SchemaBuilder, SchemaType, Struct, Value};

/// A field of the envelope or of a struct in it, and the name under which it is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldReference {
    /// The struct inside the envelope; `None` for the envelope itself.
    pub(super) parent: Option<String>,
    pub(super) field: String,
    pub(super) new_name: ByteString,
}

/// Where a reference leads in the envelopes of one schema.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) name: ByteString,
    /// Optional, whatever the field's own is: `transaction` may be null.
    pub(super) schema: Arc<Schema>,
    parent: Option<usize>,
    index: usize,
}

impl FieldReference {
    /// Reads `[STRUCT.]FIELD[:NAME]`. Without a struct, `op` and times are the envelope's, the fields of a
    /// transaction those of `transaction`, and all others those of `source`.
    pub(super) fn parse(text: &str, prefix: &str) -> Result<Self> {
        let wrong = || ConnectError::config(format!("Unexpected field name: {text}"));
        let text = text.trim();
        let (path, name) = match text.split_once(':') {
            Some((_, name)) if name.is_empty() || name.contains(':') => return Err(wrong()),
            Some((path, name)) => (path.trim(), Some(name.trim())),
            None => (text, None),
        };
        let (parent, field) = match path.split_once('.') {
            Some((_, field)) if field.contains('.') => return Err(wrong()),
            Some((parent, field)) => (Some(parent.to_owned()), field),
            None => (parent_of(path), path),
        };
        let new_name = match name {
            Some(name) => format!("{prefix}{name}"),
            None => format!("{prefix}{}", path.replace('.', "_")),
        };
        Ok(Self {
            parent,
            field: field.to_owned(),
            new_name: new_name.into(),
        })
    }

    /// Where it leads in an envelope; `None` if there is no such field.
    pub(super) fn find(&self, envelope: &Schema) -> Result<Option<Found>> {
        let (parent, of) = match &self.parent {
            None => (None, envelope),
            Some(parent) => match envelope.field(parent) {
                Some(field) if field.schema().schema_type() == SchemaType::Struct => {
                    (Some(field.index()), &**field.schema())
                }
                _ => return Ok(None),
            },
        };
        let Some(field) = of.field(&self.field) else {
            return Ok(None);
        };
        Ok(Some(Found {
            name: self.new_name.clone(),
            schema: optional(field.schema())?,
            parent,
            index: field.index(),
        }))
    }
}

impl Found {
    /// Its value in an envelope; null where the struct is.
    pub(super) fn value(&self, envelope: &Struct) -> Result<Value> {
        let value = match self.parent {
            None => envelope.value_at(self.index),
            Some(parent) => match envelope.value_at(parent) {
                Value::Struct(parent) => parent.value_at(self.index),
                _ => &Value::Null,
            },
        };
        match value {
            // A struct is of the very schema of its field.
            Value::Struct(own) => {
                Ok(Struct::from_values(Arc::clone(&self.schema), own.values().to_vec())?.into())
            }
            value => Ok(value.clone()),
        }
    }
}

/// The struct that a field without one is looked for in.
fn parent_of(field: &str) -> Option<String> {
    match field {
        "op" | "ts_ms" | "ts_us" | "ts_ns" | "before" | "after" | "source" | "transaction" => None,
        "id" | "total_order" | "data_collection_order" => Some("transaction".to_owned()),
        _ => Some("source".to_owned()),
    }
}

/// The same schema, optional and without default.
fn optional(schema: &Arc<Schema>) -> Result<Arc<Schema>> {
    if schema.is_optional() && schema.default_value().is_none() {
        return Ok(Arc::clone(schema));
    }
    SchemaBuilder::shape_of(schema)
        .basics_of(schema)
        .optional()
        .build()
}
