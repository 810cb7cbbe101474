//! Logging in: credentials first, then the user's filesystem.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ftpdlib_authorizers::{Login, LoginRequest, VerifiedCertificate};
use ftpdlib_filesystems::{AbstractedFs, ErrorKind, Filesystem, FilesystemError};
use ftpdlib_proto::{Escaped, VirtualPath};
use ftpdlib_session::{LoginFacts, Refusal};
use ftpdlib_sys::has_remote_mount_near;

use super::{Account, reply_of};
use crate::client::Client;
use crate::owners_code;

/// What a client has given to log in.
pub(crate) struct Credentials {
    pub(crate) username: String,
    /// `None` if the client's certificate has to suffice.
    pub(crate) password: Option<Arc<str>>,
    pub(crate) certificate: Option<Arc<VerifiedCertificate>>,
    /// Whether the credentials came under TLS.
    pub(crate) secure: bool,
}

/// The login that the credentials are for; `None` if a certificate does not suffice without a
/// password.
pub(crate) type Checked = Result<Option<Login>, Refusal>;

/// The outcome of a login.
pub(crate) type LoginEnd = Result<(Arc<Account>, LoginFacts), Refusal>;

impl Credentials {
    /// Whether [`check`](Self::check) does not wait: it only compares passwords.
    pub(super) fn are_checked_at_once(&self, client: &Client) -> bool {
        let prefix = client.prefix(None);
        let authorizer = &client.service.authorizer;
        owners_code::ask(prefix, || authorizer.is_immediate(&self.username))
    }

    /// Authenticates this `client`. May block.
    pub(crate) fn check(&self, client: &Client) -> Checked {
        let request = self.request(client);
        let prefix = client.prefix(None);
        let authorizer = &client.service.authorizer;
        owners_code::call_or_refuse(prefix, || {
            if self.password.is_none() {
                return Ok(authorizer.authenticate_by_certificate(&request).ok());
            }
            authorizer
                .authenticate(&request)
                .map(Some)
                .map_err(|_| Refusal::new(530, self.failure()))
        })
    }

    fn request(&self, client: &Client) -> LoginRequest<'_> {
        let password = self.password.as_deref().unwrap_or_default();
        let (peer, local) = (client.peer, client.local);
        let mut request = LoginRequest::new(&self.username, password, peer, local);
        request.secure = self.secure;
        request.certificate = self.certificate.as_deref();
        request
    }

    /// The text of a failure: pyftpdlib's, since programs look for it. That anonymous users are not
    /// allowed is no secret.
    fn failure(&self) -> &'static str {
        if self.username == "anonymous" {
            "Anonymous access not allowed."
        } else {
            "Authentication failed."
        }
    }
}

/// Whether [`enter`] does not wait for this user: the home directory was on a local disk last time,
/// no network disk was mounted there since, and no custom code is asked that may block.
pub(super) fn enters_at_once(client: &Client, login: &Login) -> bool {
    let (prefix, service) = (client.prefix(Some(&login.username)), &client.service);
    let authorizer = &service.authorizer;
    owners_code::ask(prefix, || authorizer.is_local())
        && service.local_homes.contains(&login.home)
        && !has_remote_mount_near(&login.home).unwrap_or(true)
}

/// Creates the filesystem of a user who has logged in. May block, unless `at_once`, the answer of
/// [`enters_at_once`].
pub(crate) fn enter(client: &Arc<Client>, login: Login, at_once: bool) -> LoginEnd {
    let username = login.username.clone();
    let prefix = client.prefix(Some(&username));
    owners_code::call_or_refuse(prefix, || open_account(client, login, at_once))
}

fn open_account(client: &Arc<Client>, mut login: Login, at_once: bool) -> LoginEnd {
    // The name under which it is looked up before anything else is known of it.
    let named = login.home.clone();
    let service = &client.service;
    let guard = service.authorizer.impersonate(&login).map_err(|error| {
        let prefix = client.prefix(Some(&login.username));
        log::error!("{prefix} {error}");
        unusable()
    })?;
    let filesystem = make_filesystem(client, &mut login).inspect_err(|_| {
        // What has taken its place may block.
        service.local_homes.note(&named, false);
    })?;
    login.home_path = home_path(&*filesystem, &login.home);
    // A link may lead to another home each time.
    let is_linkless = login.home == named;
    // The mounts need no second look.
    let is_local = (at_once && is_linkless) || filesystem.is_local();
    let start_dir = filesystem.start_dir();
    // The authorizer is asked with the server's own rights, not as the user.
    drop(guard);
    if service.filesystem.is_none() {
        service.local_homes.note(&named, is_local && is_linkless);
    }
    let in_place = is_local && service.authorizer.is_local();
    let lanes = (!in_place).then(|| service.lanes.of_home(&named));
    let facts = LoginFacts {
        username: login.username.clone(),
        msg_login: login.msg_login.clone(),
        msg_quit: login.msg_quit.clone(),
        start_dir,
        encoding: login.encoding,
        perms: service.authorizer.perms_anywhere(&login),
    };
    let account = Account::new(client, login, filesystem, lanes);
    Ok((Arc::new(account), facts))
}

/// The virtual path of a home directory in a filesystem: its root, unless the root is known to lie
/// above.
fn home_path(filesystem: &dyn Filesystem, home: &Path) -> VirtualPath {
    let below = || {
        let root = filesystem.real_path(&VirtualPath::root())?;
        let below = home.strip_prefix(root).ok()?;
        VirtualPath::new(below.as_os_str().as_encoded_bytes()).ok()
    };
    below().unwrap_or_else(VirtualPath::root)
}

