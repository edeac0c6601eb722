//! The clock of the system, read in one place.

use std::time::{SystemTime, UNIX_EPOCH};

use sluice_protocol::Millis;

/// The time now; 0 before 1970, and the largest there is after the year 292,278,994.
pub(crate) fn now() -> Millis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
