//! The `ssl.*` keys of Java's clients and servers (`DefaultSslEngineFactory`): stores of three types as PEM,
//! versions of TLS, cipher suites.

use std::fmt;

use crate::{KeyStore, KeyStoreError, decrypted, read, tidy};

/// What the stores of some settings hold, as PEM.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Stores {
    /// Certificates that are trusted; `None` if no store is named.
    pub trusted: Option<String>,
    /// Own certificates, the first for the key.
    pub chain: Option<String>,
    /// Private key, not encrypted.
    pub key: Option<String>,
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stores([hidden])")
    }
}

/// A setting that can't be used. Never shows a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct Fault {
    /// The key, without a prefix.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Fault {
    fn new(key: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self {
            key: key.into(),
            reason: reason.to_string(),
        }
    }
}

/// Reads the stores that settings name. `get` answers the value of a key.
///
/// # Errors
/// A store that can't be read or opened.
pub fn stores<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Stores, Fault> {
    let get = |key: &str| get(key).filter(|value| !value.trim().is_empty());
    let trusted = match get("ssl.truststore.certificates") {
        Some(pem) => Some(tidy(pem)),
        None => store(&get, "ssl.truststore")?.map(|store| store.trusted()),
    };
    let key_password = get("ssl.key.password");
    let own = match (
        get("ssl.keystore.certificate.chain"),
        get("ssl.keystore.key"),
    ) {
        (Some(_), Some(_)) => None,
        _ => store(&get, "ssl.keystore")?,
    };
    let (mut chain, mut key) = match own {
        None => (None, None),
        Some(Store::Java(store)) => (Some(store.chain), store.key),
        Some(Store::Pem(text)) => (Some(text.clone()), Some(text)),
    };
    if let Some(pem) = get("ssl.keystore.certificate.chain") {
        chain = Some(tidy(pem));
    }
    if let Some(pem) = get("ssl.keystore.key") {
        key = Some(tidy(pem));
    }
    let key = key
        .map(|key| decrypted(&key, key_password))
        .transpose()
        .map_err(|error| Fault::new("ssl.key.password", error))?;
    Ok(Stores {
        trusted,
        chain,
        key,
    })
}

enum Store {
    Java(KeyStore),
    Pem(String),
}

impl Store {
    fn trusted(self) -> String {
        match self {
            // Java trusts the certificates of keys as well.
            Self::Java(store) => store.trusted + &store.chain,
            Self::Pem(text) => text,
        }
    }
}

/// The store that `NAME.location` names.
fn store<'a>(get: &impl Fn(&str) -> Option<&'a str>, name: &str) -> Result<Option<Store>, Fault> {
    let location = format!("{name}.location");
    let Some(path) = get(&location).map(str::trim) else {
        return Ok(None);
    };
    let bytes = std::fs::read(path)
        .map_err(|error| Fault::new(&location, format!("cannot read {path}: {error}")))?;
    let kind_key = format!("{name}.type");
    let kind = get(&kind_key).map_or("JKS", str::trim);
    if kind.eq_ignore_ascii_case("PEM") {
        let text = String::from_utf8(bytes)
            .map_err(|_| Fault::new(&location, format!("{path} is not PEM")))?;
        return Ok(Some(Store::Pem(tidy(&text))));
    }
    if !kind.eq_ignore_ascii_case("JKS") && !kind.eq_ignore_ascii_case("PKCS12") {
        let reason = format!("{kind} is not supported, use JKS, PKCS12 or PEM");
        return Err(Fault::new(kind_key, reason));
    }
    if bytes.starts_with(b"-----") {
        let error = KeyStoreError::Format;
        let reason = format!("{path}: {error}; it may be PEM: set {kind_key}=PEM");
        return Err(Fault::new(location, reason));
    }
    let password = get(&format!("{name}.password"));
    if password.is_none() && name == "ssl.keystore" {
        return Err(Fault::new(
            "ssl.keystore.password",
            "SSL key store is specified, but key store password is not specified.",
        ));
    }
    let key_password = get("ssl.key.password").filter(|_| name == "ssl.keystore");
    read(&bytes, password, key_password)
        .map(|store| Some(Store::Java(store)))
        .map_err(|error| Fault::new(location, format!("{path}: {error}")))
}

/// Versions of TLS that may be used, of the two that there are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// TLS 1.2.
    pub tls12: bool,
    /// TLS 1.3.
    pub tls13: bool,
}

impl Default for Versions {
    fn default() -> Self {
        Self {
            tls12: true,
            tls13: true,
        }
    }
}

/// Which versions, and which cipher suites by their names in Java; `None` leaves the choice open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handshake {
    /// Versions of TLS.
    pub versions: Versions,
    /// Cipher suites.
    pub ciphers: Option<Vec<String>>,
}

