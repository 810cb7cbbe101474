//! Names of users and groups.

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::ptr;

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

/// Repeats `lookup` with more room for as long as it answers `ERANGE`.
fn with_room(
    mut lookup: impl FnMut(&mut [c_char]) -> Result<String, libc::c_int>,
) -> Option<String> {
    let mut room = vec![0; 1024];
    loop {
        match lookup(&mut room) {
            Ok(name) => return Some(name),
            // A group with many thousand members needs this.
            Err(libc::ERANGE) if room.len() < MOST_ROOM => room.resize(room.len() * 4, 0),
            Err(_) => return None,
        }
    }
}

const MOST_ROOM: usize = 4 * 1024 * 1024;

/// # Safety
///
/// `name` points to a NUL-terminated string that stays as it is for the call.
unsafe fn owned(name: *const c_char) -> String {
    // SAFETY: the caller promises what `from_ptr` asks for.
    unsafe { CStr::from_ptr(name) }
        .to_string_lossy()
        .into_owned()
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
    fn the_first_group_has_one() {
        assert!(group_name(0).is_some());
    }
}
