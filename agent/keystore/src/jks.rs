//! JKS, the key store of Java before version 9 (`sun.security.provider.JavaKeyStore`).
//!
//! Numbers are big-endian. Behind the entries stands a SHA-1 over the password, a text and all before it.

use openssl::sha::Sha1;

use crate::{KeyStore, KeyStoreError, pem};

/// Bytes of a SHA-1.
const HASH: usize = 20;
/// Numbers of kinds of entries.
const PRIVATE_KEY: u32 = 1;
const TRUSTED: u32 = 2;
/// `1.3.6.1.4.1.42.2.17.1.1`, the encryption of private keys, in DER.
const KEY_PROTECTOR: [u8; 12] = [
    0x06, 0x0A, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x2A, 0x02, 0x11, 0x01, 0x01,
];

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], KeyStoreError> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(KeyStoreError::Damaged("its end"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, KeyStoreError> {
        let bytes = self.take(4)?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// Bytes behind their length.
    fn bytes(&mut self) -> Result<&'a [u8], KeyStoreError> {
        let length = self.number()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// A text behind its length of two bytes.
    fn text(&mut self) -> Result<&'a [u8], KeyStoreError> {
        let bytes = self.take(2)?;
        self.take(usize::from(bytes[0]) << 8 | usize::from(bytes[1]))
    }

    /// A certificate as PEM; its kind stands before it since version 2.
    fn certificate(&mut self, version: u32) -> Result<String, KeyStoreError> {
        if version == 2 {
            self.text()?;
        }
        Ok(pem("CERTIFICATE", self.bytes()?))
    }
}

/// The password as Java hashes it: two bytes a character.
fn utf16(password: &str) -> Vec<u8> {
    password.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

fn sha1(parts: &[&[u8]]) -> [u8; HASH] {
    let mut hash = Sha1::new();
    for part in parts {
        hash.update(part);
    }
    hash.finish()
}

/// Reads a store, whose first bytes are those of one.
pub(crate) fn read(
    bytes: &[u8],
    password: Option<&str>,
    key_password: Option<&str>,
) -> Result<KeyStore, KeyStoreError> {
    if let Some(password) = password {
        let (content, hash) = bytes
            .split_at_checked(bytes.len().saturating_sub(HASH))
            .ok_or(KeyStoreError::Damaged("its end"))?;
        if sha1(&[&utf16(password), b"Mighty Aphrodite", content]) != *hash {
            return Err(KeyStoreError::Password);
        }
    }
    let mut reader = Reader(bytes);
    reader.number()?;
    let version = reader.number()?;
    if !matches!(version, 1 | 2) {
        return Err(KeyStoreError::Damaged("its version"));
    }
    let mut store = KeyStore::default();
    for _ in 0..reader.number()? {
        let kind = reader.number()?;
        let _alias = reader.text()?;
        let _created = reader.take(8)?;
        match kind {
            PRIVATE_KEY => {
                let protected = reader.bytes()?;
                let mut chain = String::new();
                for _ in 0..reader.number()? {
                    chain.push_str(&reader.certificate(version)?);
                }
                if store.key.is_none() {
                    let key = unprotected(protected, key_password.unwrap_or_default())?;
                    store.key = Some(pem("PRIVATE KEY", &key));
                    store.chain = chain;
                }
            }
            TRUSTED => store.trusted.push_str(&reader.certificate(version)?),
            _ => return Err(KeyStoreError::Damaged("the kind of an entry")),
        }
    }
    Ok(store)
}

/// A private key (PKCS#8) behind its password (`sun.security.provider.KeyProtector`): bytes combined with a
/// chain of hashes that begins with a salt, and a hash of the key at the end.
fn unprotected(protected: &[u8], password: &str) -> Result<Vec<u8>, KeyStoreError> {
    let octets = octets(protected).ok_or(KeyStoreError::Damaged("a private key"))?;
    let plain = octets.len().checked_sub(2 * HASH);
    let plain = plain.ok_or(KeyStoreError::Damaged("a private key"))?;
    let (salt, rest) = octets.split_at(HASH);
    let (encrypted, check) = rest.split_at(plain);
    let password = utf16(password);
    let mut hash = sha1(&[&password, salt]);
    let mut key = Vec::with_capacity(plain);
    for block in encrypted.chunks(HASH) {
        key.extend(block.iter().zip(hash).map(|(byte, hash)| byte ^ hash));
        hash = sha1(&[&password, &hash]);
    }
    if sha1(&[&password, &key]) != *check {
        return Err(KeyStoreError::Key);
    }
    Ok(key)
}

/// The octets of an `EncryptedPrivateKeyInfo`: a sequence of the algorithm and an octet string.
fn octets(der: &[u8]) -> Option<&[u8]> {
    let (info, _) = element(der, 0x30)?;
    let (algorithm, rest) = element(info, 0x30)?;
    if !algorithm.starts_with(&KEY_PROTECTOR) {
        return None;
    }
    element(rest, 0x04).map(|(octets, _)| octets)
}

/// The content of a DER element of a kind, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (first, mut rest) = rest.split_first()?;
    let mut length = usize::from(*first);
    if *first >= 0x80 {
        let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7F))?;
        length = bytes.iter().try_fold(0_usize, |length, byte| {
            length.checked_mul(256)?.checked_add(usize::from(*byte))
        })?;
        rest = after;
    }
    (*found == tag).then_some(())?;
    rest.split_at_checked(length)
}
