//! Looking for events for a moment before sleeping, where that is worth it.
//!
//! To be put to sleep and woken takes a few microseconds on some machines and tens of them on
//! others, virtual ones above all: longer than a peer nearby takes to answer. Looking again and
//! again saves that time, and costs the processor's meanwhile. So it is done for a single peer that
//! keeps answering at once, and only for as long as it saves more than it costs.

use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use crate::handler::HandlerId;

/// What a loop has learned of the answers that its handlers wait for.
pub(crate) struct BusyPoll {
    /// Who was the last to expect an answer.
    partner: HandlerId,
    /// How soon the partner expects one, if not for the first time.
    expected: Option<Duration>,
    /// How many answers the partner was sent one after the other, each soon, and nobody else.
    streak: u32,
    /// How long it takes, about, to sleep for an answer.
    asleep: Nanos,
    /// What looking has saved, less what it has cost.
    balance: Nanos,
    /// How many answers are slept for before looking is tried again.
    rest: u32,
}

/// How long something was waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Waited {
    Asleep(Duration),
    Looking(Duration),
}

/// Nanoseconds, or a debt of them.
type Nanos = i64;

impl BusyPoll {
    pub(crate) const fn new() -> Self {
        Self {
            partner: HandlerId::NOBODY,
            expected: None,
            streak: 0,
            asleep: 0,
            balance: 0,
            rest: 0,
        }
    }

    /// Takes it that a handler may be sent an answer within `limit`.
    pub(crate) fn expect(&mut self, handler: HandlerId, limit: Duration) {
        if self.partner == handler {
            self.expected = Some(limit);
        } else {
            // Where many are answered, sleeping lets what they send gather, and saves turns.
            self.partner = handler;
            self.expected = None;
            self.streak = 0;
        }
    }

    /// Waits for events as `poll` does. Tells how long, if it was for an answer.
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
        if !self.is_worth_looking(limit) {
            poll.poll(events, timeout)?;
            return Ok(Some(Waited::Asleep(began.elapsed())));
        }
        loop {
            poll.poll(events, Some(Duration::ZERO))?;
            let time = began.elapsed();
            if !events.is_empty() {
                return Ok(Some(Waited::Looking(time)));
            }
            if time >= limit {
                self.give_up(time, limit);
                return poll.poll(events, timeout).map(|()| None);
            }
        }
    }

    /// Learns what a wait was for: whom the sources belong to that are ready now, if that is one.
    pub(crate) fn learn(&mut self, whose: Option<HandlerId>, waited: Waited) {
        let Some(limit) = self.expected.take().map(nanos) else {
            return;
        };
        if whose != Some(self.partner) {
            self.streak = 0;
            return;
        }
        match waited {
            Waited::Asleep(time) => self.note_sleep(nanos(time), limit),
            Waited::Looking(time) => {
                let time = nanos(time);
                self.book(self.asleep - time - time / WORTH, limit);
            }
        }
    }

    fn is_worth_looking(&self, limit: Duration) -> bool {
        self.streak >= DIALOGUE && self.rest == 0 && self.asleep > nanos(limit) / LITTLE
    }

    /// Whatever comes from now on, and if it is only a deadline: the answer did not come soon.
    fn give_up(&mut self, time: Duration, limit: Duration) {
        self.expected = None;
        self.streak = 0;
        self.book(-nanos(time) / WORTH, nanos(limit));
    }

    fn note_sleep(&mut self, time: Nanos, limit: Nanos) {
        if time > limit.saturating_mul(SOON) {
            self.streak = 0;
            return;
        }
        if self.streak == 0 {
            self.asleep = time;
        }
        self.asleep += (time - self.asleep) / MEMORY;
        self.streak = self.streak.saturating_add(1);
        self.rest = self.rest.saturating_sub(1);
    }

    fn book(&mut self, gain: Nanos, limit: Nanos) {
        self.balance = (self.balance + gain).min(limit.saturating_mul(PURSE));
        if self.balance < -limit.saturating_mul(CREDIT) {
            self.balance = 0;
            self.rest = REST;
        }
    }
}

/// Enough for what is counted here, and far from what could overflow.
fn nanos(time: Duration) -> Nanos {
    i64::from(u32::try_from(time.as_nanos()).unwrap_or(u32::MAX))
}

/// How many answers in a row make a dialogue.
const DIALOGUE: u32 = 16;

/// An answer comes soon within so many times the limit: sleeping for it is part of it.
const SOON: Nanos = 2;

/// How many sleeps their mean remembers, about.
const MEMORY: Nanos = 8;

/// Sleeps that take no more than this part of the limit leave nothing to save: whoever answers
/// shares the processor.
const LITTLE: Nanos = 4;

/// How many moments of the processor a moment less to wait may cost.
const WORTH: Nanos = 2;

/// How many times the limit looking may cost more than it saves before it has to rest.
const CREDIT: Nanos = 2;

/// How many times the limit can be saved up for worse times.
const PURSE: Nanos = 16;

