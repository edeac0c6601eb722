//! Schemas of keys, values and headers, and the builder that keeps their rules.
//!
//! A [`Schema`] never changes after it was built and is always shared (`Arc<Schema>`); equality compares
//! every attribute, as `org.apache.kafka.connect.data.ConnectSchema` does.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use bytestring::ByteString;
use indexmap::IndexMap;

use crate::data::logical;
use crate::data::value::Value;
use crate::error::{ConnectError, Result};

/// The physical type of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemaType {
    /// Signed 8 bit.
    Int8,
    /// Signed 16 bit.
    Int16,
    /// Signed 32 bit.
    Int32,
    /// Signed 64 bit.
    Int64,
    /// IEEE 754, 32 bit.
    Float32,
    /// IEEE 754, 64 bit.
    Float64,
    /// True or false.
    Boolean,
    /// UTF-8 text.
    String,
    /// Bytes.
    Bytes,
    /// Values of one schema.
    Array,
    /// Pairs of key and value.
    Map,
    /// Ordered, named fields.
    Struct,
}

impl SchemaType {
    /// Name as Java's enum shows it, such as `INT32`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Float32 => "FLOAT32",
            Self::Float64 => "FLOAT64",
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Bytes => "BYTES",
            Self::Array => "ARRAY",
            Self::Map => "MAP",
            Self::Struct => "STRUCT",
        }
    }

    /// Whether values have no inner schema.
    #[must_use]
    pub fn is_primitive(self) -> bool {
        !matches!(self, Self::Array | Self::Map | Self::Struct)
    }
}

impl fmt::Display for SchemaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One field of a struct schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    name: ByteString,
    index: usize,
    schema: Arc<Schema>,
}

impl Field {
    /// Name, unique in its struct.
    #[must_use]
    pub fn name(&self) -> &ByteString {
        &self.name
    }

    /// Position in its struct, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Schema of its value.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }
}

/// A schema; made by [`SchemaBuilder`].
#[derive(Clone)]
pub struct Schema {
    schema_type: SchemaType,
    optional: bool,
    default: Option<Value>,
    name: Option<String>,
    version: Option<i32>,
    doc: Option<String>,
    parameters: Option<IndexMap<String, String>>,
    fields: Vec<Field>,
    field_index: HashMap<ByteString, usize>,
    key_schema: Option<Arc<Schema>>,
    value_schema: Option<Arc<Schema>>,
}

/// Structs up to this size are searched field by field, which beats hashing.
const LINEAR_SEARCH_LIMIT: usize = 8;

impl Schema {
    /// Physical type.
    #[must_use]
    pub fn schema_type(&self) -> SchemaType {
        self.schema_type
    }

