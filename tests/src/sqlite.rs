//! A SQLite file, looked into with the `sqlite3` of the system.

use anyhow::Result;
use tempfile::TempDir;

use crate::database::{Database, DatabaseKind, client};

/// A SQLite database in a folder of its own.
#[derive(Debug)]
pub struct Sqlite {
    folder: TempDir,
}

impl Sqlite {
    /// Creates the file.
    ///
    /// # Errors
    /// When `sqlite3` is not installed.
    pub fn create() -> Result<Self> {
        let file = Self {
            folder: TempDir::with_prefix("sluice-sqlite-")?,
        };
        // Readers and a writer at the same time.
        file.sql("PRAGMA journal_mode=WAL")?;
        Ok(file)
    }
}

impl Database for Sqlite {
    fn kind(&self) -> DatabaseKind {
        DatabaseKind::Sqlite
    }

    fn url(&self) -> String {
        format!("jdbc:sqlite:{}", self.place())
    }

    fn place(&self) -> String {
        self.folder.path().join("shop.db").display().to_string()
    }

    fn sql(&self, statements: &str) -> Result<String> {
        let file = self.place();
        client(
            &[
                "sqlite3",
                "-batch",
                "-bail",
                "-cmd",
                ".timeout 20000",
                &file,
            ],
            &[],
            statements,
        )
    }

    /// There is no server.
    fn crash(&mut self) -> Result<()> {
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        Ok(())
    }
}
