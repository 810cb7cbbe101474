//! Threads for what blocks.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::dispatch::panic_message;

/// Threads that run blocking jobs, made on demand and shared by the lanes of the pool.
///
/// There is no limit to the threads of a pool but the sum of its lanes' limits, so jobs that hang
/// in one lane never keep those of another waiting. A thread with nothing to do ends after ten
/// seconds; when the last `Pool` and [`Lane`] are dropped, at once.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
///
/// use ftpdlib_ioloop::Pool;
///
/// let lane = Pool::new().lane(2);
/// let (sender, receiver) = mpsc::channel();
/// lane.submit(move || sender.send(6 * 7).unwrap())?;
/// assert_eq!(receiver.recv(), Ok(42));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Pool {
    owner: Arc<Owner>,
}

impl Pool {
    /// Makes a pool; no thread yet.
    pub fn new() -> Self {
        Self::with_patience(Duration::from_secs(10))
    }

    fn with_patience(patience: Duration) -> Self {
        let crew = Arc::new(Crew {
            roster: Mutex::default(),
            work: Condvar::new(),
            ended: Condvar::new(),
            patience,
        });
        Self {
            owner: Arc::new(Owner { crew }),
        }
    }

    /// Makes a lane that runs at most `cap` jobs at a time, but at least one.
    pub fn lane(&self, cap: usize) -> Lane {
        Lane {
            track: Arc::new(Track {
                owner: Arc::clone(&self.owner),
                cap: cap.max(1),
                line: Mutex::default(),
            }),
        }
    }

    /// Lets the threads end, and waits for that, but not longer than `wait`.
    ///
    /// Jobs that were submitted before are still run, later ones refused. Answers whether no thread
    /// is left; if one is, its job hangs or just takes longer.
    pub fn shutdown(&self, wait: Duration) -> bool {
        self.owner.crew.dismiss();
        self.owner.crew.join(wait)
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self::new()
    }
}

/// A queue of jobs, with a limit to how many run at a time.
///
/// Copies are the same lane.
#[derive(Clone)]
pub struct Lane {
    track: Arc<Track>,
}

impl Lane {
    /// Runs `job` on a thread of the pool, once fewer than the lane's limit are running. Jobs start
    /// in the order in which they were submitted. One that panics is logged and harms no other.
    ///
    /// # Errors
    ///
    /// The pool was shut down, 65,536 jobs wait already, or the system gives no thread and none is
    /// there that could run the job later. The job is dropped.
    pub fn submit(&self, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        // A refused job is dropped here, under no lock: what it owns may do anything then.
        self.track
            .admit(Box::new(job))
            .map_err(|(error, _job)| error)
    }
}

/// Jobs that wait in one lane, of which those before may hang for good, while others still come.
const MOST_WAITING: usize = 1 << 16;

/// What all copies of a lane share.
struct Track {
    owner: Arc<Owner>,
    cap: usize,
    line: Mutex<Line>,
}

impl Track {
    fn admit(self: &Arc<Self>, job: Job) -> Result<(), (io::Error, Job)> {
        let crew = &self.owner.crew;
        if crew.is_dismissed() {
            return Err((io::Error::other("the pool was shut down"), job));
        }
        let mut line = lock(&self.line);
        if line.running == self.cap {
            if line.waiting.len() >= MOST_WAITING {
                return Err((io::Error::other("too many jobs wait"), job));
            }
            line.waiting.push_back(job);
            return Ok(());
        }
        match crew.engage(Work {
            track: Arc::clone(self),
            job,
        }) {
            Ok(()) => line.running += 1,
            Err((_, job)) if line.running > 0 => line.waiting.push_back(job),
            Err(refused) => return Err(refused),
        }
        Ok(())
    }

    /// The next job, in place of one that has ended.
    fn next_job(&self) -> Option<Job> {
        let mut line = lock(&self.line);
        let next = line.waiting.pop_front();
        if next.is_none() {
            line.running -= 1;
        }
        next
    }
}

#[derive(Default)]
struct Line {
    running: usize,
    waiting: VecDeque<Job>,
}

