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
use crate::overrides::virtual_directory;
use crate::password::{Password, burn};
use crate::rights::warn_of_writes;
use crate::{AuthenticationFailed, Authorizer, AuthorizerError, Login, LoginRequest};

use table::{Entry, Table};
pub use user::User;

/// Keeps its own table of virtual users (pyftpdlib: `DummyAuthorizer`).
///
/// Users can be added, changed and removed at any time through a shared reference, also while a
/// server uses the authorizer: give it an [`Arc`] of it, and keep another. What pyftpdlib does with keyword arguments is said by [`User`]:
///
/// | pyftpdlib | here |
/// | --- | --- |
/// | `add_user(name, password, home, perm=…, msg_login=…)` | `add_user(User::new(name, password, home).perm(…).msg_login(…))` |
/// | `add_anonymous(home)` | `add_anonymous(home)` |
/// | `add_anonymous(home, perm=…)` | `add_user(User::anonymous(home).perm(…))` |
/// | `override_perm(name, directory, perm, recursive=True)` | `override_perm(name, directory, perm, true)` |
/// | `get_perms`, `get_home_dir`, `get_msg_login`, `get_msg_quit` | `user_perms`, `home_dir`, `msg_login`, `msg_quit` |
///
/// An unknown user name and a wrong password cannot be told apart by what is answered or by how
/// long it takes: every refusal does the same work, which is one hash for each set of argon2
/// parameters in use.
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
/// Users that change while a server runs:
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
}

impl DummyAuthorizer {
    /// An authorizer that lets nobody in yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a user.
    ///
    /// Write permissions of a user who needs no password are logged as a warning.
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
    ///   [`HashAsPassword`](AuthorizerError::HashAsPassword) for the password.
    pub fn add_user(&self, user: User) -> Result<(), AuthorizerError> {
        let entry = Entry::new(user)?;
        let anybody = entry.anybody();
        let perms = entry.rights.perms;
        self.table.write().insert(entry)?;
        if let Some(anybody) = anybody {
            warn_of_writes(perms, anybody);
        }
        Ok(())
    }

    /// Adds the user `anonymous`, with any password and the permissions `elr`.
    ///
    /// Short for `add_user(User::anonymous(home))`, which takes the other settings.
    ///
    /// # Errors
    ///
    /// As [`add_user`](Self::add_user).
    pub fn add_anonymous(&self, home: impl Into<PathBuf>) -> Result<(), AuthorizerError> {
        self.add_user(User::anonymous(home))
    }

    /// Removes a user; who is logged in under that name may do nothing from now on.
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
    /// `recursive`, they hold for everything below the directory too; else for the directory and
    /// what lies directly in it. Where several overrides hold for a path the deepest directory
    /// wins. A second override of the same directory replaces the first.
    ///
    /// Nobody may rename a directory that holds one with an override, whatever the letters say: the
    /// override would stay behind with the name. (pyftpdlib lets that happen.)
    ///
    /// What lies directly in the directory includes its subdirectories themselves (not what they
    /// hold). pyftpdlib leaves these out, by a look at the disk that this crate does without.
    ///
    /// Write permissions of a user who needs no password are logged as a warning.
    ///
    /// # Errors
    ///
    /// - [`NoSuchUser`](AuthorizerError::NoSuchUser);
    /// - [`Permission`](AuthorizerError::Permission) for an unknown letter;
    /// - [`NoSuchDirectory`](AuthorizerError::NoSuchDirectory),
    ///   [`NotADirectory`](AuthorizerError::NotADirectory),
    ///   [`Directory`](AuthorizerError::Directory) for the directory;
    /// - [`EscapesHome`](AuthorizerError::EscapesHome) if it is not inside the home once links are
    ///   resolved, [`OverridesHome`](AuthorizerError::OverridesHome) if it is the home.
    pub fn override_perm(
        &self,
        username: &str,
        directory: impl AsRef<Path>,
        perm: &str,
        recursive: bool,
    ) -> Result<(), AuthorizerError> {
        let perms: Perms = perm.parse()?;
        let home = self.home_dir(username)?;
        let path = virtual_directory(directory.as_ref(), &home)?;
        let mut table = self.table.write();
        let entry = table.entry_mut(username)?;
        entry.rights.overrides.insert(path, perms, recursive);
        let anybody = entry.anybody();
        drop(table);
        if let Some(anybody) = anybody {
            warn_of_writes(perms, anybody);
        }
        Ok(())
    }

