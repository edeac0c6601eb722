//! How to reach brokers safely: `security.protocol`, `sasl.*` and `ssl.*` of Kafka's Java clients, taken apart.
//!
//! Stores must be PEM (`ssl.truststore.type=PEM`, `ssl.keystore.type=PEM`, or PEM text in the keys made for it); Java's
//! own formats are refused with a hint.

use std::fmt;
use std::path::PathBuf;

use sluice_api::config::Props;

use crate::jaas::{self, JaasError};

/// A text that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// `security.protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// Neither encrypted nor authenticated.
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL without encryption.
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// The name librdkafka uses.
    pub const fn librdkafka_name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    const fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    const fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

/// Where PEM text comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PemSource {
    /// A file.
    File(PathBuf),
    /// The text itself.
    Text(Secret),
}

/// TLS settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificates to trust; `None` trusts those of the system.
    pub trusted: Option<PemSource>,
    /// Own certificate chain.
    pub certificate: Option<PemSource>,
    /// Own private key.
    pub key: Option<PemSource>,
    /// Password of the private key.
    pub key_password: Option<Secret>,
    /// Whether the broker's name must be in its certificate.
    pub verify_host: bool,
}

/// Hash of a SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramAlgorithm {
    /// `SCRAM-SHA-256`.
    Sha256,
    /// `SCRAM-SHA-512`.
    Sha512,
}

/// How to authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sasl {
    /// `PLAIN`.
    Plain {
        /// User.
        username: String,
        /// Password.
        password: Secret,
    },
    /// `SCRAM-SHA-256` and `SCRAM-SHA-512`.
    Scram {
        /// Hash.
        algorithm: ScramAlgorithm,
        /// User.
        username: String,
        /// Password.
        password: Secret,
    },
    /// `OAUTHBEARER` with unsigned tokens made here (`unsecuredLoginStringClaim_sub`), for tests as in Java.
    UnsecuredToken {
        /// Subject of the token.
        principal: String,
        /// Scopes, separated by blanks.
        scope: Option<String>,
    },
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Security {
    /// `security.protocol`.
    pub protocol: SecurityProtocol,
    /// Present with a TLS protocol.
    pub tls: Option<Tls>,
    /// Present with a SASL protocol.
    pub sasl: Option<Sasl>,
}

/// A security setting that can't be honoured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecurityError {
    /// `security.protocol` is none of Kafka's.
    #[error("security.protocol {0:?} is none of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL")]
    Protocol(String),
    /// The store is not PEM.
    #[error("{key} {value:?} is not supported: convert the store to PEM and set the type to PEM")]
    StoreType {
        /// The type's key.
        key: &'static str,
        /// Its value, or Java's default.
        value: String,
    },
    /// `sasl.mechanism` is not one of ours.
    #[error(
        "sasl.mechanism {0:?} is not supported: use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"
    )]
    Mechanism(String),
    /// `sasl.jaas.config` is missing.
    #[error("sasl.jaas.config is needed for sasl.mechanism {0}")]
    NoJaas(String),
    /// `sasl.jaas.config` does not parse.
    #[error(transparent)]
    Jaas(#[from] JaasError),
    /// `sasl.jaas.config` lacks an option.
    #[error("sasl.jaas.config: option {0} is missing")]
    NoOption(&'static str),
    /// Tokens from an identity provider.
    #[error(
        "sasl.oauthbearer.token.endpoint.url: tokens from an identity provider are not supported"
    )]
    TokenEndpoint,
}

impl Security {
    /// No encryption, no authentication.
    pub const fn plaintext() -> Self {
        Self {
            protocol: SecurityProtocol::Plaintext,
            tls: None,
            sasl: None,
        }
    }

    /// Reads the client keys of a property map; keys that have nothing to do with security are ignored.
    ///
    /// # Errors
    /// The first setting that can't be honoured.
    pub fn from_props(props: &Props) -> Result<Self, SecurityError> {
        let text = |key: &str| {
            props
                .get(key)
                .map(|value| value.trim())
                .filter(|value| !value.is_empty())
        };
        let protocol = match text("security.protocol").unwrap_or("PLAINTEXT") {
            name if name.eq_ignore_ascii_case("PLAINTEXT") => SecurityProtocol::Plaintext,
            name if name.eq_ignore_ascii_case("SSL") => SecurityProtocol::Ssl,
            name if name.eq_ignore_ascii_case("SASL_PLAINTEXT") => SecurityProtocol::SaslPlaintext,
            name if name.eq_ignore_ascii_case("SASL_SSL") => SecurityProtocol::SaslSsl,
            other => return Err(SecurityError::Protocol(other.to_owned())),
        };
        Ok(Self {
            protocol,
            tls: protocol.has_tls().then(|| tls(props)).transpose()?,
            sasl: protocol.has_sasl().then(|| sasl(&text)).transpose()?,
        })
    }
}

