//! Facts of a file.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

#[cfg(not(target_os = "linux"))]
use libc::{fstat, fstatat, stat};
#[cfg(target_os = "linux")]
use libc::{fstat64 as fstat, fstatat64 as fstatat, stat64 as stat};

use crate::call::{check, with_c_str};
use crate::clock::unix_now;

/// The kind of an entry. Exhaustive: [`Other`](Self::Other) covers all other kinds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO, socket or device.
    Other,
}

/// The result of `fstat`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FileStat {
    /// The kind of the file.
    pub kind: EntryKind,
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
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// The space that its content takes, in units of 512 bytes, whether on the disk or yet to be
    /// written.
    pub blocks: u64,
    /// When the content (mtime) and when anything about the file (ctime) last changed: seconds and
    /// nanoseconds of both. If the values are equal, the file has not changed.
    pub changed: [i64; 4],
}

/// Where the content of a file is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Storage {
    /// In memory only.
    Memory,
    /// On a disk of this machine; recent changes may be in memory only.
    Disk,
    /// Behind a network, or a process that may hang (FUSE).
    Remote,
}

/// In seconds. A change older than this is usually on the disk: by default Linux begins to write it
/// after at most 35 seconds.
const WRITTEN_AFTER: i64 = 60;

impl FileStat {
    /// Whether content of the file, which is in `storage`, may still be on its way to the disk.
    /// Removing that content, or the file, may wait until it is written.
    pub fn is_unwritten(&self, storage: Storage) -> bool {
        // Use the ctime, since users can set the mtime.
        let changed = self.changed[2];
        storage == Storage::Disk
            && self.kind == EntryKind::File
            && self.blocks > 0
            && unix_now().saturating_sub(changed) < WRITTEN_AFTER
    }
}

/// Returns the facts of an open file, which may be opened with
/// [`OpenFlags::PATH`](crate::OpenFlags::PATH).
///
/// # Errors
///
/// The error of `fstat`.
pub fn stat_descriptor(file: BorrowedFd<'_>) -> io::Result<FileStat> {
    let mut raw = MaybeUninit::<stat>::uninit();
    // SAFETY: the descriptor is borrowed for the call, and `raw` is writable memory of the size
    // and alignment of what the call fills in.
    check(unsafe { fstat(file.as_raw_fd(), raw.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it has filled in all of `raw`.
    Ok(FileStat::from(unsafe { raw.assume_init() }))
}

/// Returns the facts of the entry `name` of `dir`, without following a link.
///
/// # Errors
///
/// The error of `fstatat`.
pub fn stat_at(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<FileStat> {
    with_c_str(name, |name| {
        let mut raw = MaybeUninit::<stat>::uninit();
        let flags = libc::AT_SYMLINK_NOFOLLOW;
        // SAFETY: `dir` is borrowed for the call, `name` ends with a NUL, and `raw` is writable
        // memory of the size and alignment of what the call fills in.
        check(unsafe { fstatat(dir.as_raw_fd(), name.as_ptr(), raw.as_mut_ptr(), flags) })?;
        // SAFETY: the call succeeded, so it has filled in all of `raw`.
        Ok(FileStat::from(unsafe { raw.assume_init() }))
    })
}

#[expect(
    clippy::unnecessary_cast,
    reason = "the fields have other widths on other systems"
)]
impl From<stat> for FileStat {
    fn from(raw: stat) -> Self {
        Self {
            kind: match raw.st_mode & libc::S_IFMT {
                libc::S_IFREG => EntryKind::File,
                libc::S_IFDIR => EntryKind::Directory,
                libc::S_IFLNK => EntryKind::Symlink,
                _ => EntryKind::Other,
            },
            size: u64::try_from(raw.st_size).unwrap_or(0),
            modified: raw.st_mtime as i64,
            mode: raw.st_mode as u32 & 0o7777,
            links: raw.st_nlink as u64,
            uid: raw.st_uid,
            gid: raw.st_gid,
            device: raw.st_dev as u64,
            inode: raw.st_ino as u64,
            blocks: u64::try_from(raw.st_blocks).unwrap_or(0),
            changed: [
                raw.st_mtime as i64,
                raw.st_mtime_nsec as i64,
                raw.st_ctime as i64,
                raw.st_ctime_nsec as i64,
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn only_what_was_changed_lately_is_on_its_way_to_a_disk() {
        let file = tempfile::tempfile().unwrap();
        let facts = FileStat {
            blocks: 8,
            ..stat_descriptor(file.as_fd()).unwrap()
        };
        let ago = |seconds| {
            // A client has set the mtime.
            let changed = [0, 0, unix_now() - seconds, 0];
            FileStat { changed, ..facts }
        };
        for (facts, storage, expected) in [
            (facts, Storage::Disk, true),
            (facts, Storage::Memory, false),
            (facts, Storage::Remote, false),
            (ago(WRITTEN_AFTER), Storage::Disk, false),
            (ago(0), Storage::Disk, true),
            // The clock was set back.
            (ago(-9), Storage::Disk, true),
            (FileStat { blocks: 0, ..facts }, Storage::Disk, false),
        ] {
            assert_eq!(
                facts.is_unwritten(storage),
                expected,
                "{facts:?} {storage:?}"
            );
        }
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("a"), "x").unwrap();
        let directory = crate::open_directory(scratch.path()).unwrap();
        let found = stat_at(directory.as_fd(), b"a").unwrap();
        assert!(found.is_unwritten(Storage::Disk));
        assert!(
            !stat_descriptor(directory.as_fd())
                .unwrap()
                .is_unwritten(Storage::Disk)
        );
    }
}
