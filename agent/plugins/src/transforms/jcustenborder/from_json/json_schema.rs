//! A JSON Schema as Connect schemas, with what the reader has to know of each place.
//!
//! `FromJsonSchemaConverterFactory` and the converters beside it, on what everit's loader makes of the text.

use std::sync::Arc;

use serde_json::Value as Json;
use sluice_api::{Schema, SchemaBuilder, logical};

use super::date_pattern::DatePattern;

type Result<T> = std::result::Result<T, String>;

/// Schemas within schemas beyond this are refused.
const MAX_DEPTH: usize = 100;
/// Places of a schema at most: references can repeat each other.
const MAX_NODES: usize = 100_000;
/// Digits after the point at most.
const MAX_SCALE: i32 = 1_000;

/// One place: its Connect schema, and how its JSON is read.
#[derive(Debug)]
pub(super) struct Node {
    schema: Arc<Schema>,
    shape: Shape,
}

#[derive(Debug)]
pub(super) enum Shape {
    Boolean,
    Text,
    Integer,
    Float,
    Date,
    Time,
    Timestamp,
    CustomTimestamp(DatePattern),
    Base64,
    /// A decimal with this scale.
    Decimal(i32),
    Array(Box<Node>),
    /// The fields, in the order of the schema's.
    Object(Vec<Node>),
}

impl Node {
    pub(super) fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }
}

/// The root of a JSON Schema.
///
/// # Errors
/// What Connect has no schema for, with its place.
pub(super) fn node(document: &Json, excluded: &[String]) -> Result<Node> {
    let mut loader = Loader {
        document,
        id: document
            .get("$id")
            .and_then(Json::as_str)
            .unwrap_or_default(),
        excluded,
        nodes: 0,
    };
    let root = Place {
        json: document,
        location: "#".to_owned(),
        depth: 0,
    };
    loader.node(root, false)
}

/// A schema within the document, and the JSON pointer to it.
struct Place<'a> {
    json: &'a Json,
    location: String,
    depth: usize,
}

impl<'a> Place<'a> {
    fn inner(&self, path: &[&str], json: &'a Json) -> Self {
        let mut location = self.location.clone();
        for step in path {
            location.push('/');
            location.push_str(&step.replace('~', "~0").replace('/', "~1"));
        }
        Self {
            json,
            location,
            depth: self.depth + 1,
        }
    }

    fn get(&self, key: &str) -> Option<&'a Json> {
        self.json.get(key)
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.get(key)?.as_str()
    }

    fn unsupported(&self, why: &str) -> String {
        format!("{why}, at {}", self.location)
    }
}

struct Loader<'a> {
    document: &'a Json,
    /// The document's own address, with which references may begin.
    id: &'a str,
    excluded: &'a [String],
    nodes: usize,
}

impl<'a> Loader<'a> {
    fn node(&mut self, place: Place<'a>, optional: bool) -> Result<Node> {
        self.nodes += 1;
        if place.depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return Err(place.unsupported("the schema is nested too deeply, or refers to itself"));
        }
        if let Some(reference) = place.text("$ref") {
            let referred = self.referred(&place, reference)?;
            return self.node(referred, optional);
        }
        let description = place.text("description");
        let (place, kind) = self.only_choice(place)?;
        let (builder, shape) = self.builder(&place, kind)?;
        let mut builder = match description {
            Some(text) if !text.is_empty() => builder.doc(text),
            _ => builder,
        };
        if optional {
            builder = builder.optional();
        }
        let schema = builder
            .build()
            .map_err(|why| place.unsupported(&why.to_string()))?;
        Ok(Node { schema, shape })
    }

    /// Where a reference leads, in this document.
    fn referred(&self, place: &Place<'a>, reference: &str) -> Result<Place<'a>> {
        let (address, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        if !address.is_empty() && address != self.id.trim_end_matches('#') {
            let why =
                format!("the reference {reference} leads to another document, which is not loaded");
            return Err(place.unsupported(&why));
        }
        let json = self.document.pointer(pointer).ok_or_else(|| {
            place.unsupported(&format!("the reference {reference} leads nowhere"))
        })?;
        Ok(Place {
            json,
            location: format!("#{pointer}"),
            depth: place.depth + 1,
        })
    }

    /// The type of a place, and the place it is described at: that itself, or the only one of several choices
    /// that is not null.
    fn only_choice(&mut self, place: Place<'a>) -> Result<(Place<'a>, &'a str)> {
        let several = || "more than one choice for schemas that are not null";
        for criterion in ["oneOf", "anyOf", "allOf"] {
            let Some(Json::Array(members)) = place.get(criterion) else {
                continue;
            };
            if place.get("type").is_some_and(|kind| kind != "null") {
                return Err(place.unsupported(several()));
            }
            let is_null = |member: &&Json| member.get("type").is_some_and(|kind| kind == "null");
            let mut others = members
                .iter()
                .enumerate()
                .filter(|(_, member)| !is_null(member));
            let (Some((index, only)), None) = (others.next(), others.next()) else {
                return Err(place.unsupported(several()));
            };
            let mut inner = place.inner(&[criterion, &index.to_string()], only);
            while let Some(reference) = inner.text("$ref") {
                if inner.depth > MAX_DEPTH {
                    return Err(inner.unsupported("the schema refers to itself"));
                }
                inner = self.referred(&inner, reference)?;
            }
            if inner.depth > MAX_DEPTH {
                return Err(inner.unsupported("the schema is nested too deeply"));
            }
            return self.only_choice(inner);
        }
        let kind = match place.get("type") {
            Some(Json::String(kind)) => kind.as_str(),
            Some(Json::Array(kinds)) => {
                let mut others = kinds
                    .iter()
                    .filter_map(Json::as_str)
                    .filter(|kind| *kind != "null");
                match (others.next(), others.next()) {
                    (Some(only), None) => only,
                    _ => return Err(place.unsupported(several())),
                }
            }
            _ => implied(place.json)
                .ok_or_else(|| place.unsupported("a schema without a type is not supported"))?,
        };
        Ok((place, kind))
    }

    fn builder(&mut self, place: &Place<'a>, kind: &str) -> Result<(SchemaBuilder, Shape)> {
        Ok(match kind {
            "boolean" => (SchemaBuilder::boolean(), Shape::Boolean),
            "integer" => (SchemaBuilder::int64(), Shape::Integer),
            "number" => (SchemaBuilder::float64(), Shape::Float),
            "string" => text(place)?,
            "array" => {
                let items = match place.get("items") {
                    Some(items @ Json::Object(_)) => place.inner(&["items"], items),
                    _ => {
                        let why = "an array needs one schema in items, for all of its elements";
                        return Err(place.unsupported(why));
                    }
                };
                let item = self.node(items, false)?;
                (
                    SchemaBuilder::array(Arc::clone(&item.schema)),
                    Shape::Array(Box::new(item)),
                )
            }
            "object" => self.object(place)?,
            other => return Err(place.unsupported(&format!("the type {other} is not supported"))),
        })
    }

    fn object(&mut self, place: &Place<'a>) -> Result<(SchemaBuilder, Shape)> {
        let required: Vec<&str> = match place.get("required") {
            Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).collect(),
            _ => Vec::new(),
        };
        let properties = place.get("properties").and_then(Json::as_object);
        let mut sorted: Vec<(&String, &Json)> = properties.into_iter().flatten().collect();
        sorted.retain(|(name, _)| *name != "$schema");
        // In Java's order of texts.
        sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
        let mut builder = SchemaBuilder::structure();
        if let Some(name) = name(place) {
            builder = builder.name(name);
        }
        let mut fields = Vec::with_capacity(sorted.len());
        for (name, json) in sorted {
            let property = place.inner(&["properties", name], json);
            if self.excluded.contains(&property.location) {
                continue;
            }
            let field = self.node(property, !required.contains(&name.as_str()))?;
            builder = builder.field(name.as_str(), Arc::clone(&field.schema));
            fields.push(field);
        }
        Ok((builder, Shape::Object(fields)))
    }
}