    /// Whether null is a valid value.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.optional
    }

    /// Default, [`Value::Null`] if that was given as default or none was given.
    #[must_use]
    pub fn default_value(&self) -> Option<&Value> {
        self.default.as_ref().filter(|value| !value.is_null())
    }

    /// Name, which selects a logical type.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Version.
    #[must_use]
    pub fn version(&self) -> Option<i32> {
        self.version
    }

    /// Documentation.
    #[must_use]
    pub fn doc(&self) -> Option<&str> {
        self.doc.as_deref()
    }

    /// Parameters, `None` if none were set.
    #[must_use]
    pub fn parameters(&self) -> Option<&IndexMap<String, String>> {
        self.parameters.as_ref()
    }

    /// Fields in order; empty for other types than struct.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The field of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        if self.fields.len() <= LINEAR_SEARCH_LIMIT {
            return self.fields.iter().find(|field| field.name == name);
        }
        self.field_index
            .get(name)
            .and_then(|index| self.fields.get(*index))
    }

    /// Fields; an error for other types than struct, with Kafka's text.
    pub fn try_fields(&self) -> Result<&[Field]> {
        if self.schema_type == SchemaType::Struct {
            Ok(&self.fields)
        } else {
            Err(ConnectError::data("Cannot list fields on non-struct type"))
        }
    }

    /// Schema of keys of a map.
    pub fn key_schema(&self) -> Result<Option<&Arc<Schema>>> {
        if self.schema_type == SchemaType::Map {
            Ok(self.key_schema.as_ref())
        } else {
            Err(ConnectError::data(
                "Cannot look up key schema on non-map type",
            ))
        }
    }

    /// Schema of values of a map or of elements of an array.
    pub fn value_schema(&self) -> Result<Option<&Arc<Schema>>> {
        if matches!(self.schema_type, SchemaType::Map | SchemaType::Array) {
            Ok(self.value_schema.as_ref())
        } else {
            Err(ConnectError::data(
                "Cannot look up value schema on non-array and non-map type",
            ))
        }
    }

    /// This schema with another name or version, where given; everything else stays, the default unchecked.
    #[must_use]
    pub fn with_metadata(&self, name: Option<&str>, version: Option<i32>) -> Arc<Self> {
        let mut schema = self.clone();
        if let Some(name) = name {
            schema.name = Some(name.to_owned());
        }
        if version.is_some() {
            schema.version = version;
        }
        Arc::new(schema)
    }

    /// Whether a value is of the class that this schema wants; logical names come first. Members are not
    /// looked at.
    #[must_use]
    pub fn accepts(&self, value: &Value) -> bool {
        match self.name() {
            Some(logical::DECIMAL) => return matches!(value, Value::Decimal(_)),
            Some(logical::DATE | logical::TIME | logical::TIMESTAMP) => {
                return matches!(value, Value::Date(_));
            }
            _ => {}
        }
        matches!(
            (self.schema_type, value),
            (SchemaType::Int8, Value::Int8(_))
                | (SchemaType::Int16, Value::Int16(_))
                | (SchemaType::Int32, Value::Int32(_))
                | (SchemaType::Int64, Value::Int64(_))
                | (SchemaType::Float32, Value::Float32(_))
                | (SchemaType::Float64, Value::Float64(_))
                | (SchemaType::Boolean, Value::Boolean(_))
                | (SchemaType::String, Value::String(_))
                | (SchemaType::Bytes, Value::Bytes(_))
                | (SchemaType::Array, Value::Array(_))
                | (SchemaType::Map, Value::Map(_))
                | (SchemaType::Struct, Value::Struct(_))
        )
    }

    /// Checks that a value fits, with Kafka's texts (`ConnectSchema.validateValue`).
    pub fn validate(&self, value: &Value) -> Result<()> {
        validate_at(self, value, &Location::Value)
    }

    /// Checks that a value fits the named field.
    pub fn validate_field(&self, field: &str, value: &Value) -> Result<()> {
        validate_at(self, value, &Location::Field(field))
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.schema_type == other.schema_type
            && self.optional == other.optional
            && self.version == other.version
            && self.name == other.name
            && self.doc == other.doc
            && self.default_value() == other.default_value()
            && same_schemas(self.key_schema.as_ref(), other.key_schema.as_ref())
            && same_schemas(self.value_schema.as_ref(), other.value_schema.as_ref())
            && self.parameters == other.parameters
            && self.fields.len() == other.fields.len()
            && self
                .fields
                .iter()
                .zip(&other.fields)
                .all(|(a, b)| a.name == b.name && same_schema(&a.schema, &b.schema))
    }
}

impl Eq for Schema {}

/// Equality of shared schemas, cheap when they are one object.
#[must_use]
pub fn same_schema(a: &Arc<Schema>, b: &Arc<Schema>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

/// Equality of optional shared schemas.
#[must_use]
pub fn same_schemas(a: Option<&Arc<Schema>>, b: Option<&Arc<Schema>>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => same_schema(a, b),
        _ => false,
    }
}

/// `Schema{NAME:TYPE}` or `Schema{TYPE}`.
impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "Schema{{{name}:{}}}", self.schema_type),
            None => write!(f, "Schema{{{}}}", self.schema_type),
        }
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Schema");
        text.field("type", &self.schema_type)
            .field("optional", &self.optional);
        if let Some(name) = &self.name {
            text.field("name", name);
        }
        if let Some(version) = &self.version {
            text.field("version", version);
        }
        if !self.fields.is_empty() {
            text.field("fields", &self.fields);
        }
        text.finish_non_exhaustive()
    }
}

/// Where a value stands, rendered only when something is wrong.
enum Location<'a> {
    Value,
    Field(&'a str),
    Element(&'a Location<'a>),
    MapKey(&'a Location<'a>),
    MapValue(&'a Location<'a>),
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value => f.write_str("value"),
            Self::Field(name) => write!(f, "field: \"{name}\""),
            Self::Element(outer) => write!(f, "element of array {outer}"),
            Self::MapKey(outer) => write!(f, "key of map {outer}"),
            Self::MapValue(outer) => write!(f, "value of map {outer}"),
        }
    }
}

