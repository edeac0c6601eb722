//! Avro schemas to Connect schemas, as Confluent's `AvroData.toConnectSchema` maps them, each with its plan
//! for reading.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use serde_json::Value as Json;
use sluice_api::{
    ConnectError, MapValue, Result, Schema, SchemaBuilder, SchemaType, Struct, Value, logical,
    schemas,
};

use super::Settings;
use super::decode::{Branch, Plan};
use super::names::{
    ANYTHING, AVRO_PROP, CONNECT_DEFAULT, CONNECT_DOC, CONNECT_ENUM_DOC, CONNECT_INTERNAL_TYPE,
    CONNECT_NAME, CONNECT_PARAMETERS, CONNECT_RECORD_DOC, CONNECT_TYPE, CONNECT_VERSION,
    DECIMAL_PRECISION, DEFAULT_PRECISION, DEFAULT_SCHEMA_FULL_NAME, ENUM, ENUM_DEFAULT_PREFIX,
    ENUM_DOC_PREFIX, FIELD_DEFAULT_FLAG, FIELD_DOC_PREFIX, FIXED_SIZE, GENERALIZED_ENUM,
    GENERALIZED_FIELD_PREFIX, GENERALIZED_UNION, GENERALIZED_UNION_PREFIX, KEY_FIELD, LOGICAL_TYPE,
    MAP_ENTRY, NAMESPACE, PRECISION, RECORD_DOC, SCALE, UNION, VALUE_FIELD,
};
use super::schema::{AvroSchema, Field, Kind, Node, NodeId};

/// The Connect schema of an Avro schema, `None` for that of data without schema, and how its values are read.
pub(super) fn connect_schema(
    settings: Settings,
    avro: &AvroSchema,
    root: NodeId,
    version: Option<i32>,
) -> Result<(Option<Arc<Schema>>, Plan)> {
    if is_anything(avro.node(root)) {
        return Ok((None, Plan::Anything));
    }
    let mut reader = Reader {
        settings,
        avro,
        open: Vec::new(),
        unions: 0,
    };
    let (schema, plan) = reader.schema(
        root,
        &Context {
            version,
            ..Context::default()
        },
    )?;
    Ok((Some(schema), plan))
}

/// Whether a type is the record that holds data without schema.
pub(super) fn is_anything(node: &Node) -> bool {
    node.kind
        .name()
        .is_some_and(|name| name.namespace == NAMESPACE && name.short == ANYTHING)
}

/// What the surroundings of a type say of it.
#[derive(Default, Clone, Copy)]
struct Context<'a> {
    optional: bool,
    /// The default of the field, as Avro has it.
    default: Option<&'a Json>,
    doc: Option<&'a str>,
    version: Option<i32>,
}

impl Context<'_> {
    const OPTIONAL: Context<'static> = Context {
        optional: true,
        default: None,
        doc: None,
        version: None,
    };
}

struct Reader<'a> {
    settings: Settings,
    avro: &'a AvroSchema,
    /// Records around the current type.
    open: Vec<NodeId>,
    unions: usize,
}

