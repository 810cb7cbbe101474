//! Operations on one name in an open directory. None of them follows a link in that name.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::call::{check, with_c_str};

/// Creates the directory `name` in `dir`, with `mode` less the umask.
///
/// # Errors
///
/// The error of `mkdirat`.
pub fn make_dir_at(dir: BorrowedFd<'_>, name: &[u8], mode: u32) -> io::Result<()> {
    with_c_str(name, |name| {
        // SAFETY: `dir` is borrowed for the call and `name` ends with a NUL.
        check(unsafe { libc::mkdirat(dir.as_raw_fd(), name.as_ptr(), mode as libc::mode_t) })
    })?;
    Ok(())
}

/// Removes the entry `name` of `dir`, which must not be a directory. A link itself is removed, not
/// its target.
///
/// # Errors
///
/// The error of `unlinkat`.
pub fn unlink_at(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    unlink(dir, name, 0)
}

/// Removes the empty directory `name` of `dir`; a link to one is refused with `ENOTDIR`.
///
/// # Errors
///
/// The error of `unlinkat`.
pub fn remove_dir_at(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    unlink(dir, name, libc::AT_REMOVEDIR)
}

/// Renames `name` of `dir` to `to_name` of `to_dir`, replacing an existing entry.
///
/// # Errors
///
/// The error of `renameat`.
pub fn rename_at(
    dir: BorrowedFd<'_>,
    name: &[u8],
    to_dir: BorrowedFd<'_>,
    to_name: &[u8],
) -> io::Result<()> {
    with_c_str(name, |name| {
        with_c_str(to_name, |to_name| {
            let (dir, to_dir) = (dir.as_raw_fd(), to_dir.as_raw_fd());
            // SAFETY: both directories are borrowed for the call and both names end with a NUL.
            check(unsafe { libc::renameat(dir, name.as_ptr(), to_dir, to_name.as_ptr()) })
        })
    })?;
    Ok(())
}

/// Creates the symbolic link `name` in `dir`, which points to `target`.
///
/// # Errors
///
/// The error of `symlinkat`: `EEXIST` if the name exists.
pub fn symlink_at(target: &[u8], dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    with_c_str(target, |target| {
        with_c_str(name, |name| {
            // SAFETY: `dir` is borrowed for the call and both texts end with a NUL.
            check(unsafe { libc::symlinkat(target.as_ptr(), dir.as_raw_fd(), name.as_ptr()) })
        })
    })?;
    Ok(())
}

/// Returns the target of the link `name` of `dir`. With an empty `name`, the target of `dir`
/// itself, which must be a link opened with [`OpenFlags::PATH`](crate::OpenFlags::PATH).
///
/// # Errors
///
/// The error of `readlinkat`: `EINVAL` if it is not a link.
pub fn read_link_at(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<Vec<u8>> {
    with_c_str(name, |name| {
        let mut target = vec![0_u8; libc::PATH_MAX as usize];
        let (start, room) = (target.as_mut_ptr().cast(), target.len());
        // SAFETY: `dir` is borrowed for the call, `name` ends with a NUL, and `start` points to
        // `room` writable bytes of `target`, which nothing else touches meanwhile.
        let length =
            check(unsafe { libc::readlinkat(dir.as_raw_fd(), name.as_ptr(), start, room) })?;
        target.truncate(length as usize);
        Ok(target)
    })
}

fn unlink(dir: BorrowedFd<'_>, name: &[u8], flags: libc::c_int) -> io::Result<()> {
    with_c_str(name, |name| {
        // SAFETY: `dir` is borrowed for the call and `name` ends with a NUL.
        check(unsafe { libc::unlinkat(dir.as_raw_fd(), name.as_ptr(), flags) })
    })?;
    Ok(())
}
