//! Long work in time slices, so that other work goes on beside it; and how it is stopped.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use ftpdlib_session::Refusal;
use ftpdlib_sys::{ProcessPlace, ProcessPlaces};

/// How long a piece of work goes on while others wait.
const TIME_SLICE: Duration = Duration::from_millis(50);

/// Tells work that nobody waits for it any more. Clones tell the same work.
#[derive(Clone)]
pub(crate) struct Cancel {
    asked: Arc<AtomicBool>,
    scheduler: Arc<Scheduler>,
}

impl Cancel {
    pub(super) fn new(scheduler: Arc<Scheduler>) -> Self {
        Self {
            asked: Arc::default(),
            scheduler,
        }
    }

    /// Stops the work at its next piece, or where it waits for a time slice.
    pub(crate) fn cancel(&self) {
        self.asked.store(true, Ordering::Relaxed);
        self.scheduler.look_again();
    }

    fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

/// A time slice of long work, and the next ones.
pub(crate) struct TimeSlice {
    cancel: Cancel,
    /// `None` for work that was stopped before it had one.
    running: Option<Running>,
}

struct Running {
    /// The end of the time slice, should others wait then.
    until: Instant,
    /// Where several processes share the processors.
    place: Option<ProcessPlace<'static>>,
}

impl TimeSlice {
    /// Waits for a time slice.
    pub(super) fn begin(cancel: Cancel) -> Self {
        let mut slice = Self {
            cancel,
            running: None,
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
        let is_over = |running: &Running| Instant::now() >= running.until;
        if self.running.as_ref().is_some_and(is_over) {
            if self.others_may_wait() {
                self.give_up();
            }
            self.take();
        }
        if self.cancel.is_asked() {
            return Err(Refusal::new(426, "Aborted."));
        }
        Ok(())
    }

    /// Whether somebody waits, as far as this process can tell.
    fn others_may_wait(&self) -> bool {
        let shares = |running: &Running| running.place.is_some();
        self.running.as_ref().is_some_and(shares) || self.cancel.scheduler.has_waiting()
    }

    fn take(&mut self) {
        let running = self.running.take();
        let place = match running {
            Some(running) => Some(running.place),
            None => self.cancel.scheduler.take(&self.cancel),
        };
        self.running = place.map(|place| Running {
            until: Instant::now() + TIME_SLICE,
            place,
        });
    }

    fn give_up(&mut self) {
        if let Some(Running { place, .. }) = self.running.take() {
            // First, so that the next thread finds it.
            drop(place);
            self.cancel.scheduler.give_up();
        }
    }
}

impl Drop for TimeSlice {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// The processors that this process shares with those that it forks, if it does.
static PROCESSORS: OnceLock<ProcessPlaces> = OnceLock::new();

/// Has this process and the children that it forks later do as much work that takes all of a
/// processor as there are `processors`, all together.
///
/// # Errors
///
/// The system has no more descriptors, or gives no memory to share.
pub(crate) fn share_processors(processors: usize) -> io::Result<()> {
    if PROCESSORS.get().is_none() {
        // Another thread may have set the same first.
        let _ = PROCESSORS.set(ProcessPlaces::new(processors)?);
    }
    Ok(())
}

/// Lets some of many go on at a time, in the order in which they ask.
///
/// Only who comes next is woken: there may be as many that wait as there are sessions.
pub(super) struct Scheduler {
    most: usize,
    /// Places that several processes share, if they do: a time slice needs one of them, too.
    places: Option<&'static OnceLock<ProcessPlaces>>,
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
    /// Whether its work is not wanted any more.
    asked: Arc<AtomicBool>,
}

impl Scheduler {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            places: None,
            queue: Mutex::default(),
        }
    }

    /// One for work that takes all of a processor.
    pub(super) fn of_processors(most: usize) -> Self {
        Self {
            places: Some(&PROCESSORS),
            ..Self::new(most)
        }
    }

    /// Waits for a time slice, and its place if it needs one; `None` where it is not wanted any
    /// more.
    fn take(&self, cancel: &Cancel) -> Option<Option<ProcessPlace<'static>>> {
        let mut queue = self.lock();
        let own = queue.next;
        queue.next += 1;
        queue.waiting.push_back(Waiting {
            number: own,
            thread: thread::current(),
            asked: Arc::clone(&cancel.asked),
        });
        while !cancel.is_asked() && queue.first(self.most) != Some(own) {
            drop(queue);
            // Whoever wakes it has changed what it looks at before, so no call is missed.
            thread::park();
            queue = self.lock();
        }
        let mut taken = None;
        if !cancel.is_asked() {
            queue.running += 1;
            taken = Some(None);
            if let Some(places) = self.places.and_then(OnceLock::get) {
                drop(queue);
                // Still first, so that one thread of a process at a time waits for other processes.
                taken = Some(Some(places.queue_up().take()));
                queue = self.lock();
            }
        }
        queue.waiting.retain(|waiting| waiting.number != own);
        self.wake_first(&queue);
        taken
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
            .filter(|waiting| waiting.asked.load(Ordering::Relaxed))
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

    /// Waits until so many wait for a time slice.
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
    fn processes_ran_as_much_work_as_if_each_had_all_processors() {
        static PLACES: OnceLock<ProcessPlaces> = OnceLock::new();
        // None on some systems.
        let Ok(places) = ProcessPlaces::new(1) else {
            return;
        };
        PLACES.set(places).unwrap();
        // As in two processes, that is, without a queue in common.
        let [own, other] = [(); 2].map(|()| {
            Arc::new(Scheduler {
                places: Some(&PLACES),
                ..Scheduler::new(2)
            })
        });
        let has_place = || PLACES.get().unwrap().queue_up().try_take().is_err();
        let mut long = slice(&own);
        assert!(has_place());
        let (ended, outcome) = mpsc::channel();
        let short = thread::spawn(move || {
            drop(slice(&other));
            ended.send(()).unwrap();
        });
        while outcome.try_recv().is_err() {
            long.go_on().unwrap();
        }
        short.join().unwrap();
        drop(long);
        assert!(!has_place());
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
