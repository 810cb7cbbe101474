//! The section `[authorizer]`.

use ftpdlib::proto::Perms;
use serde::Deserialize;

use super::field;

/// Who decides who may log in. The keys but `kind` are for system users, and left out otherwise.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Authorizer {
    pub(crate) kind: AuthorizerKind,
    /// All letters, if it is left out.
    #[serde(deserialize_with = "field::perms_or_none")]
    pub(crate) global_perm: Option<Perms>,
    pub(crate) allowed_users: Option<Vec<String>>,
    pub(crate) rejected_users: Option<Vec<String>>,
    pub(crate) require_valid_shell: Option<bool>,
    /// Empty for none.
    pub(crate) anonymous_user: Option<String>,
    pub(crate) anonymous_password: Option<String>,
    pub(crate) msg_login: Option<String>,
    pub(crate) msg_quit: Option<String>,
}

impl Authorizer {
    /// The first key that is set and says nothing about virtual users.
    pub(crate) fn system_only_key(&self) -> Option<&'static str> {
        let keys = [
            ("authorizer.global_perm", self.global_perm.is_some()),
            ("authorizer.allowed_users", self.allowed_users.is_some()),
            ("authorizer.rejected_users", self.rejected_users.is_some()),
            (
                "authorizer.require_valid_shell",
                self.require_valid_shell.is_some(),
            ),
            ("authorizer.anonymous_user", self.anonymous_user.is_some()),
            (
                "authorizer.anonymous_password",
                self.anonymous_password.is_some(),
            ),
            ("authorizer.msg_login", self.msg_login.is_some()),
            ("authorizer.msg_quit", self.msg_quit.is_some()),
        ];
        keys.into_iter().find(|(_, set)| *set).map(|(key, _)| key)
    }
}

/// Where users come from.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuthorizerKind {
    /// The file's own `[[users]]` and `[anonymous]`.
    #[default]
    Dummy,
    /// The system, by the shadow file.
    Unix,
    /// The system, by its logon service.
    Windows,
}
