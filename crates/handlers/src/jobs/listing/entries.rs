//! Reading the entries of a directory.

use std::vec;

use ftpdlib_filesystems::{Entry, FilesystemError, Listing};

/// Entries that are read in batches and taken one by one. What is left of a batch can be taken
/// later.
pub(super) struct Entries {
    listing: Box<dyn Listing>,
    batch: vec::IntoIter<Entry>,
    /// How many entries were read so far.
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

    /// Reads up to `max` entries, unless some are left from before. After an error there are no
    /// more.
    pub(super) fn read(&mut self, max: usize) {
        if self.more && self.batch.as_slice().is_empty() {
            let mut batch = Vec::new();
            let more = self.listing.next_batch(max, &mut batch);
            self.note(more);
            self.read += batch.len();
            self.batch = batch.into_iter();
        }
    }

    /// Reads up to `max` entries, hands only their names to `each`, and keeps none.
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

    /// Takes the next entry of those that were read.
    pub(super) fn next(&mut self) -> Option<Entry> {
        self.batch.next()
    }

    /// Whether all entries of the directory were taken.
    pub(super) fn are_over(&self) -> bool {
        !self.more && self.batch.as_slice().is_empty()
    }

    /// The error that has ended reading, if there was one.
    pub(super) fn end(&mut self) -> Result<(), FilesystemError> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// The directory of the entries.
    pub(super) fn listing(&self) -> &dyn Listing {
        &*self.listing
    }

    /// How many entries were read.
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
