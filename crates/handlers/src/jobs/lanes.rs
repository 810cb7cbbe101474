//! Lanes for jobs that may block or take long.

use std::io;
use std::sync::Arc;

use ftpdlib_ioloop::{Lane, Notifier, Pool, Task};

use super::time_slice::{Cancel, Scheduler, TimeSlice};

/// Most jobs that run at once on a home directory that may block.
const JOBS_PER_HOME: usize = 32;

/// Most digests and copies that run at once on a home directory that may block. Mostly they wait
/// for its disk.
const WORK_PER_HOME: usize = 16;

/// Most pieces of work of a lane that have a thread, of which most wait for a time slice: more than
/// the default limit of sessions. Work without a thread waits until other work has ended.
const WORK: usize = 1024;

/// The lanes of a home directory that may block.
pub(crate) struct HomeLanes {
    pub(crate) jobs: Lane,
    pub(crate) work: WorkLane,
}

impl HomeLanes {
    pub(crate) fn new(pool: &Pool) -> Self {
        Self {
            jobs: pool.lane("filesystem", JOBS_PER_HOME),
            work: WorkLane::new(pool, WORK_PER_HOME),
        }
    }

    /// Whether no job runs in them or waits.
    pub(crate) fn are_idle(&self) -> bool {
        self.jobs.is_idle() && self.work.lane.is_idle()
    }
}

/// A lane for digests and copies. A few of them run at a time, in time slices, so that a digest of
/// two bytes does not wait for those of gigabytes.
#[derive(Clone)]
pub(crate) struct WorkLane {
    lane: Lane,
    scheduler: Arc<Scheduler>,
}

impl WorkLane {
    fn new(pool: &Pool, most: usize) -> Self {
        Self {
            lane: pool.lane("digest or copy", WORK),
            scheduler: Arc::new(Scheduler::new(most)),
        }
    }

    /// Creates a lane for local disks, whose work keeps a processor busy, on this many processors.
    pub(crate) fn local(pool: &Pool, cpus: usize) -> Self {
        Self::new(pool, cpus)
    }

    /// Starts `work`, which must ask its [`TimeSlice`] before each piece whether to continue.
    ///
    /// # Errors
    ///
    /// There is no thread.
    pub(crate) fn start<T: Send + 'static>(
        &self,
        notifier: &Notifier,
        work: impl FnOnce(&mut TimeSlice) -> T + Send + 'static,
    ) -> io::Result<(Task<T>, Cancel)> {
        let cancel = Cancel::new(Arc::clone(&self.scheduler));
        let own = cancel.clone();
        let task = Task::spawn(&self.lane, notifier, move || {
            work(&mut TimeSlice::begin(own))
        })?;
        Ok((task, cancel))
    }
}
