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
    /// No descriptors are left, or a sandbox refuses `memfd_create`; the error names the call.
    pub fn new() -> io::Result<Self> {
        // Systems may refuse files in memory that could become programs (`vm.memfd_noexec`). Linux
        // before 6.3 does not know the flag that says that this one will not.
        let file = create_in_memory(libc::MFD_CLOEXEC | libc::MFD_NOEXEC_SEAL)
            .or_else(|error| match error.raw_os_error() {
                Some(libc::EINVAL) => create_in_memory(libc::MFD_CLOEXEC),
                _ => Err(error),
            })
            .map_err(|error| {
                let problem = "cannot make a lock for several processes (memfd_create)";
                io::Error::new(error.kind(), format!("{problem}: {error}"))
            })?;
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

/// Creates a file that is in memory only.
fn create_in_memory(flags: libc::c_uint) -> io::Result<OwnedFd> {
    let name = c"ftpdlib lock".as_ptr();
    // SAFETY: the name ends with a NUL and is static.
    let file = check(unsafe { libc::memfd_create(name, flags) })?;
    // SAFETY: the call returned a new descriptor, which no other code has.
    Ok(unsafe { OwnedFd::from_raw_fd(file) })
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
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::linux::sandbox::{Refused, run_without};

    /// Makes a lock where the kernel refuses `memfd_create` with any of these `flags`, or always.
    fn new_without(flags: Option<u32>, error: libc::c_int) -> Option<io::Result<ProcessLock>> {
        let argument = flags.map(|flags| (1, flags));
        let refused = Refused(libc::SYS_memfd_create, argument);
        run_without(refused, error, ProcessLock::new)
    }

    #[test]
    fn a_lock_that_a_sandbox_refused_did_not_say_what_failed() {
        if let Some(made) = new_without(None, libc::EPERM) {
            let error = made.unwrap_err();
            assert!(error.to_string().contains("memfd_create"), "{error}");
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        }
    }

    #[test]
    fn a_kernel_knows_no_flag_against_programs() {
        if let Some(made) = new_without(Some(libc::MFD_NOEXEC_SEAL), libc::EINVAL) {
            made.unwrap();
        }
    }

    #[test]
    fn a_lock_asked_for_a_file_that_could_be_a_program() {
        // Linux before 6.3 makes no others.
        if create_in_memory(libc::MFD_NOEXEC_SEAL).is_ok() {
            let file = fs::File::from(ProcessLock::new().unwrap().file);
            assert_eq!(file.metadata().unwrap().mode() & 0o111, 0);
        }
    }

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
