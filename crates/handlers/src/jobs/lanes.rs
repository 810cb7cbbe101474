//! Where jobs run that may block, or take long.

use std::io;
use std::sync::Arc;

use ftpdlib_ioloop::{Lane, Notifier, Pool, Task};

use super::time_slice::{Cancel, Scheduler, TimeSlice};

/// Most jobs that run at once on one home directory that may block.
const JOBS_PER_HOME: usize = 32;

/// Most digests and copies that go on at once on one of these: most of their time they wait.
const WORK_PER_HOME: usize = 16;

/// Most pieces of long work of one lane that have a thread, most of which wait for a time slice:
/// more than there may be sessions by default. What has none gets no time slice before another's
/// end.
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

/// Where digests and copies run: some of them at a time, in time slices, so that one of two bytes
/// does not wait for the end of those of gigabytes.
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

    /// One for local disks, whose work takes all of a processor, where so many may be used.
    pub(crate) fn local(pool: &Pool, cpus: usize) -> Self {
        Self::new(pool, cpus)
    }

    /// Starts `work`, which is to ask its [`TimeSlice`] before each of its pieces whether to go on.
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
