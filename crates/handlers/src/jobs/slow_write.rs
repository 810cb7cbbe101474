//! The file of an upload that may block: it is closed on a thread even if it is never finished, for
//! example because its connection ends with the loop.

use std::io;
use std::os::fd::BorrowedFd;

use ftpdlib_filesystems::{ErrorKind, FilesystemError, WriteFile};
use ftpdlib_ioloop::Lane;
use ftpdlib_proto::{TransferEnd, VirtualPath};

use super::large::drop_on;

pub(super) struct SlowWrite {
    /// `Some` until it is finished or dropped.
    file: Option<Box<dyn WriteFile>>,
    path: VirtualPath,
    lane: Lane,
}

impl SlowWrite {
    /// Drops `file` on `lane` if it is not finished.
    pub(super) fn new(file: Box<dyn WriteFile>, lane: &Lane) -> Self {
        Self {
            path: file.path().clone(),
            file: Some(file),
            lane: lane.clone(),
        }
    }
}

impl WriteFile for SlowWrite {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |file| file.write(bytes))
    }

    fn finish(mut self: Box<Self>, end: &TransferEnd) -> Result<(), FilesystemError> {
        self.file.take().map_or(Ok(()), |file| file.finish(end))
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref()?.descriptor()
    }

    fn size(&self) -> Option<u64> {
        self.file.as_ref()?.size()
    }

    fn may_wait(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.may_wait())
    }

    fn path(&self) -> &VirtualPath {
        &self.path
    }

    fn mode(&self) -> Option<u32> {
        self.file.as_ref()?.mode()
    }

    fn set_mode(&mut self, mode: u32) -> Result<(), FilesystemError> {
        match &mut self.file {
            Some(file) => file.set_mode(mode),
            None => Err(ErrorKind::NotSupported.into()),
        }
    }
}

impl Drop for SlowWrite {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            drop_on(&self.lane, file);
        }
    }
}