type Job = Box<dyn FnOnce() + Send>;

/// Dismisses the threads with the last pool and lane. Threads themselves keep the crew only.
struct Owner {
    crew: Arc<Crew>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.crew.dismiss();
    }
}

/// The threads. Locked after a lane's `line`, never before.
struct Crew {
    roster: Mutex<Roster>,
    work: Condvar,
    ended: Condvar,
    patience: Duration,
}

#[derive(Default)]
struct Roster {
    /// Handed over, but not yet taken by one of the `idle`: never more than there are of these.
    work: VecDeque<Work>,
    idle: usize,
    threads: Vec<JoinHandle<()>>,
    /// Those of `threads` that have not come to their end.
    alive: usize,
    dismissed: bool,
}

struct Work {
    track: Arc<Track>,
    job: Job,
}

impl Crew {
    /// Hands work to an idle thread, or to a new one; gives the job back if there is neither.
    fn engage(self: &Arc<Self>, work: Work) -> Result<(), (io::Error, Job)> {
        let mut roster = lock(&self.roster);
        if roster.work.len() == roster.idle {
            let crew = Arc::clone(self);
            match thread::Builder::new()
                .name("blocking".into())
                .spawn(move || crew.serve())
            {
                Ok(thread) => roster.threads.push(thread),
                Err(error) => return Err((error, work.job)),
            }
            roster.alive += 1;
            roster.idle += 1;
        }
        roster.work.push_back(work);
        self.work.notify_one();
        Ok(())
    }

    /// The life of a thread, which was counted as idle when it was made.
    fn serve(&self) {
        let mut roster = lock(&self.roster);
        loop {
            if let Some(work) = roster.work.pop_front() {
                roster.idle -= 1;
                drop(roster);
                work.run();
                roster = lock(&self.roster);
                roster.idle += 1;
            } else if roster.dismissed {
                break;
            } else {
                let (woken, wait) = self
                    .work
                    .wait_timeout(roster, self.patience)
                    .unwrap_or_else(PoisonError::into_inner);
                roster = woken;
                if wait.timed_out() && roster.work.is_empty() {
                    break;
                }
            }
        }
        roster.idle -= 1;
        roster.alive -= 1;
        if !roster.dismissed {
            // Nobody will join this thread.
            let own = thread::current().id();
            roster.threads.retain(|thread| thread.thread().id() != own);
        }
        self.ended.notify_all();
    }

    fn dismiss(&self) {
        lock(&self.roster).dismissed = true;
        self.work.notify_all();
    }

    fn is_dismissed(&self) -> bool {
        lock(&self.roster).dismissed
    }

    fn join(&self, wait: Duration) -> bool {
        let (mut roster, _) = self
            .ended
            .wait_timeout_while(lock(&self.roster), wait, |roster| roster.alive > 0)
            .unwrap_or_else(PoisonError::into_inner);
        if roster.alive > 0 {
            return false;
        }
        let threads = mem::take(&mut roster.threads);
        drop(roster);
        // Each is past its last lock, so none of them keeps us waiting.
        threads.into_iter().all(|thread| thread.join().is_ok())
    }
}

impl Work {
    /// Runs the job, then those that wait in its lane.
    fn run(self) {
        let Self { track, job } = self;
        let mut next = Some(job);
        while let Some(job) = next {
            // A job owns all it uses; what its panic broke is gone with it.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(job)) {
                log::error!("a blocking job panicked: {}", panic_message(&*panic));
            }
            next = track.next_job();
        }
    }
}

