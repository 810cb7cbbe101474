//! Mode and times of a file opened with `O_PATH`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use crate::call::{check, with_c_str};

/// Sets the permission bits of a file opened with [`OpenFlags::PATH`](crate::OpenFlags::PATH).
///
/// `fchmod`, which is enough for any other open file, refuses a descriptor of that kind.
/// `fchmodat2` (Linux 6.6) accepts it; on older kernels, its entry in `/proc/self/fd` leads to the
/// same file without using its name.
///
/// # Errors
///
/// The error of `fchmodat2` or `chmod`; `Unsupported` where the kernel is older and there is no
/// `/proc`.
pub fn set_mode(file: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    let (mode, flags) = (mode as libc::mode_t, libc::AT_EMPTY_PATH);
    let empty = c"".as_ptr();
    // SAFETY: the descriptor is borrowed for the call and `empty` ends with a NUL.
    let set =
        check(unsafe { libc::syscall(libc::SYS_fchmodat2, file.as_raw_fd(), empty, mode, flags) });
    match set {
        Ok(_) => Ok(()),
        Err(error) if is_missing(&error) => set_mode_by_proc(file, mode),
        Err(error) => Err(error),
    }
}

/// Sets the modification and access times of an open file, in seconds since 1970 UTC; the file may
/// be opened with [`OpenFlags::PATH`](crate::OpenFlags::PATH).
///
/// # Errors
///
/// The error of `utimensat`; `Unsupported` where the kernel is older than Linux 5.8 and there is no
/// `/proc`.
pub fn set_modified(file: BorrowedFd<'_>, modified: i64) -> io::Result<()> {
    let times = times(modified);
    let (empty, flags) = (c"".as_ptr(), libc::AT_EMPTY_PATH);
    // SAFETY: the descriptor is borrowed for the call, `empty` ends with a NUL and `times` is a
    // live array of the two values the call reads.
    let set = check(unsafe { libc::utimensat(file.as_raw_fd(), empty, times.as_ptr(), flags) });
    match set {
        Ok(_) => Ok(()),
        // Linux before 5.8 does not know the empty path here.
        Err(error) if is_missing(&error) => set_modified_by_proc(file, modified),
        Err(error) => Err(error),
    }
}

/// Sets both times of a file that is open for writing to now, within a tick of the system. Unlike
/// setting other times, this is not restricted to the owner.
///
/// # Errors
///
/// The error of `futimens`.
pub fn touch(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the descriptor is borrowed for the call, which reads no times through the null
    // pointer.
    check(unsafe { libc::futimens(file.as_raw_fd(), ptr::null()) })?;
    Ok(())
}

fn set_mode_by_proc(file: BorrowedFd<'_>, mode: libc::mode_t) -> io::Result<()> {
    with_c_str(&proc_path(file), |path| {
        // SAFETY: `path` ends with a NUL; the descriptor it names is borrowed for the call.
        check(unsafe { libc::chmod(path.as_ptr(), mode) })
    })
    .map_err(proc_error)?;
    Ok(())
}

fn set_modified_by_proc(file: BorrowedFd<'_>, modified: i64) -> io::Result<()> {
    let times = times(modified);
    with_c_str(&proc_path(file), |path| {
        // SAFETY: `path` ends with a NUL, the descriptor it names is borrowed for the call, and
        // `times` is a live array of the two values the call reads.
        check(unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), times.as_ptr(), 0) })
    })
    .map_err(proc_error)?;
    Ok(())
}

/// Both times, as pyftpdlib sets them: FUSE filesystems made with libfuse 2 ignore a request that
/// leaves the access time as it is, and say that it is done.
fn times(modified: i64) -> [libc::timespec; 2] {
    let time = libc::timespec {
        tv_sec: modified as libc::time_t,
        tv_nsec: 0,
    };
    [time, time]
}

fn proc_path(file: BorrowedFd<'_>) -> Vec<u8> {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into_bytes()
}

/// Translates an error from such a path. The file is open, so if anything is missing, it is
/// `/proc`.
fn proc_error(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::NotFound => {
            let problem = "this kernel can do it only where /proc is mounted";
            io::Error::new(io::ErrorKind::Unsupported, problem)
        }
        _ => error,
    }
}

/// Whether the kernel lacks the call or the flag, or a container blocks it.
fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOSYS | libc::EINVAL | libc::EPERM)
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chroot};

    use super::*;
    use crate::{OpenFlags, open_at, open_directory};

    #[test]
    fn both_ways_reach_the_same_file() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a");
        fs::write(&path, b"").unwrap();
        let dir = open_directory(scratch.path()).unwrap();
        let place = open_at(dir.as_fd(), b"a", OpenFlags::PATH, 0).unwrap();

        set_mode(place.as_fd(), 0o640).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o640
        );
        set_mode_by_proc(place.as_fd(), 0o600).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o600
        );

        // libfuse 2 does nothing where only one of the times is asked for.
        let times = |file: fs::Metadata| (file.mtime(), file.atime());
        set_modified(place.as_fd(), 1_000_000_000).unwrap();
        let both = (1_000_000_000, 1_000_000_000);
        assert_eq!(times(fs::metadata(&path).unwrap()), both);
        set_modified_by_proc(place.as_fd(), -5).unwrap();
        assert_eq!(times(fs::metadata(&path).unwrap()), (-5, -5));
    }

    #[test]
    fn a_file_looked_missing_where_proc_is_not_mounted() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("a"), b"").unwrap();
        let dir = open_directory(scratch.path()).unwrap();
        let place = open_at(dir.as_fd(), b"a", OpenFlags::PATH, 0).unwrap();
        let refused = |result: io::Result<()>| {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains("/proc"), "{error}");
        };
        let in_bare_root = || {
            // SAFETY: takes no pointer; this thread gets its own root and working directory.
            if let Err(error) = crate::call::check(unsafe { libc::unshare(libc::CLONE_FS) }) {
                return eprintln!("skipped: {error}");
            }
            if let Err(error) = chroot(scratch.path()) {
                return eprintln!("skipped: {error}");
            }
            refused(set_mode_by_proc(place.as_fd(), 0o600));
            refused(set_modified_by_proc(place.as_fd(), 0));
        };
        std::thread::scope(|scope| scope.spawn(in_bare_root).join().unwrap());
    }
}
