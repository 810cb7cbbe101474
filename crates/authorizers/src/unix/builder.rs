//! The settings of all users of the system.

use std::collections::BTreeSet;

use ftpdlib_proto::{Perms, PermsError};
use ftpdlib_sys::can_act_as_others;

use super::UnixAuthorizer;
use super::global_settings::GlobalSettings;
use super::hash_checker::HashChecker;
use super::system_user::SystemUser;
use crate::directory::real_home;
use crate::login::{ANONYMOUS, DEFAULT_MSG_LOGIN, DEFAULT_MSG_QUIT};
use crate::rights::Rights;
use crate::{AuthorizerError, IntoPerms};

/// Settings of a [`UnixAuthorizer`], checked by [`build`](Self::build).
///
/// Each method corresponds to an argument of pyftpdlib's class and has its default.
///
/// # Examples
///
/// Allows two users of the system, who may do everything but delete:
///
/// ```no_run
/// use ftpdlib_authorizers::UnixAuthorizer;
///
/// let authorizer = UnixAuthorizer::builder()
///     .allowed_users(["alice", "bob"])
///     .global_perm("elrafmwMT")
///     .require_valid_shell(false)
///     .build()?;
/// # Ok::<(), ftpdlib_authorizers::AuthorizerError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until the authorizer is built"]
pub struct UnixAuthorizerBuilder {
    global_perm: Result<Perms, PermsError>,
    allowed_users: BTreeSet<String>,
    rejected_users: BTreeSet<String>,
    require_valid_shell: bool,
    anonymous_user: Option<String>,
    msg_login: String,
    msg_quit: String,
}

impl Default for UnixAuthorizerBuilder {
    fn default() -> Self {
        Self {
            global_perm: Ok(Perms::ALL),
            allowed_users: BTreeSet::new(),
            rejected_users: BTreeSet::new(),
            require_valid_shell: true,
            anonymous_user: None,
            msg_login: DEFAULT_MSG_LOGIN.to_owned(),
            msg_quit: DEFAULT_MSG_QUIT.to_owned(),
        }
    }
}

impl UnixAuthorizerBuilder {
    /// Sets the permissions of all users except anonymous clients, in the same form as
    /// [`User::perm`](crate::User::perm). Default: `elradfmwMT`, since the system has its own
    /// permissions.
    pub fn global_perm(mut self, perms: impl IntoPerms) -> Self {
        self.global_perm = perms.into_perms();
        self
    }

    /// Sets the only users who may log in. Default: none are named, and all users may log in.
    pub fn allowed_users<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.allowed_users = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the users who may not log in. Default: none. If root is rejected, so is every other
    /// user with uid 0.
    pub fn rejected_users<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.rejected_users = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether the user's shell has to be listed in `/etc/shells`. Default: `true`. If that
    /// file is missing, every shell is accepted. It is an error to name a user with another shell
    /// among the allowed users or in an override; a user who gets such a shell later is refused at
    /// login.
    pub fn require_valid_shell(mut self, required: bool) -> Self {
        self.require_valid_shell = required;
        self
    }

    /// Sets the system user that anonymous clients act as, and whose home they see. Their
    /// permissions are `elr` unless overridden for `anonymous`. The user needs neither a password
    /// nor a shell, and need not be allowed to log in. Default: none; `anonymous` is refused.
    pub fn anonymous_user(mut self, name: impl Into<String>) -> Self {
        self.anonymous_user = Some(name.into());
        self
    }

    /// Sets the text that users are sent on login. Default: `Login successful.`
    pub fn msg_login(mut self, text: impl Into<String>) -> Self {
        self.msg_login = text.into();
        self
    }

    /// Sets the text that users are sent on quitting. Default: `Goodbye.`
    pub fn msg_quit(mut self, text: impl Into<String>) -> Self {
        self.msg_quit = text.into();
        self
    }

    /// Checks the settings and builds the authorizer.
    ///
    /// # Errors
    ///
    /// - [`Permission`](AuthorizerError::Permission) for an unknown letter;
    /// - [`AllowedAndRejected`](AuthorizerError::AllowedAndRejected),
    ///   [`AnonymousListed`](AuthorizerError::AnonymousListed) for the lists of users;
    /// - [`NotRoot`](AuthorizerError::NotRoot) if the process does not run as root, and on systems
    ///   other than Linux;
    /// - [`PasswordLibrary`](AuthorizerError::PasswordLibrary) if libcrypt is missing;
    /// - [`NoSuchUser`](AuthorizerError::NoSuchUser) for a name that the system does not have;
    /// - [`UserDatabase`](AuthorizerError::UserDatabase) for a name that could not be looked up;
    /// - [`InvalidShell`](AuthorizerError::InvalidShell) for an allowed user without a valid shell;
    /// - for the anonymous user, [`AnonymousIsRoot`](AuthorizerError::AnonymousIsRoot),
    ///   [`Impersonation`](AuthorizerError::Impersonation), and where the home directory cannot be
    ///   used by that user [`NoSuchDirectory`](AuthorizerError::NoSuchDirectory),
    ///   [`NotADirectory`](AuthorizerError::NotADirectory),
    ///   [`Directory`](AuthorizerError::Directory).
    pub fn build(self) -> Result<UnixAuthorizer, AuthorizerError> {
        let perms = self.global_perm?;
        if !self.allowed_users.is_empty() && !self.rejected_users.is_empty() {
            return Err(AuthorizerError::AllowedAndRejected);
        }
        let listed = || self.allowed_users.iter().chain(&self.rejected_users);
        if listed().any(|name| name == ANONYMOUS) {
            return Err(AuthorizerError::AnonymousListed);
        }
        if !can_act_as_others() {
            return Err(AuthorizerError::NotRoot);
        }
        let hashes =
            HashChecker::new(&self.allowed_users).map_err(AuthorizerError::PasswordLibrary)?;
        let mut rejects_root = false;
        for name in listed() {
            let user = SystemUser::known(name)?;
            rejects_root |= user.is_root() && self.rejected_users.contains(name);
            if self.require_valid_shell && self.allowed_users.contains(name) {
                user.check_shell()?;
            }
        }
        if let Some(name) = &self.anonymous_user {
            check_anonymous(name)?;
        }
        let global = GlobalSettings {
            allowed_users: self.allowed_users,
            rejected_users: self.rejected_users,
            rejects_root,
            require_valid_shell: self.require_valid_shell,
            anonymous_user: self.anonymous_user,
            msg_login: self.msg_login,
            msg_quit: self.msg_quit,
            rights: Rights::new(perms),
            anonymous_rights: Rights::new(Perms::READ_ONLY),
        };
        Ok(UnixAuthorizer::checked(global, hashes))
    }
}

fn check_anonymous(name: &str) -> Result<(), AuthorizerError> {
    let user = SystemUser::known(name)?;
    if user.is_root() {
        return Err(AuthorizerError::AnonymousIsRoot(name.to_owned()));
    }
    user.run_as(|| real_home(user.home()))?;
    Ok(())
}
