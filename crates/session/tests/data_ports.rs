//! The addresses that PORT and EPRT accept.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use ftpdlib_session::{Answer, ControlEvent, Effect, Session, SessionConfig};

use support::{facts, opened};

/// Checks the reply to a logged-in client at `client`, and where a LIST after it would connect.
#[track_caller]
fn check(client: &str, line: &str, code: u16, target: Option<&str>) {
    let now = Instant::now();
    let client: SocketAddr = client.parse().expect("an address");
    let server = SocketAddr::new(client.ip(), 21);
    let config = SessionConfig {
        permit_foreign_addresses: false,
        ..SessionConfig::default()
    };
    let mut session: Session<()> = Session::new(Arc::new(config), client, server, now);
    for line in ["USER u", "PASS p", line, "LIST"] {
        session.handle_control(ControlEvent::Line(line.as_bytes()), now);
        while let Some(effect) = session.poll_effect() {
            match effect {
                Effect::LogIn { .. } => session.handle_job(Ok(Answer::Login(facts())), now),
                Effect::Job(_) => session.handle_job(Ok(opened()), now),
                Effect::Connect(address) => {
                    assert_eq!(Some(address.to_string().as_str()), target, "{line}");
                    return;
                }
                Effect::Reply(reply) | Effect::TransferReply(reply)
                    if line != "LIST" && line.contains("PRT") | line.contains("PORT") =>
                {
                    assert_eq!(reply.code().value(), code, "{line}");
                }
                _ => {}
            }
        }
    }
    assert_eq!(target, None, "{line}: nothing to connect to");
}

#[test]
fn the_client_itself_may_be_named() {
    check(
        "192.0.2.7:50000",
        "PORT 192,0,2,7,4,1",
        200,
        Some("192.0.2.7:1025"),
    );
    check(
        "[2001:db8::7]:50000",
        "EPRT |2|2001:db8::7|1025|",
        200,
        Some("[2001:db8::7]:1025"),
    );
}

#[test]
fn a_link_local_client_keeps_the_scope_that_eprt_has_no_room_for() {
    check(
        "[fe80::1%3]:50000",
        "EPRT |2|fe80::1|1025|",
        200,
        Some("[fe80::1%3]:1025"),
    );
}

#[test]
fn an_unspecified_address_is_the_client_never_this_host() {
    check(
        "192.0.2.7:50000",
        "PORT 0,0,0,0,4,1",
        200,
        Some("192.0.2.7:1025"),
    );
    check(
        "[2001:db8::7]:50000",
        "EPRT |2|::|1025|",
        200,
        Some("[2001:db8::7]:1025"),
    );
}

#[test]
fn somebody_else_may_not_be_named() {
    check("192.0.2.7:50000", "PORT 192,0,2,8,4,1", 501, None);
    check("192.0.2.7:50000", "PORT 192,0,2,7,0,21", 501, None);
}
