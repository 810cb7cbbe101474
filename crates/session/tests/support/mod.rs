//! Shared parts of the tests of the session.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use ftpdlib_proto::{ArgumentRule, Perms, VirtualPath};
use ftpdlib_session::{
    Answer, ControlEvent, Effect, LoginFacts, RegisteredCommand, Session, SessionConfig,
};

/// The client's address.
pub(crate) const CLIENT: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), 50_000);

/// A user who may do everything, and starts in the root.
pub(crate) fn facts() -> LoginFacts {
    LoginFacts {
        username: "u".into(),
        msg_login: "hello".into(),
        msg_quit: "bye".into(),
        start_dir: VirtualPath::root(),
        encoding: None,
        perms: Perms::ALL,
    }
}

/// A session after the login, with nothing left to do.
pub(crate) fn logged_in(config: SessionConfig, now: Instant) -> Session<()> {
    let mut session = Session::new(Arc::new(config), CLIENT, CLIENT, now);
    for line in ["USER u", "PASS p"] {
        session.handle_control(ControlEvent::Line(line.as_bytes()), now);
    }
    session.handle_job(Ok(Answer::Login(facts())), now);
    while session.poll_effect().is_some() {}
    session
}

/// An opened file or listing of unknown size.
pub(crate) fn opened() -> Answer<()> {
    Answer::Opened {
        payload: (),
        size: None,
        path: VirtualPath::root(),
    }
}

/// A registered command.
pub(crate) fn registered(name: &str) -> RegisteredCommand {
    RegisteredCommand {
        name: name.to_owned(),
        login_required: true,
        perm: None,
        argument: ArgumentRule::Optional,
        help: format!("Syntax: {name}"),
        feature: None,
    }
}

/// The codes of the replies that a session has queued.
pub(crate) fn codes(session: &mut Session<()>) -> Vec<u16> {
    std::iter::from_fn(|| session.poll_effect())
        .filter_map(|effect| match effect {
            Effect::Reply(reply) | Effect::TransferReply(reply) => Some(reply.code().value()),
            _ => None,
        })
        .collect()
}
