//! The same signatures for systems that lack the calls.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::open::{OpenFlags, Scope};

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

/// Throws away what a socket received.
///
/// # Errors
///
/// Always `Unsupported` on this system: callers read.
pub fn discard(_socket: BorrowedFd<'_>, _count: usize) -> io::Result<usize> {
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

/// Whether the filesystem that holds `file` answers from this machine.
///
/// # Errors
///
/// Always `Unsupported` on this system: callers take it as "no".
pub fn is_local_filesystem(_file: BorrowedFd<'_>) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

/// An open directory that is read on and on.
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
