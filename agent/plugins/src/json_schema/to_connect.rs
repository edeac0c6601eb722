//! JSON Schemas to Connect schemas, as Confluent's `JsonSchemaData.toConnectSchema` maps them.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value as Json};
use sluice_api::{ConnectError, Result, Schema, SchemaBuilder, schemas};

use super::{
    CONNECT_INDEX, CONNECT_PARAMETERS, CONNECT_TYPE, CONNECT_VERSION, ENUM, GENERALIZED_ENUM,
    GENERALIZED_UNION, NULL_MARKER, ONE_OF, Settings,
};
use crate::schema_registry::client::RegisteredSchema;

/// Schemas within schemas beyond this are refused.
const MAX_DEPTH: usize = 100;
/// Schemas made of one text at most: references can repeat each other.
const MAX_SCHEMAS: usize = 100_000;

/// The Connect schema of a JSON Schema; `version` is that of the registry.
pub(super) fn connect_schema(
    settings: Settings,
    registered: &RegisteredSchema,
    version: Option<i32>,
) -> Result<Arc<Schema>> {
    let parse = |text: &str| {
        serde_json::from_str::<Json>(text)
            .map_err(|error| ConnectError::serialization(format!("invalid JSON Schema: {error}")))
    };
    let root = parse(&registered.text)?;
    let mut documents = Vec::new();
    for (name, text) in &registered.references {
        documents.push((name.as_str(), parse(text)?));
    }
    let reader = Reader {
        settings,
        documents,
        made: std::cell::Cell::new(0),
    };
    let place = Place {
        json: &root,
        document: &root,
        depth: 0,
    };
    reader.schema(place, version, false)
}

/// A schema with the document it stands in, to which its references are relative.
#[derive(Clone, Copy)]
struct Place<'a> {
    json: &'a Json,
    document: &'a Json,
    depth: usize,
}

impl<'a> Place<'a> {
    fn inner(self, json: &'a Json) -> Self {
        Self {
            json,
            depth: self.depth + 1,
            ..self
        }
    }

