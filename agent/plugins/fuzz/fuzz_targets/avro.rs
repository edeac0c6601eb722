//! Reads Avro messages of a fixed schema, and schemas, from any bytes. What follows a line feed is the
//! message of a schema before it.
#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sluice_plugins::schema_registry::codec::PayloadReader;

const SCHEMA: &str = concat!(
    r#"{"type":"record","name":"R","fields":[{"name":"i","type":"int"},{"name":"u","type":["null","long","string"]},"#,
    r#"{"name":"a","type":{"type":"array","items":["null","double"]}},{"name":"m","type":{"type":"map","values":"bytes"}},"#,
    r#"{"name":"d","type":{"type":"bytes","logicalType":"decimal","scale":2,"precision":9}},"#,
    r#"{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},"#,
    r#"{"name":"t","type":{"type":"int","logicalType":"time-millis"}}]}"#
);

static READER: LazyLock<Option<PayloadReader>> =
    LazyLock::new(|| sluice_plugins::avro::reader(&[], SCHEMA).ok());

fuzz_target!(|data: &[u8]| {
    let read = READER.as_ref().expect("the schema of this target");
    let _ = read(&Bytes::copy_from_slice(data));
    if let Some(end) = data.iter().position(|byte| *byte == b'\n')
        && let Ok(schema) = std::str::from_utf8(&data[..end])
        && let Ok(read) = sluice_plugins::avro::reader(&[], schema)
    {
        let _ = read(&Bytes::copy_from_slice(&data[end + 1..]));
    }
});
