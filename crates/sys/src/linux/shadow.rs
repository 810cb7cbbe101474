//! Looking up users in the shadow database.

use std::io;

use crate::call::with_c_str;
use crate::shadow::ShadowEntry;
use crate::users::{look_up, owned};

impl ShadowEntry {
    /// Looks up the user with this name; `None` if the database has none.
    ///
    /// May wait for a directory service.
    ///
    /// # Errors
    ///
    /// The error of the lookup; `PermissionDenied` unless the process runs as root. After an error
    /// nothing is known about the user: the account may have expired.
    pub fn find(name: &str) -> io::Result<Option<Self>> {
        let ask = |entry: *mut libc::spwd, start, length, found| {
            with_c_str(name.as_bytes(), |name| {
                // SAFETY: `name` ends with a NUL and is borrowed for the call; the rest is what
                // `look_up` passes.
                Ok(unsafe { libc::getspnam_r(name.as_ptr(), entry, start, length, found) })
            })
        };
        let keep = |entry: &libc::spwd| Self {
            // SAFETY: the field points to a string, as `look_up` promises.
            hash: unsafe { owned(entry.sp_pwdp) },
            changed: day(entry.sp_lstchg),
            most_days: day(entry.sp_max),
            inactive_days: day(entry.sp_inact),
            expires: day(entry.sp_expire),
        };
        // SAFETY: `ask` does what `look_up` requires.
        unsafe { look_up(ask, keep) }
    }
}

/// Returns the value of a field; an empty field is -1.
fn day(field: libc::c_long) -> Option<i64> {
    #[cfg_attr(
        target_pointer_width = "64",
        expect(clippy::useless_conversion, reason = "the field has 32 bits elsewhere")
    )]
    let day = i64::from(field);
    (day >= 0).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A failed lookup was taken for a missing entry, which says nothing against the user.
    #[test]
    fn who_may_not_read_the_database_is_told_so() {
        let found = ShadowEntry::find("root");
        match std::fs::File::open("/etc/shadow") {
            Ok(_) => assert!(found.is_ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => assert_eq!(found.unwrap_err().kind(), io::ErrorKind::PermissionDenied),
        }
    }

    #[test]
    fn nobody_is_found_by_a_name_that_there_is_not() {
        if std::fs::File::open("/etc/shadow").is_err() {
            eprintln!("skipped: the shadow file cannot be read");
            return;
        }
        for name in ["", "nosuchuser-x", "no\0body"] {
            assert_eq!(ShadowEntry::find(name).unwrap(), None, "{name:?}");
        }
    }
}
