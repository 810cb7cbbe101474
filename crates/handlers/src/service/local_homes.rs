//! Which home directories are local.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most local homes that are remembered. One that is forgotten costs its next login a thread.
const MOST_LOCAL: usize = 1 << 14;

/// The homes on local disks, without links in their paths, that users have logged in to, if the
/// filesystem is the built-in one.
#[derive(Default)]
pub(crate) struct LocalHomes(Mutex<HashSet<PathBuf>>);

impl LocalHomes {
    /// Whether a home directory on the disk was local last time, and behind no link.
    pub(crate) fn contains(&self, home: &Path) -> bool {
        self.lock().contains(home)
    }

    /// Notes what a home directory on the disk turned out to be: local and behind no link, or not.
    pub(crate) fn note(&self, home: &Path, is_local: bool) {
        let mut local = self.lock();
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

    fn lock(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        // Nothing panics under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_local_home_was_remembered_for_good() {
        let homes = LocalHomes::default();
        let home = |number| PathBuf::from(format!("/home/{number}"));
        for number in 0..=MOST_LOCAL {
            homes.note(&home(number), true);
        }
        assert!(homes.contains(&home(MOST_LOCAL)));
        assert!(homes.lock().len() <= MOST_LOCAL);
    }
}
