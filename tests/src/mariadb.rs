//! A real MariaDB server on loopback, with passwords, that can be crashed and started again.

use anyhow::Result;

use crate::certificates::Identity;
use crate::database::{
    ADMIN_PASSWORD, DATABASE, Database, DatabaseKind, PASSWORD, USER, Unprivileged, client, program,
};
use crate::ports::free_port;
use crate::process::Process;
use crate::wait::{seconds, wait_until};

/// A MariaDB server of its own.
#[derive(Debug)]
pub struct MariaDb {
    account: Unprivileged,
    port: u16,
    /// Options beside those that all have.
    options: Vec<String>,
    process: Option<Process>,
}

/// Where Debian puts the server.
const SERVER: &str = "/usr/sbin/mariadbd";

/// Whether there is a server to start.
pub(crate) fn is_installed() -> bool {
    std::path::Path::new(SERVER).is_file() || client(&["mariadbd", "--version"], &[], "").is_ok()
}

impl MariaDb {
    /// Starts a server with an empty database.
    ///
    /// # Errors
    /// When it is not installed or does not come up.
    pub fn start() -> Result<Self> {
        let mut server = Self::create()?;
        server.begin()?;
        Ok(server)
    }

    /// As [`Self::start`], with TLS only for [`USER`].
    pub(crate) fn start_secured(identity: &Identity) -> Result<Self> {
        let mut server = Self::create()?;
        let file = server.account.write_secret("server.pem", &identity.pem())?;
        server.options = vec![
            "--bind-address=127.0.0.1,127.0.0.2".to_owned(),
            format!("--ssl-cert={file}"),
            format!("--ssl-key={file}"),
        ];
        server.begin()?;
        server.sql(&format!("ALTER USER {USER}@'127.0.0.1' REQUIRE SSL"))?;
        Ok(server)
    }

    fn create() -> Result<Self> {
        let account = Unprivileged::new("sluice-mariadb-")?;
        let server = Self {
            account,
            port: free_port()?,
            options: Vec::new(),
            process: None,
        };
        server.account.run(
            &[
                &program(&["/usr/bin/mariadb-install-db"], "mariadb-install-db"),
                "--no-defaults",
                &format!("--datadir={}", server.file("data")),
                &format!("--tmpdir={}", server.account.folder.path().display()),
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            seconds(90),
        )?;
        Ok(server)
    }

    /// The first start, with what belongs to the tests.
    fn begin(&mut self) -> Result<()> {
        let setup = format!(
            "ALTER USER root@localhost IDENTIFIED BY '{ADMIN_PASSWORD}';
             CREATE USER admin@'127.0.0.1' IDENTIFIED BY '{ADMIN_PASSWORD}';
             GRANT ALL ON *.* TO admin@'127.0.0.1' WITH GRANT OPTION;
             CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';
             CREATE DATABASE {DATABASE};
             GRANT ALL ON {DATABASE}.* TO {USER}@'127.0.0.1';\n"
        );
        let file = self.file("setup.sql");
        std::fs::write(&file, setup)?;
        self.run(&[&format!("--init-file={file}")])
    }

    fn file(&self, name: &str) -> String {
        self.account.folder.path().join(name).display().to_string()
    }

    fn run(&mut self, options: &[&str]) -> Result<()> {
        let server = program(&[SERVER], "mariadbd");
        let mut command = vec![server, "--no-defaults".to_owned()];
        for (option, value) in [
            ("datadir", self.file("data")),
            ("tmpdir", self.account.folder.path().display().to_string()),
            ("socket", self.file("socket")),
            ("pid-file", self.file("pid")),
            ("port", self.port.to_string()),
            ("bind-address", "127.0.0.1".to_owned()),
            ("innodb-buffer-pool-size", "32M".to_owned()),
            ("innodb-flush-log-at-trx-commit", "2".to_owned()),
            ("character-set-server", "utf8mb4".to_owned()),
        ] {
            command.push(format!("--{option}={value}"));
        }
        command.push("--skip-name-resolve".to_owned());
        command.extend(self.options.iter().cloned());
        command.extend(options.iter().map(|option| (*option).to_owned()));
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let log = self.account.folder.path().join("server.log");
        let mut process = Process::start("mariadb", &self.account.command(&command), &[], &log)?;
        wait_until("MariaDB to answer", seconds(60), || {
            process.check_running()?;
            Ok(self.sql("SELECT 1")? == "1")
        })?;
        self.process = Some(process);
        Ok(())
    }
}

impl Database for MariaDb {
    fn kind(&self) -> DatabaseKind {
        DatabaseKind::MariaDb
    }

    fn url(&self) -> String {
        format!("jdbc:mariadb://127.0.0.1:{}/{DATABASE}", self.port)
    }

    fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn sql(&self, statements: &str) -> Result<String> {
        let port = self.port.to_string();
        let output = client(
            &[
                "mariadb",
                "--no-defaults",
                "-h",
                "127.0.0.1",
                "-P",
                &port,
                "-u",
                "admin",
                "-D",
                DATABASE,
                "-N",
                "-B",
                "--default-character-set=utf8mb4",
            ],
            &[("MYSQL_PWD", ADMIN_PASSWORD)],
            statements,
        )?;
        Ok(output.replace('\t', "|"))
    }

    fn crash(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.run(&[])
    }
}
