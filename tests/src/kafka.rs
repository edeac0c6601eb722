//! A one-node broker, Kafka or the embedded one, that can be stopped and started again on its data and ports.

use std::net::TcpStream;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::ports::free_port;
use crate::process::Process;
use crate::servers::{BrokerKind, Servers, sluice_binary};
use crate::wait::{seconds, wait_until};

/// A broker (and its controller) in one process, with its data in a folder of its own.
#[derive(Debug)]
pub struct Kafka {
    servers: Servers,
    kind: BrokerKind,
    folder: TempDir,
    port: u16,
    process: Option<Process>,
}

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
        let folder = TempDir::with_prefix("sluice-kafka-")?;
        let port = free_port()?;
        if kind == BrokerKind::Kafka {
            format_storage(servers, &folder, port)?;
        }
        let mut kafka = Self {
            servers: servers.clone(),
            kind,
            folder,
            port,
            process: None,
        };
        kafka.restart()?;
        Ok(kafka)
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

/// Makes the data folder of a Kafka with an address on `port`.
fn format_storage(servers: &Servers, folder: &TempDir, port: u16) -> Result<()> {
    let controller = free_port()?;
    let file = folder.path().join("server.properties");
    std::fs::write(&file, properties(folder.path(), port, controller))?;
    let mut format = servers.java("256m", "warn")?;
    format.extend(
        [
            "kafka.tools.StorageTool",
            "format",
            "-t",
            "c2x1aWNlLXRlc3RzLTAwMQ",
            "-c",
        ]
        .map(str::to_owned),
    );
    format.push(file.display().to_string());
    let log = folder.path().join("format.log");
    let mut format = Process::start("format of the broker's storage", &format, &[], &log)?;
    let status = format.wait_exit(seconds(60))?;
    anyhow::ensure!(status.success(), "{}", format.log_end(20));
    Ok(())
}

/// The properties of a single node: everything replicated once, groups formed without waiting for more members.
fn properties(folder: &Path, port: u16, controller: u16) -> String {
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=PLAINTEXT\n\
         log.dirs={data}\n\
         default.replication.factor=1\n\
         min.insync.replicas=1\n\
         offsets.topic.num.partitions=5\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.num.partitions=5\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n\
         num.partitions=1\n",
        data = folder.join("data").display(),
    )
}
