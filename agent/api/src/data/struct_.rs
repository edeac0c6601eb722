//! Structs: values of the fields of a struct schema.

use std::fmt;
use std::sync::Arc;

use crate::data::schema::{Field, Schema, SchemaType};
use crate::data::value::Value;
use crate::error::{ConnectError, Result};

/// Values for the fields of one schema. A field that was never put is null.
#[derive(Debug, Clone)]
pub struct Struct {
    schema: Arc<Schema>,
    values: Vec<Value>,
}

impl Struct {
    /// A struct with no field set.
    ///
    /// # Errors
    /// The schema is not that of a struct.
    pub fn new(schema: Arc<Schema>) -> Result<Self> {
        if schema.schema_type() != SchemaType::Struct {
            return Err(ConnectError::data(format!("Not a struct schema: {schema}")));
        }
        let values = vec![Value::Null; schema.fields().len()];
        Ok(Self { schema, values })
    }

    /// A struct from the values of all fields in order, unchecked except for their number; for decoders,
    /// which have made each value by its schema.
    pub fn from_values(schema: Arc<Schema>, values: Vec<Value>) -> Result<Self> {
        if schema.schema_type() != SchemaType::Struct || schema.fields().len() != values.len() {
            return Err(ConnectError::data(format!(
                "{} values do not fit {schema} with {} fields",
                values.len(),
                schema.fields().len()
            )));
        }
        Ok(Self { schema, values })
    }

    /// Schema.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Values of all fields in order, as they were put.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Takes the values of all fields in order and leaves the struct without any; for changes in place that
    /// put new values, or another struct, in their stead.
    #[must_use]
    pub fn take_values(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.values)
    }

    fn lookup(&self, name: &str) -> Result<&Field> {
        self.schema
            .field(name)
            .ok_or_else(|| ConnectError::data(format!("{name} is not a valid field name")))
    }

    /// Value of a field; the default if it is null and the schema has one.
    pub fn get(&self, name: &str) -> Result<&Value> {
        Ok(self.get_field(self.lookup(name)?))
    }

    /// Value of a field of this struct's schema, or its default.
    #[must_use]
    pub fn get_field<'a>(&'a self, field: &'a Field) -> &'a Value {
        match self.value_at(field.index()) {
            Value::Null => field.schema().default_value().unwrap_or(&Value::Null),
            value => value,
        }
    }

    /// Value of a field as it was put.
    pub fn get_without_default(&self, name: &str) -> Result<&Value> {
        Ok(self.value_at(self.lookup(name)?.index()))
    }

    /// Value of the field at a position as it was put; null beyond the last.
    #[must_use]
    pub fn value_at(&self, index: usize) -> &Value {
        self.values.get(index).unwrap_or(&Value::Null)
    }

    /// Value of a field whose schema has the given type, as it was put.
    pub fn get_checked(&self, name: &str, schema_type: SchemaType) -> Result<&Value> {
        let field = self.lookup(name)?;
        if field.schema().schema_type() != schema_type {
            return Err(ConnectError::data(format!(
                "Field '{name}' is not of type {schema_type}"
            )));
        }
        Ok(self.value_at(field.index()))
    }

    /// Sets a field after checking the value; null needs an optional field, a default does not help.
    pub fn put(&mut self, name: &str, value: impl Into<Value>) -> Result<()> {
        let value = value.into();
        let index = {
            let field = self.lookup(name)?;
            field.schema().validate_field(name, &value)?;
            field.index()
        };
        if let Some(slot) = self.values.get_mut(index) {
            *slot = value;
        }
        Ok(())
    }

    /// As [`Struct::put`], for building in one expression.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Result<Self> {
        self.put(name, value)?;
        Ok(self)
    }

    /// Checks all fields. A field that is null passes if it has a default or is optional.
    pub fn validate(&self) -> Result<()> {
        for field in self.schema.fields() {
            let value = self.value_at(field.index());
            if value.is_null()
                && (field.schema().is_optional() || field.schema().default_value().is_some())
            {
                continue;
            }
            field.schema().validate_field(field.name(), value)?;
        }
        Ok(())
    }
}

impl PartialEq for Struct {
    fn eq(&self, other: &Self) -> bool {
        crate::data::schema::same_schema(&self.schema, &other.schema) && self.values == other.values
    }
}

impl Eq for Struct {}

/// `Struct{a=1,b=x}`; null fields are left out.
impl fmt::Display for Struct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Struct{")?;
        let mut first = true;
        for (field, value) in self.schema.fields().iter().zip(&self.values) {
            if value.is_null() {
                continue;
            }
            if !first {
                f.write_str(",")?;
            }
            first = false;
            write!(f, "{}={value}", field.name())?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::schema::{SchemaBuilder, schemas};

    fn schema() -> Arc<Schema> {
        SchemaBuilder::structure()
            .name("com.S")
            .field("a", schemas::INT32.clone())
            .field("b", schemas::OPTIONAL_STRING.clone())
            .field(
                "d",
                SchemaBuilder::int8()
                    .default_value(Value::Int8(7))
                    .build()
                    .unwrap(),
            )
            .build()
            .unwrap()
    }

    #[test]
    fn text_leaves_out_null_fields() {
        let value = Struct::new(schema()).unwrap().with("a", 1).unwrap();
        assert_eq!(value.to_string(), "Struct{a=1}");
        assert_eq!(value.with("b", "x").unwrap().to_string(), "Struct{a=1,b=x}");
    }

    #[test]
    fn an_unset_field_with_default_passes_but_cannot_be_put_as_null() {
        let mut value = Struct::new(schema()).unwrap().with("a", 1).unwrap();
        value.validate().unwrap();
        assert_eq!(value.get("d").unwrap(), &Value::Int8(7));
        assert_eq!(value.get_without_default("d").unwrap(), &Value::Null);
        let error = value.put("d", Value::Null).unwrap_err();
        assert_eq!(
            error.message(),
            "Invalid value: null used for required field: \"d\", schema type: INT8"
        );
    }

    #[test]
    fn wrong_names_and_types_are_told() {
        let mut value = Struct::new(schema()).unwrap();
        assert_eq!(
            value.get("x").unwrap_err().message(),
            "x is not a valid field name"
        );
        assert_eq!(
            value
                .get_checked("b", SchemaType::Int32)
                .unwrap_err()
                .message(),
            "Field 'b' is not of type INT32"
        );
        assert_eq!(
            value.put("a", "x").unwrap_err().message(),
            "Invalid Java object for schema with type INT32: class java.lang.String for field: \"a\""
        );
        assert_eq!(
            value.validate().unwrap_err().message(),
            "Invalid value: null used for required field: \"a\", schema type: INT32"
        );
    }
}