impl Reader<'_> {
    fn schema(&mut self, id: NodeId, context: &Context<'_>) -> Result<(Arc<Schema>, Plan)> {
        let avro = self.avro;
        let node = avro.node(id);
        let (mut builder, plan) = match &node.kind {
            Kind::Union(members) => {
                if let [only] = members.as_slice()
                    && self.settings.flatten_singleton_unions
                {
                    let inner = Context {
                        doc: context.doc,
                        ..Context::default()
                    };
                    let (schema, plan) = self.schema(*only, &inner)?;
                    return Ok((schema, Plan::Only(Box::new(plan))));
                }
                let is_null = |id: &NodeId| avro.node(*id).kind == Kind::Null;
                if let [first, second] = members.as_slice()
                    && is_null(first) != is_null(second)
                {
                    let null_index = usize::from(is_null(second));
                    let inner = if null_index == 0 { second } else { first };
                    let context = Context {
                        doc: context.doc,
                        ..Context::OPTIONAL
                    };
                    let (schema, plan) = self.schema(*inner, &context)?;
                    return Ok((
                        schema,
                        Plan::Optional {
                            null_index,
                            inner: Box::new(plan),
                        },
                    ));
                }
                self.union(members)?
            }
            Kind::Record { doc, fields, .. } => {
                if self.open.contains(&id) {
                    let name = node.kind.name().map(super::schema::Name::full);
                    return Err(ConnectError::data(format!(
                        "record {} refers to itself, which is not supported",
                        name.unwrap_or_default()
                    )));
                }
                self.open.push(id);
                let result = self.record(doc.as_deref(), fields);
                self.open.pop();
                result?
            }
            Kind::Array(items) => self.array(*items)?,
            Kind::Map(values) => {
                let (values, plan) = self.schema(*values, &Context::default())?;
                (
                    SchemaBuilder::map(schemas::STRING.clone(), values),
                    Plan::Map(Box::new(plan)),
                )
            }
            _ => self.simple(node)?,
        };
        if self.settings.discard_docs {
            let own = match &node.kind {
                Kind::Record { doc, .. } | Kind::Enum { doc, .. } => doc.as_deref(),
                _ => None,
            };
            if let Some(doc) = context.doc.or(own).or(node.text_prop(CONNECT_DOC)) {
                builder = builder.doc(doc);
            }
            if self.settings.connect_meta_data
                && let Some(doc) = own
            {
                builder = builder.parameter(CONNECT_RECORD_DOC, doc);
            }
        } else if self.settings.connect_meta_data
            && let Some(doc) = node.text_prop(CONNECT_DOC)
        {
            builder = builder.doc(doc);
        }
        builder = self.version(builder, node, context.version)?;
        builder = self.parameters(builder, node)?;
        let (default, flagged) = match (context.default, node.prop(CONNECT_DEFAULT)) {
            (None, own) => (own, false),
            (own, connect) => (own, connect.is_none()),
        };
        if flagged && !self.settings.discard_docs && self.settings.connect_meta_data {
            builder = builder.parameter(FIELD_DEFAULT_FLAG, "true");
        }
        builder = self.name(builder, node)?;
        if context.optional {
            builder = builder.optional();
        }
        if let Some(default) = default {
            builder = self.with_default(builder, id, default)?;
        }
        Ok((builder.build()?, plan))
    }

    fn simple(&self, node: &Node) -> Result<(SchemaBuilder, Plan)> {
        let logical_type = node.text_prop(LOGICAL_TYPE);
        let is = |name: &str| logical_type.is_some_and(|own| own.eq_ignore_ascii_case(name));
        Ok(match &node.kind {
            Kind::Boolean => (SchemaBuilder::boolean(), Plan::Boolean),
            Kind::Int if is("date") => (
                SchemaBuilder::int32().name(logical::DATE).version(1),
                Plan::Date,
            ),
            Kind::Int if is("time-millis") => (
                SchemaBuilder::int32().name(logical::TIME).version(1),
                Plan::Time,
            ),
            Kind::Int if logical_type.is_some() => (SchemaBuilder::int32(), Plan::Int32),
            Kind::Int => match node.text_prop(CONNECT_TYPE) {
                None => (SchemaBuilder::int32(), Plan::Int32),
                Some("int8") => (SchemaBuilder::int8(), Plan::Int8),
                Some("int16") => (SchemaBuilder::int16(), Plan::Int16),
                Some(other) => {
                    return Err(ConnectError::data(format!(
                        "Connect type annotation for Avro int field is unknown: {other}"
                    )));
                }
            },
            Kind::Long if is("timestamp-millis") => (
                SchemaBuilder::int64().name(logical::TIMESTAMP).version(1),
                Plan::Timestamp,
            ),
            Kind::Long => (SchemaBuilder::int64(), Plan::Int64),
            Kind::Float => (SchemaBuilder::float32(), Plan::Float32),
            Kind::Double => (SchemaBuilder::float64(), Plan::Float64),
            Kind::String => (SchemaBuilder::string(), Plan::String),
            Kind::Bytes if is("decimal") => {
                let (builder, scale) = decimal(node)?;
                (builder, Plan::Decimal(scale))
            }
            Kind::Bytes => (SchemaBuilder::bytes(), Plan::Bytes),
            Kind::Fixed { size, .. } => {
                let (builder, plan) = if is("decimal") {
                    let (builder, scale) = decimal(node)?;
                    (builder, Plan::FixedDecimal { size: *size, scale })
                } else {
                    (SchemaBuilder::bytes(), Plan::Fixed(*size))
                };
                (builder.parameter(FIXED_SIZE, size.to_string()), plan)
            }
            Kind::Enum {
                name,
                doc,
                symbols,
                default,
            } => {
                let settings = self.settings;
                let mut builder = SchemaBuilder::string();
                if settings.connect_meta_data
                    && let Some(doc) = doc
                {
                    builder = if settings.discard_docs {
                        builder.parameter(CONNECT_ENUM_DOC, doc)
                    } else {
                        builder.parameter(format!("{ENUM_DOC_PREFIX}{}", name.short), doc)
                    };
                }
                if settings.connect_meta_data
                    && !settings.discard_docs
                    && let Some(default) = default
                {
                    builder =
                        builder.parameter(format!("{ENUM_DEFAULT_PREFIX}{}", name.short), default);
                }
                let parameter = if settings.generalized_sums {
                    GENERALIZED_ENUM
                } else {
                    ENUM
                };
                builder = builder.parameter(parameter, name.full());
                for (index, symbol) in symbols.iter().enumerate() {
                    let value = if settings.generalized_sums {
                        index.to_string()
                    } else {
                        symbol.clone()
                    };
                    builder = builder.parameter(format!("{parameter}.{symbol}"), value);
                }
                let symbols = symbols.iter().map(|one| ByteString::from(&**one)).collect();
                (builder, Plan::Enum(symbols))
            }
            _ => {
                return Err(ConnectError::data(
                    "Standalone null schemas are not supported by this converter",
                ));
            }
        })
    }

    fn record(&mut self, doc: Option<&str>, fields: &[Field]) -> Result<(SchemaBuilder, Plan)> {
        let with_docs = !self.settings.discard_docs && self.settings.connect_meta_data;
        let mut builder = SchemaBuilder::structure();
        if with_docs && let Some(doc) = doc {
            builder = builder.parameter(RECORD_DOC, doc);
        }
        let mut plans = Vec::with_capacity(fields.len());
        for field in fields {
            if with_docs && let Some(doc) = &field.doc {
                builder = builder.parameter(format!("{FIELD_DOC_PREFIX}{}", field.name), doc);
            }
            let context = Context {
                default: field.default.as_ref(),
                doc: field.doc.as_deref(),
                ..Context::default()
            };
            let (mut schema, plan) = self.schema(field.node, &context)?;
            let own = field
                .props
                .iter()
                .find(|(key, _)| key == CONNECT_PARAMETERS);
            if self.settings.connect_meta_data
                && let Some((_, Json::Object(parameters))) = own
            {
                schema = with_parameters(&schema, parameters)?;
            }
            builder = builder.field(field.name.as_str(), schema);
            plans.push(plan);
        }
        // The schema comes with its name and so on, when all is known.
        Ok((builder, Plan::Record(plans)))
    }

    fn array(&mut self, items: NodeId) -> Result<(SchemaBuilder, Plan)> {
        let avro = self.avro;
        let node = avro.node(items);
        let is_entry = matches!(&node.kind, Kind::Record { name, .. }
            if (name.namespace == NAMESPACE && name.short == MAP_ENTRY)
                || node.text_prop(CONNECT_INTERNAL_TYPE) == Some(MAP_ENTRY));
        if !is_entry {
            let (schema, plan) = self.schema(items, &Context::default())?;
            return Ok((SchemaBuilder::array(schema), Plan::Array(Box::new(plan))));
        }
        let wrong = || {
            ConnectError::data(
                "Found map encoded as array of key-value pairs, but array elements do not match the expected \
                 format.",
            )
        };
        let Kind::Record { fields, .. } = &node.kind else {
            return Err(wrong());
        };
        let [first, second] = fields.as_slice() else {
            return Err(wrong());
        };
        let key_first = match (first.name.as_str(), second.name.as_str()) {
            (KEY_FIELD, VALUE_FIELD) => true,
            (VALUE_FIELD, KEY_FIELD) => false,
            _ => return Err(wrong()),
        };
        let (key, value) = if key_first {
            (first, second)
        } else {
            (second, first)
        };
        if self.open.contains(&items) {
            return Err(ConnectError::data(
                "a map entry refers to itself, which is not supported",
            ));
        }
        self.open.push(items);
        let key = self.schema(key.node, &Context::default());
        let value = self.schema(value.node, &Context::default());
        self.open.pop();
        let ((key, key_plan), (value, value_plan)) = (key?, value?);
        Ok((
            SchemaBuilder::map(key, value),
            Plan::Entries {
                key: Box::new(key_plan),
                value: Box::new(value_plan),
                key_first,
            },
        ))
    }

    fn union(&mut self, members: &[NodeId]) -> Result<(SchemaBuilder, Plan)> {
        let generalized = self.settings.generalized_sums;
        let name = if generalized {
            self.unions += 1;
            format!("{GENERALIZED_UNION_PREFIX}{}", self.unions - 1)
        } else {
            UNION.to_owned()
        };
        let mut builder = SchemaBuilder::structure().name(name.as_str());
        if generalized {
            builder = builder.parameter(GENERALIZED_UNION, name);
        }
        let mut branches = Vec::with_capacity(members.len());
        let mut names: Vec<String> = Vec::with_capacity(members.len());
        for (index, member) in members.iter().enumerate() {
            let node = self.avro.node(*member);
            if node.kind == Kind::Null {
                builder = builder.optional();
                branches.push(Branch::Null);
                continue;
            }
            let name = member_name(self.settings, &node.kind, index);
            if names.contains(&name) {
                return Err(ConnectError::data(
                    "Multiple union schemas map to the Connect union field name",
                ));
            }
            let (schema, plan) = self.schema(*member, &Context::OPTIONAL)?;
            builder = builder.field(name.as_str(), schema);
            branches.push(Branch::Field(names.len(), plan));
            names.push(name);
        }
        Ok((builder, Plan::Union(branches)))
    }

    fn version(
        &self,
        builder: SchemaBuilder,
        node: &Node,
        version: Option<i32>,
    ) -> Result<SchemaBuilder> {
        let has_own = matches!(
            node.text_prop(LOGICAL_TYPE),
            Some("date" | "time-millis" | "timestamp-millis" | "decimal")
        ) && builder.clone().build()?.version().is_some();
        let version = match node.prop(CONNECT_VERSION) {
            Some(json) => Some(
                json.as_i64()
                    .and_then(|version| i32::try_from(version).ok())
                    .ok_or_else(|| {
                        ConnectError::data(format!("Invalid Connect version found: {json}"))
                    })?,
            ),
            // The registry's version is not that of a logical type.
            None if has_own => None,
            None => version,
        };
        match version.filter(|version| *version >= 0) {
            Some(version) => {
                let with = builder.version(version);
                with.clone().build().map_err(|_| {
                    ConnectError::data(format!(
                        "Mismatched versions: the version of a logical type differs from version in source \
                         schema ({version})"
                    ))
                })?;
                Ok(with)
            }
            None => Ok(builder),
        }
    }

    fn parameters(&self, mut builder: SchemaBuilder, node: &Node) -> Result<SchemaBuilder> {
        if self.settings.connect_meta_data
            && let Some(parameters) = node.prop(CONNECT_PARAMETERS)
        {
            let Json::Object(parameters) = parameters else {
                return Err(ConnectError::data(format!(
                    "Expected JSON object for schema parameters but found: {parameters}"
                )));
            };
            for (key, value) in parameters {
                let Json::String(value) = value else {
                    return Err(ConnectError::data(format!(
                        "Expected schema parameter values to be strings but found: {value}"
                    )));
                };
                builder = builder.parameter(key, value);
            }
        }
        for (key, value) in &node.props {
            if key.starts_with(AVRO_PROP) {
                builder = builder.parameter(key, plain_text(value));
            }
        }
        Ok(builder)
    }

    fn name(&self, builder: SchemaBuilder, node: &Node) -> Result<SchemaBuilder> {
        let own = builder.clone().build()?.name().map(str::to_owned);
        let name = match node.prop(CONNECT_NAME) {
            Some(Json::String(name)) => Some(name.clone()),
            Some(other) => {
                return Err(ConnectError::data(format!("Invalid schema name: {other}")));
            }
            // The name of a fixed is not that of the decimal in it.
            None if own.as_deref() == Some(logical::DECIMAL) => None,
            None => node.kind.name().map(super::schema::Name::full),
        };
        match name.filter(|name| !name.starts_with(DEFAULT_SCHEMA_FULL_NAME)) {
            Some(name) => match own {
                Some(own) if own != name => Err(ConnectError::data(format!(
                    "Mismatched names: name already added to SchemaBuilder ({own}) differs from name in \
                     source schema ({name})"
                ))),
                _ => Ok(builder.name(name)),
            },
            None => Ok(builder),
        }
    }

    fn with_default(
        &self,
        builder: SchemaBuilder,
        id: NodeId,
        json: &Json,
    ) -> Result<SchemaBuilder> {
        let so_far = builder.clone().build()?;
        let with = self
            .default(&so_far, id, json)
            .map(|default| builder.clone().default_value(default));
        match with {
            Ok(with) if with.clone().build().is_ok() => Ok(with),
            _ => {
                tracing::warn!("Ignoring invalid default for schema {so_far}");
                Ok(builder)
            }
        }
    }

    /// The value of a default in a schema.
    #[expect(clippy::cast_possible_truncation, reason = "as Java's casts")]
    fn default(&self, schema: &Arc<Schema>, id: NodeId, json: &Json) -> Result<Value> {
        if json.is_null() {
            return Ok(Value::Null);
        }
        let node = self.avro.node(id);
        let wrong = || {
            ConnectError::data(format!(
                "Invalid JSON for {} default value",
                node.kind.type_name()
            ))
        };
        let integer = || json.as_i64().ok_or_else(wrong);
        let text = || json.as_str().ok_or_else(wrong);
        if let Kind::Union(members) = &node.kind {
            return self.union_default(schema, members, json);
        }
        Ok(match (schema.name(), schema.schema_type()) {
            (Some(logical::DECIMAL), _) => logical::decimal_from_bytes(schema, &latin(text()?)?)?,
            (Some(logical::DATE), _) => logical::date_from_days(integer()? as i32),
            (Some(logical::TIME), _) => logical::time_from_millis(integer()? as i32)?,
            (Some(logical::TIMESTAMP), _) => Value::Date(integer()?),
            (_, SchemaType::Int8) => Value::Int8(integer()? as i8),
            (_, SchemaType::Int16) => Value::Int16(integer()? as i16),
            (_, SchemaType::Int32) => Value::Int32(integer()? as i32),
            (_, SchemaType::Int64) => Value::Int64(integer()?),
            (_, SchemaType::Float32) => Value::Float32(json.as_f64().ok_or_else(wrong)? as f32),
            (_, SchemaType::Float64) => Value::Float64(json.as_f64().ok_or_else(wrong)?),
            (_, SchemaType::Boolean) => Value::Boolean(json.as_bool().ok_or_else(wrong)?),
            (_, SchemaType::String) => Value::from(text()?),
            (_, SchemaType::Bytes) => Value::Bytes(latin(text()?)?),
            (_, SchemaType::Array) => {
                let (Kind::Array(items), Some(inner)) = (&node.kind, schema.value_schema()?) else {
                    return Err(wrong());
                };
                let list = json.as_array().ok_or_else(wrong)?;
                let items: Result<_> = list
                    .iter()
                    .map(|one| self.inner_default(inner, *items, one))
                    .collect();
                Value::Array(items?)
            }
            (_, SchemaType::Map) => self.map_default(schema, node, json)?,
            (_, SchemaType::Struct) => {
                let Kind::Record { fields, .. } = &node.kind else {
                    return Err(wrong());
                };
                let object = json.as_object().ok_or_else(wrong)?;
                let mut result = Struct::new(Arc::clone(schema))?;
                for (field, avro) in schema.fields().iter().zip(fields) {
                    let given = object.get(&avro.name).or(avro.default.as_ref());
                    let value = match given {
                        Some(given) => self.inner_default(field.schema(), avro.node, given)?,
                        None => Value::Null,
                    };
                    result.put(field.name(), value)?;
                }
                Value::from(result)
            }
        })
    }

    /// A default inside another: of `[null, T]` it may be either.
    fn inner_default(&self, schema: &Arc<Schema>, id: NodeId, json: &Json) -> Result<Value> {
        if let Kind::Union(members) = &self.avro.node(id).kind
            && !super::names::is_union(schema)
        {
            let member = members
                .iter()
                .find(|member| self.avro.node(**member).kind != Kind::Null);
            return match member {
                Some(member) => self.default(schema, *member, json),
                None => Ok(Value::Null),
            };
        }
        self.default(schema, id, json)
    }

    fn union_default(
        &self,
        schema: &Arc<Schema>,
        members: &[NodeId],
        json: &Json,
    ) -> Result<Value> {
        let mut fields = schema.fields().iter();
        for member in members {
            if self.avro.node(*member).kind == Kind::Null {
                continue;
            }
            let Some(field) = fields.next() else {
                break;
            };
            if let Ok(value) = self.default(field.schema(), *member, json) {
                let union = Struct::new(Arc::clone(schema))?.with(field.name(), value)?;
                return Ok(Value::from(union));
            }
        }
        Err(ConnectError::data(
            "Did not find matching union field for data",
        ))
    }

    fn map_default(&self, schema: &Schema, node: &Node, json: &Json) -> Result<Value> {
        let wrong = || ConnectError::data("Invalid JSON for map default value");
        let (Some(keys), Some(values)) = (schema.key_schema()?, schema.value_schema()?) else {
            return Err(wrong());
        };
        let mut map = MapValue::new();
        match (&node.kind, json) {
            (Kind::Map(inner), Json::Object(object)) => {
                for (key, json) in object {
                    let value = self.inner_default(values, *inner, json)?;
                    map.insert(Value::from(key.as_str()), value);
                }
            }
            (Kind::Array(entry), Json::Array(entries)) => {
                let Kind::Record { fields, .. } = &self.avro.node(*entry).kind else {
                    return Err(wrong());
                };
                let part = |name: &str| fields.iter().find(|field| field.name == name);
                let (Some(key), Some(value)) = (part(KEY_FIELD), part(VALUE_FIELD)) else {
                    return Err(wrong());
                };
                for one in entries {
                    let (key_json, value_json) = match one {
                        Json::Array(pair) => (pair.first(), pair.get(1)),
                        other => (other.get(KEY_FIELD), other.get(VALUE_FIELD)),
                    };
                    let (Some(key_json), Some(value_json)) = (key_json, value_json) else {
                        return Err(wrong());
                    };
                    map.insert(
                        self.inner_default(keys, key.node, key_json)?,
                        self.inner_default(values, value.node, value_json)?,
                    );
                }
            }
            _ => return Err(wrong()),
        }
        Ok(Value::Map(map))
    }
}

