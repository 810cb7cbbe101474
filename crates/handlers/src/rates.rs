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
    /// A share of the rate of a user's transfers one way, with those in progress.
    pub(crate) fn share(&self, username: &str, way: Way, rate: u64, now: Instant) -> Share {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (username.to_owned(), way);
        if let Some(known) = shared.get(&key).and_then(Weak::upgrade) {
            known.lock().set_rate(rate);
            return Share::new(known, now);
        }
        shared.retain(|_, rate| rate.strong_count() > 0);
        let new = Arc::new(SharedRate(Mutex::new(Throttle::new(rate, now))));
        shared.insert(key, Arc::downgrade(&new));
        Share::new(new, now)
    }
}

/// One rate for all transfers that have a share of it.
struct SharedRate(Mutex<Throttle>);

impl SharedRate {
    /// Takes the bytes that one of the transfers may move in a span: its part of a span's bytes,
    /// and all that the others have left over.
    fn take(self: &Arc<Self>, now: Instant) -> usize {
        let mut throttle = self.lock();
        let (saved, span) = (throttle.allowance(now), throttle.span_bytes());
        let part = (span / Arc::strong_count(self)).max(1);
        let bytes = part.max(saved.saturating_sub(span)).min(saved);
        throttle.spend(bytes);
        bytes
    }

    fn lock(&self) -> MutexGuard<'_, Throttle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one transfer has of a rate.
pub(crate) struct Share {
    rate: Arc<SharedRate>,
    /// Taken, not yet moved.
    bytes: usize,
    /// When more may be taken.
    next: Instant,
}

impl Share {
    fn new(rate: Arc<SharedRate>, now: Instant) -> Self {
        Self {
            rate,
            bytes: 0,
            next: now,
        }
    }

    /// Bytes that may be moved now.
    pub(crate) fn allowance(&mut self, now: Instant) -> usize {
        if self.bytes == 0 && self.next <= now {
            self.bytes = self.rate.take(now);
            self.next = now + self.rate.lock().span();
        }
        self.bytes
    }

    /// Notes that `bytes` were moved.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// When there may be more.
    pub(crate) fn resume_at(&self) -> Instant {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// What each of `shares` moves in ten seconds; those of `idle` move nothing.
    fn moved(rate: u64, shares: usize, idle: usize) -> Vec<u64> {
        let (rates, start) = (UserRates::default(), Instant::now());
        let mut shares: Vec<_> = (0..shares)
            .map(|_| (rates.share("alice", Way::Download, rate, start), 0))
            .collect();
        for millis in 0..10_000 {
            let now = start + Duration::from_millis(millis);
            for (share, moved) in shares.iter_mut().skip(idle) {
                loop {
                    let bytes = share.allowance(now);
                    if bytes == 0 {
                        break;
                    }
                    share.spend(bytes);
                    *moved += bytes as u64;
                }
            }
        }
        shares.into_iter().map(|(_, moved)| moved).collect()
    }

    #[test]
    fn transfers_of_a_user_share_the_rate() {
        for rate in [10_000, 1 << 20, 1 << 30] {
            for count in [1, 2, 3, 10] {
                let moved = moved(rate, count, 0);
                let (sum, ideal) = (moved.iter().sum::<u64>(), rate * 10);
                assert!(sum.abs_diff(ideal) <= ideal / 50, "{sum} of {ideal}");
                let fair = ideal / count as u64;
                for moved in moved {
                    assert!(moved.abs_diff(fair) <= fair / 20, "{moved} for {fair}");
                }
            }
        }
    }

    #[test]
    fn what_one_leaves_another_takes() {
        let moved = moved(1 << 20, 3, 2);
        assert!(moved[2].abs_diff(10 << 20) <= 1 << 18, "{moved:?}");
    }

    #[test]
    fn a_rate_is_forgotten_with_its_last_transfer() {
        let (rates, now) = (UserRates::default(), Instant::now());
        drop(rates.share("alice", Way::Download, 1000, now));
        drop(rates.share("bob", Way::Download, 1000, now));
        assert_eq!(rates.shared.lock().unwrap().len(), 1);
    }
}
