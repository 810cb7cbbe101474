//! The authorizer with a table of virtual users.

mod table;
mod user;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ftpdlib_proto::{Perm, Perms, VirtualPath};

use crate::locked::Locked;
use crate::origin::Origin;
use crate::overrides::named_directory;
use crate::password::{Given, Password, simulate_check};
use crate::rights::warn_of_writes;
use crate::{AuthenticationFailed, Authorizer, AuthorizerError, IntoPerms, Login, LoginRequest};

use table::{Entry, Table};
pub use user::User;

/// Keeps its own table of virtual users (pyftpdlib: `DummyAuthorizer`).
///
/// Users can be added, changed and removed at any time through a shared reference, even while a
/// server uses the authorizer: give the server an [`Arc`] of it, and keep a clone. [`User`] has
/// methods for pyftpdlib's keyword arguments:
///
/// | pyftpdlib | here |
/// | --- | --- |
/// | `add_user(name, password, home, perm=…, msg_login=…)` | `add_user(User::new(name, password, home).perm(…).msg_login(…))` |
/// | `add_anonymous(home)` | `add_anonymous(home)` |
/// | `add_anonymous(home, perm=…)` | `add_user(User::anonymous(home).perm(…))` |
/// | `override_perm(name, directory, perm, recursive=True)` | `override_perm(name, directory, perm, true)` |
/// | `get_perms`, `get_home_dir`, `get_msg_login`, `get_msg_quit` | `user_perms`, `home_dir`, `msg_login`, `msg_quit` |
///
/// A refusal does not show whether the user name or the password was wrong, in words or in time:
/// every refusal does the same work, which is one hash for each set of argon2 parameters in use.
///
/// # Examples
///
/// ```no_run
/// use ftpdlib_authorizers::{DummyAuthorizer, User};
///
/// let authorizer = DummyAuthorizer::new();
/// authorizer.add_user(User::new("user", "12345", "/home/user").perm("elradfmwMT"))?;
/// authorizer.override_perm("user", "/home/user/archive", "elr", true)?;
/// authorizer.add_anonymous("/home/nobody")?;
/// # Ok::<(), ftpdlib_authorizers::AuthorizerError>(())
/// ```
///
/// Changing users while a server runs:
///
/// ```no_run
/// use std::sync::Arc;
///
/// use ftpdlib_authorizers::{Authorizer, DummyAuthorizer, User};
///
/// # fn serve(authorizer: impl Authorizer + 'static) {}
/// let users = Arc::new(DummyAuthorizer::new());
/// serve(Arc::clone(&users));
/// users.add_user(User::new("late", "12345", "/home/late"))?;
/// users.remove_user("late")?;
/// # Ok::<(), ftpdlib_authorizers::AuthorizerError>(())
/// ```
#[derive(Default)]
pub struct DummyAuthorizer {
    table: Locked<Table>,
    /// Belongs to no user; the origins of the users are derived from it.
    origin: Origin,
}

impl DummyAuthorizer {
    /// Creates an authorizer without users.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a user. Symbolic links in the path of the home are resolved here. If there is a link on
    /// the way to the home later, the server refuses logins until the user is removed and added
    /// again.
    ///
    /// A warning is logged if a user who needs no password gets write permissions.
    ///
    /// # Errors
    ///
    /// - [`UserExists`](AuthorizerError::UserExists),
    ///   [`EmptyUsername`](AuthorizerError::EmptyUsername) for the name;
    /// - [`NoSuchDirectory`](AuthorizerError::NoSuchDirectory),
    ///   [`NotADirectory`](AuthorizerError::NotADirectory),
    ///   [`Directory`](AuthorizerError::Directory) for the home;
    /// - [`Permission`](AuthorizerError::Permission) for the permissions;
    /// - [`PasswordHash`](AuthorizerError::PasswordHash),
    ///   [`HashAsPassword`](AuthorizerError::HashAsPassword) for the password;
    ///   [`AnonymousPassword`](AuthorizerError::AnonymousPassword) for a password of `anonymous`,
    ///   which pyftpdlib ignores.
    pub fn add_user(&self, user: User) -> Result<(), AuthorizerError> {
        let entry = Entry::new(user, &self.origin)?;
        let without_password = entry.without_password();
        let perms = entry.rights.perms;
        self.table.write().insert(entry)?;
        if let Some(without_password) = without_password {
            warn_of_writes(perms, without_password);
        }
        Ok(())
    }

