//! What tests ask of a real database, whichever it is, and what its server is made of.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::command;
use crate::mariadb::MariaDb;
use crate::postgresql::PostgreSql;
use crate::sqlite::Sqlite;
use crate::wait::seconds;

/// The user that connectors have; it owns the database [`DATABASE`].
pub const USER: &str = "sluice";
/// The password of [`USER`]; nothing that is written or shown may contain it.
pub const PASSWORD: &str = "open-sesame-4712";
/// The database that tests use.
pub const DATABASE: &str = "shop";
/// The password of the administrator.
pub(crate) const ADMIN_PASSWORD: &str = "let-me-in-4713";

/// Which database to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// Debian's `postgresql`.
    PostgreSql,
    /// Debian's `mariadb-server`.
    MariaDb,
    /// A file, and `sqlite3` to look into it.
    Sqlite,
}

/// A database of a test's own, which ends with it.
pub trait Database {
    /// Which it is.
    fn kind(&self) -> DatabaseKind;

    /// The value of `connection.url`.
    fn url(&self) -> String;

    /// How errors name the place, `host:port` or the file.
    fn place(&self) -> String;

    /// Runs statements as the administrator with the database's own client; answers its output, a line per row, cells
    /// separated by `|`.
    ///
    /// # Errors
    /// When a statement fails.
    fn sql(&self, statements: &str) -> Result<String>;

    /// Ends the server as a power failure would.
    ///
    /// # Errors
    /// When the system refuses.
    fn crash(&mut self) -> Result<()>;

    /// Starts the server again on its data and port.
    ///
    /// # Errors
    /// When it does not answer in time.
    fn restart(&mut self) -> Result<()>;
}

/// Starts a database with an empty database [`DATABASE`] of [`USER`].
///
/// # Errors
/// When it is not installed or does not come up.
pub fn start(kind: DatabaseKind) -> Result<Box<dyn Database>> {
    Ok(match kind {
        DatabaseKind::PostgreSql => Box::new(PostgreSql::start()?),
        DatabaseKind::MariaDb => Box::new(MariaDb::start()?),
        DatabaseKind::Sqlite => Box::new(Sqlite::create()?),
    })
}

/// Number of `nobody`, as whom servers run that refuse to run as root.
const NOBODY: u32 = 65_534;

/// The folder of a server that must not run as root, and how to run as somebody else.
#[derive(Debug)]
pub(crate) struct Unprivileged {
    pub(crate) folder: TempDir,
    root: bool,
}

impl Unprivileged {
    /// A new folder, which belongs to `nobody` if we are root.
    pub(crate) fn new(prefix: &str) -> Result<Self> {
        let folder = TempDir::with_prefix(prefix)?;
        let root = folder.path().metadata()?.uid() == 0;
        if root {
            chown(folder.path(), Some(NOBODY), Some(NOBODY))?;
            let parent = folder
                .path()
                .parent()
                .context("a temporary folder has a parent")?;
            let mut permissions = parent.metadata()?.permissions();
            // Whoever may not list the folder may still pass through it.
            permissions.set_mode(permissions.mode() | 0o011);
            std::fs::set_permissions(parent, permissions)?;
        }
        Ok(Self { folder, root })
    }

    /// The command run as `nobody`, if we are root; it ends with us.
    pub(crate) fn command(&self, command: &[&str]) -> Vec<String> {
        let mut all: Vec<&str> = Vec::new();
        if self.root {
            all.extend([
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
            ]);
            // A change of user takes back what the first one has asked for.
            all.extend(["setpriv", "--pdeathsig", "KILL", "--"]);
        }
        all.extend(command);
        all.into_iter().map(str::to_owned).collect()
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, command: &[&str], within: Duration) -> Result<()> {
        let home = self.folder.path().display().to_string();
        let environment = [("HOME", home.as_str()), ("TMPDIR", home.as_str())];
        command::run(&self.command(command), &environment, "", within)?.expect(0)?;
        Ok(())
    }
}

/// Runs a client on statements and answers what it wrote, without the last line end.
pub(crate) fn client(
    command: &[&str],
    environment: &[(&str, &str)],
    statements: &str,
) -> Result<String> {
    let command: Vec<String> = command.iter().map(|part| (*part).to_owned()).collect();
    let output = command::run(&command, environment, statements, seconds(60))?
        .expect(0)
        .with_context(|| statements.chars().take(300).collect::<String>())?;
    Ok(output.stdout.trim_end().to_owned())
}

/// The first of the files that exists; else the name, for the search path to find.
pub(crate) fn program(candidates: &[&str], name: &str) -> String {
    let found = candidates.iter().find(|file| Path::new(file).is_file());
    found.map_or_else(|| name.to_owned(), |file| (*file).to_owned())
}
