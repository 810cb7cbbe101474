//! The local time zone.

use std::mem::MaybeUninit;
use std::sync::Once;

/// Returns how many seconds local time is ahead of UTC at the instant `unix` (seconds since 1970
/// UTC); negative west of Greenwich. `0` if the year does not fit the C library's type.
///
/// The zone is read once (`TZ` or `/etc/localtime`); later changes have no effect.
pub fn local_offset(unix: i64) -> i32 {
    static ZONE: Once = Once::new();
    // `localtime_r` is not required to read the zone itself.
    ZONE.call_once(|| {
        // SAFETY: reads the environment, which nothing in this library changes, and the zone file.
        unsafe { tzset() }
    });
    let instant = unix as libc::time_t;
    let mut civil = MaybeUninit::<libc::tm>::uninit();
    // SAFETY: `instant` is live and readable, `civil` is writable memory for what the call fills
    // in; both are owned by this frame.
    let filled = unsafe { libc::localtime_r(&raw const instant, civil.as_mut_ptr()) };
    if filled.is_null() {
        return 0;
    }
    // SAFETY: the call did not return null, so it has filled in all of `civil`.
    let offset = unsafe { civil.assume_init() }.tm_gmtoff;
    i32::try_from(offset).unwrap_or(0)
}

unsafe extern "C" {
    /// The libc crate does not have this binding on every system.
    fn tzset();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_within_a_day() {
        for unix in [0, 1_000_000_000, 1_700_000_000, -1, i64::MAX, i64::MIN] {
            assert!(local_offset(unix).abs() <= 86_400, "{unix}");
        }
    }
}
