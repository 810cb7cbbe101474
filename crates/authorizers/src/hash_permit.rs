//! Permits to compute a password hash, which takes all of a CPU and much memory.

use std::process;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use ftpdlib_sys::{ProcessLock, ProcessLockGuard};

/// Numbers of the permits that this process holds.
static TAKEN: Mutex<Vec<u16>> = Mutex::new(Vec::new());

/// Notified when this process releases a permit.
static RELEASED: Condvar = Condvar::new();

/// A lock for each number between this process and those it forks, once
/// [`share`](HashPermit::share) was called.
static PROCESS_LOCKS: OnceLock<Option<ProcessLock>> = OnceLock::new();

/// A permit to compute a hash, released when dropped. There are as many as usable CPUs: more hashes
/// at once would only slow each other down, and take more memory.
pub(crate) struct HashPermit {
    number: u16,
    /// `None` where processes do not share the permits, and after the release.
    process_lock: Option<ProcessLockGuard<'static>>,
}

impl HashPermit {
    /// Has this process share its permits with those that it forks from here on.
    pub(crate) fn share() {
        PROCESS_LOCKS.get_or_init(|| {
            let made = ProcessLock::new();
            let made = made.inspect_err(|error| {
                log::debug!("each process checks as many passwords at once as others: {error}");
            });
            made.ok()
        });
    }

    /// Waits for a permit.
    pub(crate) fn acquire() -> Self {
        let most = u16::try_from(ftpdlib_sys::usable_cpus()).unwrap_or(u16::MAX);
        let process_locks = PROCESS_LOCKS.get().and_then(Option::as_ref);
        let try_lock = |number| process_locks?.try_lock_one(number).ok()?;
        let mut taken = lock();
        let (number, held) = loop {
            match choose(&taken, most, try_lock) {
                Some(chosen) => break chosen,
                None => taken = RELEASED.wait(taken).unwrap_or_else(PoisonError::into_inner),
            }
        };
        taken.push(number);
        drop(taken);
        Self {
            number,
            // If the system has no more locks, one hash too many is better than none.
            process_lock: held.or_else(|| process_locks?.lock_one(number).ok()),
        }
    }
}

/// The number of a permit, below `most`, that this process has not `taken` yet: the first that can
/// be locked, or else one to wait for. Each process starts at another number, so that processes
/// with one client each do not all wait for the same permit.
fn choose<L>(
    taken: &[u16],
    most: u16,
    try_lock: impl Fn(u16) -> Option<L>,
) -> Option<(u16, Option<L>)> {
    let first = process::id() % u32::from(most);
    let numbers = (0..most).cycle().skip(first as usize).take(most.into());
    let mut free = numbers.filter(|number| !taken.contains(number));
    let at_once = |number| Some((number, Some(try_lock(number)?)));
    let chosen = free.clone().find_map(at_once);
    chosen.or_else(|| Some((free.next()?, None)))
}

impl Drop for HashPermit {
    fn drop(&mut self) {
        // First, since the lock is the whole process's: the next thread needs the number alone.
        self.process_lock = None;
        lock().retain(|number| *number != self.number);
        RELEASED.notify_one();
    }
}

fn lock() -> MutexGuard<'static, Vec<u16>> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn a_process_waited_for_the_permit_of_another_while_one_was_free() {
        let most = 4;
        let first = (process::id() % u32::from(most)) as u16;
        let [second, third, last] = [1, 2, 3].map(|step| (first + step) % most);
        // What others have cannot be locked.
        let choose = |taken: &[u16], others: &[u16]| {
            choose(taken, most, |number| {
                (!others.contains(&number)).then_some(())
            })
        };
        assert_eq!(choose(&[], &[]), Some((first, Some(()))));
        assert_eq!(choose(&[], &[first, second]), Some((third, Some(()))));
        assert_eq!(choose(&[second], &[first, third]), Some((last, Some(()))));
        let others = [second, third, last];
        assert_eq!(choose(&[first], &others), Some((second, None)));
        assert_eq!(choose(&[first, second, third, last], &[]), None);
    }

    #[test]
    fn there_are_no_more_permits_than_cpus() {
        HashPermit::share();
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let permit = HashPermit::acquire();
                        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                    }
                });
            }
        });
        assert!(most.into_inner() <= ftpdlib_sys::usable_cpus());
    }
}
