//! `Flatten`: makes one level of fields of nested structs or maps, with joined names.

use std::sync::Arc;

use bytestring::ByteString;
use sluice_api::config::{ConfigKey, ConfigType};
use sluice_api::error::ErrorKind;
use sluice_api::{
    ConfigDef, ConnectError, ConnectRecord, MapValue, Props, RecordOrigin, Result, Schema,
    SchemaBuilder, SchemaType, Struct, Transformation, Value,
};

use super::requirements;
use super::schema_cache::SchemaCache;
use super::side::Side;
use super::struct_values::{copied, into_values};

super::key_and_value!(Flatten);

const PURPOSE: &str = "flattening";

fn config_def() -> ConfigDef {
    ConfigDef::new().define(
        ConfigKey::new("delimiter", ConfigType::String)
            .default(".")
            .doc("Delimiter to insert between field names from the input record when generating field names \
                  for the output record"),
    )
}

/// The flat schema, and the shape of the nested one.
#[derive(Debug)]
struct Plan {
    schema: Arc<Schema>,
    shape: Vec<Node>,
}

/// A field of the nested schema.
#[derive(Debug)]
enum Node {
    /// One field of the flat struct.
    Leaf,
    /// A struct that becomes `leaves` fields.
    Nested { leaves: usize, shape: Vec<Node> },
}

impl Node {
    fn leaves(&self) -> usize {
        match self {
            Self::Leaf => 1,
            Self::Nested { leaves, .. } => *leaves,
        }
    }
}

#[derive(Debug)]
struct Flatten {
    side: Side,
    delimiter: String,
    plans: SchemaCache<Plan>,
}

impl Flatten {
    fn of(side: Side) -> Self {
        Self {
            side,
            delimiter: String::new(),
            plans: SchemaCache::default(),
        }
    }

    fn joined(&self, prefix: &str, name: &ByteString) -> ByteString {
        if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}{}{name}", self.delimiter).into()
        }
    }

    fn plan(&self, schema: &Schema) -> Result<Plan> {
        let default = schema.default_value().and_then(Value::as_struct);
        let builder = SchemaBuilder::structure().basics_of(schema);
        let (builder, shape) = self.flat(builder, schema, "", schema.is_optional(), default)?;
        Ok(Plan {
            schema: builder.build()?,
            shape,
        })
    }

    /// Adds the fields below a prefix. They are optional if a parent is, and take defaults from a parent's
    /// default.
    fn flat(
        &self,
        mut builder: SchemaBuilder,
        schema: &Schema,
        prefix: &str,
        optional: bool,
        parent_default: Option<&Struct>,
    ) -> Result<(SchemaBuilder, Vec<Node>)> {
        let mut shape = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let name = self.joined(prefix, field.name());
            let optional = optional || field.schema().is_optional();
            let default = field.schema().default_value().or_else(|| {
                parent_default
                    .map(|parent| parent.get_field(field))
                    .filter(|default| !default.is_null())
            });
            match field.schema().schema_type() {
                SchemaType::Map => {
                    return Err(ConnectError::data(format!(
                        "Flatten transformation does not support MAP for record with schemas (for field \
                         {name})."
                    )));
                }
                SchemaType::Struct => {
                    let default = default.and_then(Value::as_struct);
                    let (more, inner) =
                        self.flat(builder, field.schema(), &name, optional, default)?;
                    builder = more;
                    shape.push(Node::Nested {
                        leaves: inner.iter().map(Node::leaves).sum(),
                        shape: inner,
                    });
                }
                _ => {
                    let leaf = flat_leaf(field.schema(), optional, default)?;
                    builder = builder.field(name, leaf);
                    shape.push(Node::Leaf);
                }
            }
        }
        Ok((builder, shape))
    }

    fn flatten_map(&self, map: MapValue, prefix: &str, flat: &mut MapValue) -> Result<()> {
        for (key, value) in map {
            let Value::String(key) = key else {
                return Err(ConnectError::new(
                    ErrorKind::ClassCast,
                    format!(
                        "class {} cannot be cast to class java.lang.String",
                        key.java_class()
                    ),
                ));
            };
            let name = self.joined(prefix, &key);
            match value {
                Value::Map(inner) => self.flatten_map(inner, &name, flat)?,
                Value::Struct(_) => {
                    return Err(ConnectError::data(format!(
                        "Flatten transformation does not support class {} for record without schemas (for \
                         field {name}).",
                        value.java_class()
                    )));
                }
                Value::Date(_) | Value::Decimal(_) => {
                    return Err(ConnectError::data(format!(
                        "Flatten transformation was passed a value of type class {} which is not supported \
                         by Connect's data API",
                        value.java_class()
                    )));
                }
                value => {
                    flat.insert(Value::String(name), value);
                }
            }
        }
        Ok(())
    }
}

fn flat_leaf(source: &Schema, optional: bool, default: Option<&Value>) -> Result<Arc<Schema>> {
    let mut builder = match (source.schema_type(), source.value_schema().ok().flatten()) {
        (SchemaType::Array, Some(element)) => SchemaBuilder::array(Arc::clone(element)),
        (other, _) => SchemaBuilder::of(other),
    }
    .basics_of(source);
    if optional {
        builder = builder.optional();
    }
    if let Some(default) = default {
        builder = builder.default_value(default.clone());
    }
    builder.build()
}

/// Appends the values of a nested struct; nulls for one that is null.
fn flatten_struct(
    value: Option<Arc<Struct>>,
    shape: &[Node],
    flat: &Schema,
    values: &mut Vec<Value>,
) -> Result<()> {
    let Some(value) = value else {
        let leaves = shape.iter().map(Node::leaves).sum::<usize>();
        values.resize(values.len() + leaves, Value::Null);
        return Ok(());
    };
    let schema = Arc::clone(value.schema());
    for ((field, node), inner) in schema.fields().iter().zip(shape).zip(into_values(value)) {
        match node {
            Node::Leaf => {
                let inner = match inner {
                    Value::Null => field.schema().default_value().cloned().unwrap_or_default(),
                    inner => inner,
                };
                let inner = match flat.fields().get(values.len()) {
                    Some(leaf) => copied(leaf, inner, false)?,
                    None => inner,
                };
                values.push(inner);
            }
            Node::Nested { shape, .. } => {
                let inner = requirements::structure_or_null(inner, PURPOSE)?;
                flatten_struct(inner, shape, flat, values)?;
            }
        }
    }
    Ok(())
}

impl Transformation for Flatten {
    fn configure(&mut self, props: &Props) -> Result<()> {
        config_def()
            .parse(props)?
            .string("delimiter")
            .clone_into(&mut self.delimiter);
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
        if self.side.schema(&record).is_none() {
            let map = requirements::map(value, PURPOSE)?;
            let mut flat = MapValue::new();
            self.flatten_map(map, "", &mut flat)?;
            self.side.set_value(&mut record, Value::Map(flat));
            return Ok(Some(record));
        }
        let value = requirements::structure(value, PURPOSE)?;
        let plan = self.plans.get(value.schema(), |schema| self.plan(schema))?;
        let mut values = Vec::with_capacity(plan.schema.fields().len());
        flatten_struct(Some(value), &plan.shape, &plan.schema, &mut values)?;
        let value = Struct::from_values(Arc::clone(&plan.schema), values)?;
        self.side
            .set(&mut record, Some(Arc::clone(&plan.schema)), value.into());
        Ok(Some(record))
    }
}
