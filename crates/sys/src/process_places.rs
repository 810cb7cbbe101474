//! A limited number of places, shared by several processes.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{ProcessLock, ProcessLockGuard, SharedWords};

/// A limited number of places, shared by this process and the children that it forks later. A
/// process must not hold a place when it forks.
///
/// Processes get places roughly in the order in which they queue up: a process that returns its
/// place and wants another goes behind those that wait. A process that ends, even if it is killed,
/// leaves both its place and the queue. If a process is killed while it waits, one of those behind
/// it may get a place early; if it is stopped while it waits, it holds up some of those behind it.
///
/// The threads of a process must keep their own order: only one of them may queue up at a time.
///
/// # Examples
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// use ftpdlib_sys::ProcessPlaces;
///
/// let places = ProcessPlaces::new(1)?;
/// for _ in 0..2 {
///     // Given back at the end of each turn.
///     let place = places.queue_up().take();
/// }
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct ProcessPlaces {
    /// One lock for each place, by its number, and one for each ticket.
    locks: ProcessLock,
    /// One word: the number of the next ticket.
    next: SharedWords,
    most: u32,
    /// The numbers of the places that this process holds.
    own: Mutex<Vec<u32>>,
    /// Notified when this process returns a place.
    given_back: Condvar,
}

/// The first lock number for tickets. After this many tickets, the numbers are reused.
const TICKETS: u32 = 1 << 28;

/// How long to wait while other processes hold all places: a fraction of the time that a place is
/// held for.
const LOOK_DELAY: Duration = Duration::from_millis(5);

impl ProcessPlaces {
    /// Creates `most` free places, at least one.
    ///
    /// # Errors
    ///
    /// No descriptors are left, or no memory can be shared.
    pub fn new(most: usize) -> io::Result<Self> {
        Ok(Self {
            locks: ProcessLock::new()?,
            next: SharedWords::new(1)?,
            most: u32::try_from(most).unwrap_or(u32::MAX).clamp(1, TICKETS),
            own: Mutex::default(),
            given_back: Condvar::new(),
        })
    }

    /// Takes a ticket, ahead of all later ones. Does not wait.
    pub fn queue_up(&self) -> ProcessTicket<'_> {
        let number = self.next[0].fetch_add(1, Ordering::SeqCst);
        ProcessTicket {
            places: self,
            number,
            // If the system has no more locks, the order is lost.
            _held: self.locks.lock_one(ticket(number)).ok(),
        }
    }

    fn own(&self) -> MutexGuard<'_, Vec<u32>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A position in the queue for one of the [`ProcessPlaces`].
#[derive(Debug)]
pub struct ProcessTicket<'a> {
    places: &'a ProcessPlaces,
    number: u64,
    /// Until this is released, the ticket `most` numbers later waits. So at most `most` tickets
    /// have their turn at once, and each can start with a different place.
    _held: Option<ProcessLockGuard<'a>>,
}

impl<'a> ProcessTicket<'a> {
    /// Waits for a place.
    pub fn take(self) -> ProcessPlace<'a> {
        let places = self.places;
        // If the system has no more locks, the order is lost.
        drop(places.locks.lock_one(self.before()));
        let mut own = places.own();
        loop {
            if let Some(place) = self.choose(&mut own) {
                return place;
            }
            // Check again rather than wait for a lock: that would be the lock of one particular
            // place, whose process may be stopped. At most `most` tickets do this at a time.
            let given_back = places.given_back.wait_timeout(own, LOOK_DELAY);
            own = given_back.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes the first free place.
    fn choose(&self, own: &mut Vec<u32>) -> Option<ProcessPlace<'a>> {
        let places = self.places;
        // If the system has no more locks, one place too many is better than none.
        let try_lock = |number| {
            places
                .locks
                .try_lock_one(number)
                .map_or(Some(None), |it| it.map(Some))
        };
        let (number, lock) = choose(own, places.most, self.first_choice(), try_lock)?;
        own.push(number);
        Some(ProcessPlace {
            places,
            number,
            lock,
        })
    }

    /// The place to try first: a different one for each ticket whose turn it is.
    fn first_choice(&self) -> u32 {
        (self.number % u64::from(self.places.most)) as u32
    }

    /// The lock number of the ticket to wait for.
    fn before(&self) -> u32 {
        ticket(self.number.wrapping_sub(self.places.most.into()))
    }
}

/// The lock number of a ticket.
fn ticket(number: u64) -> u32 {
    TICKETS | (number % u64::from(TICKETS)) as u32
}

/// Finds the first number below `most`, from `first` on, that this process does not hold and that
/// can be locked. A number that it holds could be locked again, since locks exclude only other
/// processes.
fn choose<L>(
    own: &[u32],
    most: u32,
    first: u32,
    try_lock: impl Fn(u32) -> Option<L>,
) -> Option<(u32, L)> {
    let mut others = (first..most).chain(0..first).filter(|n| !own.contains(n));
    others.find_map(|number| Some((number, try_lock(number)?)))
}

/// One of the [`ProcessPlaces`], returned when dropped.
#[derive(Debug)]
pub struct ProcessPlace<'a> {
    places: &'a ProcessPlaces,
    number: u32,
    lock: Option<ProcessLockGuard<'a>>,
}

impl Drop for ProcessPlace<'_> {
    fn drop(&mut self) {
        // Release the lock first, since it belongs to the whole process: the next thread needs only
        // the number to be free.
        self.lock = None;
        self.places.own().retain(|number| *number != self.number);
        self.places.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_waited_for_the_place_of_another_while_one_was_free() {
        // Places that other processes hold cannot be locked.
        let choose = |own: &[u32], others: &[u32]| {
            let chosen = choose(own, 4, 2, |number| {
                (!others.contains(&number)).then_some(())
            });
            chosen.map(|(number, ())| number)
        };
        assert_eq!(choose(&[], &[]), Some(2));
        assert_eq!(choose(&[], &[2, 3]), Some(0));
        assert_eq!(choose(&[3], &[2, 0]), Some(1));
        assert_eq!(choose(&[2], &[3, 0, 1]), None);
        assert_eq!(choose(&[2, 3, 0, 1], &[]), None);
    }
}
