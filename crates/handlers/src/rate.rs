//! A transfer rate, and how often a transfer with one moves a piece.

use std::num::NonZero;
use std::time::Duration;

/// The shortest span over which a rate is kept: short enough that the end of a small file does not
/// wait, long enough not to wake up for every packet.
pub(crate) const SPAN: Duration = Duration::from_millis(50);

/// The longest span for the sake of a piece that is worth a wake-up: a low rate looks smooth still.
const LONGEST_SPAN: Duration = Duration::from_millis(500);

/// What is worth a wake-up, in bytes.
const PIECE: usize = 16 << 10;

/// A span lasts at most this part of the time since the start, so that a transfer of whatever size
/// ends about when it should.
const PART_OF_AGE: u32 = 8;

/// How late a busy loop may be without losing any of the rate. A client that was slow for a while
/// gets no more than this and a span at once.
const LATENESS: Duration = Duration::from_millis(150);

/// Bytes per second.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Rate(NonZero<u64>);

impl Rate {
    /// A rate of `rate` bytes per second; `None` if that is 0, which means no limit.
    pub(crate) fn limited(rate: u64) -> Option<Self> {
        NonZero::new(rate).map(Self)
    }

    /// How long a transfer of this `age` waits for its next piece: until a piece has come in for
    /// each of the `sharers` of the rate, within the limits above; but at least until a byte has,
    /// since it would wake up in vain otherwise.
    pub(crate) fn span(self, age: Duration, sharers: usize) -> Duration {
        let longest = (age / PART_OF_AGE).clamp(SPAN, LONGEST_SPAN);
        let of_a_piece = self.time_of(sharers.saturating_mul(PIECE));
        of_a_piece.clamp(SPAN, longest).max(self.time_of(sharers))
    }

    /// How much can be saved up, as time at this rate.
    pub(crate) fn room(self, age: Duration, sharers: usize) -> Duration {
        self.span(age, sharers) + LATENESS
    }

    /// How many bytes come in during `time`.
    pub(crate) fn bytes_in(self, time: Duration) -> usize {
        let bytes = time.as_nanos() * u128::from(self.0.get()) / 1_000_000_000;
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// The time in which `bytes` come in, rounded up, so that no byte is free.
    pub(crate) fn time_of(self, bytes: usize) -> Duration {
        let nanos = (bytes as u128 * 1_000_000_000).div_ceil(u128::from(self.0.get()));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
