use super::*;
use crate::slab::Key;
use crate::{Context, Flow, Handler, Interest, IoLoop, Ready, Registration, SourceId};
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

/// Makes the loop sleep for a handler's answer several times.
fn sleep(busy_poll: &mut BusyPoll, times: u32, time: Duration) {
    for _ in 0..times {
        busy_poll.expect(handler(1), LIMIT);
        busy_poll.learn(Some(handler(1)), Waited::Slept(time));
    }
}

/// Makes the loop spin for the handler's answer, which arrives.
fn spin(busy_poll: &mut BusyPoll, time: Duration) {
    busy_poll.expect(handler(1), LIMIT);
    busy_poll.add_cost(time);
    busy_poll.learn(Some(handler(1)), Waited::Spun(time));
}

fn spin_in_vain(busy_poll: &mut BusyPoll) {
    busy_poll.expect(handler(1), LIMIT);
    busy_poll.add_cost(LIMIT);
    busy_poll.stop_spinning();
}

/// Waits for answers of a peer, spinning when that is worth it; returns the number of spins.
fn serve(busy_poll: &mut BusyPoll, answers: u32, sleep_time: Duration, spin_time: Duration) -> u32 {
    let mut spins = 0;
    for _ in 0..answers {
        if busy_poll.should_spin() {
            spin(busy_poll, spin_time);
            spins += 1;
        } else {
            sleep(busy_poll, 1, sleep_time);
        }
    }
    spins
}

/// A `BusyPoll` that knows which handler expects answers.
fn begun() -> BusyPoll {
    let mut busy_poll = BusyPoll::new();
    busy_poll.expect(handler(1), LIMIT);
    busy_poll
}

/// A `BusyPoll` whose peer has answered soon for long enough.
fn with_streak() -> BusyPoll {
    let mut busy_poll = begun();
    sleep(&mut busy_poll, MIN_STREAK, micros(60));
    assert!(busy_poll.should_spin());
    busy_poll
}

#[test]
fn it_spins_after_a_streak_of_soon_answers_only() {
    let mut busy_poll = begun();
    for _ in 0..MIN_STREAK {
        assert!(!busy_poll.should_spin());
        sleep(&mut busy_poll, 1, micros(60));
    }
    assert!(busy_poll.should_spin());
}

#[test]
fn whatever_interrupts_a_streak_ends_it() {
    type Interruption = fn(&mut BusyPoll);
    let interruptions: [(&str, Interruption); 5] = [
        ("a slow answer", |busy_poll| {
            sleep(busy_poll, 1, LIMIT + WAKE_LATENCY + micros(1));
        }),
        ("a spin in vain", spin_in_vain),
        ("another handler's answer", |busy_poll| {
            busy_poll.expect(handler(2), LIMIT);
            busy_poll.learn(Some(handler(2)), Waited::Slept(micros(60)));
        }),
        ("something else", |busy_poll| {
            busy_poll.expect(handler(1), LIMIT);
            busy_poll.learn(Some(handler(2)), Waited::Slept(micros(60)));
        }),
        ("several at once", |busy_poll| {
            busy_poll.expect(handler(1), LIMIT);
            busy_poll.learn(None, Waited::Slept(micros(60)));
        }),
    ];
    for (what, interrupt) in interruptions {
        let mut busy_poll = with_streak();
        interrupt(&mut busy_poll);
        assert!(!busy_poll.should_spin(), "{what}");
        sleep(&mut busy_poll, 1 + MIN_STREAK, micros(60));
        assert!(busy_poll.should_spin(), "{what}");
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
        sleep(&mut busy_poll, MIN_STREAK, micros(time));
        assert_eq!(busy_poll.should_spin(), worth_it, "{time} µs");
    }
}

#[test]
fn spinning_goes_on_where_it_pays_and_pauses_where_not() {
    // The time that sleeping for an answer takes, the time that spinning takes, and the expected
    // spins per thousand answers: for all but one in 65, or for hardly any.
    let cases = [
        (60, 30, 980..=985),
        (60, 39, 980..=985),
        (60, 50, 0..=30),
        (100, 90, 0..=30),
    ];
    for (sleep_time, spin_time, part) in cases {
        let mut busy_poll = begun();
        let spins = serve(
            &mut busy_poll,
            100_000,
            micros(sleep_time),
            micros(spin_time),
        );
        assert!(part.contains(&(spins / 100)), "{sleep_time} µs: {spins}");
    }
}

#[test]
fn a_peer_that_was_slow_at_first_was_spun_for_without_end() {
    let mut busy_poll = begun();
    sleep(&mut busy_poll, MIN_STREAK, micros(190));
    let spins = serve(&mut busy_poll, 100_000, micros(65), micros(60));
    assert!(spins < 4_000, "{spins}");
}

