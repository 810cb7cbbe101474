//! What is known of home directories: the lanes of those that may block, and which are local.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ftpdlib_ioloop::Pool;

use crate::jobs::HomeLanes;

/// Most local homes that are remembered. One that is forgotten costs its next login a thread.
const MOST_LOCAL: usize = 1 << 14;

/// How many homes have lanes before it is looked which still need them.
const FIRST_LOOK: usize = 64;

/// The home directories that users of a server have logged in to.
pub(crate) struct Homes {
    pool: Pool,
    lanes: Mutex<Lanes>,
    /// Homes on local disks, without links in their paths, if the filesystem is the built-in one.
    local: Mutex<HashSet<PathBuf>>,
}

struct Lanes {
    of_homes: HashMap<PathBuf, Arc<HomeLanes>>,
    /// When there are this many, unused ones are dropped.
    look_at: usize,
}

impl Homes {
    pub(super) fn new(pool: Pool) -> Self {
        Self {
            pool,
            lanes: Mutex::new(Lanes {
                of_homes: HashMap::new(),
                look_at: FIRST_LOOK,
            }),
            local: Mutex::default(),
        }
    }

    /// The lanes of a home directory that may block. If it hangs, only its own jobs are delayed.
    pub(crate) fn lanes(&self, home: &Path) -> Arc<HomeLanes> {
        let mut lanes = lock(&self.lanes);
        if let Some(known) = lanes.of_homes.get(home) {
            return Arc::clone(known);
        }
        if lanes.of_homes.len() >= lanes.look_at {
            // Jobs that hang in a lane count towards its limit even after all users have left.
            let is_used =
                |lanes: &Arc<HomeLanes>| Arc::strong_count(lanes) > 1 || !lanes.are_idle();
            lanes.of_homes.retain(|_, lanes| is_used(lanes));
            lanes.look_at = FIRST_LOOK.max(2 * lanes.of_homes.len());
        }
        let new = Arc::new(HomeLanes::new(&self.pool));
        lanes.of_homes.insert(home.to_owned(), Arc::clone(&new));
        new
    }

    /// Whether a home directory on the disk was local last time, and behind no link.
    pub(crate) fn is_local(&self, home: &Path) -> bool {
        lock(&self.local).contains(home)
    }

    /// Notes what a home directory on the disk turned out to be: local and behind no link, or not.
    pub(crate) fn note(&self, home: &Path, is_local: bool) {
        let mut local = lock(&self.local);
        match (local.contains(home), is_local) {
            (false, true) => {
                if local.len() >= MOST_LOCAL {
                    local.clear();
                }
                local.insert(home.to_owned());
            }
            (true, false) => drop(local.remove(home)),
            (true, true) | (false, false) => {}
        }
    }
}

/// Locks; nothing panics under the lock.
fn lock<T>(known: &Mutex<T>) -> MutexGuard<'_, T> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn home(number: usize) -> PathBuf {
        PathBuf::from(format!("/home/{number}"))
    }

    #[test]
    fn every_home_that_was_ever_logged_in_to_was_kept() {
        let homes = Homes::new(Pool::new());
        let used = homes.lanes(&home(0));
        // One that hangs, of a user who has left.
        let (release, held) = mpsc::channel::<()>();
        let wait = move || {
            // An error is a release, too.
            let _ = held.recv();
        };
        homes.lanes(&home(1)).jobs.submit(wait).unwrap();
        for number in 2..10 * FIRST_LOOK {
            homes.lanes(&home(number));
        }
        let lanes = lock(&homes.lanes);
        assert!(lanes.of_homes.len() <= FIRST_LOOK);
        assert!(lanes.of_homes.contains_key(&home(1)));
        assert!(Arc::ptr_eq(&lanes.of_homes[&home(0)], &used));
        drop(release);
    }

    #[test]
    fn every_local_home_was_remembered_for_good() {
        let homes = Homes::new(Pool::new());
        for number in 0..=MOST_LOCAL {
            homes.note(&home(number), true);
        }
        assert!(homes.is_local(&home(MOST_LOCAL)));
        assert!(lock(&homes.local).len() <= MOST_LOCAL);
    }
}
