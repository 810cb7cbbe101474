//! The same signatures for systems that lack the calls.

use std::convert::Infallible;
use std::fs::Metadata;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use crate::children::ChildProcess;
use crate::open::{OpenFlags, Scope};
use crate::shadow::ShadowEntry;
use crate::stat::{FileStat, Storage};
use crate::users::UserRecord;

/// Defines functions that always return an error.
macro_rules! unsupported {
    ($($(#[$doc:meta])* fn $name:ident($($type:ty),*) -> $out:ty;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        ///
        /// Always `Unsupported` on this system.
        pub fn $name($(_: $type),*) -> io::Result<$out> {
            Err(io::ErrorKind::Unsupported.into())
        }
    )*};
}

unsupported! {
    /// Opens `path` relative to `dir` without leaving it. Callers resolve the path by descriptors.
    fn open_beneath(BorrowedFd<'_>, &[u8], OpenFlags, u32, Scope) -> OwnedFd;

    /// Opens a directory, unless there is a link on the way.
    fn open_real_directory(&Path) -> OwnedFd;

    /// Sends a piece of a file to a socket. Callers read and write.
    fn send_file(BorrowedFd<'_>, BorrowedFd<'_>, &mut u64, usize) -> usize;

    /// Sends the last piece of a file to a socket. Callers read and write.
    fn send_last(BorrowedFd<'_>, BorrowedFd<'_>, u64, &mut [u8]) -> usize;

    /// Writes a byte together with an open file. No other processes exist here to write to.
    fn write_with_file(BorrowedFd<'_>, u8, BorrowedFd<'_>) -> ();

    /// Reads bytes, and the file that comes with them. No other processes exist here to read from.
    fn read_with_file(BorrowedFd<'_>, &mut [u8]) -> (usize, Option<OwnedFd>);

    /// Has the system choose the port when the socket connects.
    fn choose_port_late(BorrowedFd<'_>) -> ();

    /// Discards bytes that a socket received. Callers read.
    fn discard(BorrowedFd<'_>, usize) -> usize;

    /// Gives up sockets in a process that was just forked. There are none.
    fn leave_sockets(RawFd, impl Fn(usize) -> bool) -> ();

    /// Facts of an entry, if the system has them cached.
    fn recall_at(BorrowedFd<'_>, &[u8]) -> FileStat;

    /// Makes the calling thread run only on idle processors.
    fn give_way() -> ();

    /// Makes the calling thread, and the threads that it starts, interrupt no other thread on
    /// waking.
    fn interrupt_nobody() -> bool;

    /// Returns how many bytes the peer of a TCP socket has acknowledged.
    fn acknowledged(BorrowedFd<'_>) -> u64;

    /// Returns how many connected clients of a listening TCP socket are not accepted yet.
    fn waiting_clients(BorrowedFd<'_>) -> usize;

    /// Sets the permission bits of a file opened with `O_PATH`.
    fn set_mode(BorrowedFd<'_>, u32) -> ();

    /// Sets the modification time of a file opened with `O_PATH`.
    fn set_modified(BorrowedFd<'_>, i64) -> ();

    /// Sets both times of an open file to now.
    fn touch(BorrowedFd<'_>) -> ();

    /// Returns where the filesystem of `file` stores files. Callers assume it is remote.
    fn storage(BorrowedFd<'_>) -> Storage;

    /// The device that `file` lies on.
    fn device_of(BorrowedFd<'_>) -> u64;

    /// Whether a filesystem that is not local is mounted below a directory. Callers assume so.
    fn has_remote_mount_below(&Path) -> bool;

    /// Whether such a filesystem is mounted below, at or above a directory. Callers assume so.
    fn has_remote_mount_near(&Path) -> bool;

    /// Forks this process. Its number of threads is unknown on this system.
    fn fork() -> Fork;

    /// Checks whether this process can be forked.
    fn check_forkable() -> ();

    /// Hashes a password with the system's library.
    fn crypt(&str, &str) -> Option<String>;

    /// A `crypt` setting for a new password.
    fn crypt_setting() -> Option<String>;
}

// Functions with a definite answer on these systems.

/// Whether `file` is on a filesystem that shows processes. Irrelevant on this system, where threads
/// cannot impersonate users.
pub fn is_process_filesystem(_file: BorrowedFd<'_>) -> bool {
    false
}

/// Whether the kernel makes up the files of the filesystem that holds `file`; never known on this
/// system.
pub fn is_made_up(_file: BorrowedFd<'_>) -> bool {
    false
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

/// Whether threads of this process can act as other users: not on this system.
pub fn can_act_as_others() -> bool {
    false
}

impl ShadowEntry {
    /// Looks up the user with this name; always `None` on this system.
    ///
    /// # Errors
    ///
    /// None on this system.
    pub fn find(_name: &str) -> io::Result<Option<Self>> {
        Ok(None)
    }
}

// Types without values.

/// The file and the mount that a descriptor belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place(Infallible);

impl Place {
    unsupported! {
        /// The place of `file`. Callers share no descriptors.
        fn of(BorrowedFd<'_>) -> Self;
    }
}

/// A file that is open nowhere else.
#[derive(Debug)]
pub struct Claim<'a>(Infallible, PhantomData<BorrowedFd<'a>>);

impl<'a> Claim<'a> {
    unsupported! {
        /// Claims an open file.
        fn new(BorrowedFd<'a>) -> Self;
    }
}

/// The process in which `fork` returns. Exhaustive.
#[derive(Debug)]
pub enum Fork {
    /// The original process, with its new child.
    Parent(ChildProcess),
    /// The new process.
    Child,
}

/// A user and groups that a process can become.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// Never constructed.
    never: Infallible,
}

impl Identity {
    unsupported! {
        /// Looks up a user and a group.
        fn find(&str, Option<&str>) -> Self;
    }

    /// Whether this process may become any user.
    ///
    /// # Errors
    ///
    /// Always an error text: no process may on this system.
    pub fn may_be_assumed() -> Result<(), &'static str> {
        Err("runs on a system other than Linux")
    }

    /// Tries in a child process to become this user.
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

/// The IDs of a user and of the groups that the user is a member of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credentials(Infallible);

impl Credentials {
    unsupported! {
        /// Returns the IDs of a system user.
        fn of(&UserRecord) -> Self;
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

/// Makes the thread act as another user while this value lives.
#[derive(Debug)]
#[must_use = "the thread goes back when it is dropped"]
pub struct ActingAs(Infallible);

impl Drop for ActingAs {
    fn drop(&mut self) {
        match self.0 {}
    }
}

/// A lock between processes.
#[derive(Debug)]
pub struct ProcessLock {
    /// Never constructed.
    never: Infallible,
}

impl ProcessLock {
    unsupported! {
        /// Makes a lock.
        fn new() -> Self;
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
    /// Never constructed.
    _lock: &'a ProcessLock,
}

/// A pipe that carries bytes from a socket to a file.
#[derive(Debug)]
pub struct Pipe {
    /// Never constructed.
    never: Infallible,
}

impl Pipe {
    unsupported! {
        /// Makes a pipe. Callers read and write.
        fn new() -> Self;
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

    /// Reads bytes from the pipe.
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

    /// Returns the name of the next entry.
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
