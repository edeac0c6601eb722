//! A real PostgreSQL server on loopback, with passwords, that can be crashed and started again.

use std::path::PathBuf;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use crate::certificates::Identity;
use crate::database::{
    ADMIN_PASSWORD, DATABASE, Database, DatabaseKind, PASSWORD, USER, Unprivileged, client,
};
use crate::ports::free_port;
use crate::process::Process;
use crate::wait::{seconds, wait_until};

/// A PostgreSQL server of its own.
#[derive(Debug)]
pub struct PostgreSql {
    account: Unprivileged,
    programs: PathBuf,
    port: u16,
    /// Settings beside those that all have.
    settings: Vec<String>,
    has_small_disk: bool,
    process: Option<Process>,
}

/// Where Debian puts the programs of the newest version.
pub(crate) fn programs() -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .context("no PostgreSQL: install the package postgresql")?;
    versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|folder| folder.join("postgres").is_file())
        .max()
        .context("no PostgreSQL server in /usr/lib/postgresql")
}

impl PostgreSql {
    /// Starts a server with an empty database.
    ///
    /// # Errors
    /// When it is not installed or does not come up.
    pub fn start() -> Result<Self> {
        let mut server = Self::create()?;
        server.begin()?;
        Ok(server)
    }

    /// As [`Self::start`], with TLS only.
    pub(crate) fn start_secured(identity: &Identity) -> Result<Self> {
        let mut server = Self::create()?;
        let file = server.account.write_secret("server.pem", &identity.pem())?;
        server.settings = vec![
            "listen_addresses=127.0.0.1,127.0.0.2".to_owned(),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={file}"),
            format!("ssl_key_file={file}"),
        ];
        let rules = format!("{}/pg_hba.conf", server.data());
        std::fs::write(rules, "hostssl all all all scram-sha-256\n")?;
        server.begin()?;
        Ok(server)
    }

    /// As [`Self::start`], with a tablespace `small` on a small disk.
    ///
    /// # Errors
    /// As it, and where [`crate::database::can_mount`] says no.
    pub fn start_with_small_disk() -> Result<Self> {
        let mut server = Self::create()?;
        server.has_small_disk = true;
        server.begin()?;
        server.sql(&format!(
            "CREATE TABLESPACE small LOCATION '{}'",
            server.account.small_disk()
        ))?;
        Ok(server)
    }

    fn create() -> Result<Self> {
        let account = Unprivileged::new("sluice-postgresql-")?;
        let password_file = account.folder.path().join("password");
        std::fs::write(&password_file, ADMIN_PASSWORD)?;
        let server = Self {
            account,
            programs: programs()?,
            port: free_port()?,
            settings: Vec::new(),
            has_small_disk: false,
            process: None,
        };
        let initdb = server.programs.join("initdb").display().to_string();
        server.account.run(
            &[
                &initdb,
                &format!("--pgdata={}", server.data()),
                "--username=admin",
                "--auth-host=scram-sha-256",
                "--auth-local=reject",
                &format!("--pwfile={}", password_file.display()),
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
            seconds(60),
        )?;
        Ok(server)
    }

    /// The first start, with what belongs to the tests.
    fn begin(&mut self) -> Result<()> {
        self.restart()?;
        self.run_in(
            "postgres",
            &format!("CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'"),
        )?;
        self.run_in(
            "postgres",
            &format!("CREATE DATABASE {DATABASE} OWNER {USER}"),
        )?;
        self.sql(&format!("GRANT ALL ON SCHEMA public TO {USER}"))?;
        Ok(())
    }

    fn data(&self) -> String {
        self.account
            .folder
            .path()
            .join("data")
            .display()
            .to_string()
    }

    fn run_in(&self, database: &str, statements: &str) -> Result<String> {
        let port = self.port.to_string();
        client(
            &[
                "psql",
                "-h",
                "127.0.0.1",
                "-p",
                &port,
                "-U",
                "admin",
                "-d",
                database,
                "-XqAt",
                "-v",
                "ON_ERROR_STOP=1",
                "-f",
                "-",
            ],
            &[
                ("PGPASSWORD", ADMIN_PASSWORD),
                ("PGOPTIONS", "-c client_min_messages=error"),
            ],
            statements,
        )
    }
}

impl Database for PostgreSql {
    fn kind(&self) -> DatabaseKind {
        DatabaseKind::PostgreSql
    }

    fn url(&self) -> String {
        format!("jdbc:postgresql://127.0.0.1:{}/{DATABASE}", self.port)
    }

    fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn sql(&self, statements: &str) -> Result<String> {
        self.run_in(DATABASE, statements)
    }

    fn crash(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            // An immediate shutdown, after which the log is replayed; a killed server would leave its
            // children behind.
            process.signal(Signal::SIGQUIT)?;
            process.wait_exit(seconds(30))?;
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        let port = self.port.to_string();
        let data = self.data();
        let sockets = self.account.folder.path().display().to_string();
        let server = self.programs.join("postgres").display().to_string();
        let mut command = vec![
            server.as_str(),
            "-D",
            &data,
            "-p",
            &port,
            "-k",
            &sockets,
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
            "-c",
            "shared_buffers=32MB",
            "-c",
            "max_connections=40",
        ];
        for setting in &self.settings {
            command.extend(["-c", setting.as_str()]);
        }
        let command = match self.has_small_disk {
            true => self.account.command_with_small_disk(&command)?,
            false => self.account.command(&command),
        };
        let log = self.account.folder.path().join("server.log");
        let mut process = Process::start("postgresql", &command, &[], &log)?;
        wait_until("PostgreSQL to answer", seconds(60), || {
            process.check_running()?;
            Ok(self.run_in("postgres", "SELECT 1")? == "1")
        })?;
        self.process = Some(process);
        Ok(())
    }
}

impl Drop for PostgreSql {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Its children end with it, and let go of the folder.
            let _ = process.signal(Signal::SIGQUIT);
            let _ = process.wait_exit(seconds(10));
        }
    }
}
