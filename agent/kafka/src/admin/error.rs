//! Why admin calls fail, as a whole or for one of many things.

use std::fmt;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::error::ParseResponseErrorCode as _;
use kafka_protocol::protocol::StrBytes;

use crate::wire::connection::ConnectionError;
use crate::wire::discovery::DiscoveryError;

/// Why an admin call failed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No broker or coordinator can be talked to.
    #[error("{what}: no broker to ask")]
    Discovery {
        /// What was asked for.
        what: &'static str,
        /// What was found instead.
        #[source]
        source: DiscoveryError,
    },
    /// The connection broke before the answer came.
    #[error("{what}: connection to the broker failed")]
    Connection {
        /// What was asked for.
        what: &'static str,
        /// How the connection ended.
        #[source]
        source: ConnectionError,
    },
    /// The broker answered with an error.
    #[error("{what} of {object:?}: {error}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// Group, topic partition or transactional id.
        object: String,
        /// The broker's error, by its name in Kafka.
        error: ResponseError,
    },
    /// The time allowed is over; the last failure is in the text.
    #[error("{what} timed out after {limit:?}, last failure: {last}")]
    Timeout {
        /// What was asked for.
        what: &'static str,
        /// The time allowed, `default.api.timeout.ms`.
        limit: Duration,
        /// The last failure with its causes.
        last: String,
    },
}

impl AdminError {
    /// Whether the call was refused because the group still has members; it may be tried again later.
    pub const fn group_has_members(&self) -> bool {
        use ResponseError::{GroupSubscribedToTopic, NonEmptyGroup, UnknownMemberId};
        // The first two answer a change of offsets, the last the deletion of the group.
        matches!(
            self,
            Self::Refused {
                error: UnknownMemberId | GroupSubscribedToTopic | NonEmptyGroup,
                ..
            }
        )
    }

    /// The broker's error, when one answered.
    pub const fn refusal(&self) -> Option<ResponseError> {
        match self {
            Self::Refused { error, .. } => Some(*error),
            _ => None,
        }
    }

    /// Whether the broker does not have the call.
    pub const fn is_unsupported(&self) -> bool {
        matches!(
            self,
            Self::Connection {
                source: ConnectionError::NoVersion { .. },
                ..
            } | Self::Refused {
                error: ResponseError::UnsupportedVersion,
                ..
            }
        )
    }

    /// Whether the call may have success when it is made again.
    pub(super) fn is_retriable(&self) -> bool {
        match self {
            Self::Discovery { source, .. } => {
                let for_good = source
                    .connection()
                    .is_some_and(ConnectionError::is_for_good);
                !source.is_fatal() && !for_good
            }
            Self::Connection { source, .. } => !source.is_for_good(),
            Self::Refused { error, .. } => passes(*error),
            Self::Timeout { .. } => false,
        }
    }

    pub(super) fn refused(
        what: &'static str,
        object: impl Into<String>,
        error: ResponseError,
    ) -> Self {
        Self::Refused {
            what,
            object: object.into(),
            error,
        }
    }
}

/// Errors after which Java's admin client makes the call again: coordinator, leader or controller moved, or
/// are not there yet; a transaction is about to end. Not all that Kafka calls retriable: a topic that is
/// missing would be asked for until the time is over.
const fn passes(error: ResponseError) -> bool {
    use ResponseError as E;
    matches!(
        error,
        E::CoordinatorLoadInProgress
            | E::CoordinatorNotAvailable
            | E::NotCoordinator
            | E::LeaderNotAvailable
            | E::NotLeaderOrFollower
            | E::FencedLeaderEpoch
            | E::UnknownLeaderEpoch
            | E::OffsetNotAvailable
            | E::NotController
            | E::ConcurrentTransactions
            | E::UnstableOffsetCommit
    )
}

/// Fails with a code that is an error.
pub(super) fn check(what: &'static str, object: &str, code: i16) -> Result<(), AdminError> {
    match code.err() {
        None => Ok(()),
        Some(error) => Err(AdminError::refused(what, object, error)),
    }
}

/// What a broker says to one topic of a call on many.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// The broker's error, by its name in Kafka.
    pub error: ResponseError,
    /// The broker's words, maybe empty.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

/// What a broker answered for one of many things.
///
/// # Errors
/// The whole call has to be made again: it went to a broker that is not the controller any more.
pub(super) fn outcome(
    what: &'static str,
    object: &str,
    code: i16,
    message: Option<StrBytes>,
) -> Result<Result<(), Refusal>, AdminError> {
    match code.err() {
        None => Ok(Ok(())),
        Some(error @ ResponseError::NotController) => Err(AdminError::refused(what, object, error)),
        Some(error) => Ok(Err(Refusal {
            error,
            message: message.map(|text| text.to_string()).unwrap_or_default(),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_made_again_after_what_passes_and_not_after_a_refusal() {
        let again = |error| AdminError::refused("list offsets", "g", error).is_retriable();
        // Offsets of a transaction that is still open: the call waits for its end.
        assert!(again(ResponseError::UnstableOffsetCommit));
        assert!(again(ResponseError::NotCoordinator));
        assert!(again(ResponseError::ConcurrentTransactions));
        assert!(!again(ResponseError::UnsupportedCompressionType));
        assert!(!again(ResponseError::UnknownTopicOrPartition));
        assert!(!again(ResponseError::GroupAuthorizationFailed));
    }

    #[test]
    fn a_group_with_members_is_known_by_each_of_its_refusals() {
        let members = |error| AdminError::refused("alter offsets", "g", error).group_has_members();
        assert!(members(ResponseError::UnknownMemberId));
        assert!(members(ResponseError::GroupSubscribedToTopic));
        assert!(members(ResponseError::NonEmptyGroup));
        assert!(!members(ResponseError::GroupIdNotFound));
    }
}
