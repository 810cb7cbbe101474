//! `openat2`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use crate::call::{check, with_c_str};
use crate::open::{OpenFlags, Scope};
use crate::stat::{FileStat, stat_descriptor};

/// Opens `path` relative to `dir` without leaving it: follows links within `scope`, but never magic
/// links of `/proc` (`openat2`, Linux 5.6).
///
/// The kernel resolves the whole path in one call, so no component can be swapped meanwhile.
/// `mode`, less the umask, applies only with [`OpenFlags::CREATE`].
///
/// # Errors
///
/// The error of `openat2`: `EXDEV` for a path that leaves [`Scope::Beneath`], `ELOOP` for a link
/// within [`Scope::Linkless`], `EAGAIN` if a concurrent rename made the result uncertain, `ENOSYS`
/// on an old kernel, `EPERM` in a container that blocks the call.
pub fn open_beneath(
    dir: BorrowedFd<'_>,
    path: &[u8],
    flags: OpenFlags,
    mode: u32,
    scope: Scope,
) -> io::Result<OwnedFd> {
    let stay = match scope {
        Scope::Beneath => libc::RESOLVE_BENEATH,
        Scope::InRoot => libc::RESOLVE_IN_ROOT,
        Scope::Linkless => libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS,
    };
    let how = OpenHow {
        flags: flags.bits() as u64,
        // openat2 refuses a mode if no file is to be created.
        mode: if flags.contains(OpenFlags::CREATE) {
            u64::from(mode)
        } else {
            0
        },
        resolve: stay | libc::RESOLVE_NO_MAGICLINKS,
    };
    open_how(dir.as_raw_fd(), path, &how)
}

/// Opens the directory at `path`, as [`open_directory`](crate::open_directory) does, unless there
/// is a link on the way (`openat2`, Linux 5.6). If this succeeds, an absolute path is the real one.
///
/// # Errors
///
/// The error of `openat2`: `ELOOP` for a link, `ENOSYS` on an old kernel, `EPERM` in a container
/// that blocks the call.
pub fn open_real_directory(path: &Path) -> io::Result<OwnedFd> {
    let how = OpenHow {
        flags: (OpenFlags::PATH | OpenFlags::DIRECTORY).bits() as u64,
        mode: 0,
        resolve: libc::RESOLVE_NO_SYMLINKS,
    };
    open_how(libc::AT_FDCWD, path.as_os_str().as_encoded_bytes(), &how)
}

/// Returns the facts of the entry `name` of `dir`, without following a link, if the kernel has them
/// cached (`RESOLVE_CACHED`, Linux 5.12).
///
/// Never waits, neither for a disk nor for a thread that changes `dir`. Holds a reference to the
/// entry for a moment; if the file is removed in that moment, it is released here.
///
/// # Errors
///
/// The error of `openat2`: `WouldBlock` if it would have to wait, `InvalidInput` on an old kernel.
pub fn recall_at(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<FileStat> {
    let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    let how = OpenHow {
        flags: flags as u64,
        mode: 0,
        resolve: libc::RESOLVE_CACHED,
    };
    stat_descriptor(open_how(dir.as_raw_fd(), name, &how)?.as_fd())
}

fn open_how(dir: RawFd, path: &[u8], how: &OpenHow) -> io::Result<OwnedFd> {
    with_c_str(path, |path| {
        // SAFETY: the caller borrows `dir` for the call, `path` ends with a NUL, and `how` is a
        // live structure of the layout and the size that are passed; the kernel only reads it.
        let fd = check(unsafe {
            libc::syscall(
                libc::SYS_openat2,
                dir,
                path.as_ptr(),
                &raw const *how,
                size_of::<OpenHow>(),
            )
        })?;
        // SAFETY: the call succeeded, so its result is an open, new descriptor that nothing else
        // owns.
        Ok(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) })
    })
}

/// The first version of `struct open_how`, which the kernel recognises by its size. (The C
/// library's binding may gain fields, and cannot be constructed by name.)
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::{EntryKind, open_directory, stat_at};

    #[test]
    fn what_was_just_looked_up_is_at_hand() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        fs::write(at("file"), "text").unwrap();
        fs::create_dir(at("directory")).unwrap();
        symlink("nowhere", at("link")).unwrap();
        let dir = open_directory(scratch.path()).unwrap();
        for name in [b"file".as_slice(), b"directory", b"link", b"."] {
            let known = stat_at(dir.as_fd(), name).unwrap();
            assert_eq!(recall_at(dir.as_fd(), name).unwrap(), known);
        }
        let link = recall_at(dir.as_fd(), b"link").unwrap();
        assert_eq!(link.kind, EntryKind::Symlink);
        fs::remove_file(at("file")).unwrap();
        for name in [b"file".as_slice(), b"none", b"", b"a\0b"] {
            assert!(recall_at(dir.as_fd(), name).is_err(), "{name:?}");
        }
    }
}
