//! The table of users with settings of their own, which have been checked.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::user_override::LoginSettings;
use crate::accepted_certificates::AcceptedCertificates;
use crate::origin::Origin;
use crate::password::{Cost, Password};
use crate::rights::Rights;

/// The settings of one user.
#[derive(Clone)]
pub(super) struct Entry {
    /// Replaces the system's password, if set.
    pub(super) password: Option<Password>,
    /// Replaces the system's home, if set; without symbolic links.
    pub(super) home: Option<PathBuf>,
    pub(super) origin: Arc<Origin>,
    pub(super) rights: Rights,
    pub(super) certificates: AcceptedCertificates,
    pub(super) login: LoginSettings,
}

impl Entry {
    /// Creates settings that set nothing but the permissions of all users.
    pub(super) fn new(origin: Arc<Origin>, rights: Rights) -> Self {
        Self {
            password: None,
            home: None,
            origin,
            rights,
            certificates: AcceptedCertificates::default(),
            login: LoginSettings::default(),
        }
    }
}

/// The users with settings of their own, by name.
#[derive(Default)]
pub(super) struct Table(HashMap<String, Arc<Entry>>);

impl Table {
    pub(super) fn get(&self, username: &str) -> Option<&Arc<Entry>> {
        self.0.get(username)
    }

    pub(super) fn put(&mut self, username: String, entry: Entry) {
        self.0.insert(username, Arc::new(entry));
    }

    /// Returns a user to change; a login that is being checked still uses the old version.
    pub(super) fn entry_mut(
        &mut self,
        username: &str,
        origin: &Arc<Origin>,
        rights: &Rights,
    ) -> &mut Entry {
        let entry = self
            .0
            .entry(username.to_owned())
            .or_insert_with(|| Arc::new(Entry::new(Arc::clone(origin), rights.clone())));
        Arc::make_mut(entry)
    }

    /// The costs of checking the users' passwords, each once.
    pub(super) fn costs(&self) -> BTreeSet<Cost> {
        let passwords = self.0.values().filter_map(|entry| entry.password.as_ref());
        passwords.filter_map(Password::cost).collect()
    }

    pub(super) fn usernames(&self) -> Vec<&String> {
        self.0.keys().collect()
    }
}
