//! Avro schemas as a graph of nodes, read from their JSON and written as Java's Avro writes it.
//!
//! Properties of every type are kept, since Connect's metadata stands in them; this is why the schemas of the
//! `apache-avro` crate, which has them on some types only, do not serve here.

use std::collections::HashMap;

use serde_json::Value as Json;
use sluice_api::{ConnectError, Result};

/// Index of a node in its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId(usize);

/// The type of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Avro's `null`, which takes no bytes.
    Null,
    /// One byte, 0 or 1.
    Boolean,
    /// 32 bits, written as [`write_long`](super::write_long) does.
    Int,
    /// 64 bits, written as [`write_long`](super::write_long) does.
    Long,
    /// 32 bits, little endian.
    Float,
    /// 64 bits, little endian.
    Double,
    /// Bytes behind their length.
    Bytes,
    /// Text in UTF-8 behind its length in bytes.
    String,
    /// Blocks of items of one type.
    Array(NodeId),
    /// Blocks of text keys with values of one type.
    Map(NodeId),
    /// The index of a member, then a value of it.
    Union(Vec<NodeId>),
    /// The values of its fields, in order.
    Record {
        /// Name with its namespace.
        name: Name,
        /// Text of `doc`, if there is one.
        doc: Option<String>,
        /// Its fields, in the order of the schema.
        fields: Vec<Field>,
    },
    /// The index of a symbol.
    Enum {
        /// Name with its namespace.
        name: Name,
        /// Text of `doc`, if there is one.
        doc: Option<String>,
        /// Symbols in the order of their numbers.
        symbols: Vec<String>,
        /// The symbol that readers take for one they do not know.
        default: Option<String>,
    },
    /// Bytes of one length.
    Fixed {
        /// Name with its namespace.
        name: Name,
        /// How many bytes a value has.
        size: usize,
    },
}

impl Kind {
    /// Avro's name of the type.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Bytes => "bytes",
            Self::String => "string",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Union(_) => "union",
            Self::Record { .. } => "record",
            Self::Enum { .. } => "enum",
            Self::Fixed { .. } => "fixed",
        }
    }

    /// The name of a record, enum or fixed.
    pub(super) fn name(&self) -> Option<&Name> {
        match self {
            Self::Record { name, .. } | Self::Enum { name, .. } | Self::Fixed { name, .. } => {
                Some(name)
            }
            _ => None,
        }
    }

    fn primitive(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "int" => Self::Int,
            "long" => Self::Long,
            "float" => Self::Float,
            "double" => Self::Double,
            "bytes" => Self::Bytes,
            "string" => Self::String,
            _ => return None,
        })
    }
}

/// A full name in its parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    /// Namespace of the name, without a dot at its end; empty for none.
    pub(super) namespace: String,
    pub(super) short: String,
}

impl Name {
    /// A name in a namespace, checked as Java's Avro does.
    pub(super) fn new(namespace: &str, short: &str) -> Result<Self> {
        check_name(short)?;
        if !namespace.is_empty() {
            namespace.split('.').try_for_each(check_name)?;
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            short: short.to_owned(),
        })
    }

    /// A name with dots, or one of the given namespace.
    fn resolve(text: &str, namespace: &str) -> Result<Self> {
        match text.rsplit_once('.') {
            Some((namespace, short)) => Self::new(namespace, short),
            None => Self::new(namespace, text),
        }
    }

    /// Namespace and name with a dot between.
    pub(super) fn full(&self) -> String {
        if self.namespace.is_empty() {
            self.short.clone()
        } else {
            format!("{}.{}", self.namespace, self.short)
        }
    }

    /// The shortest text that means this name within a namespace.
    fn within(&self, namespace: &str) -> String {
        if self.namespace == namespace && Kind::primitive(&self.short).is_none() {
            self.short.clone()
        } else {
            self.full()
        }
    }
}