    /// Checks a name and a password, and gives what is known of the user.
    ///
    /// A wrong name and a wrong password cost the same. May take as long as the most expensive hash
    /// in the table; pyftpdlib's `handler` argument is what [`Authorizer::authenticate`] is told of
    /// the connection.
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailed`], whichever of the two is wrong.
    pub fn validate_authentication(
        &self,
        username: &str,
        password: &str,
    ) -> Result<Login, AuthenticationFailed> {
        // Taken out of the table, so that no lock is held while hashing.
        let (entry, costs) = {
            let table = self.table.read();
            (table.entry(username).ok().map(Arc::clone), table.costs())
        };
        let stranger = Password::nobody();
        let expected = entry.as_ref().map_or(&stranger, |entry| &entry.password);
        if let (true, Some(entry)) = (expected.matches(password), &entry) {
            return Ok(entry.login.clone());
        }
        for cost in costs {
            if expected.cost() != Some(cost) {
                burn(cost, password);
            }
        }
        Err(AuthenticationFailed)
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

    /// Real path of the user's home directory, without symbolic links.
    ///
    /// # Errors
    ///
    /// [`NoSuchUser`](AuthorizerError::NoSuchUser).
    pub fn home_dir(&self, username: &str) -> Result<PathBuf, AuthorizerError> {
        Ok(self.table.read().entry(username)?.login.home.clone())
    }

    /// What the user is told on login.
    ///
    /// # Errors
    ///
    /// [`NoSuchUser`](AuthorizerError::NoSuchUser).
    pub fn msg_login(&self, username: &str) -> Result<String, AuthorizerError> {
        Ok(self.table.read().entry(username)?.login.msg_login.clone())
    }

    /// What the user is told on quitting.
    ///
    /// # Errors
    ///
    /// [`NoSuchUser`](AuthorizerError::NoSuchUser).
    pub fn msg_quit(&self, username: &str) -> Result<String, AuthorizerError> {
        Ok(self.table.read().entry(username)?.login.msg_quit.clone())
    }
}

impl Authorizer for DummyAuthorizer {
    fn authenticate(&self, request: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed> {
        self.validate_authentication(request.username, request.password)
    }

    fn authenticate_by_certificate(
        &self,
        request: &LoginRequest<'_>,
    ) -> Result<Login, AuthenticationFailed> {
        let certificate = request.certificate.ok_or(AuthenticationFailed)?;
        let table = self.table.read();
        let entry = table.entry(request.username).ok();
        let entry = entry.filter(|entry| entry.owner.has(certificate));
        entry
            .map(|entry| entry.login.clone())
            .ok_or(AuthenticationFailed)
    }

    fn has_perm(&self, login: &Login, perm: Perm, path: &VirtualPath) -> bool {
        self.perms(login, path).contains(perm)
    }

    fn perms(&self, login: &Login, path: &VirtualPath) -> Perms {
        let table = self.table.read();
        table
            .entry(&login.username)
            .map_or(Perms::NONE, |entry| entry.rights.at(&login.home_path, path))
    }

    fn perms_anywhere(&self, login: &Login) -> Perms {
        let table = self.table.read();
        table
            .entry(&login.username)
            .map_or(Perms::NONE, |entry| entry.rights.anywhere())
    }

    fn has_overrides(&self, login: &Login) -> bool {
        self.table
            .read()
            .entry(&login.username)
            .is_ok_and(|entry| entry.rights.differ())
    }

    /// Whether no user has a password hash. A name alone does not decide it, or what is not hashed
    /// would be answered sooner.
    fn is_immediate(&self, _username: &str) -> bool {
        self.table.read().costs().is_empty()
    }

    fn is_local(&self) -> bool {
        true
    }
}

/// The names only.
impl fmt::Debug for DummyAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DummyAuthorizer")
            .field("users", &self.table.read().usernames())
            .finish()
    }
}
