//! TLS by rustls, for the wire client and for requests to other workers, with the settings of
//! [`super::security`].
//!
//! Clients of the wire protocol make rustls's settings once, and again when a file that they come from has
//! changed: certificates are renewed while a worker runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};
use sluice_api::causes::with_causes;
use sluice_keystore::settings::{Fault, Handshake};
use tokio_rustls::TlsConnector;

use super::security::{Tls, Verify};

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
    /// The keys that the settings come from.
    #[error(transparent)]
    Keys(#[from] Fault),
    /// The work to read files did not end.
    #[error("TLS settings were not read")]
    Reading(#[source] tokio::task::JoinError),
    /// The host is neither a DNS name nor an address.
    #[error("host {0:?} is not a name that TLS can check")]
    Host(String),
}

/// Reads TLS settings, and all files that they name. Blocks.
type Load = Box<dyn Fn() -> Result<Tls, Fault> + Send + Sync>;

/// The TLS settings of clients, which follow the files that they come from.
///
/// Each new connection looks whether a file has changed since, and if so reads all of them again. Settings
/// that can't be used then change nothing: the log says so once for each change, and connections are made
/// with what was read before.
pub struct TlsClient {
    load: Load,
    files: Vec<PathBuf>,
    state: Mutex<State>,
}

impl std::fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsClient")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// What was read last.
struct State {
    stamps: Vec<Option<Stamp>>,
    /// Settings that rustls has not seen yet.
    read: Option<Tls>,
    config: Option<Arc<ClientConfig>>,
}

/// By what a file is known to be another: time of its last change, length, and number of its inode, which
/// changes where a link is set to another file.
type Stamp = (Option<SystemTime>, u64, u64);

fn stamp(path: &PathBuf) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let inode = 0;
    Some((metadata.modified().ok(), metadata.len(), inode))
}

impl TlsClient {
    /// Reads the settings by `load`, which is called again when one of `files` has changed. Blocks.
    ///
    /// # Errors
    /// The settings can't be used.
    pub fn new(
        files: Vec<PathBuf>,
        load: impl Fn() -> Result<Tls, Fault> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, Fault> {
        // Before the reading, so that what changes meanwhile counts as changed.
        let stamps = files.iter().map(stamp).collect();
        let read = Some(load()?);
        Ok(Arc::new(Self {
            load: Box::new(load),
            files,
            state: Mutex::new(State {
                stamps,
                read,
                config: None,
            }),
        }))
    }

    /// A connector for the settings as they are now, and the name to check.
    ///
    /// # Errors
    /// The settings can't be used, or the host has a name that no certificate can have.
    pub(crate) async fn connector(
        self: &Arc<Self>,
        host: &str,
    ) -> Result<(TlsConnector, ServerName<'static>), TlsError> {
        let this = Arc::clone(self);
        let current = tokio::task::spawn_blocking(move || this.current());
        let config = current.await.map_err(TlsError::Reading)??;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name =
            ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Host(host.to_owned()))?;
        Ok((TlsConnector::from(config), name))
    }

