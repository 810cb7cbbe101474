//! The metadata of files.

/// The kind of an entry.
///
/// The enum is complete: everything else is [`Other`](Self::Other).
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

/// The metadata of an entry, as from `stat` or `lstat`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Metadata {
    /// Kind of the entry.
    pub kind: FileKind,
    /// Size in bytes.
    pub size: u64,
    /// Modification time, in seconds since 1970 UTC.
    pub modified: i64,
    /// Permission bits with set-id and sticky bits, at most `0o7777`; other bits are ignored.
    pub mode: u32,
    /// Number of hard links.
    pub links: u64,
    /// Owner's id; 0 on systems without owners.
    pub uid: u32,
    /// Group's id; 0 on systems without groups.
    pub gid: u32,
    /// Number of the device that holds the entry; with `inode`, it makes the `unique` fact.
    pub device: u64,
    /// Inode number, the same for all names of one file; 0 on systems without inodes.
    pub inode: u64,
    /// Whether the file was changed lately, so that removing it may wait until its content has
    /// reached the disk. Only `Filesystem::lstat` needs to set this.
    pub unwritten: bool,
}
