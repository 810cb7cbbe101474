//! Time slices for long work, so that other work continues beside it, and its cancellation.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use ftpdlib_session::Refusal;

/// How long work continues while other work waits.
const TIME_SLICE: Duration = Duration::from_millis(50);

/// Cancels work that nobody waits for any more. Clones cancel the same work.
#[derive(Clone)]
pub(crate) struct Cancel(Arc<Work>);

/// Shared by work and by what may cancel it. Sessions keep only a pointer to it.
struct Work {
    /// Whether the work was cancelled.
    cancelled: AtomicBool,
    scheduler: Arc<Scheduler>,
}

impl Cancel {
    pub(super) fn new(scheduler: Arc<Scheduler>) -> Self {
        Self(Arc::new(Work {
            cancelled: AtomicBool::new(false),
            scheduler,
        }))
    }

    /// Stops the work at its next piece, or where it waits for a time slice.
    pub(crate) fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
        self.0.scheduler.look_again();
    }

    fn is_asked(&self) -> bool {
        self.0.cancelled.load(Ordering::Relaxed)
    }
}

/// A time slice of long work, and the next ones.
pub(crate) struct TimeSlice {
    cancel: Cancel,
    /// Its end, should others wait then; `None` for work that was stopped before it had one.
    until: Option<Instant>,
}

impl TimeSlice {
    /// Waits for a time slice.
    pub(super) fn begin(cancel: Cancel) -> Self {
        let mut slice = Self {
            cancel,
            until: None,
        };
        slice.take();
        slice
    }

    /// One beside no others.
    #[cfg(test)]
    pub(super) fn alone() -> Self {
        Self::begin(Cancel::new(Arc::new(Scheduler::new(1))))
    }

    /// One that was stopped.
    #[cfg(test)]
    pub(super) fn cancelled() -> Self {
        let slice = Self::alone();
        slice.cancel.cancel();
        slice
    }

    /// Lets others go on at the end of the time slice, and waits for the next one. Refuses to go on
    /// where nobody waits for the outcome any more.
    pub(super) fn go_on(&mut self) -> Result<(), Refusal> {
        if self.until.is_some_and(|until| Instant::now() >= until) {
            if self.cancel.0.scheduler.has_waiting() {
                self.give_up();
            }
            self.take();
        }
        if self.cancel.is_asked() {
            return Err(Refusal::new(426, "Aborted."));
        }
        Ok(())
    }

    fn take(&mut self) {
        let has_slice = self.until.is_some() || self.cancel.0.scheduler.take(&self.cancel);
        self.until = has_slice.then(|| Instant::now() + TIME_SLICE);
    }

    fn give_up(&mut self) {
        if self.until.take().is_some() {
            self.cancel.0.scheduler.give_up();
        }
    }
}

