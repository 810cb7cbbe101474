//! The authorizer of the system's users.

mod authentication;
mod builder;
mod expiry;
mod global_settings;
mod hash_checker;
mod shells;
mod system_user;
mod table;
mod user_override;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use ftpdlib_proto::{Perm, Perms, VirtualPath};

use crate::directory::{real_directory, real_home};
use crate::locked::Locked;
use crate::login::ANONYMOUS;
use crate::origin::Origin;
use crate::overrides::named_directory;
use crate::password::Password;
use crate::rights::{NOTHING, Rights, warn_of_writes};
use crate::{
    AuthenticationFailed, Authorizer, AuthorizerError, Guard, IntoPerms, Login, LoginRequest,
};

pub use builder::UnixAuthorizerBuilder;
use global_settings::GlobalSettings;
use hash_checker::HashChecker;
use system_user::SystemUser;
use table::{Entry, Table};
pub use user_override::UserOverride;

/// How a warning refers to those who log in as the anonymous user.
const ANONYMOUS_CLIENTS: &str = "anonymous clients";

/// Logs in the users of the system, with their system passwords (pyftpdlib: `UnixAuthorizer`).
///
/// Every access to the disk is made as the user: the system decides what may be read and written,
/// and new files belong to the user and to the user's group. The permission letters restrict this
/// further. Only the thread that makes the access acts as the user, and only during the access, so
/// this works in every concurrency model. A session keeps the groups that the user had at login.
/// The process has to run as root, and has to stay root.
///
/// Passwords are those of the shadow file, in any form that the system's libcrypt supports
/// (yescrypt, SHA-512, …); the library is loaded when the authorizer is built. PAM is not used. The
/// authorizer refuses
///
/// - accounts that are locked, with `!` before the hash, and accounts that have expired, by their
///   own date or a set number of days after their password; this also applies to logins with a
///   certificate or a password from a [`UserOverride`];
/// - logins with a system password to accounts that have none (`*`, or nothing after the `!`), and
///   system passwords that have to be changed, which a client cannot do;
/// - passwords whose hash takes more than about a second to check, such as bcrypt hashes with a
///   cost of 15 or more: with a few attempts, clients that know such a user's name could keep all
///   others waiting;
/// - users whose entry in the shadow file cannot be read;
/// - users whose shell is not in `/etc/shells`, unless [`require_valid_shell`] is off;
/// - users who are not allowed, or who are rejected.
///
/// A client gets the same reply in all of these cases, for an unknown user and for a wrong
/// password, and the server does the same work: it computes one hash for each method and cost, up
/// to eight, that occurs in `/etc/shadow` or among the
/// [`allowed_users`](UnixAuthorizerBuilder::allowed_users). A method that only other users of a
/// directory service have becomes known to a process when the first of them tries to log in; until
/// then, their refusal takes one more hash. If the password was right, the log has the reason for
/// the refusal.
///
/// [`root`](UnixAuthorizerBuilder::rejected_users) can log in like other users unless it is
/// rejected, which is advisable; other users with uid 0 are rejected along with it.
///
/// With [`UnixFilesystem`](https://docs.rs/ftpdlib-filesystems), sessions start in the home and see
/// the whole disk, as in a shell; with the default filesystem, they see only the home.
///
/// [`require_valid_shell`]: UnixAuthorizerBuilder::require_valid_shell
///
/// # Examples
///
/// ```no_run
/// use ftpdlib_authorizers::{UnixAuthorizer, UserOverride};
///
/// let authorizer = UnixAuthorizer::builder()
///     .rejected_users(["root"])
///     .anonymous_user("ftp")
///     .build()?;
/// authorizer.override_user(UserOverride::new("matt").perm("elr"))?;
/// authorizer.override_perm("matt", "/home/matt/incoming", "elw", true)?;
/// # Ok::<(), ftpdlib_authorizers::AuthorizerError>(())
/// ```
pub struct UnixAuthorizer {
    global: GlobalSettings,
    table: Locked<Table>,
    /// The origin of logins whose home is the one that the system has for the user.
    origin: Arc<Origin>,
    hashes: HashChecker,
}

