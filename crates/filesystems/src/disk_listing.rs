//! Directories of the disk that are open for listing.

use std::os::fd::AsFd;
use std::sync::Arc;

use ftpdlib_proto::{FileKind, Metadata, VirtualPath};
use ftpdlib_sys::{DirectoryReader, OpenFlags, open_at, read_link_at, recall_at, stat_at};

use crate::error::{ErrorKind, FilesystemError};
use crate::jail::{Jail, metadata};
use crate::transfer_file::{Entry, Listing, Recall};

#[derive(Debug)]
pub(crate) struct DiskListing {
    jail: Arc<Jail>,
    path: VirtualPath,
    reader: DirectoryReader,
}

impl DiskListing {
    pub(crate) fn open(jail: &Arc<Jail>, path: &VirtualPath) -> Result<Self, FilesystemError> {
        let flags = OpenFlags::READ | OpenFlags::DIRECTORY;
        let reader = DirectoryReader::new(jail.open(path, flags, 0)?);
        Ok(Self {
            jail: Arc::clone(jail),
            path: path.clone(),
            reader,
        })
    }

    pub(crate) fn next_name(&mut self) -> Result<Option<Vec<u8>>, FilesystemError> {
        Ok(self.reader.next_name()?.map(<[u8]>::to_vec))
    }
}

impl Listing for DiskListing {
    fn next_batch(&mut self, max: usize, out: &mut Vec<Entry>) -> Result<bool, FilesystemError> {
        self.next_names(max, &mut |name| {
            out.push(Entry {
                name: name.to_vec(),
                metadata: None,
            });
        })
    }

    fn next_names(
        &mut self,
        max: usize,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<bool, FilesystemError> {
        for _ in 0..max {
            match self.reader.next_name()? {
                Some(name) => each(name),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Looks in the directory that was opened, wherever it was moved since.
    fn lstat(&self, name: &[u8]) -> Result<Metadata, FilesystemError> {
        Ok(metadata(stat_at(self.reader.as_fd(), single(name)?)?))
    }

    fn stat(&self, name: &[u8]) -> Result<Metadata, FilesystemError> {
        let own = self.lstat(name)?;
        if own.kind != FileKind::Symlink {
            return Ok(own);
        }
        // Only resolving the path from the home shows whether the link leaves the home.
        Ok(metadata(self.jail.stat(&self.path.join(name)?)?))
    }

    fn recall(&self) -> Option<Recall> {
        // Opened anew instead of duplicated: with a shared open file, two threads would contend for
        // its reference count.
        let flags = OpenFlags::PATH | OpenFlags::DIRECTORY;
        let dir = open_at(self.reader.as_fd(), b".", flags, 0).ok()?;
        // Not every kernel supports this.
        recall_at(dir.as_fd(), b".").ok()?;
        Some(Box::new(move |name| {
            let found = recall_at(dir.as_fd(), single(name).ok()?);
            found.map(metadata).ok()
        }))
    }

    fn readlink(&self, name: &[u8]) -> Result<Vec<u8>, FilesystemError> {
        let target = read_link_at(self.reader.as_fd(), single(name)?)?;
        self.jail.shown_target(target, self.reader.as_fd())
    }
}

/// Accepts only a single name: a path could lead anywhere from the directory's descriptor.
fn single(name: &[u8]) -> Result<&[u8], FilesystemError> {
    if name.is_empty() || name == b".." || name.contains(&b'/') {
        return Err(ErrorKind::NotFound.into());
    }
    Ok(name)
}
