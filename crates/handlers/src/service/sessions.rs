//! The list of a server's connections.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use ftpdlib_ioloop::Notifier;
use ftpdlib_sys::SharedWords;

/// What connections were told to do. It only ever changes to a later one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Phase {
    /// Serve.
    Serving,
    /// End once no transfer is in progress.
    Draining,
    /// End now.
    Ending,
}

/// The index of the number of the next session in the words that processes share.
const NEXT: usize = 0;

/// The index of the number of the first service that lets users log in.
const FIRST_CURRENT: usize = 1;

/// The index of the times from which earlier services let nobody log in, in milliseconds since the
/// list was created: the time of service `n` is at `n % MOST_FROM`.
const FROM: usize = 2;

/// How many of the latest services before the current one have such a time. Earlier ones let nobody
/// log in: this many services have come since.
const MOST_FROM: u64 = 16;

/// The number of words.
const WORDS: usize = FROM + MOST_FROM as usize;

/// How long earlier services still let users log in, for clients that have just connected. It does
/// little harm: a user who was removed may have logged in just before, and stays logged in too.
const GRACE: Duration = Duration::from_secs(5);

/// Which sessions something applies to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// Those of this process, and of the children that it forks afterwards.
    ThisProcess,
    /// Those of all processes that [share](Sessions::share) their numbers with this one.
    AllProcesses,
}

/// All connections of a server, on whatever loop they run.
pub struct Sessions {
    phase: AtomicU8,
    made: Instant,
    /// The words of this process.
    words: [AtomicU64; WORDS],
    /// The words of several processes together.
    of_all: OnceLock<SharedWords>,
    /// Held while services become outdated. Only one of several processes does so for all of them.
    outdating: Mutex<()>,
    open: Mutex<HashMap<u64, Notifier>>,
}

impl Sessions {
    /// Lets this process and the children that it forks afterwards number their sessions together,
    /// and share which settings are outdated. Must be called before the first session; later calls
    /// do nothing.
    ///
    /// # Errors
    ///
    /// The system gives no memory to share.
    pub fn share(&self) -> io::Result<()> {
        if self.of_all.get().is_none() {
            // Another thread may have been first.
            let _ = self.of_all.set(SharedWords::new(WORDS)?);
        }
        Ok(())
    }

    /// Tells idle clients `421` and ends their sessions. Sessions with a transfer in progress end
    /// after it.
    pub fn drain(&self) {
        self.enter(Phase::Draining);
    }

    /// Ends every session now, transfers included.
    pub fn end(&self) {
        self.enter(Phase::Ending);
    }

    /// How many connections are open.
    pub fn count(&self) -> usize {
        self.open().len()
    }

    pub(crate) fn join(&self, notifier: Notifier) -> u64 {
        let words = self.of_all.get().map_or(&self.words[..], |words| words);
        let id = words[NEXT].fetch_add(1, Ordering::Relaxed);
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

    /// Lets nobody log in through services with a number below `first`, from shortly after `now`
    /// on.
    pub(crate) fn outdate_before(&self, first: u64, reach: Reach, now: Instant) {
        let words = match (reach, self.of_all.get()) {
            (Reach::AllProcesses, Some(words)) => words,
            (Reach::AllProcesses, None) | (Reach::ThisProcess, _) => &self.words[..],
        };
        let _alone = self
            .outdating
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Services that are outdated already keep their time.
        let before = words[FIRST_CURRENT].load(Ordering::Acquire);
        for number in before..first {
            words[from(number)].store(self.millis(now + GRACE), Ordering::Release);
        }
        words[FIRST_CURRENT].fetch_max(first, Ordering::AcqRel);
    }

    /// Whether the service with this number lets nobody log in any more.
    pub(crate) fn is_outdated(&self, number: u64, now: Instant) -> bool {
        let of_all = self.of_all.get().map(|words| &words[..]);
        let all = [Some(&self.words[..]), of_all];
        all.into_iter().flatten().any(|words| {
            let current = words[FIRST_CURRENT].load(Ordering::Acquire);
            let is_over = || words[from(number)].load(Ordering::Acquire) <= self.millis(now);
            number < current && (number + MOST_FROM < current || is_over())
        })
    }

    fn millis(&self, time: Instant) -> u64 {
        let time = time.saturating_duration_since(self.made);
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
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

/// The index of the time from which the service with this number lets nobody log in.
fn from(number: u64) -> usize {
    FROM + (number % MOST_FROM) as usize
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            phase: AtomicU8::default(),
            made: Instant::now(),
            words: Default::default(),
            outdating: Mutex::default(),
            of_all: OnceLock::new(),
            open: Mutex::default(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_had_just_connected_was_cut_off_by_a_reload() {
        for (shares, reach) in [
            (false, Reach::ThisProcess),
            (false, Reach::AllProcesses),
            (true, Reach::ThisProcess),
            (true, Reach::AllProcesses),
        ] {
            let (sessions, now) = (Sessions::default(), Instant::now());
            if shares {
                sessions.share().unwrap();
            }
            sessions.outdate_before(1, reach, now);
            let outdated = |number, after| sessions.is_outdated(number, now + after);
            assert!(!outdated(0, Duration::ZERO));
            assert!(!outdated(0, GRACE / 2));
            assert!(outdated(0, GRACE));
            assert!(!outdated(1, GRACE * 2));
            // The next reload spares those of the last one, and nobody else.
            sessions.outdate_before(2, reach, now + GRACE);
            assert!(outdated(0, GRACE));
            assert!(!outdated(1, GRACE));
            assert!(outdated(1, GRACE * 2));
        }
    }

    #[test]
    fn reloads_in_quick_succession_put_off_the_end_of_what_the_first_withdrew() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let outdated = |number, after| sessions.is_outdated(number, now + after);
        for first in 1..=40_u32 {
            let after = GRACE * (first - 1) / 2;
            sessions.outdate_before(first.into(), Reach::ThisProcess, now + after);
            // Once more, as where only addresses change.
            sessions.outdate_before(first.into(), Reach::ThisProcess, now + after * 2);
            for number in 0..40 {
                let from = GRACE * number / 2 + GRACE;
                let expected = number < first && from <= after;
                assert_eq!(
                    outdated(number.into(), after),
                    expected,
                    "{number} of {first}"
                );
            }
        }
    }
}
