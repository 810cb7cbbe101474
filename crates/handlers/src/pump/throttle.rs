//! Keeping a transfer to its rate.

use std::time::{Duration, Instant};

/// The rate is kept over spans this long: short enough to be smooth, long enough not to wake up for
/// every packet.
const SPAN: Duration = Duration::from_millis(50);

/// A bucket that fills with the rate and holds one span's worth of bytes.
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
        self.saved = (self.saved + now.saturating_duration_since(self.since)).min(SPAN);
        self.since = now;
        let bytes = self.saved.as_nanos() * u128::from(self.rate) / 1_000_000_000;
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Notes that `bytes` were moved.
    pub(crate) fn spend(&mut self, bytes: usize) {
        if self.rate != 0 {
            let nanos = bytes as u128 * 1_000_000_000 / u128::from(self.rate);
            let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            self.saved = self.saved.saturating_sub(cost);
        }
    }

    /// When the bucket will be worth emptying again.
    pub(crate) fn resume_at(&self, now: Instant) -> Instant {
        // At least one byte's time, or a slow rate would wake up to find nothing.
        let byte = Duration::from_nanos(1_000_000_000 / self.rate.max(1) + 1);
        now + SPAN.max(byte).saturating_sub(self.saved)
    }
}
