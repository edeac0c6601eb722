//! The header of a message: a zero byte and the id of its schema, four bytes, big-endian.

use bytes::{Buf as _, Bytes};
use sluice_api::{ConnectError, Result};

const MAGIC: u8 = 0;
const HEADER: usize = 5;

/// Appends the magic byte 0 and the id of the schema, big-endian.
pub(crate) fn write_header(buffer: &mut Vec<u8>, id: i32) {
    buffer.push(MAGIC);
    buffer.extend_from_slice(&id.to_be_bytes());
}

/// The id of the schema, and what follows the header.
pub(crate) fn read_header(data: &Bytes) -> Result<(i32, Bytes)> {
    match data.first() {
        Some(&MAGIC) if data.len() >= HEADER => {
            let mut rest = data.slice(1..);
            let id = rest.get_i32();
            Ok((id, rest))
        }
        Some(&MAGIC) => Err(ConnectError::serialization(format!(
            "a message of {} bytes is too short for the id of a schema",
            data.len()
        ))),
        _ => Err(ConnectError::serialization("Unknown magic byte!")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_a_zero_and_the_id() {
        let mut buffer = vec![9];
        write_header(&mut buffer, 0x0102_0304);
        buffer.push(7);
        assert_eq!(buffer, [9, 0, 1, 2, 3, 4, 7]);
        let (id, rest) = read_header(&Bytes::from(buffer).slice(1..)).unwrap();
        assert_eq!((id, &rest[..]), (0x0102_0304, &[7][..]));
    }

    #[test]
    fn other_messages_are_refused() {
        for (data, message) in [
            (&b""[..], "Unknown magic byte!"),
            (b"{}", "Unknown magic byte!"),
            (
                b"\0\0\0\0",
                "a message of 4 bytes is too short for the id of a schema",
            ),
        ] {
            let error = read_header(&Bytes::from_static(data)).unwrap_err();
            assert_eq!(error.message(), message);
        }
    }
}
