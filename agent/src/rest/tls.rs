//! TLS of the REST server and of requests to other workers, from `listeners.https.*` or else the
//! worker's `ssl.*`.
//!
//! Stores are JKS, PKCS12 or PEM, the last from files or from the properties.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sluice_api::causes::with_causes;
use sluice_api::config::Props;
use sluice_kafka::wire::security::Tls;
use sluice_kafka::wire::tls;

use crate::properties::with_prefix;
use crate::settings::WorkerSettings;

/// A TLS setting that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct TlsError {
    /// Name of the `ssl.*` property at fault.
    pub key: String,
    /// What is wrong with it; never its value if that is secret.
    pub reason: String,
}

/// The `ssl.*` properties that hold for REST: all of `prefix` if there is any, else those of the worker.
fn properties(config: &WorkerSettings, prefix: &str) -> (String, Props) {
    let own = with_prefix(&config.props, prefix);
    if own.keys().any(|key| key.starts_with("ssl.")) {
        (prefix.to_owned(), own)
    } else {
        (String::new(), Props::clone(&config.props))
    }
}

/// `ssl.client.auth` among the properties of a listener; `none` if it is not given.
fn client_auth(props: &Props) -> &str {
    props
        .get("ssl.client.auth")
        .map_or("none", |auth| auth.trim())
}

/// Whether clients of a listener whose keys stand under `prefix` have to show a certificate.
pub(crate) fn requires_certificates(config: &WorkerSettings, prefix: &str) -> bool {
    client_auth(&properties(config, prefix).1) == "required"
}

/// TLS of a listener whose keys stand under `prefix` (`listeners.https.` or `admin.listeners.https.`).
///
/// # Errors
/// If the key or a certificate is missing or cannot be read.
pub(crate) fn server(config: &WorkerSettings, prefix: &str) -> Result<Arc<ServerConfig>, TlsError> {
    let (prefix, props) = properties(config, prefix);
    let fault = |key: &str, reason: String| TlsError {
        key: format!("{prefix}{key}"),
        reason,
    };
    let tls = settings(&prefix, &props)?;
    let chain_pem = tls.stores.chain.as_ref().ok_or_else(|| {
        fault(
            "ssl.keystore.location",
            "an https listener needs a key store".into(),
        )
    })?;
    let key_pem = tls.stores.key.as_deref().unwrap_or_default();
    let chain = CertificateDer::pem_slice_iter(chain_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| fault("ssl.keystore.location", error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|error| {
        fault(
            "ssl.keystore.location",
            format!("no usable private key: {error}"),
        )
    })?;
    let provider = tls::provider(&tls.handshake)
        .map_err(|error| fault("ssl.cipher.suites", error.to_string()))?;
    let provider = Arc::new(provider);
    let auth = client_auth(&props);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&tls::versions(&tls.handshake))
        .map_err(|error| fault("ssl.enabled.protocols", error.to_string()))?;
    let builder = match auth {
        "none" => builder.with_no_client_auth(),
        "requested" | "required" => {
            let roots = trusted(&prefix, &tls)?.ok_or_else(|| {
                fault(
                    "ssl.truststore.location",
                    "ssl.client.auth needs trusted certificates".into(),
                )
            })?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = if auth == "requested" {
                verifier.allow_unauthenticated()
            } else {
                verifier
            };
            builder.with_client_cert_verifier(
                verifier
                    .build()
                    .map_err(|error| fault("ssl.truststore.location", error.to_string()))?,
            )
        }
        other => {
            return Err(fault(
                "ssl.client.auth",
                format!("{other} is none of none, requested, required"),
            ));
        }
    };
    builder
        .with_single_cert(chain, key)
        .map(Arc::new)
        .map_err(|error| fault("ssl.keystore.location", error.to_string()))
}

/// A client for requests to other workers.
///
/// # Errors
/// If a certificate cannot be read.
pub(crate) fn client(config: &WorkerSettings) -> Result<reqwest::Client, TlsError> {
    let (prefix, props) = properties(config, "listeners.https.");
    let fault = |key: &str, reason: String| TlsError {
        key: format!("{prefix}{key}"),
        reason,
    };
    let mut builder = reqwest::Client::builder()
        .user_agent("kafka-connect")
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    if config.rest.listeners.iter().any(|listener| listener.tls) {
        let settings = settings(&prefix, &props)?;
        let config = tls::client_config(&settings).map_err(|error| {
            let key = match &error {
                tls::TlsError::Pem { what: "truststore" } => "ssl.truststore.location",
                tls::TlsError::Pem { .. } => "ssl.keystore.location",
                tls::TlsError::Ciphers(_) => "ssl.cipher.suites",
                _ => "ssl.*",
            };
            fault(key, with_causes(&error))
        })?;
        builder = builder.tls_backend_preconfigured(config);
    }
    builder
        .build()
        .map_err(|error| fault("ssl.*", with_causes(&error)))
}

/// All that the `ssl.*` properties say.
fn settings(prefix: &str, props: &Props) -> Result<Tls, TlsError> {
    Tls::from_props(props).map_err(|fault| TlsError {
        key: format!("{prefix}{}", fault.key),
        reason: fault.reason,
    })
}

fn trusted(prefix: &str, tls: &Tls) -> Result<Option<RootCertStore>, TlsError> {
    let Some(pem) = &tls.stores.trusted else {
        return Ok(None);
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        certificate
            .map_err(|error| error.to_string())
            .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()))
            .map_err(|reason| TlsError {
                key: format!("{prefix}ssl.truststore.location"),
                reason,
            })?;
    }
    Ok(Some(roots))
}