    fn get(self, key: &str) -> Option<&'a Json> {
        self.json.get(key)
    }

    fn text(self, key: &str) -> Option<&'a str> {
        self.get(key)?.as_str()
    }

    /// The types that are allowed.
    fn types(self) -> Vec<&'a str> {
        match self.get("type") {
            Some(Json::String(one)) => vec![one],
            Some(Json::Array(several)) => several.iter().filter_map(Json::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

struct Reader<'a> {
    settings: Settings,
    /// What references with a name lead to.
    documents: Vec<(&'a str, Json)>,
    made: std::cell::Cell<usize>,
}

fn unsupported(place: Place<'_>) -> ConnectError {
    let text = place.json.to_string();
    ConnectError::data(format!("Unsupported schema {text:.200}"))
}

impl<'a> Reader<'a> {
    fn schema(
        &'a self,
        place: Place<'a>,
        version: Option<i32>,
        optional: bool,
    ) -> Result<Arc<Schema>> {
        self.made.set(self.made.get() + 1);
        if place.depth > MAX_DEPTH || self.made.get() > MAX_SCHEMAS {
            return Err(ConnectError::data(
                "the schema is nested too deeply, or refers to itself, which is not supported",
            ));
        }
        if let Some(reference) = place.text("$ref") {
            return self.schema(self.referred(place, reference)?, version, optional);
        }
        for criterion in ["oneOf", "anyOf"] {
            if let Some(Json::Array(members)) = place.get(criterion) {
                let members: Vec<Place<'_>> = members.iter().map(|one| place.inner(one)).collect();
                return self.union(place, &members, version, optional);
            }
        }
        if let Some(Json::Array(parts)) = place.get("allOf") {
            return self.all_of(place, parts, version, optional);
        }
        let types = place.types();
        if types.len() > 1 {
            return self.types(place, &types, version, optional);
        }
        let builder = self.builder(place, types.first().copied())?;
        self.finished(builder, place, version, optional)
    }

    /// Where a reference leads: `#/definitions/x`, `name.json`, `name.json#/x`.
    fn referred(&'a self, place: Place<'a>, reference: &str) -> Result<Place<'a>> {
        let (name, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let missing = || ConnectError::data(format!("the reference {reference} leads nowhere"));
        let document = if name.is_empty() {
            place.document
        } else {
            let found = self.documents.iter().find(|(own, _)| *own == name);
            &found.ok_or_else(missing)?.1
        };
        let json = document.pointer(pointer).ok_or_else(missing)?;
        Ok(Place {
            json,
            document,
            depth: place.depth + 1,
        })
    }

    fn union(
        &'a self,
        place: Place<'a>,
        members: &[Place<'a>],
        version: Option<i32>,
        optional: bool,
    ) -> Result<Arc<Schema>> {
        let is_null = |member: &Place<'_>| member.types() == ["null"];
        if let [only] = members
            && self.settings.flatten_singleton_unions
        {
            return self.schema(*only, None, false);
        }
        if let [first, second] = members
            && is_null(first) != is_null(second)
        {
            let inner = if is_null(first) { second } else { first };
            return self.schema(*inner, version, true);
        }
        let generalized = self.settings.generalized_sums;
        let name = if generalized {
            format!("connect_union_{}", self.made.get())
        } else {
            ONE_OF.to_owned()
        };
        let mut builder = SchemaBuilder::structure().name(name.as_str());
        if generalized {
            builder = builder.parameter(GENERALIZED_UNION, name);
        }
        let mut index = 0;
        let mut optional = optional;
        for member in members {
            if is_null(member) {
                optional = true;
                continue;
            }
            let name = if generalized {
                format!("connect_union_field_{index}")
            } else {
                format!("{ONE_OF}.field.{index}")
            };
            builder = builder.field(name, self.schema(*member, None, true)?);
            index += 1;
        }
        self.finished(builder, place, version, optional)
    }

    /// A list of types is a union of the schema with each of them.
    fn types(
        &'a self,
        place: Place<'a>,
        types: &[&str],
        version: Option<i32>,
        optional: bool,
    ) -> Result<Arc<Schema>> {
        let others: Vec<&str> = types.iter().copied().filter(|one| *one != "null").collect();
        let nullable = others.len() < types.len();
        if let [only] = others.as_slice() {
            let builder = self.builder(place, Some(only))?;
            return self.finished(builder, place, version, optional || nullable);
        }
        let mut builder = SchemaBuilder::structure().name(ONE_OF);
        for (index, one) in others.iter().enumerate() {
            let inner = self.builder(place, Some(one))?.optional().build()?;
            builder = builder.field(format!("{ONE_OF}.field.{index}"), inner);
        }
        self.finished(builder, place, version, optional || nullable)
    }

    fn all_of(
        &'a self,
        place: Place<'a>,
        parts: &'a [Json],
        version: Option<i32>,
        optional: bool,
    ) -> Result<Arc<Schema>> {
        let mut properties = Vec::new();
        let mut required = Vec::new();
        let mut simple = None;
        let mut open: Vec<Place<'_>> = parts.iter().rev().map(|one| place.inner(one)).collect();
        while let Some(part) = open.pop() {
            if part.depth > MAX_DEPTH {
                return Err(unsupported(place));
            }
            let part = match part.text("$ref") {
                Some(reference) => self.referred(part, reference)?,
                None => part,
            };
            if let Some(Json::Array(inner)) = part.get("allOf") {
                open.extend(inner.iter().rev().map(|one| part.inner(one)));
            }
            match part.get("properties") {
                Some(Json::Object(own)) => {
                    properties.extend(own.iter().map(|(name, json)| (name, part.inner(json))));
                    required.extend(required_names(part));
                }
                _ if simple.is_none() && part.get("allOf").is_none() => simple = Some(part),
                _ => {}
            }
        }
        if properties.is_empty() {
            return match simple {
                Some(part) => self.schema(part, version, optional),
                None => Err(unsupported(place)),
            };
        }
        let builder = self.fields(properties, &required)?;
        self.finished(builder, place, version, optional)
    }

    fn builder(&'a self, place: Place<'a>, json_type: Option<&str>) -> Result<SchemaBuilder> {
        let connect_type = place.text(CONNECT_TYPE);
        let unknown = |kind: &str| ConnectError::data(format!("Unsupported type {kind}"));
        if matches!(json_type, None | Some("string")) {
            let symbols = match (place.get("enum"), place.get("const")) {
                (Some(Json::Array(symbols)), _) => Some(symbols.clone()),
                (_, Some(only)) if json_type.is_none() => Some(vec![only.clone()]),
                _ => None,
            };
            if let Some(symbols) = symbols {
                return Ok(self.symbols(&symbols));
            }
        }
        let json_type = json_type.or_else(|| {
            if place.get("properties").is_some() {
                Some("object")
            } else if place.get("items").is_some() {
                Some("array")
            } else {
                None
            }
        });
        Ok(match (json_type, connect_type) {
            (Some("boolean"), _) => SchemaBuilder::boolean(),
            (Some("integer"), None) => SchemaBuilder::int64(),
            (Some("number"), None) => SchemaBuilder::float64(),
            (Some("integer" | "number"), Some(kind)) => match kind {
                "int8" => SchemaBuilder::int8(),
                "int16" => SchemaBuilder::int16(),
                "int32" => SchemaBuilder::int32(),
                "int64" => SchemaBuilder::int64(),
                "float32" => SchemaBuilder::float32(),
                "float64" => SchemaBuilder::float64(),
                "bytes" => SchemaBuilder::bytes(),
                other => return Err(unknown(other)),
            },
            (Some("string"), Some("bytes")) => SchemaBuilder::bytes(),
            (Some("string"), _) => SchemaBuilder::string(),
            (Some("array"), kind) => {
                let items = place.get("items").ok_or_else(|| {
                    ConnectError::data("Array schema did not specify the items type")
                })?;
                let items = place.inner(items);
                match (kind, items.get("properties")) {
                    (Some("map"), Some(entry)) => {
                        let part = |name: &str| {
                            let json = entry.get(name).ok_or_else(|| unsupported(items))?;
                            self.schema(items.inner(json), None, false)
                        };
                        SchemaBuilder::map(part("key")?, part("value")?)
                    }
                    _ => SchemaBuilder::array(self.schema(items, None, false)?),
                }
            }
            (Some("object"), Some("map")) => {
                let values = place
                    .get("additionalProperties")
                    .ok_or_else(|| unsupported(place))?;
                let values = self.schema(place.inner(values), None, false)?;
                SchemaBuilder::map(schemas::STRING.clone(), values)
            }
            (Some("object"), _) => {
                let properties = match place.get("properties") {
                    Some(Json::Object(own)) => own
                        .iter()
                        .map(|(name, json)| (name, place.inner(json)))
                        .collect(),
                    _ => Vec::new(),
                };
                self.fields(properties, &required_names(place))?
            }
            _ => return Err(unsupported(place)),
        })
    }

    /// A struct with fields in the order of their indices, those without one last.
    fn fields(
        &'a self,
        mut properties: Vec<(&'a String, Place<'a>)>,
        required: &[&str],
    ) -> Result<SchemaBuilder> {
        let index = |place: &Place<'_>| {
            place
                .get(CONNECT_INDEX)
                .and_then(Json::as_u64)
                .unwrap_or(u64::MAX)
        };
        properties.sort_by_key(|(_, place)| index(place));
        let mut builder = SchemaBuilder::structure();
        for (name, place) in properties {
            let optional =
                self.settings.optional_for_nonrequired && !required.contains(&name.as_str());
            builder = builder.field(name.as_str(), self.schema(place, None, optional)?);
        }
        Ok(builder)
    }

    fn symbols(&self, symbols: &[Json]) -> SchemaBuilder {
        let generalized = self.settings.generalized_sums;
        let name = if generalized { GENERALIZED_ENUM } else { ENUM };
        let mut builder = SchemaBuilder::string().parameter(name, "");
        for (index, symbol) in symbols.iter().enumerate() {
            let symbol = match symbol {
                Json::Null => NULL_MARKER.to_owned(),
                Json::String(text) => text.clone(),
                other => other.to_string(),
            };
            let value = if generalized {
                index.to_string()
            } else {
                symbol.clone()
            };
            builder = builder.parameter(format!("{name}.{symbol}"), value);
        }
        builder
    }

    fn finished(
        &self,
        mut builder: SchemaBuilder,
        place: Place<'_>,
        version: Option<i32>,
        optional: bool,
    ) -> Result<Arc<Schema>> {
        if builder.clone().build()?.name().is_none()
            && let Some(title) = place.text("title")
        {
            builder = builder.name(title);
        }
        let own = place.get(CONNECT_VERSION).and_then(Json::as_i64);
        let own = own.and_then(|version| i32::try_from(version).ok());
        if let Some(version) = own.or(version) {
            builder = builder.version(version);
        }
        if let Some(description) = place.text("description") {
            builder = builder.doc(description);
        }
        if let Some(Json::Object(parameters)) = place.get(CONNECT_PARAMETERS) {
            builder = with_parameters(builder, parameters);
        }
        if optional {
            builder = builder.optional();
        }
        if let Some(default) = place.get("default") {
            let so_far = builder.clone().build()?;
            let text = Bytes::from(default.to_string());
            let with = self
                .settings
                .decoder(&text)
                .read_value(&so_far)
                .map(|value| builder.clone().default_value(value));
            match with {
                Ok(with) if with.clone().build().is_ok() => builder = with,
                _ => tracing::warn!("Ignoring invalid default for schema {so_far}"),
            }
        }
        builder.build()
    }
}

fn with_parameters(mut builder: SchemaBuilder, parameters: &Map<String, Json>) -> SchemaBuilder {
    for (key, value) in parameters {
        let value = match value {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        builder = builder.parameter(key, value);
    }
    builder
}

fn required_names(place: Place<'_>) -> Vec<&str> {
    match place.get("required") {
        Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}
