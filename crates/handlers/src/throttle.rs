//! Keeping a transfer to its rate.

use std::time::{Duration, Instant};

use crate::rate::{Rate, SPAN};

/// A token bucket. It is emptied once it holds a [span](Rate::span)'s worth of bytes, and has room
/// for more, so that nothing is lost if it is emptied late.
///
/// It begins with the worth of [`SPAN`], so that a small file does not wait. What was used in
/// advance counts for the next transfer: see [`owes_until`](Self::owes_until).
#[derive(Debug)]
pub(crate) struct Throttle {
    /// `None` for no limit.
    rate: Option<Rate>,
    begun: Instant,
    /// What is saved up, as time at this rate.
    saved: Duration,
    since: Instant,
}

impl Throttle {
    /// Creates a bucket for `rate` bytes per second; 0 for no limit.
    pub(crate) fn new(rate: u64, now: Instant) -> Self {
        Self {
            rate: Rate::limited(rate),
            begun: now,
            saved: SPAN,
            since: now,
        }
    }

    /// Until when a new bucket would hold more than this one.
    pub(crate) fn owes_until(&self) -> Instant {
        self.since + SPAN.saturating_sub(self.saved)
    }

    /// Begins with the contents of a bucket that [owes](Self::owes_until) until `owes_until`.
    pub(crate) fn go_on(&mut self, owes_until: Instant, now: Instant) {
        let owed = owes_until.saturating_duration_since(now);
        (self.saved, self.since) = (SPAN.saturating_sub(owed), now);
    }

    /// Changes the rate.
    pub(crate) fn set_rate(&mut self, rate: u64) {
        self.rate = Rate::limited(rate);
    }

    /// Whether there is a limit.
    pub(crate) fn is_limited(&self) -> bool {
        self.rate.is_some()
    }

    /// How many bytes may be moved now.
    pub(crate) fn allowance(&mut self, now: Instant) -> usize {
        let Some(rate) = self.rate else {
            return usize::MAX;
        };
        let saved = self.saved + now.saturating_duration_since(self.since);
        let room = rate.room(now.saturating_duration_since(self.begun), 1);
        (self.saved, self.since) = (saved.min(room), now);
        rate.bytes_in(self.saved)
    }

    /// Notes that `bytes` were moved.
    pub(crate) fn spend(&mut self, bytes: usize) {
        if let Some(rate) = self.rate {
            self.saved = self.saved.saturating_sub(rate.time_of(bytes));
        }
    }

    /// When the bucket will be worth emptying again.
    pub(crate) fn resume_at(&self, now: Instant) -> Instant {
        let age = now.saturating_duration_since(self.begun);
        let span = self.rate.map_or(SPAN, |rate| rate.span(age, 1));
        now + span.saturating_sub(self.saved)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Moves all that is allowed, whenever it is, each time `late` after it was said to be. Returns
    /// how much that was, and how many times it took.
    fn moved(rate: u64, late: Duration, time: Duration) -> (u64, u32) {
        let start = Instant::now();
        let (mut now, mut throttle) = (start, Throttle::new(rate, start));
        let (mut moved, mut times) = (0, 0);
        while now - start < time {
            let bytes = throttle.allowance(now);
            throttle.spend(bytes);
            moved += bytes as u64;
            times += 1;
            now = throttle.resume_at(now) + late;
        }
        (moved, times)
    }

    #[test]
    fn single_bytes_are_not_free() {
        let now = Instant::now();
        let mut throttle = Throttle::new(u64::MAX, now);
        let saved = throttle.allowance(now);
        throttle.spend(saved);
        let after = now + Duration::from_micros(1);
        for _ in 0..1000 {
            assert_ne!(throttle.allowance(after), 0);
            throttle.spend(1);
        }
        assert_eq!(throttle.allowance(after), 0);
    }

    #[test]
    fn the_first_bytes_waited_for_a_span() {
        let now = Instant::now();
        assert_eq!(Throttle::new(1000, now).allowance(now), 50);
    }

    #[test]
    fn many_small_files_in_a_row_keep_to_the_rate() {
        let start = Instant::now();
        let (mut now, mut owes_until, mut moved) = (start, start, 0);
        while now - start < Duration::from_secs(10) {
            let mut throttle = Throttle::new(10_000, now);
            throttle.go_on(owes_until, now);
            let bytes = throttle.allowance(now).min(100);
            throttle.spend(bytes);
            moved += bytes;
            owes_until = throttle.owes_until();
            now += Duration::from_millis(1);
        }
        assert!(moved.abs_diff(100_000) <= 1000, "{moved}");
    }

    #[test]
    fn the_rate_is_kept_also_by_those_who_come_late() {
        let time = Duration::from_secs(60);
        for rate in [1, 7, 1000, 50_000, 10 << 20, 1 << 30] {
            for late in [0, 1, 20, 140].map(Duration::from_millis) {
                let ((got, _), ideal) = (moved(rate, late, time), rate * 60);
                let error = got.abs_diff(ideal);
                // The last of it may not have been looked at yet.
                assert!(error <= ideal / 50 + 1, "{got} of {ideal} at {late:?}");
            }
        }
    }

    #[test]
    fn a_low_rate_woke_up_for_every_kilobyte() {
        for rate in [1, 100, 20_000] {
            let (_, times) = moved(rate, Duration::ZERO, Duration::from_secs(60));
            assert!(times <= 60 * 2 + 28, "{times} at {rate}");
        }
        // A high rate is smoother.
        let (_, times) = moved(1 << 20, Duration::ZERO, Duration::from_secs(60));
        assert!(times >= 60 * 20, "{times}");
    }

    proptest! {
        #[test]
        fn a_transfer_of_any_size_ends_about_when_it_should(
            rate in 1..1_000_000_u64,
            millis in 0..20_000_u64,
        ) {
            let start = Instant::now();
            let (mut now, mut throttle) = (start, Throttle::new(rate, start));
            let mut left = (rate * millis / 1000) as usize;
            loop {
                let bytes = throttle.allowance(now).min(left);
                throttle.spend(bytes);
                left -= bytes;
                if left == 0 {
                    break;
                }
                now = throttle.resume_at(now);
            }
            let byte = Duration::from_secs(1) / rate as u32;
            let (took, ideal) = (now - start, Duration::from_millis(millis).saturating_sub(SPAN));
            prop_assert!(took + byte >= ideal, "{took:?} for {ideal:?}");
            prop_assert!(took <= ideal + SPAN.max(took / 8) + byte, "{took:?} for {ideal:?}");
        }
    }
}
