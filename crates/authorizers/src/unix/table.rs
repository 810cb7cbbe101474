//! Users who have settings of their own, checked.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::user_override::About;
use crate::owner::Owner;
use crate::password::{Cost, Password};
use crate::rights::Rights;

/// What is different for one user.
#[derive(Clone)]
pub(super) struct Entry {
    /// In place of the system's.
    pub(super) password: Option<Password>,
    /// Without symbolic links; `None` for the system's.
    pub(super) home: Option<PathBuf>,
    pub(super) rights: Rights,
    pub(super) owner: Owner,
    pub(super) about: About,
}

impl Entry {
    /// Nothing but the permissions that everybody has.
    pub(super) fn new(rights: Rights) -> Self {
        Self {
            password: None,
            home: None,
            rights,
            owner: Owner::default(),
            about: About::default(),
        }
    }
}

/// Such users by name.
#[derive(Default)]
pub(super) struct Table(HashMap<String, Arc<Entry>>);

impl Table {
    pub(super) fn get(&self, username: &str) -> Option<&Arc<Entry>> {
        self.0.get(username)
    }

    pub(super) fn put(&mut self, username: String, entry: Entry) {
        self.0.insert(username, Arc::new(entry));
    }

    /// A user to change; who is logging in this moment still sees the old one.
    pub(super) fn entry_mut(&mut self, username: &str, rights: &Rights) -> &mut Entry {
        let entry = self
            .0
            .entry(username.to_owned())
            .or_insert_with(|| Arc::new(Entry::new(rights.clone())));
        Arc::make_mut(entry)
    }

    /// What checking their passwords costs, each once.
    pub(super) fn costs(&self) -> BTreeSet<Cost> {
        let passwords = self.0.values().filter_map(|entry| entry.password.as_ref());
        passwords.filter_map(Password::cost).collect()
    }

    pub(super) fn usernames(&self) -> Vec<&String> {
        self.0.keys().collect()
    }
}
