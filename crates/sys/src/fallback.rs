//! The same signatures for systems that lack the calls.

use std::convert::Infallible;
use std::fs::Metadata;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use crate::children::ChildProcess;
use crate::open::{OpenFlags, Scope};
use crate::shadow::ShadowEntry;
use crate::stat::{FileStat, Storage};
use crate::users::UserRecord;

/// Opens `path` as seen from `dir` without leaving it.
///
/// # Errors
///
/// Always `Unsupported` on this system: callers walk by descriptors.
pub fn open_beneath(
    _dir: BorrowedFd<'_>,
    _path: &[u8],
    _flags: OpenFlags,
    _mode: u32,
    _scope: Scope,
) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Opens a directory, unless there is a link on the way.
///
/// # Errors
///
/// Always `Unsupported` on this system.
pub fn open_real_directory(_path: &Path) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Sends a piece of a file to a socket.
///
/// # Errors
///
/// Always `Unsupported` on this system: callers read and write.
pub fn send_file(
    _socket: BorrowedFd<'_>,
    _file: BorrowedFd<'_>,
    _offset: &mut u64,
    _count: usize,
) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Sends the last piece of a file to a socket.
///
/// # Errors
///
/// Always `Unsupported` on this system: callers read and write.
pub fn send_last(
    _socket: BorrowedFd<'_>,
    _file: BorrowedFd<'_>,
    _offset: u64,
    _buffer: &mut [u8],
) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Writes a byte, and an open file with it.
///
/// # Errors
///
/// Always `Unsupported` on this system, where there are no processes to write to.
pub fn write_with_file(
    _stream: BorrowedFd<'_>,
    _byte: u8,
    _file: BorrowedFd<'_>,
) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Reads bytes, and the file that comes with them.
///
/// # Errors
///
/// Always `Unsupported` on this system, where there are no processes to read from.
pub fn read_with_file(
    _stream: BorrowedFd<'_>,
    _buffer: &mut [u8],
) -> io::Result<(usize, Option<OwnedFd>)> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The file and the mount that a descriptor belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place(Infallible);

