//! Reads telemetry records from any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(record) = sluice_protocol::telemetry::TelemetryRecord::decode(data) {
        assert!(record.encode().is_ok());
    }
});