/// No panic leaves what these locks guard half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// A job that says that it runs, and goes on until it is let go.
    fn hang(lane: &Lane, running: &Sender<usize>, name: usize) -> Sender<()> {
        let (release, released) = channel::<()>();
        let running = running.clone();
        lane.submit(move || {
            running.send(name).unwrap();
            // An error is a release, too: the test is over.
            let _ = released.recv();
        })
        .unwrap();
        release
    }

    fn run_one(lane: &Lane) -> Receiver<()> {
        let (done, outcome) = channel();
        lane.submit(move || done.send(()).unwrap()).unwrap();
        outcome
    }

    #[test]
    fn a_lane_runs_as_many_jobs_as_it_may_in_order() {
        let pool = Pool::new();
        let lane = pool.lane(2);
        let (running, started) = channel();
        let mut held: Vec<_> = (0..6).map(|name| hang(&lane, &running, name)).collect();
        let mut first = [started.recv().unwrap(), started.recv().unwrap()];
        first.sort_unstable();
        assert_eq!(first, [0, 1]);
        for name in 2..6 {
            assert_eq!(lock(&lane.track.line).running, 2);
            assert_eq!(lock(&lane.track.line).waiting.len(), 6 - name);
            drop(held.remove(0));
            assert_eq!(started.recv(), Ok(name));
        }
        assert_eq!(lock(&pool.owner.crew.roster).alive, 2);
        drop(held);
        assert!(pool.shutdown(LONG));
    }

    #[test]
    fn a_hung_lane_delays_no_other() {
        let pool = Pool::new();
        let (running, started) = channel();
        let hung = pool.lane(64);
        let held: Vec<_> = (0..64).map(|name| hang(&hung, &running, name)).collect();
        let waiting = run_one(&hung);
        assert_eq!(started.iter().take(64).count(), 64);
        assert_eq!(run_one(&pool.lane(1)).recv(), Ok(()));
        assert!(waiting.try_recv().is_err());
        drop(held);
        assert_eq!(waiting.recv(), Ok(()));
        assert!(pool.shutdown(LONG));
    }

    #[test]
    fn a_job_that_panics_harms_no_other() {
        let pool = Pool::new();
        let lane = pool.lane(1);
        lane.submit(|| panic!("as expected")).unwrap();
        assert_eq!(run_one(&lane).recv(), Ok(()));
        assert!(pool.shutdown(LONG));
    }

    #[test]
    fn an_idle_thread_is_used_by_any_lane() {
        let pool = Pool::with_patience(LONG);
        for _ in 0..10 {
            assert_eq!(run_one(&pool.lane(1)).recv(), Ok(()));
            while lock(&pool.owner.crew.roster).idle == 0 {
                thread::yield_now();
            }
        }
        assert_eq!(lock(&pool.owner.crew.roster).alive, 1);
        assert!(pool.shutdown(LONG));
    }

    #[test]
    fn an_idle_thread_ends_in_time() {
        let pool = Pool::with_patience(Duration::ZERO);
        assert_eq!(run_one(&pool.lane(1)).recv(), Ok(()));
        assert!(pool.owner.crew.join(LONG), "without being dismissed");
        assert_eq!(run_one(&pool.lane(1)).recv(), Ok(()));
    }

    #[test]
    fn threads_end_with_the_last_lane() {
        let pool = Pool::with_patience(LONG);
        let (running, started) = channel();
        let lane = pool.lane(1);
        let held = hang(&lane, &running, 0);
        let queued = run_one(&lane);
        let crew = Arc::clone(&pool.owner.crew);
        drop((pool, lane));
        assert_eq!(started.recv(), Ok(0));
        drop(held);
        assert_eq!(
            queued.recv(),
            Ok(()),
            "jobs that were submitted are run nevertheless"
        );
        assert!(crew.join(LONG));
        assert!(lock(&crew.roster).threads.is_empty());
    }

    #[test]
    fn shutting_down_waits_no_longer_than_told() {
        let pool = Pool::new();
        let lane = pool.lane(1);
        let (running, started) = channel();
        let held = hang(&lane, &running, 0);
        assert_eq!(started.recv(), Ok(0));
        let queued = run_one(&lane);
        assert!(!pool.shutdown(Duration::ZERO));
        assert!(lane.submit(|| ()).is_err());
        assert!(pool.lane(1).submit(|| ()).is_err());
        drop(held);
        assert!(pool.shutdown(LONG));
        assert_eq!(queued.recv(), Ok(()));
        assert!(lock(&pool.owner.crew.roster).threads.is_empty());
    }
}
