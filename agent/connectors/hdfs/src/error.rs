//! What can go wrong between a connector and HDFS, sorted by who has to act.

use std::fmt;

use hdfs_native::HdfsError;
use sluice_api::{ConnectError, ErrorKind};

/// Result of what is done in HDFS.
pub(crate) type StoreResult<T> = std::result::Result<T, StoreError>;

/// The kind of a fault; retries are decided by it, never by text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No connection to a name node or data node, a lost one, or no answer in time.
    Unreachable,
    /// The name node does not take the user for who it says it is.
    Authentication,
    /// The user may not do this.
    Permission,
    /// A path cannot be what it has to be: a file stands where a folder is needed, a name is not allowed.
    Path,
    /// A quota of names or space is used up.
    Quota,
    /// The file or folder is there already.
    Exists,
    /// The file or folder is gone, or another task writes it now.
    Gone,
    /// Another connector writes the same topic to the same folder.
    Shared,
    /// The same call may succeed later: safe mode, standby, too few data nodes.
    Transient,
    /// The client or the server can't do this.
    Other,
}

impl Fault {
    /// Whether trying again without a change by a person can help.
    pub(crate) fn is_retriable(self) -> bool {
        matches!(
            self,
            Self::Unreachable | Self::Transient | Self::Gone | Self::Exists
        )
    }

    /// What a person can do about it.
    fn hint(self) -> &'static str {
        match self {
            Self::Unreachable => {
                "; check host and port in hdfs.url, and that the name node and its data nodes run and can be \
                 reached from here"
            }
            Self::Authentication => {
                "; check hdfs.authentication.kerberos, connect.hdfs.principal and connect.hdfs.keytab"
            }
            Self::Permission => {
                "; give the user the right to write there, or set another user by sluice.hdfs.user or \
                 another folder by topics.dir"
            }
            Self::Path => "; set another folder by topics.dir, or move what is in its way",
            Self::Quota => "; raise the quota or delete files",
            Self::Shared => {
                "; give one of them another topics.dir, or, if the other is no more, delete that folder"
            }
            Self::Exists | Self::Gone | Self::Transient | Self::Other => "",
        }
    }
}

/// An error of HDFS: what was done to which path, and why it failed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) struct StoreError {
    pub(crate) fault: Fault,
    what: String,
    place: String,
    message: String,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            fault,
            what,
            place,
            message,
        } = self;
        write!(f, "{what} at {place} failed: {message}{}", fault.hint())
    }
}

/// The kind of an exception of the name node, by its class.
fn fault_of_exception(class: &str) -> Fault {
    let simple = class.rsplit(['.', '$']).next().unwrap_or(class);
    match simple {
        "AccessControlException" => Fault::Permission,
        "AuthorizationException" | "SaslException" | "GSSException" | "InvalidToken" => {
            Fault::Authentication
        }
        "FileNotFoundException" | "LeaseExpiredException" | "PathNotFoundException" => Fault::Gone,
        "FileAlreadyExistsException" | "AlreadyBeingCreatedException" => Fault::Exists,
        "ParentNotDirectoryException"
        | "PathIsNotDirectoryException"
        | "InvalidPathException"
        | "PathComponentTooLongException"
        | "InvalidPathNameException" => Fault::Path,
        "NSQuotaExceededException"
        | "DSQuotaExceededException"
        | "QuotaExceededException"
        | "QuotaByStorageTypeExceededException" => Fault::Quota,
        "RpcNoSuchMethodException"
        | "RpcNoSuchProtocolException"
        | "VersionMismatch"
        | "UnsupportedOperationException"
        | "HadoopIllegalArgumentException"
        | "IllegalArgumentException" => Fault::Other,
        // Safe mode, standby, replication that is not there yet, and whatever else a cluster recovers from.
        _ => Fault::Transient,
    }
}

impl StoreError {
    pub(crate) fn new(
        fault: Fault,
        what: impl Into<String>,
        place: &str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            fault,
            what: what.into(),
            place: place.to_owned(),
            message: message.into(),
        }
    }

    /// Of an error of the client.
    pub(crate) fn of(error: &HdfsError, what: String, place: &str) -> Self {
        let first_line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        let (fault, message) = match error {
            HdfsError::IOError(error) => (Fault::Unreachable, error.to_string()),
            HdfsError::RPCError(class, text) | HdfsError::FatalRPCError(class, text) => {
                (fault_of_exception(class), first_line(text))
            }
            HdfsError::AlreadyExists(text) => (Fault::Exists, first_line(text)),
            HdfsError::FileNotFound(text) => (Fault::Gone, format!("no such file: {text}")),
            HdfsError::IsADirectoryError(_) | HdfsError::InvalidPath(_) => {
                (Fault::Path, error.to_string())
            }
            HdfsError::SASLError(_) | HdfsError::GSSAPIError(..) | HdfsError::NoSASLMechanism => {
                (Fault::Authentication, error.to_string())
            }
            HdfsError::DataTransferError(_)
            | HdfsError::ChecksumError
            | HdfsError::OperationFailed(_)
            | HdfsError::BlocksNotFound(_) => (Fault::Transient, error.to_string()),
            HdfsError::InvalidRPCResponse(_) => (
                Fault::Unreachable,
                format!("what answers there is no name node: {error}"),
            ),
            other => (Fault::Other, other.to_string()),
        };
        Self::new(fault, what, place, message)
    }
}

impl From<StoreError> for ConnectError {
    fn from(error: StoreError) -> Self {
        let kind = if error.fault.is_retriable() {
            ErrorKind::Retriable
        } else {
            ErrorKind::Connect
        };
        Self::new(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_what_where_why_and_the_remedy() {
        let denied = HdfsError::RPCError(
            "org.apache.hadoop.security.AccessControlException".to_owned(),
            "Permission denied: user=eve, access=WRITE, inode=\"/\"\n\tat java.base".to_owned(),
        );
        let error = StoreError::of(&denied, "creating /topics".to_owned(), "hdfs://nn:8020");
        assert_eq!(error.fault, Fault::Permission);
        assert_eq!(
            error.to_string(),
            "creating /topics at hdfs://nn:8020 failed: Permission denied: user=eve, access=WRITE, \
             inode=\"/\"; give the user the right to write there, or set another user by sluice.hdfs.user or \
             another folder by topics.dir"
        );
        assert!(!ConnectError::from(error).is_retriable());
    }

    #[test]
    fn what_passes_is_told_from_what_stays() {
        for (class, fault) in [
            (
                "org.apache.hadoop.hdfs.server.namenode.SafeModeException",
                Fault::Transient,
            ),
            (
                "org.apache.hadoop.hdfs.server.namenode.LeaseExpiredException",
                Fault::Gone,
            ),
            (
                "org.apache.hadoop.fs.ParentNotDirectoryException",
                Fault::Path,
            ),
            (
                "org.apache.hadoop.hdfs.protocol.NSQuotaExceededException",
                Fault::Quota,
            ),
            ("java.io.IOException", Fault::Transient),
        ] {
            assert_eq!(fault_of_exception(class), fault, "{class}");
        }
    }
}
