//! What the owner of a server has set to be called.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ftpdlib_ioloop::{drop_safely, panic_message};

/// Calls it. A panic is logged, with the `name` of the [option](crate::ServeOptions): the loop
/// would drop the handler that calls, and with it all that this does for the server.
pub(crate) fn call(name: &str, callback: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(callback)) {
        log::error!("{name} panicked: {}", panic_message(&*panic));
        drop_safely(panic);
    }
}
