//! Jobs that take long even on a local disk: on large files, or on files being written to the disk.
//!
//! Freeing a file takes ext4 a quarter of a second per gibibyte. Even for a small file it waits
//! while content of the file is on its way to the disk: ext4 starts to write a file that has
//! replaced another one as soon as it is closed or renamed. If a user's jobs run on the loop, these
//! go to a thread. Most files are small and at rest, and must not pay for that.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use ftpdlib_filesystems::{Filesystem, ReadFile, WriteFile};
use ftpdlib_ioloop::Lane;
use ftpdlib_proto::{FileKind, Metadata, VirtualPath};
use ftpdlib_session::{Action, Change};
use ftpdlib_sys::{stat_descriptor, storage};

use super::Account;
use crate::owners_code;

/// A file of this size takes a few milliseconds to be freed, or to be allocated on the disk.
const LARGE_FILE: u64 = 16 << 20;

/// A directory of this size takes as long to be found empty, since all of it is read.
const LARGE_DIRECTORY: u64 = 1 << 20;

/// In a directory of this size, which on ext4 has or had some hundred thousand entries, the next
/// read may take longer than a listing's turn: most of the entries may be gone.
const LARGE_LISTING: u64 = 32 << 20;

/// A file that has been open for longer may have grown, so the system is asked for its size. In
/// less time, it grows by no more than a loop can free in about that time.
const MAY_HAVE_GROWN: Duration = Duration::from_millis(50);

/// Whether `action` removes or replaces something that takes long to free, or replaces something by
/// a large or new file, which ext4 then allocates on the disk at once.
pub(super) fn removes_much(account: &Account, action: &Action) -> bool {
    let Action::Change(change) = action else {
        return false;
    };
    let (removed, moved) = match change {
        Change::Remove(path) | Change::RemoveDirectory(path) => (path, None),
        Change::Rename { from, to } => (to, Some(from)),
        Change::MakeDirectory(_)
        | Change::SetFacts { .. }
        | Change::Copy { .. }
        | Change::Symlink { .. } => return false,
    };
    owners_code::ask(account, || {
        // An error here also occurs in the job, which reports it.
        let Ok(_guard) = account.authorizer().impersonate(&account.login) else {
            return false;
        };
        let fs = &**account.filesystem();
        match fs.lstat(removed) {
            Ok(removed) => {
                takes_long(&removed) || moved.is_some_and(|path| takes_long_at(fs, path))
            }
            Err(_) => false,
        }
    })
}

/// The lane for the next step of an upload if that may take long; `None` for the loop. `least` is a
/// lower bound of the file's size. The first bytes, or the end, may free what the file held; at the
/// end, the disk may also allocate a file that replaces another, or free one that was removed.
pub(crate) fn upload_lane<'a>(
    account: &'a Account,
    file: &dyn WriteFile,
    least: u64,
) -> Option<&'a Lane> {
    let is_large = || upload_size(account, file).max(least) >= LARGE_FILE;
    let may_wait = || owners_code::ask(account, || file.may_wait());
    account
        .lane()
        .or_else(|| (is_large() || may_wait()).then(|| account.large_lane()))
}

/// The size of an upload's file, as far as it matters here.
pub(crate) fn upload_size(account: &Account, file: &dyn WriteFile) -> u64 {
    owners_code::ask(account, || file.size().unwrap_or(0))
}

/// Whether a directory with this metadata is too large to be listed on the loop.
pub(super) fn is_large_listing(facts: &Metadata) -> bool {
    facts.kind == FileKind::Directory && facts.size >= LARGE_LISTING
}

/// The file of a download, which may be dropped on the loop: one that may block is closed on a
/// thread, and one that is large by then, and was removed meanwhile, is freed there.
pub(crate) struct OpenedRead {
    /// `Some` until it is dropped.
    file: Option<Box<dyn ReadFile>>,
    /// Whether the file was large when it was opened, and when that was.
    was_large: bool,
    opened: Instant,
    /// Whether to close it may block, whatever became of it.
    may_block: bool,
    lane: Lane,
}

impl OpenedRead {
    /// Holds a `file` that was opened for `account` just now and has this `size`, if that is known.
    pub(super) fn new(account: &Account, file: Box<dyn ReadFile>, size: Option<u64>) -> Self {
        Self::on(account.large_lane(), account.lane().is_some(), file, size)
    }

    fn on(lane: &Lane, may_block: bool, file: Box<dyn ReadFile>, size: Option<u64>) -> Self {
        Self {
            file: Some(file),
            was_large: size.is_some_and(|size| size >= LARGE_FILE),
            opened: Instant::now(),
            may_block,
            lane: lane.clone(),
        }
    }

    /// Whether the system needs long to free it, once it is closed.
    fn takes_long(&self) -> bool {
        if !self.was_large && self.opened.elapsed() < MAY_HAVE_GROWN {
            return false;
        }
        match self.descriptor().map(|file| (file, stat_descriptor(file))) {
            Some((file, Ok(facts))) => {
                let is_large = self.was_large || facts.size >= LARGE_FILE;
                let is_unwritten = || storage(file).is_ok_and(|held| facts.is_unwritten(held));
                facts.links == 0 && (is_large || is_unwritten())
            }
            Some((_, Err(_))) | None => self.was_large,
        }
    }
}

