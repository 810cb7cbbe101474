//! Tracks whether a thread is in a turn of its loop, and what it calls at the end of each turn.

use std::cell::Cell;
use std::sync::OnceLock;

thread_local! {
    static IN_TURN: Cell<bool> = const { Cell::new(false) };
}

static AT_END: OnceLock<fn()> = OnceLock::new();

/// Whether this thread is in a turn of a loop, at whose end it calls the function set with
/// [`at_turn_end`].
pub fn is_in_turn() -> bool {
    IN_TURN.get()
}

/// Sets the function that every thread of the process calls at the end of each turn of its loop:
/// for work that is cheaper done once per turn, such as writing to a log. It must not block.
///
/// Returns whether `call` will be called: only the first function that is set counts.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::time::Duration;
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
/// let was_in_turn = Rc::new(Cell::new(false));
/// let told = Rc::clone(&was_in_turn);
/// let mut io_loop = IoLoop::new()?;
/// io_loop.call_later(Duration::ZERO, move |_| told.set(is_in_turn()));
/// io_loop.run()?;
/// assert!(was_in_turn.get() && !is_in_turn());
/// assert_eq!(TURNS.load(Ordering::Relaxed), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn at_turn_end(call: fn()) -> bool {
    AT_END.set(call).is_ok()
}

/// A turn on this thread, which ends when this is dropped.
pub(crate) struct Turn {
    /// Whether this turn runs within a turn of another loop.
    within: bool,
}

impl Turn {
    pub(crate) fn begin() -> Self {
        let within = IN_TURN.replace(true);
        Self { within }
    }

    /// In a process that was just forked: the turn is the parent's, and does not count here.
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
