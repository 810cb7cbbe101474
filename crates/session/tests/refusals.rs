//! Jobs and transfers that are refused for a reason of the moment.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use ftpdlib_proto::{NameEncoding, Reply, ReplyCode, TransferEnd, VirtualPath};
use ftpdlib_session::{
    Action, Answer, ControlEvent, DataEvent, Effect, Refusal, Session, SessionConfig,
};

use support::facts;

/// What a session wants done, in words.
fn effects(session: &mut Session<()>) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(effect) = session.poll_effect() {
        match effect {
            Effect::Reply(reply) => all.push(reply.code().to_string()),
            Effect::Job(job) => all.push(match job.action {
                Action::Stat(path) => format!("look at {path}"),
                Action::SetModified { path, .. } => format!("set {path}"),
                other => format!("{other:?}"),
            }),
            _ => {}
        }
    }
    all
}

fn logged_in(now: Instant) -> Session<()> {
    let address = SocketAddr::from(([192, 0, 2, 7], 50_000));
    let config = Arc::new(SessionConfig::default());
    let mut session = Session::new(config, address, address, now);
    for line in ["USER u", "PASS p"] {
        session.handle_control(ControlEvent::Line(line.as_bytes()), now);
    }
    session.handle_job(Ok(Answer::Login(facts())), now);
    effects(&mut session);
    session
}

/// Whether the whole argument is the name of a file, has to be known before the time of another one
/// is set.
#[test]
fn mdtm_set_a_time_where_it_could_not_look_at_the_file_it_may_have_been_about() {
    for (code, then) in [(450, "450"), (451, "451"), (550, "set /a"), (502, "set /a")] {
        let now = Instant::now();
        let mut session = logged_in(now);
        let line = ControlEvent::Line(b"MDTM 20010203040506 a");
        session.handle_control(line, now);
        assert_eq!(effects(&mut session), ["look at /20010203040506 a"]);
        let refusal = Refusal {
            code: ReplyCode::new(code),
            text: "Not now.".into(),
        };
        session.handle_job(Err(refusal), now);
        assert_eq!(effects(&mut session), [then]);
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
        let mut session = logged_in(now);
        session.handle_control(ControlEvent::Line(b"STAT /"), now);
        let opened = Answer::Opened {
            payload: (),
            size: None,
            path: VirtualPath::root(),
        };
        session.handle_job(Ok(opened), now);
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

fn wire(reply: &Reply) -> String {
    let mut bytes = Vec::new();
    reply.encode(NameEncoding::UTF_8, &mut bytes);
    String::from_utf8(bytes).unwrap()
}
