//! Reads JSON with and without envelope from any bytes, and again by what the first reading has left.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sluice_api::Converter;
use sluice_plugins::json::JsonConverter;

fuzz_target!(|data: &[u8]| {
    let data = Bytes::copy_from_slice(data);
    for converter in [JsonConverter::default(), JsonConverter::without_schemas()] {
        let read = || {
            let read = converter.to_connect_data("t", Some(&data));
            read.map(|read| read.value.to_string()).map_err(|error| error.trace())
        };
        assert_eq!(read(), read());
    }
});
