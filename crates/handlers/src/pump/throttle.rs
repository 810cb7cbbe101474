//! Keeping a transfer to its rate.

use std::time::{Duration, Instant};

/// The rate is kept over spans this long: short enough to be smooth, long enough not to wake up for
/// every packet.
const SPAN: Duration = Duration::from_millis(50);

/// A bucket that fills with the rate and holds one span's worth of bytes, but at least one byte.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// Bytes per second; 0 for no limit.
    rate: u64,
    /// Nanoseconds of the rate saved up.
    saved: Duration,
    since: Instant,
}

impl Throttle {
    /// Keeps to `rate` bytes per second; 0 for no limit.
    pub(crate) fn new(rate: u64, now: Instant) -> Self {
        Self {
            rate,
            saved: SPAN,
            since: now,
        }
    }

    /// Bytes that may be moved now.
    pub(crate) fn allowance(&mut self, now: Instant) -> usize {
        if self.rate == 0 {
            return usize::MAX;
        }
        self.saved = (self.saved + now.saturating_duration_since(self.since)).min(self.span());
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

    /// When the bucket will be worth emptying again.
    pub(crate) fn resume_at(&self, now: Instant) -> Instant {
        now + self.span().saturating_sub(self.saved)
    }

    /// The time that is worth waiting for, and the most that is saved up.
    fn span(&self) -> Duration {
        // At least one byte's time, or a slow rate would wake up to find nothing.
        SPAN.max(self.time_of(1))
    }

    /// How long the rate needs for `bytes`, rounded up: no byte is free.
    fn time_of(&self, bytes: usize) -> Duration {
        let nanos = (bytes as u128 * 1_000_000_000).div_ceil(u128::from(self.rate.max(1)));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes moved in ten seconds by a transfer that never waits for its peer.
    fn moved_in_ten_seconds(rate: u64, piece: usize) -> u64 {
        let start = Instant::now();
        let (mut now, mut moved) = (start, 0);
        let mut throttle = Throttle::new(rate, start);
        while now < start + Duration::from_secs(10) {
            match throttle.allowance(now).min(piece) {
                0 => now = throttle.resume_at(now),
                bytes => {
                    throttle.spend(bytes);
                    moved += bytes as u64;
                }
            }
        }
        moved
    }

    #[test]
    fn the_rate_is_kept() {
        for (rate, pieces) in [
            (1, &[1][..]),
            (7, &[1, 1460]),
            (19, &[1, 1460]),
            (20, &[1, 1460]),
            (21, &[1, 1460]),
            (1000, &[1, 1460]),
            (65_536, &[1, 1460]),
            (1 << 20, &[1460, 1 << 20]),
            (1 << 33, &[1 << 17, 1 << 20]),
        ] {
            for &piece in pieces {
                let moved = moved_in_ten_seconds(rate, piece);
                let (least, most) = (rate * 10 - rate / 10 - 1, rate * 10 + rate / 10 + 1);
                assert!((least..=most).contains(&moved), "{rate}, {piece}: {moved}");
            }
        }
    }

    #[test]
    fn without_a_rate_nothing_is_held_back() {
        let now = Instant::now();
        let mut throttle = Throttle::new(0, now);
        throttle.spend(usize::MAX);
        assert_eq!(throttle.allowance(now), usize::MAX);
    }
}
