//! The errors of authorizers.

use std::io;
use std::path::PathBuf;

use ftpdlib_proto::PermsError;

/// The authorizer was misconfigured or could not do its work.
///
/// Meant for the program and its log: the texts contain real paths and are never sent to a client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizerError {
    /// A user of this name has already been added.
    #[error("user {0:?} already exists")]
    UserExists(String),
    /// There is no user of this name.
    #[error("no such user: {0:?}")]
    NoSuchUser(String),
    /// The user name is empty.
    #[error("user name is empty")]
    EmptyUsername,
    /// The directory does not exist.
    #[error("no such directory: {0:?}")]
    NoSuchDirectory(PathBuf),
    /// The path exists, but is not a directory.
    #[error("not a directory: {0:?}")]
    NotADirectory(PathBuf),
    /// The directory could not be examined, or it is a home that its system user may not enter.
    #[error("cannot use directory {path:?}: {source}")]
    Directory {
        /// As given.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Permissions were overridden for a directory outside the user's home.
    #[error("path escapes user home directory: {0:?}")]
    EscapesHome(PathBuf),
    /// Permissions were overridden for the home directory itself; its permissions are the user's
    /// own.
    #[error("can't override home directory permissions")]
    OverridesHome,
    /// The permissions contain an unknown letter.
    #[error(transparent)]
    Permission(#[from] PermsError),
    /// The password hash is not an argon2id PHC string, or costs too much to check.
    #[error("unusable password hash: {0}")]
    PasswordHash(&'static str),
    /// A password that looks like a hash was given as a plain password; anyone who sees the hash
    /// could log in with it.
    #[error("password is an argon2 hash, given as a plain password")]
    HashAsPassword,
    /// Only root can check the system's passwords and act as its users.
    #[error("root privileges are required")]
    NotRoot,
    /// The system's library for passwords cannot be used.
    #[error("cannot check passwords of the system: {0}")]
    PasswordLibrary(#[source] io::Error),
    /// A user of the system could not be looked up in the user database.
    #[error("cannot look up user {user:?}: {source}")]
    UserDatabase {
        /// The user of the system.
        user: String,
        /// The system's error.
        source: io::Error,
    },
    /// Both allowed and rejected users were given; only one of the two is possible.
    #[error("allowed users and rejected users are mutually exclusive")]
    AllowedAndRejected,
    /// `anonymous` was listed as an allowed or rejected user, but is not a system user.
    #[error("invalid user name \"anonymous\"")]
    AnonymousListed,
    /// Anonymous clients would act as root.
    #[error("anonymous clients cannot act as user {0:?}, who is root")]
    AnonymousIsRoot(String),
    /// Anonymous clients have no password that could be compared; see
    /// [`User::anonymous`](crate::User::anonymous).
    #[error("can't assign password to anonymous user")]
    AnonymousPassword,
    /// The user may not log in, so there is nothing to override.
    #[error("user {0:?} is not an allowed user")]
    UserNotAllowed(String),
    /// The user has a shell that is not in `/etc/shells`, and could never log in. Change the shell,
    /// list it there, or turn
    /// [`require_valid_shell`](crate::UnixAuthorizerBuilder::require_valid_shell) off.
    #[error(
        "user {user:?} has the shell {shell:?}, which is not in /etc/shells, as require_valid_shell \
         wants"
    )]
    InvalidShell {
        /// The user of the system.
        user: String,
        /// The shell, as in the user database.
        shell: PathBuf,
    },
    /// The override sets nothing.
    #[error("nothing is overridden for user {0:?}")]
    NothingOverridden(String),
    /// The login carries no credentials of a system user, so it was made by another authorizer.
    #[error("cannot act as user {0:?}: the login was made by another authorizer")]
    NoCredentials(String),
    /// The credentials of the user could not be assumed.
    #[error("cannot act as user {user:?}: {source}")]
    Impersonation {
        /// The user of the system.
        user: String,
        /// The system's error.
        source: io::Error,
    },
}
