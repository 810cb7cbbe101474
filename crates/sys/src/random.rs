//! Numbers that nobody can foresee.

use std::hash::{BuildHasher, RandomState};
use std::process;

use crate::call::check;

/// A number that nobody can foresee, and that no other process gets: forked children, which have
/// the state of all other generators in common, neither.
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
        // An old system. Keys that nobody knows make another number of each process's.
        Err(_) => RandomState::new().hash_one(process::id()),
    }
}
