//! The trait every authorizer implements.

use ftpdlib_proto::{Perm, Perms, VirtualPath};

use crate::{AuthenticationFailed, AuthorizerError, Guard, Login, LoginRequest};

/// Checks credentials and permissions.
///
/// A server calls these methods from its jobs only, so they may block: on a password hash, a file
/// or a directory service. One authorizer serves every session at once.
///
/// An authorizer that changes one thing about another holds the other and passes on the rest: the
/// logins that the other gives, too, since they may carry as whom the system sees the session, and
/// [`impersonate`](Self::impersonate), if the other may have its own.
///
/// # Examples
///
/// ```
/// use ftpdlib_authorizers::{
///     AuthenticationFailed, Authorizer, AuthorizerError, DummyAuthorizer, Guard, Login,
///     LoginRequest,
/// };
/// use ftpdlib_proto::{Perm, VirtualPath};
///
/// /// Lets people in from the machine itself only.
/// struct LocalOnly(DummyAuthorizer);
///
/// impl Authorizer for LocalOnly {
///     fn authenticate(&self, request: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed> {
///         if !request.peer.ip().is_loopback() {
///             return Err(AuthenticationFailed);
///         }
///         self.0.authenticate(request)
///     }
///
///     fn has_perm(&self, login: &Login, perm: Perm, path: &VirtualPath) -> bool {
///         self.0.has_perm(login, perm, path)
///     }
///
///     fn impersonate(&self, login: &Login) -> Result<Guard, AuthorizerError> {
///         self.0.impersonate(login)
///     }
///
///     fn is_local(&self) -> bool {
///         self.0.is_local()
///     }
/// }
/// ```
pub trait Authorizer: Send + Sync {
    /// Checks the credentials (pyftpdlib: `validate_authentication`).
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailed`] whatever the cause: an unknown user and a wrong password must look
    /// the same to the client, in words and in time.
    fn authenticate(&self, request: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed>;

    /// Lets somebody in by the certificate of the request, without a password (RFC 2228 §4). Called
    /// when `USER` has come from a client that showed one; who is refused here is asked for a
    /// password. Refuses everybody by default.
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailed`]: the certificate is not this user's, or does not do.
    fn authenticate_by_certificate(
        &self,
        request: &LoginRequest<'_>,
    ) -> Result<Login, AuthenticationFailed> {
        let _ = request;
        Err(AuthenticationFailed)
    }

    /// Whether the user may do `perm` at `path`, which is seen from the root of the user's
    /// filesystem: for the home directory see [`Login::home_path`].
    ///
    /// `path` has its symbolic links resolved already where [`has_overrides`] says that it matters.
    ///
    /// [`has_overrides`]: Self::has_overrides
    fn has_perm(&self, login: &Login, perm: Perm, path: &VirtualPath) -> bool;

    /// All that the user may do at `path`; listings show it as the `perm` fact.
    fn perms(&self, login: &Login, path: &VirtualPath) -> Perms {
        Perm::ALL
            .into_iter()
            .filter(|&perm| self.has_perm(login, perm, path))
            .collect()
    }

    /// All that the user may do in one place or another: `FEAT` leaves out what works nowhere. Asked
    /// once, at the login.
    ///
    /// By default that is everything where permissions depend on the path, which never hides what
    /// works, and what [`perms`](Self::perms) says of the home directory where they do not.
    fn perms_anywhere(&self, login: &Login) -> Perms {
        if self.has_overrides(login) {
            Perms::ALL
        } else {
            self.perms(login, &login.home_path)
        }
    }

    /// Whether this user's permissions depend on the path. `true` by default, which is always safe;
    /// `false` saves the resolving of links before each check.
    fn has_overrides(&self, login: &Login) -> bool {
        let _ = login;
        true
    }

    /// Acts as the user until the guard is dropped (pyftpdlib: `impersonate_user` and
    /// `terminate_impersonation`). Called before every access to the filesystem, on the thread that
    /// makes it; a thread that is started meanwhile may stay the user's.
    ///
    /// A program that is started meanwhile does not: only effective ids change, the real ones stay
    /// root's, and it can become root again, as a shell does at once. It has to be given the user's
    /// ids and groups itself, all of them, as by `Command::uid`, `gid` and `groups`. The system
    /// refuses that to a thread that acts as the user, so one that was started earlier has to do it.
    ///
    /// pyftpdlib gives the password, too. Here nobody keeps it once it was checked; an authorizer
    /// that needs it to act as the user keeps it itself.
    ///
    /// By default that is the user of the system whom the login carries, as those of
    /// [`UnixAuthorizer`](crate::UnixAuthorizer) do, so that who wraps it need not do anything. For
    /// any other login nothing changes.
    ///
    /// # Errors
    ///
    /// [`AuthorizerError::Impersonation`] if the user's credentials could not be taken on; the
    /// access is then refused.
    fn impersonate(&self, login: &Login) -> Result<Guard, AuthorizerError> {
        Ok(login.act()?.unwrap_or_else(Guard::noop))
    }

    /// Whether [`authenticate`] and [`authenticate_by_certificate`] answer at once for this user name
    /// (a mere compare), so that a driver may call them on its event loop. `false` by default:
    /// password hashes and directory services block.
    ///
    /// [`authenticate`]: Self::authenticate
    /// [`authenticate_by_certificate`]: Self::authenticate_by_certificate
    fn is_immediate(&self, username: &str) -> bool {
        let _ = username;
        false
    }

    /// Whether all the other methods, about somebody who is logged in, answer from this machine
    /// without waiting (memory), so that a driver may call them on its event loop; asked once, at
    /// the login. `false` by default: a directory service may be asked for permissions, too.
    ///
    /// What passes them on to another authorizer passes this on as well, or all commands of its
    /// users run on threads.
    fn is_local(&self) -> bool {
        false
    }
}