impl ReadFile for OpenedRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |file| file.read(buffer))
    }

    fn size(&self) -> Option<u64> {
        self.file.as_ref()?.size()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref()?.descriptor()
    }

    fn offset(&self) -> u64 {
        self.file.as_ref().map_or(0, |file| file.offset())
    }

    fn mode(&self) -> Option<u32> {
        self.file.as_ref()?.mode()
    }
}

impl Drop for OpenedRead {
    fn drop(&mut self) {
        // To ask about a file that may block may block as well.
        if (self.may_block || self.takes_long())
            && let Some(file) = self.file.take()
        {
            drop_on(&self.lane, file);
        }
    }
}

/// Drops on a thread what may block then, or may be the last to hold something large that was
/// removed, which is freed then.
pub(super) fn drop_on(lane: &Lane, held: impl Send + 'static) {
    if let Err(error) = lane.discard(held) {
        log::warn!("no thread to close what may block, so others wait for that: {error}");
    }
}

fn takes_long_at(fs: &dyn Filesystem, path: &VirtualPath) -> bool {
    fs.lstat(path).is_ok_and(|facts| takes_long(&facts))
}

fn takes_long(facts: &Metadata) -> bool {
    match facts.kind {
        FileKind::File => facts.size >= LARGE_FILE || facts.unwritten,
        FileKind::Directory => facts.size >= LARGE_DIRECTORY,
        FileKind::Symlink | FileKind::Other => false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::sync::mpsc::{self, Sender};
    use std::thread::{self, ThreadId};

    use ftpdlib_ioloop::Pool;
    use ftpdlib_sys::Storage;

    use super::*;

    /// Tells which thread drops it.
    struct Told {
        file: Option<File>,
        dropped: Sender<ThreadId>,
    }

    impl ReadFile for Told {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }

        fn size(&self) -> Option<u64> {
            None
        }

        fn descriptor(&self) -> Option<BorrowedFd<'_>> {
            self.file.as_ref().map(AsFd::as_fd)
        }

        fn offset(&self) -> u64 {
            0
        }
    }

    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.dropped.send(thread::current().id());
        }
    }

    /// Whether a file on a local disk is dropped here that had this size when it was opened, so
    /// long ago.
    #[track_caller]
    fn check(file: Option<File>, size: Option<u64>, ago: Duration, here: bool) {
        check_on(false, file, size, ago, here);
    }

    #[track_caller]
    fn check_on(may_block: bool, file: Option<File>, size: Option<u64>, ago: Duration, here: bool) {
        let lane = Pool::new().lane("test", 1);
        let (dropped, told) = mpsc::channel();
        let file = Box::new(Told { file, dropped });
        let mut opened = OpenedRead::on(&lane, may_block, file, size);
        opened.opened -= ago;
        drop(opened);
        assert_eq!(told.recv().unwrap() == thread::current().id(), here);
    }

    #[test]
    fn others_waited_for_a_large_file_that_was_removed_while_it_was_fetched() {
        let now = Duration::ZERO;
        let removed = || Some(tempfile::tempfile().unwrap());
        check(removed(), Some(LARGE_FILE), now, false);
        check(removed(), Some(LARGE_FILE - 1), now, true);
        check(removed(), None, now, true);
        let there = tempfile::NamedTempFile::new().unwrap();
        check(Some(there.reopen().unwrap()), Some(LARGE_FILE), now, true);
        check(None, Some(LARGE_FILE), now, false);
    }

    #[test]
    fn others_waited_until_a_disk_that_hung_had_closed_a_file() {
        for ago in [Duration::ZERO, MAY_HAVE_GROWN] {
            let there = tempfile::NamedTempFile::new().unwrap();
            check_on(true, Some(there.reopen().unwrap()), Some(1), ago, false);
            check_on(true, None, Some(1), ago, false);
        }
    }

    #[test]
    fn others_waited_for_the_disk_when_a_file_was_closed_that_was_stored_and_removed() {
        let mut removed = tempfile::tempfile().unwrap();
        removed.write_all(b"x").unwrap();
        let is_on_disk = storage(removed.as_fd()).unwrap() == Storage::Disk;
        check(Some(removed), Some(1), MAY_HAVE_GROWN, !is_on_disk);
    }

    #[test]
    fn others_waited_for_a_file_that_became_large_and_was_removed_while_it_was_fetched() {
        let ago = MAY_HAVE_GROWN;
        for (size, here) in [(LARGE_FILE, false), (LARGE_FILE - 1, true)] {
            let removed = tempfile::tempfile().unwrap();
            removed.set_len(size).unwrap();
            check(Some(removed), Some(1), ago, here);
        }
        let there = tempfile::NamedTempFile::new().unwrap();
        there.as_file().set_len(LARGE_FILE).unwrap();
        check(Some(there.reopen().unwrap()), Some(1), ago, true);
        check(None, Some(1), ago, true);
    }
}
