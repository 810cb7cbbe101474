//! What is known of a file.

/// What an entry is.
///
/// The enum is complete: what a listing has no word for is [`Other`](Self::Other).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO, a socket or a device.
    Other,
}

/// What `stat` or `lstat` tells of an entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Metadata {
    /// Kind of the entry.
    pub kind: FileKind,
    /// Size in bytes.
    pub size: u64,
    /// Modification time, in seconds since 1970 UTC.
    pub modified: i64,
    /// Permission bits with set-id and sticky bits, `0o7777` at most; other bits are ignored.
    pub mode: u32,
    /// Number of hard links.
    pub links: u64,
    /// Owner's id; 0 on systems without.
    pub uid: u32,
    /// Group's id; 0 on systems without.
    pub gid: u32,
    /// Number of the device the entry is on; with `inode` the `unique` fact.
    pub device: u64,
    /// Inode number, the same for all names of one file; 0 on systems without.
    pub inode: u64,
    /// Whether content of a file may be on its way to a disk, so that removing the file may wait
    /// until it is there: it was changed lately. Only `Filesystem::lstat` need tell that.
    pub unwritten: bool,
}
