//! Stores that Java's own keytool wrote, see `stores/README.md`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use openssl::pkey::PKey;
use openssl::x509::X509;
use sluice_keystore::{KeyStoreError, decrypted, read};

const PASSWORD: Option<&str> = Some("geheim");

fn bytes(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stores/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

/// Whether the key belongs to the first certificate of the chain.
fn fits(key: &str, chain: &str) -> bool {
    let key = PKey::private_key_from_pem(key.as_bytes()).unwrap();
    let own = X509::from_pem(chain.as_bytes()).unwrap();
    own.public_key().unwrap().public_eq(&key)
}

#[test]
fn keys_and_their_chains_are_read() {
    for name in ["key.jks", "key.p12"] {
        let store = read(&bytes(name), PASSWORD, None).unwrap();
        let chain = X509::stack_from_pem(store.chain.as_bytes()).unwrap();
        assert_eq!(chain.len(), 2, "{name}");
        assert!(fits(store.key.as_ref().unwrap(), &store.chain), "{name}");
        assert!(!format!("{store:?}").contains("BEGIN"), "{name}");
    }
}

#[test]
fn a_key_may_have_a_password_of_its_own() {
    let store = bytes("own-password.jks");
    let open = read(&store, PASSWORD, Some("anders")).unwrap();
    assert!(fits(&open.key.unwrap(), &open.chain));
    assert_eq!(read(&store, PASSWORD, None), Err(KeyStoreError::Key));
}

#[test]
fn trusted_certificates_are_read() {
    for name in ["trust.jks", "trust.p12"] {
        let store = read(&bytes(name), PASSWORD, None).unwrap();
        let trusted = X509::stack_from_pem(store.trusted.as_bytes()).unwrap();
        assert_eq!(trusted.len(), 2, "{name}");
        assert_eq!(store.key, None, "{name}");
    }
    // Java reads a JKS store of certificates without a password, unchecked.
    assert!(read(&bytes("trust.jks"), None, None).is_ok());
}

#[test]
fn wrong_passwords_and_damage_are_errors() {
    for name in ["key.jks", "key.p12", "trust.jks", "trust.p12"] {
        let store = bytes(name);
        assert_eq!(
            read(&store, Some("falsch"), None),
            Err(KeyStoreError::Password),
            "{name}"
        );
        for length in (0..store.len()).step_by(7) {
            assert!(
                read(&store[..length], PASSWORD, None).is_err(),
                "{name}: {length}"
            );
        }
        for place in (0..store.len()).step_by(11) {
            let mut damaged = store.clone();
            damaged[place] ^= 0x55;
            // It may say what it likes, as long as it says something.
            let _ = read(&damaged, PASSWORD, None);
            let _ = read(&damaged, None, None);
        }
    }
}

#[test]
fn an_encrypted_key_opens_with_its_password() {
    let key = String::from_utf8(bytes("encrypted.pem")).unwrap();
    let opened = decrypted(&key, PASSWORD).unwrap();
    assert!(opened.starts_with("-----BEGIN PRIVATE KEY-----"));
    for wrong in [None, Some("falsch")] {
        assert_eq!(decrypted(&key, wrong), Err(KeyStoreError::Key));
    }
    assert_eq!(decrypted(&opened, None), Ok(opened.clone()));
}