fn validate_at(schema: &Schema, value: &Value, location: &Location<'_>) -> Result<()> {
    if value.is_null() {
        if schema.optional {
            return Ok(());
        }
        return Err(ConnectError::data(format!(
            "Invalid value: null used for required {location}, schema type: {}",
            schema.schema_type
        )));
    }
    if !schema.accepts(value) {
        let name = schema
            .name()
            .map(|name| format!(" \"{name}\""))
            .unwrap_or_default();
        return Err(ConnectError::data(format!(
            "Invalid Java object for schema{name} with type {}: class {} for {location}",
            schema.schema_type,
            value.java_class()
        )));
    }
    let inner = |schema: &Option<Arc<Schema>>, location: &Location<'_>| {
        schema
            .clone()
            .ok_or_else(|| ConnectError::data(format!("No schema defined for {location}")))
    };
    match (schema.schema_type, value) {
        (SchemaType::Struct, Value::Struct(value)) => {
            if !std::ptr::eq(&raw const **value.schema(), schema) && **value.schema() != *schema {
                return Err(ConnectError::data("Struct schemas do not match."));
            }
            value.validate()
        }
        (SchemaType::Array, Value::Array(items)) => {
            let location = Location::Element(location);
            let schema = inner(&schema.value_schema, &location)?;
            items
                .iter()
                .try_for_each(|item| validate_at(&schema, item, &location))
        }
        (SchemaType::Map, Value::Map(map)) => {
            let key_location = Location::MapKey(location);
            let value_location = Location::MapValue(location);
            let key_schema = inner(&schema.key_schema, &key_location)?;
            let value_schema = inner(&schema.value_schema, &value_location)?;
            map.iter().try_for_each(|(key, value)| {
                validate_at(&key_schema, key, &key_location)?;
                validate_at(&value_schema, value, &value_location)
            })
        }
        _ => Ok(()),
    }
}

/// Builds a [`Schema`]; attributes can be set once, as `SchemaBuilder` in Kafka.
///
/// Methods take and give the builder; the first broken rule is answered by [`SchemaBuilder::build`].
#[derive(Debug, Clone)]
pub struct SchemaBuilder {
    schema: Schema,
    optional_set: bool,
    default_set: bool,
    error: Option<ConnectError>,
}

macro_rules! builders {
    ($($(#[$doc:meta])* $name:ident => $kind:ident),* $(,)?) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name() -> Self {
            Self::of(SchemaType::$kind)
        })*
    };
}

impl SchemaBuilder {
    /// A builder of the given type; arrays and maps made this way have no inner schema.
    #[must_use]
    pub fn of(schema_type: SchemaType) -> Self {
        Self {
            schema: Schema {
                schema_type,
                optional: false,
                default: None,
                name: None,
                version: None,
                doc: None,
                parameters: None,
                fields: Vec::new(),
                field_index: HashMap::new(),
                key_schema: None,
                value_schema: None,
            },
            optional_set: false,
            default_set: false,
            error: None,
        }
    }

    builders! {
        /// INT8.
        int8 => Int8,
        /// INT16.
        int16 => Int16,
        /// INT32.
        int32 => Int32,
        /// INT64.
        int64 => Int64,
        /// FLOAT32.
        float32 => Float32,
        /// FLOAT64.
        float64 => Float64,
        /// BOOLEAN.
        boolean => Boolean,
        /// STRING.
        string => String,
        /// BYTES.
        bytes => Bytes,
        /// STRUCT.
        structure => Struct,
    }

    /// ARRAY of the given elements.
    #[must_use]
    pub fn array(value_schema: Arc<Schema>) -> Self {
        let mut builder = Self::of(SchemaType::Array);
        builder.schema.value_schema = Some(value_schema);
        builder
    }

    /// MAP of the given keys and values.
    #[must_use]
    pub fn map(key_schema: Arc<Schema>, value_schema: Arc<Schema>) -> Self {
        let mut builder = Self::of(SchemaType::Map);
        builder.schema.key_schema = Some(key_schema);
        builder.schema.value_schema = Some(value_schema);
        builder
    }

    /// MAP whose inner schemas may be unknown, as string parsing makes them.
    #[must_use]
    pub fn map_of(key_schema: Option<Arc<Schema>>, value_schema: Option<Arc<Schema>>) -> Self {
        let mut builder = Self::of(SchemaType::Map);
        builder.schema.key_schema = key_schema;
        builder.schema.value_schema = value_schema;
        builder
    }

