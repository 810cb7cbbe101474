//! Free disk space.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::call::check;

/// Returns the bytes that users other than root can still write to the filesystem that holds
/// `file`; the file may be opened with [`OpenFlags::PATH`](crate::OpenFlags::PATH).
///
/// # Errors
///
/// The error of `fstatvfs`.
pub fn available_space(file: BorrowedFd<'_>) -> io::Result<u64> {
    let mut raw = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the descriptor is borrowed for the call, and `raw` is writable memory of the size and
    // alignment of what the call fills in.
    check(unsafe { libc::fstatvfs(file.as_raw_fd(), raw.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it has filled in all of `raw`.
    let raw = unsafe { raw.assume_init() };
    // The fields are narrower on some systems.
    #[expect(clippy::unnecessary_cast, reason = "not on every system")]
    let (blocks, size) = (raw.f_bavail as u64, raw.f_frsize as u64);
    Ok(blocks.saturating_mul(size))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::open_directory;

    #[test]
    fn proc_has_no_room_and_the_disk_has() {
        let proc = open_directory("/proc").unwrap();
        assert_eq!(available_space(proc.as_fd()).unwrap(), 0);
        let scratch = tempfile::tempdir().unwrap();
        let dir = open_directory(scratch.path()).unwrap();
        assert!(available_space(dir.as_fd()).unwrap() > 0);
    }
}
