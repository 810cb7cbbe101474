//! Whatever happens, in whatever order, a session keeps its promises.

mod model;
mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use ftpdlib_proto::Reply;
use ftpdlib_session::{Answer, ControlEvent, Effect, Session};
use proptest::collection::vec;
use proptest::prelude::*;

use support::facts;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        // What is found becomes a test with a name.
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

/// A line that is too long, or refused by an observer, is answered in its turn: after the work
/// that was asked for before it.
#[test]
fn a_refused_line_does_not_overtake_the_work_before_it() {
    let veto = Reply::new(550, "No.");
    for (event, code) in [
        (ControlEvent::LineTooLong, 500),
        (ControlEvent::Vetoed(&veto), 550),
    ] {
        let (now, address) = (Instant::now(), SocketAddr::from(([127, 0, 0, 1], 2000)));
        let mut session: Session<()> = Session::new(Arc::default(), address, address, now);
        let line = |line: &'static str| ControlEvent::Line(line.as_bytes());
        session.handle_control(line("USER u"), now);
        session.handle_control(line("PASS p"), now);
        session.handle_job(Ok(Answer::Login(facts())), now);
        session.handle_control(line("HASH a"), now);
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
        let codes: Vec<_> = std::iter::from_fn(|| session.poll_effect())
            .filter_map(|effect| match effect {
                Effect::Reply(reply) => Some(reply.code().value()),
                _ => None,
            })
            .collect();
        assert_eq!(codes, [213, code]);
    }
}
