//! The request for a login, and its result.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use ftpdlib_proto::{NameEncoding, VirtualPath};
use ftpdlib_sys::Credentials;

use crate::origin::Origin;
use crate::password::Given;
use crate::{AuthorizerError, Guard, VerifiedCertificate};

/// Default text of `230`.
pub(crate) const DEFAULT_MSG_LOGIN: &str = "Login successful.";

/// Default text of `221`.
pub(crate) const DEFAULT_MSG_QUIT: &str = "Goodbye.";

/// The user name of clients without an account (RFC 1635 §2).
pub(crate) const ANONYMOUS: &str = "anonymous";

/// What a client has sent to log in, and the connection that it has used.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct LoginRequest<'a> {
    /// `USER`'s argument.
    pub username: &'a str,
    /// `PASS`'s argument; empty if the client has not been asked for it yet.
    pub password: &'a str,
    /// The client's address. An IPv4 address is in IPv4 form, even on a listener for both families.
    pub peer: SocketAddr,
    /// The server's address that the client connected to, in the same form.
    pub local: SocketAddr,
    /// Whether the control connection is under TLS.
    pub secure: bool,
    /// The certificate that the client has presented on the control connection, if any.
    pub certificate: Option<&'a VerifiedCertificate>,
}

impl<'a> LoginRequest<'a> {
    /// Creates a request over an unencrypted control connection, without a certificate.
    pub fn new(username: &'a str, password: &'a str, peer: SocketAddr, local: SocketAddr) -> Self {
        Self {
            username,
            password,
            peer,
            local,
            secure: false,
            certificate: None,
        }
    }

    /// The password, and the client that sent it.
    pub(crate) fn given(&self) -> Given<'a> {
        Given {
            password: self.password,
            client: Some(client_network(self.peer)),
        }
    }
}

/// The address that identifies a client when clients take turns. For IPv6 it is the /64 network,
/// since one client has all of its addresses.
pub fn client_network(peer: SocketAddr) -> IpAddr {
    match peer.ip().to_canonical() {
        ip @ IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

/// Leaves out the password, so that it cannot get into a log.
impl fmt::Debug for LoginRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginRequest")
            .field("username", &self.username)
            .field("peer", &self.peer)
            .field("local", &self.local)
            .field("secure", &self.secure)
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

/// A user who has logged in. Made by the authorizer.
///
/// # Examples
///
/// ```
/// use ftpdlib_authorizers::{AuthenticationFailed, Login, LoginRequest};
///
/// fn authenticate(request: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed> {
///     if (request.username, request.password) != ("alice", "12345") {
///         return Err(AuthenticationFailed);
///     }
///     let mut login = Login::new("alice", "/srv/ftp/alice");
///     login.msg_login = "Good morning.".into();
///     Ok(login)
/// }
///
/// let (peer, local) = ("192.0.2.7:50000".parse()?, "192.0.2.1:21".parse()?);
/// let login = authenticate(&LoginRequest::new("alice", "12345", peer, local));
/// assert_eq!(login.unwrap().msg_login, "Good morning.");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Login {
    /// The user's name.
    pub username: String,
    /// Real path of the home directory. An authorizer need not examine the directory, and should
    /// not if the disk may hang: the server resolves symbolic links in the path, as the user, in a
    /// job.
    pub home: PathBuf,
    /// The home directory as a virtual path, in the form in which permissions are checked: `/` in a
    /// filesystem that shows only the home. The server sets it once it has the user's filesystem.
    pub home_path: VirtualPath,
    /// Text of `230`; may hold several lines.
    pub msg_login: String,
    /// Text of `221`; may hold several lines.
    pub msg_quit: String,
    /// Upload limit in bytes per second, shared by all of the user's sessions with the same limit;
    /// 0 = no limit, not even the server's; `None` = the server's limit for each data connection.
    pub read_limit: Option<u64>,
    /// Download limit in bytes per second, shared by all of the user's sessions with the same
    /// limit; 0 = no limit, not even the server's; `None` = the server's limit for each data
    /// connection.
    pub write_limit: Option<u64>,
    /// Encoding of this user's path names on the wire; `None` = the server's.
    pub encoding: Option<NameEncoding>,
    /// The credentials of the system user that the session acts as; they stay the same until its
    /// end.
    pub(crate) credentials: Option<Arc<Credentials>>,
    /// `None` for logins made by an authorizer of another crate.
    pub(crate) origin: Option<Arc<Origin>>,
}

impl Login {
    /// Creates a login with the default messages, and with the server's limits and encoding.
    pub fn new(username: impl Into<String>, home: impl Into<PathBuf>) -> Self {
        Self {
            username: username.into(),
            home: home.into(),
            home_path: VirtualPath::root(),
            msg_login: DEFAULT_MSG_LOGIN.to_owned(),
            msg_quit: DEFAULT_MSG_QUIT.to_owned(),
            read_limit: None,
            write_limit: None,
            encoding: None,
            credentials: None,
            origin: None,
        }
    }

    /// Whether the session acts as a user of the system, on threads of a process that runs as root.
    pub fn acts_as_user(&self) -> bool {
        self.credentials.is_some()
    }

    /// Whether [`home`](Self::home) is the directory that the permissions were given for, and its
    /// path had no symbolic links then. If there is a link on the way to it now, it was put there
    /// since, and may lead anywhere.
    ///
    /// `true` for logins made by [`DummyAuthorizer`](crate::DummyAuthorizer), and for those made by
    /// [`UnixAuthorizer`](crate::UnixAuthorizer) if a [`UserOverride`](crate::UserOverride) sets a
    /// home other than the system's.
    pub fn has_checked_home(&self) -> bool {
        let origin = self.origin.as_deref();
        origin.and_then(Origin::home) == Some(&self.home)
    }

    /// Whether permissions of `origin` hold for this login.
    pub(crate) fn is_covered_by(&self, origin: &Origin) -> bool {
        let own = self.origin.as_deref();
        own.is_none_or(|own| origin.covers(own))
    }

    /// Makes this thread act as the system user that the login carries; `None` if there is none.
    pub(crate) fn act(&self) -> Result<Option<Guard>, AuthorizerError> {
        let Some(credentials) = &self.credentials else {
            return Ok(None);
        };
        let acting =
            credentials
                .assume_in_thread()
                .map_err(|source| AuthorizerError::Impersonation {
                    user: self.username.clone(),
                    source,
                })?;
        Ok(Some(Guard::new(move || drop(acting))))
    }
}

/// The credentials were refused. The error deliberately tells nothing more.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("authentication failed")]
pub struct AuthenticationFailed;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_of_one_network_had_a_turn_of_its_own() {
        for (address, network) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::1", "::"),
        ] {
            let peer = SocketAddr::new(address.parse().unwrap(), 40_000);
            assert_eq!(client_network(peer).to_string(), network, "{address}");
        }
    }

    #[test]
    fn debug_hides_the_password() {
        let address = SocketAddr::from(([127, 0, 0, 1], 21));
        let request = LoginRequest::new("alice", "sesame", address, address);
        let shown = format!("{request:?}");
        assert!(shown.contains("alice"), "{shown}");
        assert!(!shown.contains("sesame"), "{shown}");
    }
}