/// The name of a union's member among the fields of the struct (`AvroData.unionMemberFieldName`).
fn member_name(settings: Settings, kind: &Kind, index: usize) -> String {
    if settings.generalized_sums {
        return format!("{GENERALIZED_FIELD_PREFIX}{index}");
    }
    match kind.name() {
        Some(name) if settings.enhanced => name.full(),
        Some(name) => settings.field_name(&name.short),
        None => kind.type_name().to_owned(),
    }
}

fn decimal(node: &Node) -> Result<(SchemaBuilder, i32)> {
    let number = |json: &Json| json.as_i64().and_then(|v| i32::try_from(v).ok());
    // Avro takes a missing scale as 0.
    let scale = node.prop(SCALE).and_then(number).unwrap_or(0);
    let mut builder = logical::decimal_builder(scale);
    if let Some(precision) = node.prop(PRECISION) {
        let precision = number(precision)
            .ok_or_else(|| ConnectError::data("precision property must be a JSON Integer."))?;
        if precision != DEFAULT_PRECISION {
            builder = builder.parameter(DECIMAL_PRECISION, precision.to_string());
        }
    }
    Ok((builder, scale))
}

/// Bytes that stand in a text as Latin-1.
fn latin(text: &str) -> Result<Bytes> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)))
        .collect::<Result<Vec<u8>, _>>()
        .map(Bytes::from)
        .map_err(|_| ConnectError::data("Invalid binary data in default value"))
}