/// Avro allows letters, digits and underscores, no digit first.
pub(super) fn check_name(name: &str) -> Result<()> {
    let mut chars = name.chars();
    let first = chars.next();
    let fine = first.is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_');
    if fine {
        return Ok(());
    }
    Err(ConnectError::data(if name.is_empty() {
        "Empty name".to_owned()
    } else {
        format!("Illegal character in: {name}")
    }))
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name within the record.
    pub name: String,
    /// The node of its type.
    pub node: NodeId,
    pub(super) doc: Option<String>,
    /// The value that readers take where data has none, as JSON.
    pub default: Option<Json>,
    pub(super) props: Vec<(String, Json)>,
}

/// A type with its properties, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Type with what belongs to it.
    pub kind: Kind,
    pub(super) props: Vec<(String, Json)>,
}

impl Node {
    /// The value of a property; `None` if the type does not have it.
    #[must_use]
    pub fn prop(&self, name: &str) -> Option<&Json> {
        self.props
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// A property that is text.
    pub(super) fn text_prop(&self, name: &str) -> Option<&str> {
        self.prop(name)?.as_str()
    }

    /// Adds a property; one that is there stays as it is.
    pub(super) fn add_prop(&mut self, name: &str, value: Json) {
        if self.prop(name).is_none() {
            self.props.push((name.to_owned(), value));
        }
    }
}

/// A schema; types that are used several times, or within themselves, are one node.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AvroSchema {
    nodes: Vec<Node>,
}

/// What a name may not be in JSON objects of types, so all else is a property.
const TYPE_KEYS: &[&str] = &[
    "type",
    "name",
    "namespace",
    "doc",
    "fields",
    "items",
    "values",
    "symbols",
    "size",
    "aliases",
];
const FIELD_KEYS: &[&str] = &["name", "type", "doc", "default", "order", "aliases"];

impl AvroSchema {
    /// Adds a node that has no properties yet.
    pub(super) fn add(&mut self, kind: Kind) -> NodeId {
        self.nodes.push(Node {
            kind,
            props: Vec::new(),
        });
        NodeId(self.nodes.len() - 1)
    }

    /// A node. Ids come from the same schema, so it is there.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// A node, to be changed.
    pub(super) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0]
    }

    /// Reads a schema with what it refers to; answers it with its root.
    ///
    /// # Errors
    /// Text that is no Avro schema.
    pub fn parse(text: &str, references: &[(String, String)]) -> Result<(Self, NodeId)> {
        let mut parser = Parser::default();
        for (name, text) in references {
            parser
                .text(text)
                .map_err(|cause| invalid(&format!("reference {name}")).caused_by(cause))?;
        }
        let root = parser
            .text(text)
            .map_err(|cause| invalid("schema").caused_by(cause))?;
        Ok((parser.schema, root))
    }

    /// The JSON of a node and everything in it.
    pub(super) fn to_json(&self, root: NodeId) -> Result<String> {
        let mut writer = Writer {
            schema: self,
            out: String::new(),
            written: HashMap::new(),
        };
        writer.node(root, "")?;
        Ok(writer.out)
    }
}

fn invalid(what: &str) -> ConnectError {
    ConnectError::serialization(format!("invalid Avro {what}"))
}

#[derive(Default)]
struct Parser {
    schema: AvroSchema,
    names: HashMap<String, NodeId>,
}

impl Parser {
    fn text(&mut self, text: &str) -> Result<NodeId> {
        // The registry may hold the bare name of a primitive type.
        let json = match Kind::primitive(text.trim()) {
            Some(_) => Json::String(text.trim().to_owned()),
            None => serde_json::from_str(text)
                .map_err(|error| ConnectError::serialization(error.to_string()))?,
        };
        self.node(&json, "")
    }

    fn node(&mut self, json: &Json, namespace: &str) -> Result<NodeId> {
        match json {
            Json::String(name) => self.named(name, namespace),
            Json::Array(members) => {
                let members = members
                    .iter()
                    .map(|member| self.node(member, namespace))
                    .collect::<Result<Vec<_>>>()?;
                if members
                    .iter()
                    .any(|id| matches!(self.schema.node(*id).kind, Kind::Union(_)))
                {
                    return Err(ConnectError::serialization("a union within a union"));
                }
                Ok(self.schema.add(Kind::Union(members)))
            }
            Json::Object(object) => self.object(object, namespace),
            other => Err(ConnectError::serialization(format!("no type: {other}"))),
        }
    }

