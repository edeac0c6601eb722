//! Connect schemas to Avro schemas, as Confluent's `AvroData.fromConnectSchema` maps them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Value as Json, json};
use sluice_api::{ConnectError, Result, Schema, SchemaType, Value, logical};

use super::Settings;
use super::names::{
    ANYTHING, AVRO_PROP, CONNECT_DEFAULT, CONNECT_DOC, CONNECT_ENUM_DOC, CONNECT_INTERNAL_TYPE,
    CONNECT_NAME, CONNECT_PARAMETERS, CONNECT_RECORD_DOC, CONNECT_TYPE, CONNECT_VERSION,
    DECIMAL_PRECISION, DEFAULT_PRECISION, DEFAULT_SCHEMA_NAME, ENUM, ENUM_DEFAULT_PREFIX,
    ENUM_DOC_PREFIX, FIELD_DEFAULT_FLAG, FIELD_DOC_PREFIX, GENERALIZED_ENUM, KEY_FIELD,
    LOGICAL_TYPE, MAP_ENTRY, NAMESPACE, PRECISION, RECORD_DOC, SCALE, VALUE_FIELD, fixed_size,
    is_enum, is_union, parameter, scrub,
};
use super::schema::{AvroSchema, Field, Kind, Name, NodeId};

/// The Avro schema of a Connect schema, with its root.
pub(super) fn avro_schema(
    settings: Settings,
    schema: Option<&Arc<Schema>>,
) -> Result<(AvroSchema, NodeId)> {
    let mut builder = Builder {
        settings,
        avro: AvroSchema::default(),
        done: Vec::new(),
        by_name: HashMap::new(),
        unnamed: 0,
        seen: HashSet::new(),
    };
    let root = match schema {
        Some(schema) => builder.schema(schema, schema.is_optional(), false)?,
        None => builder.anything()?,
    };
    Ok((builder.avro, root))
}

struct Builder {
    settings: Settings,
    avro: AvroSchema,
    /// Schemas that are not optional, and what became of them: a type that is used again is not declared
    /// again.
    done: Vec<(Arc<Schema>, NodeId)>,
    /// Records by the name of their schema.
    by_name: HashMap<String, NodeId>,
    unnamed: usize,
    seen: HashSet<String>,
}

impl Builder {
    fn anything(&mut self) -> Result<NodeId> {
        let record = |builder: &mut Self, name: &str| -> Result<NodeId> {
            Ok(builder.avro.add(Kind::Record {
                name: Name::new(NAMESPACE, name)?,
                doc: None,
                fields: Vec::new(),
            }))
        };
        let anything = record(self, ANYTHING)?;
        let entry = record(self, MAP_ENTRY)?;
        let entry_fields = [KEY_FIELD, VALUE_FIELD]
            .into_iter()
            .map(|name| field(name, anything))
            .collect();
        self.set_fields(entry, entry_fields);
        let mut fields = Vec::new();
        for kind in [
            Kind::Boolean,
            Kind::Bytes,
            Kind::Double,
            Kind::Float,
            Kind::Int,
            Kind::Long,
            Kind::String,
            Kind::Array(anything),
            Kind::Map(entry),
        ] {
            let name = kind.type_name();
            // A map is an array of its entries.
            let kind = match kind {
                Kind::Map(entry) => Kind::Array(entry),
                other => other,
            };
            let inner = self.avro.add(kind);
            let node = self.nullable(inner, false);
            fields.push(Field {
                default: Some(Json::Null),
                ..field(name, node)
            });
        }
        self.set_fields(anything, fields);
        Ok(anything)
    }

    fn set_fields(&mut self, record: NodeId, new: Vec<Field>) {
        if let Kind::Record { fields, .. } = &mut self.avro.node_mut(record).kind {
            *fields = new;
        }
    }

    /// `[null, T]`, or `[T, null]` for a type with a default.
    fn nullable(&mut self, node: NodeId, null_last: bool) -> NodeId {
        let null = self.avro.add(Kind::Null);
        self.avro.add(Kind::Union(if null_last {
            vec![node, null]
        } else {
            vec![null, node]
        }))
    }

    fn maybe_optional(&mut self, schema: &Schema, optional: bool, node: NodeId) -> NodeId {
        if optional {
            self.nullable(node, schema.default_value().is_some())
        } else {
            node
        }
    }

