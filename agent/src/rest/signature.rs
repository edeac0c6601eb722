//! Signed requests between workers (KIP-507): a MAC over the body bytes, with the session key of the config topic.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sluice_protocol::rest::RestError;

/// Header with the MAC in base64.
pub const SIGNATURE_HEADER: &str = "X-Connect-Authorization";
/// Header with the MAC's algorithm.
pub const ALGORITHM_HEADER: &str = "X-Connect-Request-Signature-Algorithm";
/// The one algorithm this worker has.
pub const HMAC_SHA256: &str = "HmacSHA256";

/// Algorithms that a JVM has: a request signed with one of them is refused by configuration, not as unknown.
const KNOWN_ALGORITHMS: [&str; 6] = [
    HMAC_SHA256,
    "HmacMD5",
    "HmacSHA1",
    "HmacSHA224",
    "HmacSHA384",
    "HmacSHA512",
];

/// What a request between workers carries: headers as received, and the bytes they sign.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestSignature {
    algorithm: Option<String>,
    mac: Option<String>,
    body: Vec<u8>,
}

impl RequestSignature {
    /// Takes the headers of a request and its body.
    pub fn new(headers: &HeaderMap, body: &[u8]) -> Self {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
        Self {
            algorithm: text(ALGORITHM_HEADER),
            mac: text(SIGNATURE_HEADER),
            body: body.to_vec(),
        }
    }

    /// Checks the signature, in the order of the JVM worker.
    ///
    /// `required` is false outside a sessioned group, where only malformed headers are refused. `key` is the session
    /// key read from the config topic.
    ///
    /// # Errors
    /// 400 for missing or malformed headers, 503 before the key is known, 403 for a wrong MAC.
    pub fn verify(
        &self,
        required: bool,
        allowed: &[String],
        key: Option<&[u8]>,
    ) -> Result<(), RestError> {
        let (Some(algorithm), Some(mac)) = (&self.algorithm, &self.mac) else {
            return if required {
                Err(RestError::bad_request(
                    "Internal request missing required signature",
                ))
            } else {
                Ok(())
            };
        };
        if !KNOWN_ALGORITHMS.contains(&algorithm.as_str()) {
            return Err(RestError::bad_request(format!(
                "Algorithm {algorithm} not available"
            )));
        }
        let mac = STANDARD
            .decode(mac)
            .map_err(|error| RestError::bad_request(base64_fault(error)))?;
        if !required {
            return Ok(());
        }
        if !allowed.contains(algorithm) {
            return Err(RestError::bad_request(format!(
                "This worker does not support the '{algorithm}' key signing algorithm used by other workers. This worker is currently configured to use: [{}]. Check that all workers' configuration files permit the same set of signature algorithms, and correct any misconfigured worker and restart it.",
                allowed.join(", ")
            )));
        }
        if algorithm != HMAC_SHA256 {
            return Err(RestError::bad_request(format!(
                "Algorithm {algorithm} not available"
            )));
        }
        let key = key.ok_or_else(|| {
            RestError::unavailable(
                "This worker is still starting up and has not been able to read a session key from the config topic yet",
            )
        })?;
        keyed(key)
            .chain_update(&self.body)
            .verify_slice(&mac)
            .map_err(|_| RestError::forbidden("Internal request contained invalid signature."))
    }
}

/// Java's text for a text that is not base64.
fn base64_fault(error: base64::DecodeError) -> String {
    match error {
        base64::DecodeError::InvalidByte(_, byte) => format!("Illegal base64 character {byte:x}"),
        other => other.to_string(),
    }
}

/// The MAC of a body, in base64, for [`SIGNATURE_HEADER`].
pub fn sign(key: &[u8], body: &[u8]) -> String {
    STANDARD.encode(keyed(key).chain_update(body).finalize().into_bytes())
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) => mac,
        Err(_) => unreachable!("HMAC takes keys of any length"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(key: &[u8], body: &[u8]) -> RequestSignature {
        let mut headers = HeaderMap::new();
        headers.insert(ALGORITHM_HEADER, HMAC_SHA256.parse().unwrap());
        headers.insert(SIGNATURE_HEADER, sign(key, body).parse().unwrap());
        RequestSignature::new(&headers, body)
    }

    fn allowed() -> Vec<String> {
        vec![HMAC_SHA256.to_owned()]
    }

    #[test]
    fn a_signature_is_accepted_with_its_key_and_refused_with_another() {
        let signature = signed(b"k", b"[]");
        assert_eq!(signature.verify(true, &allowed(), Some(b"k")), Ok(()));
        assert_eq!(
            signature
                .verify(true, &allowed(), Some(b"x"))
                .unwrap_err()
                .status,
            403
        );
        assert_eq!(
            signature.verify(true, &allowed(), None).unwrap_err().status,
            503
        );
    }

    #[test]
    fn unsigned_requests_pass_only_outside_a_sessioned_group() {
        let unsigned = RequestSignature::default();
        assert_eq!(unsigned.verify(false, &allowed(), None), Ok(()));
        assert_eq!(
            unsigned
                .verify(true, &allowed(), Some(b"k"))
                .unwrap_err()
                .status,
            400
        );
    }
}
