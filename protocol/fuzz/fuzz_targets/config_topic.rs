//! Reads config topic records from any bytes.
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
    if let Ok(Some(record)) =
        sluice_protocol::config_topic::ConfigRecord::decode(Some(key), Some(value))
    {
        let again = record.encode();
        let read = sluice_protocol::config_topic::ConfigRecord::decode(
            Some(&again.key),
            again.value.as_deref(),
        );
        assert_eq!(read.ok().flatten(), Some(record));
    }
});
