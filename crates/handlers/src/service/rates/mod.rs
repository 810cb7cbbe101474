//! Transfer rates that the sessions of a user share.

mod division;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use division::{Division, Member};
use ftpdlib_proto::TransferDirection;

use crate::rate::Rate;

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
    shared: Mutex<HashMap<(String, TransferDirection, Rate), Arc<SharedRate>>>,
}

impl UserRates {
    /// A share of a user's rate in one direction, with the transfers in progress at that rate.
    pub(crate) fn share(
        &self,
        username: &str,
        direction: TransferDirection,
        rate: Rate,
        now: Instant,
    ) -> RateShare {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (username.to_owned(), direction, rate);
        if let Some(known) = shared.get(&key) {
            return RateShare::new(Arc::clone(known), now);
        }
        shared.retain(|_, rate| Arc::strong_count(rate) > 1 || rate.lock().owes(now));
        let new = Arc::new(SharedRate(Mutex::new(Division::new(rate, now))));
        shared.insert(key, Arc::clone(&new));
        RateShare::new(new, now)
    }
}

/// A rate for all transfers that have a share of it.
struct SharedRate(Mutex<Division>);

impl SharedRate {
    fn lock(&self) -> MutexGuard<'_, Division> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transfer's share of a rate.
pub(crate) struct RateShare {
    rate: Arc<SharedRate>,
    member: Member,
    begun: Instant,
    /// Bytes that were taken but not moved yet.
    bytes: usize,
    /// When more may be taken.
    next: Instant,
}

impl RateShare {
    fn new(rate: Arc<SharedRate>, now: Instant) -> Self {
        let member = rate.lock().enter(now);
        Self {
            rate,
            member,
            begun: now,
            bytes: 0,
            next: now,
        }
    }

