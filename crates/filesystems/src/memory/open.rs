//! Open files and directories.

use std::io;
use std::sync::{Arc, Mutex};

use ftpdlib_proto::{Metadata, TransferEnd, VirtualPath};
use ftpdlib_sys::unix_now;

use super::tree::{Content, Directory, Node, lock};
use crate::error::{ErrorKind, FilesystemError};
use crate::transfer_file::{Entry, Listing, ReadFile, WriteFile};

#[derive(Debug)]
pub(super) struct MemoryReadFile {
    pub(super) content: Arc<Mutex<Content>>,
    pub(super) size: u64,
    pub(super) offset: u64,
}

impl ReadFile for MemoryReadFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let content = lock(&self.content);
        // The file may have been emptied since.
        let start = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let rest = content.bytes.get(start..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.offset += count as u64;
        Ok(count)
    }

    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    fn mode(&self) -> Option<u32> {
        Some(lock(&self.content).attributes.mode)
    }
}

#[derive(Debug)]
pub(super) struct MemoryWriteFile {
    pub(super) root: Arc<Mutex<Directory>>,
    pub(super) content: Arc<Mutex<Content>>,
    pub(super) path: VirtualPath,
    /// Where to write next; `None` for the end of the file at that time.
    pub(super) offset: Option<usize>,
    /// Set if the old content is to be removed with the first byte or when the upload is complete,
    /// provided that the content's number of changes is still this. See `Pending::Clear` in
    /// `disk_file`.
    pub(super) replaces: Option<u64>,
    /// Whether the file did not exist before.
    pub(super) created: bool,
}

impl MemoryWriteFile {
    fn clear(&mut self) {
        let mut content = lock(&self.content);
        if self.replaces.take() == Some(content.changes) {
            content.bytes.clear();
            content.changes += 1;
        }
    }

    /// Removes the file that was created, unless another upload has opened or written to it.
    fn undo(&self) -> Result<(), FilesystemError> {
        let mut root = lock(&self.root);
        let (dir, name) = root.parent(&self.path)?;
        let is_there = matches!(
            dir.entries.get(name),
            Some(Node::File(file)) if Arc::ptr_eq(&file.content, &self.content)
        );
        let content = lock(&self.content);
        if is_there && content.is_creators && content.bytes.is_empty() {
            dir.entries.remove(name);
        }
        Ok(())
    }
}

impl WriteFile for MemoryWriteFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.clear();
        let mut content = lock(&self.content);
        let start = self.offset.unwrap_or(content.bytes.len());
        let end = start + bytes.len();
        if content.bytes.len() < end {
            content.bytes.resize(end, 0);
        }
        content.bytes[start..end].copy_from_slice(bytes);
        content.changes += 1;
        content.attributes.modified = unix_now();
        self.offset = self.offset.map(|_| end);
        Ok(bytes.len())
    }

    fn finish(mut self: Box<Self>, end: &TransferEnd) -> Result<(), FilesystemError> {
        match end {
            TransferEnd::Complete => self.clear(),
            TransferEnd::Unsecured if self.created => self.undo()?,
            _ => {}
        }
        Ok(())
    }

    /// Not reported, since memory is freed at once, whatever the size.
    fn size(&self) -> Option<u64> {
        None
    }

    fn may_wait(&self) -> bool {
        false
    }

    fn path(&self) -> &VirtualPath {
        &self.path
    }

    fn mode(&self) -> Option<u32> {
        Some(lock(&self.content).attributes.mode)
    }

    fn set_mode(&mut self, mode: u32) -> Result<(), FilesystemError> {
        lock(&self.content).attributes.mode = mode & 0o7777;
        Ok(())
    }
}

/// The entries of a directory when it was opened, sorted by name.
#[derive(Debug)]
pub(super) struct MemoryListing {
    pub(super) entries: Vec<(Vec<u8>, Metadata)>,
    pub(super) next: usize,
}

impl Listing for MemoryListing {
    fn next_batch(&mut self, max: usize, out: &mut Vec<Entry>) -> Result<bool, FilesystemError> {
        let rest = self.entries[self.next..].iter().take(max);
        self.next += rest.len();
        out.extend(rest.map(|(name, facts)| Entry {
            name: name.clone(),
            metadata: Some(facts.clone()),
        }));
        Ok(self.next < self.entries.len())
    }

    fn lstat(&self, name: &[u8]) -> Result<Metadata, FilesystemError> {
        match self
            .entries
            .binary_search_by(|(known, _)| known.as_slice().cmp(name))
        {
            Ok(at) => Ok(self.entries[at].1.clone()),
            Err(_) => Err(ErrorKind::NotFound.into()),
        }
    }

    fn stat(&self, name: &[u8]) -> Result<Metadata, FilesystemError> {
        self.lstat(name)
    }

    fn readlink(&self, _name: &[u8]) -> Result<Vec<u8>, FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }
}
