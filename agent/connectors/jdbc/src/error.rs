//! What can go wrong between a connector and its database, sorted by who has to act.

use std::fmt;

use sluice_api::{ConnectError, ErrorKind};

/// Result of database calls.
pub(crate) type DatabaseResult<T> = std::result::Result<T, DatabaseError>;

/// The kind of a fault; retries and dead letters are decided by it, never by text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No connection, or a lost one.
    Unreachable,
    /// User or password are wrong.
    Authentication,
    /// The database does not exist.
    MissingDatabase,
    /// The user may not do this.
    Permission,
    /// The table does not exist.
    MissingTable,
    /// The same statement may succeed later: deadlocks, serialization failures, locks, busy servers.
    Transient,
    /// The disk of the database is full.
    Full,
    /// A row does not fit: a value, a constraint.
    Data,
    /// The server can't do this, or we made a wrong statement.
    Other,
}

impl Fault {
    /// Whether trying again without a change by a person can help.
    pub(crate) fn is_retriable(self) -> bool {
        matches!(self, Self::Unreachable | Self::Transient | Self::Full)
    }

    /// What a person can do about it.
    fn hint(self) -> &'static str {
        match self {
            Self::Unreachable => {
                "; check host and port in connection.url, and that the server runs"
            }
            Self::Authentication => "; check connection.user and connection.password",
            Self::MissingDatabase => "; create the database or correct connection.url",
            Self::Permission => "; grant the privilege to connection.user",
            Self::MissingTable => "; create the table or correct the configuration",
            Self::Full => "; make room on the disk of the database",
            Self::Transient | Self::Data | Self::Other => "",
        }
    }
}

/// An error of a database, with the server's code where there is one. Never holds the password.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) struct DatabaseError {
    pub(crate) fault: Fault,
    pub(crate) message: String,
    /// SQLSTATE or the server's own number.
    pub(crate) code: Option<String>,
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(code) = &self.code {
            write!(f, " (code {code})")?;
        }
        Ok(())
    }
}

impl DatabaseError {
    pub(crate) fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self {
            fault,
            message: message.into(),
            code: None,
        }
    }

    pub(crate) fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Without what the database says, which may show values.
    pub(crate) fn trimmed(mut self) -> Self {
        self.message = "the database refused the row".to_owned();
        self
    }

    /// Of a connection that is lost since.
    pub(crate) fn lost(mut self) -> Self {
        self.fault = Fault::Unreachable;
        self
    }

    /// A row that does not fit.
    pub(crate) fn data(message: impl Into<String>) -> Self {
        Self::new(Fault::Data, message)
    }

    /// The text for users: what was tried, where, why it failed, and what to do.
    pub(crate) fn explain(&self, what: &str, place: &impl fmt::Display) -> String {
        format!("{what} at {place} failed: {self}{}", self.fault.hint())
    }

    /// As an error of a task.
    pub(crate) fn into_connect(self, what: &str, place: &impl fmt::Display) -> ConnectError {
        let kind = match self.fault {
            fault if fault.is_retriable() => ErrorKind::Retriable,
            Fault::Data => ErrorKind::Data,
            _ => ErrorKind::Connect,
        };
        ConnectError::new(kind, self.explain(what, place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_place_reason_and_remedy() {
        let error = DatabaseError::new(Fault::Authentication, "password authentication failed")
            .with_code("28P01");
        assert_eq!(
            error.explain("connecting", &"postgresql://h:5432/d"),
            "connecting at postgresql://h:5432/d failed: password authentication failed (code 28P01); \
             check connection.user and connection.password"
        );
    }
}
