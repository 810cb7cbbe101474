//! Calling code of the server's owner, which may panic.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

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
            let message = message(&**panic);
            log::error!("{prefix} {who} panicked: {message}");
        })
        .ok()
}

/// The text a panic came with.
fn message(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "no message"
    }
}
