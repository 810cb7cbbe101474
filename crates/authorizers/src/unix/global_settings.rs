//! The settings for all users of the system.

use std::collections::BTreeSet;

use super::system_user::SystemUser;
use crate::AuthorizerError;
use crate::login::ANONYMOUS;
use crate::rights::Rights;

/// The settings of an authorizer, some of which may be overridden for a user.
pub(super) struct GlobalSettings {
    pub(super) allowed_users: BTreeSet<String>,
    pub(super) rejected_users: BTreeSet<String>,
    /// Whether one of the rejected users is root, under any name.
    pub(super) rejects_root: bool,
    pub(super) require_valid_shell: bool,
    pub(super) anonymous_user: Option<String>,
    pub(super) msg_login: String,
    pub(super) msg_quit: String,
    pub(super) rights: Rights,
    pub(super) anonymous_rights: Rights,
}

impl GlobalSettings {
    pub(super) fn rights_of(&self, username: &str) -> &Rights {
        match username {
            ANONYMOUS => &self.anonymous_rights,
            _ => &self.rights,
        }
    }

    pub(super) fn may_log_in(&self, username: &str) -> bool {
        let allowed = self.allowed_users.is_empty() || self.allowed_users.contains(username);
        allowed && !self.rejected_users.contains(username)
    }

    /// Whether a user is rejected under another name, such as a second account of root.
    pub(super) fn rejects(&self, user: &SystemUser) -> bool {
        self.rejects_root && user.is_root()
    }

    /// The system user for this login name.
    pub(super) fn system_user(
        &self,
        username: &str,
    ) -> Result<Option<SystemUser>, AuthorizerError> {
        match username {
            ANONYMOUS => match &self.anonymous_user {
                Some(name) => SystemUser::find(name),
                None => Ok(None),
            },
            _ => SystemUser::find(username),
        }
    }
}
