//! The page of the telemetry topic, read from the source of the records' types: their fields, what serde makes
//! of these, and their comments. An attribute or a type that is not known here fails the test.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use syn::{
    Attribute, Expr, Field, Fields, GenericArgument, Item, Lit, Meta, PathArguments, Type, Variant,
};

use super::{cell, code};

/// What serde is asked for on a field, a variant or a type.
#[derive(Default)]
struct Serde {
    flatten: bool,
    rename: Option<String>,
    /// The field is left out where it is empty, `None` or false.
    skips: bool,
    other: bool,
    tag: Option<String>,
}

impl Serde {
    fn of(attributes: &[Attribute]) -> Self {
        let mut serde = Self::default();
        for attribute in attributes.iter().filter(|one| one.path().is_ident("serde")) {
            let read = attribute.parse_nested_meta(|meta| {
                let name = meta.path.require_ident()?.to_string();
                let value = meta.value().and_then(|value| value.parse::<syn::LitStr>());
                let value = value.map(|text| text.value()).ok();
                match name.as_str() {
                    "default" | "transparent" => {}
                    "rename_all" => assert_eq!(value.as_deref(), Some("snake_case")),
                    "flatten" => serde.flatten = true,
                    "other" => serde.other = true,
                    "skip_serializing_if" => serde.skips = true,
                    "rename" => serde.rename = value,
                    "tag" => serde.tag = value,
                    other => panic!("serde({other}) is not known to the reference"),
                }
                Ok(())
            });
            read.unwrap();
        }
        serde
    }
}