    /// Adds the user `anonymous`, with any password and the permissions `elr`.
    ///
    /// Short for `add_user(User::anonymous(home))`; use that to change other settings.
    ///
    /// # Errors
    ///
    /// As [`add_user`](Self::add_user).
    pub fn add_anonymous(&self, home: impl Into<PathBuf>) -> Result<(), AuthorizerError> {
        self.add_user(User::anonymous(home))
    }

    /// Removes a user; sessions under that name lose all permissions at once.
    ///
    /// If a user is added again under that name with the same home directory, open sessions
    /// continue with the new permissions; if the home is another one, they still have none.
    /// (pyftpdlib gives them the new permissions in the old home.)
    ///
    /// # Errors
    ///
    /// [`NoSuchUser`](AuthorizerError::NoSuchUser).
    pub fn remove_user(&self, username: &str) -> Result<(), AuthorizerError> {
        self.table.write().remove(username)
    }

    /// Overrides a user's permissions for one directory.
    ///
    /// `directory` is a real path inside the user's home; `perm` are all the permissions there. If
    /// `recursive`, they also hold for everything below the directory; otherwise only for the
    /// directory and its direct entries. Where several overrides hold for a path, the deepest
    /// directory wins. A second override of the same directory replaces the first.
    ///
    /// Whatever the letters say, a directory that has an override or contains such a directory
    /// cannot be renamed or removed, and nothing but a new directory can take its name, even while
    /// it is missing: the override would stay with the name. So the letters `a` and `w` hold for
    /// what is in the directory, not for the directory itself. The same applies to each link in the
    /// home that `directory` goes through. Nor can the mode of a directory that contains such a
    /// directory or link be changed, the home included: the directory might not be found any more.
    /// (pyftpdlib allows all of this.)
    ///
    /// The direct entries of the directory include its subdirectories themselves, but not their
    /// contents. pyftpdlib leaves the subdirectories out, for which it examines the disk; this
    /// crate does neither.
    ///
    /// A warning is logged if a user who needs no password gets write permissions.
    ///
    /// # Errors
    ///
    /// - [`NoSuchUser`](AuthorizerError::NoSuchUser);
    /// - [`Permission`](AuthorizerError::Permission) for an unknown letter;
    /// - [`NoSuchDirectory`](AuthorizerError::NoSuchDirectory),
    ///   [`NotADirectory`](AuthorizerError::NotADirectory),
    ///   [`Directory`](AuthorizerError::Directory) for the directory;
    /// - [`EscapesHome`](AuthorizerError::EscapesHome) if the directory is not inside the home once
    ///   links are resolved, [`OverridesHome`](AuthorizerError::OverridesHome) if it is the home.
    pub fn override_perm(
        &self,
        username: &str,
        directory: impl AsRef<Path>,
        perm: impl IntoPerms,
        recursive: bool,
    ) -> Result<(), AuthorizerError> {
        let perms = perm.into_perms()?;
        let home = self.home_dir(username)?;
        let named = named_directory(directory.as_ref(), &home)?;
        let mut table = self.table.write();
        let entry = table.entry_mut(username)?;
        entry.rights.overrides.insert(named, perms, recursive);
        let without_password = entry.without_password();
        drop(table);
        if let Some(without_password) = without_password {
            warn_of_writes(perms, without_password);
        }
        Ok(())
    }

