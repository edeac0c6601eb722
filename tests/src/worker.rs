//! A Connect worker, JVM or agent, started from the same properties file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::certificates::{
    Authority, STORE_PASSWORD, write_key_store, write_pem, write_trust_store,
};
use crate::ports::free_port;
use crate::process::Process;
use crate::rest::Rest;
use crate::servers::{Servers, sluice_binary};
use crate::wait::{seconds, wait_until};

/// The properties of one worker, in the format and with the keys of `connect-distributed`.
#[derive(Debug, Clone)]
pub struct WorkerProperties {
    values: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
    port: u16,
    https: Option<Https>,
}

/// What a client of a worker with TLS needs.
#[derive(Debug, Clone)]
pub struct Https {
    /// Certificates of authorities to trust, PEM.
    pub trusted: String,
    /// Own key and certificate, PEM, for workers that ask for one.
    pub identity: Option<String>,
}

impl WorkerProperties {
    /// A worker of the Connect cluster `cluster` on the brokers `bootstrap`, with a free port for its REST
    /// API.
    ///
    /// Group and internal topics are named after the cluster; intervals are short, as suits tests: offsets
    /// are committed each half second, lost work is given away after three seconds.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn new(bootstrap: &str, cluster: &str) -> Result<Self> {
        let port = free_port()?;
        let values = [
            ("bootstrap.servers", bootstrap.to_owned()),
            ("group.id", cluster.to_owned()),
            ("config.storage.topic", format!("{cluster}-configs")),
            ("offset.storage.topic", format!("{cluster}-offsets")),
            ("status.storage.topic", format!("{cluster}-status")),
            ("config.storage.replication.factor", "1".to_owned()),
            ("offset.storage.replication.factor", "1".to_owned()),
            ("status.storage.replication.factor", "1".to_owned()),
            ("offset.storage.partitions", "5".to_owned()),
            ("status.storage.partitions", "3".to_owned()),
            ("key.converter", STRING_CONVERTER.to_owned()),
            ("value.converter", STRING_CONVERTER.to_owned()),
            ("offset.flush.interval.ms", "500".to_owned()),
            ("session.timeout.ms", "6000".to_owned()),
            ("heartbeat.interval.ms", "500".to_owned()),
            ("scheduled.rebalance.max.delay.ms", "3000".to_owned()),
            ("listeners", format!("http://127.0.0.1:{port}")),
            ("rest.advertised.host.name", "127.0.0.1".to_owned()),
            ("plugin.discovery", "only_scan".to_owned()),
        ];
        Ok(Self {
            values: values
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
            environment: BTreeMap::new(),
            port,
            https: None,
        })
    }

    /// The same worker with a REST API over TLS: a certificate of `authority`, whom it trusts in return.
    ///
    /// Agents get PEM files, JVM workers, whose REST server reads no PEM, stores. `client_auth` is the value
    /// of `ssl.client.auth`; unless it is `none`, [`Self::rest`] has a certificate to show.
    ///
    /// # Errors
    /// When a certificate or its file in `folder` cannot be made.
    pub fn with_https(
        mut self,
        kind: Kind,
        folder: &Path,
        authority: &Authority,
        client_auth: &str,
    ) -> Result<Self> {
        let port = self.port;
        let identity = authority.issue("worker")?;
        let file = |name: &str| folder.join(format!("worker-{port}-{name}"));
        let (form, own, trusted) = match kind {
            Kind::Agent => (
                "PEM",
                write_pem(&file("own.pem"), &identity.pem())?,
                write_pem(&file("trusted.pem"), authority.pem())?,
            ),
            Kind::Jvm => (
                "PKCS12",
                write_key_store(&file("own.p12"), &identity)?,
                write_trust_store(&file("trusted.p12"), authority)?,
            ),
        };
        let mut values = vec![
            ("keystore.type", form),
            ("keystore.location", &own),
            ("truststore.type", form),
            ("truststore.location", &trusted),
            ("client.auth", client_auth),
        ];
        if kind == Kind::Jvm {
            for key in ["keystore.password", "key.password", "truststore.password"] {
                values.push((key, STORE_PASSWORD));
            }
        }
        for (key, value) in values {
            let key = format!("listeners.https.ssl.{key}");
            self.values.insert(key, value.to_owned());
        }
        let listener = format!("https://127.0.0.1:{port}");
        self.values.insert("listeners".to_owned(), listener);
        self.https = Some(Https {
            trusted: authority.pem().to_owned(),
            identity: match client_auth {
                "none" => None,
                _ => Some(authority.issue("client")?.pem()),
            },
        });
        Ok(self)
    }

    /// The same properties with one more or another value.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.values.insert(key.to_owned(), value.to_string());
        self
    }

    /// The same worker with one more variable in its environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same properties without a key, which then has the worker's default.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.values.remove(key);
        self
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// The worker id other workers and REST know it by, `host:port`.
    pub fn worker_id(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The address of its REST API, without a slash at the end.
    pub fn url(&self) -> String {
        let scheme = if self.https.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// A client for its REST API.
    ///
    /// # Errors
    /// When its certificates cannot be used.
    pub fn rest(&self) -> Result<Rest> {
        match &self.https {
            None => Ok(Rest::new(&self.url())),
            Some(https) => Rest::over_tls(&self.url(), &https.trusted, https.identity.as_deref()),
        }
    }

    /// The text of the properties file.
    pub fn text(&self) -> String {
        self.values
            .iter()
            .fold(String::new(), |mut text, (key, value)| {
                let _ = writeln!(text, "{key}={}", value.replace('\\', "\\\\"));
                text
            })
    }
}

const STRING_CONVERTER: &str = "org.apache.kafka.connect.storage.StringConverter";

/// Which implementation of a worker to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `ConnectDistributed` of Kafka 4.3.
    Jvm,
    /// The agent: `sluice agent FILE`.
    Agent,
}

