//! Containing the panics of foreign code, such as callbacks.

use std::any::Any;
use std::fmt::Display;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls foreign code, such as a callback; returns `None` after a panic, which is logged under the
/// name `who`. State that a panic may leave half changed must belong to `code` alone. A handler
/// that let such a panic escape would be dropped by the loop, with everything it does for others.
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
/// The message of a panic in `code`.
pub(crate) fn caught<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|panic| {
        let message = panic_message(&*panic).to_owned();
        drop_safely(panic);
        message
    })
}

/// Drops a foreign value, such as a callback or the payload of a panic, even if its destructor
/// panics.
pub(crate) fn drop_safely<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        log::error!("a destructor panicked: {}", panic_message(&*panic));
        // Dropping this payload might panic, too, and so on.
        mem::forget(panic);
    }
}

/// The message of a panic that `catch_unwind` has caught.
fn panic_message(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "no message"
    }
}
