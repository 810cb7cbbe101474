//! A blocking job with a result.

use std::error::Error;
use std::fmt;
use std::io;
use std::mem;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::notify::Notifier;
use crate::panics::caught;
use crate::pool::{Lane, Place};

/// A job on a [`Lane`] whose result comes back to the handler that started it.
///
/// Dropping the task does not stop a running job, whose result is then dropped on the job's thread.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::io;
/// use std::rc::Rc;
///
/// use ftpdlib_ioloop::{Context, Flow, Handler, IoLoop, Lane, Pool, Ready, SourceId, Task};
///
/// struct Sum {
///     lane: Lane,
///     task: Option<Task<u64>>,
///     total: Rc<Cell<u64>>,
/// }
///
/// impl Handler for Sum {
///     fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
///         self.task = Some(Task::spawn(&self.lane, &cx.notifier(), || (1..=100).sum())?);
///         Ok(())
///     }
///
///     fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
///         Ok(Flow::Continue)
///     }
///
///     fn notified(&mut self, _: &mut Context<'_>) -> io::Result<Flow> {
///         if let Some(Ok(total)) = self.task.as_ref().and_then(Task::take) {
///             self.total.set(total);
///         }
///         Ok(Flow::Close)
///     }
/// }
///
/// let total = Rc::default();
/// let mut io_loop = IoLoop::new()?;
/// let lane = Pool::new().lane("sum", 1);
/// io_loop.add(Box::new(Sum { lane, task: None, total: Rc::clone(&total) }))?;
/// io_loop.run()?;
/// assert_eq!(total.get(), 5050);
/// # Ok::<(), io::Error>(())
/// ```
pub struct Task<T> {
    outcome: Outcome<T>,
}

impl<T: Send + 'static> Task<T> {
    /// Runs `job` on `lane`, then notifies the handler of `notifier`.
    ///
    /// # Errors
    ///
    /// As [`Lane::submit`].
    pub fn spawn(
        lane: &Lane,
        notifier: &Notifier,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Self> {
        Self::start((lane, None), notifier, job, false)
    }

    /// Runs `job` like [`spawn`](Self::spawn), but skips it if the task was dropped before the job
    /// could start.
    ///
    /// # Errors
    ///
    /// As [`Lane::submit`].
    pub fn spawn_while_wanted(
        lane: &Lane,
        notifier: &Notifier,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Self> {
        Self::start((lane, None), notifier, job, true)
    }

    /// Runs `job` like [`spawn`](Self::spawn), but for `client`: clients with waiting jobs take
    /// turns, so that a client with hundreds of jobs delays each of the others by only one job. The
    /// jobs for no client together count as those of one more client.
    ///
    /// If the task is dropped while the job is waiting, the job is dropped immediately, so that it
    /// frees what it holds and takes no turn from the client's other jobs.
    ///
    /// # Errors
    ///
    /// As [`Lane::submit`].
    pub fn spawn_for(
        lane: &Lane,
        client: IpAddr,
        notifier: &Notifier,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Self> {
        Self::start((lane, Some(client)), notifier, job, true)
    }

    fn start(
        (lane, client): (&Lane, Option<IpAddr>),
        notifier: &Notifier,
        job: impl FnOnce() -> T + Send + 'static,
        while_wanted: bool,
    ) -> io::Result<Self> {
        let outcome = Outcome::default();
        let (done, notifier, name) = (Arc::clone(&outcome), notifier.clone(), lane.name());
        let job = move || {
            // As long as the task exists, it holds the other reference.
            if while_wanted && Arc::strong_count(&done) == 1 {
                return;
            }
            let result = caught(job).map_err(|message| {
                let panicked = Panicked { message };
                log::error!("{name} {panicked}");
                panicked
            });
            *lock(&done) = Progress::Ended(result);
            notifier.notify();
        };
        let place = lane.submit_as(client, Box::new(job))?;
        if let Some(place) = place.filter(|_| client.is_some()) {
            let mut progress = lock(&outcome);
            if let Progress::Unknown = *progress {
                *progress = Progress::MayWait(lane.clone(), place);
            }
        }
        Ok(Self { outcome })
    }
}

impl<T> Task<T> {
    /// Takes the result; `None` until the job has ended, and once the result was taken.
    ///
    /// # Errors
    ///
    /// [`Panicked`] if the job panicked.
    pub fn take(&self) -> Option<Result<T, Panicked>> {
        let mut progress = lock(&self.outcome);
        match mem::take(&mut *progress) {
            Progress::Ended(result) => Some(result),
            other => {
                *progress = other;
                None
            }
        }
    }

    /// Drops a job [for a client](Self::spawn_for) that is still waiting for its turn, with all
    /// that it holds. Returns whether it was waiting; if so, there is no result, and the handler is
    /// not notified. Any other job continues.
    pub fn withdraw(&self) -> bool {
        let mut progress = lock(&self.outcome);
        match mem::take(&mut *progress) {
            Progress::MayWait(lane, place) => {
                // The job holds a reference to this lock, and dropping it may run other
                // destructors.
                drop(progress);
                lane.withdraw(place)
            }
            other => {
                *progress = other;
                false
            }
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        let progress = mem::take(&mut *lock(&self.outcome));
        if let Progress::MayWait(lane, place) = progress {
            lane.withdraw(place);
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}

type Outcome<T> = Arc<Mutex<Progress<T>>>;

/// What a task knows of its job.
#[derive(Default)]
enum Progress<T> {
    /// Nothing that the task needs, or the result was taken.
    #[default]
    Unknown,
    /// The job had to wait at this place, and is withdrawn if the task is dropped.
    MayWait(Lane, Place),
    Ended(Result<T, Panicked>),
}

/// Locks `outcome`, regardless of poisoning: nothing panics while holding this lock.
fn lock<T>(outcome: &Mutex<Progress<T>>) -> MutexGuard<'_, Progress<T>> {
    outcome.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The job of a [`Task`] panicked instead of returning a result.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Panicked {
    message: String,
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job panicked: {}", self.message)
    }
}

impl Error for Panicked {}
