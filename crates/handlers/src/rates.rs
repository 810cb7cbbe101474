//! Transfer rates that the sessions of a user share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use crate::pump::Throttle;

/// Which way a rate counts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Way {
    Upload,
    Download,
}

/// The rates in use, by user.
#[derive(Default)]
pub(crate) struct UserRates {
    shared: Mutex<HashMap<(String, Way), Weak<SharedRate>>>,
}

impl UserRates {
    /// The rate of a user's transfers one way, shared with those in progress.
    pub(crate) fn of(&self, username: &str, way: Way, rate: u64, now: Instant) -> Arc<SharedRate> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (username.to_owned(), way);
        if let Some(known) = shared.get(&key).and_then(Weak::upgrade) {
            known.lock().set_rate(rate);
            return known;
        }
        shared.retain(|_, rate| rate.strong_count() > 0);
        let new = Arc::new(SharedRate(Mutex::new(Throttle::new(rate, now))));
        shared.insert(key, Arc::downgrade(&new));
        new
    }
}

/// One rate for all transfers that hold it.
pub(crate) struct SharedRate(Mutex<Throttle>);

impl SharedRate {
    /// Bytes that one of the transfers may move now: its part of what all may.
    pub(crate) fn allowance(self: &Arc<Self>, now: Instant) -> usize {
        let bytes = self.lock().allowance(now);
        let part = bytes / Arc::strong_count(self).max(1);
        // Less than a byte for each is a byte for the first.
        part.max(bytes.min(1))
    }

    pub(crate) fn spend(&self, bytes: usize) {
        self.lock().spend(bytes);
    }

    pub(crate) fn resume_at(&self, now: Instant) -> Instant {
        self.lock().resume_at(now)
    }

    fn lock(&self) -> MutexGuard<'_, Throttle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn transfers_of_a_user_share_the_rate() {
        let (rates, now) = (UserRates::default(), Instant::now());
        let first = rates.of("alice", Way::Download, 1000, now);
        let second = rates.of("alice", Way::Download, 1000, now);
        let other = rates.of("alice", Way::Upload, 1000, now);
        assert!(Arc::ptr_eq(&first, &second));
        let whole = other.allowance(now);
        assert_eq!(first.allowance(now), whole / 2);
        first.spend(whole);
        assert_eq!(second.allowance(now), 0);
        assert!(second.resume_at(now) > now);
        assert!(second.allowance(now + Duration::from_secs(1)) > 0);
    }

    #[test]
    fn a_rate_is_forgotten_with_its_last_transfer() {
        let (rates, now) = (UserRates::default(), Instant::now());
        drop(rates.of("alice", Way::Download, 1000, now));
        drop(rates.of("bob", Way::Download, 1000, now));
        assert_eq!(rates.shared.lock().unwrap().len(), 1);
    }
}
