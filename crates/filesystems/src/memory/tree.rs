//! The tree of files and directories.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ftpdlib_proto::{FileKind, Metadata, VirtualPath};
use ftpdlib_sys::unix_now;

use crate::error::{ErrorKind, FilesystemError};

#[derive(Debug)]
pub(super) enum Node {
    File(File),
    Directory(Directory),
}

impl Node {
    pub(super) fn facts(&self) -> Metadata {
        match self {
            Self::File(file) => file.facts(),
            Self::Directory(dir) => dir.facts(),
        }
    }
}

/// A file of the tree. Open files share its content.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) content: Arc<Mutex<Content>>,
}

#[derive(Debug)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    pub(super) attributes: Attributes,
    /// How often the content was written to or emptied.
    pub(super) changes: u64,
    /// Whether only the upload that created the file has opened it for writing.
    pub(super) is_creators: bool,
}

impl Default for Content {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            attributes: Attributes::new(0o644),
            changes: 0,
            is_creators: false,
        }
    }
}

impl File {
    pub(super) fn facts(&self) -> Metadata {
        let content = lock(&self.content);
        content
            .attributes
            .facts(FileKind::File, content.bytes.len() as u64)
    }
}

/// A directory. Nothing here may recurse into subdirectories, since clients can nest them deeper
/// than any path reaches.
pub(super) struct Directory {
    pub(super) entries: BTreeMap<Vec<u8>, Node>,
    pub(super) attributes: Attributes,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            attributes: Attributes::new(0o755),
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let mut rest: Vec<_> = mem::take(&mut self.entries).into_values().collect();
        while let Some(node) = rest.pop() {
            if let Node::Directory(mut dir) = node {
                rest.extend(mem::take(&mut dir.entries).into_values());
            }
        }
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("entries", &self.entries.len())
            .field("attributes", &self.attributes)
            .finish()
    }
}

/// What a path led to.
pub(super) enum Found<'a> {
    File(&'a mut File),
    Directory(&'a mut Directory),
}

impl Directory {
    pub(super) fn find(&mut self, path: &VirtualPath) -> Result<Found<'_>, FilesystemError> {
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

    pub(super) fn file(&mut self, path: &VirtualPath) -> Result<&mut File, FilesystemError> {
        match self.find(path)? {
            Found::File(file) => Ok(file),
            Found::Directory(_) => Err(ErrorKind::IsADirectory.into()),
        }
    }

    /// Returns the directory that contains `path`, and the last component. The root has no such
    /// directory.
    pub(super) fn parent<'p>(
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

    /// Returns an unused path: `prefix`, a dot and the smallest number that makes it unused.
    pub(super) fn unique(&mut self, prefix: &VirtualPath) -> Result<VirtualPath, FilesystemError> {
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

    pub(super) fn facts(&self) -> Metadata {
        self.attributes.facts(FileKind::Directory, 0)
    }
}

#[derive(Debug)]
pub(super) struct Attributes {
    pub(super) modified: i64,
    pub(super) mode: u32,
    inode: u64,
}

impl Attributes {
    pub(super) fn new(mode: u32) -> Self {
        static NEXT_INODE: AtomicU64 = AtomicU64::new(1);
        let inode = NEXT_INODE.fetch_add(1, Ordering::Relaxed);
        Self {
            modified: unix_now(),
            mode,
            inode,
        }
    }

    pub(super) fn facts(&self, kind: FileKind, size: u64) -> Metadata {
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
            unwritten: false,
        }
    }
}

/// Locks `mutex` even if a thread panicked while holding the lock: it has left nothing half done
/// that matters here.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
