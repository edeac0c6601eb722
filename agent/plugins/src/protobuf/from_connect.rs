//! Connect schemas to `.proto` text, as Confluent's `ProtobufData.fromConnectSchema` maps them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use sluice_api::{ConnectError, Result, Schema, SchemaType, logical};

use super::files::{DATE, DECIMAL, META, TIME, TIMESTAMP, WRAPPERS, WRAPPERS_TEXT};
use super::{
    CONNECT_TYPE, DECIMAL_PRECISION, ENUM, GENERALIZED_ENUM, GENERALIZED_UNION, Settings, TAG,
    TYPE, UNION_PREFIX, is_union,
};

/// Name of structs without one; a number follows.
const DEFAULT_NAME: &str = "ConnectDefault";

/// The full name of the message that a schema becomes.
pub(super) fn root_name(settings: Settings, schema: &Schema) -> String {
    if schema.schema_type() == SchemaType::Struct {
        let (package, name) = split(schema.name());
        let name = settings.name(name);
        return match package {
            Some(package) => format!("{package}.{name}"),
            None => name,
        };
    }
    format!("google.protobuf.{}", wrapper(schema))
}

fn split(name: Option<&str>) -> (Option<&str>, &str) {
    match name {
        None => (None, "ConnectDefault1"),
        Some(name) => match name.rsplit_once('.') {
            Some((package, name)) => (Some(package), name),
            None => (None, name),
        },
    }
}

/// The wrapper message of a primitive.
fn wrapper(schema: &Schema) -> &'static str {
    let unsigned = |name: &str| super::plan::parameter(schema, TYPE) == Some(name);
    match schema.schema_type() {
        SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32 => "Int32Value",
        SchemaType::Int64 if unsigned("uint32") || unsigned("fixed32") => "UInt32Value",
        SchemaType::Int64 if unsigned("uint64") || unsigned("fixed64") => "UInt64Value",
        SchemaType::Int64 => "Int64Value",
        SchemaType::Float32 => "FloatValue",
        SchemaType::Float64 => "DoubleValue",
        SchemaType::Boolean => "BoolValue",
        SchemaType::String => "StringValue",
        _ => "BytesValue",
    }
}

/// The text of a schema.
pub(super) fn proto_text(settings: Settings, schema: &Arc<Schema>) -> Result<String> {
    if schema.schema_type() != SchemaType::Struct {
        let is_plain = schema.schema_type().is_primitive() && !is_logical(schema);
        return if settings.wrapper_for_raw_primitives && is_plain {
            Ok(WRAPPERS_TEXT.to_owned())
        } else {
            Err(ConnectError::data(format!(
                "Unsupported root schema of type {}",
                schema.schema_type()
            )))
        };
    }
    let (package, name) = split(schema.name());
    let mut builder = Builder {
        settings,
        imports: BTreeSet::new(),
        // A root without name takes the first.
        unnamed: usize::from(schema.name().is_none()),
        depth: 0,
    };
    let name = settings.name(name);
    check(&name)?;
    let message = builder.message(&name, schema)?;
    let mut text = String::from("syntax = \"proto3\";\n");
    if let Some(package) = package {
        package.split('.').try_for_each(check)?;
        let _ = writeln!(text, "package {package};");
    }
    text.push('\n');
    for import in &builder.imports {
        let _ = writeln!(text, "import \"{import}\";");
    }
    if !builder.imports.is_empty() {
        text.push('\n');
    }
    text.push_str(&message);
    Ok(text)
}

fn is_logical(schema: &Schema) -> bool {
    matches!(
        schema.name(),
        Some(logical::DECIMAL | logical::DATE | logical::TIME | logical::TIMESTAMP)
    )
}

fn check(name: &str) -> Result<()> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.is_empty()
        && name.chars().all(is_fine)
        && !name.starts_with(|c: char| c.is_ascii_digit())
    {
        return Ok(());
    }
    Err(ConnectError::data(format!(
        "\"{name}\" is not a name in Protocol Buffers"
    )))
}

/// A message under construction.
#[derive(Default)]
struct Body {
    /// Names of inner messages and enums.
    types: BTreeSet<String>,
    inner: String,
    fields: String,
}

struct Builder {
    settings: Settings,
    imports: BTreeSet<&'static str>,
    unnamed: usize,
    depth: usize,
}

impl Builder {
    fn unqualified(&mut self, name: Option<&str>) -> String {
        let name = match name.filter(|name| !name.is_empty()) {
            Some(name) => name.rsplit('.').next().unwrap_or(name).to_owned(),
            None => {
                self.unnamed += 1;
                format!("{DEFAULT_NAME}{}", self.unnamed)
            }
        };
        self.settings.name(&name)
    }

