//! A user to be added to the table.

use std::fmt;
use std::path::PathBuf;

use ftpdlib_proto::{NameEncoding, Perms, PermsError};

use crate::accepted_certificates::AcceptedCertificates;
use crate::login::ANONYMOUS;
use crate::password::Secret;
use crate::{CertificateSubject, IntoPerms, Login};

/// A user for [`DummyAuthorizer::add_user`](crate::DummyAuthorizer::add_user), which checks the
/// settings.
///
/// Each method corresponds to one of pyftpdlib's keyword arguments and has its default; `username`,
/// `password` and `homedir` are the arguments of [`new`](Self::new).
///
/// # Examples
///
/// ```
/// use ftpdlib_authorizers::User;
///
/// let user = User::new("user", "12345", "/home/user")
///     .perm("elradfmwMT")
///     .msg_login("Welcome back.")
///     .write_limit(1024 * 1024);
/// # let _ = user;
/// ```
#[derive(Clone)]
#[must_use = "a user does nothing until it is added to an authorizer"]
pub struct User {
    pub(super) login: Login,
    pub(super) secret: Secret,
    pub(super) perm: Result<Perms, PermsError>,
    pub(super) certificates: AcceptedCertificates,
}

impl User {
    /// Creates a user with a plain password. `home` is a real path; a relative path starts from the
    /// process's working directory at the time the user is added.
    ///
    /// The name `anonymous` with an empty password is the same as [`anonymous`](Self::anonymous),
    /// as in pyftpdlib.
    pub fn new(
        username: impl Into<String>,
        password: impl Into<String>,
        home: impl Into<PathBuf>,
    ) -> Self {
        Self::with_secret(username, Secret::Plain(password.into()), home)
    }

    /// Creates a user whose password is given as an argon2id hash in PHC form:
    /// `$argon2id$v=19$m=19456,t=2,p=1$…$…`.
    ///
    /// The parameters may ask for at most 1 GiB of memory and 64 passes, since every attempt to log
    /// in costs that much.
    pub fn with_password_hash(
        username: impl Into<String>,
        hash: impl Into<String>,
        home: impl Into<PathBuf>,
    ) -> Self {
        Self::with_secret(username, Secret::Hash(hash.into()), home)
    }

    /// Creates a user without a password, who can log in only with a certificate; see
    /// [`certificate_subject`](Self::certificate_subject) and
    /// [`certificate_name`](Self::certificate_name).
    pub fn with_certificate(username: impl Into<String>, home: impl Into<PathBuf>) -> Self {
        Self::with_secret(username, Secret::None, home)
    }

    /// Creates the user `anonymous`, who can log in with any password.
    pub fn anonymous(home: impl Into<PathBuf>) -> Self {
        Self::with_secret(ANONYMOUS, Secret::Any, home)
    }

    /// Logs the user in without a password if the client has presented a certificate with this
    /// subject; may be called repeatedly.
    pub fn certificate_subject(mut self, subject: CertificateSubject) -> Self {
        self.certificates.add_subject(subject);
        self
    }

    /// Logs the user in without a password if the client has presented a certificate with this
    /// common name (CN), or with this mail address, DNS name or URI as an alternative name; may be
    /// called repeatedly. See
    /// [`VerifiedCertificate::has_name`](crate::VerifiedCertificate::has_name).
    pub fn certificate_name(mut self, name: impl Into<String>) -> Self {
        self.certificates.add_name(name.into());
        self
    }

    /// Sets the permissions, as a value or as pyftpdlib's letters. Default: `elr`.
    ///
    /// | letter | permits |
    /// | --- | --- |
    /// | `e` | change directory (CWD, CDUP) |
    /// | `l` | list files, see their size and time, and the free space (LIST, NLST, STAT, MLSD, MLST, SIZE, MDTM, AVBL) |
    /// | `r` | retrieve files, and have their digests computed (RETR, HASH, XCRC, XMD5, XSHA and others); with `w`, copy them |
    /// | `a` | append to a file, which is created if it is missing (APPE) |
    /// | `d` | delete files and directories (DELE, RMD) |
    /// | `f` | rename files and directories (RNFR, RNTO) |
    /// | `m` | make directories (MKD) |
    /// | `w` | store files, also over others (STOR, STOU), and make symbolic links (SITE SYMLINK); with `r`, copy files (SITE COPY, CPFR, CPTO); with `r` and `d`, join them (COMB) |
    /// | `M` | change the mode of files (SITE CHMOD, MFF) |
    /// | `T` | change the modification time of files (MFMT, which is `SITE MFMT` in pyftpdlib's reference, MFF, SITE UTIME, MDTM with a time) |
    ///
    /// `docs/commands.md` lists the letters that each command needs.
    pub fn perm(mut self, perms: impl IntoPerms) -> Self {
        self.perm = perms.into_perms();
        self
    }

    /// Sets the text that the user is sent on login. Default: `Login successful.`
    pub fn msg_login(mut self, text: impl Into<String>) -> Self {
        self.login.msg_login = text.into();
        self
    }

    /// Sets the text that the user is sent on quitting. Default: `Goodbye.`
    pub fn msg_quit(mut self, text: impl Into<String>) -> Self {
        self.login.msg_quit = text.into();
        self
    }

    /// Sets the upload limit in bytes per second, shared by all of the user's sessions with the
    /// same limit; a session keeps the limit of its login. 0 means no limit, not even the server's.
    /// Default: the server's limit for each data connection.
    pub fn read_limit(mut self, bytes_per_second: u64) -> Self {
        self.login.read_limit = Some(bytes_per_second);
        self
    }

    /// Sets the download limit in bytes per second, shared by all of the user's sessions with the
    /// same limit; a session keeps the limit of its login. 0 means no limit, not even the server's.
    /// Default: the server's limit for each data connection.
    pub fn write_limit(mut self, bytes_per_second: u64) -> Self {
        self.login.write_limit = Some(bytes_per_second);
        self
    }

    /// Sets the encoding of path names on this user's control connection. Default: the server's.
    pub fn encoding(mut self, encoding: NameEncoding) -> Self {
        self.login.encoding = Some(encoding);
        self
    }

    fn with_secret(username: impl Into<String>, secret: Secret, home: impl Into<PathBuf>) -> Self {
        Self {
            login: Login::new(username, home),
            secret,
            perm: Ok(Perms::READ_ONLY),
            certificates: AcceptedCertificates::default(),
        }
    }
}

/// Leaves out the password.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("login", &self.login)
            .field("perm", &self.perm)
            .finish_non_exhaustive()
    }
}
