//! Java's key stores, and PEM as Kafka reads it, as plain PEM text for those who know nothing else.
//!
//! * [`read`]: a JKS or PKCS12 store. Java tells the two by their first bytes, whatever type was asked for.
//! * [`tidy`]: PEM with blanks for line ends, as it is in environment variables.
//! * [`settings`]: all that `ssl.*` keys name.
//! * [`decrypted`]: a private key behind a password (PKCS#8).

mod jks;
mod pkcs12;
pub mod settings;

use std::fmt;

use openssl::pkey::PKey;

/// First bytes of a JKS store.
const JKS: [u8; 4] = [0xFE, 0xED, 0xFE, 0xED];
/// First bytes of a JCEKS store, which holds secret keys.
const JCEKS: [u8; 4] = [0xCE, 0xCE, 0xCE, 0xCE];

/// Why a store can't be read. Never shows what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyStoreError {
    /// It is neither JKS nor PKCS12.
    #[error("it is neither a JKS nor a PKCS12 key store")]
    Format,
    /// It is a JCEKS store.
    #[error("it is a JCEKS key store: convert it to PKCS12 with keytool")]
    Jceks,
    /// It ends too early, or holds what none of its kind holds.
    #[error("it is damaged at {0}")]
    Damaged(&'static str),
    /// The password does not open it.
    #[error("the password is wrong, or it is damaged")]
    Password,
    /// It is encrypted with something OpenSSL 3 does not have any more.
    #[error(
        "it is encrypted with a cipher that is not supported any more (RC2): write it again with a newer \
         keytool"
    )]
    Cipher,
    /// The private key does not open.
    #[error("the private key does not open with the password, or is damaged")]
    Key,
}

/// What a store holds, as PEM.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KeyStore {
    /// Certificates that are trusted.
    pub trusted: String,
    /// The private key, not encrypted.
    pub key: Option<String>,
    /// The certificates of the private key, its own first.
    pub chain: String,
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyStore([hidden])")
    }
}

/// Reads a store. Without a password a JKS store is read unchecked, as Java does; `key_password` is that of
/// the private key, if it has one of its own. Of several private keys the first counts.
///
/// # Errors
/// It is no such store, damaged, or does not open.
pub fn read(
    bytes: &[u8],
    password: Option<&str>,
    key_password: Option<&str>,
) -> Result<KeyStore, KeyStoreError> {
    if bytes.starts_with(&JKS) {
        return jks::read(bytes, password, key_password.or(password));
    }
    if bytes.starts_with(&JCEKS) {
        return Err(KeyStoreError::Jceks);
    }
    // A DER sequence.
    if bytes.first() == Some(&0x30) {
        return pkcs12::read(bytes, password);
    }
    Err(KeyStoreError::Format)
}

/// PEM of DER bytes, a section of a kind (`CERTIFICATE`).
#[must_use]
pub fn pem(label: &str, der: &[u8]) -> String {
    section(label, &openssl::base64::encode_block(der))
}

fn section(label: &str, base64: &str) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = base64;
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// PEM text with its sections in lines, whatever stands between the words: line ends, blanks or nothing. What
/// is outside of sections is left out. Text without sections is answered as it is.
#[must_use]
pub fn tidy(text: &str) -> String {
    let mut tidied = String::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let Some((label, after)) = after.split_once("-----") else {
            break;
        };
        let Some((body, after)) = after.split_once("-----END ") else {
            break;
        };
        let Some((_, after)) = after.split_once("-----") else {
            break;
        };
        rest = after;
        if body.contains(':') {
            // Keys with headers of their own (`Proc-Type`) need their lines.
            tidied.push_str(&format!(
                "-----BEGIN {label}-----{body}-----END {label}-----\n"
            ));
        } else {
            let base64: String = body.split_whitespace().collect();
            tidied.push_str(&section(label, &base64));
        }
    }
    if tidied.is_empty() {
        return text.to_owned();
    }
    tidied
}

/// A private key in PEM without encryption; as it is if it has none.
///
/// # Errors
/// The password is missing or does not open it.
pub fn decrypted(key: &str, password: Option<&str>) -> Result<String, KeyStoreError> {
    if !key.contains("ENCRYPTED") {
        return Ok(key.to_owned());
    }
    let password = password.unwrap_or_default();
    let opened = PKey::private_key_from_pem_passphrase(key.as_bytes(), password.as_bytes())
        .and_then(|key| key.private_key_to_pem_pkcs8())
        .map_err(|_| KeyStoreError::Key)?;
    String::from_utf8(opened).map_err(|_| KeyStoreError::Key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_in_one_line_gets_its_lines() {
        let body = "A".repeat(100);
        let expected = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n{}\n-----END CERTIFICATE-----\n",
            &body[..64],
            &body[64..]
        );
        for between in ["\n", " ", "\r\n", "  "] {
            let text = format!(
                "subject: x{between}-----BEGIN CERTIFICATE-----{between}{}{between}{}{between}-----END \
                 CERTIFICATE-----{between}",
                &body[..50],
                &body[50..]
            );
            assert_eq!(tidy(&text), expected, "{between:?}");
            assert_eq!(
                tidy(&format!("{text}{text}")),
                format!("{expected}{expected}")
            );
        }
        assert_eq!(tidy("nothing"), "nothing");
    }

    #[test]
    fn what_is_no_store_is_named() {
        assert_eq!(read(b"", None, None), Err(KeyStoreError::Format));
        assert_eq!(read(b"-----BEGIN", None, None), Err(KeyStoreError::Format));
        assert_eq!(read(&JCEKS, None, None), Err(KeyStoreError::Jceks));
        assert_eq!(
            read(&[0x30, 0x82, 1], Some("x"), None),
            Err(KeyStoreError::Damaged("its structure"))
        );
    }
}
