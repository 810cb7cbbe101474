//! The handshake, from the client's first byte to an established connection.

use std::io;
use std::sync::Arc;

use ftpdlib_ioloop::{Context, Direction, Transport};
use rustls::server::{AcceptedAlert, ClientHello};
use rustls::{ServerConfig, ServerConnection};

use super::{OVERHEAD, State, TlsStream, WRITE_PIECE, failure, is_resumed};
use crate::SessionReuse;
use crate::config::Purpose;
use crate::wire::Outlet;

/// Number of handshake bytes taken in one read.
const HANDSHAKE_PIECE: usize = 4 << 10;

/// The log text for a data connection that may be a stranger's.
const NOT_RESUMED: &str = "the TLS session of the control connection was not resumed";

impl TlsStream {
    /// Advances to the point where the client has to send more. Returns whether the handshake is
    /// complete.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Hello(mut acceptor) => match acceptor.accept() {
                Ok(None) => {
                    self.state = State::Hello(acceptor);
                    Ok(false)
                }
                Ok(Some(accepted)) => {
                    let config = self.config_for(&accepted.client_hello());
                    match accepted.into_connection(config) {
                        Ok(mut tls) => {
                            tls.set_buffer_limit(Some(WRITE_PIECE + OVERHEAD));
                            self.note_resumption(&tls);
                            self.state = State::Handshake(Box::new(tls));
                            self.advance(cx)
                        }
                        Err((error, alert)) => Err(self.refuse(error, alert, cx)),
                    }
                }
                Err((error, alert)) => Err(self.refuse(error, alert, cx)),
            },
            State::Handshake(mut tls) => {
                if let Err(error) = self.process(&mut tls, cx) {
                    if tls.is_handshaking() {
                        return Err(error);
                    }
                    // The error is behind the handshake, and maybe behind data: the next read finds
                    // it.
                    self.broken = true;
                }
                self.note_resumption(&tls);
                let sent = if self.only == Some(Direction::Write) && !tls.is_handshaking() {
                    // Tickets, or in TLS 1.2 the end of the handshake, leave with the first data.
                    Ok(())
                } else {
                    self.send(&mut tls, cx)
                };
                if tls.is_handshaking() {
                    self.state = State::Handshake(tls);
                } else {
                    self.check_reuse(&mut tls, cx)?;
                    self.state = State::Open(tls);
                    self.acknowledge_uploads();
                }
                match sent {
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
                    Ok(()) | Err(_) => Ok(matches!(self.state, State::Open(_))),
                }
            }
            open @ State::Open(_) => {
                self.state = open;
                Ok(true)
            }
            State::Failed => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    /// Reads bytes of the handshake from the socket.
    pub(super) fn receive_handshake(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut piece = [0; HANDSHAKE_PIECE];
        let received = cx.read(&self.wire, &mut piece)?;
        if received == 0 {
            self.state = State::Failed;
            let text = "the connection ended within the TLS handshake";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        let mut rest = &piece[..received];
        while !rest.is_empty() {
            match &mut self.state {
                State::Hello(acceptor) => {
                    acceptor.read_tls(&mut rest)?;
                }
                State::Handshake(tls) => {
                    tls.read_tls(&mut rest)?;
                }
                State::Open(_) => {
                    self.unfed.extend_from_slice(rest);
                    break;
                }
                State::Failed => break,
            }
            if !rest.is_empty() {
                self.advance(cx)?;
            }
        }
        if received < piece.len() && matches!(self.state, State::Hello(_) | State::Handshake(_)) {
            cx.note_short_read(self.wire.id());
        }
        Ok(())
    }

    /// The configuration for a client that says `hello`.
    fn config_for(&mut self, hello: &ClientHello<'_>) -> Arc<ServerConfig> {
        match self.purpose {
            Purpose::Control => self.session.control(hello),
            Purpose::Data => {
                let only_reads = self.only == Some(Direction::Read);
                let (config, tickets) = self.session.data(hello, only_reads);
                self.tickets = Some(tickets);
                config
            }
        }
    }

    /// Passes on whether the handshake resumes a session, on which new tickets depend.
    fn note_resumption(&self, tls: &ServerConnection) {
        if let Some(tickets) = &self.tickets {
            tickets.set_resumed(is_resumed(tls));
        }
    }

    /// Fails if resumption is required and the client has not resumed the control connection's
    /// session.
    fn check_reuse(&mut self, tls: &mut ServerConnection, cx: &mut Context<'_>) -> io::Result<()> {
        if self.purpose == Purpose::Control || is_resumed(tls) {
            return Ok(());
        }
        match self.session.reuse() {
            SessionReuse::Free => Ok(()),
            SessionReuse::Preferred => {
                self.notice = Some(NOT_RESUMED);
                Ok(())
            }
            SessionReuse::Required => {
                tls.send_close_notify();
                // This does not wait for the peer, who may be a stranger.
                let _ = self.send(tls, cx);
                Err(io::Error::new(io::ErrorKind::PermissionDenied, NOT_RESUMED))
            }
        }
    }

    /// Tells the client why it is refused, if it listens.
    fn refuse(
        &self,
        error: rustls::Error,
        mut alert: AcceptedAlert,
        cx: &mut Context<'_>,
    ) -> io::Error {
        let wire = &self.wire;
        let _ = alert.write_all(&mut Outlet { cx, wire });
        failure(error)
    }

    /// Has the system acknowledge at once what the client of an upload sends: before its first
    /// data, a client may wait for the acknowledgement of the end of its handshake (Nagle).
    pub(super) fn acknowledge_uploads(&self) {
        if self.only == Some(Direction::Read) && self.is_established() {
            self.acknowledge_at_once();
        }
    }

    /// Has the system acknowledge at once what the client sends. If the server has nothing to
    /// answer, the client may wait for the acknowledgement before it sends more (Nagle).
    pub(super) fn acknowledge_at_once(&self) {
        if let Err(error) = self.wire.acknowledge_at_once() {
            // Without it, the connection is slower, but still correct.
            log::debug!("TCP_QUICKACK: {error}");
        }
    }
}
