//! Keeping a transfer to its rate.

use std::time::{Duration, Instant};

/// The span over which the rate is kept: short enough to be smooth, long enough not to wake up for
/// every packet.
const SPAN: Duration = Duration::from_millis(50);

/// How many spans of the rate can be saved up: a busy loop may be this late without losing any of
/// the rate, and a client that was slow for a while gets no more than this at once.
const SAVED_SPANS: u32 = 4;

/// A token bucket. It is emptied once it holds a span's worth of bytes, and has room for more, so
/// that nothing is lost if it is emptied late.
///
/// It begins with a span's worth, so that a small file does not wait. What was used in advance
/// counts for the next transfer: see [`owes_until`](Self::owes_until).
#[derive(Debug)]
pub(crate) struct Throttle {
    /// Bytes per second; 0 for no limit.
    rate: u64,
    /// What is saved up, as time at this rate.
    saved: Duration,
    since: Instant,
}

impl Throttle {
    /// Creates a bucket for `rate` bytes per second; 0 for no limit.
    pub(crate) fn new(rate: u64, now: Instant) -> Self {
        Self {
            rate,
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
        self.rate = rate;
    }

    /// Whether there is a limit.
    pub(crate) fn is_limited(&self) -> bool {
        self.rate != 0
    }

    /// How many bytes may be moved now.
    pub(crate) fn allowance(&mut self, now: Instant) -> usize {
        if self.rate == 0 {
            return usize::MAX;
        }
        let saved = self.saved + now.saturating_duration_since(self.since);
        self.saved = saved.min(SAVED_SPANS * self.span());
        self.since = now;
        let bytes = self.saved.as_nanos() * u128::from(self.rate) / 1_000_000_000;
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Notes that `bytes` were moved.
    pub(crate) fn spend(&mut self, bytes: usize) {
        if self.rate != 0 {
            self.saved = self.saved.saturating_sub(self.time_of(bytes));
        }
    }

    /// Gives back `bytes` that were noted but not moved.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        if self.rate != 0 {
            let nanos = bytes as u128 * 1_000_000_000 / u128::from(self.rate);
            self.saved += Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
        }
    }

    /// When the bucket will be worth emptying again.
    pub(crate) fn resume_at(&self, now: Instant) -> Instant {
        now + self.span().saturating_sub(self.saved)
    }

    /// How many bytes come in during `time`, up to what can be saved up.
    pub(crate) fn bytes_in(&self, time: Duration) -> usize {
        let time = time.min(SAVED_SPANS * self.span());
        let bytes = time.as_nanos() * u128::from(self.rate) / 1_000_000_000;
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// A span, or the time of one byte if that is longer: otherwise a slow rate would wake up in
    /// vain.
    pub(crate) fn span(&self) -> Duration {
        SPAN.max(self.time_of(1))
    }

    /// The time that the rate needs for `bytes`, rounded up, so that no byte is free.
    fn time_of(&self, bytes: usize) -> Duration {
        let nanos = (bytes as u128 * 1_000_000_000).div_ceil(u128::from(self.rate.max(1)));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moves all that is allowed, whenever it is, each time `late` after it was said to be.
    fn moved(rate: u64, late: Duration, time: Duration) -> u64 {
        let start = Instant::now();
        let (mut now, mut throttle, mut moved) = (start, Throttle::new(rate, start), 0);
        while now - start < time {
            let bytes = throttle.allowance(now);
            throttle.spend(bytes);
            moved += bytes as u64;
            now = throttle.resume_at(now) + late;
        }
        moved
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
        let time = Duration::from_secs(10);
        for rate in [1, 7, 1000, 50_000, 10 << 20, 1 << 30] {
            for late in [0, 1, 20, 140].map(Duration::from_millis) {
                let (got, ideal) = (moved(rate, late, time), rate * 10);
                let error = got.abs_diff(ideal);
                // The last of it may not have been looked at yet.
                assert!(error <= ideal / 50 + 1, "{got} of {ideal} at {late:?}");
            }
        }
    }
}
