//! Requests and answers as bytes: frames, headers, versions, decoding without panics.

mod frame;
mod versions;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestKind, ResponseHeader, ResponseKind};
use kafka_protocol::protocol::{Encodable, StrBytes};

pub(crate) use frame::{FrameError, FrameReader, Held, SMALL, UNIT};
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
    /// The bytes end before the header does.
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
        /// The version that the header names.
        version: i16,
    },
    /// A length does not fit, or a text is not UTF-8.
    #[error("request of API {api} version {version} is malformed: {reason}")]
    Malformed {
        /// Number of the API.
        api: i16,
        /// The version that the header names.
        version: i16,
        /// The field, and what is wrong with it.
        reason: String,
    },
    /// Decoded it would take more memory than requests may.
    #[error(
        "request of API {api} version {version} takes {memory} bytes of memory, {most} are allowed"
    )]
    Large {
        /// Number of the API.
        api: i16,
        /// The version that the header names.
        version: i16,
        /// What it would take.
        memory: usize,
        /// What all requests together may take.
        most: usize,
    },
}

/// A request, or the one question that is answered in any version.
#[derive(Debug)]
pub(crate) enum Request {
    /// A request that was decoded.
    Known(Header, Box<RequestKind>),
    /// `ApiVersions` in a version that is not known: answered in version 0 with the known ones (KIP-511).
    UnknownApiVersions(Header),
}

/// A request whose lengths fit into its bytes, and which is not decoded yet.
#[derive(Debug)]
pub(crate) struct Walked {
    header: Header,
    body: Bytes,
    /// Whether its version is offered. If not, it is the question that is answered in any version.
    known: bool,
    /// Bytes of memory that it takes when it is decoded.
    pub(crate) memory: usize,
}

/// Reads the header of a request without its length, and walks its body.
///
/// # Errors
/// If it is not a request that is spoken here, or decoded would take more than `most` bytes of memory.
pub(crate) fn walk(mut frame: Bytes, most: usize) -> Result<Walked, RequestError> {
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
            Ok(Walked {
                header,
                body: Bytes::new(),
                known: false,
                memory: 0,
            })
        } else {
            Err(RequestError::UnknownVersion {
                api: number,
                version,
            })
        };
    }
    let malformed = |reason: String| RequestError::Malformed {
        api: number,
        version,
        reason,
    };
    header.client_id = client_id(&mut frame)
        .ok_or_else(|| malformed("client_id does not fit or is not UTF-8".to_owned()))?;
    if api.request_header_version(version) >= 2 {
        let tags = sluice_wire::header_tags(&frame)
            .map_err(|fault| malformed(format!("tagged fields of the header: {fault}")))?;
        frame.advance(tags);
    }
    let memory = sluice_wire::request(number, version, &frame)
        .map_err(|fault| malformed(fault.to_string()))?;
    if memory > most {
        return Err(RequestError::Large {
            api: number,
            version,
            memory,
            most,
        });
    }
    Ok(Walked {
        header,
        body: frame,
        known: true,
        memory,
    })
}

impl Walked {
    /// Decodes the body.
    ///
    /// # Errors
    /// If a value is not allowed, such as text that is not UTF-8.
    pub(crate) fn decode(mut self) -> Result<Request, RequestError> {
        if !self.known {
            return Ok(Request::UnknownApiVersions(self.header));
        }
        let Header { api, version, .. } = self.header;
        RequestKind::decode(api, &mut self.body, version)
            .map(|kind| Request::Known(self.header, Box::new(kind)))
            .map_err(|error| RequestError::Malformed {
                api: api as i16,
                version,
                reason: error.to_string(),
            })
    }
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
