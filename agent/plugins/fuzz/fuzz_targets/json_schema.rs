//! Reads JSON messages of a fixed schema, and schemas, from any bytes. What follows a line feed is the message of a schema before it.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

const SCHEMA: &str = concat!(
    r#"{"type":"object","properties":{"i":{"type":"integer","connect.type":"int32"},"#,
    r#""u":{"oneOf":[{"type":"null"},{"type":"string"},{"type":"object","properties":{"x":{"type":"number"}}}]},"#,
    r#""a":{"type":"array","items":{"type":"boolean"}},"b":{"type":"string","connect.type":"bytes"},"#,
    r#""m":{"type":"array","connect.type":"map","items":{"type":"object","properties":{"#,
    r#""key":{"type":"integer"},"value":{"type":"string"}}}}}}"#
);

fuzz_target!(|data: &[u8]| {
    let _ = sluice_plugins::json_schema::read(&[], SCHEMA, &Bytes::copy_from_slice(data));
    if let Some(end) = data.iter().position(|byte| *byte == b'\n')
        && let Ok(schema) = std::str::from_utf8(&data[..end])
    {
        let message = Bytes::copy_from_slice(&data[end + 1..]);
        let _ = sluice_plugins::json_schema::read(&[], schema, &message);
    }
});
