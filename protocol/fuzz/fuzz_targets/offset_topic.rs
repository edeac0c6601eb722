//! Reads offset topic records from any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

/// Key and value, parted at the first zero byte.
fn split(data: &[u8]) -> (&[u8], &[u8]) {
    let at = data
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(data.len());
    (&data[..at], data.get(at + 1..).unwrap_or_default())
}

fuzz_target!(|data: &[u8]| {
    let (key, value) = split(data);
    if let Ok(record) = sluice_protocol::offset_topic::OffsetRecord::decode(Some(key), Some(value))
    {
        let _ = record.encode();
    }
});
