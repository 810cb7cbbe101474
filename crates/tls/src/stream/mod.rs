//! TLS over a socket, as a transport.

mod handshake;
mod input;

use std::fmt;
use std::io::{self, IoSlice, Write};
use std::net::Shutdown;
use std::sync::Arc;

use ftpdlib_ioloop::{Context, Direction, Interest, Transport};
use rustls::server::Acceptor;
use rustls::{HandshakeKind, IoState, ServerConnection, SupportedCipherSuite};

use crate::TlsSession;
use crate::config::Purpose;
use crate::error::reason;
use crate::tickets::DataTickets;
use crate::wire::{Outlet, Wire};

/// Maximum number of bytes encrypted at once: sixteen full records, which leave in one system call.
/// On a connection that only writes, smaller amounts are held back until there is more, or until
/// the end: this wakes clients less often, and a small file leaves in one segment with its end.
const WRITE_PIECE: usize = 256 << 10;

/// Number of bytes copied at once.
const SLICE: usize = 2 << 10;

/// Upper bound on what encryption adds to a [piece](WRITE_PIECE).
const OVERHEAD: usize = 16 << 10;

/// Upper bound on what encryption adds to one record; it keeps small pieces from counting too
/// little.
const RECORD: usize = 64;

/// Number of records of a TLS 1.2 connection that are reserved for TLS's own messages.
const SPARE_RECORDS: u64 = 8;

/// Upper bound on the bytes taken from records whose content could not be delivered yet: an
/// incomplete record, and one for which there was no room.
const PENDING: usize = 24 << 10;

/// The server's side of a TLS connection to a client.
///
/// The handshake is part of the first operation, or is made by [`establish`](Transport::establish).
/// If the client ends the stream without announcing it, that is an
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof). An announced end is answered at once, since
/// some clients wait for the answer; except on a control connection of TLS 1.3, where this is left
/// to [`finish`](Transport::finish), as replies may still be owed.
pub struct TlsStream {
    wire: Wire,
    session: TlsSession,
    purpose: Purpose,
    state: State,
    /// The tickets of a data connection, once its client has said hello.
    tickets: Option<Arc<DataTickets>>,
    /// Bytes received while decrypted ones waited for room.
    unfed: Vec<u8>,
    /// The number of bytes by which records were longer than their content, as far as not yet
    /// reported, including those that are [pending](PENDING), which must not be reported.
    overhead: usize,
    /// The only direction of data, apart from TLS's own messages, if that is known.
    only: Option<Direction>,
    /// Approximate number of bytes encrypted since the system last took everything.
    held: usize,
    /// Number of data records written.
    written: u64,
    /// Whether a record behind others could not be decrypted.
    broken: bool,
    /// Whether the client was told that nothing more comes.
    finished: bool,
    /// A notice for the log of the caller, who knows whose connection this is.
    notice: Option<&'static str>,
}

/// The progress of a connection.
enum State {
    /// The client has not said hello.
    Hello(Box<Acceptor>),
    /// The handshake is in progress.
    Handshake(Box<ServerConnection>),
    /// Established.
    Open(Box<ServerConnection>),
    /// The connection failed, and the client was told.
    Failed,
}

impl TlsStream {
    /// Creates the TLS stream of a control connection, over `wire` from its next byte on.
    pub fn control(wire: Wire, session: &TlsSession) -> Self {
        Self::new(wire, session, Purpose::Control)
    }

    /// Creates the TLS stream of a data connection whose control connection `session` belongs to.
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
            overhead: 0,
            only: None,
            held: 0,
            written: 0,
            broken: false,
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

    /// Decrypts what was received.
    fn process(&self, tls: &mut ServerConnection, cx: &mut Context<'_>) -> io::Result<IoState> {
        match tls.process_new_packets() {
            Ok(state) => Ok(state),
            Err(error) => {
                // Sends the alert.
                let _ = self.send(tls, cx);
                Err(failure(error))
            }
        }
    }

    /// Writes encrypted bytes to the socket, many records in one call.
    fn send(&self, tls: &mut ServerConnection, cx: &mut Context<'_>) -> io::Result<()> {
        let wire = &self.wire;
        while tls.wants_write() {
            tls.write_tls(&mut Outlet { cx, wire })?;
        }
        Ok(())
    }

    /// Writes everything to the socket, and starts counting held bytes anew.
    fn send_held(&mut self, tls: &mut ServerConnection, cx: &mut Context<'_>) -> io::Result<()> {
        self.send(tls, cx)?;
        self.held = 0;
        Ok(())
    }

    /// Completes the handshake, and runs `act` on the established connection.
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

