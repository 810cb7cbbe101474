//! Places for a few at a time, out of several processes.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{ProcessLock, ProcessLockGuard, SharedWords};

/// Places for so many at a time in this process and the children that it forks later, while it has
/// no place itself.
///
/// Processes get them about in the order in which they queue up: whoever gives one back and wants
/// another is behind those that wait. A process that ends, even if it is killed, leaves its place
/// and the queue. One that is killed while it waits may have one of those behind it come early; one
/// that is stopped while it waits holds up some of those behind it.
///
/// The order of the threads of a process is theirs to keep: one of them at a time is to queue up.
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
    /// One for each place, by its number, and one for each ticket.
    locks: ProcessLock,
    /// One word: the number of the next ticket.
    next: SharedWords,
    most: u32,
    /// The numbers of the places that this process has.
    own: Mutex<Vec<u32>>,
    /// One of them was given back.
    given_back: Condvar,
}

/// The first number of a ticket's lock. As many tickets later the numbers are used again.
const TICKETS: u32 = 1 << 28;

/// How long to wait where other processes have all places: a fraction of what one is held for.
const LOOK_DELAY: Duration = Duration::from_millis(5);

impl ProcessPlaces {
    /// Makes `most` free places, at least one.
    ///
    /// # Errors
    ///
    /// The system has no more descriptors, or gives no memory to share.
    pub fn new(most: usize) -> io::Result<Self> {
        Ok(Self {
            locks: ProcessLock::new()?,
            next: SharedWords::new(1)?,
            most: u32::try_from(most).unwrap_or(u32::MAX).clamp(1, TICKETS),
            own: Mutex::default(),
            given_back: Condvar::new(),
        })
    }

    /// Takes a ticket: who comes later is behind. It does not wait.
    pub fn queue_up(&self) -> ProcessTicket<'_> {
        let number = self.next[0].fetch_add(1, Ordering::SeqCst);
        ProcessTicket {
            places: self,
            number,
            // Where the system has no more locks, the order is lost.
            _held: self.locks.lock_one(ticket(number)).ok(),
        }
    }

    fn own(&self) -> MutexGuard<'_, Vec<u32>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says whose turn it is to get one of the [`ProcessPlaces`].
#[derive(Debug)]
pub struct ProcessTicket<'a> {
    places: &'a ProcessPlaces,
    number: u64,
    /// Until this is released, the ticket as many later as there are places waits. So each of those
    /// whose turn it is can wait for another place.
    _held: Option<ProcessLockGuard<'a>>,
}

impl<'a> ProcessTicket<'a> {
    /// Waits for a place.
    pub fn take(self) -> ProcessPlace<'a> {
        let places = self.places;
        // Where the system has no more locks, the order is lost.
        drop(places.locks.lock_one(self.before()));
        let mut own = places.own();
        loop {
            if let Some(place) = self.choose(&mut own) {
                return place;
            }
            // The system would wait for one of them, whose process may be stopped. Those whose turn
            // it is are no more than there are places.
            let given_back = places.given_back.wait_timeout(own, LOOK_DELAY);
            own = given_back.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The first place that is free.
    fn choose(&self, own: &mut Vec<u32>) -> Option<ProcessPlace<'a>> {
        let places = self.places;
        // Where the system has no more locks, one place too many is better than none.
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

    /// The place to look at first: another one for each of those whose turn it is.
    fn first_choice(&self) -> u32 {
        (self.number % u64::from(self.places.most)) as u32
    }

    /// The lock of the ticket to wait for.
    fn before(&self) -> u32 {
        ticket(self.number.wrapping_sub(self.places.most.into()))
    }
}

/// The number of a ticket's lock.
fn ticket(number: u64) -> u32 {
    TICKETS | (number % u64::from(TICKETS)) as u32
}

/// The first number below `most`, from `first` on, that this process does not have and that can be
/// locked. What it has could be locked again: locks exclude processes only.
fn choose<L>(
    own: &[u32],
    most: u32,
    first: u32,
    try_lock: impl Fn(u32) -> Option<L>,
) -> Option<(u32, L)> {
    let mut others = (first..most).chain(0..first).filter(|n| !own.contains(n));
    others.find_map(|number| Some((number, try_lock(number)?)))
}

/// One of the [`ProcessPlaces`], given back when dropped.
#[derive(Debug)]
pub struct ProcessPlace<'a> {
    places: &'a ProcessPlaces,
    number: u32,
    lock: Option<ProcessLockGuard<'a>>,
}

impl Drop for ProcessPlace<'_> {
    fn drop(&mut self) {
        // First, since the lock is the whole process's: the next thread needs the number alone.
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
        // What others have cannot be locked.
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
