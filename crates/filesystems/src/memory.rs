//! A filesystem in memory.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ftpdlib_proto::{FileKind, Metadata, TransferEnd, VirtualPath};

use crate::clock::unix_now;
use crate::error::{ErrorKind, FilesystemError};
use crate::filesystem::{Filesystem, WriteMode};
use crate::transfer_file::{Entry, Listing, ReadFile, WriteFile};

/// Files and directories in memory, for tests and examples: no links, no owners, no limit on what
/// an upload takes. Clones share the files.
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
    /// An empty `/`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a file at `path`, seen from `/`, in the place of another; makes the directories on the
    /// way.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotADirectory`] when a file is in the way, [`ErrorKind::IsADirectory`] when a
    /// directory is at `path`.
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

    /// What the file at `path` holds; `None` if there is no file.
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
            WriteMode::Unique => (root.unique(path)?, true),
        };
        if create {
            let (dir, name) = root.parent(&path)?;
            let file = || Node::File(File::default());
            dir.entries.entry(name.to_vec()).or_insert_with(file);
        }
        let content = root.file(&path)?.content.clone();
        let mut data = lock(&content);
        let offset = match mode {
            WriteMode::Replace | WriteMode::Unique => 0,
            WriteMode::Append => data.bytes.len(),
            WriteMode::At(offset) => usize::try_from(offset)
                .ok()
                .filter(|&offset| offset <= data.bytes.len())
                .ok_or(ErrorKind::OffsetPastEnd)?,
        };
        if mode == WriteMode::Replace {
            data.bytes.clear();
        }
        drop(data);
        Ok(Box::new(MemoryWriteFile {
            content,
            path,
            offset,
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

#[derive(Debug)]
enum Node {
    File(File),
    Directory(Directory),
}

impl Node {
    fn facts(&self) -> Metadata {
        match self {
            Self::File(file) => file.facts(),
            Self::Directory(dir) => dir.facts(),
        }
    }
}

/// A file of the tree; who has it open holds its content, too.
#[derive(Debug, Default)]
struct File {
    content: Arc<Mutex<Content>>,
}

#[derive(Debug)]
struct Content {
    bytes: Vec<u8>,
    attributes: Attributes,
}

impl Default for Content {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            attributes: Attributes::new(0o644),
        }
    }
}

impl File {
    fn facts(&self) -> Metadata {
        let content = lock(&self.content);
        content
            .attributes
            .facts(FileKind::File, content.bytes.len() as u64)
    }
}

#[derive(Debug)]
struct Directory {
    entries: BTreeMap<Vec<u8>, Node>,
    attributes: Attributes,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            attributes: Attributes::new(0o755),
        }
    }
}

/// What a path led to.
enum Found<'a> {
    File(&'a mut File),
    Directory(&'a mut Directory),
}

impl Directory {
    fn find(&mut self, path: &VirtualPath) -> Result<Found<'_>, FilesystemError> {
        let mut found = Found::Directory(self);
        for name in path.components() {
            let Found::Directory(dir) = found else {
                return Err(ErrorKind::NotADirectory.into());
            };
            found = match dir.entries.get_mut(name).ok_or(ErrorKind::NotFound)? {
                Node::File(file) => Found::File(file),
                Node::Directory(dir) => Found::Directory(dir),
            };
        }
        Ok(found)
    }

    fn file(&mut self, path: &VirtualPath) -> Result<&mut File, FilesystemError> {
        match self.find(path)? {
            Found::File(file) => Ok(file),
            Found::Directory(_) => Err(ErrorKind::IsADirectory.into()),
        }
    }

    /// The directory that holds `path`, and the last component; the root is in none.
    fn parent<'p>(
        &mut self,
        path: &'p VirtualPath,
    ) -> Result<(&mut Self, &'p [u8]), FilesystemError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(ErrorKind::PermissionDenied.into());
        };
        match self.find(&parent)? {
            Found::Directory(dir) => Ok((dir, name)),
            Found::File(_) => Err(ErrorKind::NotADirectory.into()),
        }
    }

    /// A path that nobody has: `prefix`, a dot and the least number that makes it so.
    fn unique(&mut self, prefix: &VirtualPath) -> Result<VirtualPath, FilesystemError> {
        let stem = if prefix.is_root() {
            b"/ftpd"
        } else {
            prefix.as_bytes()
        };
        let stem = stem.strip_suffix(b".").unwrap_or(stem);
        let mut number = 0_u32;
        loop {
            let path = VirtualPath::new([stem, format!(".{number}").as_bytes()].concat())?;
            let (dir, name) = self.parent(&path)?;
            if !dir.entries.contains_key(name) {
                return Ok(path);
            }
            number += 1;
        }
    }

    fn facts(&self) -> Metadata {
        self.attributes.facts(FileKind::Directory, 0)
    }
}

#[derive(Debug)]
struct Attributes {
    modified: i64,
    mode: u32,
    inode: u64,
}

impl Attributes {
    fn new(mode: u32) -> Self {
        static NEXT_INODE: AtomicU64 = AtomicU64::new(1);
        let inode = NEXT_INODE.fetch_add(1, Ordering::Relaxed);
        Self {
            modified: unix_now(),
            mode,
            inode,
        }
    }

    fn facts(&self, kind: FileKind, size: u64) -> Metadata {
        Metadata {
            kind,
            size,
            modified: self.modified,
            mode: self.mode,
            links: 1,
            uid: 0,
            gid: 0,
            device: 0,
            inode: self.inode,
        }
    }
}

#[derive(Debug)]
struct MemoryReadFile {
    content: Arc<Mutex<Content>>,
    size: u64,
    offset: u64,
}

impl ReadFile for MemoryReadFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let content = lock(&self.content);
        // Somebody may have emptied the file since.
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
}

#[derive(Debug)]
struct MemoryWriteFile {
    content: Arc<Mutex<Content>>,
    path: VirtualPath,
    offset: usize,
}

impl WriteFile for MemoryWriteFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut content = lock(&self.content);
        let end = self.offset + bytes.len();
        if content.bytes.len() < end {
            content.bytes.resize(end, 0);
        }
        content.bytes[self.offset..end].copy_from_slice(bytes);
        content.attributes.modified = unix_now();
        self.offset = end;
        Ok(bytes.len())
    }

    fn finish(self: Box<Self>, _end: &TransferEnd) -> Result<(), FilesystemError> {
        Ok(())
    }

    fn path(&self) -> &VirtualPath {
        &self.path
    }
}

/// A directory as it was when it was opened, in the order of names.
#[derive(Debug)]
struct MemoryListing {
    entries: Vec<(Vec<u8>, Metadata)>,
    next: usize,
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

/// A thread that panicked with the lock held left nothing half done that matters here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
