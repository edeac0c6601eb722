//! Names that Confluent's `AvroData` gives to things.

use std::borrow::Cow;

use sluice_api::{Schema, SchemaType};

pub(super) const NAMESPACE: &str = "io.confluent.connect.avro";
pub(super) const DEFAULT_SCHEMA_NAME: &str = "ConnectDefault";
pub(super) const DEFAULT_SCHEMA_FULL_NAME: &str = "io.confluent.connect.avro.ConnectDefault";
pub(super) const MAP_ENTRY: &str = "MapEntry";
pub(super) const KEY_FIELD: &str = "key";
pub(super) const VALUE_FIELD: &str = "value";
pub(super) const ANYTHING: &str = "Anything";

pub(super) const CONNECT_NAME: &str = "connect.name";
pub(super) const CONNECT_DOC: &str = "connect.doc";
pub(super) const CONNECT_RECORD_DOC: &str = "connect.record.doc";
pub(super) const CONNECT_ENUM_DOC: &str = "connect.enum.doc";
pub(super) const CONNECT_VERSION: &str = "connect.version";
pub(super) const CONNECT_DEFAULT: &str = "connect.default";
pub(super) const CONNECT_PARAMETERS: &str = "connect.parameters";
pub(super) const CONNECT_INTERNAL_TYPE: &str = "connect.internal.type";
pub(super) const CONNECT_TYPE: &str = "connect.type";
pub(super) const RECORD_DOC: &str = "io.confluent.connect.avro.record.doc";
pub(super) const ENUM_DOC_PREFIX: &str = "io.confluent.connect.avro.enum.doc.";
pub(super) const FIELD_DOC_PREFIX: &str = "io.confluent.connect.avro.field.doc.";
pub(super) const FIELD_DEFAULT_FLAG: &str = "io.confluent.connect.avro.field.default";
pub(super) const ENUM_DEFAULT_PREFIX: &str = "io.confluent.connect.avro.enum.default.";
pub(super) const UNION: &str = "io.confluent.connect.avro.Union";
pub(super) const ENUM: &str = "io.confluent.connect.avro.Enum";
pub(super) const GENERALIZED_UNION: &str = "org.apache.kafka.connect.data.Union";
pub(super) const GENERALIZED_ENUM: &str = "org.apache.kafka.connect.data.Enum";
pub(super) const GENERALIZED_UNION_PREFIX: &str = "connect_union_";
pub(super) const GENERALIZED_FIELD_PREFIX: &str = "connect_union_field_";

pub(super) const AVRO_PROP: &str = "avro";
pub(super) const LOGICAL_TYPE: &str = "logicalType";
pub(super) const SCALE: &str = "scale";
pub(super) const PRECISION: &str = "precision";
pub(super) const FIXED_SIZE: &str = "connect.fixed.size";
pub(super) const DECIMAL_PRECISION: &str = "connect.decimal.precision";
pub(super) const DEFAULT_PRECISION: i32 = 64;

/// A parameter of a schema.
pub(super) fn parameter<'a>(schema: &'a Schema, name: &str) -> Option<&'a str> {
    schema.parameters()?.get(name).map(String::as_str)
}

/// Whether a struct stands for a union (`AvroData.isUnionSchema`).
pub(super) fn is_union(schema: &Schema) -> bool {
    schema.schema_type() == SchemaType::Struct
        && (schema.name() == Some(UNION) || parameter(schema, GENERALIZED_UNION).is_some())
}

/// Whether a text stands for an enum.
pub(super) fn is_enum(schema: &Schema) -> bool {
    schema.schema_type() == SchemaType::String
        && (parameter(schema, GENERALIZED_ENUM).is_some() || parameter(schema, ENUM).is_some())
}

/// The size of bytes that stand for an Avro fixed (`AvroData.isFixedSchema`).
pub fn fixed_size(schema: &Schema) -> Option<&str> {
    if schema.schema_type() == SchemaType::Bytes && schema.name().is_some() {
        parameter(schema, FIXED_SIZE)
    } else {
        None
    }
}

/// A name made of what Avro allows (`scrub.invalid.names`): URL-encoded, other characters and `%` become `_`,
/// a leading digit gets an `x` before it.
pub(super) fn scrub(name: &str) -> Cow<'_, str> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty()
        || (name.chars().all(is_fine) && !name.starts_with(|c: char| c.is_ascii_digit()))
    {
        return Cow::Borrowed(name);
    }
    let mut scrubbed = String::with_capacity(name.len() + 8);
    for c in name.chars() {
        match c {
            c if is_fine(c) => scrubbed.push(c),
            // What URLEncoder leaves as it is, or makes one character of.
            '.' | '-' | '*' | ' ' => scrubbed.push('_'),
            c => {
                let mut utf8 = [0; 4];
                for byte in c.encode_utf8(&mut utf8).bytes() {
                    scrubbed.push_str(&format!("_{byte:02X}"));
                }
            }
        }
    }
    if scrubbed.starts_with(|c: char| c.is_ascii_digit()) {
        scrubbed.insert(0, 'x');
    }
    Cow::Owned(scrubbed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_scrubbed_as_by_java() {
        for (name, scrubbed) in [
            ("plain_1", "plain_1"),
            ("a-b", "a_b"),
            ("a b", "a_b"),
            ("1st", "x1st"),
            ("a/b", "a_2Fb"),
            ("é", "_C3_A9"),
            ("", ""),
        ] {
            assert_eq!(scrub(name), scrubbed);
        }
    }
}