    /// A schema inside another: one of the name of a record that was begun is that record.
    fn inner(
        &mut self,
        schema: &Arc<Schema>,
        optional: bool,
        ignore_optional: bool,
    ) -> Result<NodeId> {
        let known = schema.name().and_then(|name| self.by_name.get(name));
        if let Some(node) = known.copied() {
            return Ok(self.maybe_optional(schema, optional && !ignore_optional, node));
        }
        self.schema(schema, optional, ignore_optional)
    }

    /// The type of a schema. `optional` is said apart from the schema, since a union is made of the schema
    /// without it.
    fn schema(
        &mut self,
        schema: &Arc<Schema>,
        optional: bool,
        ignore_optional: bool,
    ) -> Result<NodeId> {
        let reusable = !is_union(schema) && !optional;
        if reusable
            && let Some((_, node)) = self
                .done
                .iter()
                .find(|(done, _)| same_but_for_optional(done, schema))
        {
            return Ok(*node);
        }
        let node = match schema.schema_type() {
            SchemaType::Struct if is_union(schema) => {
                let mut members = Vec::new();
                if optional {
                    members.push(self.avro.add(Kind::Null));
                }
                for field in schema.fields() {
                    members.push(self.inner(field.schema(), false, true)?);
                }
                self.avro.add(Kind::Union(members))
            }
            SchemaType::Struct if optional => {
                let inner = self.inner(schema, false, false)?;
                self.nullable(inner, false)
            }
            _ => {
                let base = self.base(schema)?;
                self.add_metadata(schema, base)?;
                self.maybe_optional(schema, optional && !ignore_optional, base)
            }
        };
        if !optional {
            self.done.push((Arc::clone(schema), node));
        }
        Ok(node)
    }

    fn base(&mut self, schema: &Arc<Schema>) -> Result<NodeId> {
        let kind = match schema.schema_type() {
            SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32 => Kind::Int,
            SchemaType::Int64 => Kind::Long,
            SchemaType::Float32 => Kind::Float,
            SchemaType::Float64 => Kind::Double,
            SchemaType::Boolean => Kind::Boolean,
            SchemaType::String => self.text(schema)?,
            SchemaType::Bytes => match fixed_size(schema) {
                Some(size) => Kind::Fixed {
                    size: size.parse().map_err(|_| {
                        ConnectError::data(format!("the size of a fixed is not a number: {size}"))
                    })?,
                    name: self.name_or_default(schema.name())?,
                },
                None => Kind::Bytes,
            },
            SchemaType::Array => {
                let element = known(schema.value_schema()?)?;
                Kind::Array(self.inner(element, element.is_optional(), false)?)
            }
            SchemaType::Map => {
                let values = known(schema.value_schema()?)?;
                if self.settings.is_avro_map(schema)? {
                    Kind::Map(self.inner(values, values.is_optional(), false)?)
                } else {
                    Kind::Array(self.map_entry(schema)?)
                }
            }
            SchemaType::Struct => return self.record(schema),
        };
        Ok(self.avro.add(kind))
    }

    fn text(&mut self, schema: &Schema) -> Result<Kind> {
        let settings = self.settings;
        if !(settings.generalized_sums || settings.enhanced) || !is_enum(schema) {
            return Ok(Kind::String);
        }
        let name_parameter = if settings.generalized_sums {
            GENERALIZED_ENUM
        } else {
            ENUM
        };
        let prefix = format!("{name_parameter}.");
        let symbols: Vec<String> = schema
            .parameters()
            .into_iter()
            .flatten()
            .filter_map(|(key, _)| key.strip_prefix(&prefix).map(str::to_owned))
            .collect();
        let short = self.name_or_default(schema.name())?.short;
        let of_name = |prefix: &str| parameter(schema, &format!("{prefix}{short}"));
        let (doc, default) = if settings.discard_docs {
            (parameter(schema, CONNECT_ENUM_DOC), None)
        } else {
            (of_name(ENUM_DOC_PREFIX), of_name(ENUM_DEFAULT_PREFIX))
        };
        let full = parameter(schema, name_parameter).unwrap_or_default();
        let (namespace, short) = full.rsplit_once('.').unwrap_or(("", full));
        Ok(Kind::Enum {
            name: Name::new(namespace, short)?,
            doc: doc.map(str::to_owned),
            symbols,
            default: default.map(str::to_owned),
        })
    }

