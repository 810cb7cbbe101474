//! A lock shared by processes.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::thread;
use std::time::Duration;

use crate::call::check;

/// A lock shared by this process and the children that it forks later, or any number of such locks,
/// identified by numbers. The system releases the locks of a process that ends, even if it is
/// killed.
///
/// It excludes processes only, not threads of the same process.
#[derive(Debug)]
pub struct ProcessLock {
    file: OwnedFd,
}

impl ProcessLock {
    /// Creates an unlocked lock.
    ///
    /// # Errors
    ///
    /// No descriptors are left.
    pub fn new() -> io::Result<Self> {
        let name = c"ftpdlib lock".as_ptr();
        // SAFETY: the name ends with a NUL and is static.
        let file = check(unsafe { libc::memfd_create(name, libc::MFD_CLOEXEC) })?;
        // SAFETY: the call returned a new descriptor, which no other code has.
        let file = unsafe { OwnedFd::from_raw_fd(file) };
        Ok(Self { file })
    }

    /// Waits for the lock and takes it, including all numbered ones, until the guard is dropped.
    ///
    /// # Errors
    ///
    /// The error of `fcntl`: the system has no more locks.
    pub fn lock(&self) -> io::Result<ProcessLockGuard<'_>> {
        // A length of 0 means up to the end of the file, wherever that is.
        self.set(libc::F_SETLKW, libc::F_WRLCK, 0, 0)?;
        Ok(self.guard(0, 0))
    }

    /// Waits for the lock with this number and takes it, until the guard is dropped.
    ///
    /// # Errors
    ///
    /// As for [`lock`](Self::lock).
    pub fn lock_one(&self, number: u32) -> io::Result<ProcessLockGuard<'_>> {
        let start = start_of(number);
        self.set(libc::F_SETLKW, libc::F_WRLCK, start, 1)?;
        Ok(self.guard(start, 1))
    }

    /// Takes the lock with this number, until the guard is dropped; `None` if another process holds
    /// it.
    ///
    /// # Errors
    ///
    /// As for [`lock`](Self::lock).
    pub fn try_lock_one(&self, number: u32) -> io::Result<Option<ProcessLockGuard<'_>>> {
        let start = start_of(number);
        match self.set(libc::F_SETLK, libc::F_WRLCK, start, 1) {
            Ok(()) => Ok(Some(self.guard(start, 1))),
            // Systems return either of these.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn guard(&self, start: libc::off_t, length: libc::off_t) -> ProcessLockGuard<'_> {
        ProcessLockGuard {
            lock: self,
            start,
            length,
        }
    }

    fn set(
        &self,
        command: libc::c_int,
        kind: libc::c_int,
        start: libc::off_t,
        length: libc::off_t,
    ) -> io::Result<()> {
        // SAFETY: the structure is integers, for which zeros are valid.
        let mut range: libc::flock = unsafe { std::mem::zeroed() };
        range.l_type = kind as libc::c_short;
        range.l_whence = libc::SEEK_SET as libc::c_short;
        range.l_start = start;
        range.l_len = length;
        loop {
            let place = &raw const range;
            // SAFETY: the descriptor is this value's; `range` is live and only read by this call.
            match check(unsafe { libc::fcntl(self.file.as_raw_fd(), command, place) }) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Two processes wait for each other, though maybe not the threads that hold the
                // locks: the system does not tell the threads of a process apart.
                Err(error) if error.raw_os_error() == Some(libc::EDEADLK) => {
                    thread::sleep(DEADLOCK_DELAY);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// The position of the lock with this number. There is a gap between any two: the system merges
/// adjacent locks of a process into one, and needs another one to release a part of it.
fn start_of(number: u32) -> libc::off_t {
    // Offsets have 32 bits on some systems.
    2 * libc::off_t::from(i32::try_from(number).unwrap_or(i32::MAX / 2))
}

/// How long to wait before trying again if the system refuses to wait.
const DEADLOCK_DELAY: Duration = Duration::from_millis(5);

/// Holds a [`ProcessLock`].
#[derive(Debug)]
pub struct ProcessLockGuard<'a> {
    lock: &'a ProcessLock,
    start: libc::off_t,
    length: libc::off_t,
}

impl Drop for ProcessLockGuard<'_> {
    fn drop(&mut self) {
        // Releasing a lock needs nothing that the system could lack.
        let _ = self
            .lock
            .set(libc::F_SETLK, libc::F_UNLCK, self.start, self.length);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn to_give_back_a_lock_between_two_others_took_another() {
        let lock = ProcessLock::new().unwrap();
        let held: Vec<_> = (0..3)
            .map(|number| lock.lock_one(number).unwrap())
            .collect();
        let path = format!("/proc/self/fdinfo/{}", lock.file.as_raw_fd());
        let told = fs::read_to_string(path).unwrap();
        let records = told.matches("lock:").count();
        // Some systems do not report this.
        assert!(records == held.len() || records == 0, "{told}");
    }
}
