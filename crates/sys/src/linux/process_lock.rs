//! A lock between processes.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::call::check;

/// A lock that this process and the children it forks from here on hold one at a time. The system
/// takes it from a process that ends, however it does.
///
/// It knows processes only: threads of one do not keep each other out.
#[derive(Debug)]
pub struct ProcessLock {
    file: OwnedFd,
}

impl ProcessLock {
    /// Makes a lock that nobody holds.
    ///
    /// # Errors
    ///
    /// The system has no more descriptors.
    pub fn new() -> io::Result<Self> {
        let name = c"ftpdlib lock".as_ptr();
        // SAFETY: the name ends with a NUL and is static.
        let file = check(unsafe { libc::memfd_create(name, libc::MFD_CLOEXEC) })?;
        // SAFETY: the call answered a new descriptor, which nobody else has.
        let file = unsafe { OwnedFd::from_raw_fd(file) };
        Ok(Self { file })
    }

    /// Waits for the lock and takes it; it is given back when the guard is dropped.
    ///
    /// # Errors
    ///
    /// What `fcntl` answers: the system has no more locks.
    pub fn lock(&self) -> io::Result<ProcessLockGuard<'_>> {
        self.set(libc::F_WRLCK)?;
        Ok(ProcessLockGuard { lock: self })
    }

    fn set(&self, kind: libc::c_int) -> io::Result<()> {
        // SAFETY: the structure is integers, for which zeros are valid: from the start of the file
        // to its end, wherever that is.
        let mut range: libc::flock = unsafe { std::mem::zeroed() };
        range.l_type = kind as libc::c_short;
        range.l_whence = libc::SEEK_SET as libc::c_short;
        loop {
            let place = &raw const range;
            // SAFETY: the descriptor is this value's; `range` is live and only read by this call.
            match check(unsafe { libc::fcntl(self.file.as_raw_fd(), libc::F_SETLKW, place) }) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Holds a [`ProcessLock`].
#[derive(Debug)]
pub struct ProcessLockGuard<'a> {
    lock: &'a ProcessLock,
}

impl Drop for ProcessLockGuard<'_> {
    fn drop(&mut self) {
        // To give back what is held needs nothing that the system could lack.
        let _ = self.lock.set(libc::F_UNLCK);
    }
}
