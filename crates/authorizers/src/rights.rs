//! What one user may do, and where.

use std::fmt;

use ftpdlib_proto::{Perms, VirtualPath};

use crate::overrides::Overrides;

/// A user's permissions, and the directories where others hold. All authorizers of this crate use
/// it.
#[derive(Clone)]
pub(crate) struct Rights {
    /// Where nothing overrides them.
    pub(crate) perms: Perms,
    pub(crate) overrides: Overrides,
}

/// Those of a login for which no others hold.
pub(crate) static NOTHING: Rights = Rights::new(Perms::NONE);

impl Rights {
    /// The same everywhere.
    pub(crate) const fn new(perms: Perms) -> Self {
        Self {
            perms,
            overrides: Overrides::NONE,
        }
    }

    /// All that may be done at `path` by a user whose home directory is at `home`.
    pub(crate) fn at(&self, home: &VirtualPath, path: &VirtualPath) -> Perms {
        let perms = self.overrides.find_from(home, path).unwrap_or(self.perms);
        perms.without(self.overrides.barred_from(home, path))
    }

    /// All that may be done in at least one place.
    pub(crate) fn anywhere(&self) -> Perms {
        self.overrides.union(self.perms)
    }

    /// Whether they depend on the path.
    pub(crate) fn depend_on_path(&self) -> bool {
        !self.overrides.is_empty()
    }
}

/// Logs a warning if `perms` allow `user`, who needs no password, to write.
pub(crate) fn warn_of_writes(perms: Perms, user: impl fmt::Display) {
    let writes = perms.write_letters();
    if !writes.is_empty() {
        log::warn!("write permissions \"{writes}\" given to {user}");
    }
}
