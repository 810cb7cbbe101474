//! Taking turns at work that takes all of a CPU and much memory.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How many hashes are being computed in this process.
static RUNNING: Mutex<usize> = Mutex::new(0);

/// One has ended.
static ENDED: Condvar = Condvar::new();

/// A turn at computing a hash. There are as many as usable CPUs: more at once would only make each
/// of them slower, and take their memory.
pub(crate) struct Turn(());

impl Turn {
    /// Waits for one.
    pub(crate) fn wait() -> Self {
        let most = ftpdlib_sys::usable_cpus();
        let mut running = ENDED
            .wait_while(lock(), |running| *running >= most)
            .unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        Self(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *lock() -= 1;
        ENDED.notify_one();
    }
}

fn lock() -> MutexGuard<'static, usize> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn no_more_than_the_cpus_have_a_turn() {
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let turn = Turn::wait();
                        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                        drop(turn);
                    }
                });
            }
        });
        assert!(most.into_inner() <= ftpdlib_sys::usable_cpus());
    }
}
