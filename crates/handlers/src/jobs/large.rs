//! What is so large that a local disk takes long over it, too.
//!
//! Freeing a file takes ext4 a quarter of a second for each gibibyte. Such jobs of users whose others
//! run on the loop go to a thread; most are small, and must not pay for that.

use ftpdlib_filesystems::{Filesystem, WriteFile};
use ftpdlib_ioloop::Lane;
use ftpdlib_proto::{FileKind, Metadata, VirtualPath};
use ftpdlib_session::Action;

use super::Account;

/// A file of so many bytes takes a few milliseconds to free or to be given its place on the disk.
const LARGE_FILE: u64 = 16 << 20;

/// A directory of so many bytes takes that to be found empty: all of it is read.
const LARGE_DIRECTORY: u64 = 1 << 20;

/// Of a directory of so many bytes, which on ext4 has or had some hundred thousand entries, most of
/// which may be gone, reading on may take longer than a listing's turn.
const LARGE_LISTING: u64 = 32 << 20;

/// Whether `action` removes or replaces something large, or puts something large in the place of
/// another, for which ext4 gives it its place on the disk at once.
pub(crate) fn removes_much(account: &Account, action: &Action) -> bool {
    let (removed, moved) = match action {
        Action::Remove(path) | Action::RemoveDirectory(path) => (path, None),
        Action::Rename { from, to } => (to, Some(from)),
        _ => return false,
    };
    // What goes wrong here goes wrong in the job as well, which tells it.
    let Ok(_guard) = account.authorizer.impersonate(&account.login) else {
        return false;
    };
    let fs = &*account.filesystem;
    match fs.lstat(removed) {
        Ok(removed) => is_large(&removed) || moved.is_some_and(|path| is_large_at(fs, path)),
        Err(_) => false,
    }
}

/// Whether the file of an upload may be large with `written` bytes of it. What was there before may go
/// with the first of them or at the end; then the rest, if it replaced something, is given its place
/// on the disk, or is freed, if the file was removed meanwhile.
pub(crate) fn is_large_upload(file: &dyn WriteFile, written: u64) -> bool {
    file.size().unwrap_or(0).saturating_add(written) >= LARGE_FILE
}

/// Whether the directory of which these are the facts is too large to be listed on the loop.
pub(super) fn is_large_listing(facts: &Metadata) -> bool {
    facts.kind == FileKind::Directory && facts.size >= LARGE_LISTING
}

/// Drops what may be the last to hold something large that was removed, which is freed then.
pub(super) fn drop_on(lane: &Lane, held: impl Send + 'static) {
    if let Err(error) = lane.submit(move || drop(held)) {
        // It was dropped here.
        log::debug!("no thread for a job: {error}");
    }
}

fn is_large_at(fs: &dyn Filesystem, path: &VirtualPath) -> bool {
    fs.lstat(path).is_ok_and(|facts| is_large(&facts))
}

fn is_large(facts: &Metadata) -> bool {
    match facts.kind {
        FileKind::File => facts.size >= LARGE_FILE,
        FileKind::Directory => facts.size >= LARGE_DIRECTORY,
        FileKind::Symlink | FileKind::Other => false,
    }
}
