//! The time of day.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the time of day, in seconds since 1970 UTC; 0 if the clock is set before that, so that
/// every date appears to be in the future.
///
/// # Examples
///
/// ```
/// assert!(ftpdlib_sys::unix_now() > 1_700_000_000);
/// ```
pub fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs().cast_signed())
}