impl UnixAuthorizer {
    /// Creates an authorizer for all users of the system who have a valid shell.
    ///
    /// # Errors
    ///
    /// [`NotRoot`](AuthorizerError::NotRoot),
    /// [`PasswordLibrary`](AuthorizerError::PasswordLibrary).
    pub fn new() -> Result<Self, AuthorizerError> {
        Self::builder().build()
    }

    /// Returns the default settings, from which an authorizer can be built.
    pub fn builder() -> UnixAuthorizerBuilder {
        UnixAuthorizerBuilder::default()
    }

    fn checked(global: GlobalSettings, hashes: HashChecker) -> Self {
        Self {
            global,
            table: Locked::default(),
            origin: Arc::default(),
            hashes,
        }
    }

    /// Changes settings for one user, or, with the name `anonymous`, for anonymous sessions. They
    /// replace earlier overrides for that user, including those of directories. Permissions take
    /// effect in open sessions at once; a session whose home directory is no longer the user's
    /// loses all of them.
    ///
    /// A warning is logged if anonymous clients get write permissions.
    ///
    /// # Errors
    ///
    /// - [`NothingOverridden`](AuthorizerError::NothingOverridden) if the override has no settings;
    /// - [`UserNotAllowed`](AuthorizerError::UserNotAllowed),
    ///   [`NoSuchUser`](AuthorizerError::NoSuchUser),
    ///   [`UserDatabase`](AuthorizerError::UserDatabase) for the name;
    /// - [`InvalidShell`](AuthorizerError::InvalidShell) for the user's shell;
    /// - [`NoSuchDirectory`](AuthorizerError::NoSuchDirectory),
    ///   [`NotADirectory`](AuthorizerError::NotADirectory),
    ///   [`Directory`](AuthorizerError::Directory) for a home that this user cannot use;
    /// - [`Permission`](AuthorizerError::Permission) for the permissions;
    /// - [`PasswordHash`](AuthorizerError::PasswordHash),
    ///   [`HashAsPassword`](AuthorizerError::HashAsPassword),
    ///   [`AnonymousPassword`](AuthorizerError::AnonymousPassword) for the password;
    /// - [`Impersonation`](AuthorizerError::Impersonation).
    pub fn override_user(&self, user: UserOverride) -> Result<(), AuthorizerError> {
        let name = &user.username;
        if user.is_empty() {
            return Err(AuthorizerError::NothingOverridden(name.clone()));
        }
        let system_user = self.known(name)?;
        if name == ANONYMOUS && user.password.is_some() {
            return Err(AuthorizerError::AnonymousPassword);
        }
        if name != ANONYMOUS && self.global.require_valid_shell {
            system_user.check_shell()?;
        }
        let mut entry = Entry::new(
            Arc::clone(&self.origin),
            self.global.rights_of(name).clone(),
        );
        if let Some(perms) = user.perm {
            entry.rights.perms = perms?;
        }
        if let Some(home) = &user.home {
            let home = system_user.run_as(|| real_home(home))?;
            let of_system = system_user.run_as(|| real_directory(system_user.home()));
            if of_system.ok().as_ref() != Some(&home) {
                entry.origin = self.origin.with_home(name, &home);
            }
            entry.home = Some(home);
        }
        entry.password = user.password.map(Password::new).transpose()?;
        entry.certificates = user.certificates;
        entry.login = user.login;
        if name == ANONYMOUS {
            warn_of_writes(entry.rights.perms, ANONYMOUS_CLIENTS);
        }
        self.table.write().put(user.username, entry);
        Ok(())
    }

