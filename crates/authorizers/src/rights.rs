//! What one user may do, and where.

use std::fmt;

use ftpdlib_proto::{Perm, Perms, VirtualPath};

use crate::overrides::Overrides;

/// A user's permissions, and the directories where they are others. Every authorizer of this crate
/// answers by it.
#[derive(Clone)]
pub(crate) struct Rights {
    /// Where nothing overrides them.
    pub(crate) perms: Perms,
    pub(crate) overrides: Overrides,
}

impl Rights {
    /// The same everywhere.
    pub(crate) fn new(perms: Perms) -> Self {
        Self {
            perms,
            overrides: Overrides::default(),
        }
    }

    /// All that may be done at `path` by a user whose home directory is at `home`.
    pub(crate) fn at(&self, home: &VirtualPath, path: &VirtualPath) -> Perms {
        let perms = self.overrides.find_from(home, path).unwrap_or(self.perms);
        // The root is renamed by nobody in any case.
        if !path.is_root() && self.overrides.any_below_from(home, path) {
            let kept = |&perm: &Perm| perm != Perm::Rename && perms.contains(perm);
            return Perm::ALL.into_iter().filter(kept).collect();
        }
        perms
    }

    /// All that may be done in one place or another.
    pub(crate) fn anywhere(&self) -> Perms {
        self.overrides.union(self.perms)
    }

    /// Whether they depend on the path.
    pub(crate) fn differ(&self) -> bool {
        !self.overrides.is_empty()
    }
}

/// Logs a warning where `perms`, which anybody can have as `whom`, allow to write.
pub(crate) fn warn_of_writes(perms: Perms, whom: impl fmt::Display) {
    let writes = perms.write_letters();
    if !writes.is_empty() {
        log::warn!("write permissions \"{writes}\" given to {whom}");
    }
}
