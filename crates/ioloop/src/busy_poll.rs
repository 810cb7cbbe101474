//! Looking for events for a moment before sleeping, where that pays.
//!
//! To be put to sleep and woken takes a few microseconds on some machines and tens of them on
//! others, virtual ones above all: longer than a peer nearby takes to answer. To look again and again
//! instead saves that time, and keeps the processor busy. So it is done for a single peer that keeps
//! answering at once, and only while every two moments of the processor save at least one.

use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use crate::handler::HandlerId;

/// The longest that a loop looks for an answer before it sleeps for it; see
/// [`Context::expect_answer`](crate::Context::expect_answer).
pub const LONGEST_BUSY_POLL: Duration = Duration::from_micros(500);

/// What a loop has learned of the answers that its handlers wait for. What looking costs and saves
/// is a matter of the machine more than of the peer, and remembered from one to the next.
pub(crate) struct BusyPoll {
    /// Who was the last to expect an answer.
    partner: HandlerId,
    /// How long to look for the partner's, if it is not the first that it expects.
    expected: Option<Duration>,
    /// How many of the partner's answers were slept for and came soon, since one did not.
    streak: u32,
    /// How many were looked for since one was slept for.
    looks: u32,
    /// How long it takes, about, to sleep for an answer.
    asleep: Nanos,
    /// What looking has saved, less what it has cost.
    balance: Nanos,
    /// How many answers that come soon are slept for before looking is tried again.
    rest: u32,
}

/// How long an answer was waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Waited {
    Asleep(Duration),
    Looking(Duration),
}

/// Nanoseconds, or a debt of them; never more than some seconds, see [`nanos`].
type Nanos = i64;

impl BusyPoll {
    pub(crate) const fn new() -> Self {
        Self {
            partner: HandlerId::NOBODY,
            expected: None,
            streak: 0,
            looks: 0,
            asleep: 0,
            balance: 0,
            rest: 0,
        }
    }

    /// Takes it that a handler may be sent an answer within `limit`.
    pub(crate) fn expect(&mut self, handler: HandlerId, limit: Duration) {
        if self.partner == handler {
            self.expected = Some(limit.min(LONGEST_BUSY_POLL));
        } else {
            // Where many are answered, sleeping lets what they send gather, and saves turns.
            self.partner = handler;
            self.expected = None;
            self.streak = 0;
        }
    }

    /// Waits for events as `poll` does. Tells how long, if an answer was waited for.
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
        if !self.is_worth_looking() {
            poll.poll(events, timeout)?;
            return Ok(Some(Waited::Asleep(began.elapsed())));
        }
        poll.poll(events, Some(Duration::ZERO))?;
        if !events.is_empty() {
            // Whoever had gone to sleep would have been told at once as well.
            return Ok(None);
        }
        loop {
            poll.poll(events, Some(Duration::ZERO))?;
            let time = began.elapsed();
            if !events.is_empty() {
                self.pay(time);
                return Ok(Some(Waited::Looking(time)));
            }
            if time >= limit {
                self.pay(time);
                self.give_up();
                let rest = timeout.map(|timeout| timeout.saturating_sub(time));
                return poll.poll(events, rest).map(|()| None);
            }
        }
    }

    /// Learns what a wait was for: whom the sources belong to that are ready now, if that is one.
    pub(crate) fn learn(&mut self, whose: Option<HandlerId>, waited: Waited) {
        let Some(limit) = self.expected.take() else {
            return;
        };
        if whose != Some(self.partner) {
            self.streak = 0;
            return;
        }
        match waited {
            Waited::Asleep(time) if time > limit + WAKING => self.streak = 0,
            Waited::Asleep(time) => self.note_sleep(nanos(time)),
            Waited::Looking(time) => self.earn(self.asleep - nanos(time)),
        }
    }

    const fn is_worth_looking(&self) -> bool {
        self.streak >= DIALOGUE && self.rest == 0 && self.looks < PROBE && self.asleep > LITTLE
    }

    fn note_sleep(&mut self, time: Nanos) {
        if self.streak == 0 {
            self.asleep = time;
        }
        self.asleep += (time - self.asleep) / MEMORY;
        self.streak = self.streak.saturating_add(1);
        self.rest = self.rest.saturating_sub(1);
        self.looks = 0;
    }

    /// Whatever comes from now on, and if it is only a deadline: the answer did not come soon.
    const fn give_up(&mut self) {
        self.expected = None;
        self.streak = 0;
    }

    /// Notes that the processor was busy for so long, whatever came of it.
    fn pay(&mut self, time: Duration) {
        self.looks += 1;
        self.balance -= nanos(time) / WORTH;
        if self.balance < -CREDIT {
            self.balance = 0;
            self.rest = REST;
        }
    }

    fn earn(&mut self, time: Nanos) {
        self.balance = (self.balance + time).min(PURSE);
    }
}

