//! The settings of one user of the system.

use std::fmt;
use std::path::PathBuf;

use ftpdlib_proto::{NameEncoding, Perms, PermsError};

use crate::accepted_certificates::AcceptedCertificates;
use crate::password::Secret;
use crate::{CertificateSubject, IntoPerms};

/// Settings of one user, for
/// [`UnixAuthorizer::override_user`](crate::UnixAuthorizer::override_user), which checks them.
///
/// Each method corresponds to one of pyftpdlib's keyword arguments or to a method of
/// [`User`](crate::User). Settings that are not overridden stay as they are for all users.
/// pyftpdlib's `username` is the argument of [`new`](Self::new), its `homedir` is
/// [`home`](Self::home), and its `anonymous_user`, which it ignores, is left out.
///
/// # Examples
///
/// ```
/// use ftpdlib_authorizers::UserOverride;
///
/// let user = UserOverride::new("matt").password("foo").perm("elr");
/// # let _ = user;
/// ```
#[derive(Clone)]
#[must_use = "an override does nothing until it is given to an authorizer"]
pub struct UserOverride {
    pub(super) username: String,
    pub(super) password: Option<Secret>,
    pub(super) home: Option<PathBuf>,
    pub(super) perm: Option<Result<Perms, PermsError>>,
    pub(super) certificates: AcceptedCertificates,
    pub(super) login: LoginSettings,
}

/// The settings of a user that are copied into a login.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct LoginSettings {
    pub(super) msg_login: Option<String>,
    pub(super) msg_quit: Option<String>,
    pub(super) read_limit: Option<u64>,
    pub(super) write_limit: Option<u64>,
    pub(super) encoding: Option<NameEncoding>,
}

impl UserOverride {
    /// Creates settings for the user of this name; for `anonymous`, settings for anonymous
    /// sessions.
    pub fn new(username: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            password: None,
            home: None,
            perm: None,
            certificates: AcceptedCertificates::default(),
            login: LoginSettings::default(),
        }
    }

    /// Replaces the system's password with a plain password. An empty one has no effect, as in
    /// pyftpdlib.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        let password = Some(password.into()).filter(|password: &String| !password.is_empty());
        self.password = password.map(Secret::Plain);
        self
    }

    /// Replaces the system's password with a password given as an argon2id hash; see
    /// [`User::with_password_hash`](crate::User::with_password_hash).
    pub fn password_hash(mut self, hash: impl Into<String>) -> Self {
        self.password = Some(Secret::Hash(hash.into()));
        self
    }

    /// Replaces the system's home directory (pyftpdlib: `homedir`). Symbolic links in its path are
    /// resolved when the override is set. If there is a link on the way to it later, the server
    /// refuses logins.
    pub fn home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = Some(home.into());
        self
    }

    /// Sets the permissions, in the same form as [`User::perm`](crate::User::perm).
    pub fn perm(mut self, perms: impl IntoPerms) -> Self {
        self.perm = Some(perms.into_perms());
        self
    }

    /// Sets the text that the user is sent on login.
    pub fn msg_login(mut self, text: impl Into<String>) -> Self {
        self.login.msg_login = Some(text.into());
        self
    }

    /// Sets the text that the user is sent on quitting.
    pub fn msg_quit(mut self, text: impl Into<String>) -> Self {
        self.login.msg_quit = Some(text.into());
        self
    }

    /// Sets the upload limit in bytes per second, shared by all of the user's sessions with the
    /// same limit; a session keeps the limit of its login. 0 means no limit, not even the server's.
    pub fn read_limit(mut self, bytes_per_second: u64) -> Self {
        self.login.read_limit = Some(bytes_per_second);
        self
    }

    /// Sets the download limit in bytes per second, shared by all of the user's sessions with the
    /// same limit; a session keeps the limit of its login. 0 means no limit, not even the server's.
    pub fn write_limit(mut self, bytes_per_second: u64) -> Self {
        self.login.write_limit = Some(bytes_per_second);
        self
    }

    /// Sets the encoding of path names on this user's control connection.
    pub fn encoding(mut self, encoding: NameEncoding) -> Self {
        self.login.encoding = Some(encoding);
        self
    }

    /// Logs the user in without a password if the client has presented a certificate with this
    /// subject; may be called repeatedly.
    pub fn certificate_subject(mut self, subject: CertificateSubject) -> Self {
        self.certificates.add_subject(subject);
        self
    }

    /// Logs the user in without a password if the client has presented a certificate with this
    /// name, like [`User::certificate_name`](crate::User::certificate_name); may be called
    /// repeatedly.
    pub fn certificate_name(mut self, name: impl Into<String>) -> Self {
        self.certificates.add_name(name.into());
        self
    }

    /// Whether only the name is set.
    pub(super) fn is_empty(&self) -> bool {
        self.password.is_none()
            && self.home.is_none()
            && self.perm.is_none()
            && self.certificates.is_empty()
            && self.login == LoginSettings::default()
    }
}

/// Leaves out the password.
impl fmt::Debug for UserOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserOverride")
            .field("username", &self.username)
            .field("home", &self.home)
            .field("perm", &self.perm)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}
