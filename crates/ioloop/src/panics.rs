//! Panics of code that belongs to others.

use std::any::Any;
use std::fmt::Display;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `code`, which belongs to others; `None` after a panic, which is logged as that of `who`.
/// What it leaves half changed must be its own. A handler that let such a panic out would be
/// dropped by the loop, and with it all that it does for others.
///
/// # Examples
///
/// ```
/// use ftpdlib_ioloop::contain;
///
/// assert_eq!(contain("the callback", || 6 * 7), Some(42));
/// assert_eq!(contain("the callback", || -> u8 { panic!("no") }), None);
/// ```
pub fn contain<T>(who: impl Display, code: impl FnOnce() -> T) -> Option<T> {
    match caught(code) {
        Ok(value) => Some(value),
        Err(message) => {
            log::error!("{who} panicked: {message}");
            None
        }
    }
}

/// Calls `code`.
///
/// # Errors
///
/// The text that a panic of it came with.
pub(crate) fn caught<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|panic| {
        let message = panic_message(&*panic).to_owned();
        drop_safely(panic);
        message
    })
}

/// Drops what belongs to others, such as a callback or the payload of a panic, even if that panics.
pub(crate) fn drop_safely<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        log::error!("a destructor panicked: {}", panic_message(&*panic));
        // Dropping this one may panic, too, and so on.
        mem::forget(panic);
    }
}

/// The text a panic came with, as `catch_unwind` gives it.
fn panic_message(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "no message"
    }
}
