//! A broker, Kafka or the embedded one, that can be stopped and started again on its data and ports.

use std::net::TcpStream;
use std::path::PathBuf;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::certificates::{Authority, write_pem};
use crate::ports::free_port;
use crate::process::Process;
use crate::servers::{BrokerKind, Servers, sluice_binary, tests_folder};
use crate::wait::{seconds, wait_until};

/// A broker (and its controller) in one process, with its data in a folder of its own.
///
/// How it is set up stands in `tests/servers/broker.properties` and, for a secured one and a second node,
/// `broker-secured.properties` and `broker-second.properties`.
#[derive(Debug)]
pub struct Kafka {
    servers: Servers,
    kind: BrokerKind,
    folder: TempDir,
    port: u16,
    /// Port of the controller.
    controller: u16,
    secured: Option<Secured>,
    process: Option<Process>,
}

/// What else a secured broker has.
#[derive(Debug)]
struct Secured {
    ssl: u16,
    sasl_ssl: u16,
    sasl_plaintext: u16,
}

/// The listeners of a secured broker besides the open one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// TLS; clients show a certificate.
    Ssl,
    /// A password over TLS.
    SaslSsl,
    /// A password without TLS.
    SaslPlaintext,
}

impl Listener {
    /// The value of `security.protocol` for it.
    pub fn protocol(self) -> &'static str {
        match self {
            Self::Ssl => "SSL",
            Self::SaslSsl => "SASL_SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
        }
    }
}

/// The user a secured broker knows, by all mechanisms.
pub const USER: &str = "alice";
/// The password of [`USER`]; nothing that is written or shown may contain it.
pub const PASSWORD: &str = "open-sesame-4711";

impl Kafka {
    /// Starts a broker with empty data and waits until it answers.
    ///
    /// # Errors
    /// When it does not come up; the end of its log is in the error.
    pub fn start(servers: &Servers) -> Result<Self> {
        Self::start_kind(servers, servers.broker())
    }

    /// The same with a broker of this kind.
    ///
    /// # Errors
    /// When it does not come up; the end of its log is in the error.
    pub fn start_kind(servers: &Servers, kind: BrokerKind) -> Result<Self> {
        Self::start_with(servers, kind, free_port()?, &[], None)
    }

    /// Starts a second node, number 2, of the cluster of a Kafka that was started alone and is number 1.
    ///
    /// # Errors
    /// When it does not come up; the end of its log is in the error.
    pub fn start_second(&self) -> Result<Self> {
        let more = &["broker-second.properties"];
        Self::start_with(&self.servers, self.kind, self.controller, more, None)
    }

    /// A Kafka with listeners for TLS and SASL (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512) beside the open one.
    ///
    /// It has a certificate of `authority`, and trusts those who have one too.
    ///
    /// # Errors
    /// When it does not come up; the end of its log is in the error.
    pub fn start_secured(servers: &Servers, authority: &Authority) -> Result<Self> {
        let (kind, more) = (BrokerKind::Kafka, &["broker-secured.properties"]);
        Self::start_with(servers, kind, free_port()?, more, Some(authority))
    }

    /// `more` are files of properties that win over `broker.properties`.
    fn start_with(
        servers: &Servers,
        kind: BrokerKind,
        controller: u16,
        more: &[&str],
        authority: Option<&Authority>,
    ) -> Result<Self> {
        let mut kafka = Self {
            servers: servers.clone(),
            kind,
            port: free_port()?,
            controller,
            secured: None,
            process: None,
            folder: TempDir::with_prefix("sluice-kafka-")?,
        };
        if kind == BrokerKind::Kafka {
            kafka.set_up(more, authority)?;
        }
        kafka.restart()?;
        Ok(kafka)
    }

