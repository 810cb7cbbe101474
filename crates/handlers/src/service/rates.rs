//! Transfer rates that the sessions of a user share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ftpdlib_proto::TransferDirection;

use crate::throttle::Throttle;

/// The rates of one session, in bytes per second; 0 for no limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Rates {
    pub(crate) upload: u64,
    pub(crate) download: u64,
}

/// The rates in use, by user.
///
/// A user has several rates in one direction if sessions were given different ones at their logins,
/// for example after a reload. Each session keeps its own, and shares it with those that have the
/// same.
#[derive(Default)]
pub(crate) struct UserRates {
    shared: Mutex<HashMap<(String, TransferDirection, u64), Arc<SharedRate>>>,
}

impl UserRates {
    /// A share of a user's rate in one direction, with the transfers in progress at that rate.
    pub(crate) fn share(
        &self,
        username: &str,
        direction: TransferDirection,
        rate: u64,
        now: Instant,
    ) -> RateShare {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (username.to_owned(), direction, rate);
        if let Some(known) = shared.get(&key) {
            return RateShare::new(Arc::clone(known), now);
        }
        shared.retain(|_, rate| Arc::strong_count(rate) > 1 || rate.owes(now));
        let new = Arc::new(SharedRate(Mutex::new(State {
            throttle: Throttle::new(rate, now),
            takers: Vec::new(),
            next_taker: 0,
        })));
        shared.insert(key, Arc::clone(&new));
        RateShare::new(new, now)
    }
}

/// A rate for all transfers that have a share of it.
struct SharedRate(Mutex<State>);

struct State {
    throttle: Throttle,
    /// When each of the transfers last took something.
    takers: Vec<(u64, Instant)>,
    next_taker: u64,
}

/// A transfer that has taken nothing for this many spans leaves its part to the others.
const IDLE_SPANS: u32 = 4;

impl State {
    /// Takes the bytes that one of the transfers may move now: its part of what has come in since
    /// it last took something, and all that the others have left over.
    ///
    /// Its part grows with that time: if all transfers are late, each gets more, rather than the
    /// first one everything.
    fn take(&mut self, taker: u64, now: Instant) -> usize {
        let span = self.throttle.span();
        let saved = self.throttle.allowance(now);
        let mut since = span;
        for (known, last) in &mut self.takers {
            if *known == taker {
                since = now.saturating_duration_since(*last).max(span);
                *last = now;
            }
        }
        // If this transfer is late, the others may be as late without being idle.
        let idle = (span * IDLE_SPANS).max(since * 2);
        let is_active = |(_, last): &&(u64, Instant)| now.saturating_duration_since(*last) < idle;
        let active = self.takers.iter().filter(is_active).count();
        let all = self.throttle.bytes_in(since);
        let part = (all / active.max(1)).max(1);
        let bytes = part.max(saved.saturating_sub(all)).min(saved);
        self.throttle.spend(bytes);
        bytes
    }
}

