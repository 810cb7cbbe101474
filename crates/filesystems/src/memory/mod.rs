//! A filesystem in memory.

mod open;
#[cfg(test)]
mod tests;
mod tree;

use std::sync::{Arc, Mutex, MutexGuard};

use ftpdlib_proto::{Metadata, VirtualPath};

use self::open::{MemoryListing, MemoryReadFile, MemoryWriteFile};
use self::tree::{Directory, File, Found, Node, lock};
use crate::error::{ErrorKind, FilesystemError};
use crate::filesystem::{DRAFT_MODE, Filesystem, WriteMode};
use crate::transfer_file::{Listing, ReadFile, WriteFile};

/// Files and directories in memory, for tests and examples: without links, owners or a limit on the
/// size of uploads. Clones share the files.
///
/// # Examples
///
/// ```
/// use ftpdlib_filesystems::{Filesystem, MemoryFs};
/// use ftpdlib_proto::VirtualPath;
///
/// let fs = MemoryFs::new();
/// fs.insert("/pub/a.txt", "hello")?;
/// let path = VirtualPath::new("/pub/a.txt")?;
/// assert_eq!(fs.stat(&path)?.size, 5);
/// assert_eq!(fs.contents("/pub/a.txt").as_deref(), Some(b"hello".as_slice()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryFs {
    root: Arc<Mutex<Directory>>,
}

impl MemoryFs {
    /// Creates a filesystem with an empty `/`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a file at `path`, seen from `/`, and makes the directories on the way. Replaces an
    /// existing file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotADirectory`] if a file is in the way, [`ErrorKind::IsADirectory`] if `path`
    /// is a directory.
    pub fn insert(
        &self,
        path: impl AsRef<[u8]>,
        contents: impl Into<Vec<u8>>,
    ) -> Result<(), FilesystemError> {
        let path = VirtualPath::new(path)?;
        let name = path.file_name().ok_or(ErrorKind::IsADirectory)?;
        let mut root = self.lock();
        let mut dir = &mut *root;
        for part in path.parent().iter().flat_map(VirtualPath::components) {
            let made = dir.entries.entry(part.to_vec());
            dir = match made.or_insert_with(|| Node::Directory(Directory::default())) {
                Node::Directory(dir) => dir,
                Node::File(_) => return Err(ErrorKind::NotADirectory.into()),
            };
        }
        if let Some(Node::Directory(_)) = dir.entries.get(name) {
            return Err(ErrorKind::IsADirectory.into());
        }
        let file = File::default();
        lock(&file.content).bytes = contents.into();
        dir.entries.insert(name.to_vec(), Node::File(file));
        Ok(())
    }

    /// Returns the contents of the file at `path`; `None` if there is no file.
    pub fn contents(&self, path: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let path = VirtualPath::new(path).ok()?;
        match self.lock().find(&path) {
            Ok(Found::File(file)) => Some(lock(&file.content).bytes.clone()),
            Ok(Found::Directory(_)) | Err(_) => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Directory> {
        lock(&self.root)
    }
}

impl Filesystem for MemoryFs {
    fn open_read(
        &self,
        path: &VirtualPath,
        offset: u64,
    ) -> Result<Box<dyn ReadFile>, FilesystemError> {
        let content = self.lock().file(path)?.content.clone();
        let size = lock(&content).bytes.len() as u64;
        if offset > size {
            return Err(ErrorKind::OffsetPastEnd.into());
        }
        Ok(Box::new(MemoryReadFile {
            content,
            size,
            offset,
        }))
    }

    fn open_write(
        &self,
        path: &VirtualPath,
        mode: WriteMode,
    ) -> Result<Box<dyn WriteFile>, FilesystemError> {
        let mut root = self.lock();
        let (path, create) = match mode {
            WriteMode::Replace | WriteMode::Append => (path.clone(), true),
            WriteMode::At(_) => (path.clone(), false),
            WriteMode::Unique | WriteMode::Draft => (root.unique(path)?, true),
        };
        let mut created = false;
        if create {
            let (dir, name) = root.parent(&path)?;
            dir.entries.entry(name.to_vec()).or_insert_with(|| {
                created = true;
                Node::File(File::default())
            });
        }
        let content = root.file(&path)?.content.clone();
        let mut data = lock(&content);
        data.is_creators = created;
        if mode == WriteMode::Draft {
            data.attributes.mode = DRAFT_MODE;
        }
        let offset = match mode {
            WriteMode::Replace | WriteMode::Unique | WriteMode::Draft => Some(0),
            WriteMode::Append => None,
            WriteMode::At(offset) => {
                let offset = usize::try_from(offset).ok();
                let inside = offset.filter(|&offset| offset <= data.bytes.len());
                Some(inside.ok_or(ErrorKind::OffsetPastEnd)?)
            }
        };
        let replaces = (mode == WriteMode::Replace).then_some(data.changes);
        drop(data);
        Ok(Box::new(MemoryWriteFile {
            root: Arc::clone(&self.root),
            content,
            path,
            offset,
            replaces,
            created,
        }))
    }

    fn list(&self, path: &VirtualPath) -> Result<Box<dyn Listing>, FilesystemError> {
        match self.lock().find(path)? {
            Found::File(_) => Err(ErrorKind::NotADirectory.into()),
            Found::Directory(dir) => {
                let entries = dir
                    .entries
                    .iter()
                    .map(|(name, node)| (name.clone(), node.facts()));
                Ok(Box::new(MemoryListing {
                    next: 0,
                    entries: entries.collect(),
                }))
            }
        }
    }

    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
        Ok(match self.lock().find(path)? {
            Found::File(file) => file.facts(),
            Found::Directory(dir) => dir.facts(),
        })
    }

    fn lstat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
        self.stat(path)
    }

