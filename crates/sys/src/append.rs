//! Files for appending.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::stat::{EntryKind, Storage, stat_descriptor};
use crate::storage;

/// Opens a file for appending. A missing file is created with the permissions `mode`, less the
/// umask; with `only_new`, an existing file is an error.
///
/// Neither this nor a write to the file waits for the reader of a pipe (FIFO).
///
/// # Errors
///
/// The system's error; among others, a pipe has no reader.
pub fn open_to_append(path: &Path, mode: u32, only_new: bool) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .mode(mode)
        .create(true)
        .create_new(only_new)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
}

/// Whether `file` is a regular file on a filesystem of this machine, so that writing to it waits
/// neither for a network nor for another process. `false` if that cannot be told, as on systems
/// other than Linux.
///
/// # Examples
///
/// ```
/// use std::fs::File;
/// use std::os::fd::AsFd;
///
/// use ftpdlib_sys::is_local_file;
///
/// let (_reader, writer) = std::io::pipe()?;
/// assert!(!is_local_file(writer.as_fd()));
/// # #[cfg(target_os = "linux")]
/// assert!(is_local_file(File::open(std::env::current_exe()?)?.as_fd()));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn is_local_file(file: BorrowedFd<'_>) -> bool {
    stat_descriptor(file).is_ok_and(|found| found.kind == EntryKind::File)
        && storage(file).is_ok_and(|found| found != Storage::Remote)
}
