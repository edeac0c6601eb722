//! Kafka's error codes as far as group membership has to tell them apart.

use kafka_protocol::error::ResponseError;

pub(super) const NONE: i16 = 0;
pub(super) const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
pub(super) const COORDINATOR_NOT_AVAILABLE: i16 = 15;
pub(super) const NOT_COORDINATOR: i16 = 16;
pub(super) const ILLEGAL_GENERATION: i16 = 22;
pub(super) const INCONSISTENT_GROUP_PROTOCOL: i16 = 23;
pub(super) const INVALID_GROUP_ID: i16 = 24;
pub(super) const UNKNOWN_MEMBER_ID: i16 = 25;
pub(super) const INVALID_SESSION_TIMEOUT: i16 = 26;
pub(super) const REBALANCE_IN_PROGRESS: i16 = 27;
pub(super) const GROUP_AUTHORIZATION_FAILED: i16 = 30;
pub(super) const MEMBER_ID_REQUIRED: i16 = 79;
pub(super) const GROUP_MAX_SIZE_REACHED: i16 = 81;

/// Kafka's name of a code, or its number.
pub(super) fn text(code: i16) -> String {
    match ResponseError::try_from_code(code) {
        Some(error) => error.to_string(),
        None => format!("error {code}"),
    }
}
