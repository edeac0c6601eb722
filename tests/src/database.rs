//! What tests ask of a real database, whichever it is, and what its server is made of.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::certificates::Identity;
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

impl DatabaseKind {
    /// Whether its programs are there.
    pub fn is_installed(self) -> bool {
        match self {
            Self::PostgreSql => crate::postgresql::programs().is_ok(),
            Self::MariaDb => crate::mariadb::is_installed(),
            Self::Sqlite => client(&["sqlite3", "--version"], &[], "").is_ok(),
        }
    }
}

/// A database of a test's own, which ends with it.
pub trait Database {
    /// Which it is.
    fn kind(&self) -> DatabaseKind;

    /// The value of `connection.url`.
    fn url(&self) -> String;

    /// How errors name the place, `host:port` or the file.
    fn place(&self) -> String;

    /// Runs statements as the administrator with the database's own client; answers its output, a line per
    /// row, cells separated by `|`.
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

/// Starts a server that wants TLS, also at 127.0.0.2, which its certificate should not name.
///
/// # Errors
/// When it is not installed or does not come up, or has no connections at all.
pub fn start_secured(kind: DatabaseKind, identity: &Identity) -> Result<Box<dyn Database>> {
    Ok(match kind {
        DatabaseKind::PostgreSql => Box::new(PostgreSql::start_secured(identity)?),
        DatabaseKind::MariaDb => Box::new(MariaDb::start_secured(identity)?),
        DatabaseKind::Sqlite => bail!("SQLite has no connections"),
    })
}

/// Runs a command whose mounts nobody else sees.
const UNSHARE_ROOT: &[&str] = &["unshare", "--mount"];
/// As [`UNSHARE_ROOT`], where we are not root, but the system lets everybody have a namespace of users.
const UNSHARE: &[&str] = &["unshare", "--map-current-user", "--keep-caps", "--mount"];
/// Mounts a disk of so many bytes on a folder, for a user, and runs the rest.
const MOUNT: &str =
    "mount -t tmpfs -o size=$1,uid=$2,gid=$2,mode=0700 tmpfs \"$0\" && shift 2 && exec \"$@\"";
const SMALL_DISK: &str = "16m";

/// Whether the system lets us mount a disk of our own.
pub fn can_mount() -> bool {
    Unprivileged::new("sluice-mount-").is_ok_and(|account| {
        let command = account.command_with_small_disk(&["true"]);
        command.is_ok_and(|command| {
            command::run(&command, &[], "", seconds(10)).is_ok_and(|output| output.code == 0)
        })
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

    /// The folder on which [`Self::command_with_small_disk`] mounts a disk.
    pub(crate) fn small_disk(&self) -> String {
        self.folder.path().join("small").display().to_string()
    }

    /// As [`Self::command`]; the command sees a disk of 16 MB that is gone when it ends.
    pub(crate) fn command_with_small_disk(&self, command: &[&str]) -> Result<Vec<String>> {
        let disk = self.small_disk();
        std::fs::create_dir_all(&disk)?;
        let owner = self.folder.path().metadata()?.uid().to_string();
        let unshare = if self.root { UNSHARE_ROOT } else { UNSHARE };
        let mount = ["sh", "-c", MOUNT, &disk, SMALL_DISK, &owner];
        let mut all: Vec<String> = [unshare, &mount]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect();
        all.extend(self.command(command));
        Ok(all)
    }

    /// Writes a file that only the server may read.
    pub(crate) fn write_secret(&self, name: &str, text: &str) -> Result<String> {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text)?;
        std::fs::set_permissions(&file, Permissions::from_mode(0o600))?;
        if self.root {
            chown(&file, Some(NOBODY), Some(NOBODY))?;
        }
        Ok(file.display().to_string())
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
