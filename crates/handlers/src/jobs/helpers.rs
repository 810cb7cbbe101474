//! Threads that use idle processors.

use std::any::Any;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder, Thread};

use ftpdlib_ioloop::contain;

/// Helper threads, which are started when they are first wanted, and then stay. Clones share them.
///
/// A helper may not run at all while all processors are busy, so nothing may wait for it: neither
/// for its end nor for a lock that it holds. The allocator has such locks too, so a helper leaves
/// large memory for other threads to free.
#[derive(Clone)]
pub(crate) struct Helpers {
    threads: Arc<Threads>,
}

struct Threads {
    most: usize,
    /// Helpers must not lock this.
    helpers: Mutex<Vec<Helper>>,
}

struct Helper {
    thread: Thread,
    slot: Arc<HelperSlot>,
    /// What the current work uses, and must not be freed before it ends.
    kept: Option<Kept>,
}

/// Through this a helper receives its work.
#[derive(Default)]
struct HelperSlot {
    work: Mutex<Option<Work>>,
    /// Whether there is work that is not done yet.
    is_taken: AtomicBool,
    /// Whether the system has refused the lowest priority, as it would for any other helper.
    is_refused: AtomicBool,
    is_over: AtomicBool,
}

type Work = Box<dyn FnOnce() + Send>;

type Kept = Arc<dyn Any + Send + Sync>;

impl Helpers {
    /// Creates helpers, at most one for each processor but the caller's.
    pub(crate) fn beside_one_of(cpus: usize) -> Self {
        Self {
            threads: Arc::new(Threads {
                most: cpus.saturating_sub(1),
                helpers: Mutex::default(),
            }),
        }
    }

    /// Whether a helper is free.
    pub(super) fn have_time(&self) -> bool {
        let mut helpers = self.threads.helpers();
        // First, since a helper that is refused also lets go of what it kept.
        let is_one_free = helpers.iter_mut().any(Helper::is_free);
        if helpers.iter().any(|helper| helper.slot.is_refused()) {
            return false;
        }
        is_one_free || helpers.len() < self.threads.most
    }

    /// Gives `work` to a free helper, and keeps `kept` at least until it is done.
    /// `None` if there is no such helper at this moment.
    pub(super) fn start(&self, kept: Kept, work: impl FnOnce() + Send + 'static) -> Option<Thread> {
        let mut helpers = self.threads.helpers();
        let index = match helpers.iter_mut().position(Helper::is_free) {
            Some(index) => index,
            None if helpers.len() < self.threads.most => {
                helpers.push(Helper::start()?);
                helpers.len() - 1
            }
            None => return None,
        };
        helpers[index].give(kept, Box::new(work))
    }
}

impl Threads {
    fn helpers(&self) -> MutexGuard<'_, Vec<Helper>> {
        self.helpers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        for mut helper in self.helpers().drain(..) {
            helper.slot.is_over.store(true, Ordering::Relaxed);
            helper.thread.unpark();
            if !helper.is_free() {
                mem::forget(helper.kept.take());
            }
        }
    }
}

impl Helper {
    fn start() -> Option<Self> {
        let slot = Arc::<HelperSlot>::default();
        let theirs = Arc::clone(&slot);
        let body = move || match ftpdlib_sys::give_way() {
            Ok(()) => theirs.serve(),
            Err(error) => {
                log::debug!("no helpers: {error}");
                theirs.refuse();
            }
        };
        match Builder::new().name("helper".into()).spawn(body) {
            Ok(handle) => Some(Self {
                thread: handle.thread().clone(),
                slot,
                kept: None,
            }),
            Err(error) => {
                log::debug!("no thread for a helper: {error}");
                None
            }
        }
    }

    fn is_free(&mut self) -> bool {
        let is_free = !self.slot.is_taken.load(Ordering::Acquire);
        if is_free {
            self.kept = None;
        }
        is_free
    }

    /// Gives work to this helper, which must be free, unless it is looking for some just now.
    fn give(&mut self, kept: Kept, work: Work) -> Option<Thread> {
        let mut work_slot = self.slot.work.try_lock().ok()?;
        if self.slot.is_refused() {
            return None;
        }
        self.slot.is_taken.store(true, Ordering::Relaxed);
        self.kept = Some(kept);
        *work_slot = Some(work);
        drop(work_slot);
        self.thread.unpark();
        Some(self.thread.clone())
    }
}

