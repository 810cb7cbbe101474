//! Calling code of the server's owner, which may panic.

use std::fmt;

use ftpdlib_ioloop::contain;
use ftpdlib_session::Refusal;

/// Calls `code`. A panic is logged, with whose code it was and for whom, and gives `None`. What
/// state the code leaves behind is its owner's concern.
pub(crate) fn call<T>(
    prefix: impl fmt::Display,
    who: impl fmt::Display,
    code: impl FnOnce() -> T,
) -> Option<T> {
    contain(format_args!("{prefix} {who}"), code)
}

const BACKENDS: &str = "the authorizer or the filesystem";

/// Asks an authorizer or a filesystem a question. After a panic the answer is the default.
pub(crate) fn ask<T: Default>(prefix: impl fmt::Display, question: impl FnOnce() -> T) -> T {
    call(prefix, BACKENDS, question).unwrap_or_default()
}

/// Calls an authorizer or a filesystem. A panic becomes a refusal.
pub(crate) fn call_or_refuse<T>(
    prefix: impl fmt::Display,
    code: impl FnOnce() -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let outcome = call(prefix, BACKENDS, code);
    outcome.unwrap_or_else(|| Err(Refusal::local_error()))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::panic::panic_any;

    use super::*;

    /// The payload of a panic that panics when it is dropped.
    pub(crate) struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("as the test wants it");
        }
    }

    #[test]
    fn a_panic_whose_payload_panicked_was_not_contained() {
        assert_eq!(call("client", "a command", || panic_any(Bomb)), None::<()>);
    }
}
