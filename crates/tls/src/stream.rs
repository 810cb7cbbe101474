//! TLS over a socket, as a transport.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

use ftpdlib_ioloop::{Context, Direction, Interest, SourceId, Transport};
use rustls::server::{AcceptedAlert, Acceptor, ClientHello};
use rustls::{HandshakeKind, ServerConfig, ServerConnection};

use crate::config::Purpose;
use crate::error::reason;
use crate::tickets::DataTickets;
use crate::wire::{Outlet, Wire};
use crate::{SessionReuse, TlsSession};

/// Bytes of the handshake taken in one read.
const HANDSHAKE_PIECE: usize = 4 << 10;

/// Most bytes encrypted at once: sixteen full records, which leave in one system call.
const WRITE_PIECE: usize = 256 << 10;

/// What is less waits, on a connection that only writes, for more or for the end: small files leave in
/// one segment with their end.
const HELD_BACK: usize = 16 << 10;

/// What encryption may add to that.
const OVERHEAD: usize = 16 << 10;

/// Where received bytes are put in a reader's buffer: behind all that what came before, a record
/// at most, can give when it is decrypted to the front.
const LEAD: usize = 20 << 10;

/// What the log says of a data connection that may be a stranger's.
const NOT_RESUMED: &str = "the TLS session of the control connection was not resumed";

/// A TLS connection to a client; the server's side.
///
/// The handshake is part of the first operation, or is made by
/// [`establish`](Transport::establish). An end of the stream that the client did not announce is an
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof); one that it did is answered at once, since some
/// clients wait for that.
pub struct TlsStream {
    wire: Wire,
    session: TlsSession,
    purpose: Purpose,
    state: State,
    /// Of a data connection, once its client has said hello.
    tickets: Option<Arc<DataTickets>>,
    /// Received while decrypted bytes waited for room.
    unfed: Vec<u8>,
    /// The client has nothing to read but what TLS itself says.
    only_reads: bool,
    /// The client has nothing to say but what TLS itself needs.
    only_writes: bool,
    /// Bytes of the caller that were encrypted since the system took everything.
    held: usize,
    /// Told the client that nothing more comes.
    finished: bool,
    /// For the log of whoever knows whose connection this is.
    notice: Option<&'static str>,
}

/// How far it came.
enum State {
    /// Nothing is known of the client.
    Hello(Box<Acceptor>),
    /// Keys are being agreed on.
    Handshake(Box<ServerConnection>),
    /// Established.
    Open(Box<ServerConnection>),
    /// It failed, and the client knows.
    Failed,
}

impl TlsStream {
    /// TLS for a control connection, over `wire` from its next byte on.
    pub fn control(wire: Wire, session: &TlsSession) -> Self {
        Self::new(wire, session, Purpose::Control)
    }

    /// TLS for a data connection of the control connection that `session` belongs to.
    pub fn data(wire: Wire, session: &TlsSession) -> Self {
        Self::new(wire, session, Purpose::Data)
    }

    fn new(wire: Wire, session: &TlsSession, purpose: Purpose) -> Self {
        Self {
            wire,
            session: session.clone(),
            purpose,
            state: State::Hello(Box::default()),
            tickets: None,
            unfed: Vec::new(),
            only_reads: false,
            only_writes: false,
            held: 0,
            finished: false,
            notice: None,
        }
    }

    /// Whether the handshake resumed a session of this control connection; false before its end.
    pub fn is_resumed(&self) -> bool {
        match &self.state {
            State::Open(tls) => is_resumed(tls),
            State::Hello(_) | State::Handshake(_) | State::Failed => false,
        }
    }

    /// Version and cipher suite, once they are agreed on.
    pub fn describe(&self) -> Option<String> {
        match &self.state {
            State::Open(tls) | State::Handshake(tls) => {
                let suite = tls.negotiated_cipher_suite()?.suite();
                Some(format!("{:?}, {suite:?}", tls.protocol_version()?))
            }
            State::Hello(_) | State::Failed => None,
        }
    }

