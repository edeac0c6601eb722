//! Guesses the values of headers from any bytes, and writes them again.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sluice_api::HeaderConverter;
use sluice_plugins::simple_header::SimpleHeaderConverter;

fuzz_target!(|data: &[u8]| {
    let data = Bytes::copy_from_slice(data);
    if let Ok(read) = SimpleHeaderConverter.to_connect_header("t", "h", Some(&data)) {
        let _ = SimpleHeaderConverter.from_connect_header("t", "h", read.schema.as_ref(), &read.value, &mut Vec::new());
    }
});
