//! How a rate is divided among the transfers that share it.

use std::time::{Duration, Instant};

use crate::rate::{Rate, SPAN};

/// Time at the rate, in 2⁻¹⁶ ns: a nanosecond has to be divided by thousands of transfers.
type Credit = u128;

const CREDITS_PER_NANO: Credit = 1 << 16;

/// A round lasts this many spans: a transfer that takes nothing in a whole one leaves its part to
/// the others.
const ROUND_SPANS: u32 = 4;

/// A rate that is divided fairly: each active transfer is due an equal part of what comes in, and
/// those that come take what the others leave.
///
/// It is not known what each of them is due, but how much that is in all: what comes in is added to
/// `fair`, the part of one transfer that is always active, and each transfer knows up to where it
/// [`had`](Member::had) its part. So every call costs the same for however many transfers.
pub(super) struct Division {
    rate: Rate,
    /// Up to when what came in is divided.
    since: Instant,
    /// What a transfer had been due since the start if it had always been active.
    fair: Credit,
    /// What no active transfer is due.
    surplus: Credit,
    /// The number of the current round.
    round: u64,
    round_began: Instant,
    /// Those that have come or taken something in the current round.
    current: Round,
    /// Those that did in the round before, but not yet in this one.
    before: Round,
}

/// The active transfers of a round.
#[derive(Default)]
struct Round {
    transfers: usize,
    /// The sum of what they had.
    had: Credit,
}

/// What a transfer has to know of itself.
pub(super) struct Member {
    /// The last round in which it was active.
    round: u64,
    /// Up to where it had its fair part.
    had: Credit,
    /// When it last took something.
    last: Instant,
}

impl Round {
    fn enter(&mut self, member: &Member) {
        self.transfers += 1;
        self.had += member.had;
    }

    fn leave(&mut self, member: &Member) {
        self.transfers -= 1;
        self.had -= member.had;
    }
}

impl Division {
    /// Divides `rate` among transfers that [enter](Self::enter) it.
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        Self {
            rate,
            since: now,
            fair: 0,
            surplus: credit(SPAN),
            round: 0,
            round_began: now,
            current: Round::default(),
            before: Round::default(),
        }
    }

    /// Whether a new one would allow more, once there is no transfer.
    pub(super) fn owes(&mut self, now: Instant) -> bool {
        self.come_in(now);
        self.surplus < credit(SPAN)
    }

    /// Adds a transfer. It is due nothing yet, so that short ones in a row take nothing from a
    /// long one.
    pub(super) fn enter(&mut self, now: Instant) -> Member {
        self.come_in(now);
        self.begin_round(Duration::ZERO, now);
        let member = Member {
            round: self.round,
            had: self.fair,
            last: now,
        };
        self.current.enter(&member);
        member
    }

    /// Removes a transfer, which has not moved `bytes` of what it took.
    pub(super) fn leave(&mut self, member: &Member, bytes: usize) {
        if let Some(round) = self.round_of(member) {
            round.leave(member);
            self.surplus += self.fair - member.had;
        }
        self.surplus += credit(self.rate.time_of(bytes));
    }

    /// Takes the bytes that one of the transfers may move now: what it is due, and of what the
    /// others have left over as much as has come in since it last took something. Whoever comes
    /// first after a round has begun takes no more of it than the next.
    pub(super) fn take(&mut self, member: &mut Member, now: Instant) -> usize {
        self.come_in(now);
        let since = now.saturating_duration_since(member.last);
        self.begin_round(since, now);
        let room = self.rate.room(Duration::MAX, self.active());
        match self.round_of(member) {
            Some(round) => round.leave(member),
            // It has left to the others what it was due.
            None => member.had = self.fair,
        }
        let due = self.fair - member.had;
        let left_over = self.surplus.min(credit(since.clamp(SPAN, room)));
        let bytes = self.rate.bytes_in(time(due + left_over));
        let taken = credit(self.rate.time_of(bytes));
        member.had += taken.min(due);
        self.surplus = self.surplus.saturating_sub(taken.saturating_sub(due));
        (member.round, member.last) = (self.round, now);
        self.current.enter(member);
        bytes
    }

    /// How long a transfer of this `age` waits until it takes something again.
    pub(super) fn span(&self, age: Duration) -> Duration {
        self.rate.span(age, self.active())
    }

    /// Divides what has come in.
    fn come_in(&mut self, now: Instant) {
        let time = now.saturating_duration_since(self.since);
        let active = self.active();
        // Another loop's turn may have begun later.
        self.since = self.since.max(now);
        if active == 0 {
            let room = self.rate.room(Duration::ZERO, 1);
            self.surplus = (self.surplus + credit(time)).min(credit(room));
        } else {
            // If nobody has come for longer, the loop was late, or all clients are slow.
            let room = self.rate.room(Duration::MAX, active);
            self.fair += credit(time.min(room)) / active as Credit;
        }
    }

    /// Begins the next round if it is time. `since` is for how long one transfer has taken nothing.
    fn begin_round(&mut self, since: Duration, now: Instant) {
        let span = self.span(Duration::MAX);
        // If one is late, the others may be as late without being idle.
        let length = (span * ROUND_SPANS).max(since * 2);
        if now.saturating_duration_since(self.round_began) < length {
            return;
        }
        let idle = std::mem::replace(&mut self.before, std::mem::take(&mut self.current));
        let left = self.fair * idle.transfers as Credit - idle.had;
        // Idle transfers leave what they were due in two rounds: no more can be saved up.
        self.surplus = (self.surplus + left).min(credit(2 * length));
        (self.round, self.round_began) = (self.round + 1, now);
    }

    /// The round that counts a transfer; `None` if it is idle.
    fn round_of(&mut self, member: &Member) -> Option<&mut Round> {
        match self.round - member.round {
            0 => Some(&mut self.current),
            1 => Some(&mut self.before),
            _ => None,
        }
    }

    fn active(&self) -> usize {
        self.current.transfers + self.before.transfers
    }
}

fn credit(time: Duration) -> Credit {
    time.as_nanos() * CREDITS_PER_NANO
}

fn time(credit: Credit) -> Duration {
    let nanos = u64::try_from(credit / CREDITS_PER_NANO);
    Duration::from_nanos(nanos.unwrap_or(u64::MAX))
}
