//! What one user may do, and where.

use std::fmt;

use ftpdlib_proto::{Perms, VirtualPath};

use crate::overrides::Overrides;

/// A user's permissions, and the directories where others hold. Used by all authorizers of this
/// crate.
#[derive(Clone)]
pub(crate) struct Rights {
    /// The permissions where nothing overrides them.
    pub(crate) perms: Perms,
    pub(crate) overrides: Overrides,
}

/// The rights of a login to which no others apply.
pub(crate) static NOTHING: Rights = Rights::new(Perms::NONE);

impl Rights {
    /// Rights that are the same everywhere.
    pub(crate) const fn new(perms: Perms) -> Self {
        Self {
            perms,
            overrides: Overrides::NONE,
        }
    }

    /// All permissions at `path` for a user whose home directory is at `home`.
    pub(crate) fn at(&self, home: &VirtualPath, path: &VirtualPath) -> Perms {
        let perms = self.overrides.find_from(home, path).unwrap_or(self.perms);
        perms.without(self.overrides.barred_from(home, path))
    }

    /// All permissions that hold in at least one place.
    pub(crate) fn anywhere(&self) -> Perms {
        self.overrides.union(self.perms)
    }

    /// Whether the permissions depend on the path.
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
