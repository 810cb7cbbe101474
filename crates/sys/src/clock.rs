//! The time of day.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in seconds since 1970 UTC.
pub(crate) fn unix_now() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        // A clock that is set before 1970 shows every date as one of the future.
        Err(_) => 0,
    }
}
