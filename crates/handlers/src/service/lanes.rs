//! The threads that the connections of a server share.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ftpdlib_ioloop::{Lane, Pool};

use crate::jobs::{Helpers, HomeLanes, WorkLane};

/// Most logins whose credentials are checked at once. An authorizer may wait for another server
/// most of that time; one that computes has a limit of its own.
const LOGINS: usize = 64;

/// Most custom commands that run at once.
const CUSTOM_COMMANDS: usize = 64;

/// Most jobs that run at once among those too large for a loop. Mostly they wait for a disk.
const LARGE_JOBS: usize = 32;

/// How many homes have lanes before it is looked which still need them.
const FIRST_LOOK: usize = 64;

/// The lanes of a server. They stay when its settings change, so that what hangs in them counts
/// towards their limits from then on, too.
pub(crate) struct Lanes {
    /// Checks of credentials.
    pub(crate) login: Lane,
    /// Custom commands.
    pub(crate) command: Lane,
    /// Listings that need all names first.
    pub(crate) sorting: Lane,
    /// Jobs on local disks that are too large for the loop.
    pub(crate) large: Lane,
    /// Digests and copies on local disks.
    pub(crate) work: WorkLane,
    /// For long listings on local disks.
    pub(crate) helpers: Helpers,
    homes: Mutex<Homes>,
    pool: Pool,
}

/// The homes that may block.
struct Homes {
    lanes: HashMap<PathBuf, Arc<HomeLanes>>,
    /// When there are this many, unused ones are dropped.
    look_at: usize,
}

impl Lanes {
    pub(super) fn new(pool: &Pool) -> Self {
        let cpus = ftpdlib_sys::usable_cpus();
        Self {
            login: pool.lane("login", LOGINS),
            command: pool.lane("command", CUSTOM_COMMANDS),
            sorting: pool.optional_lane("listing", cpus),
            large: pool.optional_lane("large file", LARGE_JOBS),
            work: WorkLane::local(pool, cpus),
            helpers: Helpers::beside_one_of(cpus),
            homes: Mutex::new(Homes {
                lanes: HashMap::new(),
                look_at: FIRST_LOOK,
            }),
            pool: pool.clone(),
        }
    }

    /// The lanes of a home directory that may block. If it hangs, only its own jobs are delayed.
    pub(crate) fn of_home(&self, home: &Path) -> Arc<HomeLanes> {
        let mut homes = self.homes();
        if let Some(known) = homes.lanes.get(home) {
            return Arc::clone(known);
        }
        if homes.lanes.len() >= homes.look_at {
            // Jobs that hang in a lane count towards its limit even after all users have left.
            let is_used =
                |lanes: &Arc<HomeLanes>| Arc::strong_count(lanes) > 1 || !lanes.are_idle();
            homes.lanes.retain(|_, lanes| is_used(lanes));
            homes.look_at = FIRST_LOOK.max(2 * homes.lanes.len());
        }
        let new = Arc::new(HomeLanes::new(&self.pool));
        homes.lanes.insert(home.to_owned(), Arc::clone(&new));
        new
    }

    fn homes(&self) -> MutexGuard<'_, Homes> {
        // Nothing panics under the lock.
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use ftpdlib_authorizers::DummyAuthorizer;

    use super::*;
    use crate::FtpHandler;
    use crate::testing::service;

    fn home(number: usize) -> PathBuf {
        PathBuf::from(format!("/home/{number}"))
    }

    #[test]
    fn every_home_that_was_ever_logged_in_to_was_kept() {
        let lanes = Lanes::new(&Pool::new());
        let used = lanes.of_home(&home(0));
        // One that hangs, of a user who has left.
        let (release, held) = mpsc::channel::<()>();
        let wait = move || {
            // An error is a release, too.
            let _ = held.recv();
        };
        lanes.of_home(&home(1)).jobs.submit(wait).unwrap();
        for number in 2..10 * FIRST_LOOK {
            lanes.of_home(&home(number));
        }
        let homes = lanes.homes();
        assert!(homes.lanes.len() <= FIRST_LOOK);
        assert!(homes.lanes.contains_key(&home(1)));
        assert!(Arc::ptr_eq(&homes.lanes[&home(0)], &used));
        drop(release);
    }

    #[test]
    fn what_hung_in_a_home_was_forgotten_when_the_settings_changed() {
        let handler = || FtpHandler::new(DummyAuthorizer::new());
        let service = service(handler());
        let before = service.lanes.of_home(&home(0));
        let renewed = service.renewed(handler()).unwrap();
        drop(service);
        assert!(Arc::ptr_eq(&renewed.lanes.of_home(&home(0)), &before));
    }
}
