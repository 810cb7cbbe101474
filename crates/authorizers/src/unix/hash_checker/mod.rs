//! Checks passwords against hashes of the shadow file, at a bounded cost.

use std::collections::BTreeSet;
use std::fs;
use std::hint::black_box;
use std::io;

use ftpdlib_sys::{ShadowEntry, crypt, crypt_setting};

use crate::hash_permit::HashPermit;
use crate::locked::Locked;
use crate::password::{Given, equal_in_constant_time};

/// The file with the local users' hashes.
const SHADOW: &str = "/etc/shadow";

/// The most methods for which every refusal computes a hash. Most systems use one method, or two
/// for a while after a change.
const MAX_METHODS: usize = 8;

/// A hash method that every library supports.
const FALLBACK_METHOD: &str = "$6$";

/// A salt for hashes that are computed only for the time they take. It is long enough for every
/// method, and in letters that all methods accept; the last letter uses no more bits than are left
/// for it.
const DUMMY_SALT: &str = "abcdefghijklmnopqrstu.";

/// Checks passwords with the system's library, so that every refusal takes the same time.
pub(super) struct HashChecker {
    /// A crypt setting for each method and cost in use, with a dummy salt.
    settings: Locked<BTreeSet<String>>,
}

impl HashChecker {
    /// Finds out which methods are in use, by the local users and by the users with these `names`.
    ///
    /// # Errors
    ///
    /// The library is missing or cannot be used.
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a String>) -> io::Result<Self> {
        // Child processes that check passwords may be forked from here on.
        HashPermit::share();
        // Fails if the library is missing.
        crypt("", FALLBACK_METHOD)?;
        let shadow = fs::read(SHADOW).unwrap_or_else(|error| {
            // Users may come from a directory service.
            if error.kind() != io::ErrorKind::NotFound {
                log::warn!("{SHADOW}: {error}: a client may tell by the time who is a user");
            }
            Vec::new()
        });
        let hashes = Self {
            settings: Locked::new(settings_of(&shadow)),
        };
        // Otherwise, each method would be added only at its first login, and only for one process
        // where each client has a process of its own.
        for name in names {
            if let Ok(Some(shadow)) = ShadowEntry::find(name) {
                hashes.add_method(&shadow.hash);
            }
        }
        if hashes.settings.read().is_empty() {
            let default =
                crypt_setting()?.and_then(|setting| with_dummy_salt(&format!("{setting}$")));
            let default = default.unwrap_or_else(|| format!("{FALLBACK_METHOD}{DUMMY_SALT}$"));
            hashes.settings.write().insert(default);
        }
        Ok(hashes)
    }

    /// Whether `hash` is the hash of the given password.
    pub(super) fn matches(&self, hash: &str, given: Given<'_>) -> bool {
        self.add_method(hash);
        hashed(given, hash)
            .is_some_and(|hashed| equal_in_constant_time(hash.as_bytes(), hashed.as_bytes()))
    }

    /// Does the work of checking a hash of each method in use, except the method of `done`.
    pub(super) fn simulate_checks(&self, given: Given<'_>, done: Option<&str>) {
        let done = done.and_then(with_dummy_salt);
        // Cloned, so that no lock is held while hashing.
        let settings = self.settings.read().clone();
        for setting in settings {
            if Some(&setting) != done.as_ref() {
                black_box(hashed(given, &setting));
            }
        }
    }

    /// Adds the method of a hash to those in use.
    fn add_method(&self, hash: &str) {
        let Some(setting) = with_dummy_salt(hash).filter(|setting| is_affordable(setting)) else {
            return;
        };
        let known = self.settings.read();
        if known.len() >= MAX_METHODS || known.contains(&setting) {
            return;
        }
        drop(known);
        self.settings.write().insert(setting);
    }
}

/// Whether a password can match `hash`. None can if the account is locked or has no password.
pub(super) fn is_usable(hash: &str) -> bool {
    !hash.is_empty() && !hash.starts_with(['!', '*'])
}

/// Whether the account is locked, as by `usermod -L`: there is a `!` before the hash. A `!` by
/// itself, like `*`, means that there is no password, which does not rule out other ways to log in.
pub(super) fn is_locked(hash: &str) -> bool {
    let locked = hash.trim_start_matches('!');
    locked.len() < hash.len() && !locked.is_empty()
}

fn hashed(given: Given<'_>, setting: &str) -> Option<String> {
    let _permit = HashPermit::acquire(given.client);
    crypt(given.password, setting).unwrap_or_else(|error| {
        log::error!("{error}");
        None
    })
}

