//! A session keeps its promises, whatever happens in whatever order.

mod model;
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ftpdlib_proto::{Reply, TransferEnd};
use ftpdlib_session::{Answer, ControlEvent, DataEvent, Effect, Refusal, Session, SessionConfig};
use proptest::collection::vec;
use proptest::prelude::*;

use support::{CLIENT, codes, logged_in, opened, registered};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        // Every failure found becomes a named test.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn promises_are_kept_whatever_happens(tape in vec(any::<u8>(), 0..600)) {
        model::play(&tape);
    }

    #[test]
    fn promises_are_kept_whatever_is_sent(
        lines in vec(
            prop_oneof![
                "(USER|PASS|CWD|RETR|STOR|LIST|STAT|REST|TYPE|MKD|RNFR|RNTO|SITE|OPTS) .{0,20}",
                "(PASV|EPSV|ABOR|QUIT|REIN|STAT|LIST|NOOP|STOU|FEAT)",
                ".{0,40}",
            ],
            0..40,
        ),
    ) {
        model::read(lines.join("\n").as_bytes());
    }
}

/// A delay too long to be represented never ends, rather than ending at once.
#[test]
fn a_failed_login_with_the_longest_delay_was_answered_at_once() {
    let now = Instant::now();
    let config = SessionConfig {
        auth_failed_timeout: Duration::MAX,
        ..SessionConfig::default()
    };
    let mut session: Session<()> = Session::new(Arc::new(config), CLIENT, CLIENT, now);
    session.handle_control(ControlEvent::Line(b"USER u"), now);
    session.handle_control(ControlEvent::Line(b"PASS p"), now);
    while session.poll_effect().is_some() {}
    session.handle_job(Err(Refusal::local_error()), now);
    session.handle_timeout(now + Duration::from_secs(1_000_000_000));
    let replies = std::iter::from_fn(|| session.poll_effect())
        .filter(|effect| matches!(effect, Effect::Reply(_)));
    assert_eq!(replies.count(), 0);
    assert_eq!(session.poll_timeout(), None);
    assert!(!session.wants_input());
}

/// A line that is too long, or vetoed by an observer, is answered in its turn, after work that was
/// requested before it.
#[test]
fn a_refused_line_does_not_overtake_the_work_before_it() {
    let (line, reply) = (b"NOOP".as_slice(), &Reply::new(550, "No."));
    for (event, code) in [
        (ControlEvent::LineTooLong, 500),
        (ControlEvent::Vetoed { line, reply }, 550),
    ] {
        let now = Instant::now();
        let mut session = logged_in(SessionConfig::default(), now);
        session.handle_control(ControlEvent::Line(b"HASH a"), now);
        while session.poll_effect().is_some() {}
        session.handle_control(event, now);
        assert!(session.poll_effect().is_none());
        session.handle_job(
            Ok(Answer::Digest {
                digest: vec![1],
                range: 0..1,
            }),
            now,
        );
        assert_eq!(codes(&mut session), [213, code]);
    }
}

/// Clients take a 421 for the end of the session, and reconnect.
#[test]
fn a_session_went_on_after_a_421_of_the_owner() {
    let now = Instant::now();
    for transfers in [false, true] {
        for vetoed in [false, true] {
            let config = SessionConfig {
                commands: vec![registered("OWN")],
                ..SessionConfig::default()
            };
            let mut session = logged_in(config, now);
            let line = |line: &'static str| ControlEvent::Line(line.as_bytes());
            if transfers {
                session.handle_control(line("PASV"), now);
                session.handle_data_event(DataEvent::Listening { port: 2000 }, now);
                session.handle_data_event(DataEvent::Accepted { peer: CLIENT }, now);
                session.handle_control(line("LIST"), now);
                session.handle_job(Ok(opened()), now);
            }
            while session.poll_effect().is_some() {}
            let reply = Reply::new(421, "Go away.");
            if vetoed {
                let (line, reply) = (b"NOOP".as_slice(), &reply);
                session.handle_control(ControlEvent::Vetoed { line, reply }, now);
            } else {
                session.handle_control(line("OWN"), now);
                session.handle_job(Ok(Answer::Reply(reply)), now);
            }
            if transfers {
                let ended = DataEvent::Ended {
                    end: TransferEnd::Shutdown,
                    bytes: 0,
                    refusal: None,
                };
                session.handle_data_event(ended, now);
            }
            let told: Vec<_> = std::iter::from_fn(|| session.poll_effect())
                .filter_map(|effect| match effect {
                    Effect::Reply(reply) | Effect::TransferReply(reply) => {
                        Some(reply.code().to_string())
                    }
                    Effect::AbortTransfer(_) => Some("abort".to_owned()),
                    Effect::Close => Some("close".to_owned()),
                    _ => None,
                })
                .collect();
            let expected: &[_] = if transfers {
                &["421", "abort", "close"]
            } else {
                &["421", "close"]
            };
            assert_eq!(told, expected, "vetoed: {vetoed}");
        }
    }
}

/// A client may log in anew while a file of the previous user is transferred, and there may be no
/// room for the new one.
#[test]
fn the_end_of_a_transfer_was_told_after_the_421_of_a_login() {
    let now = Instant::now();
    let mut session = logged_in(SessionConfig::default(), now);
    let say = |session: &mut Session<()>, lines: &[&'static str]| {
        for line in lines {
            session.handle_control(ControlEvent::Line(line.as_bytes()), now);
        }
    };
    say(&mut session, &["PASV"]);
    session.handle_data_event(DataEvent::Listening { port: 2000 }, now);
    session.handle_data_event(DataEvent::Accepted { peer: CLIENT }, now);
    say(&mut session, &["STOR a"]);
    session.handle_job(Ok(opened()), now);
    while session.poll_effect().is_some() {}
    say(&mut session, &["USER v", "PASS p"]);
    session.handle_job(Err(Refusal::new(421, "Too many open files.")), now);
    session.handle_timeout(session.poll_timeout().unwrap());
    let ended = DataEvent::Ended {
        end: TransferEnd::Complete,
        bytes: 0,
        refusal: None,
    };
    session.handle_data_event(ended, now);
    assert_eq!(codes(&mut session), [331, 530, 226]);
}
