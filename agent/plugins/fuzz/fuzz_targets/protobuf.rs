//! Reads Protobuf messages of a fixed schema, and schemas, from any bytes. What follows a line feed is the
//! message of a schema before it.
#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sluice_plugins::schema_registry::codec::PayloadReader;

const SCHEMA: &str = concat!(
    "syntax = \"proto3\"; import \"google/protobuf/timestamp.proto\"; import \"google/type/date.proto\"; ",
    "import \"confluent/type/decimal.proto\"; message M \
     { int32 a = 1; sint64 b = 2; string s = 3; repeated int32 r = 4; ",
    "oneof u { bool t = 5; N v = 6; } map<string, int32> m = 7; enum E { NONE = 0; ONE = 1; } repeated E e = \
     8; ",
    "message N { fixed32 f = 1; } google.protobuf.Timestamp ts = 9; google.type.Date d = 10; ",
    "confluent.type.Decimal dec = 11; repeated N n = 12; }"
);

static READER: LazyLock<Option<PayloadReader>> =
    LazyLock::new(|| sluice_plugins::protobuf::reader(&[], SCHEMA).ok());

fuzz_target!(|data: &[u8]| {
    let read = READER.as_ref().expect("the schema of this target");
    let _ = read(&Bytes::copy_from_slice(data));
    if let Some(end) = data.iter().position(|byte| *byte == b'\n')
        && let Ok(schema) = std::str::from_utf8(&data[..end])
        && let Ok(read) = sluice_plugins::protobuf::reader(&[], schema)
    {
        let _ = read(&Bytes::copy_from_slice(&data[end + 1..]));
    }
});