/// Four seconds at most, which is far from what could overflow.
fn nanos(time: Duration) -> Nanos {
    Nanos::from(u32::try_from(time.as_nanos()).unwrap_or(u32::MAX))
}

/// How many answers in a row make a dialogue.
const DIALOGUE: u32 = 16;

/// How long it may take to be woken by an answer that comes soon.
const WAKING: Duration = Duration::from_micros(100);

/// Sleeps that take no longer leave nothing to save: whoever answers shares the processor.
const LITTLE: Nanos = 25_000;

/// How many sleeps their mean remembers, about.
const MEMORY: Nanos = 4;

/// After so many answers that were looked for, one is slept for, to learn how long that takes now.
const PROBE: u32 = 64;

/// How many moments of the processor a moment less to wait may cost.
const WORTH: Nanos = 2;

/// How much more looking may cost than it saves before it has to rest.
const CREDIT: Nanos = 200_000;

/// How much of what it saves can be kept for worse times.
const PURSE: Nanos = 1_000_000;

/// How many answers it rests for.
const REST: u32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Key;
    use crate::{Context, Flow, Handler, Interest, IoLoop, Ready, Socket, SourceId};
    use mio::net::TcpStream;

    const LIMIT: Duration = Duration::from_micros(100);

    const fn handler(index: u32) -> HandlerId {
        HandlerId(Key {
            index,
            generation: 0,
        })
    }

    const fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    /// Has a handler sleep for its answer a number of times.
    fn sleep(busy_poll: &mut BusyPoll, times: u32, time: Duration) {
        for _ in 0..times {
            busy_poll.expect(handler(1), LIMIT);
            busy_poll.learn(Some(handler(1)), Waited::Asleep(time));
        }
    }

    /// Has it look for its answer, and find it.
    fn look(busy_poll: &mut BusyPoll, time: Duration) {
        busy_poll.expect(handler(1), LIMIT);
        busy_poll.pay(time);
        busy_poll.learn(Some(handler(1)), Waited::Looking(time));
    }

    fn look_in_vain(busy_poll: &mut BusyPoll) {
        busy_poll.expect(handler(1), LIMIT);
        busy_poll.pay(LIMIT);
        busy_poll.give_up();
    }

    /// Serves so many answers of a peer, each as it is worth it; tells how many were looked for.
    fn serve(busy_poll: &mut BusyPoll, answers: u32, asleep: Duration, looking: Duration) -> u32 {
        let mut looks = 0;
        for _ in 0..answers {
            if busy_poll.is_worth_looking() {
                look(busy_poll, looking);
                looks += 1;
            } else {
                sleep(busy_poll, 1, asleep);
            }
        }
        looks
    }

    /// One that knows who it will be told of.
    fn begun() -> BusyPoll {
        let mut busy_poll = BusyPoll::new();
        busy_poll.expect(handler(1), LIMIT);
        busy_poll
    }

    /// One whose peer has answered soon for long enough.
    fn in_dialogue() -> BusyPoll {
        let mut busy_poll = begun();
        sleep(&mut busy_poll, DIALOGUE, micros(60));
        assert!(busy_poll.is_worth_looking());
        busy_poll
    }

    #[test]
    fn only_a_dialogue_is_looked_for() {
        let mut busy_poll = begun();
        for _ in 0..DIALOGUE {
            assert!(!busy_poll.is_worth_looking());
            sleep(&mut busy_poll, 1, micros(60));
        }
        assert!(busy_poll.is_worth_looking());
    }

    #[test]
    fn whatever_interrupts_a_dialogue_ends_it() {
        type Interruption = fn(&mut BusyPoll);
        let interruptions: [(&str, Interruption); 5] = [
            ("a slow answer", |busy_poll| {
                sleep(busy_poll, 1, LIMIT + WAKING + micros(1));
            }),
            ("a look in vain", look_in_vain),
            ("somebody else's answer", |busy_poll| {
                busy_poll.expect(handler(2), LIMIT);
                busy_poll.learn(Some(handler(2)), Waited::Asleep(micros(60)));
            }),
            ("something else", |busy_poll| {
                busy_poll.expect(handler(1), LIMIT);
                busy_poll.learn(Some(handler(2)), Waited::Asleep(micros(60)));
            }),
            ("several at once", |busy_poll| {
                busy_poll.expect(handler(1), LIMIT);
                busy_poll.learn(None, Waited::Asleep(micros(60)));
            }),
        ];
        for (what, interrupt) in interruptions {
            let mut busy_poll = in_dialogue();
            interrupt(&mut busy_poll);
            assert!(!busy_poll.is_worth_looking(), "{what}");
            sleep(&mut busy_poll, 1 + DIALOGUE, micros(60));
            assert!(busy_poll.is_worth_looking(), "{what}");
        }
    }

    #[test]
    fn sleeps_that_are_short_or_long_are_left_alone() {
        let cases = [
            (10, false),
            (25, false),
            (26, true),
            (200, true),
            (201, false),
        ];
        for (time, worth_it) in cases {
            let mut busy_poll = begun();
            sleep(&mut busy_poll, DIALOGUE, micros(time));
            assert_eq!(busy_poll.is_worth_looking(), worth_it, "{time} µs");
        }
    }

    #[test]
    fn what_pays_goes_on_and_what_does_not_rests() {
        // How long an answer takes that is slept for and one that is looked for, and what part of
        // the answers is looked for, in thousandths: all but one in 65, or hardly any.
        let cases = [
            (60, 30, 980..=985),
            (60, 39, 980..=985),
            (60, 50, 0..=30),
            (100, 90, 0..=30),
        ];
        for (asleep, looking, part) in cases {
            let mut busy_poll = begun();
            let looks = serve(&mut busy_poll, 100_000, micros(asleep), micros(looking));
            assert!(part.contains(&(looks / 100)), "{asleep} µs: {looks}");
        }
    }

    #[test]
    fn a_peer_that_was_slow_at_first_was_looked_for_without_end() {
        let mut busy_poll = begun();
        sleep(&mut busy_poll, DIALOGUE, micros(190));
        let looks = serve(&mut busy_poll, 100_000, micros(65), micros(60));
        assert!(looks < 4_000, "{looks}");
    }

    #[test]
    fn answers_that_do_not_come_are_looked_for_no_more() {
        let mut busy_poll = BusyPoll::new();
        for looks in 0.. {
            sleep(&mut busy_poll, 1 + DIALOGUE, micros(60));
            if !busy_poll.is_worth_looking() {
                break;
            }
            look_in_vain(&mut busy_poll);
            assert!(looks < 5);
        }
        // The rest began with the last look, and another streak.
        sleep(&mut busy_poll, REST - DIALOGUE - 2, micros(60));
        assert!(!busy_poll.is_worth_looking());
        sleep(&mut busy_poll, 1, micros(60));
        assert!(busy_poll.is_worth_looking());
    }

    #[test]
    fn looks_that_something_else_ends_are_paid_for() {
        let mut busy_poll = in_dialogue();
        while busy_poll.rest == 0 {
            busy_poll.expect(handler(1), LIMIT);
            busy_poll.pay(micros(50));
            assert!(busy_poll.looks < 20);
        }
    }

    #[test]
    fn gains_are_not_kept_for_ever() {
        let mut busy_poll = in_dialogue();
        serve(&mut busy_poll, 100_000, micros(60), micros(30));
        let paid = nanos(LIMIT) / WORTH;
        let most = (PURSE + CREDIT) / paid + 1;
        for _ in 0..most {
            look_in_vain(&mut busy_poll);
        }
        assert!(busy_poll.rest > 0);
    }

    fn poll() -> (Poll, Events) {
        (Poll::new().unwrap(), Events::with_capacity(1))
    }

    #[test]
    fn an_answer_that_does_not_come_is_looked_for_once() {
        let (mut poll, mut events) = poll();
        let mut busy_poll = in_dialogue();
        busy_poll.expect(handler(1), LIMIT);
        let waited = busy_poll.wait(&mut poll, &mut events, Some(2 * LIMIT));
        assert!(waited.unwrap().is_none());
        assert_eq!(busy_poll.looks, 1);
        assert!(!busy_poll.is_worth_looking());
        assert_eq!(busy_poll.expected, None);
    }

    #[test]
    fn a_deadline_within_the_limit_is_slept_for() {
        let (mut poll, mut events) = poll();
        let mut busy_poll = in_dialogue();
        busy_poll.expect(handler(1), Duration::MAX);
        let waited = busy_poll.wait(&mut poll, &mut events, Some(LONGEST_BUSY_POLL));
        assert!(waited.unwrap().is_none());
        assert_eq!(busy_poll.looks, 0);
    }

    #[test]
    fn what_is_there_already_is_not_to_be_waited_for() {
        let (mut poll, mut events) = poll();
        let waker = mio::Waker::new(poll.registry(), mio::Token(7)).unwrap();
        waker.wake().unwrap();
        let mut busy_poll = in_dialogue();
        busy_poll.expect(handler(1), LIMIT);
        let waited = busy_poll.wait(&mut poll, &mut events, Some(micros(1_000_000)));
        assert!(waited.unwrap().is_none());
        assert_eq!(events.iter().count(), 1);
        assert_eq!(busy_poll.looks, 0);
    }

    #[test]
    fn what_comes_meanwhile_is_found() {
        let (mut poll, mut events) = poll();
        let waker = mio::Waker::new(poll.registry(), mio::Token(7)).unwrap();
        // Some come before it looks, some while it does, and some while it sleeps.
        for _ in 0..100 {
            let mut busy_poll = in_dialogue();
            busy_poll.expect(handler(1), LONGEST_BUSY_POLL);
            std::thread::scope(|scope| {
                scope.spawn(|| waker.wake().unwrap());
                let timeout = Some(Duration::from_secs(60));
                busy_poll.wait(&mut poll, &mut events, timeout).unwrap();
            });
            assert_eq!(events.iter().count(), 1);
        }
    }

    /// Says a byte, and another one whenever it has been answered.
    struct Talker {
        stream: Option<TcpStream>,
        socket: Option<Socket<TcpStream>>,
    }

    impl Talker {
        fn talk(&self, cx: &mut Context<'_>) -> io::Result<()> {
            let Some(socket) = &self.socket else {
                return Ok(());
            };
            cx.write(socket, b"x")?;
            cx.expect_answer(LIMIT);
            Ok(())
        }
    }

    impl Handler for Talker {
        fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
            if let Some(stream) = self.stream.take() {
                self.socket = Some(cx.register(stream, Interest::READ)?);
            }
            self.talk(cx)
        }

        fn ready(&mut self, _: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
            if let Some(socket) = &self.socket {
                cx.read_out(socket, &mut [0; 2])?;
                self.talk(cx)?;
            }
            Ok(Flow::Continue)
        }
    }

    #[test]
    fn a_loop_learns_from_the_dialogues_of_its_handlers() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let echo = std::thread::spawn(move || io::copy(&mut peer.try_clone()?, &mut peer));
        let mut io_loop = IoLoop::new().unwrap();
        let talker = Talker {
            stream: Some(TcpStream::from_std(stream)),
            socket: None,
        };
        io_loop.add(Box::new(talker)).unwrap();
        let most = Instant::now() + Duration::from_secs(60);
        while io_loop.busy_poll.asleep == 0 {
            assert!(Instant::now() < most, "no answer came soon");
            io_loop.turn(Some(Duration::from_secs(1))).unwrap();
        }
        drop(io_loop);
        // An end like any other: what was said last may be unread.
        let _ = echo.join().unwrap();
    }
}