impl Place {
    /// The place of `file`.
    ///
    /// # Errors
    ///
    /// Always `Unsupported` on this system: callers share no descriptors.
    pub fn of(_file: BorrowedFd<'_>) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Has the system choose the port when the socket connects.
///
/// # Errors
///
/// Always `Unsupported` on this system.
pub fn choose_port_late(_socket: BorrowedFd<'_>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Discards bytes that a socket received.
///
/// # Errors
///
/// Always `Unsupported` on this system: callers read.
pub fn discard(_socket: BorrowedFd<'_>, _count: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Facts of an entry, if the system has them cached.
///
/// # Errors
///
/// Always `Unsupported` on this system.
pub fn recall_at(_dir: BorrowedFd<'_>, _name: &[u8]) -> io::Result<FileStat> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes the calling thread run only on idle processors.
///
/// # Errors
///
/// Always `Unsupported` on this system.
pub fn give_way() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Has the calling thread, and those that come from it, interrupt nobody when they wake up.
///
/// # Errors
///
/// Always `Unsupported` on this system.
pub fn interrupt_nobody() -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Bytes that the peer of a TCP socket has acknowledged.
///
/// # Errors
///
/// Always `Unsupported` on this system.
pub fn acknowledged(_socket: BorrowedFd<'_>) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Clients that are connected to a listening TCP socket, and not accepted yet.
///
/// # Errors
///
/// Always `Unsupported` on this system.
pub fn waiting_clients(_listener: BorrowedFd<'_>) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Sets the permission bits of a file opened as a place.
///
/// # Errors
///
/// Always `Unsupported` on this system.
pub fn set_mode(_file: BorrowedFd<'_>, _mode: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Sets the modification time of a file opened as a place.
///
/// # Errors
///
/// Always `Unsupported` on this system.
pub fn set_modified(_file: BorrowedFd<'_>, _modified: i64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Sets both times of an open file to now.
///
/// # Errors
///
/// Always `Unsupported` on this system.
pub fn touch(_file: BorrowedFd<'_>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A file that nobody else has open.
#[derive(Debug)]
pub struct Claim<'a>(Infallible, PhantomData<BorrowedFd<'a>>);

impl<'a> Claim<'a> {
    /// Claims an open file.
    ///
    /// # Errors
    ///
    /// Always `Unsupported` on this system.
    pub fn new(_file: BorrowedFd<'a>) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Where the filesystem that holds `file` stores files.
///
/// # Errors
///
/// Always `Unsupported` on this system: callers take it as remote.
pub fn storage(_file: BorrowedFd<'_>) -> io::Result<Storage> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether `file` is on a filesystem that shows processes. It does not matter on this system, where
/// threads cannot impersonate users.
pub fn is_process_filesystem(_file: BorrowedFd<'_>) -> bool {
    false
}

/// Whether the kernel makes up the files of the filesystem that holds `file`: never told on this
/// system.
pub fn is_made_up(_file: BorrowedFd<'_>) -> bool {
    false
}

/// The device that `file` lies on.
///
/// # Errors
///
/// Always `Unsupported` on this system.
pub fn device_of(_file: BorrowedFd<'_>) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether a filesystem that is not local is mounted below a directory.
///
/// # Errors
///
/// Always `Unsupported` on this system: callers take it as "yes".
pub fn has_remote_mount_below(_dir: &Path) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Which of the two processes this is. Exhaustive.
#[derive(Debug)]
pub enum Fork {
    /// The original process, with its new child.
    Parent(ChildProcess),
    /// The new one.
    Child,
}

/// Forks this process.
///
/// # Errors
///
/// Always `Unsupported` on this system, where the number of threads cannot be determined.
pub fn fork() -> io::Result<Fork> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Checks whether this process can be forked.
///
/// # Errors
///
/// Always `Unsupported` on this system.
pub fn check_forkable() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A user and groups that a process can become.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// There is no way to make one.
    never: Infallible,
}

impl Identity {
    /// Looks up a user and a group.
    ///
    /// # Errors
    ///
    /// Always `Unsupported` on this system.
    pub fn find(_user: &str, _group: Option<&str>) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Whether this process may become any user.
    ///
    /// # Errors
    ///
    /// Always an error text: no process may on this system.
    pub fn may_be_assumed() -> Result<(), &'static str> {
        Err("runs on a system other than Linux")
    }

    /// Tries in a child process to become it.
    ///
    /// # Errors
    ///
    /// None: there is no identity.
    pub fn try_out(&self) -> io::Result<()> {
        match self.never {}
    }

    /// The number of the user.
    pub fn uid(&self) -> u32 {
        match self.never {}
    }

    /// Whether the user may write to the file at `path`.
    pub fn may_write_to(&self, _path: &Path, _metadata: &Metadata) -> bool {
        match self.never {}
    }

    /// Makes this thread act as the user.
    ///
    /// # Errors
    ///
    /// None: there is no identity.
    pub fn assume_in_thread(&self) -> io::Result<ActingAs> {
        match self.never {}
    }

    /// Makes this process run as the user.
    ///
    /// # Errors
    ///
    /// None: there is no identity.
    pub fn assume(&self) -> io::Result<()> {
        match self.never {}
    }
}

/// Whether this process runs as root; always false on this system.
pub fn is_root() -> bool {
    false
}

/// Whether the file has an access control list, or may have one; never known on this system.
pub fn has_access_list(_path: &Path) -> bool {
    true
}

/// The lowest port that this process may bind, as far as is known on this system.
pub fn lowest_port(_without_root: bool) -> u16 {
    1
}

/// The IDs of a user and of the groups that the user is a member of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credentials(Infallible);

impl Credentials {
    /// Those of a system user.
    ///
    /// # Errors
    ///
    /// Always `Unsupported` on this system.
    pub fn of(_user: &UserRecord) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Makes this thread act as the user until the result is dropped.
    ///
    /// # Errors
    ///
    /// None: there are no credentials.
    pub fn assume_in_thread(&self) -> io::Result<ActingAs> {
        match self.0 {}
    }
}

/// The thread acts as another user while this value lives.
#[derive(Debug)]
#[must_use = "the thread goes back when it is dropped"]
pub struct ActingAs(Infallible);

impl Drop for ActingAs {
    fn drop(&mut self) {
        match self.0 {}
    }
}

/// Whether threads of this process can act as other users: not on this system.
pub fn can_act_as_others() -> bool {
    false
}

impl ShadowEntry {
    /// There is none on this system.
    ///
    /// # Errors
    ///
    /// None on this system.
    pub fn find(_name: &str) -> io::Result<Option<Self>> {
        Ok(None)
    }
}

/// Hashes a password with the system's library.
///
/// # Errors
///
/// Always `Unsupported` on this system.
pub fn crypt(_password: &str, _setting: &str) -> io::Result<Option<String>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A `crypt` setting for a new password.
///
/// # Errors
///
/// Always `Unsupported` on this system.
pub fn crypt_setting() -> io::Result<Option<String>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A lock between processes.
#[derive(Debug)]
pub struct ProcessLock {
    /// There is no way to make one.
    never: Infallible,
}

impl ProcessLock {
    /// Makes a lock.
    ///
    /// # Errors
    ///
    /// Always `Unsupported` on this system.
    pub fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Takes the lock.
    ///
    /// # Errors
    ///
    /// None: there is no lock.
    pub fn lock(&self) -> io::Result<ProcessLockGuard<'_>> {
        match self.never {}
    }

    /// Takes the lock with this number.
    ///
    /// # Errors
    ///
    /// None: there is no lock.
    pub fn lock_one(&self, _number: u32) -> io::Result<ProcessLockGuard<'_>> {
        match self.never {}
    }

    /// Takes the lock with this number, if it is free.
    ///
    /// # Errors
    ///
    /// None: there is no lock.
    pub fn try_lock_one(&self, _number: u32) -> io::Result<Option<ProcessLockGuard<'_>>> {
        match self.never {}
    }
}

/// Holds a [`ProcessLock`].
#[derive(Debug)]
pub struct ProcessLockGuard<'a> {
    /// There is none.
    _lock: &'a ProcessLock,
}

/// A pipe that carries bytes from a socket to a file.
#[derive(Debug)]
pub struct Pipe {
    /// There is no way to make one.
    never: Infallible,
}

impl Pipe {
    /// Makes a pipe.
    ///
    /// # Errors
    ///
    /// Always `Unsupported` on this system: callers read and write.
    pub fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Moves bytes that `socket` received into the pipe.
    ///
    /// # Errors
    ///
    /// None: there is no pipe.
    pub fn fill(&self, _socket: BorrowedFd<'_>, _count: usize) -> io::Result<usize> {
        match self.never {}
    }

    /// Moves bytes out of the pipe into `file`.
    ///
    /// # Errors
    ///
    /// None: there is no pipe.
    pub fn drain(&self, _file: BorrowedFd<'_>, _count: usize) -> io::Result<usize> {
        match self.never {}
    }

    /// Takes bytes out of the pipe.
    ///
    /// # Errors
    ///
    /// None: there is no pipe.
    pub fn read(&self, _buffer: &mut [u8]) -> io::Result<usize> {
        match self.never {}
    }
}

/// Reads an open directory.
#[derive(Debug)]
pub struct DirectoryReader {
    dir: OwnedFd,
}

impl DirectoryReader {
    /// Reads `dir`.
    pub fn new(dir: OwnedFd) -> Self {
        Self { dir }
    }

    /// Name of the next entry.
    ///
    /// # Errors
    ///
    /// Always `Unsupported` on this system.
    pub fn next_name(&mut self) -> io::Result<Option<&[u8]>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl AsFd for DirectoryReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}
