//! A user in the system's user database.

use std::path::Path;
use std::sync::Arc;

use ftpdlib_sys::{Credentials, UserRecord};

use super::shells;
use crate::AuthorizerError;

/// A user of the system.
pub(super) struct SystemUser {
    record: UserRecord,
}

impl SystemUser {
    /// Finds the user of exactly this name. A directory service may find users by other spellings,
    /// too, but a rejected user must not be able to log in that way.
    pub(super) fn find(name: &str) -> Result<Option<Self>, AuthorizerError> {
        match UserRecord::find(name) {
            Ok(record) => Ok(record
                .filter(|record| record.name == name)
                .map(|record| Self { record })),
            Err(source) => Err(AuthorizerError::UserDatabase {
                user: name.to_owned(),
                source,
            }),
        }
    }

    /// Like [`find`](Self::find), for a name in the settings, which has to exist.
    pub(super) fn known(name: &str) -> Result<Self, AuthorizerError> {
        Self::find(name)?.ok_or_else(|| AuthorizerError::NoSuchUser(name.to_owned()))
    }

    /// The home directory that the system has for the user.
    pub(super) fn home(&self) -> &Path {
        &self.record.home
    }

    #[cfg(test)]
    pub(super) fn at_home(mut self, home: &Path) -> Self {
        self.record.home = home.to_owned();
        self
    }

    pub(super) fn shell(&self) -> &Path {
        &self.record.shell
    }

    /// Refuses a user in the settings whose shell would prevent every login.
    pub(super) fn check_shell(&self) -> Result<(), AuthorizerError> {
        if shells::is_valid(self.shell()) {
            return Ok(());
        }
        Err(AuthorizerError::InvalidShell {
            user: self.record.name.clone(),
            shell: self.shell().to_owned(),
        })
    }

    pub(super) fn is_root(&self) -> bool {
        self.record.uid == 0
    }

    pub(super) fn credentials(&self) -> Result<Arc<Credentials>, AuthorizerError> {
        Credentials::of(&self.record)
            .map(Arc::new)
            .map_err(|source| AuthorizerError::Impersonation {
                user: self.record.name.clone(),
                source,
            })
    }

    /// Runs `operation`, which examines the disk, as this user: root can see what the user cannot,
    /// and on a network disk the user can see what root cannot.
    pub(super) fn run_as<T>(
        &self,
        operation: impl FnOnce() -> Result<T, AuthorizerError>,
    ) -> Result<T, AuthorizerError> {
        let credentials = self.credentials()?;
        let _acting =
            credentials
                .assume_in_thread()
                .map_err(|source| AuthorizerError::Impersonation {
                    user: self.record.name.clone(),
                    source,
                })?;
        operation()
    }
}