    fn message(&mut self, name: &str, schema: &Arc<Schema>) -> Result<String> {
        self.depth += 1;
        let mut body = Body::default();
        let mut taken: BTreeSet<u32> = BTreeSet::new();
        let tag_of = |schema: &Schema| -> Result<Option<u32>> {
            super::plan::parameter(schema, TAG)
                .map(|tag| {
                    tag.parse()
                        .map_err(|_| ConnectError::data(format!("{TAG} is not a number: {tag}")))
                })
                .transpose()
        };
        let members = schema.fields().iter().flat_map(|field| {
            let inner = if is_union(field.schema()) {
                field.schema().fields()
            } else {
                std::slice::from_ref(field)
            };
            inner.iter()
        });
        for member in members {
            taken.extend(tag_of(member.schema())?);
        }
        let mut next = 1;
        let mut tag = |schema: &Schema| -> Result<u32> {
            if let Some(tag) = tag_of(schema)? {
                return Ok(tag);
            }
            while taken.contains(&next) {
                next += 1;
            }
            next += 1;
            Ok(next - 1)
        };
        for field in schema.fields() {
            if is_union(field.schema()) {
                let union = self.union_name(field.schema());
                check(&union)?;
                let mut members = String::new();
                for member in field.schema().fields() {
                    let number = tag(member.schema())?;
                    let name = self.settings.name(member.name());
                    let line = self.field(&mut body, &name, member.schema(), number, true)?;
                    let _ = writeln!(members, "    {line}");
                }
                let _ = writeln!(body.fields, "  oneof {union} {{\n{members}  }}");
            } else {
                let number = tag(field.schema())?;
                let name = self.settings.name(field.name());
                let line = self.field(&mut body, &name, field.schema(), number, false)?;
                let _ = writeln!(body.fields, "  {line}");
            }
        }
        self.depth -= 1;
        Ok(format!(
            "message {name} {{\n{}{}}}\n",
            body.fields,
            indented(&body.inner)
        ))
    }

    fn union_name(&mut self, schema: &Schema) -> String {
        let name = super::plan::parameter(schema, GENERALIZED_UNION)
            .or_else(|| schema.name()?.strip_prefix(UNION_PREFIX));
        self.unqualified(name)
    }

    fn field(
        &mut self,
        body: &mut Body,
        name: &str,
        schema: &Arc<Schema>,
        number: u32,
        is_member: bool,
    ) -> Result<String> {
        check(name)?;
        let is_list = schema.schema_type() == SchemaType::Array;
        let element = if is_list {
            known(schema.value_schema()?)?
        } else {
            schema
        };
        if is_list && matches!(element.schema_type(), SchemaType::Array | SchemaType::Map) {
            return Err(ConnectError::data("Array cannot be nested"));
        }
        if is_member && (is_list || schema.schema_type() == SchemaType::Map) {
            return Err(ConnectError::data(format!(
                "the member {name} of a oneof is a list or map, which Protocol Buffers do not have"
            )));
        }
        let mut parameters = Vec::new();
        let type_name = self.type_name(body, name, element, &mut parameters, is_member)?;
        let label = if is_list || schema.schema_type() == SchemaType::Map {
            "repeated "
        } else if self.settings.optional_for_nullables && schema.is_optional() && !is_member {
            "optional "
        } else {
            ""
        };
        let mut options = String::new();
        if !parameters.is_empty() {
            self.imports.insert(META);
            let parameters: Vec<String> = parameters
                .iter()
                .map(|(key, value)| format!("{{ key: \"{key}\", value: \"{value}\" }}"))
                .collect();
            options = format!(
                " [(confluent.field_meta) = {{ params: [{}] }}]",
                parameters.join(", ")
            );
        }
        Ok(format!("{label}{type_name} {name} = {number}{options};"))
    }

