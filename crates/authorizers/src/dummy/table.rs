//! The table of users, whose settings have been checked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::user::User;
use crate::accepted_certificates::AcceptedCertificates;
use crate::directory::real_directory;
use crate::login::ANONYMOUS;
use crate::origin::Origin;
use crate::password::{Cost, Password, Secret};
use crate::rights::{NOTHING, Rights};
use crate::{AuthorizerError, Login};

/// A user whose settings have been checked.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) login: Login,
    /// The origin of the login.
    origin: Arc<Origin>,
    pub(super) password: Password,
    pub(super) rights: Rights,
    pub(super) certificates: AcceptedCertificates,
}

impl Entry {
    pub(super) fn new(user: User, origin: &Origin) -> Result<Self, AuthorizerError> {
        let mut login = user.login;
        if login.username.is_empty() {
            return Err(AuthorizerError::EmptyUsername);
        }
        let secret = match user.secret {
            // As in pyftpdlib, which accepts any password for this name.
            Secret::Plain(password) if login.username == ANONYMOUS && password.is_empty() => {
                Secret::Any
            }
            Secret::Plain(_) | Secret::Hash(_) if login.username == ANONYMOUS => {
                return Err(AuthorizerError::AnonymousPassword);
            }
            secret => secret,
        };
        login.home = real_directory(&login.home)?;
        let origin = origin.with_home(&login.username, &login.home);
        login.origin = Some(Arc::clone(&origin));
        Ok(Self {
            login,
            origin,
            password: Password::new(secret)?,
            rights: Rights::new(user.perm?),
            certificates: user.certificates,
        })
    }

    /// Describes the user for a warning, if no password is needed to log in.
    pub(super) fn without_password(&self) -> Option<String> {
        let name = &self.login.username;
        matches!(self.password, Password::Any)
            .then(|| format!("user {name:?}, who needs no password"))
    }
}

/// Users by name, and the costs of checking their passwords.
#[derive(Default)]
pub(super) struct Table {
    users: HashMap<String, Arc<Entry>>,
    /// How many users have a hash of this cost; never zero.
    costs: BTreeMap<Cost, usize>,
}

impl Table {
    pub(super) fn insert(&mut self, entry: Entry) -> Result<(), AuthorizerError> {
        let username = entry.login.username.clone();
        if self.users.contains_key(&username) {
            return Err(AuthorizerError::UserExists(username));
        }
        if let Some(cost) = entry.password.cost() {
            *self.costs.entry(cost).or_default() += 1;
        }
        self.users.insert(username, Arc::new(entry));
        Ok(())
    }

    pub(super) fn remove(&mut self, username: &str) -> Result<(), AuthorizerError> {
        let entry = self
            .users
            .remove(username)
            .ok_or_else(|| no_such_user(username))?;
        if let Some(cost) = entry.password.cost()
            && let Some(users) = self.costs.get_mut(&cost)
        {
            *users -= 1;
            if *users == 0 {
                self.costs.remove(&cost);
            }
        }
        Ok(())
    }

    /// Returns a user to change; a login that is being checked still uses the old version.
    pub(super) fn entry_mut(&mut self, username: &str) -> Result<&mut Entry, AuthorizerError> {
        self.users
            .get_mut(username)
            .map(Arc::make_mut)
            .ok_or_else(|| no_such_user(username))
    }

    pub(super) fn entry(&self, username: &str) -> Result<&Arc<Entry>, AuthorizerError> {
        self.users
            .get(username)
            .ok_or_else(|| no_such_user(username))
    }

    /// The permissions that hold for a login.
    pub(super) fn rights(&self, login: &Login) -> &Rights {
        match self.users.get(&login.username) {
            Some(entry) if login.is_covered_by(&entry.origin) => &entry.rights,
            Some(_) | None => &NOTHING,
        }
    }

    /// Each set of hash parameters in use, once.
    pub(super) fn costs(&self) -> Vec<Cost> {
        self.costs.keys().copied().collect()
    }

    pub(super) fn usernames(&self) -> Vec<&String> {
        self.users.keys().collect()
    }
}

fn no_such_user(username: &str) -> AuthorizerError {
    AuthorizerError::NoSuchUser(username.to_owned())
}
