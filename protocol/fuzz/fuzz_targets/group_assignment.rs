//! Reads assignments from any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(assignment) = sluice_protocol::group::Assignment::decode(data) {
        let _ = assignment.encode();
    }
});
