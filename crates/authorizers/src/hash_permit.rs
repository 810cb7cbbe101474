//! Permits to compute a password hash, which takes a whole CPU and much memory.

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};

use ftpdlib_sys::{ProcessLock, ProcessPlace, ProcessPlaces};

/// The permits taken in this process, and the threads that wait for one.
static PERMITS: Mutex<Permits> = Mutex::new(Permits {
    taken: 0,
    queue: Queue::new(),
});

struct Permits {
    taken: usize,
    queue: Queue,
}

/// The permits shared by this process and the processes that it forks, once
/// [`share`](HashPermit::share) was called.
static SHARED: OnceLock<Option<SharedPermits>> = OnceLock::new();

/// A permit to compute a hash, released when dropped. There are as many permits as usable CPUs:
/// more hashes at once would only slow each other down and take more memory.
pub(crate) struct HashPermit {
    /// `None` if processes do not share the permits, and after the release.
    place: Option<ProcessPlace<'static>>,
}

impl HashPermit {
    /// Makes this process share its permits with the processes that it forks from now on.
    pub(crate) fn share() {
        SHARED.get_or_init(|| {
            let made = SharedPermits::new().inspect_err(|error| {
                log::debug!("each process checks as many passwords at once as others: {error}");
            });
            made.ok()
        });
    }

    /// Waits for a permit to check a password from `client`, if the client is known. Clients take
    /// turns: one that guesses on hundreds of connections delays each of the others by only one
    /// hash.
    pub(crate) fn acquire(client: Option<IpAddr>) -> Self {
        #[cfg(test)]
        tests::ACQUIRED.set(tests::ACQUIRED.get() + 1);
        let most = ftpdlib_sys::usable_cpus();
        let mut permits = lock();
        let own = permits.queue.join(client, thread::current());
        while permits.taken >= most || !permits.queue.is_first(own) {
            drop(permits);
            // A thread that wakes this one has changed the permits or the queue before, so no
            // wake-up is missed.
            thread::park();
            permits = lock();
        }
        permits.taken += 1;
        drop(permits);
        let shared = SHARED.get().and_then(Option::as_ref);
        let place = shared.map(|shared| shared.take(client));
        // Only now, so that at most one thread of each process waits for other processes.
        let mut permits = lock();
        permits.queue.leave();
        // Another permit may be free.
        permits.queue.wake_first();
        drop(permits);
        Self { place }
    }
}

impl Drop for HashPermit {
    fn drop(&mut self) {
        // Released first, so that the next thread finds it free.
        self.place = None;
        let mut permits = lock();
        permits.taken -= 1;
        permits.queue.wake_first();
    }
}

fn lock() -> MutexGuard<'static, Permits> {
    PERMITS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The permits shared by several processes.
struct SharedPermits {
    places: ProcessPlaces,
    /// A lock for each client, held by the process that waits for a permit for that client. Other
    /// processes waiting for the same client queue for this lock, behind those that wait for other
    /// clients.
    clients: ProcessLock,
    /// Maps clients to lock numbers. Two clients may share a lock, but an outsider cannot find an
    /// address that shares the lock of a given client.
    keys: RandomState,
}

impl SharedPermits {
    fn new() -> io::Result<Self> {
        Ok(Self {
            places: ProcessPlaces::new(ftpdlib_sys::usable_cpus())?,
            clients: ProcessLock::new()?,
            keys: RandomState::new(),
        })
    }

    fn take(&self, client: Option<IpAddr>) -> ProcessPlace<'_> {
        // If the system has no more locks, this client may get more turns than others.
        let _turn = self
            .clients
            .lock_one(self.keys.hash_one(client) as u32 >> 3);
        self.places.queue_up().take()
    }
}

/// The waiting threads. Clients take turns; the threads of one client keep their order.
struct Queue {
    /// Each client with a waiting thread, once; the first has the next turn. A new client goes
    /// behind all of them, so that no number of new clients delays the next turn of another.
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

    /// Adds `thread` to the queue, and returns its number.
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

    /// Removes the thread whose turn it is.
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

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;
    use std::collections::HashMap;
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::*;

    thread_local! {
        /// The number of permits that this thread has acquired.
        pub(crate) static ACQUIRED: Cell<usize> = const { Cell::new(0) };
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
        // It was the guesser's turn again when the others arrived.
        assert_eq!(order, [guesses[2], one, other, guesses[3], again, late]);
        assert!(queue.first().is_none());
    }

    proptest! {
        /// A stream of clients, each from a new address, kept such a login from its turn without
        /// end.
        #[test]
        fn the_second_login_of_an_office_was_overtaken_by_whoever_came(
            // Who arrives: an office, two other clients, or a botnet that never uses an address
            // twice. `None` gives a turn.
            steps in prop::collection::vec(prop::option::of(0_u8..6), 0..200),
        ) {
            let mut queue = Queue::new();
            // When each thread arrived, and how many threads of its client were waiting before it.
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
