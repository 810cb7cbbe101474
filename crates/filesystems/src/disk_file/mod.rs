//! Files of the disk that are open for reading or writing.

mod content;
mod created;
mod read;
mod write;

use std::os::fd::{AsFd, OwnedFd};

use ftpdlib_sys::{EntryKind, FileStat, stat_descriptor};

pub(crate) use self::read::DiskReadFile;
pub(crate) use self::write::{DiskWriteFile, NEW_FILE_MODE};
use crate::error::{ErrorKind, FilesystemError};

/// The facts of `file`, which must be a regular one.
fn regular(file: &OwnedFd) -> Result<FileStat, FilesystemError> {
    let facts = stat_descriptor(file.as_fd())?;
    match facts.kind {
        EntryKind::File => Ok(facts),
        EntryKind::Directory => Err(ErrorKind::IsADirectory.into()),
        EntryKind::Symlink | EntryKind::Other => Err(ErrorKind::NotARegularFile.into()),
    }
}