    /// Writes the properties of a Kafka and makes its data folder.
    fn set_up(&mut self, more: &[&str], authority: Option<&Authority>) -> Result<()> {
        let mut filled = vec![
            ("PORT", self.port.to_string()),
            ("CONTROLLER", self.controller.to_string()),
            ("FOLDER", self.folder.path().display().to_string()),
        ];
        let mut users = Vec::new();
        if let Some(authority) = authority {
            let secured = Secured {
                ssl: free_port()?,
                sasl_ssl: free_port()?,
                sasl_plaintext: free_port()?,
            };
            filled.extend([
                ("SSL", secured.ssl.to_string()),
                ("SASL_SSL", secured.sasl_ssl.to_string()),
                ("SASL_PLAINTEXT", secured.sasl_plaintext.to_string()),
                ("USER", USER.to_owned()),
                ("PASSWORD", PASSWORD.to_owned()),
            ]);
            write_pem(&self.path("broker.pem"), &authority.issue("broker")?.pem())?;
            write_pem(&self.path("authority.pem"), authority.pem())?;
            for hash in ["256", "512"] {
                users.push("--add-scram".to_owned());
                users.push(format!(
                    "SCRAM-SHA-{hash}=[name={USER},password={PASSWORD}]"
                ));
            }
            self.secured = Some(secured);
        }
        let files = [&["broker.properties"], more].concat();
        std::fs::write(self.path("server.properties"), properties(&files, &filled)?)?;
        self.format(&users)
    }

    fn format(&self, users: &[String]) -> Result<()> {
        let mut command = self.servers.java("256m", "warn")?;
        let tool = [
            "kafka.tools.StorageTool",
            "format",
            "-t",
            "c2x1aWNlLXRlc3RzLTAwMQ",
            "-c",
        ];
        command.extend(tool.map(str::to_owned));
        command.push(self.path("server.properties").display().to_string());
        command.extend_from_slice(users);
        let log = self.path("format.log");
        let mut format = Process::start("format of the broker's storage", &command, &[], &log)?;
        let status = format.wait_exit(seconds(60))?;
        anyhow::ensure!(status.success(), "{}", format.log_end(20));
        Ok(())
    }

    /// The address of a listener of a secured broker, `host:port`.
    ///
    /// # Errors
    /// When the broker is not secured.
    pub fn address(&self, listener: Listener) -> Result<String> {
        let secured = self.secured.as_ref().context("the broker is not secured")?;
        let port = match listener {
            Listener::Ssl => secured.ssl,
            Listener::SaslSsl => secured.sasl_ssl,
            Listener::SaslPlaintext => secured.sasl_plaintext,
        };
        Ok(format!("127.0.0.1:{port}"))
    }

    /// The address for clients, `host:port`.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The process, while the broker is up.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("the broker is stopped")
    }

    /// Stops the broker in good order (SIGTERM); its data stays.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.terminate(seconds(60))?;
        }
        Ok(())
    }

    /// Kills the broker (SIGKILL); its data stays as it was.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
        }
        Ok(())
    }

    /// Starts the broker again on its data and ports and waits until it answers.
    ///
    /// # Errors
    /// When it does not come up; the end of its log is in the error.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        let command = match self.kind {
            BrokerKind::Kafka => {
                let mut command = self.servers.java("512m", "warn")?;
                command.push("kafka.Kafka".to_owned());
                command.push(self.path("server.properties").display().to_string());
                command
            }
            BrokerKind::Embedded => vec![
                sluice_binary()?.display().to_string(),
                "broker".to_owned(),
                "--dir".to_owned(),
                self.path("data").display().to_string(),
                "--port".to_owned(),
                self.port.to_string(),
                "--log-level".to_owned(),
                "WARN".to_owned(),
            ],
        };
        let mut process = Process::start("broker", &command, &[], &self.path("broker.log"))?;
        let port = self.port;
        wait_until("the broker to listen", seconds(90), || {
            process.check_running()?;
            Ok(TcpStream::connect(("127.0.0.1", port)).is_ok())
        })?;
        self.process = Some(process);
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// The text of properties files of `tests/servers`, one behind the other, with every `@NAME@` filled in.
fn properties(files: &[&str], filled: &[(&str, String)]) -> Result<String> {
    let mut text = String::new();
    for file in files {
        let path = tests_folder().join("servers").join(file);
        text += &std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    }
    for (name, value) in filled {
        text = text.replace(&format!("@{name}@"), value);
    }
    Ok(text)
}
