//! Threads for blocking jobs.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::mem;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::panics::contain;

/// Threads that run blocking jobs, made on demand and shared by the lanes of the pool.
///
/// The number of threads is limited only by the sum of the lanes' limits, so jobs that hang in one
/// lane never keep the jobs of another lane waiting. An idle thread ends after ten seconds, or at
/// once when the last `Pool` and [`Lane`] are dropped.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
///
/// use ftpdlib_ioloop::Pool;
///
/// let lane = Pool::new().lane("sum", 2);
/// let (sender, receiver) = mpsc::channel();
/// lane.submit(move || sender.send(6 * 7).unwrap())?;
/// assert_eq!(receiver.recv(), Ok(42));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Pool {
    pool: Arc<PoolGuard>,
}

impl Pool {
    /// Makes a pool, without any threads yet.
    pub fn new() -> Self {
        Self::with_thread_start(|| ())
    }

    /// Makes a pool whose threads first call `start`, which can set per-thread state. It must not
    /// panic.
    pub fn with_thread_start(start: impl Fn() + Send + Sync + 'static) -> Self {
        Self::assemble(Box::new(start), Duration::from_secs(10))
    }

    fn assemble(thread_start: Box<dyn Fn() + Send + Sync>, idle_timeout: Duration) -> Self {
        let workers = Arc::new(Workers {
            state: Mutex::default(),
            job_added: Condvar::new(),
            thread_ended: Condvar::new(),
            idle_timeout,
            thread_start,
        });
        Self {
            pool: Arc::new(PoolGuard { workers }),
        }
    }

    /// Makes a lane that runs at most `cap` jobs at a time, but at least one. `name` is the kind of
    /// job as the log calls it: `login` for `login job panicked`.
    pub fn lane(&self, name: &'static str, cap: usize) -> Lane {
        self.make_lane(name, cap, false)
    }

    /// Makes a lane like [`lane`](Self::lane), but for jobs that have a thread only so that others
    /// do not wait for them. It refuses none: a job that `lane` would refuse is run at once, by the
    /// thread that submits it, which the log warns of.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    ///
    /// use ftpdlib_ioloop::Pool;
    ///
    /// let pool = Pool::new();
    /// let lane = pool.optional_lane("sum", 2);
    /// pool.shutdown(Duration::ZERO);
    /// let (sender, receiver) = mpsc::channel();
    /// lane.submit(move || sender.send(6 * 7).unwrap())?;
    /// assert_eq!(receiver.try_recv(), Ok(42));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn optional_lane(&self, name: &'static str, cap: usize) -> Lane {
        self.make_lane(name, cap, true)
    }

    fn make_lane(&self, name: &'static str, cap: usize, is_optional: bool) -> Lane {
        Lane {
            shared: Arc::new(LaneShared {
                name,
                pool: Arc::clone(&self.pool),
                cap: cap.max(1),
                is_optional,
                queue: Mutex::default(),
            }),
        }
    }

    /// Lets the threads end, and waits for that for at most `wait`.
    ///
    /// Jobs submitted before are still run; later ones are refused. Returns whether all threads
    /// have ended; a thread that has not is busy with a job that hangs or takes longer.
    pub fn shutdown(&self, wait: Duration) -> bool {
        self.pool.workers.shut_down();
        self.pool.workers.join(wait)
    }

    /// Whether no job is running or waiting.
    pub fn is_idle(&self) -> bool {
        let state = lock(&self.pool.workers.state);
        // Jobs wait in a lane only while other jobs of that lane are running.
        state.jobs.is_empty() && state.idle == state.alive
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self::new()
    }
}

/// A queue of jobs that limits how many of them run at a time.
///
/// Clones are the same lane.
#[derive(Clone)]
pub struct Lane {
    shared: Arc<LaneShared>,
}

impl Lane {
    /// Runs `job` on a thread of the pool, once fewer jobs than the lane's limit are running. Jobs
    /// start in the order in which they were submitted, but take turns with those [for
    /// clients](crate::Task::spawn_for). A panic of a job is logged and harms no other job.
    ///
    /// # Errors
    ///
    /// The pool was shut down, 65,536 jobs are waiting already, or the system refuses to start a
    /// thread and the lane has none that could run the job later. The job is dropped. An
    /// [optional](Pool::optional_lane) lane has no errors.
    pub fn submit(&self, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.submit_as(None, Box::new(job)).map(drop)
    }

