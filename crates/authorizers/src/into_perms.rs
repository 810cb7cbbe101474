//! Permissions as arguments.

use ftpdlib_proto::{Perms, PermsError};

/// Permissions, or pyftpdlib's letters of them, as [`User::perm`](crate::User::perm) lists them.
///
/// # Examples
///
/// ```
/// use ftpdlib_authorizers::User;
/// use ftpdlib_proto::Perms;
///
/// let by_letters = User::new("user", "12345", "/home/user").perm("elr");
/// let by_value = User::new("user", "12345", "/home/user").perm(Perms::READ_ONLY);
/// # let _ = (by_letters, by_value);
/// ```
pub trait IntoPerms {
    /// The permissions.
    ///
    /// # Errors
    ///
    /// There is a letter that stands for none.
    fn into_perms(self) -> Result<Perms, PermsError>;
}

impl IntoPerms for Perms {
    fn into_perms(self) -> Result<Perms, PermsError> {
        Ok(self)
    }
}

impl IntoPerms for &str {
    fn into_perms(self) -> Result<Perms, PermsError> {
        self.parse()
    }
}

impl IntoPerms for &String {
    fn into_perms(self) -> Result<Perms, PermsError> {
        self.parse()
    }
}

impl IntoPerms for String {
    fn into_perms(self) -> Result<Perms, PermsError> {
        self.parse()
    }
}
