//! PKCS12, Java's key store since version 9.

use openssl::error::ErrorStack;
use openssl::pkcs12::Pkcs12;
use openssl::x509::X509;

use crate::{KeyStore, KeyStoreError};

/// Reads a store.
pub(crate) fn read(bytes: &[u8], password: Option<&str>) -> Result<KeyStore, KeyStoreError> {
    let damaged = |_: ErrorStack| KeyStoreError::Damaged("its structure");
    let parsed = Pkcs12::from_der(bytes)
        .map_err(damaged)?
        .parse2(password.unwrap_or_default())
        .map_err(|error| {
            let unsupported = error.errors().iter().any(|one| {
                one.reason()
                    .is_some_and(|reason| reason.contains("unsupported"))
            });
            if unsupported {
                KeyStoreError::Cipher
            } else {
                KeyStoreError::Password
            }
        })?;
    let others: Vec<X509> = parsed.ca.into_iter().flatten().collect();
    let text = |pem: Vec<u8>| String::from_utf8_lossy(&pem).into_owned();
    let Some(key) = parsed.pkey else {
        let all = parsed.cert.iter().chain(&others);
        let trusted: Result<String, ErrorStack> = all
            .map(|certificate| certificate.to_pem().map(text))
            .collect();
        return Ok(KeyStore {
            trusted: trusted.map_err(damaged)?,
            ..KeyStore::default()
        });
    };
    let mut chain = Vec::new();
    let mut next = parsed.cert;
    let mut left = others;
    while let Some(certificate) = next {
        let issuer = left.iter().position(|other| {
            let issued = other.issued(&certificate);
            issued == openssl::x509::X509VerifyResult::OK
        });
        chain.push(certificate);
        next = issuer.map(|place| left.swap_remove(place));
    }
    let pems = |certificates: &[X509]| -> Result<String, KeyStoreError> {
        certificates
            .iter()
            .map(|certificate| certificate.to_pem().map(text))
            .collect::<Result<String, ErrorStack>>()
            .map_err(damaged)
    };
    Ok(KeyStore {
        trusted: pems(&left)?,
        key: Some(text(key.private_key_to_pem_pkcs8().map_err(damaged)?)),
        chain: pems(&chain)?,
    })
}
