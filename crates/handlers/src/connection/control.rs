//! The control connection's socket: bytes in, lines out; replies in, bytes out.

use std::io;

use ftpdlib_ioloop::{Context, Interest, Socket, SourceId, Transport};
use ftpdlib_proto::{Line, NameEncoding, Reply};
use ftpdlib_tls::{TlsSession, TlsStream};
use mio::net::TcpStream;

use super::input::Input;
use crate::pump::REPLIES_WAITING;

/// Most bytes read from a client at once.
const READ: usize = 4 << 10;

/// A client that sends commands ahead is read only while fewer bytes than this are held. The rest
/// stays in the kernel.
const AHEAD: usize = 16 << 10;

/// The control connection.
pub(super) struct Control {
    stream: Box<dyn Transport>,
    input: Input,
    /// Encoded replies that are not sent yet.
    replies: Vec<u8>,
    client: ClientSide,
}

/// The state of the client's sending side.
#[derive(Clone, Copy, Eq, PartialEq)]
enum ClientSide {
    Open,
    /// The client will send no more.
    Ended,
    /// The connection failed, so replies will not arrive either.
    Broken,
}

impl Control {
    pub(super) fn new(socket: Socket<TcpStream>) -> Self {
        Self {
            stream: Box::new(socket),
            input: Input::default(),
            replies: Vec::new(),
            client: ClientSide::Open,
        }
    }

    /// Puts the connection under TLS, and discards what the client has sent in the clear.
    ///
    /// All replies in the clear must have been sent.
    pub(super) fn secured_with(self, session: &TlsSession) -> Self {
        Self {
            stream: Box::new(TlsStream::control(self.stream.into_socket(), session)),
            input: Input::default(),
            replies: self.replies,
            client: self.client,
        }
    }

