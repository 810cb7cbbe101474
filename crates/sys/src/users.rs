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
        // SAFETY: what `look_up` gives is what this asks for.
        Ok(unsafe { libc::getpwuid_r(uid, entry, start, length, found) })
    };
    // SAFETY: `ask` is a function of the kind meant. The name is one of the strings it promises.
    unsafe { look_up(ask, |entry| owned(entry.pw_name)) }
}

/// Returns the name of the group with this ID; `None` if there is none.
///
/// May wait for a directory service.
///
/// # Errors
///
/// As of [`user_name`].
pub fn group_name(gid: u32) -> io::Result<Option<String>> {
    let ask = |entry: *mut libc::group, start, length, found| {
        // SAFETY: what `look_up` gives is what this asks for.
        Ok(unsafe { libc::getgrgid_r(gid, entry, start, length, found) })
    };
    // SAFETY: `ask` is a function of the kind meant. The name is one of the strings it promises.
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
    /// Looks up the user with this name, which is never taken as an ID; `None` if there is none.
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
                // `look_up` gives.
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
        // SAFETY: `ask` is a function of the kind meant.
        unsafe { look_up(ask, keep) }
    }
}

/// A user to become.
#[cfg(target_os = "linux")]
pub(crate) struct UserEntry {
    pub(crate) uid: u32,
    /// The group that is the user's own.
    pub(crate) gid: u32,
    /// `None` for a number that the database does not have.
    pub(crate) name: Option<String>,
}

/// The user of this name or number. A number that the database does not have stands for itself,
/// with the group of the same number.
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

/// The group of this name or number; a number stands for itself.
#[cfg(target_os = "linux")]
pub(crate) fn find_group(name: &str) -> io::Result<Option<u32>> {
    if let Ok(gid) = name.parse() {
        return Ok(Some(gid));
    }
    let ask = |entry: *mut libc::group, start, length, found| {
        with_c_str(name.as_bytes(), |name| {
            // SAFETY: `name` ends with a NUL and is borrowed for the call; the rest is what
            // `look_up` gives.
            Ok(unsafe { libc::getgrnam_r(name.as_ptr(), entry, start, length, found) })
        })
    };
    // SAFETY: `ask` is a function of the kind meant.
    unsafe { look_up(ask, |entry| entry.gr_gid) }
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

/// What `keep` takes of the entry that `ask` finds in a database, in ever more room for as long as
/// it answers `ERANGE`; `None` if there is none, as for a name that `ask` cannot even give to the
/// system.
///
/// `ask` gets a writable place for an entry, the start and the length of a writable room, and a
/// writable place for a pointer, which is null; they are its own for the call.
///
/// # Safety
///
/// Where `ask` leaves a pointer there that is not null, it has filled in the entry, whose pointers
/// point to NUL-terminated strings inside the room, as `getpwnam_r` and its kin do. What `keep`
/// gives does not refer to them.
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
            // SAFETY: something was found, so the caller promises that all of it is filled in. The
            // strings of the room live until this returns.
            return Ok(Some(keep(unsafe { entry.assume_init_ref() })));
        }
        match code {
            // A group with many thousand members needs this.
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