fn plain_text(json: &Json) -> String {
    match json {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A schema with the parameters that a field gives it.
fn with_parameters(
    schema: &Arc<Schema>,
    parameters: &serde_json::Map<String, Json>,
) -> Result<Arc<Schema>> {
    let has_all = parameters.iter().all(|(key, value)| {
        super::names::parameter(schema, key).is_some_and(|own| own == plain_text(value))
    });
    if has_all {
        return Ok(Arc::clone(schema));
    }
    let mut builder = match schema.schema_type() {
        SchemaType::Array => match schema.value_schema()? {
            Some(inner) => SchemaBuilder::array(Arc::clone(inner)),
            None => SchemaBuilder::of(SchemaType::Array),
        },
        SchemaType::Map => SchemaBuilder::map_of(
            schema.key_schema()?.cloned(),
            schema.value_schema()?.cloned(),
        ),
        other => SchemaBuilder::of(other),
    }
    .basics_of(schema);
    for field in schema.fields() {
        builder = builder.field(field.name().clone(), Arc::clone(field.schema()));
    }
    for (key, value) in parameters {
        builder = builder.parameter(key, plain_text(value));
    }
    if schema.is_optional() {
        builder = builder.optional();
    }
    if let Some(default) = schema.default_value() {
        builder = builder.default_value(default.clone());
    }
    builder.build()
}
