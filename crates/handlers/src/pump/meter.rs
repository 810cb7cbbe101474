//! How much a transfer may move, and how much it has moved.

use std::time::Instant;

use ftpdlib_proto::TransferDirection;

use super::{Debts, Step};
use crate::service::RateShare;
use crate::throttle::Throttle;

/// Most bytes that one transfer moves in one turn of the loop.
pub(super) const TURN_BYTES: usize = 1 << 20;

/// Most bytes that it moves in its first turn, in which many transfers may begin at once.
pub(super) const FIRST_BYTES: usize = 256 << 10;

/// A transfer that uses so much of its share of a turn, in bytes, is served after what takes less
/// time.
const MUCH: usize = 64 << 10;

/// The least that a piece counts for in a turn, in bytes, for the time of its system calls.
pub(super) const PIECE_COST: usize = 4 << 10;

/// Counts what was moved, and allows what may be.
pub(crate) struct Meter {
    bytes: u64,
    progress: Instant,
    throttle: Throttle,
    /// The user's rate, if there is one. Other transfers may share it.
    shared: Option<Box<RateShare>>,
    /// The share of the current turn, in bytes.
    share: usize,
    /// How much is left of it.
    budget: usize,
    /// When the current turn began.
    turn: Option<Instant>,
}

impl Meter {
    /// Creates a meter for a transfer that begins `now` and keeps to both rates.
    pub(super) fn new(throttle: Throttle, shared: Option<RateShare>, now: Instant) -> Self {
        Self {
            bytes: 0,
            progress: now,
            throttle,
            shared: shared.map(Box::new),
            share: 0,
            budget: 0,
            turn: None,
        }
    }

    /// How many bytes were moved so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When something was moved last.
    pub(super) fn progress(&self) -> Instant {
        self.progress
    }

    /// Changes the transfer's own rate.
    pub(super) fn set_rate(&mut self, rate: u64) {
        self.throttle.set_rate(rate);
    }

    /// The transfer's own rate, if it has one.
    pub(super) fn own_rate(&mut self) -> Option<&mut Throttle> {
        Some(&mut self.throttle).filter(|throttle| throttle.is_limited())
    }

    /// Leaves what was moved ahead of the transfer's own rate to the session's next transfer in
    /// this direction.
    pub(crate) fn leave_debt(
        &mut self,
        direction: TransferDirection,
        debts: &mut Debts,
        now: Instant,
    ) {
        if let Some(own) = self.own_rate() {
            debts.note(direction, own.owes_until(), now);
        }
    }

    /// Begins a share of the turn that began at `turn`. Part of it may be used already: the end of
    /// a job and the data connection may both run the pump in one turn.
    pub(crate) fn begin(&mut self, turn: Instant) {
        if self.turn != Some(turn) {
            self.share = match self.bytes {
                0 => FIRST_BYTES,
                _ => TURN_BYTES,
            };
            (self.turn, self.budget) = (Some(turn), self.share);
        }
    }

    /// Most bytes that may be moved now; `Err` with what to do if none may.
    pub(crate) fn allowance(&mut self, now: Instant) -> Result<usize, Step> {
        if self.is_used_up() {
            return Err(Step::Yield);
        }
        let own = match self.throttle.allowance(now) {
            0 => return Err(Step::Pause(self.throttle.resume_at(now))),
            bytes => bytes.min(self.budget),
        };
        match &mut self.shared {
            None => Ok(own),
            Some(share) => match share.allowance(now) {
                0 => Err(Step::Pause(share.resume_at())),
                part => Ok(own.min(part)),
            },
        }
    }

    /// Whether the share of this turn is used up.
    pub(super) fn is_used_up(&self) -> bool {
        self.budget == 0
    }

    /// Whether much of the current turn was used, for bytes or for other work.
    pub(super) fn has_used_much(&self) -> bool {
        self.share - self.budget >= MUCH
    }

    /// Counts other work, in bytes that could have been moved in the same time.
    pub(super) fn charge(&mut self, bytes: usize) {
        self.budget = self.budget.saturating_sub(bytes);
    }

    /// Whether there is a rate limit.
    pub(super) fn is_limited(&self) -> bool {
        self.throttle.is_limited() || self.shared.is_some()
    }

    /// Notes progress.
    pub(super) fn advanced(&mut self, now: Instant) {
        self.progress = now;
    }

    pub(crate) fn moved(&mut self, bytes: usize, now: Instant) {
        self.bytes += bytes as u64;
        self.charge(bytes.max(PIECE_COST));
        self.advanced(now);
        self.throttle.spend(bytes);
        if let Some(share) = &mut self.shared {
            share.spend(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_pump_that_ran_twice_in_a_turn_had_two_shares_of_it() {
        let now = Instant::now();
        let mut meter = Meter::new(Throttle::new(0, now), None, now);
        meter.begin(now);
        meter.moved(TURN_BYTES, now);
        meter.begin(now);
        assert!(matches!(meter.allowance(now), Err(Step::Yield)));
        meter.begin(now + Duration::from_nanos(1));
        assert!(matches!(meter.allowance(now), Ok(TURN_BYTES)));
    }

    #[test]
    fn pieces_of_a_byte_took_a_million_calls_in_a_turn() {
        let now = Instant::now();
        let mut meter = Meter::new(Throttle::new(0, now), None, now);
        meter.begin(now);
        let pieces = iter::from_fn(|| {
            meter.allowance(now).ok()?;
            meter.moved(1, now);
            Some(())
        });
        assert_eq!(pieces.count(), FIRST_BYTES / PIECE_COST);
        assert_eq!(meter.bytes(), (FIRST_BYTES / PIECE_COST) as u64);
    }

    #[test]
    fn work_that_moved_no_bytes_was_nothing() {
        let now = Instant::now();
        let mut meter = Meter::new(Throttle::new(0, now), None, now);
        meter.begin(now);
        meter.moved(MUCH - 1, now);
        assert!(!meter.has_used_much());
        meter.charge(1);
        assert!(meter.has_used_much());
        meter.begin(now + Duration::from_nanos(1));
        assert!(!meter.has_used_much());
    }
}