/// The type that everit's loader concludes from the keywords of a schema that gives none.
fn implied(json: &Json) -> Option<&'static str> {
    const KEYWORDS: [(&str, &[&str]); 4] = [
        ("string", &["minLength", "maxLength", "pattern", "format"]),
        (
            "array",
            &[
                "items",
                "additionalItems",
                "minItems",
                "maxItems",
                "uniqueItems",
                "contains",
            ],
        ),
        (
            "object",
            &[
                "properties",
                "required",
                "minProperties",
                "maxProperties",
                "dependencies",
                "patternProperties",
                "additionalProperties",
                "propertyNames",
            ],
        ),
        (
            "number",
            &[
                "minimum",
                "maximum",
                "multipleOf",
                "exclusiveMinimum",
                "exclusiveMaximum",
            ],
        ),
    ];
    let has = |keyword: &&str| json.get(*keyword).is_some();
    let (kind, _) = KEYWORDS
        .iter()
        .find(|(_, keywords)| keywords.iter().any(&has))?;
    Some(kind)
}

/// A text, or what its format makes of it.
fn text(place: &Place<'_>) -> Result<(SchemaBuilder, Shape)> {
    let format = place.text("format");
    let encoding = place.text("contentEncoding");
    Ok(match (format, encoding) {
        (None, Some("base64")) => (SchemaBuilder::bytes(), Shape::Base64),
        (Some("date"), None) => (logical::date_builder(), Shape::Date),
        (Some("time"), None) => (logical::time_builder(), Shape::Time),
        (Some("date-time"), None) => (logical::timestamp_builder(), Shape::Timestamp),
        (Some("custom-timestamp"), None) => {
            let pattern = place
                .text("dateTimeFormat")
                .ok_or_else(|| place.unsupported("dateTimeFormat is missing"))?;
            let parsed = DatePattern::parse(pattern)
                .map_err(|why| place.unsupported(&format!("dateTimeFormat {pattern}: {why}")))?;
            let builder = logical::timestamp_builder().parameter("dateFormat", pattern);
            (builder, Shape::CustomTimestamp(parsed))
        }
        (Some("decimal"), None) => {
            let scale = match place.get("scale") {
                Some(Json::Number(number)) => {
                    number.as_i64().and_then(|scale| i32::try_from(scale).ok())
                }
                Some(Json::String(text)) => text.parse().ok(),
                _ => None,
            };
            let scale = scale
                .filter(|scale| scale.abs() <= MAX_SCALE)
                .ok_or_else(|| place.unsupported("a decimal needs its scale, a whole number"))?;
            (logical::decimal_builder(scale), Shape::Decimal(scale))
        }
        _ => (SchemaBuilder::string(), Shape::Text),
    })
}

/// The name of an object's schema: the words of its title, else of its place.
fn name(place: &Place<'_>) -> Option<String> {
    let title = place.text("title").filter(|title| !title.is_empty());
    let words: Vec<&str> = title
        .unwrap_or(&place.location)
        .split(['#', '\\', '/', '.'])
        .filter(|word| !word.is_empty())
        .collect();
    (!words.is_empty()).then(|| words.join("."))
}