/// The comment of an item, without links that lead into the code, and with JSON's word for nothing.
fn comment(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes {
        if let Meta::NameValue(pair) = &attribute.meta
            && pair.path.is_ident("doc")
            && let Expr::Lit(text) = &pair.value
            && let Lit::Str(text) = &text.lit
        {
            lines.push(
                text.value()
                    .trim_end()
                    .strip_prefix(' ')
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
    }
    lines
        .join("\n")
        .replace("[`", "`")
        .replace("`]", "`")
        .replace("`None`", "`null`")
}

/// `TaskState` as `rename_all = "snake_case"` writes it.
fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

struct Source {
    introduction: String,
    /// The items of the page, in the sequence of the file.
    items: Vec<Item>,
    /// Items of other files, whose fields stand in records.
    others: Vec<Item>,
}

impl Source {
    fn read() -> Self {
        let file = |name: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../protocol/src")
                .join(name);
            let text = fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            syn::parse_file(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        let telemetry = file("telemetry.rs");
        Self {
            introduction: comment(&telemetry.attrs),
            items: telemetry.items,
            others: file("group.rs")
                .items
                .into_iter()
                .chain(file("ids.rs").items)
                .collect(),
        }
    }

    fn struct_of(&self, name: &str) -> &Fields {
        let found = self
            .items
            .iter()
            .chain(&self.others)
            .find_map(|item| match item {
                Item::Struct(item) if item.ident == name => Some(&item.fields),
                _ => None,
            });
        found.unwrap_or_else(|| panic!("no struct {name} in the protocol"))
    }

    fn has(&self, name: &str) -> bool {
        self.items.iter().any(|item| match item {
            Item::Struct(item) => item.ident == name,
            Item::Enum(item) => item.ident == name,
            _ => false,
        })
    }

    /// A type as JSON shows it.
    fn json(&self, kind: &Type) -> String {
        let Type::Path(path) = kind else {
            panic!("a type that is not a path is not known to the reference");
        };
        let last = path.path.segments.last().unwrap();
        let inner: Vec<String> = match &last.arguments {
            PathArguments::AngleBracketed(arguments) => arguments
                .args
                .iter()
                .map(|argument| match argument {
                    GenericArgument::Type(kind) => self.json(kind),
                    _ => panic!("an argument of {} is not a type", last.ident),
                })
                .collect(),
            _ => Vec::new(),
        };
        match (last.ident.to_string().as_str(), inner.as_slice()) {
            ("Option", [inner]) => format!("{inner} or null"),
            ("Vec", [inner]) => format!("list of {inner}"),
            ("Box", [inner]) => inner.clone(),
            ("IndexMap", [key, value]) => format!("object from {key} to {value}"),
            ("JsonObject", []) => "object".to_owned(),
            ("bool", []) => "boolean".to_owned(),
            ("u32" | "u64" | "i32" | "Generation" | "Offset", []) => "integer".to_owned(),
            ("f64", []) => "number".to_owned(),
            ("Millis", []) => "integer, ms since the epoch".to_owned(),
            ("String" | "WorkerId" | "MemberId" | "ConnectorName" | "TopicName", []) => {
                "text".to_owned()
            }
            ("State", []) => "text, as `RUNNING`".to_owned(),
            ("ConnectorType", []) => "text, `source` or `sink`".to_owned(),
            ("ConnectorTaskId" | "Work", []) => self.object(&last.ident.to_string()),
            (name, []) if self.has(name) => format!("[{name}](#{})", name.to_lowercase()),
            (name, _) => panic!("the type {name} is not known to the reference"),
        }
    }

    /// A small object of another file, by the names of its fields.
    fn object(&self, name: &str) -> String {
        let fields = self
            .struct_of(name)
            .iter()
            .filter_map(|field| field.ident.as_ref());
        let names: Vec<String> = fields.map(|name| code(&name.to_string())).collect();
        format!("object of {}", names.join(" and "))
    }

    fn rows(&self, fields: &Fields, text: &mut String) {
        for field in fields {
            let serde = Serde::of(&field.attrs);
            if serde.flatten {
                self.flattened(field, text);
                continue;
            }
            let name = serde
                .rename
                .or_else(|| field.ident.as_ref().map(ToString::to_string))
                .unwrap();
            let kind = self.json(&field.ty);
            let kind = if serde.skips {
                format!(
                    "{}; left out where there is none",
                    kind.trim_end_matches(" or null")
                )
            } else {
                kind
            };
            let meaning = cell(&comment(&field.attrs));
            writeln!(text, "| {} | {kind} | {meaning} |", code(&name)).unwrap();
        }
    }

    /// Fields of another type that stand among those of this one.
    fn flattened(&self, field: &Field, text: &mut String) {
        let Type::Path(path) = &field.ty else {
            panic!("a flattened field that is not a path");
        };
        let name = path.path.segments.last().unwrap().ident.to_string();
        let tagged = self.items.iter().find_map(|item| match item {
            Item::Enum(item) if item.ident == name => Serde::of(&item.attrs).tag,
            _ => None,
        });
        match tagged {
            Some(tag) => {
                let link = format!("[{name}](#{})", name.to_lowercase());
                let meaning = cell(&comment(&field.attrs));
                writeln!(text, "| {} | {link} | {meaning} |", code(&tag)).unwrap();
            }
            None => self.rows(self.struct_of(&name), text),
        }
    }

    fn variants<'a>(&self, variants: impl IntoIterator<Item = &'a Variant>, text: &mut String) {
        for variant in variants {
            let serde = Serde::of(&variant.attrs);
            let value = match serde.rename {
                _ if serde.other => "anything else".to_owned(),
                Some(name) => code(&name),
                None => code(&snake_case(&variant.ident.to_string())),
            };
            let meaning = cell(&comment(&variant.attrs));
            match &variant.fields {
                Fields::Unit => writeln!(text, "- {value}: {meaning}").unwrap(),
                Fields::Unnamed(fields) => {
                    let fields = self.json(&fields.unnamed[0].ty);
                    writeln!(text, "- {value}, with the fields of {fields}: {meaning}").unwrap();
                }
                Fields::Named(_) => {
                    writeln!(text, "- {value}: {meaning}\n\n{HEAD}").unwrap();
                    self.rows(&variant.fields, text);
                    text.push('\n');
                }
            }
        }
    }
}

const HEAD: &str = "| field | type | meaning |\n|---|---|---|";

/// What stands above the types, and their tables.
pub(super) fn page() -> (String, String) {
    let source = Source::read();
    let mut text = String::new();
    for item in &source.items {
        match item {
            Item::Struct(item) if item.fields.iter().all(|field| field.ident.is_some()) => {
                write!(
                    text,
                    "\n## {}\n\n{}\n\n{HEAD}\n",
                    item.ident,
                    comment(&item.attrs)
                )
                .unwrap();
                source.rows(&item.fields, &mut text);
            }
            Item::Enum(item) => {
                let tag = Serde::of(&item.attrs).tag;
                let tag = tag.map_or_else(
                    || "One of the texts".to_owned(),
                    |tag| format!("By {}", code(&tag)),
                );
                write!(
                    text,
                    "\n## {}\n\n{}\n\n{tag}:\n\n",
                    item.ident,
                    comment(&item.attrs)
                )
                .unwrap();
                source.variants(&item.variants, &mut text);
            }
            _ => {}
        }
    }
    while text.contains("\n\n\n") {
        text = text.replace("\n\n\n", "\n\n");
    }
    (wrapped(&source.introduction), wrapped(&text))
}

/// Columns of prose in the documents; comments of the code have more.
const COLUMNS: usize = 100;

/// Paragraphs and items of lists in new lines; tables and headings stay as they are.
fn wrapped(text: &str) -> String {
    let mut blocks: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        let fixed = line.is_empty() || line.starts_with(['|', '#']);
        let item = line.starts_with("* ") || line.starts_with("- ");
        match blocks.last_mut() {
            Some(block) if open && !fixed && !item => {
                block.push(' ');
                block.push_str(line.trim());
            }
            _ => blocks.push(line.to_owned()),
        }
        open = !fixed;
    }
    let lines: Vec<String> = blocks.iter().map(|block| filled(block)).collect();
    let end = if text.ends_with('\n') { "\n" } else { "" };
    lines.join("\n") + end
}

/// A block in lines of at most [`COLUMNS`], those of an item but the first behind two blanks.
fn filled(block: &str) -> String {
    if block.starts_with(['|', '#']) {
        return block.to_owned();
    }
    let indent = if block.starts_with(['*', '-']) {
        "  "
    } else {
        ""
    };
    let mut text = String::new();
    let mut column = 0;
    for word in block.split(' ') {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > COLUMNS {
            text.push('\n');
            text.push_str(indent);
            column = indent.len();
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text
}