impl Drop for TimeSlice {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Lets some of many go on at a time, in the order in which they ask.
///
/// Only who comes next is woken: there may be as many that wait as there are sessions.
pub(super) struct Scheduler {
    most: usize,
    queue: Mutex<RunQueue>,
}

#[derive(Default)]
struct RunQueue {
    running: usize,
    waiting: VecDeque<Waiting>,
    /// The number of who comes next.
    next: u64,
}

struct Waiting {
    number: u64,
    thread: Thread,
    cancel: Cancel,
}

impl Scheduler {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            queue: Mutex::default(),
        }
    }

    /// Waits for a time slice; `false` without one, where that is not wanted any more.
    fn take(&self, cancel: &Cancel) -> bool {
        let mut queue = self.lock();
        let own = queue.next;
        queue.next += 1;
        queue.waiting.push_back(Waiting {
            number: own,
            thread: thread::current(),
            cancel: cancel.clone(),
        });
        while !cancel.is_asked() && queue.first(self.most) != Some(own) {
            drop(queue);
            // What it checks is changed before it is woken, so no call is missed.
            thread::park();
            queue = self.lock();
        }
        queue.waiting.retain(|waiting| waiting.number != own);
        let has_slice = !cancel.is_asked();
        queue.running += usize::from(has_slice);
        self.wake_first(&queue);
        has_slice
    }

    fn give_up(&self) {
        let mut queue = self.lock();
        queue.running -= 1;
        self.wake_first(&queue);
    }

    fn has_waiting(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// Has those that wait and are not to any more stop waiting.
    fn look_again(&self) {
        let queue = self.lock();
        let waiting = queue.waiting.iter();
        waiting
            .filter(|waiting| waiting.cancel.is_asked())
            .for_each(|waiting| waiting.thread.unpark());
    }

    fn wake_first(&self, queue: &RunQueue) {
        if queue.first(self.most).is_some() {
            queue.waiting[0].thread.unpark();
        }
    }

    /// No panic leaves the queue half changed.
    fn lock(&self) -> MutexGuard<'_, RunQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunQueue {
    /// Whose time slice is next, if `most` may run at a time.
    fn first(&self, most: usize) -> Option<u64> {
        let next = self.waiting.front().filter(|_| self.running < most);
        next.map(|waiting| waiting.number)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn slice(scheduler: &Arc<Scheduler>) -> TimeSlice {
        TimeSlice::begin(Cancel::new(Arc::clone(scheduler)))
    }

    /// Waits until this many wait for a time slice.
    fn await_queue(scheduler: &Scheduler, length: usize) {
        while scheduler.lock().waiting.len() < length {
            thread::yield_now();
        }
    }

    #[test]
    fn long_digests_kept_all_others_waiting() {
        let scheduler = Arc::new(Scheduler::new(1));
        let mut long = slice(&scheduler);
        let (ended, outcome) = mpsc::channel();
        let short = {
            let scheduler = Arc::clone(&scheduler);
            thread::spawn(move || {
                drop(slice(&scheduler));
                ended.send(()).unwrap();
            })
        };
        await_queue(&scheduler, 1);
        while outcome.try_recv().is_err() {
            long.go_on().unwrap();
        }
        short.join().unwrap();
    }

    #[test]
    fn time_slices_come_in_the_order_of_the_queue() {
        let scheduler = Arc::new(Scheduler::new(1));
        let first = slice(&scheduler);
        let (began, order) = mpsc::channel();
        let waiting: Vec<_> = (0..3)
            .map(|number| {
                let (own, began) = (Arc::clone(&scheduler), began.clone());
                let thread = thread::spawn(move || {
                    let _slice = slice(&own);
                    began.send(number).unwrap();
                });
                await_queue(&scheduler, number + 1);
                thread
            })
            .collect();
        drop(first);
        let order: Vec<_> = (0..3).map(|_| order.recv().unwrap()).collect();
        assert_eq!(order, [0, 1, 2]);
        waiting
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn only_some_go_on_at_a_time() {
        let scheduler = Arc::new(Scheduler::new(2));
        let (first, second) = (slice(&scheduler), slice(&scheduler));
        assert_eq!(scheduler.lock().running, 2);
        drop(first);
        let third = slice(&scheduler);
        assert_eq!(scheduler.lock().running, 2);
        drop((second, third));
        assert_eq!(scheduler.lock().running, 0);
    }

    #[test]
    fn cancelled_work_does_not_go_on() {
        let cancel = Cancel::new(Arc::new(Scheduler::new(1)));
        let mut slice = TimeSlice::begin(cancel.clone());
        assert!(slice.go_on().is_ok());
        cancel.cancel();
        assert_eq!(slice.go_on().unwrap_err().code.value(), 426);
    }

    #[test]
    fn cancelled_work_waited_for_those_before_it() {
        let scheduler = Arc::new(Scheduler::new(1));
        let before = slice(&scheduler);
        let cancel = Cancel::new(Arc::clone(&scheduler));
        let waiting = {
            let cancel = cancel.clone();
            thread::spawn(move || TimeSlice::begin(cancel).go_on().unwrap_err().code.value())
        };
        await_queue(&scheduler, 1);
        cancel.cancel();
        assert_eq!(waiting.join().unwrap(), 426);
        drop(before);
        assert_eq!(scheduler.lock().running, 0);
    }
}
