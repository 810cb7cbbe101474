//! Names and numbers of users and groups.

use std::ffi::{CStr, OsStr, c_char};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;

use crate::call::with_c_str;

/// Name of the user with this id; `None` if there is none or the lookup failed.
///
/// May wait for a directory service.
///
/// # Examples
///
/// ```
/// assert_eq!(ftpdlib_sys::user_name(0).as_deref(), Some("root"));
/// ```
pub fn user_name(uid: u32) -> Option<String> {
    with_room(|room| {
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut found = ptr::null_mut();
        let (start, length) = (room.as_mut_ptr(), room.len());
        // SAFETY: `entry` and `found` are writable and owned by this frame; `start` points to
        // `length` writable bytes of `room`, which is borrowed for the call.
        let code =
            unsafe { libc::getpwuid_r(uid, entry.as_mut_ptr(), start, length, &raw mut found) };
        if found.is_null() {
            return Err(code);
        }
        // SAFETY: the call found something, so it has filled in all of `entry`.
        let name = unsafe { entry.assume_init() }.pw_name;
        // SAFETY: `name` points to a NUL-terminated string inside `room`, which is still borrowed.
        Ok(unsafe { owned(name) })
    })
}

/// Name of the group with this id; `None` if there is none or the lookup failed.
///
/// May wait for a directory service.
pub fn group_name(gid: u32) -> Option<String> {
    with_room(|room| {
        let mut entry = MaybeUninit::<libc::group>::uninit();
        let mut found = ptr::null_mut();
        let (start, length) = (room.as_mut_ptr(), room.len());
        // SAFETY: `entry` and `found` are writable and owned by this frame; `start` points to
        // `length` writable bytes of `room`, which is borrowed for the call.
        let code =
            unsafe { libc::getgrgid_r(gid, entry.as_mut_ptr(), start, length, &raw mut found) };
        if found.is_null() {
            return Err(code);
        }
        // SAFETY: the call found something, so it has filled in all of `entry`.
        let name = unsafe { entry.assume_init() }.gr_name;
        // SAFETY: `name` points to a NUL-terminated string inside `room`, which is still borrowed.
        Ok(unsafe { owned(name) })
    })
}

/// What the user database says of a user of the system.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct UserRecord {
    /// The name, as the database spells it: it may have been found by another spelling.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    /// The number of the group that is the user's own.
    pub gid: u32,
    /// The home directory.
    pub home: PathBuf,
    /// The program that is started at a login; empty for `/bin/sh`.
    pub shell: PathBuf,
}

impl UserRecord {
    /// Looks up the user of this name, which is never taken for a number; `None` if there is none or
    /// the lookup failed.
    ///
    /// May wait for a directory service.
    ///
    /// # Examples
    ///
    /// ```
    /// use ftpdlib_sys::UserRecord;
    ///
    /// assert_eq!(UserRecord::find("root").map(|root| root.uid), Some(0));
    /// assert_eq!(UserRecord::find("0"), None);
    /// ```
    pub fn find(name: &str) -> Option<Self> {
        with_room(|room| {
            let mut entry = MaybeUninit::<libc::passwd>::uninit();
            let mut found = ptr::null_mut();
            let (start, length) = (room.as_mut_ptr(), room.len());
            let code = with_c_str(name.as_bytes(), |name| {
                let (name, entry) = (name.as_ptr(), entry.as_mut_ptr());
                // SAFETY: `name` ends with a NUL and is borrowed for the call; `entry` and `found`
                // are writable and owned by this frame; `start` points to `length` writable bytes
                // of `room`, which is borrowed too.
                Ok(unsafe { libc::getpwnam_r(name, entry, start, length, &raw mut found) })
            });
            if found.is_null() {
                return Err(code.unwrap_or(0));
            }
            // SAFETY: the call found something, so it has filled in all of `entry`.
            let entry = unsafe { entry.assume_init() };
            Ok(Self {
                // SAFETY: the fields that are pointers point to NUL-terminated strings inside
                // `room`, which is still borrowed.
                name: unsafe { owned(entry.pw_name) },
                uid: entry.pw_uid,
                gid: entry.pw_gid,
                // SAFETY: as above.
                home: unsafe { path(entry.pw_dir) },
                // SAFETY: as above.
                shell: unsafe { path(entry.pw_shell) },
            })
        })
    }
}

/// A user to become.
pub(crate) struct UserEntry {
    pub(crate) uid: u32,
    /// The group that is the user's own.
    pub(crate) gid: u32,
    /// `None` for a number that the database does not have.
    pub(crate) name: Option<String>,
}

