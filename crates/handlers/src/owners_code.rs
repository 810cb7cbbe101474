//! Calling code of the server's owner, which may panic.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ftpdlib_ioloop::panic_message;
use ftpdlib_session::Refusal;

/// Calls `code`; `None` after a panic, which is logged: whose code it was, and for whom. What it
/// leaves behind is its own.
pub(crate) fn call<T>(
    prefix: impl fmt::Display,
    who: impl fmt::Display,
    code: impl FnOnce() -> T,
) -> Option<T> {
    catch_unwind(AssertUnwindSafe(code))
        .inspect_err(|panic| {
            let message = panic_message(&**panic);
            log::error!("{prefix} {who} panicked: {message}");
        })
        .ok()
}

const FILES: &str = "the authorizer or the filesystem";

/// Asks an authorizer or a filesystem for something. After a panic that is `false`, or nothing.
pub(crate) fn ask<T: Default>(prefix: impl fmt::Display, question: impl FnOnce() -> T) -> T {
    call(prefix, FILES, question).unwrap_or_default()
}

/// Calls an authorizer or a filesystem. A panic is refused.
pub(crate) fn call_files<T>(
    prefix: impl fmt::Display,
    code: impl FnOnce() -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let outcome = call(prefix, FILES, code);
    outcome.unwrap_or_else(|| Err(Refusal::local_error()))
}
