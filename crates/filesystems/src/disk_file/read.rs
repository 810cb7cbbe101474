//! Downloads from the disk.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use ftpdlib_proto::VirtualPath;
use ftpdlib_sys::{OpenFlags, Storage, is_made_up};

use super::regular;
use crate::error::{ErrorKind, FilesystemError};
use crate::jail::Jail;
use crate::transfer_file::ReadFile;

/// `NON_BLOCK` avoids waiting for the other end of a FIFO, and has no effect on a regular file.
const READ: OpenFlags = OpenFlags::READ.union(OpenFlags::NON_BLOCK);

#[derive(Debug)]
pub(crate) struct DiskReadFile {
    file: File,
    size: u64,
    offset: u64,
    mode: u32,
    local: bool,
}

impl DiskReadFile {
    pub(crate) fn open(
        jail: &Jail,
        path: &VirtualPath,
        offset: u64,
    ) -> Result<Self, FilesystemError> {
        let file = jail.open(path, READ, 0)?;
        let facts = regular(&file)?;
        if offset > facts.size {
            return Err(ErrorKind::OffsetPastEnd.into());
        }
        Ok(Self {
            local: jail.storage(file.as_fd(), &facts) != Storage::Remote,
            file: file.into(),
            size: facts.size,
            offset,
            mode: facts.mode,
        })
    }

    pub(crate) fn into_file(self) -> File {
        self.file
    }
}

impl ReadFile for DiskReadFile {
    /// Reads at the offset, not at the position of the descriptor, so that opening at an offset
    /// costs no seek.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        // The file was empty when it was opened and has grown since. A file that the kernel makes
        // up (procfs) keeps reporting that it is empty.
        if count > 0 && self.size == 0 && self.file.metadata()?.len() > 0 {
            return Ok(0);
        }
        self.offset += count as u64;
        // A file that the kernel makes up was not truncated: it never had that size. For any other
        // file, its size now proves nothing: the file may have been empty at the read and written
        // again since.
        if count == 0
            && self.offset < self.size
            && !buffer.is_empty()
            && is_made_up(self.file.as_fd())
        {
            self.size = self.offset;
        }
        Ok(count)
    }

    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.local.then(|| self.file.as_fd())
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    fn mode(&self) -> Option<u32> {
        Some(self.mode)
    }
}
