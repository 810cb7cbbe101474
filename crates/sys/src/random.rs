//! Unpredictable numbers.

use std::hash::{BuildHasher, RandomState};
use std::process;

use crate::call::check;

/// Returns an unpredictable number that no other process gets, not even a forked child, which
/// shares the state of all other generators.
///
/// # Examples
///
/// ```
/// assert_ne!(ftpdlib_sys::random_number(), ftpdlib_sys::random_number());
/// ```
pub fn random_number() -> u64 {
    let mut bytes = [0_u8; 8];
    // SAFETY: the buffer is live and writable, and has the length that is passed.
    let filled = check(unsafe { libc::getentropy(bytes.as_mut_ptr().cast(), bytes.len()) });
    match filled {
        Ok(_) => u64::from_ne_bytes(bytes),
        // An old system. Each process's ID, hashed with secret keys, gives a different number.
        Err(_) => RandomState::new().hash_one(process::id()),
    }
}
