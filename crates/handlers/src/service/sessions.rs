//! The list of a server's connections.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use ftpdlib_ioloop::Notifier;
use ftpdlib_sys::SharedWords;

/// What connections were told to do. It only ever moves down this list.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Phase {
    /// Serve.
    Serving,
    /// End once no transfer is in progress.
    Draining,
    /// End now.
    Ending,
}

/// Where the number of the next session is among the words that processes share.
const NEXT: usize = 0;

/// Where that of the first service is that lets users in.
const FIRST_CURRENT: usize = 1;

/// Whose sessions something is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// Those that this process serves, and the children that it forks from here on.
    ThisProcess,
    /// Those of all processes that [share](Sessions::share) their numbers with this one.
    AllProcesses,
}

/// All connections of a server, on whatever loop they run.
#[derive(Default)]
pub struct Sessions {
    phase: AtomicU8,
    next: AtomicU64,
    /// Services with a lower number let nobody in any more.
    first_current: AtomicU64,
    /// The same two for several processes together.
    of_all: OnceLock<SharedWords>,
    open: Mutex<HashMap<u64, Notifier>>,
}

impl Sessions {
    /// Has this process and the children it forks from here on number their sessions together, and
    /// learn together which settings are outdated. To be called before the first session, and
    /// once: later calls do nothing.
    ///
    /// # Errors
    ///
    /// The system gives no memory to share.
    pub fn share(&self) -> io::Result<()> {
        if self.of_all.get().is_none() {
            // Another thread may have set the same first.
            let _ = self.of_all.set(SharedWords::new(2)?);
        }
        Ok(())
    }

    /// Tells idle clients `421` and ends their sessions; transfers in progress are waited for, then
    /// their sessions end too.
    pub fn drain(&self) {
        self.enter(Phase::Draining);
    }

    /// Ends every session now, transfers included.
    pub fn end(&self) {
        self.enter(Phase::Ending);
    }

    /// Connections open now.
    pub fn count(&self) -> usize {
        self.open().len()
    }

    pub(crate) fn join(&self, notifier: Notifier) -> u64 {
        let next = match self.of_all.get() {
            Some(words) => &words[NEXT],
            None => &self.next,
        };
        let id = next.fetch_add(1, Ordering::Relaxed);
        self.open().insert(id, notifier);
        id
    }

    pub(crate) fn leave(&self, id: u64) {
        self.open().remove(&id);
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Serving,
            1 => Phase::Draining,
            _ => Phase::Ending,
        }
    }

    /// Has services with a lower number than `first` let nobody in any more.
    pub(crate) fn outdate_before(&self, first: u64, reach: Reach) {
        let word = match (reach, self.of_all.get()) {
            (Reach::AllProcesses, Some(words)) => &words[FIRST_CURRENT],
            (Reach::AllProcesses, None) | (Reach::ThisProcess, _) => &self.first_current,
        };
        word.fetch_max(first, Ordering::AcqRel);
    }

    /// Whether the service with this number lets nobody in any more.
    pub(crate) fn is_outdated(&self, number: u64) -> bool {
        let of_all = self.of_all.get().map(|words| &words[FIRST_CURRENT]);
        let words = [Some(&self.first_current), of_all];
        words
            .into_iter()
            .flatten()
            .any(|first| number < first.load(Ordering::Acquire))
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Notifier>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
        for notifier in self.open().values() {
            notifier.notify();
        }
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("phase", &self.phase())
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}