    /// Goes one step, up to the point where more has to come from the client. Says whether that
    /// was the last one.
    fn advance(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
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
                self.process(&mut tls, cx)?;
                self.note_resumption(&tls);
                let sent = if self.only_writes && !tls.is_handshaking() {
                    // Tickets, or in TLS 1.2 the end of the handshake, leave with the first bytes.
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

    /// Takes bytes of the handshake from the socket.
    fn receive_handshake(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !cx.is_ready(self.wire.id(), Direction::Read) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
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
                let (config, tickets) = self.session.data(hello, self.only_reads);
                self.tickets = Some(tickets);
                config
            }
        }
    }

    /// Whether this client is given new tickets depends on how its handshake goes.
    fn note_resumption(&self, tls: &ServerConnection) {
        if let Some(tickets) = &self.tickets {
            tickets.set_resumed(is_resumed(tls));
        }
    }

    /// Fails unless the client is known to be the control connection's, as far as that is required.
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
                // Whoever it is need not be waited for.
                let _ = self.send(tls, cx);
                Err(io::Error::new(io::ErrorKind::PermissionDenied, NOT_RESUMED))
            }
        }
    }

    /// Tells the client why there will be no connection, if it listens.
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

    /// Decrypts what was received.
    fn process(&self, tls: &mut ServerConnection, cx: &mut Context<'_>) -> io::Result<usize> {
        match tls.process_new_packets() {
            Ok(state) => Ok(state.plaintext_bytes_to_read()),
            Err(error) => {
                // The alert that tells the client.
                let _ = self.send(tls, cx);
                Err(failure(error))
            }
        }
    }

    /// Hands encrypted bytes to the socket, many records in one call.
    fn send(&self, tls: &mut ServerConnection, cx: &mut Context<'_>) -> io::Result<()> {
        let wire = &self.wire;
        while tls.wants_write() {
            tls.write_tls(&mut Outlet { cx, wire })?;
        }
        Ok(())
    }

    /// The established connection, for the time of `act`.
    fn with_open<T>(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut Self, &mut ServerConnection, &mut Context<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        self.establish(cx)?;
        let State::Open(mut tls) = std::mem::replace(&mut self.state, State::Failed) else {
            return Err(io::ErrorKind::ConnectionAborted.into());
        };
        let outcome = act(self, &mut tls, cx);
        let broken = outcome
            .as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::InvalidData);
        if !broken {
            self.state = State::Open(tls);
        }
        outcome
    }

    /// Reads from the socket into the back of `buffer`, decrypts to its front, and tells how much
    /// that was: 0 if it was no whole record.
    fn receive(
        &mut self,
        tls: &mut ServerConnection,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let start = LEAD.min(buffer.len() / 2);
        let room = buffer.len() - start;
        let received = cx.read(&self.wire, &mut buffer[start..])?;
        if received == 0 {
            tls.read_tls(&mut io::empty())?;
            return Ok(0);
        }
        let (mut next, end) = (start, start + received);
        let mut decrypted = 0;
        let mut kept = false;
        while next < end {
            let mut rest = &buffer[next..end];
            let taken = tls.read_tls(&mut rest)?;
            next += taken;
            let waiting = self.process(tls, cx)?;
            // Nothing to read is no error here.
            let copied = tls
                .reader()
                .read(&mut buffer[decrypted..next])
                .unwrap_or_default();
            decrypted += copied;
            kept = copied < waiting;
            if taken == 0 {
                // After its end the client has nothing more to say.
                break;
            }
            if kept && next < end {
                self.unfed.extend_from_slice(&buffer[next..end]);
                break;
            }
        }
        if received < room && !kept {
            cx.note_short_read(self.wire.id());
        }
        Ok(decrypted)
    }

    /// Goes on with what could not be decrypted for want of room.
    fn feed_rest(&mut self, tls: &mut ServerConnection, cx: &mut Context<'_>) -> io::Result<()> {
        let mut rest = self.unfed.as_slice();
        let taken = tls.read_tls(&mut rest)?;
        self.unfed.drain(..taken);
        if taken == 0 {
            self.unfed.clear();
        }
        if self.unfed.is_empty() {
            self.unfed = Vec::new();
        }
        self.process(tls, cx).map(drop)
    }

    fn read_open(
        &mut self,
        tls: &mut ServerConnection,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let mut tried = false;
        loop {
            match tls.reader().read(buffer) {
                Ok(0) if !buffer.is_empty() => {
                    self.say_end(tls);
                    let _ = self.send(tls, cx);
                    return Ok(0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return outcome,
            }
            if !self.unfed.is_empty() {
                self.feed_rest(tls, cx)?;
                continue;
            }
            if tried && !cx.is_ready(self.wire.id(), Direction::Read) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            tried = true;
            let decrypted = self.receive(tls, cx, buffer)?;
            // Answers of the protocol itself; what does not fit now goes with the next bytes.
            let _ = self.send(tls, cx);
            if decrypted > 0 {
                return Ok(decrypted);
            }
        }
    }

    /// Has the system confirm at once what an upload's client sends: before its first bytes a client
    /// may wait for the end of its handshake to be confirmed (Nagle), to which nothing is answered.
    fn acknowledge_uploads(&self) {
        if self.only_reads
            && self.is_established()
            && let Err(error) = self.wire.acknowledge_at_once()
        {
            // It is slower then, and no less right.
            log::debug!("TCP_QUICKACK: {error}");
        }
    }

    fn say_end(&mut self, tls: &mut ServerConnection) {
        if !self.finished {
            self.finished = true;
            tls.send_close_notify();
        }
    }

    /// Whether encrypted bytes wait for the socket.
    fn has_unsent(&self) -> bool {
        match &self.state {
            State::Handshake(tls) | State::Open(tls) => tls.wants_write(),
            State::Hello(_) | State::Failed => false,
        }
    }
}

impl Transport for TlsStream {
    fn establish(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.advance(cx)? {
            self.receive_handshake(cx)?;
        }
        Ok(())
    }

    fn note_only_reads(&mut self) {
        self.only_reads = true;
        self.acknowledge_uploads();
    }

    fn note_only_writes(&mut self) {
        self.only_writes = true;
    }

    fn attach(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        cx.attach(&mut self.wire)
    }

    fn read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> io::Result<usize> {
        self.with_open(cx, |stream, tls, cx| stream.read_open(tls, cx, buffer))
    }

    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<usize> {
        self.with_open(cx, |stream, tls, cx| {
            if !stream.only_writes || stream.held >= HELD_BACK {
                stream.send(tls, cx)?;
                stream.held = 0;
            }
            let piece = &bytes[..bytes.len().min(WRITE_PIECE)];
            let taken = tls.writer().write(piece)?;
            stream.held += taken;
            if stream.only_writes && stream.held < HELD_BACK {
                return Ok(taken);
            }
            match stream.send(tls, cx) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
                Ok(()) => {
                    stream.held = 0;
                    Ok(taken)
                }
                Err(_) => Ok(taken),
            }
        })
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.with_open(cx, |stream, tls, cx| {
            stream.send(tls, cx)?;
            stream.held = 0;
            Ok(())
        })
    }

    fn is_flushed(&self) -> bool {
        !self.has_unsent()
    }

    fn finish(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.with_open(cx, |stream, tls, cx| {
            stream.say_end(tls);
            stream.send(tls, cx)?;
            stream.wire.get_ref().shutdown(Shutdown::Write)
        })
    }

    fn interest(&self, wanted: Interest) -> Interest {
        let own = match self.state {
            State::Hello(_) | State::Handshake(_) => Interest::READ,
            State::Open(_) | State::Failed => wanted,
        };
        if self.has_unsent() && own != Interest::NONE {
            own | Interest::WRITE
        } else {
            own
        }
    }

    fn is_established(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    fn take_notice(&mut self) -> Option<&'static str> {
        self.notice.take()
    }

    fn peer_certificate(&self) -> Option<&[u8]> {
        let State::Open(tls) = &self.state else {
            return None;
        };
        tls.peer_certificates()?.first().map(AsRef::as_ref)
    }

    fn plain(&self) -> Option<&Wire> {
        None
    }

    fn id(&self) -> SourceId {
        self.wire.id()
    }

    fn into_socket(self: Box<Self>) -> Wire {
        self.wire
    }
}

fn is_resumed(tls: &ServerConnection) -> bool {
    tls.handshake_kind() == Some(HandshakeKind::Resumed)
}

/// What the client did wrong, as the kind of error that ends a stream for good.
fn failure(error: rustls::Error) -> io::Error {
    let text = match &error {
        rustls::Error::InvalidCertificate(_) => {
            format!(
                "the client's certificate cannot be used: {}",
                reason(&error)
            )
        }
        error => error.to_string(),
    };
    io::Error::new(io::ErrorKind::InvalidData, text)
}
