//! Time as the broker counts it: milliseconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time in milliseconds since 1970; 0 if the system clock stands before that.
pub(crate) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, millis)
}

/// A duration in milliseconds; one that does not fit is the longest there is.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
