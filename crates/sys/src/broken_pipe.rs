//! Writes to sockets and pipes whose other end is closed.

use std::cell::Cell;
use std::mem;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{Ordering, compiler_fence};

use crate::default_action::{has_default_action, raise_by_default};

thread_local! {
    /// Whether this thread is in [`expect_broken_pipe`].
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `write`, a system call that writes to a socket or pipe. If the other end is closed, the
/// call fails with `BrokenPipe`, and its signal (`SIGPIPE`) does not end the process.
///
/// Meant for calls that do not accept `MSG_NOSIGNAL`. Rust programs ignore the signal by default;
/// in programs of other languages that load the library it has its default action. In those, the
/// first call sets a handler that takes the default action outside of `expect_broken_pipe`: the
/// program's own writes to a closed pipe still end it, and programs that it starts get the default
/// action. An action that the program has set itself is kept; a program that wants the default
/// action must set it before the first call.
/// first call.
///
/// # Examples
///
/// ```
/// use std::io::{Write, pipe};
///
/// let (reader, mut writer) = pipe()?;
/// drop(reader);
/// let error = ftpdlib_sys::expect_broken_pipe(|| writer.write(b"a")).unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn expect_broken_pipe<T>(write: impl FnOnce() -> T) -> T {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(handle_broken_pipes);
    EXPECTED.set(true);
    // The handler runs on this thread, within the call.
    compiler_fence(Ordering::SeqCst);
    let written = write();
    compiler_fence(Ordering::SeqCst);
    EXPECTED.set(false);
    written
}

/// Sets the handler, unless the program has set an action for the signal already.
fn handle_broken_pipes() {
    if !has_default_action(libc::SIGPIPE) {
        return;
    }
    // SAFETY: the structure is integers, an integer set and optional pointers; zeros are valid in
    // all of them.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = pass_over_expected as *const () as libc::sighandler_t;
    // Some threads of other languages have no room for a handler on their own stacks.
    action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: `action` is live, writable and complete; with null, the old action is not reported.
    // The handler is async-signal-safe.
    unsafe {
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(libc::SIGPIPE, &raw const action, ptr::null_mut());
    }
}

/// Runs in a signal handler: only reads a thread-local variable and makes async-signal-safe calls.
extern "C" fn pass_over_expected(number: libc::c_int) {
    if !EXPECTED.get() {
        raise_by_default(number);
    }
}
