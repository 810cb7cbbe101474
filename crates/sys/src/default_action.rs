//! Default actions of signals.

use std::mem::{self, MaybeUninit};
use std::ptr;

use crate::call::check;

/// Whether a signal, which must be one that can be caught, has its default action.
pub(crate) fn has_default_action(number: libc::c_int) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: nothing is changed, and `action` is writable memory of the size and alignment of what
    // the call fills in.
    let asked = check(unsafe { libc::sigaction(number, ptr::null(), action.as_mut_ptr()) });
    // SAFETY: the call succeeded, so it has filled in all of `action`.
    asked.is_ok() && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_DFL
}

/// Takes a signal's default action once the current handler of it returns.
pub(crate) fn raise_by_default(number: libc::c_int) {
    // SAFETY: the structure is integers, an integer set and optional pointers; zeros are valid in
    // all of them, and stand for the default action.
    let action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: `action` is live and complete; with null, the old action is not reported.
    unsafe { libc::sigaction(number, &raw const action, ptr::null_mut()) };
    // SAFETY: takes no pointer. The signal waits until the handler has returned.
    unsafe { libc::raise(number) };
}
