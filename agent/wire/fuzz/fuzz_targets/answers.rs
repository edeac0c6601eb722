//! Any bytes as any answer of a broker: the first byte chooses the API, the second the version. What the walk
//! finds sound the decoder reads without a panic, within the memory that the fuzzer allows.

#![no_main]

use bytes::Bytes;
use kafka_protocol::messages::{ApiKey, ResponseKind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [choice, version, body @ ..] = data else {
        return;
    };
    let apis: Vec<ApiKey> = ApiKey::iter().collect();
    let api = apis[usize::from(*choice) % apis.len()];
    let versions = api.valid_versions();
    let count = i16::from(*version) % (versions.max - versions.min + 1);
    let version = versions.min + count;
    if sluice_wire::answer(api as i16, version, body).is_ok() {
        let mut bytes = Bytes::copy_from_slice(body);
        let _ = ResponseKind::decode(api, &mut bytes, version);
    }
});
