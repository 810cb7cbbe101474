//! The queue of batches for a helper.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ftpdlib_filesystems::Recall;

use super::batch::Batch;

/// How long a helper waits for more work. If none has come by then, the client reads slowly, and
/// another listing can use the helper.
const PATIENCE: Duration = Duration::from_millis(10);

/// Batches on their way to a helper and back. A channel cannot be used: a helper may hold the
/// channel's lock while it does not run, and the thread that shows the listing would wait for it.
pub(super) struct HelperQueue {
    batches: Mutex<Batches>,
    /// How many batches can wait.
    most: usize,
    /// Whether the listing has ended.
    is_over: AtomicBool,
    /// Whether the helper has left.
    is_abandoned: AtomicBool,
}

struct Batches {
    waiting: VecDeque<Arc<Batch>>,
    /// Kept here so that the helper does not free it.
    done: Vec<Arc<Batch>>,
}

impl HelperQueue {
    pub(super) fn new(waiting: impl Iterator<Item = Arc<Batch>>, most: usize) -> Self {
        let batches = Batches {
            waiting: waiting.collect(),
            // The helper must not allocate either.
            done: Vec::with_capacity(2 * most),
        };
        Self {
            batches: Mutex::new(batches),
            most,
            is_over: AtomicBool::new(false),
            is_abandoned: AtomicBool::new(false),
        }
    }

    /// Adds a batch. If the queue is full, it replaces one that has probably been shown by now.
    ///
    /// If the helper holds the lock, the batch is not added, and gets no help.
    pub(super) fn add(&self, batch: Arc<Batch>) {
        if let Ok(mut batches) = self.batches.try_lock() {
            batches.done.clear();
            if batches.waiting.len() == self.most {
                batches.waiting.pop_front();
            }
            batches.waiting.push_back(batch);
        }
    }

    /// Ends the helper's work, and drops all waiting batches.
    pub(super) fn close(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Ok(mut batches) = self.batches.try_lock() {
            batches.waiting.clear();
            batches.done.clear();
        }
    }

    /// Whether the helper has left.
    pub(super) fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Relaxed)
    }

    /// The helper's work: looks up the facts of added batches, until the queue is closed or nothing
    /// comes for a while. Closing the queue or adding a batch must unpark the thread.
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

    /// Locks for the helper, which may wait for the other thread.
    fn batches(&self) -> MutexGuard<'_, Batches> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes that the helper leaves, even if its work panics.
struct Leaving<'a>(&'a HelperQueue);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.is_abandoned.store(true, Ordering::Relaxed);
    }
}