    /// Encrypts a piece of `bytes`, or as much of it as there is room for.
    ///
    /// The bytes are copied slice by slice: on AMD processors, the C library copies larger pieces
    /// 20 to 30 times slower if the destination is 1 to 31 bytes further into its page than the
    /// source.
    fn write_piece(&mut self, tls: &mut ServerConnection, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(WRITE_PIECE)];
        self.check_limit(tls, piece.len())?;
        let mut slices = [IoSlice::new(&[]); WRITE_PIECE / SLICE];
        let count = piece.len().div_ceil(SLICE);
        for (slice, bytes) in slices.iter_mut().zip(piece.chunks(SLICE)) {
            *slice = IoSlice::new(bytes);
        }
        let taken = tls.writer().write_vectored(&slices[..count])?;
        self.written += self.records(taken);
        Ok(taken)
    }

    /// Fails before the keys of TLS 1.2, which cannot be changed, are used up: after that, rustls
    /// would claim to have written bytes, and drop them.
    fn check_limit(&self, tls: &ServerConnection, bytes: usize) -> io::Result<()> {
        let Some(SupportedCipherSuite::Tls12(suite)) = tls.negotiated_cipher_suite() else {
            return Ok(());
        };
        let records = self.written + self.records(bytes) + SPARE_RECORDS;
        if records > suite.common.confidentiality_limit {
            let text = "a connection of TLS 1.2 cannot carry more, one of TLS 1.3 could";
            return Err(io::Error::other(text));
        }
        Ok(())
    }

    /// The number of records for this many bytes.
    fn records(&self, bytes: usize) -> u64 {
        bytes.div_ceil(self.session.record_size()) as u64
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

/// Omits the keys.
impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Hello(_) => "hello",
            State::Handshake(_) => "handshake",
            State::Open(_) => "open",
            State::Failed => "failed",
        };
        f.debug_struct("TlsStream")
            .field("purpose", &self.purpose)
            .field("state", &state)
            .field("finished", &self.finished)
            .finish_non_exhaustive()
    }
}

impl Transport for TlsStream {
    fn establish(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut began_to_end = false;
        let mut established = self.advance(cx)?;
        while !established {
            if began_to_end {
                // GnuTLS sends the end of its handshake in several parts.
                self.acknowledge_at_once();
            }
            began_to_end = matches!(self.state, State::Handshake(_));
            let wire = self.wire.id();
            if !cx.is_ready(wire, Direction::Read) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            // Other connections need not wait for the handshakes of all new ones.
            established = cx.do_costly(wire, |cx| {
                self.receive_handshake(cx)?;
                self.advance(cx)
            })?;
        }
        Ok(())
    }

    fn note_only_reads(&mut self) {
        self.only = Some(Direction::Read);
        self.acknowledge_uploads();
    }

    fn note_only_writes(&mut self) {
        self.only = Some(Direction::Write);
    }

    fn fill_segments(&self) -> io::Result<()> {
        self.wire.fill_segments()
    }

    fn finish_registration(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        cx.finish_registration(&mut self.wire)
    }

    fn read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> io::Result<usize> {
        self.with_open(cx, |stream, tls, cx| stream.read_open(tls, cx, buffer))
    }

    fn take_overhead(&mut self) -> usize {
        let told = self.overhead.saturating_sub(PENDING);
        self.overhead -= told;
        told
    }

    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<usize> {
        self.with_open(cx, |stream, tls, cx| {
            if stream.finished && stream.purpose == Purpose::Control {
                // The client reads no replies after this end.
                return Ok(bytes.len());
            }
            let only_writes = stream.only == Some(Direction::Write);
            if !only_writes || stream.held >= WRITE_PIECE {
                stream.send_held(tls, cx)?;
            }
            let taken = stream.write_piece(tls, bytes)?;
            // Counting records as well lets even tiny pieces reach the limit.
            stream.held += taken + RECORD;
            if only_writes && stream.held < WRITE_PIECE {
                return Ok(taken);
            }
            match stream.send_held(tls, cx) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
                Ok(()) | Err(_) => Ok(taken),
            }
        })
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.with_open(cx, |stream, tls, cx| stream.send_held(tls, cx))
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

    fn socket(&self) -> &Wire {
        &self.wire
    }

    fn into_socket(self: Box<Self>) -> Wire {
        self.wire
    }
}

fn is_resumed(tls: &ServerConnection) -> bool {
    tls.handshake_kind() == Some(HandshakeKind::Resumed)
}

/// Converts a mistake of the client into the kind of error that ends a stream for good.
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
