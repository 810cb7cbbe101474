//! Where jobs run that may block, or take long.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ftpdlib_ioloop::{Lane, Notifier, Pool, Task};
use ftpdlib_session::Refusal;

use super::Cancel;

/// Most jobs that run at once on one home directory that may block.
const JOBS_PER_HOME: usize = 32;

/// Most pieces of long work of one lane that have a thread, most of which wait for their turn.
const WORK: usize = 64;

/// How long a piece of work goes on while others wait.
const TURN: Duration = Duration::from_millis(50);

/// The lanes of a home directory that may block.
#[derive(Clone)]
pub(crate) struct HomeLanes {
    pub(super) jobs: Lane,
    pub(super) work: WorkLane,
}

impl HomeLanes {
    pub(crate) fn new(pool: &Pool) -> Self {
        Self {
            jobs: pool.lane(JOBS_PER_HOME),
            work: WorkLane::new(pool),
        }
    }

    pub(crate) fn jobs(&self) -> &Lane {
        &self.jobs
    }
}

/// Where digests and copies run: at most as many at once as there are processors, and in turns, so
/// that one of two bytes does not wait for the end of those of gigabytes.
#[derive(Clone)]
pub(crate) struct WorkLane {
    lane: Lane,
    turns: Arc<Turns>,
}

impl WorkLane {
    pub(crate) fn new(pool: &Pool) -> Self {
        Self {
            lane: pool.lane(WORK),
            turns: Arc::new(Turns::new(ftpdlib_sys::usable_cpus())),
        }
    }

    /// Starts `work`, which is to ask its [`Shift`] before each of its pieces whether to go on.
    ///
    /// # Errors
    ///
    /// There is no thread.
    pub(crate) fn start<T: Send + 'static>(
        &self,
        notifier: &Notifier,
        work: impl FnOnce(&mut Shift) -> T + Send + 'static,
    ) -> io::Result<(Task<T>, Cancel)> {
        let cancel = Cancel::default();
        let (turns, cancelled) = (Arc::clone(&self.turns), cancel.clone());
        let task = Task::spawn(&self.lane, notifier, move || {
            work(&mut Shift::begin(turns, cancelled))
        })?;
        Ok((task, cancel))
    }
}

/// A turn of long work, and the next ones.
pub(crate) struct Shift {
    turns: Arc<Turns>,
    cancel: Cancel,
    until: Instant,
}

impl Shift {
    fn begin(turns: Arc<Turns>, cancel: Cancel) -> Self {
        turns.take();
        Self {
            turns,
            cancel,
            until: Instant::now() + TURN,
        }
    }

    /// One beside no others.
    #[cfg(test)]
    pub(super) fn alone(cancel: &Cancel) -> Self {
        Self::begin(Arc::new(Turns::new(1)), cancel.clone())
    }

    /// Lets others go on, once this has had its turn, and waits for the next one. Refuses to go on
    /// where nobody waits for the outcome any more.
    pub(super) fn go_on(&mut self) -> Result<(), Refusal> {
        if Instant::now() >= self.until {
            self.turns.pass_on();
            self.until = Instant::now() + TURN;
        }
        self.cancel.check()
    }
}

impl Drop for Shift {
    fn drop(&mut self) {
        self.turns.give_up();
    }
}

/// Lets some of many go on at a time, in the order in which they ask.
struct Turns {
    most: usize,
    line: Mutex<Line>,
    moved: Condvar,
}

/// Who waits, by number.
#[derive(Default)]
struct Line {
    running: usize,
    /// The number that who comes next is given.
    last: u64,
    /// The number of who goes on next.
    first: u64,
}

impl Turns {
    fn new(most: usize) -> Self {
        Self {
            most,
            line: Mutex::default(),
            moved: Condvar::new(),
        }
    }

    fn take(&self) {
        let mut line = self.lock();
        let own = line.last;
        line.last += 1;
        let has_to_wait = |line: &mut Line| line.running == self.most || line.first != own;
        let mut line = self
            .moved
            .wait_while(line, has_to_wait)
            .unwrap_or_else(PoisonError::into_inner);
        line.first += 1;
        line.running += 1;
        drop(line);
        self.moved.notify_all();
    }

    fn give_up(&self) {
        self.lock().running -= 1;
        self.moved.notify_all();
    }

    /// Goes to the end of the line, if there is one.
    fn pass_on(&self) {
        let line = self.lock();
        let somebody_waits = line.first != line.last;
        drop(line);
        if somebody_waits {
            self.give_up();
            self.take();
        }
    }

    /// No panic leaves the line half changed.
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    fn shift(turns: &Arc<Turns>) -> Shift {
        Shift::begin(Arc::clone(turns), Cancel::default())
    }

    /// Waits until so many wait for a turn.
    fn await_line(turns: &Turns, length: u64) {
        let waiting = || {
            let line = turns.lock();
            line.last - line.first
        };
        while waiting() < length {
            thread::yield_now();
        }
    }

    #[test]
    fn long_digests_kept_all_others_waiting() {
        let turns = Arc::new(Turns::new(1));
        let mut long = shift(&turns);
        let (ended, outcome) = mpsc::channel();
        let short = {
            let turns = Arc::clone(&turns);
            thread::spawn(move || {
                drop(shift(&turns));
                ended.send(()).unwrap();
            })
        };
        await_line(&turns, 1);
        while outcome.try_recv().is_err() {
            long.go_on().unwrap();
        }
        short.join().unwrap();
    }

    #[test]
    fn turns_come_in_the_order_of_the_line() {
        let turns = Arc::new(Turns::new(1));
        let first = shift(&turns);
        let (began, order) = mpsc::channel();
        let waiting: Vec<_> = (0..3)
            .map(|number| {
                let (own, began) = (Arc::clone(&turns), began.clone());
                let thread = thread::spawn(move || {
                    let _shift = shift(&own);
                    began.send(number).unwrap();
                });
                await_line(&turns, number + 1);
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
        let turns = Turns::new(2);
        turns.take();
        turns.take();
        assert_eq!(turns.lock().running, turns.most);
        turns.give_up();
        turns.take();
        // Nobody waits, so it stays.
        turns.pass_on();
        assert_eq!(turns.lock().running, turns.most);
    }

    #[test]
    fn cancelled_work_does_not_go_on() {
        let cancel = Cancel::default();
        let mut shift = Shift::alone(&cancel);
        assert!(shift.go_on().is_ok());
        cancel.cancel();
        assert_eq!(shift.go_on().unwrap_err().code.value(), 426);
    }
}
