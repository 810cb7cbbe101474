//! Calling code of the server's owner, which may panic.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ftpdlib_ioloop::panic_message;

use crate::log_prefix::Prefix;

/// Calls `code`; `None` after a panic, which is logged: whose code it was, and in which session. What
/// it leaves behind is its own.
pub(crate) fn call<T>(
    prefix: &Prefix<'_>,
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
