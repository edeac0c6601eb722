//! TLS for the group client: rustls with the PEM settings of [`crate::security`].

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio_rustls::TlsConnector;

use crate::security::{PemSource, Tls};

/// Where systems keep the certificates they trust.
const SYSTEM_STORES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// TLS settings that can't be used. Never shows key material.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A PEM file can't be read.
    #[error("{what}: can't read {path:?}")]
    Read {
        /// What the file should hold.
        what: &'static str,
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// PEM text holds nothing usable.
    #[error("{what}: no usable PEM section found")]
    Pem {
        /// What the text should hold.
        what: &'static str,
    },
    /// The private key is encrypted.
    #[error(
        "private key: encrypted keys are not supported for group membership, store it without password"
    )]
    EncryptedKey,
    /// There is no store of trusted certificates on this system.
    #[error("no trusted certificates: set ssl.truststore.location or ssl.truststore.certificates")]
    NoSystemStore,
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
    let mut roots = RootCertStore::empty();
    let pem = match &settings.trusted {
        Some(source) => load("truststore", source)?,
        None => system_store()?,
    };
    for certificate in certificates("truststore", &pem)? {
        roots.add(certificate).map_err(TlsError::Settings)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
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
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Settings)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match (&settings.certificate, &settings.key) {
        (Some(chain), Some(key)) => {
            let chain = certificates("certificate chain", &load("certificate chain", chain)?)?;
            let key = load("private key", key)?;
            if key.windows(9).any(|window| window == b"ENCRYPTED") {
                return Err(TlsError::EncryptedKey);
            }
            let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| TlsError::Pem {
                what: "private key",
            })?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(TlsError::Settings)?
        }
        _ => builder.with_no_client_auth(),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name =
        ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Host(host.to_owned()))?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

fn load(what: &'static str, source: &PemSource) -> Result<Vec<u8>, TlsError> {
    match source {
        PemSource::Text(pem) => Ok(pem.expose().as_bytes().to_vec()),
        PemSource::File(path) => std::fs::read(path).map_err(|source| TlsError::Read {
            what,
            path: path.display().to_string(),
            source,
        }),
    }
}

fn system_store() -> Result<Vec<u8>, TlsError> {
    SYSTEM_STORES
        .iter()
        .map(Path::new)
        .find_map(|path| std::fs::read(path).ok())
        .ok_or(TlsError::NoSystemStore)
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
