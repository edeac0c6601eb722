//! Requests and answers as bytes: frames, headers, versions, decoding without panics.

mod frame;
mod shape;
mod shapes;
mod versions;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestKind, ResponseHeader, ResponseKind};
use kafka_protocol::protocol::{Encodable, StrBytes};

pub(crate) use frame::{FrameError, FrameReader, Held, UNIT};
pub(crate) use versions::{range, supported};

/// The part in front of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: StrBytes,
}

/// Why a request cannot be read. The connection ends, as with Kafka.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestError {
    /// It ends early.
    #[error("request ends inside its header")]
    Short,
    /// Its API does not exist or is not spoken here.
    #[error("request of unknown API {0}")]
    UnknownApi(i16),
    /// The version was not offered.
    #[error("request of API {api} has version {version}, which was not offered")]
    UnknownVersion {
        /// Number of the API.
        api: i16,
        /// Its version.
        version: i16,
    },
    /// A length does not fit, or text is no UTF-8.
    #[error("request of API {api} version {version} is malformed")]
    Malformed {
        /// Number of the API.
        api: i16,
        /// Its version.
        version: i16,
    },
}

/// A request, or the one question that is answered in any version.
#[derive(Debug)]
pub(crate) enum Request {
    /// Can be handled.
    Known(Header, Box<RequestKind>),
    /// `ApiVersions` in a version that is not known: answered in version 0 with the known ones (KIP-511).
    UnknownApiVersions(Header),
}

/// Reads one request, without its length.
///
/// # Errors
/// If it is no request that is spoken here.
pub(crate) fn decode(mut frame: Bytes) -> Result<Request, RequestError> {
    if frame.len() < 8 {
        return Err(RequestError::Short);
    }
    let number = frame.get_i16();
    let version = frame.get_i16();
    let correlation_id = frame.get_i32();
    let api = ApiKey::try_from(number).map_err(|()| RequestError::UnknownApi(number))?;
    let offered = range(api).ok_or(RequestError::UnknownApi(number))?;
    let mut header = Header {
        api,
        version,
        correlation_id,
        client_id: StrBytes::new(),
    };
    if !offered.contains(&version) {
        return if api == ApiKey::ApiVersions {
            Ok(Request::UnknownApiVersions(header))
        } else {
            Err(RequestError::UnknownVersion {
                api: number,
                version,
            })
        };
    }
    let malformed = || RequestError::Malformed {
        api: number,
        version,
    };
    header.client_id = client_id(&mut frame).ok_or_else(malformed)?;
    if api.request_header_version(version) >= 2 {
        skip_tagged_fields(&mut frame).ok_or_else(malformed)?;
    }
    if !shape::is_sound(api, version, &frame) {
        return Err(malformed());
    }
    let kind = RequestKind::decode(api, &mut frame, version).map_err(|_| malformed())?;
    Ok(Request::Known(header, Box::new(kind)))
}

fn client_id(frame: &mut Bytes) -> Option<StrBytes> {
    let length = frame.try_get_i16().ok()?;
    if length == -1 {
        return Some(StrBytes::new());
    }
    let length = usize::try_from(length).ok()?;
    if frame.len() < length {
        return None;
    }
    StrBytes::from_utf8(frame.split_to(length)).ok()
}

fn skip_tagged_fields(frame: &mut Bytes) -> Option<()> {
    for _ in 0..varint(frame)? {
        varint(frame)?;
        let size = usize::try_from(varint(frame)?).ok()?;
        if frame.len() < size {
            return None;
        }
        frame.advance(size);
    }
    Some(())
}

fn varint(frame: &mut Bytes) -> Option<u32> {
    let mut value = 0_u32;
    for shift in [0, 7, 14, 21, 28] {
        let byte = frame.try_get_u8().ok()?;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Writes an answer with its length.
///
/// # Errors
/// If it does not fit the version, which is a bug of the handler.
pub(crate) fn encode(header: &Header, response: &ResponseKind) -> Result<Bytes, anyhow::Error> {
    let mut out = BytesMut::with_capacity(256);
    out.put_i32(0);
    let header_version = header.api.response_header_version(header.version);
    ResponseHeader::default()
        .with_correlation_id(header.correlation_id)
        .encode(&mut out, header_version)?;
    response.encode(&mut out, header.version)?;
    let length = i32::try_from(out.len() - 4)?;
    if let Some(prefix) = out.get_mut(..4) {
        prefix.copy_from_slice(&length.to_be_bytes());
    }
    Ok(out.freeze())
}

#[cfg(test)]
mod tests;
