//! The content that a file has before an upload.

use std::time::{Duration, Instant};

use ftpdlib_sys::{FileStat, Storage};

/// How long facts that were looked up for a file open for writing remain good enough.
pub(super) const FACTS_HOLD: Duration = Duration::from_millis(50);

/// The facts of a file at some time.
#[derive(Clone, Copy, Debug)]
pub(super) struct LookedUp {
    pub(super) at: Instant,
    pub(super) size: u64,
    pub(super) removed: bool,
    /// Whether freeing the content may wait for the disk.
    pub(super) unwritten: bool,
}

impl LookedUp {
    pub(super) fn new(facts: &FileStat, storage: Storage) -> Self {
        Self {
            at: Instant::now(),
            size: facts.size,
            removed: facts.links == 0,
            unwritten: facts.is_unwritten(storage),
        }
    }
}

/// What an upload does to existing content with its first byte, or when it is complete. An upload
/// that breaks off before leaves the content alone.
#[derive(Debug)]
pub(super) enum Pending {
    Nothing,
    /// Only the time of an empty file changes. This shows the upload that created the file that the
    /// file is no longer its own.
    Touch,
    /// The content is removed if it is still the same. Otherwise the file has been written to
    /// since: after a lost connection, a client has tried again, and the rest of its first upload
    /// arrives late. It is then written over what is there, as on servers that empty a file at
    /// STOR.
    Clear(ContentId),
}

/// Distinguishes the successive contents of a file by size and time of the last modification.
#[derive(Clone, Copy, Debug)]
pub(super) struct ContentId {
    pub(super) size: u64,
    pub(super) modified: [i64; 2],
}

impl ContentId {
    pub(super) const fn of(facts: &FileStat) -> Self {
        let [seconds, nanoseconds, ..] = facts.changed;
        Self {
            size: facts.size,
            modified: [seconds, nanoseconds],
        }
    }

    /// Whether `facts` are those of the same content. Writing sets the modification time and the
    /// status time of a file to the same value; if they differ, a client or a program has set the
    /// modification time.
    pub(super) fn is_of(self, facts: &FileStat) -> bool {
        let [seconds, nanoseconds, status @ ..] = facts.changed;
        let modified = [seconds, nanoseconds];
        self.size == facts.size && (self.modified == modified || modified != status)
    }
}
