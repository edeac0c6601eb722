//! Certificates for servers and clients on loopback, signed by authorities that live as long as a test.
//!
//! Made by the `openssl` command, which `tests/run` installs where it is missing.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

/// The extensions of an authority and of those it signs.
const SETTINGS: &str = "\
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[signed]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
authorityKeyIdentifier = keyid
";

/// An authority that signs certificates.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
    certificate: String,
    issued: AtomicU32,
}

/// A certificate with its private key.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The private key, PKCS#8 in PEM.
    pub key: String,
    /// The certificate, PEM.
    pub certificate: String,
}

impl Authority {
    /// A new authority; two of the same name trust each other's certificates no more than strangers'.
    ///
    /// # Errors
    /// When `openssl` is missing or refuses.
    pub fn new(name: &str) -> Result<Self> {
        let folder = TempDir::with_prefix("sluice-authority-")?;
        let path = |file: &str| folder.path().join(file);
        std::fs::write(path("settings"), SETTINGS)?;
        openssl(
            folder.path(),
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -days 2 -config \
             settings -extensions authority -keyout authority.key -out authority.pem",
            name,
        )?;
        let certificate = std::fs::read_to_string(path("authority.pem"))?;
        Ok(Self {
            folder,
            certificate,
            issued: AtomicU32::new(1),
        })
    }

    /// Its own certificate, PEM: what whoever trusts it needs.
    pub fn pem(&self) -> &str {
        &self.certificate
    }

    /// A certificate for `localhost` and 127.0.0.1, good for servers and clients.
    ///
    /// # Errors
    /// When `openssl` refuses.
    pub fn issue(&self, name: &str) -> Result<Identity> {
        let serial = self.issued.fetch_add(1, Ordering::Relaxed);
        openssl(
            self.folder.path(),
            &format!(
                "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -config settings -keyout \
                 {serial}.key -out {serial}.request"
            ),
            name,
        )?;
        openssl(
            self.folder.path(),
            &format!(
                "x509 -req -in {serial}.request -CA authority.pem -CAkey authority.key -set_serial {serial} \
                 -sha256 -days 2 -extfile settings -extensions signed -out {serial}.pem"
            ),
            "",
        )?;
        let read = |kind: &str| {
            std::fs::read_to_string(self.folder.path().join(format!("{serial}.{kind}")))
        };
        Ok(Identity {
            key: read("key")?,
            certificate: read("pem")?,
        })
    }
}

impl Identity {
    /// Key and certificate in one text, as Kafka's PEM key stores have them.
    pub fn pem(&self) -> String {
        format!("{}{}", self.key, self.certificate)
    }

    /// A server that shows this certificate and asks clients for none.
    ///
    /// # Errors
    /// When certificate or key cannot be read.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>> {
        let chain = CertificateDer::pem_slice_iter(self.certificate.as_bytes())
            .collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(Arc::new(config))
    }
}

/// The password of Java key stores made here; they hold nothing that lives on.
pub const STORE_PASSWORD: &str = "changeit";

/// Writes a PKCS#12 store with a key and its certificate, for Java programs that read no PEM.
///
/// # Errors
/// When `openssl` refuses.
pub fn write_key_store(file: &Path, identity: &Identity) -> Result<String> {
    let pem = file.with_extension("store.pem");
    write_pem(&pem, &identity.pem())?;
    let (pem, file) = (pem.display().to_string(), file.display().to_string());
    let password = format!("pass:{STORE_PASSWORD}");
    finish(Command::new("openssl").args([
        "pkcs12", "-export", "-in", &pem, "-out", &file, "-passout", &password,
    ]))?;
    Ok(file)
}

/// Writes a PKCS#12 store with the certificate of an authority to trust, for Java programs that read no PEM.
///
/// # Errors
/// When `keytool`, which comes with Java, refuses.
pub fn write_trust_store(file: &Path, authority: &Authority) -> Result<String> {
    let pem = file.with_extension("store.pem");
    write_pem(&pem, authority.pem())?;
    let (pem, file) = (pem.display().to_string(), file.display().to_string());
    finish(Command::new("keytool").args([
        "-importcert",
        "-noprompt",
        "-alias",
        "authority",
        "-file",
        &pem,
        "-storetype",
        "PKCS12",
        "-keystore",
        &file,
        "-storepass",
        STORE_PASSWORD,
    ]))?;
    Ok(file)
}

/// Writes PEM text to a file and returns its path as text.
///
/// # Errors
/// When the file cannot be written.
pub fn write_pem(file: &Path, pem: &str) -> Result<String> {
    std::fs::write(file, pem).with_context(|| file.display().to_string())?;
    Ok(file.display().to_string())
}

/// Runs a command to its good end.
fn finish(command: &mut Command) -> Result<()> {
    let done = command
        .output()
        .with_context(|| format!("{command:?} cannot be started"))?;
    ensure!(
        done.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(())
}

/// Runs `openssl` in a folder, with arguments that hold no blanks, and a subject's name if there is one.
fn openssl(folder: &Path, arguments: &str, name: &str) -> Result<()> {
    let mut command = Command::new("openssl");
    command
        .current_dir(folder)
        .args(arguments.split_whitespace());
    if !name.is_empty() {
        command.args(["-subj", &format!("/CN={name}")]);
    }
    finish(&mut command)
}