    fn map_entry(&mut self, schema: &Schema) -> Result<NodeId> {
        let name = match schema.name() {
            None => Name::new(NAMESPACE, MAP_ENTRY)?,
            named => self.name_or_default(named)?,
        };
        let entry = self.avro.add(Kind::Record {
            name,
            doc: None,
            fields: Vec::new(),
        });
        if schema.name().is_some() {
            let internal = Json::from(MAP_ENTRY);
            self.avro
                .node_mut(entry)
                .add_prop(CONNECT_INTERNAL_TYPE, internal);
        }
        let fields = vec![
            self.field(KEY_FIELD, known(schema.key_schema()?)?, None)?,
            self.field(VALUE_FIELD, known(schema.value_schema()?)?, None)?,
        ];
        self.set_fields(entry, fields);
        Ok(entry)
    }

    fn record(&mut self, schema: &Arc<Schema>) -> Result<NodeId> {
        let doc_parameter = if self.settings.discard_docs {
            CONNECT_RECORD_DOC
        } else {
            RECORD_DOC
        };
        let name = self.name_or_default(schema.name())?;
        let record = self.avro.add(Kind::Record {
            name,
            doc: parameter(schema, doc_parameter).map(str::to_owned),
            fields: Vec::new(),
        });
        if let Some(name) = schema.name() {
            self.by_name.insert(name.to_owned(), record);
        }
        let mut fields: Vec<Field> = Vec::with_capacity(schema.fields().len());
        for one in schema.fields() {
            let name = self.settings.field_name(one.name());
            super::schema::check_name(&name)?;
            if fields.iter().any(|other| other.name == name) {
                return Err(ConnectError::data(format!(
                    "Duplicate field {name} in record"
                )));
            }
            let doc = if self.settings.discard_docs {
                None
            } else {
                parameter(schema, &format!("{FIELD_DOC_PREFIX}{}", one.name()))
            };
            fields.push(self.field(&name, one.schema(), doc)?);
        }
        self.set_fields(record, fields);
        Ok(record)
    }

    fn field(&mut self, name: &str, schema: &Arc<Schema>, doc: Option<&str>) -> Result<Field> {
        let seen = schema
            .name()
            .is_some_and(|name| !self.seen.insert(self.settings.full_name(name)));
        let node = self.schema(schema, schema.is_optional(), false)?;
        let mut new = field(name, node);
        new.doc = if self.settings.discard_docs {
            schema.doc()
        } else {
            doc
        }
        .map(str::to_owned);
        if let Some(default) = schema.default_value() {
            let default = default_json(self.settings, schema, default)?;
            if self.is_valid_default(node, &default) {
                new.default = Some(default);
            } else {
                tracing::warn!("Ignoring invalid default for field {name}");
            }
        } else if schema.is_optional() {
            new.default = Some(Json::Null);
        }
        if self.settings.connect_meta_data
            && seen
            && self.is_named(node)
            && let Some(parameters) = self.parameters_json(schema)
        {
            new.props.push((CONNECT_PARAMETERS.to_owned(), parameters));
        }
        Ok(new)
    }

    fn is_named(&self, node: NodeId) -> bool {
        match &self.avro.node(node).kind {
            Kind::Union(members) => members
                .iter()
                .any(|member| self.avro.node(*member).kind.name().is_some()),
            kind => kind.name().is_some(),
        }
    }

    fn name_or_default(&mut self, name: Option<&str>) -> Result<Name> {
        match name {
            Some(name) => {
                let full = self.settings.full_name(name);
                let (namespace, short) = full.rsplit_once('.').unwrap_or(("", &full));
                Name::new(namespace, short)
            }
            None => {
                self.unnamed += 1;
                let number = match self.unnamed {
                    1 => String::new(),
                    number => number.to_string(),
                };
                Name::new(NAMESPACE, &format!("{DEFAULT_SCHEMA_NAME}{number}"))
            }
        }
    }

