use kafka_protocol::messages::MetadataRequest;
use kafka_protocol::protocol::{Encodable as _, encode_request_header_into_buffer};
use proptest::prelude::*;

use super::*;

fn decode(frame: Bytes) -> Result<Request, RequestError> {
    walk(frame, usize::MAX)?.decode()
}

fn metadata(version: i16) -> Bytes {
    let header = kafka_protocol::messages::RequestHeader::default()
        .with_request_api_key(ApiKey::Metadata as i16)
        .with_request_api_version(version)
        .with_correlation_id(7)
        .with_client_id(Some(StrBytes::from_static_str("client")));
    let mut bytes = BytesMut::new();
    encode_request_header_into_buffer(&mut bytes, &header).unwrap();
    MetadataRequest::default()
        .encode(&mut bytes, version)
        .unwrap();
    bytes.freeze()
}

#[test]
fn requests_of_both_header_forms_are_read() {
    for version in [1, 9, 12] {
        let Ok(Request::Known(header, request)) = decode(metadata(version)) else {
            panic!("version {version} is not read");
        };
        assert!(matches!(*request, RequestKind::Metadata(_)));
        assert_eq!(header.correlation_id, 7);
        assert_eq!(&*header.client_id, "client");
    }
}

#[test]
fn fifteen_million_empty_names_are_refused_before_they_are_decoded() {
    let mut frame = BytesMut::new();
    frame.put_i16(ApiKey::Metadata as i16);
    frame.put_i16(1);
    frame.put_i32(7);
    frame.put_i16(-1);
    frame.put_i32(15_000_000);
    frame.resize(frame.len() + 30_000_000, 0);
    let error = walk(frame.freeze(), 32 << 20).unwrap_err();
    assert!(
        matches!(error, RequestError::Large { api: 3, memory, .. } if memory > 1 << 30),
        "{error}"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(Bytes::from(bytes));
    }

    #[test]
    fn any_body_of_any_offered_api_is_read_without_a_panic(
        choice in 0..37_usize,
        version in 0..18_i16,
        bytes in proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0xff), any::<u8>()], 0..300),
    ) {
        let Some((api, _, _)) = supported().nth(choice) else { return Ok(()) };
        let mut frame = BytesMut::new();
        frame.put_i16(api as i16);
        frame.put_i16(version);
        frame.put_i32(1);
        frame.put_i16(-1);
        frame.extend_from_slice(&bytes);
        let _ = decode(frame.freeze());
    }
}
