//! Work that only one thread does at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a thread is doing the work.
#[derive(Default)]
pub(crate) struct OneAtATime(Arc<AtomicBool>);

impl OneAtATime {
    /// Lets the caller begin, unless another one has not ended. The work ends when the [`Turn`] is
    /// dropped: also by a panic, or with a job that got no thread.
    pub(crate) fn begin(&self) -> Option<Turn> {
        let is_free = !self.0.swap(true, Ordering::AcqRel);
        is_free.then(|| Turn(Arc::clone(&self.0)))
    }
}

/// Held while the work is done.
#[must_use = "it ends when it is dropped"]
pub(crate) struct Turn(Arc<AtomicBool>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn another_begins_when_the_turn_is_over() {
        let work = OneAtATime::default();
        let turn = work.begin().unwrap();
        assert!(work.begin().is_none());
        drop(turn);
        assert!(work.begin().is_some());
    }

    #[test]
    fn after_a_panic_nobody_began_ever_again() {
        let work = OneAtATime::default();
        let turn = work.begin().unwrap();
        let panicking = thread::spawn(move || {
            let _turn = turn;
            panic!("in the middle of it");
        });
        assert!(panicking.join().is_err());
        assert!(work.begin().is_some());
    }
}
