//! TLS of the REST server and of requests to other workers, from `listeners.https.*` or else the worker's `ssl.*`.
//!
//! PEM is read, from files or from the properties; Java key stores are refused by name.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sluice_api::config::Props;

use crate::causes::with_causes;
use crate::worker_config::WorkerConfig;

/// A TLS setting that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct TlsError {
    /// The property.
    pub key: String,
    /// What is wrong with it; never its value if that is secret.
    pub reason: String,
}

/// The `ssl.*` properties that hold for REST: all of `prefix` if there is any, else those of the worker.
fn properties(config: &WorkerConfig, prefix: &str) -> (String, Props) {
    let own = config.with_prefix(prefix);
    if own.keys().any(|key| key.starts_with("ssl.")) {
        (prefix.to_owned(), own)
    } else {
        (String::new(), config.raw.clone())
    }
}

/// TLS of a listener whose keys stand under `prefix` (`listeners.https.` or `admin.listeners.https.`).
///
/// # Errors
/// If the key or a certificate is missing or not PEM.
pub fn server(config: &WorkerConfig, prefix: &str) -> Result<Arc<ServerConfig>, TlsError> {
    let (prefix, props) = properties(config, prefix);
    let fault = |key: &str, reason: String| TlsError {
        key: format!("{prefix}{key}"),
        reason,
    };
    let chain_pem = pem(
        &prefix,
        &props,
        "ssl.keystore",
        "ssl.keystore.certificate.chain",
    )?
    .ok_or_else(|| {
        fault(
            "ssl.keystore.location",
            "an https listener needs a key store".into(),
        )
    })?;
    let key_pem = pem(&prefix, &props, "ssl.keystore", "ssl.keystore.key")?.unwrap_or_default();
    let chain = CertificateDer::pem_slice_iter(&chain_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| fault("ssl.keystore.location", error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|error| {
        fault(
            "ssl.keystore.location",
            format!("no usable private key: {error}"),
        )
    })?;
    let auth = props.get("ssl.client.auth").map_or("none", String::as_str);
    let builder = ServerConfig::builder();
    let builder = match auth {
        "none" => builder.with_no_client_auth(),
        "requested" | "required" => {
            let roots = trusted(&prefix, &props)?.ok_or_else(|| {
                fault(
                    "ssl.truststore.location",
                    "ssl.client.auth needs trusted certificates".into(),
                )
            })?;
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots));
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
/// If a certificate is not PEM.
pub fn client(config: &WorkerConfig) -> Result<reqwest::Client, TlsError> {
    let (prefix, props) = properties(config, "listeners.https.");
    let fault = |key: &str, error: reqwest::Error| TlsError {
        key: format!("{prefix}{key}"),
        reason: with_causes(&error),
    };
    let mut builder = reqwest::Client::builder()
        .user_agent("kafka-connect")
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    if config.listeners.iter().any(|listener| listener.tls) {
        if let Some(trusted) = pem(
            &prefix,
            &props,
            "ssl.truststore",
            "ssl.truststore.certificates",
        )? {
            let certificates = reqwest::Certificate::from_pem_bundle(&trusted)
                .map_err(|error| fault("ssl.truststore.location", error))?;
            builder = builder.tls_certs_only(certificates);
        }
        let chain = pem(
            &prefix,
            &props,
            "ssl.keystore",
            "ssl.keystore.certificate.chain",
        )?;
        let key = pem(&prefix, &props, "ssl.keystore", "ssl.keystore.key")?;
        if let (Some(mut identity), Some(key)) = (chain, key) {
            identity.extend_from_slice(b"\n");
            identity.extend_from_slice(&key);
            builder = builder.identity(
                reqwest::Identity::from_pem(&identity)
                    .map_err(|error| fault("ssl.keystore.location", error))?,
            );
        }
        if props
            .get("ssl.endpoint.identification.algorithm")
            .is_some_and(String::is_empty)
        {
            builder = builder.tls_danger_accept_invalid_hostnames(true);
        }
    }
    builder.build().map_err(|error| fault("ssl.*", error))
}

fn trusted(prefix: &str, props: &Props) -> Result<Option<RootCertStore>, TlsError> {
    let Some(bytes) = pem(
        prefix,
        props,
        "ssl.truststore",
        "ssl.truststore.certificates",
    )?
    else {
        return Ok(None);
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
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

/// PEM text from `inline`, or from the file named by `STORE.location`.
fn pem(
    prefix: &str,
    props: &Props,
    store: &str,
    inline: &str,
) -> Result<Option<Vec<u8>>, TlsError> {
    if let Some(text) = props.get(inline) {
        return Ok(Some(text.clone().into_bytes()));
    }
    let location = format!("{store}.location");
    let Some(path) = props.get(&location) else {
        return Ok(None);
    };
    let kind = props
        .get(&format!("{store}.type"))
        .map_or("JKS", String::as_str);
    if !kind.eq_ignore_ascii_case("PEM") {
        return Err(TlsError {
            key: format!("{prefix}{store}.type"),
            reason: format!("{kind} is not supported, use PEM"),
        });
    }
    std::fs::read(path).map(Some).map_err(|error| TlsError {
        key: format!("{prefix}{location}"),
        reason: format!("cannot read {path}: {error}"),
    })
}
