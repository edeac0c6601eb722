//! Reads member metadata from any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(metadata) = sluice_protocol::group::MemberMetadata::decode(data) {
        let _ = metadata.encode();
    }
});