#[test]
fn answers_that_do_not_come_are_spun_for_no_more() {
    let mut busy_poll = BusyPoll::new();
    for spins in 0.. {
        sleep(&mut busy_poll, 1 + MIN_STREAK, micros(60));
        if !busy_poll.should_spin() {
            break;
        }
        spin_in_vain(&mut busy_poll);
        assert!(spins < 5);
    }
    // The pause began with the last spin, and so did a new streak.
    sleep(&mut busy_poll, PAUSE - MIN_STREAK - 2, micros(60));
    assert!(!busy_poll.should_spin());
    sleep(&mut busy_poll, 1, micros(60));
    assert!(busy_poll.should_spin());
}

#[test]
fn spins_that_something_else_ends_are_counted_as_cost() {
    let mut busy_poll = with_streak();
    while busy_poll.pause_left == 0 {
        busy_poll.expect(handler(1), LIMIT);
        busy_poll.add_cost(micros(50));
        assert!(busy_poll.spins < 20);
    }
}

#[test]
fn gains_are_not_kept_for_ever() {
    let mut busy_poll = with_streak();
    serve(&mut busy_poll, 100_000, micros(60), micros(30));
    let paid = nanos(LIMIT) / COST_PER_GAIN;
    let most = (MAX_BALANCE + MAX_DEBT) / paid + 1;
    for _ in 0..most {
        spin_in_vain(&mut busy_poll);
    }
    assert!(busy_poll.pause_left > 0);
}

fn poll() -> (Poll, Events) {
    (Poll::new().unwrap(), Events::with_capacity(1))
}

#[test]
fn an_answer_that_does_not_come_is_spun_for_once() {
    let (mut poll, mut events) = poll();
    let mut busy_poll = with_streak();
    busy_poll.expect(handler(1), LIMIT);
    let waited = busy_poll.wait(&mut poll, &mut events, Some(2 * LIMIT));
    assert!(waited.unwrap().is_none());
    assert_eq!(busy_poll.spins, 1);
    assert!(!busy_poll.should_spin());
    assert_eq!(busy_poll.expected, None);
}

#[test]
fn a_deadline_within_the_limit_is_slept_for() {
    let (mut poll, mut events) = poll();
    let mut busy_poll = with_streak();
    busy_poll.expect(handler(1), Duration::MAX);
    let waited = busy_poll.wait(&mut poll, &mut events, Some(LONGEST_BUSY_POLL));
    assert!(waited.unwrap().is_none());
    assert_eq!(busy_poll.spins, 0);
}

#[test]
fn what_is_there_already_is_not_to_be_waited_for() {
    let (mut poll, mut events) = poll();
    let waker = mio::Waker::new(poll.registry(), mio::Token(7)).unwrap();
    waker.wake().unwrap();
    let mut busy_poll = with_streak();
    busy_poll.expect(handler(1), LIMIT);
    let waited = busy_poll.wait(&mut poll, &mut events, Some(micros(1_000_000)));
    assert!(waited.unwrap().is_none());
    assert_eq!(events.iter().count(), 1);
    assert_eq!(busy_poll.spins, 0);
}

#[test]
fn what_comes_meanwhile_is_found() {
    let (mut poll, mut events) = poll();
    let waker = mio::Waker::new(poll.registry(), mio::Token(7)).unwrap();
    // Some events come before the loop spins, some while it spins, and some while it sleeps.
    for _ in 0..100 {
        let mut busy_poll = with_streak();
        busy_poll.expect(handler(1), LONGEST_BUSY_POLL);
        std::thread::scope(|scope| {
            scope.spawn(|| waker.wake().unwrap());
            let timeout = Some(Duration::from_secs(60));
            busy_poll.wait(&mut poll, &mut events, timeout).unwrap();
        });
        assert_eq!(events.iter().count(), 1);
    }
}

/// Sends a byte, and another one after each answer.
struct Talker {
    stream: Registration<TcpStream>,
}

impl Talker {
    fn talk(&self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(socket) = self.stream.socket() else {
            return Ok(());
        };
        cx.write(socket, b"x")?;
        cx.expect_answer(LIMIT);
        Ok(())
    }
}

impl Handler for Talker {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.stream.register(cx, Interest::READ)?;
        self.talk(cx)
    }

    fn ready(&mut self, _: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        if let Some(socket) = self.stream.socket() {
            cx.read_out(socket, &mut [0; 2])?;
            self.talk(cx)?;
        }
        Ok(Flow::Continue)
    }
}

#[test]
fn a_loop_learns_from_the_answers_its_handlers_get() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    let echo = std::thread::spawn(move || io::copy(&mut peer.try_clone()?, &mut peer));
    let mut io_loop = IoLoop::new().unwrap();
    let talker = Talker {
        stream: Registration::new(TcpStream::from_std(stream)),
    };
    io_loop.add(Box::new(talker)).unwrap();
    let most = Instant::now() + Duration::from_secs(60);
    while io_loop.busy_poll.mean_sleep == 0 {
        assert!(Instant::now() < most, "no answer came soon");
        io_loop.turn(Some(Duration::from_secs(1))).unwrap();
    }
    drop(io_loop);
    // How the thread ends does not matter: the last byte may be unread.
    let _ = echo.join().unwrap();
}
