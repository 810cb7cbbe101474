//! What a login has to have in common with permissions that change while it lasts.

use std::path::PathBuf;
use std::ptr;
use std::sync::Arc;

/// Who made a login, and for which home directory.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    /// The same for all that one authorizer makes.
    authorizer: Arc<()>,
    /// `None` for the one that the system has for the user.
    home: Option<PathBuf>,
}

impl Origin {
    /// That of another home, by the same authorizer.
    pub(crate) fn with_home(&self, home: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            authorizer: Arc::clone(&self.authorizer),
            home: Some(home),
        })
    }

    /// Whether permissions of this origin hold for a login of `other`. They were given for one home
    /// and say nothing of what is in another.
    ///
    /// For logins of other authorizers that is for those to say who brought the two together.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let is_same = || self.home == other.home;
        ptr::eq(self, other) || !Arc::ptr_eq(&self.authorizer, &other.authorizer) || is_same()
    }
}
