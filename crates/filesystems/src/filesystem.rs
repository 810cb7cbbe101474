//! The trait every filesystem implements.
use crate::FilesystemError;
use ftpdlib_proto::{Metadata, TransferEnd, VirtualPath};
use std::borrow::Cow;
use std::io;
use std::os::fd::BorrowedFd;

/// How [`Filesystem::open_write`] treats what is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WriteMode {
    /// STOR: created or emptied.
    Replace,
    /// APPE: created or continued at its end.
    Append,
    /// REST then STOR: an existing file written from this byte on (not truncated first); refused past
    /// its end.
    At(u64),
    /// STOU: a new file in the directory given, its name made from `prefix`.
    Unique,
}

/// Files as a client sees them. All methods may block; all paths are absolute and normalised.
/// The session owns the working directory.
pub trait Filesystem: Send + Sync {
    /// Opens a regular file for reading, positioned at `offset` (refused past its end).
    fn open_read(
        &self,
        path: &VirtualPath,
        offset: u64,
    ) -> Result<Box<dyn ReadFile>, FilesystemError>;
    /// Opens a file for writing. For `Unique`, `path` is the directory joined with the prefix.
    fn open_write(
        &self,
        path: &VirtualPath,
        mode: WriteMode,
    ) -> Result<Box<dyn WriteFile>, FilesystemError>;
    /// Opens a directory for listing.
    fn list(&self, path: &VirtualPath) -> Result<Box<dyn Listing>, FilesystemError>;
    /// Facts of what `path` leads to, links followed inside the home.
    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError>;
    /// Facts of `path` itself.
    fn lstat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError>;
    /// Checks that `path` is a directory that may be entered (`chdir`). Default: `stat`.
    fn change_dir(&self, _path: &VirtualPath) -> Result<(), FilesystemError> {
        todo!()
    }
    // mkdir, rmdir, remove, rename(from, to), set_mode(path, u32), set_modified(path, i64),
    // readlink(path) -> Vec<u8>: each with a default that answers NotSupported.

    /// `path` with every link resolved, inside the home, as a virtual path; a last component that
    /// does not exist is kept. Permission overrides are looked up by it. Default: `path` itself.
    fn canonical(&self, path: &VirtualPath) -> Result<VirtualPath, FilesystemError> {
        Ok(path.clone())
    }
    /// Where a session starts. `/` by default.
    fn start_dir(&self) -> VirtualPath {
        VirtualPath::root()
    }
    /// Owner shown in LIST.
    fn user_name(&self, _uid: u32) -> Cow<'_, str> {
        Cow::Borrowed("owner")
    }
    /// Group shown in LIST.
    fn group_name(&self, _gid: u32) -> Cow<'_, str> {
        Cow::Borrowed("group")
    }
    /// Whether every call answers from this machine without waiting (local disk or memory), so that
    /// a driver may call it on its event loop. `false` by default.
    fn is_local(&self) -> bool {
        false
    }
}

/// A file open for reading, positioned.
pub trait ReadFile: Send {
    /// Reads on; `Ok(0)` is the end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Size of the whole file when it was opened, in bytes.
    fn size(&self) -> Option<u64>;
    /// The open file, if local and regular: then sendfile may be used from `offset()` on.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
    /// Position of the next read.
    fn offset(&self) -> u64;
}

/// A file open for writing.
pub trait WriteFile: Send {
    /// Writes on; may be short.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// The last call: the transfer ended as `end` says. The final reply waits for it.
    fn finish(self: Box<Self>, end: &TransferEnd) -> Result<(), FilesystemError>;
    /// The open file, if local and regular: then it may be written to directly, at its position.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
    /// The name that `WriteMode::Unique` chose.
    fn path(&self) -> &VirtualPath;
}

/// One name of a directory.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Disk bytes, never `.` or `..`.
    pub name: Vec<u8>,
    /// Metadata (of the entry itself, links not followed) where it cost nothing more.
    pub metadata: Option<Metadata>,
}

/// An open directory.
pub trait Listing: Send {
    /// Appends up to `max` entries to `out`, in directory order; `false` when none are left.
    fn next_batch(&mut self, max: usize, out: &mut Vec<Entry>) -> Result<bool, FilesystemError>;
    /// `lstat` of an entry.
    fn lstat(&self, name: &[u8]) -> Result<Metadata, FilesystemError>;
    /// `stat` of an entry, links followed inside the home.
    fn stat(&self, name: &[u8]) -> Result<Metadata, FilesystemError>;
    /// Target of a link entry, disk bytes.
    fn readlink(&self, name: &[u8]) -> Result<Vec<u8>, FilesystemError>;
}
