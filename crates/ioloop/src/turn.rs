//! Where a thread is between two waits of its loop.

use std::cell::Cell;
use std::sync::OnceLock;

thread_local! {
    static IN_TURN: Cell<bool> = const { Cell::new(false) };
}

static AT_END: OnceLock<fn()> = OnceLock::new();

/// Whether this thread serves a turn of a loop, at whose end [what waits for that](at_turn_end) is
/// called.
pub fn is_in_turn() -> bool {
    IN_TURN.get()
}

/// Sets what every thread of the process calls at the end of each turn of its loop: for what is
/// cheaper done once for all of a turn, such as writing to a log. It must not block.
///
/// Returns whether it will be called: only the first that is set counts.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// use ftpdlib_ioloop::{IoLoop, at_turn_end, is_in_turn};
///
/// static TURNS: AtomicU32 = AtomicU32::new(0);
///
/// fn count() {
///     TURNS.fetch_add(1, Ordering::Relaxed);
/// }
///
/// assert!(at_turn_end(count));
/// let mut io_loop = IoLoop::new()?;
/// io_loop.call_later(std::time::Duration::ZERO, |_| assert!(is_in_turn()));
/// io_loop.run()?;
/// assert!(!is_in_turn());
/// assert_eq!(TURNS.load(Ordering::Relaxed), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn at_turn_end(call: fn()) -> bool {
    AT_END.set(call).is_ok()
}

/// A turn on this thread, until it is dropped.
pub(crate) struct Turn {
    /// Whether a loop runs in a turn of another one.
    within: bool,
}

impl Turn {
    pub(crate) fn begin() -> Self {
        let within = IN_TURN.replace(true);
        Self { within }
    }

    /// In a process that was just forked: the turn is the parent's, and has no end here.
    pub(crate) fn leave_to_parent() {
        IN_TURN.set(false);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        IN_TURN.set(self.within);
        if let Some(call) = AT_END.get() {
            call();
        }
    }
}
