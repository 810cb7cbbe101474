//! Decides whether permissions that change during a login apply to that login.

use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;

/// Which authorizer made a login, and for which user and home directory.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    /// Shared by all origins of one authorizer.
    authorizer: Arc<()>,
    /// The user's name and home; `None` for the homes that the system has for its users.
    home: Option<(String, PathBuf)>,
}

impl Origin {
    /// The origin of a user with this home, by the same authorizer.
    pub(crate) fn with_home(&self, username: &str, home: &Path) -> Arc<Self> {
        Arc::new(Self {
            authorizer: Arc::clone(&self.authorizer),
            home: Some((username.to_owned(), home.to_owned())),
        })
    }

    /// The home, which had no links when it became the user's.
    pub(crate) fn home(&self) -> Option<&Path> {
        self.home.as_ref().map(|(_, home)| home.as_path())
    }

    /// Whether permissions of this origin hold for a login of `other`. Permissions given for one
    /// home of a user say nothing about another.
    ///
    /// For logins by other authorizers or under another name, the program that combined the two
    /// decides.
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
