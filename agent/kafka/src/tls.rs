//! TLS by rustls, for the wire client and for requests to other workers, with the settings of
//! [`crate::security`].

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};
use sluice_keystore::settings::Handshake;
use tokio_rustls::TlsConnector;

use crate::security::Tls;

/// TLS settings that can't be used. Never shows key material.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// PEM text holds nothing usable.
    #[error("{what}: no usable PEM section found")]
    Pem {
        /// What the text should hold.
        what: &'static str,
    },
    /// None of the cipher suites is one of ours.
    #[error("ssl.cipher.suites: none of {0} can be used")]
    Ciphers(String),
    /// There is no store of trusted certificates on this system.
    #[error(
        "no trusted certificates{why}: set ssl.truststore.location or ssl.truststore.certificates, or check \
         SSL_CERT_FILE and SSL_CERT_DIR"
    )]
    NoSystemStore {
        /// What was looked for, and why it cannot be read.
        why: String,
    },
    /// rustls refuses the settings.
    #[error("TLS settings")]
    Settings(#[source] Error),
    /// The host is no DNS name or address.
    #[error("host {0:?} is no name TLS can check")]
    Host(String),
}

/// A connector for the settings, and the name to check.
pub(crate) fn connector(
    settings: &Tls,
    host: &str,
) -> Result<(TlsConnector, ServerName<'static>), TlsError> {
    let config = client_config(settings)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name =
        ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Host(host.to_owned()))?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

/// The settings of a client of rustls.
///
/// # Errors
/// There is nothing usable in a store, or rustls cannot do what is asked for.
pub fn client_config(settings: &Tls) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    match &settings.stores.trusted {
        Some(pem) => {
            for certificate in certificates("truststore", pem.as_bytes())? {
                roots.add(certificate).map_err(TlsError::Settings)?;
            }
        }
        // One that rustls cannot read is no reason not to trust the others.
        None => {
            roots.add_parsable_certificates(system_store()?);
        }
    }
    let provider = Arc::new(provider(&settings.handshake)?);
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| TlsError::Settings(Error::General(error.to_string())))?;
    let verifier: Arc<dyn ServerCertVerifier> = if settings.verify_host {
        verifier
    } else {
        Arc::new(AnyName(verifier))
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(&settings.handshake))
        .map_err(TlsError::Settings)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match (&settings.stores.chain, &settings.stores.key) {
        (Some(chain), Some(key)) => {
            let chain = certificates("certificate chain", chain.as_bytes())?;
            let what = "private key";
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes());
            let key = key.map_err(|_| TlsError::Pem { what })?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(TlsError::Settings)
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

/// The cryptography of rustls with the cipher suites that are asked for.
///
/// # Errors
/// It has none of them.
pub fn provider(handshake: &Handshake) -> Result<CryptoProvider, TlsError> {
    let mut provider = rustls::crypto::ring::default_provider();
    if let Some(named) = &handshake.ciphers {
        provider.cipher_suites.retain(|suite| {
            let name = format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
            named.contains(&name)
        });
        let versions = versions(handshake);
        let usable = |suite: &rustls::SupportedCipherSuite| versions.contains(&suite.version());
        if !provider.cipher_suites.iter().any(usable) {
            return Err(TlsError::Ciphers(named.join(",")));
        }
    }
    Ok(provider)
}

/// The versions of TLS that are asked for.
#[must_use]
pub fn versions(handshake: &Handshake) -> Vec<&'static SupportedProtocolVersion> {
    let mut versions = Vec::new();
    if handshake.versions.tls12 {
        versions.push(&rustls::version::TLS12);
    }
    if handshake.versions.tls13 {
        versions.push(&rustls::version::TLS13);
    }
    versions
}

/// The certificates that are trusted where settings name none: those of `SSL_CERT_FILE` and `SSL_CERT_DIR` of
/// the process's environment if one of them is set, else the system's.
///
/// # Errors
/// There are none, or they cannot be read.
pub(crate) fn system_store() -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.iter().map(|error| format!(" ({error})"));
        return Err(TlsError::NoSystemStore { why: why.collect() });
    }
    Ok(found.certs)
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(TlsError::Pem { what }),
    }
}

/// Checks everything but the name: `ssl.endpoint.identification.algorithm` set to nothing.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self
            .0
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        {
            // The name is checked last, so everything before it was fine.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
