//! Reads JSON messages of a fixed schema, and schemas, from any bytes. What follows a line feed is the
//! message of a schema before it.
#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sluice_plugins::schema_registry::codec::PayloadReader;

const SCHEMA: &str = concat!(
    r#"{"type":"object","properties":{"i":{"type":"integer","connect.type":"int32"},"#,
    r#""u":{"oneOf":[{"type":"null"},{"type":"string"},{"type":"object","properties":{"x":{"type":"number"}}}]},"#,
    r#""a":{"type":"array","items":{"type":"boolean"}},"b":{"type":"string","connect.type":"bytes"},"#,
    r#""m":{"type":"array","connect.type":"map","items":{"type":"object","properties":{"#,
    r#""key":{"type":"integer"},"value":{"type":"string"}}}}}}"#
);

static READER: LazyLock<Option<PayloadReader>> =
    LazyLock::new(|| sluice_plugins::json_schema::reader(&[], SCHEMA).ok());

fuzz_target!(|data: &[u8]| {
    let read = READER.as_ref().expect("the schema of this target");
    let _ = read(&Bytes::copy_from_slice(data));
    if let Some(end) = data.iter().position(|byte| *byte == b'\n')
        && let Ok(schema) = std::str::from_utf8(&data[..end])
        && let Ok(read) = sluice_plugins::json_schema::reader(&[], schema)
    {
        let _ = read(&Bytes::copy_from_slice(&data[end + 1..]));
    }
});
