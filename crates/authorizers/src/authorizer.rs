//! The trait that every authorizer implements.

use auto_impl::auto_impl;
use ftpdlib_proto::{Perm, Perms, VirtualPath};

use crate::{AuthenticationFailed, AuthorizerError, Guard, Login, LoginRequest};

/// Checks credentials and permissions.
///
/// A server calls these methods only from its jobs, so they may block: on a password hash, a file
/// or a directory service. One authorizer serves all sessions concurrently.
///
/// An [`Arc`](std::sync::Arc) or a [`Box`] of an authorizer is an authorizer, too, so that a
/// program can keep a reference to the one that it gives to a server.
///
/// An authorizer that changes one thing about another should wrap it and forward all other methods,
/// including those with a default: otherwise users could no longer log in by certificate, `FEAT`
/// would list other commands, and all commands would run on threads. The logins of the wrapped
/// authorizer are to be returned unchanged, since they may carry the credentials of a system user.
///
/// # Examples
///
/// ```
/// use ftpdlib_authorizers::{
///     AuthenticationFailed, Authorizer, AuthorizerError, Guard, Login, LoginRequest,
/// };
/// use ftpdlib_proto::{Perm, Perms, VirtualPath};
///
/// /// Admits users only from the machine itself.
/// struct LocalOnly<A>(A);
///
/// fn check_peer(request: &LoginRequest<'_>) -> Result<(), AuthenticationFailed> {
///     match request.peer.ip().is_loopback() {
///         true => Ok(()),
///         false => Err(AuthenticationFailed),
///     }
/// }
///
/// impl<A: Authorizer> Authorizer for LocalOnly<A> {
///     fn authenticate(&self, request: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed> {
///         check_peer(request)?;
///         self.0.authenticate(request)
///     }
///
///     fn authenticate_by_certificate(
///         &self,
///         request: &LoginRequest<'_>,
///     ) -> Result<Login, AuthenticationFailed> {
///         check_peer(request)?;
///         self.0.authenticate_by_certificate(request)
///     }
///
///     // All other methods forward to the wrapped authorizer.
///
///     fn has_perm(&self, login: &Login, perm: Perm, path: &VirtualPath) -> bool {
///         self.0.has_perm(login, perm, path)
///     }
///
///     fn perms(&self, login: &Login, path: &VirtualPath) -> Perms {
///         self.0.perms(login, path)
///     }
///
///     fn perms_anywhere(&self, login: &Login) -> Perms {
///         self.0.perms_anywhere(login)
///     }
///
///     fn has_overrides(&self, login: &Login) -> bool {
///         self.0.has_overrides(login)
///     }
///
///     fn impersonate(&self, login: &Login) -> Result<Guard, AuthorizerError> {
///         self.0.impersonate(login)
///     }
///
///     fn is_immediate(&self, username: &str) -> bool {
///         self.0.is_immediate(username)
///     }
///
///     fn is_local(&self) -> bool {
///         self.0.is_local()
///     }
/// }
/// ```
#[auto_impl(Arc, Box)]
pub trait Authorizer: Send + Sync {
    /// Checks the credentials (pyftpdlib: `validate_authentication`).
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailed`] whatever the cause: an unknown user and a wrong password must look
    /// the same to the client, in words and in time.
    fn authenticate(&self, request: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed>;

    /// Checks the certificate of the request, which may log the user in without a password (RFC
    /// 2228 §4). Called after `USER` from a client that has presented a certificate; a client
    /// refused here is asked for a password. The default refuses all clients.
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailed`] if the certificate is not this user's, or does not suffice.
    fn authenticate_by_certificate(
        &self,
        request: &LoginRequest<'_>,
    ) -> Result<Login, AuthenticationFailed> {
        let _ = request;
        Err(AuthenticationFailed)
    }

    /// Whether the user has the permission `perm` at `path`. The path starts from the root of the
    /// user's filesystem; for the path of the home directory see [`Login::home_path`].
    ///
    /// Symbolic links in `path` are already resolved if [`has_overrides`] is `true` for the user.
    ///
    /// [`has_overrides`]: Self::has_overrides
    fn has_perm(&self, login: &Login, perm: Perm, path: &VirtualPath) -> bool;

    /// All permissions of the user at `path`; listings show them as the `perm` fact.
    fn perms(&self, login: &Login, path: &VirtualPath) -> Perms {
        Perm::ALL
            .into_iter()
            .filter(|&perm| self.has_perm(login, perm, path))
            .collect()
    }

    /// All permissions that the user has in at least one place: `FEAT` leaves out commands that
    /// work nowhere. Called once, at login.
    ///
    /// The default returns all permissions if they depend on the path, which never hides a command
    /// that works, and otherwise the [`perms`](Self::perms) of the home directory.
    fn perms_anywhere(&self, login: &Login) -> Perms {
        if self.has_overrides(login) {
            Perms::ALL
        } else {
            self.perms(login, &login.home_path)
        }
    }

    /// Whether this user's permissions depend on the path. The default is `true`, which is always
    /// safe; `false` saves resolving links before each check.
    fn has_overrides(&self, login: &Login) -> bool {
        let _ = login;
        true
    }

    /// Acts as the user until the guard is dropped (pyftpdlib: `impersonate_user` and
    /// `terminate_impersonation`). Called before every access to the filesystem, on the thread that
    /// makes the access. A thread started before the guard is dropped may keep the user's
    /// credentials.
    ///
    /// A program started in that time is not confined to the user's rights: only the effective ids
    /// change, the real ids stay root's, and the program can become root again, as a shell does at
    /// once. It has to be given all of the user's ids and groups, for instance with `Command::uid`,
    /// `gid` and `groups`. The system does not let a thread that acts as the user do this, so a
    /// thread that was started earlier has to start the program.
    ///
    /// pyftpdlib passes the password, too. Here, the password is dropped once it has been checked;
    /// an authorizer that needs it to act as the user has to keep it.
    ///
    /// The default acts as the system user that the login carries, and does nothing if it carries
    /// none. Logins made by [`UnixAuthorizer`](crate::UnixAuthorizer) carry one, so an authorizer
    /// that wraps it need not implement this method.
    ///
    /// # Errors
    ///
    /// [`AuthorizerError::Impersonation`] if the user's credentials could not be assumed; the
    /// access is then refused.
    fn impersonate(&self, login: &Login) -> Result<Guard, AuthorizerError> {
        Ok(login.act()?.unwrap_or_else(Guard::noop))
    }

    /// Whether [`authenticate`] and [`authenticate_by_certificate`] return at once for this user
    /// name, because they only compare, so that a driver may call them on its event loop. The
    /// default is `false`: password hashes and directory services block.
    ///
    /// [`authenticate`]: Self::authenticate
    /// [`authenticate_by_certificate`]: Self::authenticate_by_certificate
    fn is_immediate(&self, username: &str) -> bool {
        let _ = username;
        false
    }

    /// Whether all other methods, for a user who is logged in, return without waiting because they
    /// only read memory, so that a driver may call them on its event loop. Called once, at login.
    /// The default is `false`: permissions may come from a directory service, too.
    ///
    /// A wrapper should forward this as well; otherwise, all commands of its users run on threads.
    fn is_local(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use super::*;

    /// Gives other answers than the default methods.
    struct Other;

    impl Authorizer for Other {
        fn authenticate(&self, _: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed> {
            Ok(Login::new("word", "/"))
        }

        fn authenticate_by_certificate(
            &self,
            _: &LoginRequest<'_>,
        ) -> Result<Login, AuthenticationFailed> {
            Ok(Login::new("certificate", "/"))
        }

        fn has_perm(&self, _: &Login, perm: Perm, _: &VirtualPath) -> bool {
            perm == Perm::List
        }

        fn perms(&self, _: &Login, _: &VirtualPath) -> Perms {
            Perms::READ_ONLY
        }

        fn perms_anywhere(&self, _: &Login) -> Perms {
            Perms::NONE
        }

        fn has_overrides(&self, _: &Login) -> bool {
            false
        }

        fn impersonate(&self, _: &Login) -> Result<Guard, AuthorizerError> {
            Err(AuthorizerError::NoSuchUser("other".into()))
        }

        fn is_immediate(&self, _: &str) -> bool {
            true
        }

        fn is_local(&self) -> bool {
            true
        }
    }

    fn check(pointer: impl Authorizer) {
        let peer = (Ipv4Addr::LOCALHOST, 1).into();
        let request = LoginRequest::new("user", "12345", peer, peer);
        let login = pointer.authenticate(&request).unwrap();
        let by_certificate = pointer.authenticate_by_certificate(&request).unwrap();
        let root = VirtualPath::root();
        assert_eq!(login.username, "word");
        assert_eq!(by_certificate.username, "certificate");
        assert!(pointer.has_perm(&login, Perm::List, &root));
        assert_eq!(pointer.perms(&login, &root), Perms::READ_ONLY);
        assert_eq!(pointer.perms_anywhere(&login), Perms::NONE);
        assert!(!pointer.has_overrides(&login));
        assert!(pointer.impersonate(&login).is_err());
        assert!(pointer.is_immediate("user"));
        assert!(pointer.is_local());
    }

    #[test]
    fn a_pointer_answers_what_its_authorizer_does() {
        check(Arc::new(Other));
        check(Box::new(Other) as Box<dyn Authorizer>);
    }
}
