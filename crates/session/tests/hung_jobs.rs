//! Jobs that go on after their client has gone.

mod support;

use std::iter;
use std::time::Instant;

use ftpdlib_session::{
    AdminEvent, Answer, ControlEvent, Effect, Session, SessionConfig, SessionEvent,
};

use support::logged_in;

/// Returns a session that has asked for a job for `line`, with that effect already taken.
fn asked(line: &str, now: Instant) -> Session<()> {
    let mut session = logged_in(SessionConfig::default(), now);
    session.handle_control(ControlEvent::Line(line.as_bytes()), now);
    wanted(&mut session);
    session
}

fn wanted(session: &mut Session<()>) -> Vec<&'static str> {
    let mut wanted = Vec::new();
    while let Some(effect) = session.poll_effect() {
        match effect {
            Effect::Event(SessionEvent::Changed { .. }) => wanted.push("changed"),
            Effect::Event(SessionEvent::LoginFailed { .. }) => wanted.push("failed"),
            Effect::Close => wanted.push("close"),
            _ => {}
        }
    }
    wanted
}

fn leave(session: &mut Session<()>, now: Instant) {
    session.handle_control(ControlEvent::Closed, now);
}

fn kick(session: &mut Session<()>, now: Instant) {
    session.handle_admin(AdminEvent::Kick("Go away."), now);
}

#[test]
fn a_job_that_hung_kept_its_session_when_the_client_was_gone() {
    for line in ["MKD a", "HASH a", "SITE COPY a b"] {
        for end in [leave, kick] {
            let now = Instant::now();
            let mut session = asked(line, now);
            assert_eq!(session.poll_timeout(), None, "{line}");
            end(&mut session, now);
            assert!(wanted(&mut session).is_empty(), "{line}");
            let deadline = session.poll_timeout().unwrap();
            // A second end does not extend the deadline.
            end(&mut session, deadline);
            assert_eq!(session.poll_timeout(), Some(deadline), "{line}");
            session.handle_timeout(deadline);
            assert_eq!(wanted(&mut session), ["close"], "{line}");
            session.handle_job(Ok(Answer::Done), deadline);
            assert!(wanted(&mut session).is_empty(), "{line}");
        }
    }
}

#[test]
fn a_login_that_was_not_begun_is_not_told_as_a_failed_one() {
    let now = Instant::now();
    let mut session = asked("USER bob", now);
    session.handle_control(ControlEvent::Line(b"PASS x"), now);
    let asks = |effect| matches!(effect, Effect::LogIn { .. });
    assert!(iter::from_fn(|| session.poll_effect()).any(asks));
    leave(&mut session, now);
    assert!(wanted(&mut session).is_empty());
    session.handle_withdrawn_job();
    assert_eq!(wanted(&mut session), ["close"]);
}

#[test]
fn what_a_job_changed_is_told_though_its_client_is_gone() {
    let now = Instant::now();
    let mut session = asked("SITE COPY a b", now);
    leave(&mut session, now);
    session.handle_job(Ok(Answer::Done), now);
    assert_eq!(wanted(&mut session), ["changed", "close"]);
}