    /// Drops `value`, whose destructor may block: at once if called on a thread of a pool,
    /// otherwise in a job that is [submitted](Self::submit).
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit). The value was then dropped by the calling thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// use ftpdlib_ioloop::Pool;
    ///
    /// let (sender, receiver) = mpsc::channel::<()>();
    /// Pool::new().lane("close", 1).discard(sender)?;
    /// assert!(receiver.recv().is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn discard(&self, value: impl Send + 'static) -> io::Result<()> {
        if IS_OF_POOL.get() {
            drop(value);
            return Ok(());
        }
        self.submit(move || drop(value))
    }

    /// Whether no job of the lane is running or waiting.
    pub fn is_idle(&self) -> bool {
        // Jobs wait only while others are running.
        lock(&self.shared.queue).running == 0
    }

    pub(crate) fn name(&self) -> &'static str {
        self.shared.name
    }

    /// Submits a job; returns its place in the queue if it has to wait there.
    pub(crate) fn submit_as(&self, client: Option<IpAddr>, job: Job) -> io::Result<Option<Place>> {
        // A refused job is run or dropped here, without holding a lock, since it may do anything,
        // and so may its destructors.
        match self.shared.submit(client, job) {
            Err((error, job)) if self.shared.is_optional => {
                let name = self.name();
                log::warn!("no thread for a {name} job, so others wait for it: {error}");
                contain(format_args!("{name} job"), job);
                Ok(None)
            }
            submitted => submitted.map_err(|(error, _job)| error),
        }
    }

    /// Drops the job at `place`, with all that it holds, if it is still waiting. Returns whether it
    /// was.
    pub(crate) fn withdraw(&self, place: Place) -> bool {
        let job = lock(&self.shared.queue).waiting.remove(place);
        // The job is dropped without holding the lock, as above.
        job.is_some()
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("name", &self.name())
            .field("cap", &self.shared.cap)
            .finish_non_exhaustive()
    }
}

thread_local! {
    /// Whether the current thread belongs to a pool.
    static IS_OF_POOL: Cell<bool> = const { Cell::new(false) };
}

/// The most jobs that may wait in one lane, whose running jobs may hang for good.
const MOST_WAITING: usize = 1 << 16;

/// What all clones of a lane share.
struct LaneShared {
    name: &'static str,
    pool: Arc<PoolGuard>,
    cap: usize,
    /// Whether a job that is refused is run by the thread that submits it.
    is_optional: bool,
    queue: Mutex<LaneQueue>,
}

impl LaneShared {
    fn submit(
        self: &Arc<Self>,
        client: Option<IpAddr>,
        job: Job,
    ) -> Result<Option<Place>, (io::Error, Job)> {
        let workers = &self.pool.workers;
        if workers.is_shut_down() {
            return Err((io::Error::other("the pool was shut down"), job));
        }
        let mut queue = lock(&self.queue);
        if queue.running == self.cap {
            return queue.wait(client, job).map(Some);
        }
        match workers.assign(LaneJob {
            shared: Arc::clone(self),
            job,
        }) {
            Ok(()) => queue.running += 1,
            Err((_, job)) if queue.running > 0 => return queue.wait(client, job).map(Some),
            Err(refused) => return Err(refused),
        }
        Ok(None)
    }

    /// The next job to run, after one has ended.
    fn next_job(&self) -> Option<Job> {
        let mut queue = lock(&self.queue);
        let next = queue.waiting.pop();
        if next.is_none() {
            queue.running -= 1;
        }
        next
    }
}

#[derive(Default)]
struct LaneQueue {
    running: usize,
    waiting: Turns,
}

impl LaneQueue {
    /// Queues a job until a running one has ended, unless too many are waiting.
    fn wait(&mut self, client: Option<IpAddr>, job: Job) -> Result<Place, (io::Error, Job)> {
        if self.waiting.len() >= MOST_WAITING {
            return Err((io::Error::other("too many jobs wait"), job));
        }
        Ok(self.waiting.push(client, job))
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Identifies a waiting job: its client, and its number among all jobs that have waited in the
/// lane.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    client: Option<IpAddr>,
    number: u64,
}

/// The waiting jobs. Clients take turns; the jobs of one client keep their order.
#[derive(Default)]
struct Turns {
    /// Each client's jobs, with their ascending numbers.
    jobs: HashMap<Option<IpAddr>, VecDeque<(u64, Job)>>,
    /// Each client that has jobs, once; the first has the next turn.
    clients: VecDeque<Option<IpAddr>>,
    length: usize,
    next: u64,
}

impl Turns {
    fn push(&mut self, client: Option<IpAddr>, job: Job) -> Place {
        let jobs = self.jobs.entry(client).or_default();
        if jobs.is_empty() {
            self.clients.push_back(client);
        }
        let number = self.next;
        jobs.push_back((number, job));
        self.next += 1;
        self.length += 1;
        Place { client, number }
    }