/// A running worker. Dropping it kills it.
#[derive(Debug)]
pub struct Worker {
    kind: Kind,
    properties: WorkerProperties,
    process: Process,
    rest: Rest,
}

impl Worker {
    /// Starts a worker and waits until it is healthy: it has read its topics and joined the group.
    ///
    /// # Errors
    /// When it ends early or is not healthy in time; the end of its log is in the error.
    pub fn start(
        kind: Kind,
        servers: &Servers,
        folder: &Path,
        properties: &WorkerProperties,
    ) -> Result<Self> {
        let mut worker = Self::launch(kind, servers, folder, properties)?;
        worker.wait_healthy(seconds(90))?;
        Ok(worker)
    }

    /// Starts a worker without waiting for anything.
    ///
    /// # Errors
    /// When its files cannot be written or the program cannot be started.
    pub fn launch(
        kind: Kind,
        servers: &Servers,
        folder: &Path,
        properties: &WorkerProperties,
    ) -> Result<Self> {
        let name = format!("{kind:?}-{}", properties.port).to_lowercase();
        let file = folder.join(format!("worker-{}.properties", properties.port));
        std::fs::write(&file, properties.text())?;
        let command = command(kind, servers, &file)?;
        let log: PathBuf = folder.join(format!("{name}.log"));
        let environment = properties.environment.iter();
        let environment: Vec<(&str, &str)> = environment
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let process = Process::start(&name, &command, &environment, &log)?;
        Ok(Self {
            kind,
            rest: properties.rest()?,
            properties: properties.clone(),
            process,
        })
    }

    /// Waits until `/health` answers 200.
    ///
    /// # Errors
    /// When the process ends or time is up; the end of its log is in the error.
    pub fn wait_healthy(&mut self, within: Duration) -> Result<()> {
        let (process, rest) = (&mut self.process, &self.rest);
        let done = wait_until("the worker to be healthy", within, || {
            process.check_running()?;
            let reply = rest.get("/health")?;
            if reply.status != 200 {
                bail!("/health: {} {}", reply.status, reply.text);
            }
            Ok(true)
        });
        done.map_err(|error| error.context(self.process.log_end(30)))
    }

    /// Its implementation.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its properties, with which another worker can take its place.
    pub fn properties(&self) -> &WorkerProperties {
        &self.properties
    }

    /// `host:port`, as in the states of what it runs.
    pub fn worker_id(&self) -> String {
        self.properties.worker_id()
    }

    /// Its REST API.
    pub fn rest(&self) -> &Rest {
        &self.rest
    }

    /// Its process, for signals and output.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Stops it in good order (SIGTERM) and checks that it ended well.
    ///
    /// # Errors
    /// When it does not end within 60 s, or with a failure.
    pub fn stop(mut self) -> Result<()> {
        let status = self.process.terminate(seconds(60))?;
        // The JVM reports a SIGTERM it has handled as 143.
        let fine = match self.kind {
            Kind::Jvm => matches!(status.code(), Some(0 | 143)),
            Kind::Agent => status.success(),
        };
        if !fine {
            bail!(
                "{:?} ended with {status}\n{}",
                self.kind,
                self.process.log_end(30)
            );
        }
        Ok(())
    }

    /// Kills it (SIGKILL).
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(mut self) -> Result<()> {
        self.process.kill()
    }
}

/// The command line of a worker with the properties file `file`.
///
/// # Errors
/// When an agent is wanted and no `sluice` binary is built.
pub fn command(kind: Kind, servers: &Servers, file: &Path) -> Result<Vec<String>> {
    let file = file.display().to_string();
    Ok(match kind {
        Kind::Jvm => {
            let mut command = servers.java("512m", "info")?;
            command.push("org.apache.kafka.connect.cli.ConnectDistributed".to_owned());
            command.push(file);
            command
        }
        Kind::Agent => vec![
            sluice_binary()?.display().to_string(),
            "agent".to_owned(),
            file,
        ],
    })
}
