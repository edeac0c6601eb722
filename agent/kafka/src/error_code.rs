//! Kafka's error codes as far as they have to be told apart (`org.apache.kafka.common.protocol.Errors`).

use kafka_protocol::error::ResponseError;

/// `NONE`.
pub const NONE: i16 = 0;
/// `UNKNOWN_TOPIC_OR_PARTITION`.
pub const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
/// `COORDINATOR_LOAD_IN_PROGRESS`.
pub const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
/// `COORDINATOR_NOT_AVAILABLE`.
pub const COORDINATOR_NOT_AVAILABLE: i16 = 15;
/// `NOT_COORDINATOR`.
pub const NOT_COORDINATOR: i16 = 16;
/// `ILLEGAL_GENERATION`.
pub const ILLEGAL_GENERATION: i16 = 22;
/// `INCONSISTENT_GROUP_PROTOCOL`.
pub const INCONSISTENT_GROUP_PROTOCOL: i16 = 23;
/// `INVALID_GROUP_ID`.
pub const INVALID_GROUP_ID: i16 = 24;
/// `UNKNOWN_MEMBER_ID`.
pub const UNKNOWN_MEMBER_ID: i16 = 25;
/// `INVALID_SESSION_TIMEOUT`.
pub const INVALID_SESSION_TIMEOUT: i16 = 26;
/// `REBALANCE_IN_PROGRESS`.
pub const REBALANCE_IN_PROGRESS: i16 = 27;
/// `GROUP_AUTHORIZATION_FAILED`.
pub const GROUP_AUTHORIZATION_FAILED: i16 = 30;
/// `UNSUPPORTED_VERSION`.
pub const UNSUPPORTED_VERSION: i16 = 35;
/// `TOPIC_ALREADY_EXISTS`.
pub const TOPIC_ALREADY_EXISTS: i16 = 36;
/// `INVALID_PARTITIONS`.
pub const INVALID_PARTITIONS: i16 = 37;
/// `NOT_CONTROLLER`.
pub const NOT_CONTROLLER: i16 = 41;
/// `SECURITY_DISABLED`.
pub const SECURITY_DISABLED: i16 = 54;
/// `GROUP_ID_NOT_FOUND`.
pub const GROUP_ID_NOT_FOUND: i16 = 69;
/// `MEMBER_ID_REQUIRED`.
pub const MEMBER_ID_REQUIRED: i16 = 79;
/// `GROUP_MAX_SIZE_REACHED`.
pub const GROUP_MAX_SIZE_REACHED: i16 = 81;

/// Kafka's name of a code, or its number.
pub fn text(code: i16) -> String {
    match ResponseError::try_from_code(code) {
        Some(error) => error.to_string(),
        None => format!("error {code}"),
    }
}
