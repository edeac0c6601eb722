//! TLS settings of the client: stores of JKS, PKCS12 or PEM.

use std::collections::HashMap;

use sluice_api::{ConnectError, ParsedConfig, Result};
use sluice_keystore::settings::{Fault, Versions, handshake, stores};

/// Certificates and keys, read when the converter is configured.
#[derive(Default)]
pub(crate) struct TlsSettings {
    trusted: Vec<reqwest::Certificate>,
    identity: Option<reqwest::Identity>,
    any_host_name: bool,
    versions: Versions,
}

fn fault(key: &str, why: impl std::fmt::Display) -> ConnectError {
    ConnectError::config(format!("{key}: {why}"))
}

impl TlsSettings {
    /// The settings under `schema.registry.ssl.*`.
    ///
    /// # Errors
    /// A store that cannot be read or opened, or holds something else.
    pub(crate) fn read(config: &ParsedConfig) -> Result<Self> {
        let key = |name: &str| format!("schema.registry.ssl.{name}");
        let mut settings = Self::default();
        let values = config_values(config);
        let get = |name: &str| values.get(name).map(String::as_str);
        let named = |Fault { key, reason }: Fault| fault(&format!("schema.registry.{key}"), reason);
        let handshake = handshake(get).map_err(named)?;
        if handshake.ciphers.is_some() {
            return Err(fault(
                &key("cipher.suites"),
                "is not supported, leave it out",
            ));
        }
        settings.versions = handshake.versions;
        let stores = stores(get).map_err(named)?;
        if let Some(pem) = stores.trusted {
            settings.trusted =
                reqwest::Certificate::from_pem_bundle(pem.as_bytes()).unwrap_or_default();
            if settings.trusted.is_empty() {
                return Err(fault(&key("truststore"), "no certificate"));
            }
        }
        if let (Some(chain), Some(private)) = (stores.chain, stores.key) {
            // The error of the parser is not shown: it could quote the key.
            let identity = reqwest::Identity::from_pem(format!("{chain}\n{private}").as_bytes())
                .map_err(|_| fault(&key("keystore"), "no certificate with its key"))?;
            settings.identity = Some(identity);
        }
        settings.any_host_name = config
            .optional_string(&key("endpoint.identification.algorithm"))
            .is_some_and(str::is_empty);
        Ok(settings)
    }

    /// Applies the settings; without trusted certificates those of the system are used.
    pub(crate) fn apply(&self, mut builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
        if !self.trusted.is_empty() {
            builder = builder.tls_certs_only(self.trusted.iter().cloned());
        }
        if let Some(identity) = &self.identity {
            builder = builder.identity(identity.clone());
        }
        if !self.versions.tls12 {
            builder = builder.tls_version_min(reqwest::tls::Version::TLS_1_3);
        }
        if !self.versions.tls13 {
            builder = builder.tls_version_max(reqwest::tls::Version::TLS_1_2);
        }
        if self.any_host_name {
            builder = builder.tls_danger_accept_invalid_hostnames(true);
        }
        builder
    }
}

/// The values of the keys under `schema.registry.`, by their names in Java's TLS settings.
fn config_values(config: &ParsedConfig) -> HashMap<String, String> {
    let texts = [
        "ssl.truststore.type",
        "ssl.truststore.location",
        "ssl.keystore.type",
        "ssl.keystore.location",
        "ssl.enabled.protocols",
        "ssl.protocol",
        "ssl.cipher.suites",
    ];
    let secrets = [
        "ssl.truststore.password",
        "ssl.truststore.certificates",
        "ssl.keystore.password",
        "ssl.keystore.certificate.chain",
        "ssl.keystore.key",
        "ssl.key.password",
    ];
    let name = |key: &str| format!("schema.registry.{key}");
    let texts = texts.into_iter().filter_map(|key| {
        let value = config.optional_string(&name(key))?;
        Some((key.to_owned(), value.to_owned()))
    });
    let secrets = secrets.into_iter().filter_map(|key| {
        let value = config.optional_password(&name(key))?;
        Some((key.to_owned(), value.reveal().to_owned()))
    });
    texts.chain(secrets).collect()
}
