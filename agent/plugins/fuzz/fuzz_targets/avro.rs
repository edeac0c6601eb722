//! Reads Avro messages of a fixed schema, and schemas, from any bytes. What follows a line feed is the message of a schema before it.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

const SCHEMA: &str = concat!(
    r#"{"type":"record","name":"R","fields":[{"name":"i","type":"int"},{"name":"u","type":["null","long","string"]},"#,
    r#"{"name":"a","type":{"type":"array","items":["null","double"]}},{"name":"m","type":{"type":"map","values":"bytes"}},"#,
    r#"{"name":"d","type":{"type":"bytes","logicalType":"decimal","scale":2,"precision":9}},"#,
    r#"{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},"#,
    r#"{"name":"t","type":{"type":"int","logicalType":"time-millis"}}]}"#
);

fuzz_target!(|data: &[u8]| {
    let _ = sluice_plugins::avro::read(&[], SCHEMA, &Bytes::copy_from_slice(data));
    if let Some(end) = data.iter().position(|byte| *byte == b'\n')
        && let Ok(schema) = std::str::from_utf8(&data[..end])
    {
        let message = Bytes::copy_from_slice(&data[end + 1..]);
        let _ = sluice_plugins::avro::read(&[], schema, &message);
    }
});