    /// Overrides a user's permissions for one directory, like
    /// [`DummyAuthorizer::override_perm`](crate::DummyAuthorizer::override_perm). `directory` is
    /// examined with the rights of that user.
    ///
    /// A warning is logged if anonymous clients get write permissions.
    ///
    /// # Errors
    ///
    /// - [`NoSuchUser`](AuthorizerError::NoSuchUser),
    ///   [`UserNotAllowed`](AuthorizerError::UserNotAllowed),
    ///   [`UserDatabase`](AuthorizerError::UserDatabase) for the name;
    /// - [`Permission`](AuthorizerError::Permission) for an unknown letter;
    /// - [`NoSuchDirectory`](AuthorizerError::NoSuchDirectory),
    ///   [`NotADirectory`](AuthorizerError::NotADirectory),
    ///   [`Directory`](AuthorizerError::Directory) for the directory, or for the home;
    /// - [`EscapesHome`](AuthorizerError::EscapesHome),
    ///   [`OverridesHome`](AuthorizerError::OverridesHome) if it is not inside the home;
    /// - [`Impersonation`](AuthorizerError::Impersonation).
    pub fn override_perm(
        &self,
        username: &str,
        directory: impl AsRef<Path>,
        perm: impl IntoPerms,
        recursive: bool,
    ) -> Result<(), AuthorizerError> {
        let perms = perm.into_perms()?;
        let user = self.known(username)?;
        let own = self
            .table
            .read()
            .get(username)
            .and_then(|own| own.home.clone());
        let named = user.run_as(|| {
            let home = own.map_or_else(|| real_directory(user.home()), Ok)?;
            named_directory(directory.as_ref(), &home)
        })?;
        self.table
            .write()
            .entry_mut(username, &self.origin, self.global.rights_of(username))
            .rights
            .overrides
            .insert(named, perms, recursive);
        if username == ANONYMOUS {
            warn_of_writes(perms, ANONYMOUS_CLIENTS);
        }
        Ok(())
    }

    /// Returns the system user for a login name in the settings; the user has to exist and to be
    /// allowed.
    fn known(&self, username: &str) -> Result<SystemUser, AuthorizerError> {
        if username != ANONYMOUS && !self.global.may_log_in(username) {
            return Err(AuthorizerError::UserNotAllowed(username.to_owned()));
        }
        let user = self
            .global
            .system_user(username)?
            .ok_or_else(|| AuthorizerError::NoSuchUser(username.to_owned()))?;
        if username != ANONYMOUS && self.global.rejects(&user) {
            return Err(AuthorizerError::UserNotAllowed(username.to_owned()));
        }
        Ok(user)
    }

    /// Calls `use_rights` with the permissions that hold for this login.
    fn rights<T>(&self, login: &Login, use_rights: impl FnOnce(&Rights) -> T) -> T {
        let table = self.table.read();
        let (origin, rights) = match table.get(&login.username) {
            Some(own) => (&own.origin, &own.rights),
            None => (&self.origin, self.global.rights_of(&login.username)),
        };
        use_rights(match login.is_covered_by(origin) {
            true => rights,
            false => &NOTHING,
        })
    }
}

impl Authorizer for UnixAuthorizer {
    fn authenticate(&self, request: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed> {
        self.find(request.username, request.given())
            .ok_or(AuthenticationFailed)
    }

    fn authenticate_by_certificate(
        &self,
        request: &LoginRequest<'_>,
    ) -> Result<Login, AuthenticationFailed> {
        let certificate = request.certificate.ok_or(AuthenticationFailed)?;
        self.find_by_certificate(request.username, certificate)
            .ok_or(AuthenticationFailed)
    }

    fn has_perm(&self, login: &Login, perm: Perm, path: &VirtualPath) -> bool {
        self.perms(login, path).contains(perm)
    }

    fn perms(&self, login: &Login, path: &VirtualPath) -> Perms {
        self.rights(login, |rights| rights.at(&login.home_path, path))
    }

    fn perms_anywhere(&self, login: &Login) -> Perms {
        self.rights(login, Rights::anywhere)
    }

    fn has_overrides(&self, login: &Login) -> bool {
        self.rights(login, Rights::depend_on_path)
    }

    /// A login carries all that is needed, so the user database is not consulted any more.
    fn is_local(&self) -> bool {
        true
    }

    /// Acts as the system user of the login; in anonymous sessions, as the system user set for
    /// them. A login made by another authorizer is refused: looking the user up could wait for a
    /// directory service, and this may be called where nothing may wait.
    fn impersonate(&self, login: &Login) -> Result<Guard, AuthorizerError> {
        let acting = login.act()?;
        acting.ok_or_else(|| AuthorizerError::NoCredentials(login.username.clone()))
    }
}

/// Shows only the names.
impl fmt::Debug for UnixAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixAuthorizer")
            .field("allowed_users", &self.global.allowed_users)
            .field("rejected_users", &self.global.rejected_users)
            .field("anonymous_user", &self.global.anonymous_user)
            .field("overridden", &self.table.read().usernames())
            .finish_non_exhaustive()
    }
}
