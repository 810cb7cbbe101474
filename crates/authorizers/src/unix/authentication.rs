//! Checks whether a user may log in.

use std::io;
use std::sync::Arc;

use ftpdlib_sys::ShadowEntry;

use super::system_user::SystemUser;
use super::table::Entry;
use super::{UnixAuthorizer, expiry, hash_checker, shells};
use crate::login::ANONYMOUS;
use crate::password::{Given, Password, simulate_check};
use crate::{Login, VerifiedCertificate};

impl UnixAuthorizer {
    /// Returns the login of the user with this name and password. A refusal takes the same time
    /// whatever its reason.
    pub(super) fn find(&self, username: &str, given: Given<'_>) -> Option<Login> {
        let (own, costs) = {
            let table = self.table.read();
            (table.get(username).map(Arc::clone), table.costs())
        };
        if username == ANONYMOUS && self.global.anonymous_user.is_some() {
            let user = self.user_of(username)?;
            return self.login(username, &user, own.as_deref());
        }
        let user = self.user_of(username);
        let shadow = shadow_of(username);
        let own = own.as_deref();
        let found = shadow.as_ref().ok().and_then(Option::as_ref);
        let own_password = own.and_then(|own| own.password.as_ref());
        let hash = found.map(|shadow| &*shadow.hash);
        let hash = hash.filter(|hash| {
            own_password.is_none() && hash_checker::is_usable(hash) && is_affordable(username, hash)
        });
        let matches = match own_password {
            Some(own) => own.matches(given),
            None => hash.is_some_and(|hash| self.hashes.matches(hash, given)),
        };
        let system_password = own_password.is_none();
        if let (true, Some(user)) = (matches, &user)
            && let Some(login) = self.admit(username, user, &shadow, system_password, own)
        {
            return Some(login);
        }
        self.hashes.simulate_checks(given, hash);
        for cost in costs {
            if own_password.and_then(Password::cost) != Some(cost) {
                simulate_check(cost, given);
            }
        }
        None
    }

    /// Returns the login of the user with this name, if the certificate is accepted for that user.
    pub(super) fn find_by_certificate(
        &self,
        username: &str,
        certificate: &VerifiedCertificate,
    ) -> Option<Login> {
        let own = self.table.read().get(username).map(Arc::clone);
        let own = own.filter(|own| own.certificates.accepts(certificate))?;
        let user = self.user_of(username)?;
        let shadow = shadow_of(username);
        self.admit(username, &user, &shadow, false, Some(&own))
    }

    /// Returns the system user for this login name; `None` also if the lookup fails, which is
    /// logged and looks like any other refusal to the client.
    fn user_of(&self, username: &str) -> Option<SystemUser> {
        self.global.system_user(username).unwrap_or_else(|error| {
            log::error!("user {username:?} is not let in: {error}");
            None
        })
    }

    /// Returns the login of an authenticated user, unless the account does not allow it.
    /// `system_password` tells whether the user gave the system's password.
    pub(super) fn admit(
        &self,
        username: &str,
        user: &SystemUser,
        shadow: &io::Result<Option<ShadowEntry>>,
        system_password: bool,
        own: Option<&Entry>,
    ) -> Option<Login> {
        // If the lookup failed, which was logged, the user is refused, since the account may have
        // expired.
        let shadow = shadow.as_ref().ok()?;
        match self.refusal_reason(username, user, shadow.as_ref(), system_password) {
            None => self.login(username, user, own),
            Some(refusal_reason) => {
                log::warn!("user {username:?} is not let in: {refusal_reason}");
                None
            }
        }
    }

    /// Returns the reason why an authenticated user may not log in, if there is one.
    pub(super) fn refusal_reason(
        &self,
        username: &str,
        user: &SystemUser,
        shadow: Option<&ShadowEntry>,
        system_password: bool,
    ) -> Option<&'static str> {
        let today = expiry::today();
        if username == ANONYMOUS {
            return Some("anonymous access is not enabled");
        }
        if !self.global.may_log_in(username) || self.global.rejects(user) {
            return Some("not an allowed user");
        }
        if let Some(shadow) = shadow {
            if hash_checker::is_locked(&shadow.hash) {
                return Some("the account is locked");
            }
            if expiry::account_has_expired(shadow.expires, today) {
                return Some("the account has expired");
            }
            let (changed, most_days) = (shadow.changed, shadow.most_days);
            if expiry::account_is_inactive(changed, most_days, shadow.inactive_days, today) {
                return Some("the account has expired with its password");
            }
            if system_password && expiry::password_has_expired(changed, most_days, today) {
                return Some("the password has to be changed");
            }
        }
        if self.global.require_valid_shell && !shells::is_valid(user.shell()) {
            return Some("the shell is not in /etc/shells");
        }
        None
    }

    /// Makes the login of a user who is admitted.
    pub(super) fn login(
        &self,
        username: &str,
        user: &SystemUser,
        own: Option<&Entry>,
    ) -> Option<Login> {
        let credentials = match user.credentials() {
            Ok(credentials) => credentials,
            Err(error) => {
                log::error!("{error}");
                return None;
            }
        };
        let settings = own.map(|own| own.login.clone()).unwrap_or_default();
        let origin = own.map_or(&self.origin, |own| &own.origin);
        // The home is not examined here: a dead disk would hold up the logins of all users.
        let home = own.and_then(|own| own.home.as_deref());
        let mut login = Login::new(username, home.unwrap_or_else(|| user.home()));
        login.msg_login = settings
            .msg_login
            .unwrap_or_else(|| self.global.msg_login.clone());
        login.msg_quit = settings
            .msg_quit
            .unwrap_or_else(|| self.global.msg_quit.clone());
        login.read_limit = settings.read_limit;
        login.write_limit = settings.write_limit;
        login.encoding = settings.encoding;
        login.credentials = Some(credentials);
        login.origin = Some(Arc::clone(origin));
        Some(login)
    }
}

/// Finds the shadow entry. An error is logged, even for clients that do not use a system password.
fn shadow_of(username: &str) -> io::Result<Option<ShadowEntry>> {
    ShadowEntry::find(username).inspect_err(|error| {
        log::error!("user {username:?} is not let in: shadow database: {error}");
    })
}

/// Whether the hash is cheap enough to be checked. If not, that is logged, since the user cannot
/// log in with any password.
fn is_affordable(username: &str, hash: &str) -> bool {
    let affordable = hash_checker::is_affordable(hash);
    if !affordable {
        let why = hash_checker::UNAFFORDABLE;
        log::error!("user {username:?} is not let in by password: {why}");
    }
    affordable
}