    /// How many bytes may be moved now.
    pub(crate) fn allowance(&mut self, now: Instant) -> usize {
        if self.bytes == 0 && self.next <= now {
            let mut rate = self.rate.lock();
            self.bytes = rate.take(&mut self.member, now);
            self.next = now + rate.span(now.saturating_duration_since(self.begun));
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
        self.rate.lock().leave(&self.member, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::rate::SPAN;

    /// For how long transfers are looked at.
    const SECONDS: u64 = 60;

    fn begin(rates: &UserRates, rate: u64, now: Instant) -> RateShare {
        let rate = Rate::limited(rate).unwrap();
        rates.share("alice", TransferDirection::Download, rate, now)
    }

    /// Moves all that is allowed, up to `most`.
    fn move_bytes(share: &mut RateShare, most: usize, now: Instant) -> usize {
        let mut moved = 0;
        loop {
            let bytes = share.allowance(now).min(most - moved);
            if bytes == 0 {
                return moved;
            }
            share.spend(bytes);
            moved += bytes;
        }
    }

    /// What each of `shares` moves in that time, looked at every `step` milliseconds in the same
    /// order; those of `idle` move nothing.
    fn moved(rate: u64, shares: usize, idle: usize, step: usize) -> Vec<u64> {
        let (rates, start) = (UserRates::default(), Instant::now());
        let mut shares: Vec<_> = (0..shares)
            .map(|_| (begin(&rates, rate, start), 0))
            .collect();
        for millis in (0..SECONDS * 1000).step_by(step) {
            let now = start + Duration::from_millis(millis);
            for (share, moved) in shares.iter_mut().skip(idle) {
                *moved += move_bytes(share, usize::MAX, now) as u64;
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
                let (sum, ideal) = (moved.iter().sum::<u64>(), rate * SECONDS);
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
            assert!(moved[2].abs_diff(SECONDS << 20) <= 1 << 18, "{moved:?}");
        }
    }

    #[test]
    fn a_slow_client_took_a_quarter_of_the_rate_from_another() {
        // Bytes per second of the slow client, in hundredths of its part.
        for hundredths in [1, 10, 25, 50, 90] {
            for rate in [20_000, 1 << 20] {
                let (rates, start) = (UserRates::default(), Instant::now());
                let [mut slow, mut fast] = [0; 2].map(|_| begin(&rates, rate, start));
                let (mut by_slow, mut by_fast) = (0, 0);
                let speed = rate / 2 * hundredths / 100;
                for millis in 0..SECONDS * 1000 {
                    let now = start + Duration::from_millis(millis);
                    let most = (speed * millis / 1000) as usize - by_slow;
                    by_slow += move_bytes(&mut slow, most, now);
                    by_fast += move_bytes(&mut fast, usize::MAX, now);
                }
                let (all, ideal) = (by_slow + by_fast, (rate * SECONDS) as usize);
                assert!(all <= ideal + ideal / 500, "{all} of {ideal}");
                assert!(
                    all >= ideal - ideal / 20,
                    "{all} of {ideal} beside {hundredths} %"
                );
                let wanted = (speed * SECONDS) as usize;
                assert!(by_slow >= wanted * 3 / 4, "{by_slow} of {wanted}");
            }
        }
    }

    #[test]
    fn who_came_first_after_a_round_took_all_that_slow_ones_left() {
        for rate in [20_000, 100 << 20] {
            let (rates, start) = (UserRates::default(), Instant::now());
            let mut shares = [0; 12].map(|_| begin(&rates, rate, start));
            let mut moved = [0; 12];
            for millis in 0..SECONDS * 1000 {
                let now = start + Duration::from_millis(millis);
                let of_a_slow_one = (rate / 48 * millis / 1000) as usize;
                for (index, share) in shares.iter_mut().enumerate() {
                    let most = match index {
                        0 | 1 => usize::MAX,
                        _ => of_a_slow_one - moved[index],
                    };
                    moved[index] += move_bytes(share, most, now);
                }
            }
            let (sum, ideal) = (moved.iter().sum::<usize>(), (rate * SECONDS) as usize);
            assert!(sum >= ideal - ideal / 20, "{sum} of {ideal}");
            let [first, second, ..] = moved;
            assert!(first.abs_diff(second) <= ideal / 8, "{first} and {second}");
        }
    }

    #[test]
    fn a_transfer_saved_up_for_hours_beside_those_that_took_nothing() {
        let (rates, start) = (UserRates::default(), Instant::now());
        let mut slow = begin(&rates, 1 << 20, start);
        move_bytes(&mut slow, usize::MAX, start);
        let mut now = start;
        for _ in 0..10_000 {
            now += Duration::from_millis(200);
            drop(begin(&rates, 1 << 20, now));
        }
        let moved = move_bytes(&mut slow, usize::MAX, now);
        assert!(moved <= 1 << 18, "{moved}");
    }

    #[test]
    fn a_young_transfer_took_the_part_of_an_old_one() {
        for rate in [5_000, 20_000, 1 << 20] {
            let (rates, start) = (UserRates::default(), Instant::now());
            let [mut old, mut young] = [0; 2].map(|_| begin(&rates, rate, start));
            let (mut by_old, mut by_young) = (0, 0);
            for millis in 0..SECONDS * 1000 {
                let now = start + Duration::from_millis(millis);
                if millis % 1000 == 0 {
                    young = begin(&rates, rate, now);
                }
                by_old += move_bytes(&mut old, usize::MAX, now);
                by_young += move_bytes(&mut young, usize::MAX, now);
            }
            let fair = (rate * SECONDS / 2) as usize;
            for moved in [by_old, by_young] {
                let close = moved.abs_diff(fair) <= fair / 10;
                assert!(close, "{by_old} and {by_young} at {rate}");
            }
        }
    }

    #[test]
    fn short_transfers_in_a_row_starved_a_long_one() {
        let (rates, start) = (UserRates::default(), Instant::now());
        for rate in [20_000, 1 << 20] {
            let mut long = begin(&rates, rate, start);
            let (mut by_long, mut by_short) = (0, 0);
            for millis in 0..SECONDS * 1000 {
                let now = start + Duration::from_millis(millis);
                by_short += move_bytes(&mut begin(&rates, rate, now), usize::MAX, now);
                by_long += move_bytes(&mut long, usize::MAX, now);
            }
            let ideal = (rate * SECONDS) as usize;
            assert!((by_long + by_short).abs_diff(ideal) <= ideal / 50);
            assert!(by_long >= ideal * 2 / 5, "{by_long} beside {by_short}");
        }
    }

    #[test]
    fn loops_whose_turns_began_at_other_times_multiplied_the_rate() {
        let (rates, start) = (UserRates::default(), Instant::now());
        let mut shares = [0; 2].map(|_| begin(&rates, 1 << 20, start));
        let mut moved = 0;
        for millis in 10..10_000 {
            for (share, behind) in shares.iter_mut().zip([0, 10]) {
                let now = start + Duration::from_millis(millis - behind);
                moved += move_bytes(share, usize::MAX, now);
            }
        }
        let ideal = 10 << 20;
        assert!(moved.abs_diff(ideal) <= ideal / 50, "{moved} of {ideal}");
    }

    #[test]
    fn a_session_from_before_a_reload_undid_the_new_rate_for_all() {
        let (rates, now) = (UserRates::default(), Instant::now());
        let moved_in_a_second = |share: &mut RateShare| -> usize {
            let moved = |millis| move_bytes(share, usize::MAX, now + Duration::from_millis(millis));
            (0..1000).map(moved).sum()
        };
        let [mut new, mut old] = [50_000, 800_000].map(|rate| begin(&rates, rate, now));
        assert!(moved_in_a_second(&mut new).abs_diff(50_000) <= 5_000);
        assert!(moved_in_a_second(&mut old).abs_diff(800_000) <= 80_000);
    }

    #[test]
    fn a_rate_is_forgotten_with_its_last_transfer() {
        let (rates, now) = (UserRates::default(), Instant::now());
        for rate in [1000, 2000] {
            drop(begin(&rates, rate, now));
        }
        assert_eq!(rates.shared.lock().unwrap().len(), 1);
    }

    #[test]
    fn short_transfers_threw_away_most_of_the_rate() {
        let (rates, start) = (UserRates::default(), Instant::now());
        let (mut long, mut moved) = (begin(&rates, 1 << 20, start), 0);
        for millis in 0..10_000 {
            let now = start + Duration::from_millis(millis);
            for _ in 0..5 {
                move_bytes(&mut begin(&rates, 1 << 20, now), 1, now);
            }
            moved += move_bytes(&mut long, usize::MAX, now);
        }
        assert!(moved > (10 << 20) * 9 / 10, "{moved}");
    }

    #[test]
    fn many_small_files_of_a_user_in_a_row_keep_to_the_rate() {
        let (rates, start) = (UserRates::default(), Instant::now());
        let mut moved = 0;
        for millis in 0..10_000 {
            let now = start + Duration::from_millis(millis);
            moved += move_bytes(&mut begin(&rates, 10_000, now), 100, now);
            // Another's comes, and what is not needed any more goes.
            begin(&rates, 1 + millis, now);
        }
        assert!(moved.abs_diff(100_000) <= 1000, "{moved}");
        assert!(rates.shared.lock().unwrap().len() <= 2);
    }

    /// What each of `count` transfers moves in that time, looked at when it is said to be, and how
    /// many looks these were. The first looks come within a second.
    fn moved_by_many(rate: u64, count: usize) -> (Vec<u64>, usize) {
        let (rates, start) = (UserRates::default(), Instant::now());
        let end = start + Duration::from_secs(SECONDS);
        let mut shares: Vec<_> = (0..count).map(|_| begin(&rates, rate, start)).collect();
        let mut moved = vec![0; count];
        let first_look = |index: usize| {
            (
                start + Duration::from_secs(1) * index as u32 / count as u32,
                index,
            )
        };
        let mut due: BTreeSet<_> = (0..count).map(first_look).collect();
        let mut looks = 0;
        while let Some((now, index)) = due.pop_first().filter(|(now, _)| *now < end) {
            moved[index] += move_bytes(&mut shares[index], usize::MAX, now) as u64;
            looks += 1;
            due.insert((shares[index].resume_at(), index));
        }
        (moved, looks)
    }

    #[test]
    fn many_transfers_of_a_user_stopped_the_loop() {
        let count = 1000;
        for rate in [100, 20_000, 1 << 20, 1 << 23] {
            let (mut moved, looks) = moved_by_many(rate, count);
            let (sum, ideal) = (moved.iter().sum::<u64>(), rate * SECONDS);
            // The last byte of each may not have been looked at yet.
            let close = sum.abs_diff(ideal) <= ideal / 50 + count as u64;
            assert!(close, "{sum} of {ideal}");
            // Two in a second, and more in the first ones.
            let most = count * (2 * SECONDS as usize + 28);
            assert!(looks <= most, "{looks} at {rate}");
            let fair = ideal / count as u64;
            // The first to look has what the others leave until they do.
            moved.sort_unstable();
            moved.pop();
            for moved in moved {
                let close = moved.abs_diff(fair) <= fair / 20 + 1;
                assert!(close, "{moved} for {fair} at {rate}");
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_moves_that_has_not_come_in(
            rate in 1..10_000_000_u64,
            steps in prop::collection::vec((0..6_usize, 0..700_u64, 0..1_000_000_usize), 1..200),
        ) {
            let (rates, start) = (UserRates::default(), Instant::now());
            let mut shares: Vec<_> = (0..3).map(|_| begin(&rates, rate, start)).collect();
            let (mut now, mut moved) = (start, 0);
            for (action, millis, most) in steps {
                now += Duration::from_millis(millis);
                match action {
                    4 => shares.push(begin(&rates, rate, now)),
                    5 if !shares.is_empty() => drop(shares.swap_remove(most % shares.len())),
                    index => if let Some(share) = shares.get_mut(index) {
                        moved += move_bytes(share, most, now);
                    }
                }
                let came_in = Rate::limited(rate).unwrap().bytes_in(now - start + SPAN);
                prop_assert!(moved <= came_in, "{moved} of {came_in}");
            }
        }
    }
}
