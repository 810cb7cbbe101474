//! Transfers that make no progress.

mod support;

use std::time::Instant;

use ftpdlib_proto::TransferEnd;
use ftpdlib_session::{
    Answer, ControlEvent, DataEvent, Effect, JobOutcome, Session, SessionConfig, SessionEvent,
};

use support::{CLIENT, logged_in, opened};

/// A session with an established data connection, and its effects in words.
struct Client {
    session: Session<()>,
    now: Instant,
    wanted: Vec<String>,
}

impl Client {
    fn new() -> Self {
        let now = Instant::now();
        let mut client = Self {
            session: logged_in(SessionConfig::default(), now),
            now,
            wanted: Vec::new(),
        };
        client.say("PASV");
        client.hear(DataEvent::Listening { port: 2000 });
        client.hear(DataEvent::Accepted { peer: CLIENT });
        client.wanted.clear();
        client
    }

    fn say(&mut self, line: &str) {
        let event = ControlEvent::Line(line.as_bytes());
        self.session.handle_control(event, self.now);
        self.note();
    }

    fn answer(&mut self, outcome: JobOutcome<()>) {
        self.session.handle_job(outcome, self.now);
        self.note();
    }

    fn open(&mut self) {
        self.answer(Ok(opened()));
    }

    fn hear(&mut self, event: DataEvent) {
        self.session.handle_data_event(event, self.now);
        self.note();
    }

    fn stall(&mut self) {
        self.hear(DataEvent::Ended {
            end: TransferEnd::Stalled,
            bytes: 0,
            refusal: None,
        });
    }

    fn note(&mut self) {
        while let Some(effect) = self.session.poll_effect() {
            self.wanted.push(match effect {
                Effect::Reply(reply) | Effect::TransferReply(reply) => reply.code().to_string(),
                Effect::Event(SessionEvent::TransferEnded { end, .. }) => format!("{end:?}"),
                Effect::AbortTransfer(_) => "abort".into(),
                Effect::Close => "close".into(),
                _ => continue,
            });
        }
    }

    /// Checks all effects; there must be none after `close`.
    #[track_caller]
    fn check(&mut self, expected: &[&str], case: &str) {
        self.say("NOOP");
        assert_eq!(self.wanted, expected, "{case}");
        assert!(!self.session.wants_input(), "{case}");
    }
}

#[test]
fn a_stalled_transfer_left_its_client_connected() {
    for command in ["RETR a", "STOR a", "APPE a", "STOU", "LIST", "NLST", "MLSD"] {
        let mut client = Client::new();
        client.say(command);
        client.open();
        client.stall();
        client.check(&["150", "421", "Stalled", "close"], command);
    }
}

/// Finishing the file may take long, and the client may send lines meanwhile.
#[test]
fn what_comes_while_a_stalled_transfer_ends_has_no_answer_of_its_own() {
    for (line, before) in [
        ("ABOR", &["abort"][..]),
        ("STAT", &["211"]),
        ("MKD d", &[]),
        ("QUIT", &[]),
    ] {
        let mut client = Client::new();
        client.say("STOR a");
        client.open();
        client.say(line);
        client.stall();
        if line == "MKD d" {
            client.answer(Ok(Answer::Done));
        }
        let expected = [&["150"], before, &["421", "Stalled", "close"]].concat();
        client.check(&expected, line);
    }
}

#[test]
fn a_listing_among_replies_that_stalls_is_ended_before_its_client_is() {
    let mut client = Client::new();
    client.say("STAT /");
    client.open();
    client.stall();
    client.check(&["213", "213", "421", "Stalled", "close"], "STAT /");
}