    fn parameters_json(&self, schema: &Schema) -> Option<Json> {
        let parameters: serde_json::Map<String, Json> = schema
            .parameters()?
            .iter()
            .filter(|(key, _)| self.settings.discard_docs || *key != FIELD_DEFAULT_FLAG)
            .map(|(key, value)| (key.clone(), Json::from(value.clone())))
            .collect();
        (!parameters.is_empty()).then_some(Json::Object(parameters))
    }

    fn add_metadata(&mut self, schema: &Schema, id: NodeId) -> Result<()> {
        let settings = self.settings;
        let parameters = self.parameters_json(schema);
        let node = self.avro.node_mut(id);
        let decimal = if schema.name() == Some(logical::DECIMAL) {
            let scale = logical::scale(schema)?;
            let precision = match parameter(schema, DECIMAL_PRECISION) {
                Some(text) => text.parse().map_err(|_| {
                    ConnectError::data(format!("{DECIMAL_PRECISION} is not a number: {text}"))
                })?,
                None => DEFAULT_PRECISION,
            };
            node.add_prop(SCALE, json!(scale));
            node.add_prop(PRECISION, json!(precision));
            true
        } else {
            false
        };
        if settings.connect_meta_data {
            if let Some(doc) = schema.doc() {
                node.add_prop(CONNECT_DOC, json!(doc));
            }
            if let Some(version) = schema.version() {
                node.add_prop(CONNECT_VERSION, json!(version));
            }
            if let Some(parameters) = parameters {
                node.add_prop(CONNECT_PARAMETERS, parameters);
            }
            if let Some(default) = schema.default_value()
                && (settings.discard_docs || parameter(schema, FIELD_DEFAULT_FLAG).is_none())
            {
                node.add_prop(CONNECT_DEFAULT, default_json(settings, schema, default)?);
            }
            if let Some(name) = schema.name() {
                node.add_prop(CONNECT_NAME, json!(name));
            }
            match schema.schema_type() {
                SchemaType::Int8 => node.add_prop(CONNECT_TYPE, json!("int8")),
                SchemaType::Int16 => node.add_prop(CONNECT_TYPE, json!("int16")),
                _ => {}
            }
        }
        let logical_type = match schema.name() {
            _ if decimal => Some("decimal"),
            Some(logical::DATE) => Some("date"),
            Some(logical::TIME) => Some("time-millis"),
            Some(logical::TIMESTAMP) => Some("timestamp-millis"),
            _ => None,
        };
        if let Some(logical_type) = logical_type {
            node.add_prop(LOGICAL_TYPE, json!(logical_type));
        }
        for (key, value) in schema.parameters().into_iter().flatten() {
            if key.starts_with(AVRO_PROP) {
                node.add_prop(key, json!(value));
            }
        }
        Ok(())
    }

    /// Whether JSON is a default of a type; of a union any member will do (Avro's `Schema.isValidDefault`).
    fn is_valid_default(&self, id: NodeId, json: &Json) -> bool {
        match &self.avro.node(id).kind {
            Kind::Null => json.is_null(),
            Kind::Boolean => json.is_boolean(),
            Kind::Int => json.as_i64().is_some_and(|v| i32::try_from(v).is_ok()),
            Kind::Long => json.is_i64(),
            Kind::Float | Kind::Double => json.is_number(),
            Kind::String | Kind::Bytes | Kind::Enum { .. } | Kind::Fixed { .. } => json.is_string(),
            Kind::Array(inner) => json
                .as_array()
                .is_some_and(|items| items.iter().all(|one| self.is_valid_default(*inner, one))),
            Kind::Map(inner) => json
                .as_object()
                .is_some_and(|all| all.values().all(|one| self.is_valid_default(*inner, one))),
            Kind::Union(members) => members
                .iter()
                .any(|member| self.is_valid_default(*member, json)),
            Kind::Record { fields, .. } => json.as_object().is_some_and(|object| {
                fields.iter().all(|field| {
                    object
                        .get(&field.name)
                        .or(field.default.as_ref())
                        .is_some_and(|one| self.is_valid_default(field.node, one))
                })
            }),
        }
    }
}

fn field(name: &str, node: NodeId) -> Field {
    Field {
        name: name.to_owned(),
        node,
        doc: None,
        default: None,
        props: Vec::new(),
    }
}

fn known(schema: Option<&Arc<Schema>>) -> Result<&Arc<Schema>> {
    schema.ok_or_else(|| ConnectError::data("schema of elements is not known"))
}

