//! TLS settings of the client, PEM only.

use sluice_api::{ConnectError, ParsedConfig, Result};

/// Certificates and keys, read when the converter is configured.
#[derive(Default)]
pub(crate) struct TlsSettings {
    trusted: Vec<reqwest::Certificate>,
    identity: Option<reqwest::Identity>,
    any_host_name: bool,
}

fn fault(key: &str, why: impl std::fmt::Display) -> ConnectError {
    ConnectError::config(format!("{key}: {why}"))
}

impl TlsSettings {
    /// The settings under `schema.registry.ssl.*`.
    ///
    /// # Errors
    /// A store that is not PEM, cannot be read, or holds something else.
    pub(crate) fn read(config: &ParsedConfig) -> Result<Self> {
        let key = |name: &str| format!("schema.registry.ssl.{name}");
        let mut settings = Self::default();
        if let Some(pem) = store(config, "truststore", "truststore.certificates")? {
            settings.trusted =
                reqwest::Certificate::from_pem_bundle(pem.as_bytes()).unwrap_or_default();
            if settings.trusted.is_empty() {
                return Err(fault(&key("truststore"), "no PEM certificate"));
            }
        }
        let chain = store(config, "keystore", "keystore.certificate.chain")?;
        let private = store(config, "keystore", "keystore.key")?;
        if let (Some(chain), Some(private)) = (chain, private) {
            // The error of the parser is not shown: it could quote the key.
            let identity = reqwest::Identity::from_pem(format!("{chain}\n{private}").as_bytes())
                .map_err(|_| fault(&key("keystore"), "no PEM certificate with its key"))?;
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
        if self.any_host_name {
            builder = builder.tls_danger_accept_invalid_hostnames(true);
        }
        builder
    }
}

/// The PEM text of a store: inline, or from its file.
fn store(config: &ParsedConfig, store: &str, inline: &str) -> Result<Option<String>> {
    let key = |name: &str| format!("schema.registry.ssl.{name}");
    if let Some(pem) = config.optional_password(&key(inline)) {
        return Ok(Some(pem.reveal().to_owned()));
    }
    let location = key(&format!("{store}.location"));
    let Some(path) = config.optional_string(&location) else {
        return Ok(None);
    };
    let kind = config.string(&key(&format!("{store}.type")));
    if !kind.eq_ignore_ascii_case("PEM") {
        return Err(fault(
            &key(&format!("{store}.type")),
            format!("{kind} is not supported, use PEM"),
        ));
    }
    std::fs::read_to_string(path)
        .map(Some)
        .map_err(|error| fault(&location, format!("{path}: {error}")))
}
