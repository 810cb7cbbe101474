//! A batch of directory entries.

use std::error::Error;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use ftpdlib_filesystems::{ErrorKind, FilesystemError, Listing, Recall};
use ftpdlib_proto::Metadata;

use super::names::Names;

/// Entries that are about to be shown. One thread takes them from the front, while another may look
/// up their facts from the end.
#[derive(Default)]
pub(super) struct Batch {
    names: Names,
    /// The facts of each entry, once they are known.
    facts: Vec<OnceLock<Metadata>>,
    /// How many entries were taken.
    taken: AtomicUsize,
}

impl Batch {
    pub(super) fn push(&mut self, name: &[u8], facts: Option<Metadata>) {
        self.names.push(name);
        self.facts
            .push(facts.map_or_else(OnceLock::new, OnceLock::from));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// Whether all entries were taken.
    pub(super) fn is_used_up(&self) -> bool {
        self.taken.load(Ordering::Relaxed) == self.facts.len()
    }

    /// Takes the next entry. Only one thread may call this.
    pub(super) fn take(&self) -> Option<NextEntry<'_>> {
        let index = self.taken.load(Ordering::Relaxed);
        let facts = self.facts.get(index)?;
        self.taken.store(index + 1, Ordering::Relaxed);
        let name = self.names.name(index);
        Some(NextEntry { name, facts })
    }

    /// Looks up unknown facts, from the end back to the entries that were taken.
    pub(super) fn recall(&self, recall: &Recall) {
        for (index, facts) in self.facts.iter().enumerate().rev() {
            if index < self.taken.load(Ordering::Relaxed) {
                return;
            }
            if facts.get().is_none()
                && let Some(found) = recall(self.names.name(index))
            {
                // No other thread sets it.
                let _ = facts.set(found);
            }
        }
    }
}

/// A taken entry.
pub(super) struct NextEntry<'a> {
    pub(super) name: &'a [u8],
    facts: &'a OnceLock<Metadata>,
}

impl NextEntry<'_> {
    /// The entry's own facts. `None` if it cannot be shown: it is gone since its name was read, or
    /// a filesystem mounted there does not answer, which must not hide the others. An entry that
    /// exists and should be accessible is noted as `missing`.
    ///
    /// # Errors
    ///
    /// No entry of the directory can be shown: it may be read, but not searched. Without an error a
    /// client would take it for empty.
    pub(super) fn facts(
        &self,
        listing: &dyn Listing,
        missing: &mut Missing,
    ) -> Result<Option<Metadata>, FilesystemError> {
        if let Some(known) = self.facts.get() {
            return Ok(Some(known.clone()));
        }
        let error = match listing.lstat(self.name) {
            Ok(found) => return Ok(Some(found)),
            Err(error) => error,
        };
        match error.kind() {
            ErrorKind::NotFound => return Ok(None),
            ErrorKind::PermissionDenied if is_denied(listing.lstat(b".")) => return Err(error),
            ErrorKind::PermissionDenied => {}
            _ => missing.note(self.name, &error),
        }
        log::debug!("{} is not listed: {error}", self.name.escape_ascii());
        Ok(None)
    }
}

fn is_denied(facts: Result<Metadata, FilesystemError>) -> bool {
    facts.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

/// Entries that exist but could not be listed.
#[derive(Default)]
pub(super) struct Missing {
    count: usize,
    /// The first one and its error.
    first: String,
}

impl Missing {
    fn note(&mut self, name: &[u8], error: &FilesystemError) {
        if self.count == 0 {
            let said = error.source().map_or(error as &dyn Error, |source| source);
            self.first = format!("{}: {said}", name.escape_ascii());
        }
        self.count += 1;
    }

    /// The text for the log; `None` if there are none.
    pub(super) fn report(&self) -> Option<String> {
        let Self { count, first } = self;
        (*count > 0).then(|| format!("missing in a listing: {count}, first {first}"))
    }
}