/// Equality of schemas one of which may be optional where it does not count.
fn same_but_for_optional(a: &Arc<Schema>, b: &Arc<Schema>) -> bool {
    Arc::ptr_eq(a, b)
        || (a.schema_type() == b.schema_type()
            && a.name() == b.name()
            && a.version() == b.version()
            && a.doc() == b.doc()
            && a.parameters() == b.parameters()
            && a.default_value() == b.default_value()
            && a.fields() == b.fields()
            && a.key_schema().ok() == b.key_schema().ok()
            && a.value_schema().ok() == b.value_schema().ok())
}

/// A default as Avro writes it in schemas: bytes are texts of Latin-1.
fn default_json(settings: Settings, schema: &Schema, value: &Value) -> Result<Json> {
    let wrong = || {
        ConnectError::data(format!(
            "Invalid type used for default value of {} field: class {}",
            schema.schema_type(),
            value.java_class()
        ))
    };
    let latin = |bytes: &[u8]| Json::from(bytes.iter().map(|b| char::from(*b)).collect::<String>());
    Ok(match (schema.name(), value) {
        (_, Value::Null) => Json::Null,
        (Some(logical::DECIMAL), Value::Decimal(value)) => {
            latin(&logical::decimal_to_bytes(schema, value)?)
        }
        (Some(logical::DATE), Value::Date(millis)) => json!(logical::date_to_days(*millis)?),
        (Some(logical::TIME), Value::Date(millis)) => json!(logical::time_to_millis(*millis)?),
        (Some(logical::TIMESTAMP), Value::Date(millis)) => json!(millis),
        (_, Value::Int8(v)) => json!(v),
        (_, Value::Int16(v)) => json!(v),
        (_, Value::Int32(v)) => json!(v),
        (_, Value::Int64(v)) => json!(v),
        // By its own digits: as a double it would get some that it does not have.
        (_, Value::Float32(v)) => v.to_string().parse::<f64>().map_or(Json::Null, Json::from),
        (_, Value::Float64(v)) => json!(v),
        (_, Value::Boolean(v)) => json!(v),
        (_, Value::String(v)) => json!(&**v),
        (_, Value::Bytes(v)) => latin(v),
        (_, Value::Array(items)) => {
            let inner = known(schema.value_schema()?)?;
            items
                .iter()
                .map(|item| default_json(settings, inner, item))
                .collect::<Result<Vec<_>>>()?
                .into()
        }
        (_, Value::Map(map)) => {
            let keys = known(schema.key_schema()?)?;
            let values = known(schema.value_schema()?)?;
            if settings.is_avro_map(schema)? {
                let mut object = serde_json::Map::new();
                for (key, value) in map {
                    let key = key.as_str().ok_or_else(wrong)?.to_owned();
                    object.insert(key, default_json(settings, values, value)?);
                }
                object.into()
            } else {
                let mut entries = Vec::new();
                for (key, value) in map {
                    let key = default_json(settings, keys, key)?;
                    entries.push(json!([key, default_json(settings, values, value)?]));
                }
                entries.into()
            }
        }
        (_, Value::Struct(value)) => {
            let mut object = serde_json::Map::new();
            for field in schema.fields() {
                let json = default_json(settings, field.schema(), value.get_field(field))?;
                if is_union(schema) {
                    return Ok(json);
                }
                object.insert(settings.field_name(field.name()), json);
            }
            object.into()
        }
        _ => return Err(wrong()),
    })
}

impl Settings {
    /// Whether a map is one in Avro too: its keys are texts.
    pub(super) fn is_avro_map(self, schema: &Schema) -> Result<bool> {
        let keys = known(schema.key_schema()?)?;
        Ok(keys.schema_type() == SchemaType::String
            && (!keys.is_optional() || self.optional_map_keys))
    }

    /// The name of a field in Avro.
    pub(super) fn field_name(self, name: &str) -> String {
        if self.scrub_names {
            scrub(name).into_owned()
        } else {
            name.to_owned()
        }
    }

    /// A full name in Avro; scrubbed part by part.
    pub(super) fn full_name(self, name: &str) -> String {
        if self.scrub_names {
            let parts: Vec<_> = name.split('.').map(scrub).collect();
            parts.join(".")
        } else {
            name.to_owned()
        }
    }
}
