//! How to reach brokers safely: `security.protocol`, `sasl.*` and `ssl.*` of Kafka's Java clients, taken
//! apart.
//!
//! Stores are read when settings are, whatever their type, and are PEM from then on.

use std::fmt;

use sluice_api::config::Props;
use sluice_keystore::settings::{Fault, Handshake, Stores, handshake, stores};

use super::jaas::{self, JaasError};
use super::props::text;

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

    /// Reads `security.protocol`, in upper or lower case; without it nothing is encrypted.
    ///
    /// # Errors
    /// It is not one of Kafka's.
    pub fn from_props(props: &Props) -> Result<Self, SecurityError> {
        match text(props, "security.protocol").unwrap_or("PLAINTEXT") {
            name if name.eq_ignore_ascii_case("PLAINTEXT") => Ok(Self::Plaintext),
            name if name.eq_ignore_ascii_case("SSL") => Ok(Self::Ssl),
            name if name.eq_ignore_ascii_case("SASL_PLAINTEXT") => Ok(Self::SaslPlaintext),
            name if name.eq_ignore_ascii_case("SASL_SSL") => Ok(Self::SaslSsl),
            other => Err(SecurityError::Protocol(other.to_owned())),
        }
    }

    /// Whether connections are encrypted.
    #[must_use]
    pub const fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Whether clients say who they are by SASL.
    #[must_use]
    pub const fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

/// TLS settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificates and keys.
    pub stores: Stores,
    /// Versions of TLS, and cipher suites.
    pub handshake: Handshake,
    /// What of the broker's certificate is checked.
    pub verify: Verify,
}

/// What of a broker's certificate is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// That a trusted authority signed it, and that it is for the broker's name.
    Everything,
    /// That, but for the name (`ssl.endpoint.identification.algorithm` set to nothing).
    AllButName,
    /// Nothing. Java's clients have no key for it; librdkafka has `enable.ssl.certificate.verification`.
    Nothing,
}

impl Tls {
    /// Reads `ssl.*` keys, and the stores that they name.
    ///
    /// # Errors
    /// The first setting that can't be used.
    pub fn from_props(props: &Props) -> Result<Self, Fault> {
        let get = |key: &str| props.get(key).map(String::as_str);
        let name = get("ssl.endpoint.identification.algorithm");
        Ok(Self {
            stores: stores(get)?,
            handshake: handshake(get)?,
            verify: match name {
                Some(name) if name.trim().is_empty() => Verify::AllButName,
                _ => Verify::Everything,
            },
        })
    }
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

impl Sasl {
    /// Reads `sasl.mechanism` and what it needs.
    ///
    /// # Errors
    /// The first setting that can't be honoured.
    pub fn from_props(props: &Props) -> Result<Self, SecurityError> {
        let text = |key| text(props, key);
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
            return Ok(Self::UnsecuredToken {
                principal: option("unsecuredLoginStringClaim_sub")?,
                scope: option("unsecuredLoginStringClaim_scope").ok(),
            });
        }
        let username = option("username")?;
        let password = Secret::new(option("password")?);
        Ok(match algorithm {
            None => Self::Plain { username, password },
            Some(algorithm) => Self::Scram {
                algorithm,
                username,
                password,
            },
        })
    }
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
    /// An `ssl.*` key.
    #[error(transparent)]
    Tls(#[from] Fault),
    /// `sasl.mechanism` is not one of ours.
    #[error(
        "sasl.mechanism {0:?} is not supported: use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"
    )]
    Mechanism(String),
    /// `sasl.jaas.config` is missing.
    #[error("sasl.jaas.config is needed for sasl.mechanism {0}")]
    NoJaas(String),
    /// A key that the mechanism needs.
    #[error("{0} is missing")]
    NoKey(&'static str),
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
        let protocol = SecurityProtocol::from_props(props)?;
        Ok(Self {
            protocol,
            tls: protocol
                .has_tls()
                .then(|| Tls::from_props(props))
                .transpose()?,
            sasl: protocol
                .has_sasl()
                .then(|| Sasl::from_props(props))
                .transpose()?,
        })
    }
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
    fn stores_are_read_when_settings_are() {
        let security = Security::from_props(&props(&[
            ("security.protocol", "ssl"),
            ("ssl.truststore.certificates", "pem"),
            ("ssl.endpoint.identification.algorithm", ""),
        ]))
        .unwrap();
        let tls = security.tls.unwrap();
        assert_eq!(tls.stores.trusted.as_deref(), Some("pem"));
        assert_eq!(tls.verify, Verify::AllButName);
        let error = Security::from_props(&props(&[
            ("security.protocol", "SSL"),
            ("ssl.truststore.location", "/no/ca.jks"),
        ]))
        .unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("ssl.truststore.location: cannot read /no/ca.jks"),
            "{text}"
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
