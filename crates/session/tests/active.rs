//! Lines and events that come while an active data connection is being made.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ftpdlib_session::{Answer, ControlEvent, DataEvent, Effect, Session, SessionConfig};

use support::{facts, opened};

/// A session after RETR, whose active data connection is not established yet.
struct Connecting {
    session: Session<()>,
    now: Instant,
    codes: Vec<u16>,
    closed: bool,
}

impl Connecting {
    fn new() -> Self {
        let now = Instant::now();
        let client = SocketAddr::from(([192, 0, 2, 7], 50_000));
        let server = SocketAddr::from(([192, 0, 2, 1], 21));
        let config = Arc::new(SessionConfig::default());
        let mut connecting = Self {
            session: Session::new(config, client, server, now),
            now,
            codes: Vec::new(),
            closed: false,
        };
        connecting.carry_out();
        for line in [
            "USER u",
            "PASS p",
            "TYPE I",
            "PORT 192,0,2,7,200,1",
            "RETR a",
        ] {
            connecting.say(line);
        }
        assert_eq!(connecting.codes, [220, 331, 230, 200, 200]);
        connecting.codes.clear();
        connecting
    }

    /// Hands over a line, which the session has to want.
    #[track_caller]
    fn say(&mut self, line: &str) {
        assert!(self.session.wants_input(), "{line}");
        let event = ControlEvent::Line(line.as_bytes());
        self.session.handle_control(event, self.now);
        self.carry_out();
    }

    fn hear(&mut self, event: DataEvent) {
        self.session.handle_data_event(event, self.now);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        while let Some(effect) = self.session.poll_effect() {
            match effect {
                Effect::Reply(reply) | Effect::TransferReply(reply) => {
                    self.codes.push(reply.code().value())
                }
                Effect::LogIn { .. } => {
                    let answer = Answer::Login(facts());
                    self.session.handle_job(Ok(answer), self.now);
                }
                Effect::Job(_) => self.session.handle_job(Ok(opened()), self.now),
                Effect::Close => self.closed = true,
                _ => {}
            }
        }
    }
}

#[test]
fn a_pipelined_command_is_answered_after_the_transfers_150() {
    for line in [
        "NOOP",
        "STAT",
        "PWD",
        "PORT 192,0,2,7,200,2",
        "RETR b",
        "FOO",
    ] {
        let mut connecting = Connecting::new();
        connecting.say(line);
        assert_eq!(connecting.codes, [], "{line}");
        assert!(!connecting.session.wants_input(), "{line}");
        connecting.hear(DataEvent::Connected);
        assert_eq!(connecting.codes[0], 150, "{line}");
        assert_eq!(connecting.codes.len(), 2, "{line}");
        assert!(connecting.session.wants_input(), "{line}");
    }
}

#[test]
fn a_pipelined_command_is_answered_after_the_425() {
    let mut connecting = Connecting::new();
    connecting.say("NOOP");
    connecting.hear(DataEvent::Failed);
    assert_eq!(connecting.codes, [425, 200]);

    let mut connecting = Connecting::new();
    connecting.say("NOOP");
    connecting.now += Duration::from_secs(30);
    connecting.session.handle_timeout(connecting.now);
    connecting.carry_out();
    assert_eq!(connecting.codes, [425, 200]);

    let mut connecting = Connecting::new();
    let event = ControlEvent::LineTooLong;
    connecting.session.handle_control(event, connecting.now);
    connecting.hear(DataEvent::Failed);
    assert_eq!(connecting.codes, [425, 500]);
}

#[test]
fn abor_and_quit_do_not_wait_for_a_connection() {
    let mut connecting = Connecting::new();
    connecting.say("ABOR");
    assert_eq!(connecting.codes, [426, 226]);
    connecting.say("NOOP");
    assert_eq!(connecting.codes, [426, 226, 200]);

    let mut connecting = Connecting::new();
    connecting.say("QUIT");
    assert_eq!(connecting.codes, []);
    connecting.hear(DataEvent::Failed);
    assert_eq!(connecting.codes, [425, 221]);
    assert!(connecting.closed);
}

#[test]
fn a_line_that_was_held_made_abor_wait_for_the_connect() {
    for (line, code) in [("NOOP", 200), ("RETR b", 425), ("FOO", 500)] {
        let mut connecting = Connecting::new();
        connecting.say(line);
        for (ahead, codes) in [("PWD", &[][..]), ("ABOR now", &[]), ("ABOR", &[426, code])] {
            let event = ControlEvent::Ahead(ahead.as_bytes());
            connecting.session.handle_control(event, connecting.now);
            connecting.carry_out();
            assert_eq!(connecting.codes, codes, "{line}, {ahead}");
        }
        connecting.say("PWD");
        connecting.say("ABOR");
        connecting.say("ABOR");
        assert_eq!(connecting.codes, [426, code, 257, 226, 225], "{line}");
    }
}

#[test]
fn abor_stops_all_that_lines_before_it_began() {
    let mut connecting = Connecting::new();
    connecting.say("PORT 192,0,2,7,200,2");
    let event = ControlEvent::Ahead(b"ABOR");
    connecting.session.handle_control(event, connecting.now);
    connecting.carry_out();
    connecting.say("RETR b");
    connecting.say("ABOR");
    assert_eq!(connecting.codes, [426, 200, 426, 226]);
    connecting.say("ABOR");
    assert_eq!(connecting.codes[4..], [225]);
}

#[test]
fn a_client_that_goes_meanwhile_is_answered_nothing() {
    let mut connecting = Connecting::new();
    connecting.say("PWD");
    let event = ControlEvent::Closed;
    connecting.session.handle_control(event, connecting.now);
    connecting.carry_out();
    assert_eq!(connecting.codes, []);
    assert!(connecting.closed);
}
