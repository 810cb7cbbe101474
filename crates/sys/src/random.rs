//! Unpredictable numbers.

use std::hash::{BuildHasher, RandomState};
use std::process;

use crate::call::check;

/// Returns an unpredictable number, which no other process gets. That includes forked children,
/// which share the state of all other generators.
///
/// # Examples
///
/// ```
/// assert_ne!(ftpdlib_sys::random_number(), ftpdlib_sys::random_number());
/// ```
pub fn random_number() -> u64 {
    let mut bytes = [0_u8; 8];
    // SAFETY: the buffer is live and writable, and has the length that is told.
    let filled = check(unsafe { libc::getentropy(bytes.as_mut_ptr().cast(), bytes.len()) });
    match filled {
        Ok(_) => u64::from_ne_bytes(bytes),
        // An old system. Secret keys turn each process's ID into a different number.
        Err(_) => RandomState::new().hash_one(process::id()),
    }
}