    fn named(&mut self, name: &str, namespace: &str) -> Result<NodeId> {
        if let Some(kind) = Kind::primitive(name) {
            return Ok(self.schema.add(kind));
        }
        let in_namespace = if name.contains('.') || namespace.is_empty() {
            None
        } else {
            self.names.get(&format!("{namespace}.{name}"))
        };
        in_namespace
            .or_else(|| self.names.get(name))
            .copied()
            .ok_or_else(|| ConnectError::serialization(format!("\"{name}\" is not a defined name")))
    }

    fn object(
        &mut self,
        object: &serde_json::Map<String, Json>,
        namespace: &str,
    ) -> Result<NodeId> {
        let Some(kind) = object.get("type") else {
            return Err(ConnectError::serialization("no type"));
        };
        let Some(type_name) = kind.as_str() else {
            // {"type": {...}}: the inner type, with the outer properties added.
            let id = self.node(kind, namespace)?;
            return Ok(id);
        };
        let id = match type_name {
            "record" | "error" => return self.record(object, namespace),
            "enum" => {
                let symbols = texts(object, "symbols")?;
                let default = text(object, "default").map(str::to_owned);
                let name = self.defined_name(object, namespace)?;
                let full = name.full();
                let id = self.schema.add(Kind::Enum {
                    name,
                    doc: text(object, "doc").map(str::to_owned),
                    symbols,
                    default,
                });
                self.define(&full, id)?;
                id
            }
            "fixed" => {
                let size = object
                    .get("size")
                    .and_then(Json::as_u64)
                    .and_then(|size| usize::try_from(size).ok())
                    .ok_or_else(|| ConnectError::serialization("a fixed without size"))?;
                let name = self.defined_name(object, namespace)?;
                let full = name.full();
                let id = self.schema.add(Kind::Fixed { name, size });
                self.define(&full, id)?;
                id
            }
            "array" => {
                let items = self.member(object, "items", namespace)?;
                self.schema.add(Kind::Array(items))
            }
            "map" => {
                let values = self.member(object, "values", namespace)?;
                self.schema.add(Kind::Map(values))
            }
            other => {
                let id = self.named(other, namespace)?;
                if self.schema.node(id).kind.name().is_some() {
                    return Ok(id);
                }
                id
            }
        };
        let is_enum = matches!(self.schema.node(id).kind, Kind::Enum { .. });
        self.schema.node_mut(id).props = props(object, TYPE_KEYS, is_enum);
        Ok(id)
    }

    fn member(
        &mut self,
        object: &serde_json::Map<String, Json>,
        key: &str,
        namespace: &str,
    ) -> Result<NodeId> {
        match object.get(key) {
            Some(json) => self.node(json, namespace),
            None => Err(ConnectError::serialization(format!("no {key}"))),
        }
    }

    fn defined_name(
        &self,
        object: &serde_json::Map<String, Json>,
        namespace: &str,
    ) -> Result<Name> {
        let name = text(object, "name").unwrap_or_default();
        Name::resolve(name, text(object, "namespace").unwrap_or(namespace))
    }

    fn define(&mut self, full: &str, id: NodeId) -> Result<()> {
        if self.names.insert(full.to_owned(), id).is_some() {
            return Err(ConnectError::serialization(format!(
                "Can't redefine: {full}"
            )));
        }
        Ok(())
    }