/// Reads `ssl.protocol`, `ssl.enabled.protocols` and `ssl.cipher.suites`.
///
/// Versions before 1.2 are never used; beside newer ones they may be named. `ssl.protocol` chooses Java's
/// implementation, which leaves the enabled versions as they are.
///
/// # Errors
/// A version that does not exist, or none that can be used.
pub fn handshake<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Handshake, Fault> {
    const PROTOCOL: &str = "ssl.protocol";
    const ENABLED: &str = "ssl.enabled.protocols";
    const KNOWN: [&str; 6] = [
        "TLSv1.3",
        "TLSv1.2",
        "TLSv1.1",
        "TLSv1",
        "SSLv3",
        "SSLv2Hello",
    ];
    let list = |key: &str| -> Vec<String> {
        let words = get(key).unwrap_or_default().split(',').map(str::trim);
        words
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    if let Some(protocol) = list(PROTOCOL).first()
        && !KNOWN.contains(&protocol.as_str())
        && !["TLS", "SSL", "SSLv2", "Default", "DTLS"].contains(&protocol.as_str())
    {
        return Err(Fault::new(
            PROTOCOL,
            format!("{protocol} SSLContext not available"),
        ));
    }
    let enabled = list(ENABLED);
    if let Some(unknown) = enabled.iter().find(|one| !KNOWN.contains(&one.as_str())) {
        return Err(Fault::new(
            ENABLED,
            format!("Unsupported protocol {unknown}"),
        ));
    }
    let has = |version: &str| enabled.is_empty() || enabled.iter().any(|one| one == version);
    let versions = Versions {
        tls12: has("TLSv1.2"),
        tls13: has("TLSv1.3"),
    };
    if !versions.tls12 && !versions.tls13 {
        let reason = format!(
            "{} cannot be used any more, only TLSv1.2 and TLSv1.3 can",
            enabled.join(",")
        );
        return Err(Fault::new(ENABLED, reason));
    }
    let ciphers = list("ssl.cipher.suites");
    Ok(Handshake {
        versions,
        ciphers: (!ciphers.is_empty()).then_some(ciphers),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stores_of(pairs: &[(&str, &str)]) -> Result<Stores, String> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stores/");
        let placed: Vec<(&str, String)> = pairs
            .iter()
            .map(|(key, value)| match key.ends_with("location") {
                true => (*key, format!("{folder}{value}")),
                false => (*key, (*value).to_owned()),
            })
            .collect();
        let get = |key: &str| {
            let found = placed.iter().find(|(name, _)| *name == key);
            found.map(|(_, value)| value.as_str())
        };
        stores(get).map_err(|fault| fault.to_string().replace(folder, ""))
    }

    #[test]
    fn stores_of_each_type_are_read() {
        for (name, kind) in [
            ("key.jks", "JKS"),
            ("key.p12", "PKCS12"),
            ("key.p12", "JKS"),
        ] {
            let read = stores_of(&[
                ("ssl.keystore.location", name),
                ("ssl.keystore.type", kind),
                ("ssl.keystore.password", "geheim"),
                ("ssl.truststore.location", "trust.jks"),
            ]);
            let read = read.unwrap();
            assert!(read.key.unwrap().contains("BEGIN PRIVATE KEY"), "{name}");
            assert_eq!(
                read.chain.unwrap().matches("BEGIN CERT").count(),
                2,
                "{name}"
            );
            assert_eq!(
                read.trusted.unwrap().matches("BEGIN CERT").count(),
                2,
                "{name}"
            );
        }
        let encrypted = stores_of(&[
            ("ssl.keystore.location", "encrypted.pem"),
            ("ssl.keystore.type", "PEM"),
            ("ssl.key.password", "geheim"),
        ]);
        assert!(
            encrypted
                .unwrap()
                .key
                .unwrap()
                .contains("BEGIN PRIVATE KEY")
        );
        assert_eq!(stores_of(&[]), Ok(Stores::default()));
    }

    #[test]
    fn faults_name_the_key_and_no_secret() {
        for (pairs, expected) in [
            (
                &[("ssl.keystore.location", "key.jks")][..],
                "ssl.keystore.password: SSL key store is specified, but key store password is not specified.",
            ),
            (
                &[
                    ("ssl.keystore.location", "key.jks"),
                    ("ssl.keystore.password", "geheim2"),
                ],
                "ssl.keystore.location: key.jks: the password is wrong, or it is damaged",
            ),
            (
                &[("ssl.truststore.location", "encrypted.pem")],
                "ssl.truststore.location: encrypted.pem: it is neither a JKS nor a PKCS12 key store; it may \
                 be PEM: set ssl.truststore.type=PEM",
            ),
            (
                &[
                    ("ssl.truststore.location", "trust.jks"),
                    ("ssl.truststore.type", "BCFKS"),
                ],
                "ssl.truststore.type: BCFKS is not supported, use JKS, PKCS12 or PEM",
            ),
            (
                &[
                    ("ssl.keystore.location", "encrypted.pem"),
                    ("ssl.keystore.type", "PEM"),
                ],
                "ssl.key.password: the private key does not open with the password, or is damaged",
            ),
        ] {
            assert_eq!(stores_of(pairs), Err(expected.to_owned()));
        }
    }

    #[test]
    fn versions_and_suites_are_read() {
        let read = |enabled: &str| {
            let get = |key: &str| (key == "ssl.enabled.protocols").then_some(enabled);
            let versions = handshake(get).map(|handshake| handshake.versions);
            versions
                .map(|versions| (versions.tls12, versions.tls13))
                .map_err(|fault| fault.reason)
        };
        assert_eq!(read(""), Ok((true, true)));
        assert_eq!(read("TLSv1.3"), Ok((false, true)));
        assert_eq!(read("TLSv1.1, TLSv1.2"), Ok((true, false)));
        assert_eq!(
            read("TLSv1.4"),
            Err("Unsupported protocol TLSv1.4".to_owned())
        );
        assert!(read("TLSv1.1").is_err());
        let get = |key: &str| (key == "ssl.protocol").then_some("TLSv9");
        assert!(handshake(get).is_err());
        let get = |key: &str| (key == "ssl.cipher.suites").then_some(" A,B ");
        let ciphers = handshake(get).map(|handshake| handshake.ciphers);
        assert_eq!(ciphers, Ok(Some(vec!["A".to_owned(), "B".to_owned()])));
    }
}