    /// Reads a bounded piece of what the client has sent.
    ///
    /// # Errors
    ///
    /// A failure that says more than that the client is gone.
    pub(super) fn receive(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.wants_more() {
            return Ok(());
        }
        let mut scratch = cx.take_scratch();
        let size = scratch.len().min(READ);
        let outcome = self.stream.read(cx, &mut scratch[..size]);
        let outcome = match outcome {
            Ok(0) => {
                self.client = ClientSide::Ended;
                Ok(())
            }
            Ok(bytes) => {
                self.input.add(&scratch[..bytes]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => {
                // What was received can no longer be answered.
                self.end_input();
                let telling =
                    error.kind() == io::ErrorKind::InvalidData || !self.stream.is_established();
                if telling { Err(error) } else { Ok(()) }
            }
        };
        cx.return_scratch(scratch);
        outcome
    }

    /// Hands the next line, with names in `encoding`, to `take`. Returns whether there was one.
    pub(super) fn next_line(
        &mut self,
        encoding: NameEncoding,
        take: impl FnOnce(Line<'_>),
    ) -> bool {
        self.input.next_line(encoding, take)
    }

    /// Shows the lines that were not taken yet to `look`, each of them once, up to one of which
    /// that says yes; whether there was one.
    pub(super) fn look_ahead(&mut self, look: impl FnMut(&[u8]) -> bool) -> bool {
        self.input.look_ahead(look)
    }

    /// Queues a reply.
    pub(super) fn reply(&mut self, reply: &Reply, encoding: NameEncoding) {
        reply.encode(encoding, &mut self.replies);
    }

    /// Sends as many of the queued replies as the client takes.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut sent = 0;
        while sent < self.replies.len() {
            match self.stream.write(cx, &self.replies[sent..]) {
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // Otherwise a client that is always a little behind would make the buffer grow.
                    self.replies.drain(..sent);
                    return Ok(());
                }
                Err(error) => {
                    self.replies = Vec::new();
                    return Err(error);
                }
            }
        }
        // An idle session owns no buffer.
        self.replies = Vec::new();
        self.send_taken(cx)
    }

    /// Sends replies as [`flush`](Self::flush) does; if replies are `held`, only what the stream
    /// has taken before.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush).
    pub(super) fn flush_unless(&mut self, held: bool, cx: &mut Context<'_>) -> io::Result<()> {
        if held {
            // While any of it is left, the loop reports room for it.
            self.send_taken(cx)
        } else {
            self.flush(cx)
        }
    }

    /// Sends what the stream has taken. A handshake continues in [`receive`](Self::receive), which
    /// reports its failure.
    fn send_taken(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.stream.is_established() {
            return Ok(());
        }
        match self.stream.flush(cx) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Tells the loop which events to report. While the session is `working` and there is no room
    /// to read, the end of the client's side is one of them. Room for replies is reported only if
    /// they may be `sent`, or at once if the session `goes_on` by itself.
    pub(super) fn set_interest(
        &self,
        working: bool,
        sent: bool,
        goes_on: bool,
        cx: &mut Context<'_>,
    ) {
        let mut interest = Interest::NONE;
        if self.wants_more() {
            interest |= Interest::READ;
        } else if working && !self.has_ended_its_side() {
            interest |= Interest::HANGUP;
        }
        if goes_on || (sent && !self.is_flushed()) {
            interest |= Interest::WRITE;
        }
        cx.set_interest(self.stream.id(), self.stream.interest(interest));
    }

    /// Ends the sending side after the last reply. Returns whether the client is still there.
    pub(super) fn finish(&mut self, cx: &mut Context<'_>) -> bool {
        match self.stream.finish(cx) {
            Ok(()) => true,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }

    /// Discards what the client has sent.
    pub(super) fn discard_input(&mut self) {
        self.input.discard();
    }

    /// Notes that the client has ended its side behind unread bytes. If a QUIT was received, it
    /// still waits for replies; otherwise it is gone.
    pub(super) fn note_hangup(&mut self) {
        if !self.input.has_quit() {
            self.end_input();
        }
    }

    pub(super) fn end_input(&mut self) {
        self.client = ClientSide::Broken;
        self.discard_input();
    }

    /// The queue of replies, for a listing sent as a reply.
    pub(super) fn replies(&mut self) -> &mut Vec<u8> {
        &mut self.replies
    }

    pub(super) fn id(&self) -> SourceId {
        self.stream.id()
    }

    /// Whether nothing is left to read, so that closing the socket does not reset the connection.
    /// Always false under TLS, where the client still sends its close_notify.
    pub(super) fn is_read_out(&self) -> bool {
        // The loop may not know yet of bytes that came during this turn.
        self.stream
            .plain()
            .is_some_and(|socket| match socket.get_ref().peek(&mut [0]) {
                Ok(bytes) => bytes == 0,
                Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            })
    }

    /// Whether the stream can carry lines: it is in the clear, or its handshake is over.
    pub(super) fn is_established(&self) -> bool {
        self.stream.is_established()
    }

    /// The client's certificate, in DER form.
    pub(super) fn peer_certificate(&self) -> Option<&[u8]> {
        self.stream.peer_certificate()
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.replies.is_empty()
    }

    /// Whether anything received was not taken yet.
    pub(super) fn has_unread(&self) -> bool {
        !self.input.is_empty()
    }

    /// Whether lines may be waiting, and there is room for their replies.
    pub(super) fn may_take_line(&self) -> bool {
        self.has_unread() && self.has_room()
    }

    /// Whether the input begins with a TLS handshake record, as no command does.
    pub(super) fn begins_tls(&self) -> bool {
        self.input.begins_tls()
    }

    /// Whether the client has ended its side, even if input is left.
    pub(super) fn has_ended_its_side(&self) -> bool {
        self.client != ClientSide::Open
    }

    /// Whether the client has ended its side and all of its input was taken.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended_its_side() && self.input.is_empty()
    }

    /// Whether the client has ended its side without sending QUIT.
    pub(super) fn has_left(&self) -> bool {
        self.has_ended_its_side() && !self.input.has_quit()
    }

    /// Whether the client's side has ended with a failure.
    pub(super) fn is_broken(&self) -> bool {
        self.client == ClientSide::Broken
    }

    fn wants_more(&self) -> bool {
        self.client == ClientSide::Open && self.input.len() < AHEAD && self.has_room()
    }

    fn has_room(&self) -> bool {
        self.replies.len() < REPLIES_WAITING
    }
}
