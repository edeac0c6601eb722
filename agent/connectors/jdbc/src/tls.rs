//! TLS by libpq's modes: `prefer` and `require` encrypt without looking at the certificate, `verify-ca` and
//! `verify-full` check it against the authorities of a file.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WantsClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};

use crate::error::{DatabaseError, DatabaseResult, Fault};

/// Checks signatures, and the certificate as far as the mode asks for.
#[derive(Debug)]
struct ModeVerifier {
    provider: Arc<CryptoProvider>,
    /// The check of the chain, without that of the host name; `None` takes every certificate.
    authorities: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for ModeVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authorities) = &self.authorities else {
            return Ok(ServerCertVerified::assertion());
        };
        match authorities.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        ) {
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
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Why there was no agreement on TLS, if that is among the causes of a driver's error.
pub(crate) fn refusal<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(found) = inner.downcast_ref() {
            return Some(found);
        }
        // An I/O error leaves out itself what it wraps.
        let wrapped = inner
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        cause = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => inner.source(),
        };
    }
    None
}

fn refused(message: String) -> DatabaseError {
    DatabaseError::new(Fault::Other, message)
}

/// What a client shows of itself: files of `sslcert` and `sslkey`.
pub(crate) type ClientFiles<'a> = Option<(&'a str, &'a str)>;

/// Adds the client's certificate, if it has one; keys are PEM, or PKCS-8 as pgjdbc wants them.
fn with_client(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    files: ClientFiles<'_>,
) -> DatabaseResult<ClientConfig> {
    let Some((certificate, key)) = files else {
        return Ok(builder.with_no_client_auth());
    };
    let unread = |name: &str, path: &str, error: &dyn std::fmt::Display| {
        refused(format!("{name} {path} can't be used: {error}"))
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| unread("sslcert", certificate, &error))?;
    let bytes = std::fs::read(key).map_err(|error| unread("sslkey", key, &error))?;
    let private = match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(private) => private,
        Err(_) => PrivateKeyDer::try_from(bytes).map_err(|error| unread("sslkey", key, &error))?,
    };
    builder
        .with_client_auth_cert(chain, private)
        .map_err(|error| unread("sslcert", certificate, &error))
}

/// The client's side of a mode.
pub(crate) fn client_config(
    mode: &str,
    root_certificate: Option<&str>,
    client: ClientFiles<'_>,
) -> DatabaseResult<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(format!("TLS can't be used: {error}")))?;
    let authorities = match (mode, root_certificate) {
        ("verify-ca" | "verify-full", None) => {
            return Err(refused(format!(
                "sslmode={mode} needs sslrootcert, the file of the authorities' certificates"
            )));
        }
        ("verify-ca" | "verify-full", Some(path)) => {
            let mut store = RootCertStore::empty();
            let unread = |error: &dyn std::fmt::Display| {
                refused(format!("sslrootcert {path} can't be used: {error}"))
            };
            for certificate in
                CertificateDer::pem_file_iter(path).map_err(|error| unread(&error))?
            {
                let certificate = certificate.map_err(|error| unread(&error))?;
                store.add(certificate).map_err(|error| unread(&error))?;
            }
            if store.is_empty() {
                return Err(unread(&"it holds no certificate"));
            }
            Some(store)
        }
        _ => None,
    };
    if let ("verify-full", Some(store)) = (mode, &authorities) {
        return with_client(builder.with_root_certificates(store.clone()), client);
    }
    let authorities = match authorities {
        None => None,
        Some(store) => Some(
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
                .build()
                .map_err(|error| refused(format!("the authorities can't be used: {error}")))?,
        ),
    };
    let verifier = ModeVerifier {
        provider,
        authorities,
    };
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    with_client(builder, client)
}