    fn record(
        &mut self,
        object: &serde_json::Map<String, Json>,
        namespace: &str,
    ) -> Result<NodeId> {
        let name = self.defined_name(object, namespace)?;
        let (full, namespace) = (name.full(), name.namespace.clone());
        let id = self.schema.add(Kind::Record {
            name,
            doc: text(object, "doc").map(str::to_owned),
            fields: Vec::new(),
        });
        // Known before its fields are read, which may refer to it.
        self.define(&full, id)?;
        let list = object
            .get("fields")
            .and_then(Json::as_array)
            .ok_or_else(|| ConnectError::serialization("a record without fields"))?;
        let mut read = Vec::with_capacity(list.len());
        for field in list {
            let field = field
                .as_object()
                .ok_or_else(|| ConnectError::serialization("a field that is not an object"))?;
            let name = text(field, "name").unwrap_or_default();
            check_name(name)?;
            if read.iter().any(|other: &Field| other.name == name) {
                return Err(ConnectError::serialization(format!(
                    "field {name} is there twice"
                )));
            }
            read.push(Field {
                name: name.to_owned(),
                node: self.member(field, "type", &namespace)?,
                doc: text(field, "doc").map(str::to_owned),
                default: field.get("default").cloned(),
                props: props(field, FIELD_KEYS, false),
            });
        }
        let node = self.schema.node_mut(id);
        node.props = props(object, TYPE_KEYS, false);
        if let Kind::Record { fields, .. } = &mut node.kind {
            *fields = read;
        }
        Ok(id)
    }
}

fn text<'a>(object: &'a serde_json::Map<String, Json>, key: &str) -> Option<&'a str> {
    object.get(key)?.as_str()
}

fn texts(object: &serde_json::Map<String, Json>, key: &str) -> Result<Vec<String>> {
    object
        .get(key)
        .and_then(Json::as_array)
        .and_then(|list| {
            list.iter()
                .map(|one| one.as_str().map(str::to_owned))
                .collect()
        })
        .ok_or_else(|| ConnectError::serialization(format!("no {key}")))
}

fn props(
    object: &serde_json::Map<String, Json>,
    keys: &[&str],
    is_enum: bool,
) -> Vec<(String, Json)> {
    object
        .iter()
        .filter(|(key, _)| !(keys.contains(&key.as_str()) || is_enum && *key == "default"))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Writes JSON in the order of `Schema.toString` of Java's Avro.
struct Writer<'a> {
    schema: &'a AvroSchema,
    out: String,
    /// Full names that were written, and what they mean.
    written: HashMap<String, NodeId>,
}

