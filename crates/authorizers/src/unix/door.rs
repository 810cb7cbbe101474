//! Who is let in.

use std::io;
use std::sync::Arc;

use ftpdlib_sys::ShadowEntry;

use super::account::SystemUser;
use super::table::Entry;
use super::{UnixAuthorizer, expiry, hashes, shells};
use crate::login::ANONYMOUS;
use crate::password::{Password, burn};
use crate::{Login, VerifiedCertificate};

impl UnixAuthorizer {
    /// Who has this name and password. A refusal takes the same time for whatever reason.
    pub(super) fn find(&self, username: &str, password: &str) -> Option<Login> {
        let (own, costs) = {
            let table = self.table.read();
            (table.get(username).map(Arc::clone), table.costs())
        };
        if username == ANONYMOUS && self.everybody.anonymous_user.is_some() {
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
            own_password.is_none() && hashes::is_usable(hash) && is_affordable(username, hash)
        });
        let matches = match own_password {
            Some(own) => own.matches(password),
            None => hash.is_some_and(|hash| self.hashes.matches(hash, password)),
        };
        let of_system = own_password.is_none();
        if let (true, Some(user)) = (matches, &user)
            && let Some(login) = self.let_in(username, user, &shadow, of_system, own)
        {
            return Some(login);
        }
        self.hashes.burn(password, hash);
        for cost in costs {
            if own_password.and_then(Password::cost) != Some(cost) {
                burn(cost, password);
            }
        }
        None
    }

    /// Who has this name, and shows a certificate that was said to be theirs.
    pub(super) fn find_by_certificate(
        &self,
        username: &str,
        certificate: &VerifiedCertificate,
    ) -> Option<Login> {
        let own = self.table.read().get(username).map(Arc::clone);
        let own = own.filter(|own| own.owner.has(certificate))?;
        let user = self.user_of(username)?;
        let shadow = shadow_of(username);
        self.let_in(username, &user, &shadow, false, Some(&own))
    }

    /// Who somebody is who logs in by this name; `None` also where that cannot be found out, which is
    /// logged: to a client it is as any other refusal.
    fn user_of(&self, username: &str) -> Option<SystemUser> {
        self.everybody
            .system_user(username)
            .unwrap_or_else(|error| {
                log::error!("user {username:?} is not let in: {error}");
                None
            })
    }

    /// The login of somebody who has shown to be this user, unless the account says no. `of_system`
    /// says that the password was the system's.
    pub(super) fn let_in(
        &self,
        username: &str,
        user: &SystemUser,
        shadow: &io::Result<Option<ShadowEntry>>,
        of_system: bool,
        own: Option<&Entry>,
    ) -> Option<Login> {
        // Where nothing could be found out, which the log has, the account may have expired.
        let shadow = shadow.as_ref().ok()?;
        match self.objection(username, user, shadow.as_ref(), of_system) {
            None => self.login(username, user, own),
            Some(objection) => {
                log::warn!("user {username:?} is not let in: {objection}");
                None
            }
        }
    }

    /// Why a user with the right password may not log in.
    pub(super) fn objection(
        &self,
        username: &str,
        user: &SystemUser,
        shadow: Option<&ShadowEntry>,
        of_system: bool,
    ) -> Option<&'static str> {
        let today = expiry::today();
        if username == ANONYMOUS {
            return Some("anonymous access is not enabled");
        }
        if !self.everybody.may_log_in(username) || self.everybody.rejects(user) {
            return Some("not an allowed user");
        }
        if let Some(shadow) = shadow {
            if hashes::is_locked(&shadow.hash) {
                return Some("the account is locked");
            }
            if expiry::account_has_expired(shadow.expires, today) {
                return Some("the account has expired");
            }
            let (changed, most_days) = (shadow.changed, shadow.most_days);
            if expiry::account_is_inactive(changed, most_days, shadow.inactive_days, today) {
                return Some("the account has expired with its password");
            }
            if of_system && expiry::password_has_expired(changed, most_days, today) {
                return Some("the password has to be changed");
            }
        }
        if self.everybody.require_valid_shell && !shells::is_valid(user.shell()) {
            return Some("the shell is not in /etc/shells");
        }
        None
    }

    /// What the server is told of a user who is let in.
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
        let about = own.map(|own| own.about.clone()).unwrap_or_default();
        let home = own.and_then(|own| own.home.clone());
        // Not looked at here: a dead disk would hold up the logins of all.
        let mut login = Login::new(username, home.unwrap_or_else(|| user.home().to_owned()));
        login.msg_login = about
            .msg_login
            .unwrap_or_else(|| self.everybody.msg_login.clone());
        login.msg_quit = about
            .msg_quit
            .unwrap_or_else(|| self.everybody.msg_quit.clone());
        login.read_limit = about.read_limit;
        login.write_limit = about.write_limit;
        login.encoding = about.encoding;
        login.credentials = Some(credentials);
        Some(login)
    }
}

/// What the shadow database says; an error is logged, whoever asks, and whatever the client has shown.
fn shadow_of(username: &str) -> io::Result<Option<ShadowEntry>> {
    ShadowEntry::find(username).inspect_err(|error| {
        log::error!("user {username:?} is not let in: shadow database: {error}");
    })
}

/// Whether the hash is checked at all; who cannot log in for it is logged, since nobody will find out
/// whether the password was right.
fn is_affordable(username: &str, hash: &str) -> bool {
    let affordable = hashes::is_affordable(hash);
    if !affordable {
        let why = hashes::UNAFFORDABLE;
        log::error!("user {username:?} is not let in by password: {why}");
    }
    affordable
}
