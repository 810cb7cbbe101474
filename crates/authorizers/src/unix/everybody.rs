//! What holds for all users of the system.

use std::collections::BTreeSet;

use super::account::SystemUser;
use crate::AuthorizerError;
use crate::login::ANONYMOUS;
use crate::rights::Rights;

/// What holds for whoever has no settings of their own.
pub(super) struct Everybody {
    pub(super) allowed_users: BTreeSet<String>,
    pub(super) rejected_users: BTreeSet<String>,
    /// Whether one of them is root, by whatever name.
    pub(super) rejects_root: bool,
    pub(super) require_valid_shell: bool,
    pub(super) anonymous_user: Option<String>,
    pub(super) msg_login: String,
    pub(super) msg_quit: String,
    pub(super) rights: Rights,
    pub(super) anonymous_rights: Rights,
}

impl Everybody {
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

    /// Whether somebody is rejected by another name, as a second account of root's is.
    pub(super) fn rejects(&self, user: &SystemUser) -> bool {
        self.rejects_root && user.is_root()
    }

    /// Who somebody is who logs in by this name.
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
