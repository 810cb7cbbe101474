//! What the log tells of a session.

use std::io;
use std::net::SocketAddr;

use ftpdlib_proto::{Reply, TransferEnd};
use ftpdlib_session::{Session, SessionEvent};
use log::Level;

use crate::jobs::Payload;
use crate::log_prefix::{Escaped, LogPrefix};

pub(super) fn opened(prefix: &LogPrefix, peer: SocketAddr) {
    log::info!("{} FTP session opened (connect)", prefix.of(peer, None));
}

pub(super) fn closed(prefix: &LogPrefix, peer: SocketAddr, username: Option<&str>) {
    log::info!(
        "{} FTP session closed (disconnect).",
        prefix.of(peer, username)
    );
}

/// TLS that did not come to stand, or broke: the client's doing, and its own problem.
pub(super) fn tls_failed(prefix: &LogPrefix, peer: SocketAddr, error: &io::Error) {
    log::info!("{} TLS: {error}", prefix.of(peer, None));
}

/// A command line; never a password.
pub(super) fn command(prefix: &LogPrefix, peer: SocketAddr, username: Option<&str>, line: &[u8]) {
    if !log::log_enabled!(Level::Debug) {
        return;
    }
    let prefix = prefix.of(peer, username);
    if line.len() >= 4 && line[..4].eq_ignore_ascii_case(b"PASS") {
        log::debug!("{prefix} -> PASS ******");
    } else {
        log::debug!("{prefix} -> {}", Escaped(line));
    }
}

pub(super) fn reply(
    prefix: &LogPrefix,
    peer: SocketAddr,
    session: &Session<Payload>,
    reply: &Reply,
) {
    if !log::log_enabled!(Level::Debug) {
        return;
    }
    let mut text = Vec::new();
    reply.encode(session.encoding(), &mut text);
    let text = text.strip_suffix(b"\r\n").unwrap_or(&text);
    log::debug!(
        "{} <- {}",
        prefix.of(peer, session.username()),
        Escaped(text)
    );
}

pub(super) fn event(
    prefix: &LogPrefix,
    peer: SocketAddr,
    username: Option<&str>,
    event: &SessionEvent,
) {
    // At its end the session has forgotten who was logged in; the event has not.
    let username = match event {
        SessionEvent::LoggedOut { username } => Some(username.as_str()),
        _ => username,
    };
    let prefix = prefix.of(peer, username);
    match event {
        SessionEvent::LoggedIn { username } => {
            log::info!(
                "{prefix} USER '{}' logged in.",
                Escaped(username.as_bytes())
            );
        }
        SessionEvent::LoginFailed { username } => {
            log::info!(
                "{prefix} USER '{}' failed login.",
                Escaped(username.as_bytes())
            );
        }
        SessionEvent::LoggedOut { username } => {
            log::info!(
                "{prefix} USER '{}' logged out.",
                Escaped(username.as_bytes())
            );
        }
        SessionEvent::ForeignData { peer } => {
            log::warn!("{prefix} data connection from foreign address {peer} rejected");
        }
        SessionEvent::TransferEnded {
            verb,
            path,
            end,
            bytes,
            micros,
            ..
        } => {
            let completed = u8::from(*end == TransferEnd::Complete);
            let seconds = *micros as f64 / 1e6;
            log::info!(
                "{prefix} {verb} {path} completed={completed} bytes={bytes} seconds={seconds:.3}"
            );
        }
        SessionEvent::Changed {
            verb,
            path,
            to: None,
        } => log::info!("{prefix} {verb} {path}"),
        SessionEvent::Changed {
            verb,
            path,
            to: Some(to),
        } => {
            log::info!("{prefix} {verb} {path} {to}");
        }
        _ => {}
    }
}