impl Writer<'_> {
    fn text(&mut self, text: &str) {
        self.out.push_str(&Json::from(text).to_string());
    }

    fn key(&mut self, key: &str) {
        if !self.out.ends_with('{') {
            self.out.push(',');
        }
        self.text(key);
        self.out.push(':');
    }

    fn props(&mut self, props: &[(String, Json)]) {
        for (key, value) in props {
            self.key(key);
            self.out.push_str(&value.to_string());
        }
    }

    fn node(&mut self, id: NodeId, namespace: &str) -> Result<()> {
        let node = self.schema.node(id);
        if let Some(name) = node.kind.name() {
            match self.written.get(&name.full()) {
                Some(same) if *same == id => {
                    self.text(&name.within(namespace));
                    return Ok(());
                }
                Some(_) => {
                    return Err(ConnectError::data(format!(
                        "Can't redefine: {}",
                        name.full()
                    )));
                }
                None => {
                    self.written.insert(name.full(), id);
                }
            }
        }
        match &node.kind {
            Kind::Union(members) => {
                self.out.push('[');
                for (index, member) in members.iter().enumerate() {
                    if index > 0 {
                        self.out.push(',');
                    }
                    self.node(*member, namespace)?;
                }
                self.out.push(']');
                return Ok(());
            }
            Kind::Array(inner) | Kind::Map(inner) => {
                let is_array = matches!(node.kind, Kind::Array(_));
                self.out.push('{');
                self.key("type");
                self.text(node.kind.type_name());
                self.key(if is_array { "items" } else { "values" });
                self.node(*inner, namespace)?;
            }
            Kind::Record { name, doc, fields } => {
                self.head("record", name, doc.as_deref(), namespace);
                self.key("fields");
                self.out.push('[');
                for (index, field) in fields.iter().enumerate() {
                    if index > 0 {
                        self.out.push(',');
                    }
                    self.field(field, &name.namespace)?;
                }
                self.out.push(']');
            }
            Kind::Enum {
                name,
                doc,
                symbols,
                default,
            } => {
                self.head("enum", name, doc.as_deref(), namespace);
                self.key("symbols");
                self.out.push_str(&Json::from(symbols.clone()).to_string());
                if let Some(default) = default {
                    self.key("default");
                    self.text(default);
                }
            }
            Kind::Fixed { name, size } => {
                self.head("fixed", name, None, namespace);
                self.key("size");
                self.out.push_str(&size.to_string());
            }
            primitive if node.props.is_empty() => {
                self.text(primitive.type_name());
                return Ok(());
            }
            primitive => {
                self.out.push('{');
                self.key("type");
                self.text(primitive.type_name());
            }
        }
        self.props(&node.props);
        self.out.push('}');
        Ok(())
    }

    fn head(&mut self, kind: &str, name: &Name, doc: Option<&str>, namespace: &str) {
        self.out.push('{');
        self.key("type");
        self.text(kind);
        self.key("name");
        self.text(&name.short);
        if name.namespace != namespace {
            self.key("namespace");
            self.text(&name.namespace);
        }
        if let Some(doc) = doc {
            self.key("doc");
            self.text(doc);
        }
    }

    fn field(&mut self, field: &Field, namespace: &str) -> Result<()> {
        self.out.push('{');
        self.key("name");
        self.text(&field.name);
        self.key("type");
        self.node(field.node, namespace)?;
        if let Some(doc) = &field.doc {
            self.key("doc");
            self.text(doc);
        }
        if let Some(default) = &field.default {
            self.key("default");
            self.out.push_str(&default.to_string());
        }
        self.props(&field.props);
        self.out.push('}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> String {
        let (schema, root) = AvroSchema::parse(text, &[]).unwrap();
        schema.to_json(root).unwrap()
    }

    #[test]
    fn a_schema_is_written_as_it_was_read() {
        for text in [
            r#""int""#,
            r#"{"type":"int","connect.type":"int8"}"#,
            r#"["null",{"type":"array","items":"string"}]"#,
            concat!(
                r#"{"type":"record","name":"Tree","namespace":"com.a","doc":"d","fields":["#,
                r#"{"name":"next","type":["null","Tree"],"default":null},"#,
                r#"{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"],"default":"A"},"#,
                r#""doc":"x","p":1},"#,
                r#"{"name":"f","type":{"type":"fixed","name":"F","namespace":"com.b","size":4,"#,
                r#""logicalType":"decimal"}},"#,
                r#"{"name":"again","type":{"type":"map","values":"com.b.F"}}],"connect.name":"com.a.Tree"}"#
            ),
        ] {
            assert_eq!(again(text), text);
        }
    }

    #[test]
    fn references_are_known_by_name() {
        let other = r#"{"type":"record","name":"Other","namespace":"com","fields":[]}"#;
        let text = r#"{"type":"record","name":"R","namespace":"com","fields":[{"name":"o","type":"Other"}]}"#;
        assert!(AvroSchema::parse(text, &[]).is_err());
        let references = [("com.Other".to_owned(), other.to_owned())];
        let (schema, root) = AvroSchema::parse(text, &references).unwrap();
        assert!(schema.to_json(root).unwrap().contains(r#""name":"Other""#));
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        for text in [
            "",
            "{}",
            "7",
            r#""no.such""#,
            r#"[["int"]]"#,
            r#"{"type":"record","name":"a-b","fields":[]}"#,
            r#"{"type":"record","name":"R"}"#,
            r#"{"type":"fixed","name":"F"}"#,
            r#"[{"type":"fixed","name":"F","size":1},{"type":"fixed","name":"F","size":2}]"#,
        ] {
            assert!(AvroSchema::parse(text, &[]).is_err(), "{text}");
        }
    }
}
