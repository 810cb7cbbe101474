//! The shadow file: password hashes, and expiry of passwords and accounts.

use std::fmt;

/// A user's entry in the shadow database. Times are days since 1970; `None` means not set.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct ShadowEntry {
    /// The password hash in the form of `crypt`, or a string that no password hashes to.
    pub hash: String,
    /// When the password was changed; 0 if it must be changed at the next login.
    pub changed: Option<i64>,
    /// How many days after that the password must be changed again.
    pub most_days: Option<i64>,
    /// How many days after that the account expires unless the password was changed.
    pub inactive_days: Option<i64>,
    /// When the account expires.
    pub expires: Option<i64>,
}

/// Omits the hash, so that no log can hold it.
impl fmt::Debug for ShadowEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShadowEntry")
            .field("changed", &self.changed)
            .field("most_days", &self.most_days)
            .field("inactive_days", &self.inactive_days)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