    fn pop(&mut self) -> Option<Job> {
        let client = self.clients.pop_front()?;
        let jobs = self.jobs.get_mut(&client)?;
        let (_, job) = jobs.pop_front()?;
        if jobs.is_empty() {
            self.jobs.remove(&client);
        } else {
            self.clients.push_back(client);
        }
        self.length -= 1;
        Some(job)
    }

    fn remove(&mut self, Place { client, number }: Place) -> Option<Job> {
        let jobs = self.jobs.get_mut(&client)?;
        let index = jobs.binary_search_by_key(&number, |(number, _)| *number);
        let (_, job) = jobs.remove(index.ok()?)?;
        if jobs.is_empty() {
            self.jobs.remove(&client);
            self.clients.retain(|other| *other != client);
        }
        self.length -= 1;
        Some(job)
    }

    fn len(&self) -> usize {
        self.length
    }
}

/// Lets the threads end when the last pool and lane are dropped. The threads themselves hold only
/// the `Workers`.
struct PoolGuard {
    workers: Arc<Workers>,
}

impl Drop for PoolGuard {
    fn drop(&mut self) {
        self.workers.shut_down();
    }
}

/// The threads of a pool. If `state` and a lane's `queue` are both locked, `queue` is locked first.
struct Workers {
    state: Mutex<WorkersState>,
    job_added: Condvar,
    thread_ended: Condvar,
    idle_timeout: Duration,
    thread_start: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct WorkersState {
    /// Assigned jobs that none of the `idle` threads has taken yet; never more than there are idle
    /// threads.
    jobs: VecDeque<LaneJob>,
    idle: usize,
    threads: Vec<JoinHandle<()>>,
    /// How many of the `threads` have not ended.
    alive: usize,
    shut_down: bool,
}

struct LaneJob {
    shared: Arc<LaneShared>,
    job: Job,
}

impl Workers {
    /// Assigns a job to an idle thread, or to a new one; returns the job if there is neither.
    fn assign(self: &Arc<Self>, work: LaneJob) -> Result<(), (io::Error, Job)> {
        let mut state = lock(&self.state);
        if state.jobs.len() == state.idle {
            let workers = Arc::clone(self);
            match thread::Builder::new()
                .name("blocking".into())
                .spawn(move || workers.run_thread())
            {
                Ok(thread) => state.threads.push(thread),
                Err(error) => return Err((error, work.job)),
            }
            state.alive += 1;
            state.idle += 1;
        }
        state.jobs.push_back(work);
        self.job_added.notify_one();
        Ok(())
    }

    /// The main function of a thread, which was counted as idle when it was started.
    fn run_thread(&self) {
        IS_OF_POOL.set(true);
        (self.thread_start)();
        let mut state = lock(&self.state);
        loop {
            if let Some(work) = state.jobs.pop_front() {
                state.idle -= 1;
                drop(state);
                work.run();
                state = lock(&self.state);
                state.idle += 1;
            } else if state.shut_down {
                break;
            } else {
                let (woken, wait) = self
                    .job_added
                    .wait_timeout(state, self.idle_timeout)
                    .unwrap_or_else(PoisonError::into_inner);
                state = woken;
                if wait.timed_out() && state.jobs.is_empty() {
                    break;
                }
            }
        }
        state.idle -= 1;
        state.alive -= 1;
        if !state.shut_down {
            // This thread will not be joined.
            let own = thread::current().id();
            state.threads.retain(|thread| thread.thread().id() != own);
        }
        self.thread_ended.notify_all();
    }

    fn shut_down(&self) {
        lock(&self.state).shut_down = true;
        self.job_added.notify_all();
    }

    fn is_shut_down(&self) -> bool {
        lock(&self.state).shut_down
    }

    fn join(&self, wait: Duration) -> bool {
        let (mut state, _) = self
            .thread_ended
            .wait_timeout_while(lock(&self.state), wait, |state| state.alive > 0)
            .unwrap_or_else(PoisonError::into_inner);
        if state.alive > 0 {
            return false;
        }
        let threads = mem::take(&mut state.threads);
        drop(state);
        // Each thread has released its last lock, so joining it does not take long.
        threads.into_iter().all(|thread| thread.join().is_ok())
    }
}

impl LaneJob {
    /// Runs the job, then the jobs that wait in its lane.
    fn run(self) {
        let Self { shared, job } = self;
        let mut next = Some(job);
        while let Some(job) = next {
            // A job owns everything it uses, so what its panic leaves broken is dropped with it.
            contain(format_args!("{} job", shared.name), job);
            next = shared.next_job();
        }
    }
}

/// Locks `mutex` even after a panic, since no panic leaves the state under these locks half
/// changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