impl HelperSlot {
    /// Does the work that it receives, until its [`Helpers`] are dropped.
    fn serve(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            let work = self.work().take();
            let Some(work) = work else {
                thread::park();
                continue;
            };
            contain("a helper", work);
            self.is_taken.store(false, Ordering::Release);
        }
    }

    /// Does no work, neither what has been given by now nor any later.
    fn refuse(&self) {
        let mut work_slot = self.work();
        // Whoever gives work looks at this under the same lock.
        self.is_refused.store(true, Ordering::Relaxed);
        let work = work_slot.take();
        drop(work_slot);
        drop(work);
        self.is_taken.store(false, Ordering::Release);
    }

    fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed)
    }

    fn work(&self) -> MutexGuard<'_, Option<Work>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, target_os = "linux"))]
impl Helpers {
    /// Calls `act` while the first helper looks for work.
    pub(super) fn while_one_looks(&self, act: impl FnOnce()) {
        let slot = Arc::clone(&self.threads.helpers()[0].slot);
        let _work = slot.work();
        act();
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::panic::panic_any;
    use std::sync::mpsc::{self, Sender};
    use std::time::Duration;

    use crate::owners_code::tests::Bomb;

    use super::*;

    /// Makes a helper wait until the sender is gone.
    fn occupy(helpers: &Helpers, kept: Kept) -> Option<Sender<()>> {
        let (sender, receiver) = mpsc::channel();
        let wait = move || while receiver.recv().is_ok() {};
        helpers.start(kept, wait).map(|_| sender)
    }

    /// Does so even if a helper is just looking for work.
    fn keep_busy(helpers: &Helpers, kept: &Kept) -> Sender<()> {
        let mut at_work = None;
        until(|| {
            at_work = occupy(helpers, Arc::clone(kept));
            at_work.is_some()
        });
        at_work.unwrap()
    }

    fn until(mut condition: impl FnMut() -> bool) {
        while !condition() {
            // Yielding does not give a processor to a helper.
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn there_is_one_less_than_there_are_processors() {
        for (cpus, most) in [(0, 0), (1, 0), (2, 1), (4, 3)] {
            let helpers = Helpers::beside_one_of(cpus);
            for _ in 0..3 {
                let kept: Kept = Arc::new(());
                let at_work: Vec<_> = (0..most).map(|_| keep_busy(&helpers, &kept)).collect();
                assert!(!helpers.have_time(), "of {cpus}");
                assert!(occupy(&helpers, kept).is_none(), "of {cpus}");
                drop(at_work);
                until(|| helpers.threads.helpers().iter_mut().all(Helper::is_free));
            }
            assert_eq!(helpers.threads.helpers().len(), most);
        }
    }

    #[test]
    fn what_a_helper_works_with_is_kept_until_it_has_time_again() {
        let helpers = Helpers::beside_one_of(2);
        let kept: Kept = Arc::new(());
        let at_work = keep_busy(&helpers, &kept);
        assert!(!helpers.have_time());
        assert_eq!(Arc::strong_count(&kept), 2);
        drop(at_work);
        until(|| helpers.have_time());
        assert_eq!(Arc::strong_count(&kept), 1);
    }

    #[test]
    fn a_helper_that_panicked_helps_again() {
        for panic in [|| panic!("by the test"), || panic_any(Bomb)] {
            let helpers = Helpers::beside_one_of(2);
            until(|| helpers.start(Arc::new(()), panic).is_some());
            until(|| helpers.have_time());
            let kept: Kept = Arc::new(());
            drop(keep_busy(&helpers, &kept));
        }
    }

    #[test]
    fn a_helper_that_the_system_refused_kept_its_first_work_for_ever() {
        let helpers = Helpers::beside_one_of(2);
        let slot = Arc::<HelperSlot>::default();
        helpers.threads.helpers().push(Helper {
            thread: thread::current(),
            slot: Arc::clone(&slot),
            kept: None,
        });
        let held: Kept = Arc::new(());
        let give = || {
            let in_work = Arc::clone(&held);
            helpers.start(Arc::clone(&held), move || drop(in_work))
        };
        assert!(give().is_some());
        assert_eq!(Arc::strong_count(&held), 3);
        slot.refuse();
        assert!(!helpers.have_time());
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(give().is_none());
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
