//! Documents against the whole JSON Schema: patterns, ranges, lengths, formats.
//!
//! By `boon`, which holds draft 7 and loads nothing by itself; the class uses everit's library. The words of
//! a violation are boon's.

use boon::{Compiler, Draft, SchemaIndex, Schemas, UrlLoader};
use serde_json::Value as Json;
use sluice_api::causes::with_causes;
use sluice_api::{ConnectError, Result};

/// An address that leads nowhere: the schema's own.
const OWN: &str = "schema:///own";

/// A JSON Schema, compiled.
pub(super) struct Validation {
    schemas: Schemas,
    index: SchemaIndex,
}

struct Nothing;

impl UrlLoader for Nothing {
    fn load(&self, url: &str) -> std::result::Result<Json, Box<dyn std::error::Error>> {
        Err(format!("{url} is not part of the JSON Schema, and nothing else is loaded").into())
    }
}

impl Validation {
    pub(super) fn new(document: Json) -> std::result::Result<Self, String> {
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V7);
        compiler.enable_format_assertions();
        compiler.use_loader(Box::new(Nothing));
        let mut schemas = Schemas::new();
        let index = compiler
            .add_resource(OWN, document)
            .and_then(|()| compiler.compile(OWN, &mut schemas))
            .map_err(|why| format!("it is not a JSON Schema: {}", with_causes(&why)))?;
        Ok(Self { schemas, index })
    }

    /// The document of a text.
    ///
    /// # Errors
    /// It is not JSON, or violates the schema; then all violations.
    pub(super) fn document(&self, text: &[u8]) -> Result<Json> {
        let document: Json = serde_json::from_slice(text)
            .map_err(|why| ConnectError::data(format!("the text is not JSON: {why}")))?;
        self.schemas
            .validate(&document, self.index)
            .map_err(|violations| {
                ConnectError::data(format!("Could not validate JSON. {violations:#}"))
            })?;
        Ok(document)
    }
}
