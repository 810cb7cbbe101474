//! Permissions as arguments.

use ftpdlib_proto::{Perms, PermsError};

/// Permissions, as a value or as pyftpdlib's letters, which [`User::perm`](crate::User::perm)
/// lists.
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
    /// A letter stands for no permission.
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
