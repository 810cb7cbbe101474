//! Refused jobs and transfers, and what happens to their data connections.

mod support;

use std::time::{Duration, Instant};

use ftpdlib_proto::{ArgumentRule, NameEncoding, Reply, TransferEnd};
use ftpdlib_session::{
    Action, Change, ControlEvent, DataEvent, Effect, Refusal, RegisteredCommand, Session,
    SessionConfig,
};

use support::{CLIENT, logged_in, opened, registered};

/// The effects of a session, in words.
fn effects(session: &mut Session<()>) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(effect) = session.poll_effect() {
        match effect {
            Effect::Reply(reply) => all.push(reply.code().to_string()),
            Effect::Job(job) => all.push(match job.action {
                Action::Stat(path) => format!("look at {path}"),
                Action::Change(Change::SetFacts { path, .. }) => format!("set {path}"),
                other => format!("{other:?}"),
            }),
            Effect::CloseData => all.push("close".to_owned()),
            _ => {}
        }
    }
    all
}

/// The session must know whether the whole argument names a file before it sets the time of
/// another.
#[test]
fn mdtm_set_a_time_where_it_could_not_look_at_the_file_it_may_have_been_about() {
    for (code, then) in [(450, "450"), (451, "451"), (550, "set /a"), (502, "set /a")] {
        let now = Instant::now();
        let mut session = logged_in(SessionConfig::default(), now);
        let line = ControlEvent::Line(b"MDTM 20010203040506 a");
        session.handle_control(line, now);
        assert_eq!(effects(&mut session), ["look at /20010203040506 a"]);
        session.handle_job(Err(Refusal::new(code, "Not now.")), now);
        assert_eq!(effects(&mut session), [then]);
    }
}

/// RFC 959 §5.4 gives USER and PASS no 451.
#[test]
fn a_login_that_got_no_thread_was_answered_as_no_login_is() {
    let now = Instant::now();
    let config = SessionConfig {
        auth_failed_timeout: Duration::ZERO,
        ..SessionConfig::default()
    };
    let mut session = Session::<()>::new(config.into(), CLIENT, CLIENT, now);
    session.handle_control(ControlEvent::Line(b"USER user"), now);
    session.handle_control(ControlEvent::Line(b"PASS 12345"), now);
    effects(&mut session);
    session.handle_job(Err(Refusal::local_error()), now);
    assert_eq!(effects(&mut session), ["421"]);
    assert!(!session.wants_input());
}

#[test]
fn the_names_of_long_commands_ran_into_the_next_one_in_help() {
    let now = Instant::now();
    let config = SessionConfig {
        commands: ["XPASSWORD", "SITE DISKUSAGE"].map(registered).into(),
        ..SessionConfig::default()
    };
    let mut session = logged_in(config, now);
    for (line, names) in [
        ("HELP", &["XPASSWORD", "XPWD"][..]),
        ("HELP SITE", &["COPY", "DISKUSAGE", "HELP"]),
    ] {
        session.handle_control(ControlEvent::Line(line.as_bytes()), now);
        let mut effects = std::iter::from_fn(|| session.poll_effect());
        let told = effects.find_map(|effect| match effect {
            Effect::Reply(reply) => Some(wire(&reply)),
            _ => None,
        });
        let told: Vec<_> = told
            .iter()
            .flat_map(|told| told.split_whitespace())
            .collect();
        assert!(names.iter().all(|name| told.contains(name)), "{told:?}");
    }
}

#[test]
fn a_listing_that_broke_off_was_told_as_complete_by_stat() {
    let whole = "213 End of status.\r\n";
    let broken = "213 End of status; the listing is incomplete.\r\n";
    for (end, refusal, expected) in [
        (TransferEnd::Complete, None, whole),
        (TransferEnd::Complete, Some(Refusal::local_error()), broken),
        (TransferEnd::LocalError, None, broken),
        (
            TransferEnd::LocalError,
            Some(Refusal::local_error()),
            broken,
        ),
        (TransferEnd::Stalled, None, broken),
    ] {
        let now = Instant::now();
        let mut session = logged_in(SessionConfig::default(), now);
        session.handle_control(ControlEvent::Line(b"STAT /"), now);
        session.handle_job(Ok(opened()), now);
        effects(&mut session);
        let shown = format!("{end:?} {refusal:?}");
        let event = DataEvent::Ended {
            end,
            bytes: 0,
            refusal,
        };
        session.handle_data_event(event, now);
        let Some(Effect::Reply(reply)) = session.poll_effect() else {
            panic!("{shown}");
        };
        assert_eq!(wire(&reply), expected, "{shown}");
    }
}

/// Returns a session after a command that was refused before its job, or vetoed, while a data
/// connection was open for it.
fn refuse_over_data(line: ControlEvent<'_>) -> Session<()> {
    let now = Instant::now();
    let mut session = logged_in(
        SessionConfig {
            commands: vec![RegisteredCommand {
                argument: ArgumentRule::Required,
                ..registered("STOU")
            }],
            ..SessionConfig::default()
        },
        now,
    );
    for line in ["TYPE I", "PASV"] {
        session.handle_control(ControlEvent::Line(line.as_bytes()), now);
    }
    session.handle_data_event(DataEvent::Listening { port: 2000 }, now);
    session.handle_data_event(DataEvent::Accepted { peer: CLIENT }, now);
    session.handle_control(ControlEvent::Line(b"REST 5"), now);
    assert_eq!(effects(&mut session), ["200", "227", "350"]);
    session.handle_control(line, now);
    session
}

#[test]
fn what_was_sent_for_a_refused_upload_went_into_another_file() {
    let veto = Reply::new(550, "No.");
    let vetoed = |line| ControlEvent::Vetoed { line, reply: &veto };
    for (event, code) in [
        (ControlEvent::Line(b"STOR"), "501"),
        (ControlEvent::Line(b"STOR caf\xe9"), "501"),
        (ControlEvent::Line(b"APPE log"), "450"),
        (ControlEvent::Line(b"STOU"), "501"),
        (vetoed(b"STOR a"), "550"),
        (vetoed(b"APPE a"), "550"),
    ] {
        let mut session = refuse_over_data(event);
        let mut done = effects(&mut session);
        done.sort_unstable();
        assert_eq!(done, [code, "close"], "{event:?}");
        session.handle_control(ControlEvent::Line(b"STOR other"), Instant::now());
        assert_eq!(effects(&mut session), ["425"], "{event:?}");
    }
}

#[test]
fn an_upload_used_a_data_connection_that_a_refused_download_had_used_up() {
    let veto = Reply::new(550, "No.");
    let vetoed = |line| ControlEvent::Vetoed { line, reply: &veto };
    for (event, code) in [
        (ControlEvent::Line(b"RETR"), "501"),
        (ControlEvent::Line(b"RETR caf\xe9"), "501"),
        (ControlEvent::Line(b"LIST caf\xe9"), "501"),
        (ControlEvent::LineTooLong, "500"),
        (vetoed(b"MLSD"), "550"),
    ] {
        let mut session = refuse_over_data(event);
        assert_eq!(effects(&mut session), [code], "{event:?}");
        // Another download can use it.
        assert!(session.is_data_unused(), "{event:?}");
        session.handle_control(ControlEvent::Line(b"STOR other"), Instant::now());
        assert_eq!(effects(&mut session), ["close", "425"], "{event:?}");
    }
}

fn wire(reply: &Reply) -> String {
    let mut bytes = Vec::new();
    reply.encode(NameEncoding::UTF_8, &mut bytes);
    String::from_utf8(bytes).unwrap()
}