    /// A builder with the type, the inner schemas and the fields of a schema, and nothing else of it.
    #[must_use]
    pub fn shape_of(source: &Schema) -> Self {
        let mut builder = Self::of(source.schema_type);
        builder.schema.fields.clone_from(&source.fields);
        builder.schema.field_index.clone_from(&source.field_index);
        builder.schema.key_schema.clone_from(&source.key_schema);
        builder.schema.value_schema.clone_from(&source.value_schema);
        builder
    }

    /// Takes over name, version, documentation and parameters of a schema, but neither type, default nor
    /// whether it is optional (`SchemaUtil.copySchemaBasics`).
    #[must_use]
    pub fn basics_of(mut self, source: &Schema) -> Self {
        self.schema.name.clone_from(&source.name);
        self.schema.version = source.version;
        self.schema.doc.clone_from(&source.doc);
        self.schema.parameters.clone_from(&source.parameters);
        self
    }

    /// Physical type of the schema to be.
    #[must_use]
    pub fn schema_type(&self) -> SchemaType {
        self.schema.schema_type
    }

    fn fail(&mut self, error: ConnectError) {
        if self.error.is_none() {
            self.error = Some(error);
        }
    }

    fn check_unset(&mut self, name: &str, set: bool) -> bool {
        if set {
            self.fail(ConnectError::schema_builder(format!(
                "Invalid SchemaBuilder call: {name} has already been set."
            )));
        }
        !set
    }

    fn set_optional(mut self, optional: bool) -> Self {
        if self.optional_set && self.schema.optional == optional {
            return self;
        }
        if self.check_unset("optional", self.optional_set) {
            self.schema.optional = optional;
            self.optional_set = true;
        }
        self
    }

    /// Null is valid.
    #[must_use]
    pub fn optional(self) -> Self {
        self.set_optional(true)
    }

    /// Null is not valid (the default).
    #[must_use]
    pub fn required(self) -> Self {
        self.set_optional(false)
    }

    /// Default, checked against what was set so far.
    #[must_use]
    pub fn default_value(mut self, value: Value) -> Self {
        if !self.check_unset("default", self.default_set) {
            return self;
        }
        if let Err(cause) = self.schema.validate(&value) {
            self.fail(ConnectError::schema_builder("Invalid default value").caused_by(cause));
            return self;
        }
        self.schema.default = Some(value);
        self.default_set = true;
        self
    }

    /// Name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        if self.schema.name.as_ref() != Some(&name)
            && self.check_unset("name", self.schema.name.is_some())
        {
            self.schema.name = Some(name);
        }
        self
    }

    /// Version.
    #[must_use]
    pub fn version(mut self, version: i32) -> Self {
        if self.schema.version != Some(version)
            && self.check_unset("version", self.schema.version.is_some())
        {
            self.schema.version = Some(version);
        }
        self
    }

    /// Documentation.
    #[must_use]
    pub fn doc(mut self, doc: impl Into<String>) -> Self {
        let doc = doc.into();
        if self.schema.doc.as_ref() != Some(&doc)
            && self.check_unset("doc", self.schema.doc.is_some())
        {
            self.schema.doc = Some(doc);
        }
        self
    }

    /// One parameter; a later value replaces an earlier one.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.schema
            .parameters
            .get_or_insert_default()
            .insert(name.into(), value.into());
        self
    }

    /// Several parameters; none is no change.
    #[must_use]
    pub fn parameters<I>(mut self, parameters: I) -> Self
    where
        I: IntoIterator<Item = (String, String)>,
    {
        for (name, value) in parameters {
            self = self.parameter(name, value);
        }
        self
    }

    /// Adds a field to a struct.
    #[must_use]
    pub fn field(mut self, name: impl Into<ByteString>, schema: Arc<Schema>) -> Self {
        let name = name.into();
        if self.schema.schema_type != SchemaType::Struct {
            self.fail(ConnectError::schema_builder(format!(
                "Cannot create fields on type {}",
                self.schema.schema_type
            )));
        } else if name.is_empty() {
            self.fail(ConnectError::schema_builder("fieldName cannot be null."));
        } else if self.schema.field_index.contains_key(&name) {
            self.fail(ConnectError::schema_builder(format!(
                "Cannot create field because of field name duplication {name}"
            )));
        } else {
            let index = self.schema.fields.len();
            self.schema.field_index.insert(name.clone(), index);
            self.schema.fields.push(Field {
                name,
                index,
                schema,
            });
        }
        self
    }

    /// The schema, or the first rule that was broken.
    pub fn build(self) -> Result<Arc<Schema>> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(Arc::new(self.schema)),
        }
    }
}

