//! Where batches wait for a helper.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ftpdlib_filesystems::Recall;

use super::batch::Batch;

/// How long a helper waits for more to do. After that the client is reading slowly, and another
/// listing can use the helper.
const PATIENCE: Duration = Duration::from_millis(10);

/// Batches on their way to a helper and back. A channel will not do: the thread that shows the
/// listing would wait for a helper that is not running while it holds the channel's lock.
pub(super) struct HelperQueue {
    batches: Mutex<Batches>,
    /// How many wait at the most.
    most: usize,
    /// The listing has ended.
    is_over: AtomicBool,
    /// The helper has gone.
    is_abandoned: AtomicBool,
}

struct Batches {
    waiting: VecDeque<Arc<Batch>>,
    /// Not for the helper to free.
    done: Vec<Arc<Batch>>,
}

impl HelperQueue {
    pub(super) fn new(waiting: impl Iterator<Item = Arc<Batch>>, most: usize) -> Self {
        let batches = Batches {
            waiting: waiting.collect(),
            // The helper is not to allocate, either.
            done: Vec::with_capacity(2 * most),
        };
        Self {
            batches: Mutex::new(batches),
            most,
            is_over: AtomicBool::new(false),
            is_abandoned: AtomicBool::new(false),
        }
    }

    /// Adds a batch, in place of one that has probably been shown by now if there are too many.
    ///
    /// If the helper holds the lock, this batch gets no help.
    pub(super) fn add(&self, batch: Arc<Batch>) {
        if let Ok(mut batches) = self.batches.try_lock() {
            batches.done.clear();
            if batches.waiting.len() == self.most {
                batches.waiting.pop_front();
            }
            batches.waiting.push_back(batch);
        }
    }

    /// Ends the helper's work, and drops all that waits for it.
    pub(super) fn close(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Ok(mut batches) = self.batches.try_lock() {
            batches.waiting.clear();
            batches.done.clear();
        }
    }

    /// Whether the helper has gone.
    pub(super) fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Relaxed)
    }

    /// The helper's work: recalls the facts of what is added, until that is over or nothing comes
    /// for a while. Whoever closes the queue or adds to it unparks the thread.
    pub(super) fn serve(&self, recall: &Recall) {
        let _leaving = Leaving(self);
        let mut until = Instant::now() + PATIENCE;
        while !self.is_over.load(Ordering::Relaxed) {
            let next = self.batches().waiting.pop_front();
            if let Some(batch) = next {
                batch.recall(recall);
                self.batches().done.push(batch);
                until = Instant::now() + PATIENCE;
                continue;
            }
            match until.saturating_duration_since(Instant::now()) {
                Duration::ZERO => break,
                rest => thread::park_timeout(rest),
            }
        }
    }

    /// For the helper, which may wait for the other thread.
    fn batches(&self) -> MutexGuard<'_, Batches> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells that the helper goes, also where its work panics.
struct Leaving<'a>(&'a HelperQueue);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.is_abandoned.store(true, Ordering::Relaxed);
    }
}
