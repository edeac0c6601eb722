//! Signed requests between workers (KIP-507): a MAC over the body bytes, with the session key of
//! the config topic.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Header with the MAC in base64.
pub(super) const SIGNATURE_HEADER: &str = "X-Connect-Authorization";
/// Header with the MAC's algorithm.
pub(super) const ALGORITHM_HEADER: &str = "X-Connect-Request-Signature-Algorithm";
/// The one algorithm this worker has.
pub(crate) const HMAC_SHA256: &str = "HmacSHA256";

/// Algorithms that a JVM has: a request signed with one of them is refused by configuration, not as unknown.
const KNOWN_ALGORITHMS: [&str; 6] = [
    HMAC_SHA256,
    "HmacMD5",
    "HmacSHA1",
    "HmacSHA224",
    "HmacSHA384",
    "HmacSHA512",
];

/// Why a request of another worker is not accepted, in the words of the JVM worker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    /// It is not signed, and has to be.
    #[error("Internal request missing required signature")]
    Missing,
    /// Signed with an algorithm that this worker does not have.
    #[error("Algorithm {0} not available")]
    UnknownAlgorithm(String),
    /// The MAC is not base64; the text is Java's.
    #[error("{0}")]
    NotBase64(String),
    /// Signed with an algorithm that this worker's file does not permit.
    #[error(
        "This worker does not support the '{algorithm}' key signing algorithm used by other workers. This \
         worker is currently configured to use: [{allowed}]. Check that all workers' configuration files \
         permit the same set of signature algorithms, and correct any misconfigured worker and restart it."
    )]
    NotPermitted {
        /// The one it is signed with.
        algorithm: String,
        /// Those of `inter.worker.verification.algorithms`, separated by commas.
        allowed: String,
    },
    /// This worker has not read a session key yet.
    #[error(
        "This worker is still starting up and has not been able to read a session key from the \
         config topic yet"
    )]
    NoKey,
    /// Signed with another key, or another body was.
    #[error("Internal request contained invalid signature.")]
    Wrong,
}

/// What a request between workers carries: headers as received, and the bytes they sign.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RequestSignature {
    algorithm: Option<String>,
    mac: Option<String>,
    body: Vec<u8>,
}

impl RequestSignature {
    /// Takes the headers of a request and its body.
    pub(crate) fn new(headers: &HeaderMap, body: &[u8]) -> Self {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
        Self {
            algorithm: text(ALGORITHM_HEADER),
            mac: text(SIGNATURE_HEADER),
            body: body.to_vec(),
        }
    }

    /// Checks the signature, in the order of the JVM worker.
    ///
    /// `required` is false outside a sessioned group, where only malformed headers are refused.
    /// `key` is the session key read from the config topic.
    ///
    /// # Errors
    /// The first of these checks that fails.
    pub(crate) fn verify(
        &self,
        required: bool,
        allowed: &[String],
        key: Option<&[u8]>,
    ) -> Result<(), SignatureError> {
        let (Some(algorithm), Some(mac)) = (&self.algorithm, &self.mac) else {
            return if required {
                Err(SignatureError::Missing)
            } else {
                Ok(())
            };
        };
        if !KNOWN_ALGORITHMS.contains(&algorithm.as_str()) {
            return Err(SignatureError::UnknownAlgorithm(algorithm.clone()));
        }
        let mac = STANDARD
            .decode(mac)
            .map_err(|error| SignatureError::NotBase64(base64_fault(error)))?;
        if !required {
            return Ok(());
        }
        if !allowed.contains(algorithm) {
            return Err(SignatureError::NotPermitted {
                algorithm: algorithm.clone(),
                allowed: allowed.join(", "),
            });
        }
        if algorithm != HMAC_SHA256 {
            return Err(SignatureError::UnknownAlgorithm(algorithm.clone()));
        }
        keyed(key.ok_or(SignatureError::NoKey)?)
            .chain_update(&self.body)
            .verify_slice(&mac)
            .map_err(|_| SignatureError::Wrong)
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
pub(super) fn sign(key: &[u8], body: &[u8]) -> String {
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
            signature.verify(true, &allowed(), Some(b"x")),
            Err(SignatureError::Wrong)
        );
        assert_eq!(
            signature.verify(true, &allowed(), None),
            Err(SignatureError::NoKey)
        );
    }

    #[test]
    fn unsigned_requests_pass_only_outside_a_sessioned_group() {
        let unsigned = RequestSignature::default();
        assert_eq!(unsigned.verify(false, &allowed(), None), Ok(()));
        assert_eq!(
            unsigned.verify(true, &allowed(), Some(b"k")),
            Err(SignatureError::Missing)
        );
    }
}