fn tls(props: &Props) -> Result<Tls, SecurityError> {
    let text = |key: &str| props.get(key).filter(|value| !value.trim().is_empty());
    let inline = |key: &str| text(key).map(|pem| PemSource::Text(Secret::new(pem.as_str())));
    let file =
        |location: &str, type_key: &'static str| -> Result<Option<PemSource>, SecurityError> {
            let Some(path) = text(location) else {
                return Ok(None);
            };
            let store_type = text(type_key).map_or("JKS", String::as_str);
            if !store_type.eq_ignore_ascii_case("PEM") {
                return Err(SecurityError::StoreType {
                    key: type_key,
                    value: store_type.to_owned(),
                });
            }
            Ok(Some(PemSource::File(PathBuf::from(path.trim()))))
        };
    let keystore = file("ssl.keystore.location", "ssl.keystore.type")?;
    Ok(Tls {
        trusted: match inline("ssl.truststore.certificates") {
            Some(pem) => Some(pem),
            None => file("ssl.truststore.location", "ssl.truststore.type")?,
        },
        certificate: inline("ssl.keystore.certificate.chain").or_else(|| keystore.clone()),
        key: inline("ssl.keystore.key").or(keystore),
        key_password: text("ssl.key.password").map(|text| Secret::new(text.as_str())),
        verify_host: props
            .get("ssl.endpoint.identification.algorithm")
            .is_none_or(|value| !value.trim().is_empty()),
    })
}

fn sasl<'a>(text: &dyn Fn(&str) -> Option<&'a str>) -> Result<Sasl, SecurityError> {
    let mechanism = text("sasl.mechanism").unwrap_or("GSSAPI");
    let algorithm = match mechanism {
        "PLAIN" | "OAUTHBEARER" => None,
        "SCRAM-SHA-256" => Some(ScramAlgorithm::Sha256),
        "SCRAM-SHA-512" => Some(ScramAlgorithm::Sha512),
        other => return Err(SecurityError::Mechanism(other.to_owned())),
    };
    let jaas =
        text("sasl.jaas.config").ok_or_else(|| SecurityError::NoJaas(mechanism.to_owned()))?;
    let mut options = jaas::parse(jaas)?.options;
    let mut option = |name: &'static str| {
        options
            .shift_remove(name)
            .ok_or(SecurityError::NoOption(name))
    };
    if mechanism == "OAUTHBEARER" {
        if text("sasl.oauthbearer.token.endpoint.url").is_some() {
            return Err(SecurityError::TokenEndpoint);
        }
        return Ok(Sasl::UnsecuredToken {
            principal: option("unsecuredLoginStringClaim_sub")?,
            scope: option("unsecuredLoginStringClaim_scope").ok(),
        });
    }
    let username = option("username")?;
    let password = Secret::new(option("password")?);
    Ok(match algorithm {
        None => Sasl::Plain { username, password },
        Some(algorithm) => Sasl::Scram {
            algorithm,
            username,
            password,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn props(pairs: &[(&str, &str)]) -> Props {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn nothing_set_is_plaintext() {
        assert_eq!(
            Security::from_props(&props(&[])).unwrap(),
            Security::plaintext()
        );
    }

    #[test]
    fn pem_stores_are_taken_and_others_refused_with_a_hint() {
        let security = Security::from_props(&props(&[
            ("security.protocol", "ssl"),
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.location", "/ca.pem"),
            ("ssl.endpoint.identification.algorithm", ""),
        ]))
        .unwrap();
        let tls = security.tls.unwrap();
        assert_eq!(tls.trusted, Some(PemSource::File("/ca.pem".into())));
        assert!(!tls.verify_host);
        let error = Security::from_props(&props(&[
            ("security.protocol", "SSL"),
            ("ssl.truststore.location", "/ca.jks"),
        ]))
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "ssl.truststore.type \"JKS\" is not supported: convert the store to PEM and set the type to PEM"
        );
    }

    #[test]
    fn secrets_are_not_in_debug_output() {
        let security = Security::from_props(&props(&[
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.jaas.config", "x required username=u password=geheim;"),
        ]))
        .unwrap();
        assert!(!format!("{security:?}").contains("geheim"));
    }

    #[test]
    fn missing_and_unknown_settings_are_named() {
        let error =
            |pairs: &[(&str, &str)]| Security::from_props(&props(pairs)).unwrap_err().to_string();
        assert!(error(&[("security.protocol", "TELNET")]).contains("TELNET"));
        assert!(error(&[("security.protocol", "SASL_SSL")]).contains("GSSAPI"));
        assert!(
            error(&[
                ("security.protocol", "SASL_SSL"),
                ("sasl.mechanism", "PLAIN")
            ])
            .contains("sasl.jaas.config is needed")
        );
        assert!(
            error(&[
                ("security.protocol", "SASL_SSL"),
                ("sasl.mechanism", "PLAIN"),
                ("sasl.jaas.config", "x required username=u;"),
            ])
            .contains("option password is missing")
        );
    }
}