/// The schemas that are used everywhere; each is one shared object.
pub mod schemas {
    use super::{Arc, LazyLock, Schema, SchemaBuilder, SchemaType};

    fn plain(schema_type: SchemaType, optional: bool) -> Arc<Schema> {
        let mut builder = SchemaBuilder::of(schema_type);
        builder.schema.optional = optional;
        Arc::new(builder.schema)
    }

    macro_rules! shared {
        ($($name:ident, $optional:ident => $kind:ident;)*) => {
            $(
                #[doc = concat!("Required `", stringify!($kind), "`.")]
                pub static $name: LazyLock<Arc<Schema>> =
                    LazyLock::new(|| plain(SchemaType::$kind, false));
                #[doc = concat!("Optional `", stringify!($kind), "`.")]
                pub static $optional: LazyLock<Arc<Schema>> =
                    LazyLock::new(|| plain(SchemaType::$kind, true));
            )*
        };
    }

    shared! {
        INT8, OPTIONAL_INT8 => Int8;
        INT16, OPTIONAL_INT16 => Int16;
        INT32, OPTIONAL_INT32 => Int32;
        INT64, OPTIONAL_INT64 => Int64;
        FLOAT32, OPTIONAL_FLOAT32 => Float32;
        FLOAT64, OPTIONAL_FLOAT64 => Float64;
        BOOLEAN, OPTIONAL_BOOLEAN => Boolean;
        STRING, OPTIONAL_STRING => String;
        BYTES, OPTIONAL_BYTES => Bytes;
    }
}

/// A schema and a value, both possibly null.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SchemaAndValue {
    /// Schema, `None` for data without one.
    pub schema: Option<Arc<Schema>>,
    /// Value.
    pub value: Value,
}

impl SchemaAndValue {
    /// A pair.
    #[must_use]
    pub fn new(schema: Option<Arc<Schema>>, value: Value) -> Self {
        Self { schema, value }
    }

    /// No schema and no value.
    pub const NULL: Self = Self {
        schema: None,
        value: Value::Null,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_can_be_set_once() {
        let error = SchemaBuilder::int32()
            .name("a")
            .name("b")
            .build()
            .unwrap_err();
        assert_eq!(
            error.message(),
            "Invalid SchemaBuilder call: name has already been set."
        );
        assert!(SchemaBuilder::int32().name("a").name("a").build().is_ok());
        assert!(
            SchemaBuilder::int32()
                .optional()
                .required()
                .build()
                .is_err()
        );
    }

    #[test]
    fn a_default_must_fit_what_was_set_before() {
        let error = SchemaBuilder::int32()
            .default_value(Value::Null)
            .build()
            .unwrap_err();
        assert_eq!(error.message(), "Invalid default value");
        assert!(
            SchemaBuilder::int32()
                .optional()
                .default_value(Value::Null)
                .build()
                .is_ok()
        );
    }

    #[test]
    fn field_names_are_unique() {
        let error = SchemaBuilder::structure()
            .field("a", schemas::INT8.clone())
            .field("a", schemas::INT8.clone())
            .build()
            .unwrap_err();
        assert_eq!(
            error.message(),
            "Cannot create field because of field name duplication a"
        );
        assert!(
            SchemaBuilder::int8()
                .field("a", schemas::INT8.clone())
                .build()
                .is_err()
        );
    }

    #[test]
    fn validation_names_the_place() {
        let array = SchemaBuilder::array(schemas::INT32.clone())
            .build()
            .unwrap();
        let error = array
            .validate(&Value::Array(vec![Value::from("x")]))
            .unwrap_err();
        assert_eq!(
            error.message(),
            "Invalid Java object for schema with type INT32: class java.lang.String for element of array \
             value"
        );
        let error = schemas::STRING
            .validate_field("x", &Value::Null)
            .unwrap_err();
        assert_eq!(
            error.message(),
            "Invalid value: null used for required field: \"x\", schema type: STRING"
        );
    }

    #[test]
    fn the_text_names_the_type() {
        assert_eq!(schemas::STRING.to_string(), "Schema{STRING}");
        let named = SchemaBuilder::structure().name("com.S").build().unwrap();
        assert_eq!(named.to_string(), "Schema{com.S:STRUCT}");
    }
}
