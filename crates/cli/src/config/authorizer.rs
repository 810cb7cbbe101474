//! The section `[authorizer]`.

use ftpdlib::authorizers::Login;
use ftpdlib::proto::Perms;
use serde::Deserialize;

use super::field;

/// Where users come from. All keys but `kind` concern system users.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Authorizer {
    #[serde(deserialize_with = "field::name")]
    pub(crate) kind: AuthorizerKind,
    #[serde(deserialize_with = "field::perms")]
    pub(crate) global_perm: Perms,
    pub(crate) allowed_users: Vec<String>,
    pub(crate) rejected_users: Vec<String>,
    pub(crate) require_valid_shell: bool,
    #[serde(deserialize_with = "field::text_or_none")]
    pub(crate) anonymous_user: Option<String>,
    #[serde(deserialize_with = "field::text_or_none")]
    pub(crate) anonymous_password: Option<String>,
    pub(crate) msg_login: String,
    pub(crate) msg_quit: String,
}

impl Default for Authorizer {
    fn default() -> Self {
        let login = Login::new("", "");
        Self {
            kind: AuthorizerKind::Dummy,
            global_perm: Perms::ALL,
            allowed_users: Vec::new(),
            rejected_users: Vec::new(),
            require_valid_shell: true,
            anonymous_user: None,
            anonymous_password: None,
            msg_login: login.msg_login,
            msg_quit: login.msg_quit,
        }
    }
}

impl Authorizer {
    /// Returns the first key about system users that differs from its default.
    pub(crate) fn system_only_key(&self) -> Option<&'static str> {
        let Self {
            kind: _,
            global_perm,
            allowed_users,
            rejected_users,
            require_valid_shell,
            anonymous_user,
            anonymous_password,
            msg_login,
            msg_quit,
        } = Self::default();
        let keys = [
            ("authorizer.global_perm", self.global_perm != global_perm),
            (
                "authorizer.allowed_users",
                self.allowed_users != allowed_users,
            ),
            (
                "authorizer.rejected_users",
                self.rejected_users != rejected_users,
            ),
            (
                "authorizer.require_valid_shell",
                self.require_valid_shell != require_valid_shell,
            ),
            (
                "authorizer.anonymous_user",
                self.anonymous_user != anonymous_user,
            ),
            (
                "authorizer.anonymous_password",
                self.anonymous_password != anonymous_password,
            ),
            ("authorizer.msg_login", self.msg_login != msg_login),
            ("authorizer.msg_quit", self.msg_quit != msg_quit),
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
