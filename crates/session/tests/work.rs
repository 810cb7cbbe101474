//! Work together with registered commands that replace others.

mod support;

use std::time::Instant;

use ftpdlib_proto::Reply;
use ftpdlib_session::{Action, Answer, ControlEvent, Effect, Refusal, Session, SessionConfig};

use support::{logged_in, registered};

/// The effects of a session, in words.
fn effects(session: &mut Session<()>) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(effect) = session.poll_effect() {
        match effect {
            Effect::Reply(reply) | Effect::TransferReply(reply) => {
                all.push(reply.code().to_string())
            }
            Effect::Job(job) => match job.action {
                Action::Registered { index, .. } => all.push(format!("registered {index}")),
                _ => all.push("job".to_owned()),
            },
            Effect::BeginAnswer => all.push("turn".to_owned()),
            Effect::StartWork(_) => all.push("work".to_owned()),
            Effect::CancelWork => all.push("cancel".to_owned()),
            _ => {}
        }
    }
    all
}

#[test]
fn a_replaced_command_waits_for_the_end_of_the_work() {
    let names = ["NOOP", "ABOR", "STAT", "QUIT"];
    for (index, name) in names.into_iter().enumerate() {
        let now = Instant::now();
        let config = SessionConfig {
            commands: names.map(registered).to_vec(),
            ..SessionConfig::default()
        };
        let mut session = logged_in(config, now);
        session.handle_control(ControlEvent::Line(b"HASH a"), now);
        assert!(session.wants_input());
        session.handle_control(ControlEvent::Line(name.as_bytes()), now);
        assert!(!session.wants_input());
        assert_eq!(effects(&mut session), ["turn", "work"], "{name}");
        let answer = Answer::Digest {
            digest: vec![1],
            range: 0..1,
        };
        session.handle_job(Ok(answer), now);
        let registered = format!("registered {index}");
        assert_eq!(
            effects(&mut session),
            ["213", "turn", registered.as_str()],
            "{name}"
        );
    }
}

/// Logs attribute to a line what was answered in its turn.
#[test]
fn the_turn_of_a_line_comes_after_the_reply_it_waits_for() {
    let (line, reply) = (b"DELE b".as_slice(), &Reply::new(550, "No."));
    for (event, answer) in [
        (ControlEvent::Line(b"DELE b"), "job"),
        (ControlEvent::Line(b"FOO"), "500"),
        (ControlEvent::LineTooLong, "500"),
        (ControlEvent::Vetoed { line, reply }, "550"),
    ] {
        let now = Instant::now();
        let mut session = logged_in(SessionConfig::default(), now);
        session.handle_control(ControlEvent::Line(b"HASH a"), now);
        session.handle_control(event, now);
        session.handle_job(Err(Refusal::local_error()), now);
        let told = effects(&mut session);
        assert_eq!(told, ["turn", "work", "451", "turn", answer], "{event:?}");
    }
}

/// Such a line is refused, and the client would take its refusal for the reply to the work.
#[test]
fn a_line_with_an_argument_that_is_none_of_its_command_overtook_the_work_before_it() {
    for line in ["QUIT now", "ABOR x", "NOOP x"] {
        let now = Instant::now();
        let mut session = logged_in(SessionConfig::default(), now);
        session.handle_control(ControlEvent::Line(b"HASH a"), now);
        session.handle_control(ControlEvent::Line(line.as_bytes()), now);
        session.handle_job(Err(Refusal::local_error()), now);
        let told = effects(&mut session);
        assert_eq!(told, ["turn", "work", "451", "turn", "501"], "{line}");
    }
}

#[test]
fn abor_with_a_blank_behind_it_did_not_stop_the_work_at_once() {
    let now = Instant::now();
    let mut session = logged_in(SessionConfig::default(), now);
    session.handle_control(ControlEvent::Line(b"HASH a"), now);
    session.handle_control(ControlEvent::Line(b"PWD"), now);
    session.handle_control(ControlEvent::Ahead(b"ABOR x"), now);
    assert_eq!(effects(&mut session), ["turn", "work"]);
    session.handle_control(ControlEvent::Ahead(b"ABOR "), now);
    assert_eq!(effects(&mut session), ["cancel"]);
}

#[test]
fn one_short_line_was_megabytes_of_paths() {
    let now = Instant::now();
    let mut session = logged_in(SessionConfig::default(), now);
    let directory = format!("CWD {}", "/d".repeat(1_000));
    session.handle_control(ControlEvent::Line(directory.as_bytes()), now);
    session.handle_job(Ok(Answer::Done), now);
    assert_eq!(effects(&mut session), ["turn", "job", "250"]);
    for (parts, expected) in [(1_000, "501"), (100, "work")] {
        let line = format!("COMB target{}", " a".repeat(parts));
        session.handle_control(ControlEvent::Line(line.as_bytes()), now);
        assert_eq!(effects(&mut session), ["turn", expected], "{parts}");
    }
}
