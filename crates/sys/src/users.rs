//! Names and IDs of users and groups.

use std::ffi::{CStr, OsStr, c_char};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;

use crate::call::with_c_str;

/// Returns the name of the user with this ID; `None` if there is none.
///
/// May wait for a directory service.
///
/// # Errors
///
/// The error of the lookup: it is then unknown whether the user exists.
///
/// # Examples
///
/// ```
/// assert_eq!(ftpdlib_sys::user_name(0)?.as_deref(), Some("root"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn user_name(uid: u32) -> io::Result<Option<String>> {
    let ask = |entry: *mut libc::passwd, start, length, found| {
        // SAFETY: `look_up` passes what this call requires.
        Ok(unsafe { libc::getpwuid_r(uid, entry, start, length, found) })
    };
    // SAFETY: `ask` does what `look_up` requires. The name is one of the strings that it fills in.
    unsafe { look_up(ask, |entry| owned(entry.pw_name)) }
}

/// Returns the name of the group with this ID; `None` if there is none.
///
/// May wait for a directory service.
///
/// # Errors
///
/// As for [`user_name`].
pub fn group_name(gid: u32) -> io::Result<Option<String>> {
    let ask = |entry: *mut libc::group, start, length, found| {
        // SAFETY: `look_up` passes what this call requires.
        Ok(unsafe { libc::getgrgid_r(gid, entry, start, length, found) })
    };
    // SAFETY: `ask` does what `look_up` requires. The name is one of the strings that it fills in.
    unsafe { look_up(ask, |entry| owned(entry.gr_name)) }
}

/// A user's entry in the user database.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct UserRecord {
    /// The name as spelled in the database; the lookup may have used another spelling.
    pub name: String,
    /// The user ID.
    pub uid: u32,
    /// The ID of the user's primary group.
    pub gid: u32,
    /// The home directory.
    pub home: PathBuf,
    /// The login shell; empty means `/bin/sh`.
    pub shell: PathBuf,
}

impl UserRecord {
    /// Looks up the user with this name, which is never read as an ID; `None` if there is none.
    ///
    /// May wait for a directory service.
    ///
    /// # Errors
    ///
    /// The error of the lookup: it is then unknown whether the user exists.
    ///
    /// # Examples
    ///
    /// ```
    /// use ftpdlib_sys::UserRecord;
    ///
    /// assert_eq!(UserRecord::find("root")?.map(|root| root.uid), Some(0));
    /// assert_eq!(UserRecord::find("0")?, None);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn find(name: &str) -> io::Result<Option<Self>> {
        let ask = |entry: *mut libc::passwd, start, length, found| {
            with_c_str(name.as_bytes(), |name| {
                // SAFETY: `name` ends with a NUL and is borrowed for the call; the rest is what
                // `look_up` passes.
                Ok(unsafe { libc::getpwnam_r(name.as_ptr(), entry, start, length, found) })
            })
        };
        let keep = |entry: &libc::passwd| Self {
            // SAFETY: the fields that are pointers point to strings, as `look_up` promises.
            name: unsafe { owned(entry.pw_name) },
            uid: entry.pw_uid,
            gid: entry.pw_gid,
            // SAFETY: as above.
            home: unsafe { path(entry.pw_dir) },
            // SAFETY: as above.
            shell: unsafe { path(entry.pw_shell) },
        };
        // SAFETY: `ask` does what `look_up` requires.
        unsafe { look_up(ask, keep) }
    }
}

/// A user to become.
#[cfg(target_os = "linux")]
pub(crate) struct UserEntry {
    pub(crate) uid: u32,
    /// The user's primary group.
    pub(crate) gid: u32,
    /// `None` for a number that is not in the database.
    pub(crate) name: Option<String>,
}

/// Looks up the user with this name or number. A number that is not in the database stands for
/// itself, with the group of the same number.
#[cfg(target_os = "linux")]
pub(crate) fn find_user(name: &str) -> io::Result<Option<UserEntry>> {
    let number = name.parse().ok();
    let name = match number {
        None => name.to_owned(),
        Some(uid) => match user_name(uid)? {
            Some(name) => name,
            None => {
                return Ok(Some(UserEntry {
                    uid,
                    gid: uid,
                    name: None,
                }));
            }
        },
    };
    let found = UserRecord::find(&name)?;
    Ok(found.map(|UserRecord { uid, gid, .. }| UserEntry {
        uid,
        gid,
        name: Some(name),
    }))
}

