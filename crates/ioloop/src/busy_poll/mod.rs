//! Busy polling: spinning on the poll for a moment before sleeping in it, where that pays.
//!
//! Waking a sleeping thread takes a few microseconds on some machines and tens of microseconds on
//! others, mostly virtual ones. That is longer than a nearby peer takes to answer. Spinning saves
//! that time but keeps the processor busy. So the loop spins only for a single peer that keeps
//! answering at once, and only while two units of processor time save at least one unit of waiting.

use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use crate::handler::HandlerId;

/// The longest that a loop spins for an answer before it sleeps; see
/// [`Context::expect_answer`](crate::Context::expect_answer).
pub const LONGEST_BUSY_POLL: Duration = Duration::from_micros(500);

/// What a loop has learned about the answers that its handlers wait for.
///
/// The cost and gain of spinning depend on the machine more than on the peer, so they are
/// remembered from one peer to the next.
pub(crate) struct BusyPoll {
    /// The last handler that expected an answer.
    handler: HandlerId,
    /// How long to spin for that handler's answer; `None` for the first answer that it expects.
    expected: Option<Duration>,
    /// How many of the handler's answers in a row came soon after the loop had gone to sleep.
    streak: u32,
    /// How many answers the loop has spun for since it last slept for one.
    spins: u32,
    /// The mean length of a sleep that an answer ends.
    mean_sleep: Nanos,
    /// What spinning has saved, minus what it has cost.
    balance: Nanos,
    /// How many more answers the loop sleeps for before it tries spinning again.
    pause_left: u32,
}

/// How the loop waited for an answer, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Waited {
    Slept(Duration),
    Spun(Duration),
}

/// Nanoseconds; negative for a debt. A single time is at most a few seconds, see [`nanos`].
type Nanos = i64;

impl BusyPoll {
    pub(crate) const fn new() -> Self {
        Self {
            handler: HandlerId::NONE,
            expected: None,
            streak: 0,
            spins: 0,
            mean_sleep: 0,
            balance: 0,
            pause_left: 0,
        }
    }

    /// Notes that a handler expects an answer within `limit`.
    pub(crate) fn expect(&mut self, handler: HandlerId, limit: Duration) {
        if self.handler == handler {
            self.expected = Some(limit.min(LONGEST_BUSY_POLL));
        } else {
            // With several peers, sleeping lets their data gather, which saves turns.
            self.handler = handler;
            self.expected = None;
            self.streak = 0;
        }
    }

    /// Waits for events like `poll`. Returns how long the wait was if an answer was expected.
    pub(crate) fn wait(
        &mut self,
        poll: &mut Poll,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<Option<Waited>> {
        let within = |limit: &Duration| timeout.is_none_or(|most| most > *limit);
        let Some(limit) = self.expected.filter(within) else {
            return poll.poll(events, timeout).map(|()| None);
        };
        let began = Instant::now();
        if !self.should_spin() {
            poll.poll(events, timeout)?;
            return Ok(Some(Waited::Slept(began.elapsed())));
        }
        poll.poll(events, Some(Duration::ZERO))?;
        if !events.is_empty() {
            // A sleep would have ended at once as well.
            return Ok(None);
        }
        loop {
            poll.poll(events, Some(Duration::ZERO))?;
            let time = began.elapsed();
            if !events.is_empty() {
                self.add_cost(time);
                return Ok(Some(Waited::Spun(time)));
            }
            if time >= limit {
                self.add_cost(time);
                self.stop_spinning();
                let rest = timeout.map(|timeout| timeout.saturating_sub(time));
                return poll.poll(events, rest).map(|()| None);
            }
        }
    }

    /// Learns from what ended a wait. `owner` is the handler of the sources that are now ready, if
    /// they all belong to one handler.
    pub(crate) fn learn(&mut self, owner: Option<HandlerId>, waited: Waited) {
        let Some(limit) = self.expected.take() else {
            return;
        };
        if owner != Some(self.handler) {
            self.streak = 0;
            return;
        }
        match waited {
            Waited::Slept(time) if time > limit + WAKE_LATENCY => self.streak = 0,
            Waited::Slept(time) => self.note_sleep(nanos(time)),
            Waited::Spun(time) => self.add_gain(self.mean_sleep - nanos(time)),
        }
    }

    const fn should_spin(&self) -> bool {
        self.streak >= MIN_STREAK
            && self.pause_left == 0
            && self.spins < SPINS_PER_PROBE
            && self.mean_sleep > MIN_SLEEP
    }

    fn note_sleep(&mut self, time: Nanos) {
        if self.streak == 0 {
            self.mean_sleep = time;
        }
        self.mean_sleep += (time - self.mean_sleep) / MEAN_WINDOW;
        self.streak = self.streak.saturating_add(1);
        self.pause_left = self.pause_left.saturating_sub(1);
        self.spins = 0;
    }

    /// Notes that the answer did not come soon, whatever ends the wait now.
    const fn stop_spinning(&mut self) {
        self.expected = None;
        self.streak = 0;
    }

    /// Counts the time spent spinning, whatever came of it.
    fn add_cost(&mut self, time: Duration) {
        self.spins += 1;
        self.balance -= nanos(time) / COST_PER_GAIN;
        if self.balance < -MAX_DEBT {
            self.balance = 0;
            self.pause_left = PAUSE;
        }
    }

    fn add_gain(&mut self, time: Nanos) {
        self.balance = (self.balance + time).min(MAX_BALANCE);
    }
}

/// Converts to nanoseconds, capped at four seconds, so that sums cannot overflow.
fn nanos(time: Duration) -> Nanos {
    Nanos::from(u32::try_from(time.as_nanos()).unwrap_or(u32::MAX))
}

/// How many answers in a row have to come soon before the loop spins for the next one.
const MIN_STREAK: u32 = 16;

/// The longest time that waking up for an answer that comes soon may take.
const WAKE_LATENCY: Duration = Duration::from_micros(100);

/// Sleeps shorter than this leave nothing to save: the answering peer shares the processor.
const MIN_SLEEP: Nanos = 25_000;

/// Roughly how many sleeps the mean is taken over.
const MEAN_WINDOW: Nanos = 4;

/// After spinning for this many answers, the loop sleeps for one, to learn how long a sleep takes
/// now.
const SPINS_PER_PROBE: u32 = 64;

/// How much processor time may be spent to save one unit of waiting.
const COST_PER_GAIN: Nanos = 2;

/// How much more spinning may cost than it saves before it is paused.
const MAX_DEBT: Nanos = 200_000;

/// The most of what was saved that counts against later costs.
const MAX_BALANCE: Nanos = 1_000_000;

/// How many answers a pause from spinning lasts.
const PAUSE: u32 = 1024;

#[cfg(test)]
mod tests;
