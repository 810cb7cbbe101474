//! Entries that are about to be shown, for some of which a helper has looked up the facts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::Thread;

use ftpdlib_filesystems::Listing;

use super::super::Helpers;
use super::batch::{Batch, NextEntry};
use super::helper_queue::HelperQueue;

/// How many batches are shown without a helper: in a smaller directory it would come too late.
const ALONE: usize = 4;

/// Most batches that exist, and that wait for a helper.
const AHEAD: usize = 8;

/// Batches added in one turn, so that some are ahead.
const TAKEN_AT_ONCE: usize = 2;

/// Batches of entries, in the order in which they are shown.
///
/// The thread that shows an entry looks up its facts, unless they are known: in a directory with
/// many entries a helper looks them up, from the end of each batch, until the two meet. Neither
/// waits for the other.
#[derive(Default)]
pub(super) struct Upcoming {
    batches: VecDeque<Arc<Batch>>,
    /// How many batches there were.
    count: usize,
    helper: Helper,
}

#[derive(Default)]
enum Helper {
    /// A helper may be started.
    #[default]
    None,
    Started(Arc<HelperQueue>, Thread),
    /// This listing gets no helper any more.
    Gone,
}

impl Upcoming {
    /// How many more batches should be [added](Self::add) in this turn.
    pub(super) fn wanted(&mut self) -> usize {
        self.drop_used_up();
        let most = match self.helper {
            Helper::None | Helper::Gone => 1,
            Helper::Started(..) => AHEAD,
        };
        TAKEN_AT_ONCE.min(most.saturating_sub(self.batches.len()))
    }

    /// Adds a batch of entries of `listing`. One of `helpers` may help with it.
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
                    self.helper = self.started(helpers, listing);
                }
            }
            Helper::None | Helper::Gone => {}
        }
    }

    /// Whether all added entries were taken.
    pub(super) fn is_empty(&mut self) -> bool {
        self.drop_used_up();
        self.batches.is_empty()
    }

    /// Takes the next entry; `None` if no added one is left.
    pub(super) fn next(&mut self) -> Option<NextEntry<'_>> {
        self.drop_used_up();
        self.batches.front()?.take()
    }

    /// Continues with the second batch if the first is used up.
    fn drop_used_up(&mut self) {
        if self.batches.front().is_some_and(|batch| batch.is_used_up()) {
            self.batches.pop_front();
        }
    }

    fn started(&self, helpers: &Helpers, listing: &dyn Listing) -> Helper {
        let Some(recall) = listing.recall() else {
            return Helper::Gone;
        };
        let queue = Arc::new(HelperQueue::new(self.batches.iter().cloned(), AHEAD));
        let (theirs, kept) = (Arc::clone(&queue), Arc::clone(&queue));
        match helpers.start(kept, move || theirs.serve(&recall)) {
            Some(thread) => Helper::Started(queue, thread),
            // It may be just looking for work.
            None => Helper::None,
        }
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