/// Looks up the group with this name or number; a number stands for itself.
#[cfg(target_os = "linux")]
pub(crate) fn find_group(name: &str) -> io::Result<Option<u32>> {
    if let Ok(gid) = name.parse() {
        return Ok(Some(gid));
    }
    let ask = |entry: *mut libc::group, start, length, found| {
        with_c_str(name.as_bytes(), |name| {
            // SAFETY: `name` ends with a NUL and is borrowed for the call; the rest is what
            // `look_up` passes.
            Ok(unsafe { libc::getgrnam_r(name.as_ptr(), entry, start, length, found) })
        })
    };
    // SAFETY: `ask` does what `look_up` requires.
    unsafe { look_up(ask, |entry| entry.gr_gid) }
}

/// Returns the groups that a user is a member of, including `gid`.
///
/// An error must not be taken for an empty list: groups may also take rights away, by a mode such
/// as `0604`.
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
            // The call has set how many groups there are.
            Ok(_) if wanted > groups.len() => groups.resize(wanted, gid),
            Ok(_) => {
                let problem = format!("the groups of user {user:?} cannot be found out");
                return Err(io::Error::other(problem));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Returns what `keep` takes from the entry that `ask` finds in a database; `None` if there is no
/// entry, or if the name has a NUL byte. Enlarges the buffer as long as `ask` returns `ERANGE`.
///
/// `ask` is passed a writable place for an entry, the start and the length of a writable buffer,
/// and a writable place for a pointer, initially null; all of them are exclusively its own during
/// the call.
///
/// # Safety
///
/// If `ask` sets the pointer to anything but null, it has filled in the entry, whose pointers point
/// to NUL-terminated strings inside the buffer, as `getpwnam_r` and similar functions do. The
/// result of `keep` does not refer to these strings.
pub(crate) unsafe fn look_up<E, T>(
    ask: impl Fn(*mut E, *mut c_char, libc::size_t, *mut *mut E) -> io::Result<libc::c_int>,
    keep: impl FnOnce(&E) -> T,
) -> io::Result<Option<T>> {
    let mut room = vec![0; 1024];
    loop {
        let mut entry = MaybeUninit::uninit();
        let mut found = ptr::null_mut();
        let code = match ask(
            entry.as_mut_ptr(),
            room.as_mut_ptr(),
            room.len(),
            &raw mut found,
        ) {
            Ok(code) => code,
            // No entry has a NUL byte in its name.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(None),
            Err(error) => return Err(error),
        };
        if !found.is_null() {
            // SAFETY: an entry was found, so the caller promises that all of it is filled in. The
            // strings in the buffer live until this returns.
            return Ok(Some(keep(unsafe { entry.assume_init_ref() })));
        }
        match code {
            // A group with many thousands of members needs this.
            libc::ERANGE if room.len() < MOST_ROOM => room.resize(room.len() * 4, 0),
            // There is no such entry, or no such database.
            0 | libc::ENOENT | libc::ESRCH => return Ok(None),
            code => return Err(io::Error::from_raw_os_error(code)),
        }
    }
}

const MOST_ROOM: usize = 4 * 1024 * 1024;

/// # Safety
///
/// `name` must point to a NUL-terminated string that does not change during the call.
pub(crate) unsafe fn owned(name: *const c_char) -> String {
    // SAFETY: the caller promises what `from_ptr` requires.
    unsafe { CStr::from_ptr(name) }
        .to_string_lossy()
        .into_owned()
}

/// # Safety
///
/// As for [`owned`].
unsafe fn path(text: *const c_char) -> PathBuf {
    // SAFETY: the caller promises what `from_ptr` requires.
    let bytes = unsafe { CStr::from_ptr(text) }.to_bytes();
    OsStr::from_bytes(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_ids_have_no_name() {
        assert_eq!(user_name(4_000_000_123).unwrap(), None);
        assert_eq!(group_name(4_000_000_123).unwrap(), None);
    }

    #[test]
    fn users_are_found_by_name_only() {
        let root = UserRecord::find("root").unwrap().unwrap();
        assert_eq!((root.name.as_str(), root.uid), ("root", 0));
        assert!(root.home.is_absolute());
        for name in ["", "0", "no\0body", "root\n", "nosuchuser-x"] {
            assert_eq!(UserRecord::find(name).unwrap(), None, "{name:?}");
        }
    }

    #[test]
    fn the_first_group_has_one() {
        assert!(group_name(0).unwrap().is_some());
    }
}
