//! Entries that are about to be shown, some of whose facts are at hand by then.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::Thread;

use ftpdlib_filesystems::Listing;

use super::super::Helpers;
use super::batch::{Batch, NextEntry};
use super::helper_queue::HelperQueue;

/// Batches shown without a helper: in a directory that ends before that it would come too late.
const ALONE: usize = 4;

/// Batches that there are, and that wait for a helper, at the most.
const AHEAD: usize = 8;

/// Batches taken in one turn, so that there is something ahead.
const TAKEN_AT_ONCE: usize = 2;

/// Batches of entries, in the order in which they are shown.
///
/// Whoever shows an entry looks up its facts, unless they are known: in a directory with many
/// entries a helper recalls them, in each batch from its end, until the two meet. Neither waits for
/// the other.
#[derive(Default)]
pub(super) struct Upcoming {
    batches: VecDeque<Arc<Batch>>,
    /// How many there have been.
    count: usize,
    helper: Helper,
}

#[derive(Default)]
enum Helper {
    /// There may be one.
    #[default]
    None,
    Started(Arc<HelperQueue>, Thread),
    /// There is none for this listing any more.
    Gone,
}

impl Upcoming {
    /// How many batches more should be [added](Self::add) in this turn.
    pub(super) fn wanted(&mut self) -> usize {
        self.drop_used_up();
        let most = match self.helper {
            Helper::None | Helper::Gone => 1,
            Helper::Started(..) => AHEAD,
        };
        TAKEN_AT_ONCE.min(most.saturating_sub(self.batches.len()))
    }

    /// Adds a batch of entries of `listing`, with which one of `helpers` may help.
    pub(super) fn add(&mut self, batch: Batch, listing: &dyn Listing, helpers: Option<&Helpers>) {
        if batch.is_empty() {
            return;
        }
        let batch = Arc::new(batch);
        self.batches.push_back(Arc::clone(&batch));
        self.count += 1;
        match &self.helper {
            Helper::Started(queue, _) if queue.is_abandoned() => {
                queue.close();
                self.helper = Helper::Gone;
            }
            Helper::Started(queue, thread) => {
                queue.add(batch);
                thread.unpark();
            }
            Helper::None if self.count > ALONE => {
                if let Some(helpers) = helpers.filter(|helpers| helpers.have_time()) {
                    self.helper = self.started(helpers, listing).unwrap_or(Helper::Gone);
                }
            }
            Helper::None | Helper::Gone => {}
        }
    }

    /// Whether none is left of those that were added.
    pub(super) fn is_empty(&mut self) -> bool {
        self.drop_used_up();
        self.batches.is_empty()
    }

    /// The next entry; `None` if none is left of those that were added.
    pub(super) fn next(&mut self) -> Option<NextEntry<'_>> {
        self.drop_used_up();
        self.batches.front()?.take()
    }

    /// Goes on with the second batch if all of the first was shown.
    fn drop_used_up(&mut self) {
        if self.batches.front().is_some_and(|batch| batch.is_used_up()) {
            self.batches.pop_front();
        }
    }

    fn started(&self, helpers: &Helpers, listing: &dyn Listing) -> Option<Helper> {
        let recall = listing.recall()?;
        let queue = Arc::new(HelperQueue::new(self.batches.iter().cloned(), AHEAD));
        let (theirs, kept) = (Arc::clone(&queue), Arc::clone(&queue));
        let thread = helpers.start(kept, move || theirs.serve(&recall))?;
        Some(Helper::Started(queue, thread))
    }
}

impl Drop for Upcoming {
    fn drop(&mut self) {
        if let Helper::Started(queue, thread) = &self.helper {
            queue.close();
            thread.unpark();
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
