//! Compiling `.proto` text, with the files that Confluent's registry brings along.

use std::collections::HashMap;

use base64::Engine as _;
use prost_reflect::FileDescriptor;
use protox::file::{File, FileResolver, GoogleFileResolver};
use sluice_api::{ConnectError, Result};

use crate::schema_registry::client::RegisteredSchema;

/// The name under which the schema itself is compiled.
const MAIN: &str = "schema.proto";

pub(super) const META: &str = "confluent/meta.proto";
pub(super) const DECIMAL: &str = "confluent/type/decimal.proto";
pub(super) const DATE: &str = "google/type/date.proto";
pub(super) const TIME: &str = "google/type/timeofday.proto";
pub(super) const TIMESTAMP: &str = "google/protobuf/timestamp.proto";
pub(super) const WRAPPERS: &str = "google/protobuf/wrappers.proto";

/// Confluent's and Google's types as far as wire and options go; numbers and types are those of the published
/// files.
const KNOWN: &[(&str, &str)] = &[
    (
        META,
        "syntax = \"proto3\"; package confluent; import \"google/protobuf/descriptor.proto\"; \
         message Meta { string doc = 1; map<string, string> params = 2; repeated string tags = 3; } \
         extend google.protobuf.FileOptions { Meta file_meta = 1088; } \
         extend google.protobuf.MessageOptions { Meta message_meta = 1088; } \
         extend google.protobuf.FieldOptions { Meta field_meta = 1088; } \
         extend google.protobuf.EnumOptions { Meta enum_meta = 1088; } \
         extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }",
    ),
    (
        DECIMAL,
        "syntax = \"proto3\"; package confluent.type; \
         message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }",
    ),
    (
        DATE,
        "syntax = \"proto3\"; package google.type; message Date \
         { int32 year = 1; int32 month = 2; int32 day = 3; }",
    ),
    (
        TIME,
        "syntax = \"proto3\"; package google.type; \
         message TimeOfDay { int32 hours = 1; int32 minutes = 2; int32 seconds = 3; int32 nanos = 4; }",
    ),
];

/// The text of Google's wrappers, as the schema of values that are no structs.
pub(super) const WRAPPERS_TEXT: &str = "syntax = \"proto3\";\npackage google.protobuf;\n\n\
    message DoubleValue {\n  double value = 1;\n}\nmessage FloatValue {\n  float value = 1;\n}\n\
    message Int64Value {\n  int64 value = 1;\n}\nmessage UInt64Value {\n  uint64 value = 1;\n}\n\
    message Int32Value {\n  int32 value = 1;\n}\nmessage UInt32Value {\n  uint32 value = 1;\n}\n\
    message BoolValue {\n  bool value = 1;\n}\nmessage StringValue {\n  string value = 1;\n}\n\
    message BytesValue {\n  bytes value = 1;\n}\n";

struct Resolver {
    files: HashMap<String, String>,
    google: GoogleFileResolver,
}

impl FileResolver for Resolver {
    fn open_file(&self, name: &str) -> std::result::Result<File, protox::Error> {
        if let Some(text) = self.files.get(name) {
            return open(name, text);
        }
        match KNOWN.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => File::from_source(name, text),
            None => self.google.open_file(name),
        }
    }
}

/// A file from its text, or from a compiled descriptor in base64, the form in which some clients register it.
fn open(name: &str, text: &str) -> std::result::Result<File, protox::Error> {
    let source = File::from_source(name, text);
    if source.is_err()
        && let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(text.trim())
        && let Ok(file) = File::decode_file_descriptor_proto(&bytes[..])
    {
        let mut proto = file.file_descriptor_proto().clone();
        proto.name = Some(name.to_owned());
        return Ok(File::from_file_descriptor_proto(proto));
    }
    source
}

/// Compiles a schema with what it refers to.
pub(super) fn compile(schema: &RegisteredSchema) -> Result<FileDescriptor> {
    let mut files: HashMap<String, String> = schema.references.iter().cloned().collect();
    files.insert(MAIN.to_owned(), schema.text.clone());
    let resolver = Resolver {
        files,
        google: GoogleFileResolver::new(),
    };
    let invalid =
        |reason: String| ConnectError::serialization(format!("invalid Protobuf schema: {reason}"));
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler
        .open_file(MAIN)
        .map_err(|error| invalid(error.to_string()))?;
    compiler
        .descriptor_pool()
        .get_file_by_name(MAIN)
        .ok_or_else(|| invalid("it is not in its own pool".to_owned()))
}
