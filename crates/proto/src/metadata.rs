//! What is known of a file.

/// What an entry is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO, socket or device.
    Other,
}

/// What `stat` tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Metadata {
    /// Kind of the entry.
    pub kind: FileKind,
    /// Size in bytes.
    pub size: u64,
    /// Modification time, seconds since 1970 UTC.
    pub modified: i64,
    /// Permission bits (`0o7777` mask).
    pub mode: u32,
    /// Hard links.
    pub links: u64,
    /// Owner id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Device number; with `inode` the `unique` fact.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
}
