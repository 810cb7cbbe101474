//! Long work that lets other work have its turn, and can be stopped.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use ftpdlib_proto::ReplyCode;
use ftpdlib_session::Refusal;

use super::refusal;

/// How long a piece of work goes on while others wait.
const TURN: Duration = Duration::from_millis(50);

/// Tells work that nobody waits for it any more. Clones tell the same work.
#[derive(Clone)]
pub(crate) struct Cancel {
    asked: Arc<AtomicBool>,
    turns: Arc<Turns>,
}

impl Cancel {
    pub(super) fn new(turns: Arc<Turns>) -> Self {
        Self {
            asked: Arc::default(),
            turns,
        }
    }

    /// Stops the work at its next piece, or where it waits for its turn.
    pub(crate) fn cancel(&self) {
        self.asked.store(true, Ordering::Relaxed);
        self.turns.look_again();
    }

    fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

/// A turn of long work, and the next ones.
pub(crate) struct Shift {
    cancel: Cancel,
    /// Its end, should others wait then; `None` for work that was stopped before it had one.
    until: Option<Instant>,
}

impl Shift {
    /// Waits for a turn.
    pub(super) fn begin(cancel: Cancel) -> Self {
        let mut shift = Self {
            cancel,
            until: None,
        };
        shift.take();
        shift
    }

    /// One beside no others.
    #[cfg(test)]
    pub(super) fn alone() -> Self {
        Self::begin(Cancel::new(Arc::new(Turns::new(1))))
    }

    /// One that was stopped.
    #[cfg(test)]
    pub(super) fn cancelled() -> Self {
        let shift = Self::alone();
        shift.cancel.cancel();
        shift
    }

    /// Lets others go on, once this has had its turn, and waits for the next one. Refuses to go on
    /// where nobody waits for the outcome any more.
    pub(super) fn go_on(&mut self) -> Result<(), Refusal> {
        if self.until.is_some_and(|until| Instant::now() >= until) {
            if self.cancel.turns.has_line() {
                self.give_up();
            }
            self.take();
        }
        if self.cancel.is_asked() {
            return Err(refusal(ReplyCode::new(426), "Aborted."));
        }
        Ok(())
    }

    fn take(&mut self) {
        let has_turn = self.until.is_some() || self.cancel.turns.take(&self.cancel);
        self.until = has_turn.then(|| Instant::now() + TURN);
    }

    fn give_up(&mut self) {
        if self.until.take().is_some() {
            self.cancel.turns.give_up();
        }
    }
}

impl Drop for Shift {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Lets some of many go on at a time, in the order in which they ask.
///
/// Only who comes next is woken: there may be as many that wait as there are sessions.
pub(super) struct Turns {
    most: usize,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
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

impl Turns {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            line: Mutex::default(),
        }
    }

    /// Waits for a turn; `false` without one, where that is not wanted any more.
    fn take(&self, cancel: &Cancel) -> bool {
        let mut line = self.lock();
        let own = line.next;
        line.next += 1;
        line.waiting.push_back(Waiting {
            number: own,
            thread: thread::current(),
            asked: Arc::clone(&cancel.asked),
        });
        while !cancel.is_asked() && line.first(self.most) != Some(own) {
            drop(line);
            // Whoever wakes it has changed what it looks at before, so no call is missed.
            thread::park();
            line = self.lock();
        }
        line.waiting.retain(|waiting| waiting.number != own);
        let has_turn = !cancel.is_asked();
        line.running += usize::from(has_turn);
        self.wake_first(&line);
        has_turn
    }

    fn give_up(&self) {
        let mut line = self.lock();
        line.running -= 1;
        self.wake_first(&line);
    }

    fn has_line(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// Has those that wait and are not to any more stop waiting.
    fn look_again(&self) {
        let line = self.lock();
        let waiting = line.waiting.iter();
        waiting
            .filter(|waiting| waiting.asked.load(Ordering::Relaxed))
            .for_each(|waiting| waiting.thread.unpark());
    }

    fn wake_first(&self, line: &Line) {
        if line.first(self.most).is_some() {
            line.waiting[0].thread.unpark();
        }
    }

    /// No panic leaves the line half changed.
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// Whose turn it is, if `most` may have one at a time.
    fn first(&self, most: usize) -> Option<u64> {
        let next = self.waiting.front().filter(|_| self.running < most);
        next.map(|waiting| waiting.number)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn shift(turns: &Arc<Turns>) -> Shift {
        Shift::begin(Cancel::new(Arc::clone(turns)))
    }

    /// Waits until so many wait for a turn.
    fn await_line(turns: &Turns, length: usize) {
        while turns.lock().waiting.len() < length {
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
        let turns = Arc::new(Turns::new(2));
        let (first, second) = (shift(&turns), shift(&turns));
        assert_eq!(turns.lock().running, 2);
        drop(first);
        let third = shift(&turns);
        assert_eq!(turns.lock().running, 2);
        drop((second, third));
        assert_eq!(turns.lock().running, 0);
    }

    #[test]
    fn cancelled_work_does_not_go_on() {
        let cancel = Cancel::new(Arc::new(Turns::new(1)));
        let mut shift = Shift::begin(cancel.clone());
        assert!(shift.go_on().is_ok());
        cancel.cancel();
        assert_eq!(shift.go_on().unwrap_err().code.value(), 426);
    }

    #[test]
    fn cancelled_work_waited_for_those_before_it() {
        let turns = Arc::new(Turns::new(1));
        let before = shift(&turns);
        let cancel = Cancel::new(Arc::clone(&turns));
        let waiting = {
            let cancel = cancel.clone();
            thread::spawn(move || Shift::begin(cancel).go_on().unwrap_err().code.value())
        };
        await_line(&turns, 1);
        cancel.cancel();
        assert_eq!(waiting.join().unwrap(), 426);
        drop(before);
        assert_eq!(turns.lock().running, 0);
    }
}
