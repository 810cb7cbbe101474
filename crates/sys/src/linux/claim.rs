//! Files that are open nowhere else.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::call::check;

/// `F_SETSIG`, which the libc crate lacks.
const SET_SIGNAL: libc::c_int = 10;

/// A file that is open nowhere else, and cannot be opened elsewhere before this value is dropped:
/// an attempt with `O_NONBLOCK` fails with `WouldBlock`, any other waits and then opens this file,
/// even if its name is gone by then. Hold it only for an instant.
#[derive(Debug)]
pub struct Claim<'a>(BorrowedFd<'a>);

impl<'a> Claim<'a> {
    /// Claims `file`, which is open for writing.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the file is open elsewhere, for reading or writing, in this process or
    /// another. Otherwise the error of `fcntl`: the file is not the caller's, its filesystem cannot
    /// tell (a network filesystem, for instance), or the system grants no leases
    /// (`fs.leases-enable`).
    pub fn new(file: BorrowedFd<'a>) -> io::Result<Self> {
        // The holder of a lease gets a signal when the file is opened elsewhere. The usual one,
        // SIGIO, would end the process; SIGURG is ignored by default.
        // SAFETY: the descriptor is borrowed for the call, which accesses no memory.
        check(unsafe { libc::fcntl(file.as_raw_fd(), SET_SIGNAL, libc::SIGURG) })?;
        // SAFETY: as above.
        check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) })?;
        Ok(Self(file))
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // SAFETY: the descriptor is borrowed for longer than this, and the call accesses no memory.
        unsafe { libc::fcntl(self.0.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) };
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::os::fd::AsFd;
    use std::os::unix::fs::OpenOptionsExt;

    use super::*;

    #[test]
    fn only_a_file_that_is_open_once_is_claimed() {
        let scratch = tempfile::tempdir().unwrap();
        let open = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false);
            options.custom_flags(libc::O_NONBLOCK);
            options.open(scratch.path().join("a"))
        };
        let would_block = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
        let (one, other) = (open().unwrap(), open().unwrap());
        let refused = Claim::new(one.as_fd()).unwrap_err();
        drop(other);
        let reader = File::open(scratch.path().join("a")).unwrap();
        let refused_for_reader = Claim::new(one.as_fd()).unwrap_err();
        drop(reader);
        let Ok(claim) = Claim::new(one.as_fd()) else {
            // This filesystem does not support leases.
            return;
        };
        assert!(would_block(refused));
        assert!(would_block(refused_for_reader));
        assert!(open().is_err_and(would_block));
        drop(claim);
        open().unwrap();
    }
}
