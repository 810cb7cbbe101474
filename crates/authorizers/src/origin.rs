//! What a login has to have in common with permissions that change while it lasts.

use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;

/// Who made a login, and for which user's home directory.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    /// The same for all that one authorizer makes.
    authorizer: Arc<()>,
    /// With the user's name; `None` for the ones that the system has for its users.
    home: Option<(String, PathBuf)>,
}

impl Origin {
    /// That of a user with this home, by the same authorizer.
    pub(crate) fn with_home(&self, username: &str, home: &Path) -> Arc<Self> {
        Arc::new(Self {
            authorizer: Arc::clone(&self.authorizer),
            home: Some((username.to_owned(), home.to_owned())),
        })
    }

    /// The home, without links when it became the user's.
    pub(crate) fn home(&self) -> Option<&Path> {
        self.home.as_ref().map(|(_, home)| home.as_path())
    }

    /// Whether permissions of this origin hold for a login of `other`. They were given for one home
    /// of the user and say nothing of what is in another.
    ///
    /// For logins of other authorizers, or under another name, that is for those to say who brought
    /// the two together.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        if ptr::eq(self, other) || !Arc::ptr_eq(&self.authorizer, &other.authorizer) {
            return true;
        }
        match (&self.home, &other.home) {
            (Some((user, home)), Some((other_user, other_home))) => {
                user != other_user || home == other_home
            }
            _ => false,
        }
    }
}