/// Creates the filesystem of a login, and resolves the links in the path of its home.
fn make_filesystem(client: &Client, login: &mut Login) -> Result<Arc<dyn Filesystem>, Refusal> {
    let made = match &client.service.filesystem {
        Some(factory) => {
            // If there is none, the path stays as it is: a filesystem that needs a home reports
            // that.
            if let Ok(home) = login.home.canonicalize() {
                resolve_home(client, login, home)?;
            }
            let made = factory(login);
            if let Ok(files) = &made
                && files.real_path(&VirtualPath::root()).is_some()
                && let Ok(home) = login.home.canonicalize()
            {
                // It may have followed a link that was created meanwhile.
                resolve_home(client, login, home)?;
            }
            made
        }
        None => match disk_of(login) {
            Ok(disk) => {
                if let Some(home) = disk.real_path(&VirtualPath::root()) {
                    resolve_home(client, login, home)?;
                }
                Ok(Arc::new(disk) as Arc<dyn Filesystem>)
            }
            Err(error) => Err(error),
        },
    };
    made.map_err(|error| {
        let prefix = client.prefix(Some(&login.username));
        let home = shown(&login.home);
        log::error!("{prefix} no filesystem at the home {home}: {error}");
        // PASS has both codes (RFC 959 §5.4). After 530, clients take the password for wrong.
        let code = match error.kind() {
            ErrorKind::TooManyOpenFiles => 421,
            // A filesystem's own words are meant for the client.
            _ if error.has_own_words() => 530,
            _ => return unusable(),
        };
        reply_of(error).with_code(code)
    })
}

/// Gives the login the `real` path of its home, unless its permissions may be meant for another
/// directory: a user who may rename what contains the home can put a link in its place.
fn resolve_home(client: &Client, login: &mut Login, real: PathBuf) -> Result<(), Refusal> {
    if login.has_checked_home() && login.home != real {
        let prefix = client.prefix(Some(&login.username));
        let (home, real) = (shown(&login.home), shown(&real));
        log::error!(
            "{prefix} no filesystem at the home {home}: it leads to {real}, by a link that was not \
             there when the home was set"
        );
        return Err(unusable());
    }
    login.home = real;
    Ok(())
}

fn unusable() -> Refusal {
    Refusal::new(530, "Home directory cannot be used.")
}

/// The home as the log shows it.
fn shown(path: &Path) -> Escaped<'_> {
    Escaped(path.as_os_str().as_encoded_bytes())
}

/// The home, as the user sees it.
fn disk_of(login: &Login) -> Result<AbstractedFs, FilesystemError> {
    let disk = AbstractedFs::new(&login.home)?;
    match login.acts_as_user() {
        true => {
            // To find the dot in it takes the right to enter it.
            fs::metadata(login.home.join("."))?;
            // It may be the whole disk.
            disk.without_processes()
        }
        false => Ok(disk),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::os::unix::fs::symlink;

    use ftpdlib_authorizers::{
        AuthenticationFailed, Authorizer, AuthorizerError, DummyAuthorizer, Guard, User,
    };
    use ftpdlib_filesystems::{Layer, Layered, MemoryFs};
    use ftpdlib_proto::Perm;
    use tempfile::TempDir;

    use super::*;
    use crate::FtpHandler;
    use crate::testing::{enter_as_user, log_in_as_user, service};

    thread_local! {
        static ACTS_AS_USER: Cell<bool> = const { Cell::new(false) };
    }

    /// Acts as the user, or seems to.
    struct Acting;

    impl Authorizer for Acting {
        fn authenticate(&self, request: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed> {
            Ok(Login::new(request.username, "/"))
        }

        fn has_perm(&self, _: &Login, _: Perm, _: &VirtualPath) -> bool {
            true
        }

        fn impersonate(&self, _: &Login) -> Result<Guard, AuthorizerError> {
            ACTS_AS_USER.set(true);
            Ok(Guard::new(|| ACTS_AS_USER.set(false)))
        }
    }

    /// Is asked by the user only.
    struct Asked;

    impl Layer for Asked {
        fn real_path(&self, inner: &dyn Filesystem, path: &VirtualPath) -> Option<PathBuf> {
            assert!(ACTS_AS_USER.get());
            inner.real_path(path)
        }

        fn start_dir(&self, inner: &dyn Filesystem) -> VirtualPath {
            assert!(ACTS_AS_USER.get());
            inner.start_dir()
        }

        fn is_local(&self, inner: &dyn Filesystem) -> bool {
            assert!(ACTS_AS_USER.get());
            inner.is_local()
        }
    }

    #[test]
    fn a_filesystem_was_asked_at_login_without_the_rights_of_its_user() {
        let handler = FtpHandler::new(Acting)
            .abstracted_fs(|_| Ok(Arc::new(Layered::new(Asked, Arc::new(MemoryFs::new())))));
        assert!(log_in_as_user(&service(handler)).is_ok());
        assert!(!ACTS_AS_USER.get());
    }

    #[test]
    fn a_link_in_the_place_of_a_home_was_followed_on_the_loop() {
        let disk = TempDir::new().unwrap();
        let place = disk.path().canonicalize().unwrap();
        let (home, aside) = (place.join("home"), place.join("aside"));
        fs::create_dir(&home).unwrap();
        let users = DummyAuthorizer::new();
        users.add_user(User::new("user", "12345", &home)).unwrap();
        let service = service(FtpHandler::new(users));
        let is_local = enter_as_user(&service).lane().is_none();
        assert_eq!(service.local_homes.contains(&home), is_local);
        fs::rename(&home, &aside).unwrap();
        symlink(&aside, &home).unwrap();
        // Not by the first who comes then, and so not on the loop by the next.
        assert!(log_in_as_user(&service).is_err());
        assert!(!service.local_homes.contains(&home));
    }
}