/// How many answers it rests for.
const REST: u32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Key;

    const LIMIT: Duration = Duration::from_micros(100);

    const fn handler(index: u32) -> HandlerId {
        HandlerId(Key {
            index,
            generation: 0,
        })
    }

    const fn asleep(micros: u64) -> Waited {
        Waited::Asleep(Duration::from_micros(micros))
    }

    const fn looking(micros: u64) -> Waited {
        Waited::Looking(Duration::from_micros(micros))
    }

    /// Has one handler be answered a number of times.
    fn answer(busy_poll: &mut BusyPoll, times: u32, waited: Waited) {
        for _ in 0..times {
            busy_poll.expect(handler(1), LIMIT);
            busy_poll.learn(Some(handler(1)), waited);
        }
    }

    fn look_in_vain(busy_poll: &mut BusyPoll) {
        busy_poll.expect(handler(1), LIMIT);
        busy_poll.give_up(LIMIT, LIMIT);
    }

    /// One that knows who it will be told of.
    fn begun() -> BusyPoll {
        let mut busy_poll = BusyPoll::new();
        busy_poll.expect(handler(1), LIMIT);
        busy_poll
    }

    /// One whose peer has answered at once for long enough.
    fn in_dialogue() -> BusyPoll {
        let mut busy_poll = begun();
        answer(&mut busy_poll, DIALOGUE, asleep(60));
        assert!(busy_poll.is_worth_looking(LIMIT));
        busy_poll
    }

    #[test]
    fn only_a_dialogue_is_looked_for() {
        let mut busy_poll = begun();
        for _ in 0..DIALOGUE {
            assert!(!busy_poll.is_worth_looking(LIMIT));
            answer(&mut busy_poll, 1, asleep(60));
        }
        assert!(busy_poll.is_worth_looking(LIMIT));
    }

    #[test]
    fn whatever_interrupts_a_dialogue_ends_it() {
        type Interruption = fn(&mut BusyPoll);
        let interruptions: [(&str, Interruption); 5] = [
            ("a slow answer", |busy_poll| {
                answer(busy_poll, 1, asleep(201));
            }),
            ("a look in vain", look_in_vain),
            ("somebody else's answer", |busy_poll| {
                busy_poll.expect(handler(2), LIMIT);
                busy_poll.learn(Some(handler(2)), asleep(60));
            }),
            ("something else", |busy_poll| {
                busy_poll.expect(handler(1), LIMIT);
                busy_poll.learn(Some(handler(2)), asleep(60));
            }),
            ("several at once", |busy_poll| {
                busy_poll.expect(handler(1), LIMIT);
                busy_poll.learn(None, asleep(60));
            }),
        ];
        for (what, interrupt) in interruptions {
            let mut busy_poll = in_dialogue();
            interrupt(&mut busy_poll);
            assert!(!busy_poll.is_worth_looking(LIMIT), "{what}");
            answer(&mut busy_poll, 1 + DIALOGUE, asleep(60));
            assert!(busy_poll.is_worth_looking(LIMIT), "{what}");
        }
    }

    #[test]
    fn short_sleeps_are_left_alone() {
        for (time, worth_it) in [
            (10, false),
            (25, false),
            (26, true),
            (200, true),
            (201, false),
        ] {
            let mut busy_poll = begun();
            answer(&mut busy_poll, DIALOGUE, asleep(time));
            assert_eq!(busy_poll.is_worth_looking(LIMIT), worth_it, "{time} µs");
        }
    }

    #[test]
    fn looking_goes_on_while_it_saves_more_than_it_costs() {
        // Of 60 µs, 30 are saved and 30 spent, which count for 15.
        let mut busy_poll = in_dialogue();
        answer(&mut busy_poll, 10_000, looking(30));
        assert!(busy_poll.is_worth_looking(LIMIT));
    }

    #[test]
    fn looking_that_costs_more_than_it_saves_rests() {
        type Look = fn(&mut BusyPoll);
        let costs: [(&str, Look); 2] = [
            ("hardly sooner", |busy_poll| {
                answer(busy_poll, 1, looking(50));
            }),
            ("in vain", look_in_vain),
        ];
        for (what, look) in costs {
            let mut busy_poll = begun();
            let mut looks = 0;
            while busy_poll.rest == 0 {
                answer(&mut busy_poll, DIALOGUE, asleep(60));
                look(&mut busy_poll);
                looks += 1;
                assert!(looks < 20, "{what}");
            }
            answer(&mut busy_poll, REST - 1, asleep(60));
            assert!(!busy_poll.is_worth_looking(LIMIT), "{what}");
            answer(&mut busy_poll, 1, asleep(60));
            assert!(busy_poll.is_worth_looking(LIMIT), "{what}");
        }
    }

    #[test]
    fn an_answer_that_does_not_come_is_looked_for_once() {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(1);
        let mut busy_poll = in_dialogue();
        busy_poll.expect(handler(1), LIMIT);
        let waited = busy_poll.wait(&mut poll, &mut events, Some(2 * LIMIT));
        assert!(waited.unwrap().is_none());
        assert!(!busy_poll.is_worth_looking(LIMIT));
        assert_eq!(busy_poll.expected, None);
    }

    #[test]
    fn nothing_is_looked_for_where_several_expect_answers() {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(1);
        let mut busy_poll = in_dialogue();
        busy_poll.expect(handler(1), LIMIT);
        busy_poll.expect(handler(2), LIMIT);
        busy_poll.expect(handler(1), LIMIT);
        let timeout = Some(Duration::from_millis(1));
        let waited = busy_poll.wait(&mut poll, &mut events, timeout).unwrap();
        assert!(waited.is_none());
    }

    #[test]
    fn a_deadline_within_the_limit_is_slept_for() {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(1);
        let mut busy_poll = in_dialogue();
        busy_poll.expect(handler(1), Duration::from_secs(3600));
        let timeout = Some(Duration::from_millis(1));
        let waited = busy_poll.wait(&mut poll, &mut events, timeout).unwrap();
        assert!(waited.is_none());
    }

    #[test]
    fn what_is_looked_for_is_found() {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(1);
        let waker = mio::Waker::new(poll.registry(), mio::Token(7)).unwrap();
        waker.wake().unwrap();
        let mut busy_poll = in_dialogue();
        busy_poll.expect(handler(1), LIMIT);
        let waited = busy_poll.wait(&mut poll, &mut events, None).unwrap();
        assert!(matches!(waited, Some(Waited::Looking(_))), "{waited:?}");
        assert_eq!(events.iter().count(), 1);
    }
}
