//! Files that are only added to.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a file to add to it. If there is none it is made, with permissions `mode` as far as the
/// process's mask leaves them; with `only_new` one that is there is an error.
///
/// Neither this nor a write to the file waits for the reader of a pipe (FIFO).
///
/// # Errors
///
/// The system's, that a pipe has no reader among them.
pub fn open_to_append(path: &Path, mode: u32, only_new: bool) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .mode(mode)
        .create(true)
        .create_new(only_new)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
}