    /// Checks a name and a password, and returns the login of the user.
    ///
    /// A wrong name and a wrong password take the same time, which may be as long as a check of the
    /// most expensive hash in the table. Instead of pyftpdlib's `handler` argument,
    /// [`Authorizer::authenticate`] takes the facts of the connection.
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailed`], whichever of the two is wrong.
    pub fn validate_authentication(
        &self,
        username: &str,
        password: &str,
    ) -> Result<Login, AuthenticationFailed> {
        let client = None;
        self.check(username, Given { password, client })
    }

    /// Whether a user of this name exists.
    pub fn has_user(&self, username: &str) -> bool {
        self.table.read().entry(username).is_ok()
    }

    /// The user's permissions where nothing overrides them.
    ///
    /// # Errors
    ///
    /// [`NoSuchUser`](AuthorizerError::NoSuchUser).
    pub fn user_perms(&self, username: &str) -> Result<Perms, AuthorizerError> {
        Ok(self.table.read().entry(username)?.rights.perms)
    }

    /// The real path of the user's home directory, without symbolic links.
    ///
    /// # Errors
    ///
    /// [`NoSuchUser`](AuthorizerError::NoSuchUser).
    pub fn home_dir(&self, username: &str) -> Result<PathBuf, AuthorizerError> {
        Ok(self.table.read().entry(username)?.login.home.clone())
    }

    /// The text that the user is sent on login.
    ///
    /// # Errors
    ///
    /// [`NoSuchUser`](AuthorizerError::NoSuchUser).
    pub fn msg_login(&self, username: &str) -> Result<String, AuthorizerError> {
        Ok(self.table.read().entry(username)?.login.msg_login.clone())
    }

    /// The text that the user is sent on quitting.
    ///
    /// # Errors
    ///
    /// [`NoSuchUser`](AuthorizerError::NoSuchUser).
    pub fn msg_quit(&self, username: &str) -> Result<String, AuthorizerError> {
        Ok(self.table.read().entry(username)?.login.msg_quit.clone())
    }

    fn check(&self, username: &str, given: Given<'_>) -> Result<Login, AuthenticationFailed> {
        // Copied out of the table, so that no lock is held while hashing.
        let (entry, costs) = {
            let table = self.table.read();
            (table.entry(username).ok().map(Arc::clone), table.costs())
        };
        let unknown = Password::for_unknown_user();
        let expected = entry.as_ref().map_or(&unknown, |entry| &entry.password);
        if let (true, Some(entry)) = (expected.matches(given), &entry) {
            return Ok(entry.login.clone());
        }
        for cost in costs {
            if expected.cost() != Some(cost) {
                simulate_check(cost, given);
            }
        }
        Err(AuthenticationFailed)
    }
}

impl Authorizer for DummyAuthorizer {
    fn authenticate(&self, request: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed> {
        self.check(request.username, request.given())
    }

    fn authenticate_by_certificate(
        &self,
        request: &LoginRequest<'_>,
    ) -> Result<Login, AuthenticationFailed> {
        let certificate = request.certificate.ok_or(AuthenticationFailed)?;
        let table = self.table.read();
        let entry = table.entry(request.username).ok();
        let entry = entry.filter(|entry| entry.certificates.accepts(certificate));
        entry
            .map(|entry| entry.login.clone())
            .ok_or(AuthenticationFailed)
    }

    fn has_perm(&self, login: &Login, perm: Perm, path: &VirtualPath) -> bool {
        self.perms(login, path).contains(perm)
    }

    fn perms(&self, login: &Login, path: &VirtualPath) -> Perms {
        self.table.read().rights(login).at(&login.home_path, path)
    }

    fn perms_anywhere(&self, login: &Login) -> Perms {
        self.table.read().rights(login).anywhere()
    }

    fn has_overrides(&self, login: &Login) -> bool {
        self.table.read().rights(login).depend_on_path()
    }

    /// Whether no user has a password hash. The answer does not depend on the name: otherwise, the
    /// time of a refusal would show which users have a hash.
    fn is_immediate(&self, _username: &str) -> bool {
        self.table.read().costs().is_empty()
    }

    fn is_local(&self) -> bool {
        true
    }
}

/// Shows only the names.
impl fmt::Debug for DummyAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DummyAuthorizer")
            .field("users", &self.table.read().usernames())
            .finish()
    }
}
