//! The entries of a directory, as they are read.

use std::vec;

use ftpdlib_filesystems::{Entry, FilesystemError, Listing};

/// Entries that were read in batches, taken one by one: whoever has no time for all of a batch
/// finds the rest of it next time.
pub(super) struct Entries {
    listing: Box<dyn Listing>,
    batch: vec::IntoIter<Entry>,
    /// How many were read so far.
    read: usize,
    more: bool,
    failure: Option<FilesystemError>,
}

impl Entries {
    pub(super) fn new(listing: Box<dyn Listing>) -> Self {
        Self {
            listing,
            batch: Vec::new().into_iter(),
            read: 0,
            more: true,
            failure: None,
        }
    }

    /// Reads up to `max`, unless some are left of those that were read before. If that fails, there
    /// are no more.
    pub(super) fn read(&mut self, max: usize) {
        if self.more && self.batch.as_slice().is_empty() {
            let mut batch = Vec::new();
            let more = self.listing.next_batch(max, &mut batch);
            self.note(more);
            self.read += batch.len();
            self.batch = batch.into_iter();
        }
    }

    /// Hands the names of up to `max` to `each` instead, and keeps none of them.
    pub(super) fn read_names(&mut self, max: usize, mut each: impl FnMut(&[u8])) {
        if self.more {
            let read = &mut self.read;
            let more = self.listing.next_names(max, &mut |name| {
                *read += 1;
                each(name);
            });
            self.note(more);
        }
    }

    /// The next one of those that were read.
    pub(super) fn next(&mut self) -> Option<Entry> {
        self.batch.next()
    }

    /// Whether all have been taken.
    pub(super) fn are_over(&self) -> bool {
        !self.more && self.batch.as_slice().is_empty()
    }

    /// Why there are no more, if that is not because all have been read.
    pub(super) fn end(&mut self) -> Result<(), FilesystemError> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Where they are from.
    pub(super) fn listing(&self) -> &dyn Listing {
        &*self.listing
    }

    /// How many have been read.
    pub(super) fn count(&self) -> usize {
        self.read
    }

    fn note(&mut self, more: Result<bool, FilesystemError>) {
        self.more = more.unwrap_or_else(|error| {
            self.failure = Some(error);
            false
        });
    }
}
