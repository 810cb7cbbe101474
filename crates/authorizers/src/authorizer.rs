//! The trait every authorizer implements.
use ftpdlib_proto::{NameEncoding, Perm, Perms, VirtualPath};
use std::net::SocketAddr;
use std::path::PathBuf;

/// What a client gave to log in with.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct LoginRequest<'a> {
    /// USER's argument.
    pub username: &'a str,
    /// PASS's argument.
    pub password: &'a str,
    /// The client's address.
    pub peer: SocketAddr,
    /// The server's address the client connected to.
    pub local: SocketAddr,
    /// Whether the control connection is under TLS.
    pub secure: bool,
}
// Debug that hides the password; LoginRequest::new(username, password, peer, local)

/// A user who logged in. Built by the authorizer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Login {
    /// The name.
    pub username: String,
    /// Real path of the home directory.
    pub home: PathBuf,
    /// Text of `230`.
    pub msg_login: String,
    /// Text of `221`.
    pub msg_quit: String,
    /// Upload limit, bytes per second; `None` = the server's.
    pub read_limit: Option<u64>,
    /// Download limit.
    pub write_limit: Option<u64>,
    /// Encoding of this user's names; `None` = the server's.
    pub encoding: Option<NameEncoding>,
}
impl Login {
    /// With default messages and no limits.
    pub fn new(_username: impl Into<String>, _home: impl Into<PathBuf>) -> Self {
        todo!()
    }
}

/// The credentials were refused; nothing more is told to anyone.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("authentication failed")]
pub struct AuthenticationFailed;

/// The authorizer was misconfigured or could not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizerError {
    // the implementer fills: NoSuchUser, UserExists, NoSuchDirectory, BadPermission, NoPassword …
    // and:
    /// Credentials of the user could not be taken on.
    #[error("cannot act as user {0:?}")]
    Impersonation(String),
}

/// Held while acting as a user; dropping it goes back (pyftpdlib: `terminate_impersonation`).
#[must_use = "impersonation ends when the guard is dropped"]
pub struct Guard(Option<Box<dyn FnOnce()>>);
// Guard::noop(), Guard::new(FnOnce), Drop runs it

/// Users and permissions. May block; called from jobs only.
pub trait Authorizer: Send + Sync {
    /// Checks the credentials (pyftpdlib: `validate_authentication`).
    fn authenticate(&self, request: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed>;
    /// Whether the user may do `perm` at `path`, which has its links resolved already if
    /// `has_overrides`.
    fn has_perm(&self, login: &Login, perm: Perm, path: &VirtualPath) -> bool;
    /// All that the user may do at `path`, for the `perm` fact.
    fn perms(&self, login: &Login, path: &VirtualPath) -> Perms {
        let _ = (login, path);
        todo!("from has_perm")
    }
    /// Whether permissions depend on the path for this user.
    fn has_overrides(&self, _login: &Login) -> bool {
        true
    }
    /// Acts as the user until the guard is dropped (pyftpdlib: `impersonate_user`).
    fn impersonate(&self, _login: &Login) -> Result<Guard, AuthorizerError> {
        todo!("no-op")
    }
    /// Whether `authenticate` for this user answers at once (a compare), so that a driver may call
    /// it on its event loop. `false` by default: hashing and directories block.
    fn is_immediate(&self, _username: &str) -> bool {
        false
    }
}
