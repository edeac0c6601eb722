//! Checks the lengths in a request against its size, before the decoder trusts them.
//!
//! The decoder makes room for as many elements as an array says it has. A request of forty bytes could claim two billion,
//! and the allocation would end the process. So the bytes are walked first, which costs one pass over the small part of
//! the request: record batches are skipped by their length.

use kafka_protocol::messages::ApiKey;

use super::shapes::SHAPES;

/// First version that has it, last version that has it, what it is.
pub(super) type Field = (i16, i16, Kind);

/// How a field is laid out.
#[derive(Debug)]
pub(super) enum Kind {
    /// So many bytes.
    Fixed(usize),
    /// A string, with a length of two bytes or a compact one; may be null.
    Text,
    /// Bytes, with a length of four bytes or a compact one; may be null.
    Bytes,
    /// Elements, with a count of four bytes or a compact one; may be null.
    Array(&'static Kind),
    /// Fields, and tagged fields in flexible versions.
    Struct(&'static [Field]),
}

/// Whether every length in `body`, the bytes after the header, fits into it. What is left over is passed over, as by
/// Kafka: librdkafka's request for the metadata of all topics has such bytes.
pub(super) fn is_sound(api: ApiKey, version: i16, body: &[u8]) -> bool {
    let Some((_, flexible, fields)) = SHAPES.iter().find(|(known, _, _)| *known == api) else {
        return false;
    };
    let mut walk = Walk {
        rest: body,
        version,
        flexible: version >= *flexible,
    };
    walk.fields(fields).is_some()
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
}

impl Walk<'_> {
    fn fields(&mut self, fields: &'static [Field]) -> Option<()> {
        for (from, to, kind) in fields {
            if (*from..=*to).contains(&self.version) {
                self.kind(kind)?;
            }
        }
        if self.flexible {
            let count = self.varint()?;
            for _ in 0..count {
                self.varint()?;
                let size = self.varint()?;
                self.skip(usize::try_from(size).ok()?)?;
            }
        }
        Some(())
    }

    fn kind(&mut self, kind: &'static Kind) -> Option<()> {
        match kind {
            Kind::Fixed(size) => self.skip(*size),
            Kind::Text => {
                let length = self.length(2)?;
                self.skip(length.unwrap_or(0))
            }
            Kind::Bytes => {
                let length = self.length(4)?;
                self.skip(length.unwrap_or(0))
            }
            Kind::Array(element) => {
                let count = self.length(4)?.unwrap_or(0);
                // Every element takes a byte at least.
                if count > self.rest.len() {
                    return None;
                }
                for _ in 0..count {
                    self.kind(element)?;
                }
                Some(())
            }
            Kind::Struct(fields) => self.fields(fields),
        }
    }

    /// A length or count; `Some(None)` is null.
    fn length(&mut self, width: usize) -> Option<Option<usize>> {
        if self.flexible {
            let length = usize::try_from(self.varint()?).ok()?;
            return Some(length.checked_sub(1));
        }
        let (length, rest) = self.rest.split_at_checked(width)?;
        self.rest = rest;
        let length = match *length {
            [a, b] => i32::from(i16::from_be_bytes([a, b])),
            [a, b, c, d] => i32::from_be_bytes([a, b, c, d]),
            _ => return None,
        };
        match length {
            -1 => Some(None),
            length => Some(Some(usize::try_from(length).ok()?)),
        }
    }

    fn varint(&mut self) -> Option<u32> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.rest = self.rest.get(count..)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_that_claims_more_than_the_request_holds_is_refused() {
        let claims_two_billion = i32::MAX.to_be_bytes();
        assert!(!is_sound(ApiKey::Metadata, 1, &claims_two_billion));
        assert!(is_sound(ApiKey::Metadata, 1, &(-1_i32).to_be_bytes()));
        assert!(is_sound(ApiKey::Metadata, 1, &0_i32.to_be_bytes()));
    }

    #[test]
    fn bytes_that_are_left_over_are_passed_over() {
        assert!(is_sound(ApiKey::Metadata, 1, &[0, 0, 0, 0, 0]));
    }
}
