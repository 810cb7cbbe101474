//! Files for appending.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

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