/// The settings of all hashes in a shadow file, which need not be UTF-8.
fn settings_of(shadow: &[u8]) -> BTreeSet<String> {
    let shadow = String::from_utf8_lossy(shadow);
    let mut settings = BTreeSet::new();
    for line in shadow.lines() {
        let mut fields = line.split(':');
        let (Some(user), Some(hash)) = (fields.next(), fields.next()) else {
            continue;
        };
        let Some(setting) = with_dummy_salt(hash) else {
            continue;
        };
        if !is_affordable(&setting) {
            log::warn!("user {user:?} cannot log in by password: {UNAFFORDABLE}");
        } else if settings.len() < MAX_METHODS {
            settings.insert(setting);
        }
    }
    settings
}

/// Logged for a hash that is not affordable.
pub(super) const UNAFFORDABLE: &str = "its hash takes too long to check";

/// Whether a check takes a few seconds at most. If it took longer, a few clients that know the name
/// of one user could keep all others waiting for their logins, and every refusal would have to take
/// as long. The parameters decide this, not a measurement, which would be too high under load and
/// would not end for an enormous cost.
pub(super) fn is_affordable(hash: &str) -> bool {
    /// The most rounds, for methods that count rounds.
    const ROUNDS: u64 = 2_000_000;
    /// The highest cost of bcrypt, as a power of two.
    const BCRYPT: u64 = 14;
    /// The highest memory cost of scrypt and its successors, as a power of two.
    const SCRYPT: usize = 16;
    let mut fields = hash.split('$').skip(1);
    let (Some(method), Some(cost)) = (fields.next(), fields.next()) else {
        // The traditional methods cannot cost much.
        return true;
    };
    let at_most = |most: u64, number: &str| number.parse().is_ok_and(|cost: u64| cost <= most);
    // The exponent is encoded as a letter, and does not include the block size.
    let doublings = |letter: Option<&u8>, first: usize| {
        let digits = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let found = letter.and_then(|letter| digits.iter().position(|digit| digit == letter));
        found.is_some_and(|number| number + first <= SCRYPT)
    };
    match method {
        _ if method.starts_with('2') => at_most(BCRYPT, cost),
        "sha1" => at_most(ROUNDS, cost),
        // The usual block size, without parallelism.
        "7" => doublings(cost.as_bytes().first(), 0) && cost.get(2..11) == Some("..../...."),
        // The first letter is the flavour, the third the block size. Further letters would set
        // parallelism or passes.
        "y" | "gy" => doublings(cost.as_bytes().get(1), 1) && cost.len() == 3,
        _ => {
            let counted = method.split_once("rounds=").map(|(_, rounds)| rounds);
            let rounds = counted.or_else(|| cost.strip_prefix("rounds="));
            rounds.is_none_or(|rounds| at_most(ROUNDS, rounds))
        }
    }
}

/// Returns the method and cost of `hash` with the dummy salt; `None` if it is not a hash
/// (crypt(5)).
fn with_dummy_salt(hash: &str) -> Option<String> {
    if !is_usable(hash) || !hash.is_ascii() {
        return None;
    }
    let Some(fields) = hash.strip_prefix('$') else {
        // Of the two traditional methods, one has its cost in four letters, and the other a fixed
        // cost.
        return match hash.strip_prefix('_') {
            Some(rest) => Some(format!("_{}{}", rest.get(..4)?, &DUMMY_SALT[..4])),
            None => (hash.len() == 13).then(|| DUMMY_SALT[..2].to_owned()),
        };
    };
    let (method, rest) = fields.split_once('$')?;
    if method.starts_with('2') {
        // bcrypt: the salt has a fixed length, with the hash right after it.
        let (cost, _) = rest.split_once('$')?;
        return Some(format!("${method}${cost}${DUMMY_SALT}"));
    }
    if method == "7" {
        // scrypt: the cost is 11 letters, and the salt follows.
        return Some(format!("$7${}{DUMMY_SALT}$", rest.get(..11)?));
    }
    // The other methods end in the salt and the hash; one of them has two `$` in between.
    let (rest, _) = fields.rsplit_once('$')?;
    let shorter = rest.strip_suffix('$');
    let rest = shorter.filter(|rest| rest.contains('$')).unwrap_or(rest);
    let (cost, _) = rest.rsplit_once('$')?;
    Some(format!("${cost}${DUMMY_SALT}$"))
}

#[cfg(test)]
mod tests;