impl SharedRate {
    /// Whether a new rate would have more than this one.
    fn owes(&self, now: Instant) -> bool {
        self.lock().throttle.owes_until() > now
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transfer's share of a rate.
pub(crate) struct RateShare {
    rate: Arc<SharedRate>,
    taker: u64,
    /// Bytes that were taken but not moved yet.
    bytes: usize,
    /// When more may be taken.
    next: Instant,
}

impl RateShare {
    fn new(rate: Arc<SharedRate>, now: Instant) -> Self {
        let taker = {
            let mut state = rate.lock();
            let (taker, span) = (state.next_taker, state.throttle.span());
            state.next_taker += 1;
            // A new transfer may take the part of one span at once.
            let last = now.checked_sub(span).unwrap_or(now);
            state.takers.push((taker, last));
            taker
        };
        Self {
            rate,
            taker,
            bytes: 0,
            next: now,
        }
    }

    /// How many bytes may be moved now.
    pub(crate) fn allowance(&mut self, now: Instant) -> usize {
        if self.bytes == 0 && self.next <= now {
            let mut state = self.rate.lock();
            self.bytes = state.take(self.taker, now);
            self.next = now + state.throttle.span();
        }
        self.bytes
    }

    /// Notes that `bytes` were moved.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// When there may be more to take.
    pub(crate) fn resume_at(&self) -> Instant {
        self.next
    }
}

impl Drop for RateShare {
    fn drop(&mut self) {
        let taker = self.taker;
        let mut state = self.rate.lock();
        state.takers.retain(|(known, _)| *known != taker);
        state.throttle.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// What each of `shares` moves in ten seconds, looked at every `step` milliseconds in the same
    /// order; those of `idle` move nothing.
    fn moved(rate: u64, shares: usize, idle: usize, step: usize) -> Vec<u64> {
        let (rates, start) = (UserRates::default(), Instant::now());
        let mut shares: Vec<_> = (0..shares)
            .map(|_| {
                (
                    rates.share("alice", TransferDirection::Download, rate, start),
                    0,
                )
            })
            .collect();
        for millis in (0..10_000).step_by(step) {
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
        for (rate, step) in [
            (10_000, 1),
            (1 << 20, 1),
            (1 << 30, 1),
            (1 << 20, 60),
            (1 << 20, 90),
        ] {
            for count in [1, 2, 3, 10] {
                let moved = moved(rate, count, 0, step);
                let (sum, ideal) = (moved.iter().sum::<u64>(), rate * 10);
                assert!(sum.abs_diff(ideal) <= ideal / 50, "{sum} of {ideal}");
                let fair = ideal / count as u64;
                for moved in moved {
                    let close = moved.abs_diff(fair) <= fair / 20;
                    assert!(close, "{moved} for {fair}, looked at every {step} ms");
                }
            }
        }
    }

    #[test]
    fn who_is_looked_after_last_gets_no_less() {
        // So late that not all of the rate can be used.
        let moved = moved(1 << 20, 5, 0, 300);
        let fair = moved.iter().sum::<u64>() / 5;
        let close = |moved: &u64| moved.abs_diff(fair) <= fair / 20;
        assert!(moved.iter().all(close), "{moved:?}");
    }

    #[test]
    fn what_one_leaves_another_takes() {
        for step in [1, 60] {
            let moved = moved(1 << 20, 3, 2, step);
            assert!(moved[2].abs_diff(10 << 20) <= 1 << 18, "{moved:?}");
        }
    }

    #[test]
    fn a_session_from_before_a_reload_undid_the_new_rate_for_all() {
        let (rates, now) = (UserRates::default(), Instant::now());
        let begin = |rate| rates.share("alice", TransferDirection::Download, rate, now);
        let moved_in_a_second = |share: &mut RateShare| -> usize {
            let moved = |millis| {
                let bytes = share.allowance(now + Duration::from_millis(millis));
                share.spend(bytes);
                bytes
            };
            (0..1000).map(moved).sum()
        };
        let (mut new, mut old) = (begin(50_000), begin(800_000));
        assert!(moved_in_a_second(&mut new).abs_diff(50_000) <= 5_000);
        assert!(moved_in_a_second(&mut old).abs_diff(800_000) <= 80_000);
    }

    #[test]
    fn a_rate_is_forgotten_with_its_last_transfer() {
        let (rates, now) = (UserRates::default(), Instant::now());
        drop(rates.share("alice", TransferDirection::Download, 1000, now));
        drop(rates.share("bob", TransferDirection::Download, 1000, now));
        assert_eq!(rates.shared.lock().unwrap().len(), 1);
    }

    #[test]
    fn short_transfers_threw_away_most_of_the_rate() {
        let (rates, start) = (UserRates::default(), Instant::now());
        let begin = |now| rates.share("alice", TransferDirection::Download, 1 << 20, now);
        let (mut long, mut moved) = (begin(start), 0);
        for millis in 0..10_000 {
            let now = start + Duration::from_millis(millis);
            for _ in 0..5 {
                let mut short = begin(now);
                if short.allowance(now) > 0 {
                    short.spend(1);
                }
            }
            let bytes = long.allowance(now);
            long.spend(bytes);
            moved += bytes;
        }
        assert!(moved > (10 << 20) * 9 / 10, "{moved}");
    }

    #[test]
    fn many_small_files_of_a_user_in_a_row_keep_to_the_rate() {
        let (rates, start) = (UserRates::default(), Instant::now());
        let mut moved = 0;
        for millis in 0..10_000 {
            let now = start + Duration::from_millis(millis);
            let mut share = rates.share("alice", TransferDirection::Download, 10_000, now);
            let bytes = share.allowance(now).min(100);
            share.spend(bytes);
            moved += bytes;
            drop(share);
            // Another's comes, and what is not needed any more goes.
            rates.share(&millis.to_string(), TransferDirection::Download, 1, now);
        }
        assert!(moved.abs_diff(100_000) <= 1000, "{moved}");
        assert!(rates.shared.lock().unwrap().len() <= 2);
    }
}
