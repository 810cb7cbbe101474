//! Jobs and transfers that are refused for a reason of the moment.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use ftpdlib_proto::ReplyCode;
use ftpdlib_session::{Action, Answer, ControlEvent, Effect, Refusal, Session, SessionConfig};

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
