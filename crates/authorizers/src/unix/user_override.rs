//! What is different for one user of the system.

use std::fmt;
use std::path::PathBuf;

use ftpdlib_proto::NameEncoding;

use crate::CertificateSubject;
use crate::owner::Owner;
use crate::password::Secret;

/// Settings of one user, for [`UnixAuthorizer::override_user`](crate::UnixAuthorizer::override_user),
/// which checks them.
///
/// Each method is one of pyftpdlib's keyword arguments or a method of [`User`](crate::User). What
/// is not said stays as it is for everybody. pyftpdlib's `username` is that of [`new`](Self::new),
/// its `homedir` is [`home`](Self::home), and its `anonymous_user`, which it ignores, is left out.
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
    pub(super) perm: Option<String>,
    pub(super) owner: Owner,
    pub(super) about: About,
}

/// What a login is told that has its own settings.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct About {
    pub(super) msg_login: Option<String>,
    pub(super) msg_quit: Option<String>,
    pub(super) read_limit: Option<u64>,
    pub(super) write_limit: Option<u64>,
    pub(super) encoding: Option<NameEncoding>,
}

impl UserOverride {
    /// Settings of the user of this name; with `anonymous`, of anonymous sessions.
    pub fn new(username: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            password: None,
            home: None,
            perm: None,
            owner: Owner::default(),
            about: About::default(),
        }
    }

    /// A plain password in place of the system's. An empty one says nothing, as in pyftpdlib.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        let password = Some(password.into()).filter(|password: &String| !password.is_empty());
        self.password = password.map(Secret::Plain);
        self
    }

    /// A password in place of the system's, by its argon2id hash; see
    /// [`User::with_password_hash`](crate::User::with_password_hash).
    pub fn password_hash(mut self, hash: impl Into<String>) -> Self {
        self.password = Some(Secret::Hash(hash.into()));
        self
    }

    /// A home directory in place of the system's (pyftpdlib: `homedir`).
    pub fn home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = Some(home.into());
        self
    }

    /// The permissions, by the letters of [`User::perm`](crate::User::perm).
    pub fn perm(mut self, letters: impl Into<String>) -> Self {
        self.perm = Some(letters.into());
        self
    }

    /// What the user is told on login.
    pub fn msg_login(mut self, text: impl Into<String>) -> Self {
        self.about.msg_login = Some(text.into());
        self
    }

    /// What the user is told on quitting.
    pub fn msg_quit(mut self, text: impl Into<String>) -> Self {
        self.about.msg_quit = Some(text.into());
        self
    }

    /// Upload limit, in bytes per second, shared by all of the user's sessions.
    pub fn read_limit(mut self, bytes_per_second: u64) -> Self {
        self.about.read_limit = Some(bytes_per_second);
        self
    }

    /// Download limit, in bytes per second, shared by all of the user's sessions.
    pub fn write_limit(mut self, bytes_per_second: u64) -> Self {
        self.about.write_limit = Some(bytes_per_second);
        self
    }

    /// Encoding of path names on this user's control connection.
    pub fn encoding(mut self, encoding: NameEncoding) -> Self {
        self.about.encoding = Some(encoding);
        self
    }

    /// Lets the user in without a password when the client has shown a certificate of this owner;
    /// may be said of several.
    pub fn certificate_subject(mut self, subject: CertificateSubject) -> Self {
        self.owner.add_subject(subject);
        self
    }

    /// The same for certificates with this name; see
    /// [`User::certificate_name`](crate::User::certificate_name).
    pub fn certificate_name(mut self, name: impl Into<String>) -> Self {
        self.owner.add_name(name.into());
        self
    }

    /// Whether it says nothing but a name.
    pub(super) fn is_empty(&self) -> bool {
        self.password.is_none()
            && self.home.is_none()
            && self.perm.is_none()
            && self.owner.is_nobody()
            && self.about == About::default()
    }
}

/// Without the password.
impl fmt::Debug for UserOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserOverride")
            .field("username", &self.username)
            .field("home", &self.home)
            .field("perm", &self.perm)
            .field("about", &self.about)
            .finish_non_exhaustive()
    }
}