    fn mkdir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        let mut root = self.lock();
        if path.is_root() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let (dir, name) = root.parent(path)?;
        if dir.entries.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        dir.entries
            .insert(name.to_vec(), Node::Directory(Directory::default()));
        Ok(())
    }

    fn rmdir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        let mut root = self.lock();
        let (dir, name) = root.parent(path)?;
        match dir.entries.get(name).ok_or(ErrorKind::NotFound)? {
            Node::File(_) => return Err(ErrorKind::NotADirectory.into()),
            Node::Directory(inner) if !inner.entries.is_empty() => {
                return Err(ErrorKind::DirectoryNotEmpty.into());
            }
            Node::Directory(_) => dir.entries.remove(name),
        };
        Ok(())
    }

    fn remove(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        let mut root = self.lock();
        root.file(path)?;
        let (dir, name) = root.parent(path)?;
        dir.entries.remove(name);
        Ok(())
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FilesystemError> {
        let mut root = self.lock();
        let is_directory = match root.find(from)? {
            Found::Directory(_) => true,
            Found::File(_) => false,
        };
        if from == to {
            return Ok(());
        }
        if is_directory && to.starts_with(from) {
            return Err(FilesystemError::new(ErrorKind::Other, "Invalid argument."));
        }
        let (dir, name) = root.parent(to)?;
        match (is_directory, dir.entries.get(name)) {
            (_, None) | (false, Some(Node::File(_))) => {}
            (false, Some(Node::Directory(_))) => return Err(ErrorKind::IsADirectory.into()),
            (true, Some(Node::File(_))) => return Err(ErrorKind::NotADirectory.into()),
            (true, Some(Node::Directory(inner))) if inner.entries.is_empty() => {}
            (true, Some(Node::Directory(_))) => return Err(ErrorKind::DirectoryNotEmpty.into()),
        }
        let (dir, name) = root.parent(from)?;
        let moved = dir.entries.remove(name).ok_or(ErrorKind::NotFound)?;
        let (dir, name) = root.parent(to)?;
        dir.entries.insert(name.to_vec(), moved);
        Ok(())
    }

    fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<(), FilesystemError> {
        match self.lock().find(path)? {
            Found::File(file) => lock(&file.content).attributes.mode = mode & 0o7777,
            Found::Directory(dir) => dir.attributes.mode = mode & 0o7777,
        }
        Ok(())
    }

    fn set_modified(&self, path: &VirtualPath, modified: i64) -> Result<(), FilesystemError> {
        match self.lock().find(path)? {
            Found::File(file) => lock(&file.content).attributes.modified = modified,
            Found::Directory(dir) => dir.attributes.modified = modified,
        }
        Ok(())
    }

    fn is_local(&self) -> bool {
        true
    }
}
