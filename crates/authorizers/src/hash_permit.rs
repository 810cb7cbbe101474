//! Permits to compute a password hash, which takes all of a CPU and much memory.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::process;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};

use ftpdlib_sys::{ProcessLock, ProcessLockGuard};

/// The permits that this process holds, and who waits for one.
static PERMITS: Mutex<Permits> = Mutex::new(Permits {
    taken: Vec::new(),
    queue: Queue::new(),
});

struct Permits {
    /// Their numbers.
    taken: Vec<u16>,
    queue: Queue,
}

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

    /// Waits for a permit to check what `client` has sent, if that is known. Clients take turns:
    /// one that guesses on hundreds of connections delays each of the others by one hash.
    pub(crate) fn acquire(client: Option<IpAddr>) -> Self {
        let most = u16::try_from(ftpdlib_sys::usable_cpus()).unwrap_or(u16::MAX);
        let process_locks = PROCESS_LOCKS.get().and_then(Option::as_ref);
        let try_lock = |number| process_locks?.try_lock_one(number).ok()?;
        let mut permits = lock();
        let own = permits.queue.join(client, thread::current());
        let (number, held) = loop {
            if permits.queue.is_first(own)
                && let Some(chosen) = choose(&permits.taken, most, try_lock)
            {
                break chosen;
            }
            drop(permits);
            // Whoever wakes it has changed what it looks at before, so no call is missed.
            thread::park();
            permits = lock();
        };
        permits.queue.leave();
        permits.taken.push(number);
        // There may be another permit.
        permits.queue.wake_first();
        drop(permits);
        Self {
            number,
            // If the system has no more locks, one hash too many is better than none.
            process_lock: held.or_else(|| process_locks?.lock_one(number).ok()),
        }
    }
}

/// Who waits. Clients take turns; those of one client keep their order.
struct Queue {
    /// Each client that has somebody waiting, once: whose turn is next is first. Whoever comes
    /// later is behind all of them, so that no number of new clients holds up the next turn of
    /// another.
    clients: VecDeque<Client>,
    next_number: u64,
}

struct Client {
    address: Option<IpAddr>,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    number: u64,
    thread: Thread,
}

impl Queue {
    const fn new() -> Self {
        Self {
            clients: VecDeque::new(),
            next_number: 0,
        }
    }

    /// Has `thread` wait, and returns its number.
    fn join(&mut self, address: Option<IpAddr>, thread: Thread) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        let waiting = Waiting { number, thread };
        let mut clients = self.clients.iter_mut();
        match clients.find(|client| client.address == address) {
            Some(client) => client.waiting.push_back(waiting),
            None => self.clients.push_back(Client {
                address,
                waiting: VecDeque::from([waiting]),
            }),
        }
        number
    }

    /// Takes out whose turn it is.
    fn leave(&mut self) {
        let Some(mut client) = self.clients.pop_front() else {
            return;
        };
        client.waiting.pop_front();
        if !client.waiting.is_empty() {
            self.clients.push_back(client);
        }
    }

    fn first(&self) -> Option<&Waiting> {
        self.clients.front()?.waiting.front()
    }

    fn is_first(&self, number: u64) -> bool {
        self.first().is_some_and(|first| first.number == number)
    }

    fn wake_first(&self) {
        if let Some(first) = self.first() {
            first.thread.unpark();
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
        let mut permits = lock();
        permits.taken.retain(|number| *number != self.number);
        permits.queue.wake_first();
    }
}

fn lock() -> MutexGuard<'static, Permits> {
    PERMITS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;

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
    fn the_guesses_of_one_client_kept_all_others_waiting() {
        let mut queue = Queue::new();
        let [guesser, one, other] = [1, 2, 3].map(|last| Some(IpAddr::from([192, 0, 2, last])));
        let join = |queue: &mut Queue, client| queue.join(client, thread::current());
        let turn = |queue: &mut Queue| {
            let first = queue.first().unwrap().number;
            queue.leave();
            first
        };
        let guesses = [(); 4].map(|()| join(&mut queue, guesser));
        assert_eq!(turn(&mut queue), guesses[0]);
        assert_eq!(turn(&mut queue), guesses[1]);
        let [one, again] = [(); 2].map(|()| join(&mut queue, one));
        let other = join(&mut queue, other);
        let late = join(&mut queue, guesser);
        let order = [(); 6].map(|()| turn(&mut queue));
        // It was the guesser's turn again when the others came.
        assert_eq!(order, [guesses[2], one, other, guesses[3], again, late]);
        assert!(queue.first().is_none());
    }

    proptest! {
        /// Those who came from another address each kept it from its turn without end.
        #[test]
        fn the_second_login_of_an_office_was_overtaken_by_whoever_came(
            // Who comes, out of an office, a botnet that never comes from the same address twice,
            // and two others; `None` has a turn.
            steps in prop::collection::vec(prop::option::of(0_u8..6), 0..200),
        ) {
            let mut queue = Queue::new();
            // When each came, and how many of its client waited before it.
            let mut came = HashMap::new();
            let (mut turns, mut most) = (0_u32, 0);
            let ends = std::iter::repeat_n(None, steps.len());
            for (step, who) in (0_u32..).zip(steps.into_iter().chain(ends)) {
                if let Some(who) = who {
                    let address = if who < 3 { who.into() } else { 1000 + step };
                    let address = Some(IpAddr::from(Ipv4Addr::from(address)));
                    let own = queue.clients.iter().find(|client| client.address == address);
                    let before = own.map_or(0, |client| client.waiting.len());
                    came.insert(queue.join(address, thread::current()), (turns, before));
                    most = most.max(queue.clients.len());
                } else if let Some(first) = queue.first() {
                    let (joined, before) = came.remove(&first.number).unwrap();
                    let others = (turns - joined) as usize;
                    prop_assert!(others < (before + 1) * most, "{others} before, {most} at most");
                    queue.leave();
                    turns += 1;
                }
            }
            prop_assert!(came.is_empty());
        }
    }

    #[test]
    fn there_are_no_more_permits_than_cpus() {
        HashPermit::share();
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let permit = HashPermit::acquire(None);
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