    /// rustls's settings, read again if a file has changed. Blocks.
    fn current(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let stamps: Vec<Option<Stamp>> = self.files.iter().map(stamp).collect();
        let mut state = self.state.lock();
        let changed = stamps != state.stamps;
        if let Some(config) = state.config.as_ref().filter(|_| !changed) {
            return Ok(Arc::clone(config));
        }
        let read = state.read.take().filter(|_| !changed);
        state.stamps = stamps;
        let settings = read.map_or_else(|| (self.load)(), Ok);
        let made = settings
            .map_err(TlsError::Keys)
            .and_then(|settings| client_config(&settings));
        match (made, &state.config) {
            (Ok(config), before) => {
                if before.is_some() {
                    tracing::info!(files = ?self.files, "TLS settings are read again: a file changed");
                }
                let config = Arc::new(config);
                state.config = Some(Arc::clone(&config));
                Ok(config)
            }
            (Err(error), Some(before)) => {
                tracing::warn!(
                    error = with_causes(&error),
                    "a TLS file changed and can't be used, connections are made with what was there before"
                );
                Ok(Arc::clone(before))
            }
            (Err(error), None) => Err(error),
        }
    }
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
    let verifier: Arc<dyn ServerCertVerifier> = match settings.verify {
        Verify::Everything => verifier,
        verify => Arc::new(Lenient { verifier, verify }),
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

/// Checks everything but the name, or only that the broker has the key of its certificate.
#[derive(Debug)]
struct Lenient {
    verifier: Arc<WebPkiServerVerifier>,
    verify: Verify,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.verify == Verify::Nothing {
            return Ok(ServerCertVerified::assertion());
        }
        match self.verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        ) {
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
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sluice_api::config::Props;
    use sluice_tests::certificates::{Authority, Identity};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::client::logs::tests::capture;
    use crate::wire::connection::{BrokerConnection, ConnectionError};
    use crate::wire::settings::ClientSettings;

    /// A server that makes TLS connections and closes them, at the address it returns.
    async fn serve(identity: &Identity) -> String {
        let acceptor = TlsAcceptor::from(identity.server_config().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that does not trust us ends the handshake.
                let _ = acceptor.accept(stream).await;
            }
        });
        format!("localhost:{port}")
    }

    /// Whether a connection is made as far as TLS goes.
    async fn is_trusted(address: &str, settings: &ClientSettings) -> bool {
        match BrokerConnection::connect(address, settings).await {
            Ok(_) => panic!("the server speaks Kafka's protocol"),
            Err(ConnectionError::Closed(_)) => true,
            Err(error) => {
                assert!(error.is_for_good(), "{error}");
                false
            }
        }
    }

    fn settings(store: &Path) -> ClientSettings {
        let props: Props = [
            ("bootstrap.servers", "localhost:1"),
            ("security.protocol", "SSL"),
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.location", store.to_str().unwrap()),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        ClientSettings::from_props(&props, "test").unwrap()
    }

    #[tokio::test]
    async fn the_next_connection_has_what_is_in_a_file_now_and_a_broken_file_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("ca.pem");
        let [old, new] = ["old", "new"].map(|name| Authority::new(name).unwrap());
        let [at_old, at_new] = [&old, &new].map(|ca| ca.issue("broker").unwrap());
        let (at_old, at_new) = (serve(&at_old).await, serve(&at_new).await);

        std::fs::write(&store, old.pem()).unwrap();
        let settings = settings(&store);
        assert!(is_trusted(&at_old, &settings).await);
        assert!(!is_trusted(&at_new, &settings).await);

        // As by a rename: whole at once.
        let next = folder.path().join("next.pem");
        std::fs::write(&next, new.pem()).unwrap();
        std::fs::rename(&next, &store).unwrap();
        assert!(is_trusted(&at_new, &settings).await);
        assert!(!is_trusted(&at_old, &settings).await);

        let tls = settings.tls.clone().unwrap();
        for broken in [Some("no certificate"), Some(""), None] {
            match broken {
                Some(text) => std::fs::write(&store, text).unwrap(),
                None => std::fs::remove_file(&store).unwrap(),
            }
            let log = capture(|| {
                tls.current().unwrap();
                tls.current().unwrap();
            });
            assert_eq!(log.matches("can't be used").count(), 1, "{broken:?}: {log}");
            assert!(is_trusted(&at_new, &settings).await, "{broken:?}");
        }

        std::fs::write(&store, format!("{}{}", old.pem(), new.pem())).unwrap();
        assert!(is_trusted(&at_old, &settings).await);
        assert!(is_trusted(&at_new, &settings).await);
    }

    #[test]
    fn what_has_not_changed_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("ca.pem");
        std::fs::write(&store, Authority::new("one").unwrap().pem()).unwrap();
        let tls = settings(&store).tls.unwrap();
        let first = tls.current().unwrap();
        assert!(Arc::ptr_eq(&first, &tls.current().unwrap()));
    }
}