    fn type_name(
        &mut self,
        body: &mut Body,
        field: &str,
        schema: &Arc<Schema>,
        parameters: &mut Vec<(&'static str, String)>,
        is_member: bool,
    ) -> Result<String> {
        let mut imported = |file: &'static str, name: &str| {
            self.imports.insert(file);
            name.to_owned()
        };
        match schema.name() {
            Some(logical::DECIMAL) => {
                if let Some(precision) = super::plan::parameter(schema, DECIMAL_PRECISION) {
                    let precision: u32 = precision.parse().map_err(|_| {
                        ConnectError::data(format!(
                            "{DECIMAL_PRECISION} is not a number: {precision}"
                        ))
                    })?;
                    parameters.push(("precision", precision.to_string()));
                }
                parameters.push(("scale", logical::scale(schema)?.to_string()));
                return Ok(imported(DECIMAL, ".confluent.type.Decimal"));
            }
            Some(logical::DATE) => return Ok(imported(DATE, ".google.type.Date")),
            Some(logical::TIME) => return Ok(imported(TIME, ".google.type.TimeOfDay")),
            Some(logical::TIMESTAMP) => {
                return Ok(imported(TIMESTAMP, ".google.protobuf.Timestamp"));
            }
            _ => {}
        }
        match schema.schema_type() {
            SchemaType::Int8 => parameters.push((CONNECT_TYPE, "int8".to_owned())),
            SchemaType::Int16 => parameters.push((CONNECT_TYPE, "int16".to_owned())),
            _ => {}
        }
        if let Some(name) = self.enumeration(body, schema)? {
            return Ok(name);
        }
        if self.settings.wrapper_for_nullables
            && schema.is_optional()
            && schema.schema_type().is_primitive()
            && !is_member
        {
            self.imports.insert(WRAPPERS);
            return Ok(format!(".google.protobuf.{}", wrapper(schema)));
        }
        let own = super::plan::parameter(schema, TYPE);
        let integer = |allowed: &[&str], default: &str| {
            own.filter(|own| allowed.contains(own))
                .unwrap_or(default)
                .to_owned()
        };
        Ok(match schema.schema_type() {
            SchemaType::Int8 | SchemaType::Int16 => "int32".to_owned(),
            SchemaType::Int32 => integer(&["sint32", "sfixed32"], "int32"),
            SchemaType::Int64 => integer(
                &[
                    "uint32", "fixed32", "uint64", "sint64", "fixed64", "sfixed64",
                ],
                "int64",
            ),
            SchemaType::Float32 => "float".to_owned(),
            SchemaType::Float64 => "double".to_owned(),
            SchemaType::Boolean => "bool".to_owned(),
            SchemaType::String => "string".to_owned(),
            SchemaType::Bytes => "bytes".to_owned(),
            SchemaType::Map => self.map_entry(body, schema)?,
            SchemaType::Struct => {
                let mut name = self.unqualified(schema.name());
                if name == field {
                    name.push_str("Message");
                }
                check(&name)?;
                if body.types.insert(name.clone()) {
                    let text = self.message(&name, schema)?;
                    body.inner.push_str(&text);
                }
                name
            }
            SchemaType::Array => return Err(ConnectError::data("Array cannot be nested")),
        })
    }

    fn map_entry(&mut self, body: &mut Body, schema: &Schema) -> Result<String> {
        let name = format!("{}Entry", self.unqualified(schema.name()));
        check(&name)?;
        let mut entry = Body::default();
        let mut lines = String::new();
        for (part, inner, number) in [
            ("key", known(schema.key_schema()?)?, 1),
            ("value", known(schema.value_schema()?)?, 2),
        ] {
            if matches!(inner.schema_type(), SchemaType::Array | SchemaType::Map) {
                return Err(ConnectError::data(
                    "a map with lists or maps in it has no form in Protocol Buffers",
                ));
            }
            let line = self.field(&mut entry, part, inner, number, false)?;
            let _ = writeln!(lines, "  {line}");
        }
        if body.types.insert(name.clone()) {
            let _ = write!(
                body.inner,
                "message {name} {{\n{lines}{}}}\n",
                indented(&entry.inner)
            );
        }
        Ok(name)
    }

    fn enumeration(&mut self, body: &mut Body, schema: &Schema) -> Result<Option<String>> {
        let parameter = if self.settings.generalized_sums {
            GENERALIZED_ENUM
        } else {
            ENUM
        };
        let is_enum = matches!(schema.schema_type(), SchemaType::String | SchemaType::Int32)
            && super::plan::parameter(schema, parameter).is_some();
        if !is_enum {
            return Ok(None);
        }
        let name = self.unqualified(schema.name().or(super::plan::parameter(schema, parameter)));
        check(&name)?;
        if body.types.insert(name.clone()) {
            let prefix = format!("{parameter}.");
            let mut lines = String::new();
            for (key, value) in schema.parameters().into_iter().flatten() {
                if let Some(symbol) = key.strip_prefix(&prefix) {
                    check(symbol)?;
                    let number: i32 = value.parse().map_err(|_| {
                        ConnectError::data(format!("the number of the symbol {symbol} is {value}"))
                    })?;
                    let _ = writeln!(lines, "  {symbol} = {number};");
                }
            }
            let _ = write!(body.inner, "enum {name} {{\n{lines}}}\n");
        }
        Ok(Some(name))
    }
}

fn indented(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let _ = writeln!(out, "  {line}");
    }
    out
}

fn known(schema: Option<&Arc<Schema>>) -> Result<&Arc<Schema>> {
    schema.ok_or_else(|| ConnectError::data("schema of elements is not known"))
}