/// The user of this name or number. A number that the database does not have stands for itself,
/// with the group of the same number.
pub(crate) fn find_user(name: &str) -> Option<UserEntry> {
    let number = name.parse().ok();
    let name = match number {
        None => name.to_owned(),
        Some(uid) => match user_name(uid) {
            Some(name) => name,
            None => {
                return Some(UserEntry {
                    uid,
                    gid: uid,
                    name: None,
                });
            }
        },
    };
    let UserRecord { uid, gid, .. } = UserRecord::find(&name)?;
    Some(UserEntry {
        uid,
        gid,
        name: Some(name),
    })
}

/// The group of this name or number; a number stands for itself.
pub(crate) fn find_group(name: &str) -> Option<u32> {
    if let Ok(gid) = name.parse() {
        return Some(gid);
    }
    with_room(|room| {
        let mut entry = MaybeUninit::<libc::group>::uninit();
        let mut found = ptr::null_mut();
        let (start, length) = (room.as_mut_ptr(), room.len());
        let code = with_c_str(name.as_bytes(), |name| {
            let (name, entry) = (name.as_ptr(), entry.as_mut_ptr());
            // SAFETY: `name` ends with a NUL and is borrowed for the call; `entry` and `found` are
            // writable and owned by this frame; `start` points to `length` writable bytes of
            // `room`, which is borrowed too.
            Ok(unsafe { libc::getgrnam_r(name, entry, start, length, &raw mut found) })
        });
        if found.is_null() {
            return Err(code.unwrap_or(0));
        }
        // SAFETY: the call found something, so it has filled in all of `entry`.
        Ok(unsafe { entry.assume_init() }.gr_gid)
    })
}

/// The groups that a user is a member of, `gid` among them.
///
/// An error is no list: groups may also take rights away, by a mode such as `0604`.
#[cfg(target_os = "linux")]
pub(crate) fn groups_of(user: &str, gid: u32) -> io::Result<Vec<u32>> {
    let mut groups = vec![gid; 64];
    loop {
        let mut count = i32::try_from(groups.len()).unwrap_or(i32::MAX);
        let listed = with_c_str(user.as_bytes(), |user| {
            let (user, start) = (user.as_ptr(), groups.as_mut_ptr());
            // SAFETY: `user` ends with a NUL and is borrowed for the call; `start` points to
            // `count` writable entries of `groups`.
            Ok(unsafe { libc::getgrouplist(user, gid, start, &raw mut count) })
        });
        let wanted = usize::try_from(count).unwrap_or(0);
        match listed {
            Ok(listed) if listed >= 0 => {
                groups.truncate(wanted);
                return Ok(groups);
            }
            // It says how many there are.
            Ok(_) if wanted > groups.len() => groups.resize(wanted, gid),
            Ok(_) => {
                let problem = format!("the groups of user {user:?} cannot be found out");
                return Err(io::Error::other(problem));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Repeats `lookup` with more room for as long as it answers `ERANGE`; `None` whatever else it
/// answers.
fn with_room<T>(lookup: impl FnMut(&mut [c_char]) -> Result<T, libc::c_int>) -> Option<T> {
    in_room(lookup).ok()
}

/// The same, with the number of the error; 0 if there was nothing to find.
pub(crate) fn in_room<T>(
    mut lookup: impl FnMut(&mut [c_char]) -> Result<T, libc::c_int>,
) -> Result<T, libc::c_int> {
    let mut room = vec![0; 1024];
    loop {
        match lookup(&mut room) {
            Ok(found) => return Ok(found),
            // A group with many thousand members needs this.
            Err(libc::ERANGE) if room.len() < MOST_ROOM => room.resize(room.len() * 4, 0),
            Err(code) => return Err(code),
        }
    }
}

const MOST_ROOM: usize = 4 * 1024 * 1024;

/// # Safety
///
/// `name` points to a NUL-terminated string that stays as it is for the call.
pub(crate) unsafe fn owned(name: *const c_char) -> String {
    // SAFETY: the caller promises what `from_ptr` asks for.
    unsafe { CStr::from_ptr(name) }
        .to_string_lossy()
        .into_owned()
}

/// # Safety
///
/// As for [`owned`].
unsafe fn path(text: *const c_char) -> PathBuf {
    // SAFETY: the caller promises what `from_ptr` asks for.
    let bytes = unsafe { CStr::from_ptr(text) }.to_bytes();
    OsStr::from_bytes(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_ids_have_no_name() {
        assert_eq!(user_name(4_000_000_123), None);
        assert_eq!(group_name(4_000_000_123), None);
    }

    #[test]
    fn users_are_found_by_name_only() {
        let root = UserRecord::find("root").unwrap();
        assert_eq!((root.name.as_str(), root.uid), ("root", 0));
        assert!(root.home.is_absolute());
        for name in ["", "0", "no\0body", "root\n", "nosuchuser-x"] {
            assert_eq!(UserRecord::find(name), None, "{name:?}");
        }
    }

    #[test]
    fn the_first_group_has_one() {
        assert!(group_name(0).is_some());
    }
}
