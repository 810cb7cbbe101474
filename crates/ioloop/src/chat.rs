//! A handler for one peer of a byte stream.

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::time::Duration;

use mio::net::TcpStream;

use crate::channel::Channel;
use crate::context::Context;
use crate::handler::{Flow, Handler};
use crate::interest::{Interest, Ready};
use crate::socket::{Registration, Socket};
use crate::sources::SourceId;
use crate::timers::TimerId;

/// The application's side of a chat: sends to the peer and handles its input, within an
/// [`AsyncChat`].
///
/// # Examples
///
/// Receives lines up to an empty one, then everything as it arrives:
///
/// ```
/// use std::io;
///
/// use ftpdlib_ioloop::{Channel, ChatHandler, Context};
///
/// #[derive(Default)]
/// struct Message {
///     head: Vec<String>,
///     is_body: bool,
///     body: Vec<u8>,
/// }
///
/// impl ChatHandler for Message {
///     fn received(
///         &mut self,
///         piece: &[u8],
///         peer: &mut Channel,
///         _: &mut Context<'_>,
///     ) -> io::Result<()> {
///         if self.is_body {
///             self.body.extend_from_slice(piece);
///         } else if piece.is_empty() {
///             self.is_body = true;
///             peer.set_terminator(b"");
///         } else {
///             self.head.push(String::from_utf8_lossy(piece).into_owned());
///         }
///         Ok(())
///     }
///
///     fn closed(&mut self, _: Option<io::Error>, _: &mut Context<'_>) {
///         println!("{} bytes after {} lines", self.body.len(), self.head.len());
///     }
/// }
/// ```
pub trait ChatHandler: 'static {
    /// The first call, made when the peer's handler is started. Whatever its outcome,
    /// [`closed`](Self::closed) is called in the end.
    ///
    /// # Errors
    ///
    /// Whatever ends the chat.
    fn connected(&mut self, channel: &mut Channel, cx: &mut Context<'_>) -> io::Result<()> {
        let _ = (channel, cx);
        Ok(())
    }

    /// Serves a piece of input, without its terminator.
    ///
    /// # Errors
    ///
    /// Whatever ends the chat.
    fn received(
        &mut self,
        piece: &[u8],
        channel: &mut Channel,
        cx: &mut Context<'_>,
    ) -> io::Result<()>;

    /// Called after [`Notifier::notify`](crate::Notifier::notify); see [`Handler::notified`]. If it
    /// sets another terminator, input that is waiting for a terminator is cut at the new one.
    ///
    /// # Errors
    ///
    /// Whatever ends the chat.
    fn notified(&mut self, channel: &mut Channel, cx: &mut Context<'_>) -> io::Result<()> {
        let _ = (channel, cx);
        Ok(())
    }

    /// Handles the expiry of a timer that this handler started; see [`Handler::timeout`].
    ///
    /// # Errors
    ///
    /// Whatever ends the chat.
    fn timeout(
        &mut self,
        timer: TimerId,
        channel: &mut Channel,
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        let _ = (timer, channel, cx);
        Ok(())
    }

    /// Serves a source that this handler has registered in addition to the peer's; see
    /// [`Handler::ready`]. The default clears the source's interest.
    ///
    /// # Errors
    ///
    /// Whatever ends the chat.
    fn ready(
        &mut self,
        source: SourceId,
        ready: Ready,
        channel: &mut Channel,
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        let _ = (ready, channel);
        cx.set_interest(source, Interest::NONE);
        Ok(())
    }

    /// The last call. `error` is what ended the chat; `None` after [`Channel::close_when_done`],
    /// after the peer has ended its side, and after a removal.
    fn closed(&mut self, error: Option<io::Error>, cx: &mut Context<'_>) {
        let _ = (error, cx);
    }
}

/// A handler for one peer: cuts its input into pieces, sends it the queued output as fast as it
/// takes it, and stops reading from a peer that does not take its output.
///
/// When the peer ends its side, the rest of the output is sent and the chat is closed; an
/// incomplete last piece is dropped.
///
/// When the handler [closes](Channel::close_when_done) the chat, the sending side is shut down
/// after the output. Whatever the peer still sends is discarded until it ends its side, too, or
/// until five seconds or 1 MiB have passed: closing a connection with unread bytes resets it, and
/// the end of the output would be lost. The handler is not called meanwhile.
///
/// # Examples
///
/// Answers each line with its length; see the crate's `examples` for more.
///
/// ```
/// use std::io::{self, Read, Write};
///
/// use ftpdlib_ioloop::{Acceptor, AsyncChat, Channel, ChatHandler, Context, IoLoop};
///
/// struct Lengths;
///
/// impl ChatHandler for Lengths {
///     fn received(
///         &mut self,
///         line: &[u8],
///         peer: &mut Channel,
///         _: &mut Context<'_>,
///     ) -> io::Result<()> {
///         peer.push(format!("{}\n", line.len()).as_bytes());
///         Ok(())
///     }
///
///     fn closed(&mut self, _: Option<io::Error>, cx: &mut Context<'_>) {
///         cx.stop();
///     }
/// }
///
/// let listener = Acceptor::bind("127.0.0.1:0".parse().unwrap(), 100)?;
/// let addr = listener.local_addr()?;
/// let mut io_loop = IoLoop::new()?;
/// io_loop.add(Box::new(Acceptor::new(listener, |stream, _, cx| {
///     let chat = AsyncChat::new(stream, Lengths).terminator(b"\n");
///     cx.add(Box::new(chat)).unwrap();
/// })))?;
///
/// let client = std::thread::spawn(move || {
///     let mut stream = std::net::TcpStream::connect(addr)?;
///     stream.write_all(b"one\nthree\n")?;
///     stream.shutdown(std::net::Shutdown::Write)?;
///     io::read_to_string(stream)
/// });
/// io_loop.run()?;
/// assert_eq!(client.join().unwrap()?, "3\n5\n");
/// # Ok::<(), io::Error>(())
/// ```
pub struct AsyncChat<H> {
    stream: Registration<TcpStream>,
    channel: Channel,
    handler: H,
    peer: PeerSide,
    /// The error that ended the chat as it was being started.
    failed: Option<io::Error>,
}

/// What is known of the peer's side of the stream.
enum PeerSide {
    Open,
    Ended,
    /// All output is sent and this side has ended: further input is discarded.
    Unwanted {
        /// Ends the chat.
        timer: TimerId,
        /// How many more bytes are accepted.
        left: usize,
    },
}

impl<H: ChatHandler> AsyncChat<H> {
    /// Makes a chat with the peer of a connected stream.
    pub fn new(stream: TcpStream, handler: H) -> Self {
        Self {
            stream: Registration::new(stream),
            channel: Channel::new(),
            handler,
            peer: PeerSide::Open,
            failed: None,
        }
    }

    /// Cuts the input at each `terminator`. The default is an empty one: the input is not cut.
    #[must_use]
    pub fn terminator(mut self, terminator: &[u8]) -> Self {
        self.channel.set_terminator(terminator);
        self
    }

    /// Limits the bytes in a piece, when there is a terminator; the chat ends with
    /// [`InvalidData`](io::ErrorKind::InvalidData) when the peer sends more without one. The
    /// default is 64 KiB.
    #[must_use]
    pub const fn max_piece(mut self, bytes: usize) -> Self {
        self.channel.set_max_piece(bytes);
        self
    }

    /// Stops reading, and handing over what was read, while more than this many bytes are queued
    /// for the peer. The default is 256 KiB.
    #[must_use]
    pub const fn high_water(mut self, bytes: usize) -> Self {
        self.channel.set_high_water(bytes);
        self
    }

    /// Calls the handler for the first time, and sends what it has queued.
    fn begin(&mut self, cx: &mut Context<'_>) -> io::Result<Flow> {
        self.handler.connected(&mut self.channel, cx)?;
        self.flush(cx)
    }

    /// Reads once, and hands over what has arrived.
    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(socket) = self.stream.socket() else {
            return Ok(());
        };
        let mut scratch = cx.take_scratch();
        let outcome = match cx.read_out(socket, &mut scratch) {
            Ok(0) => {
                self.peer = PeerSide::Ended;
                self.channel.close_when_done();
                Ok(())
            }
            Ok(count) => self.hand_over(&scratch[..count], cx),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        };
        cx.return_scratch(scratch);
        outcome
    }

    /// Hands over the pieces that are complete now that `bytes` were read.
    fn hand_over(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> io::Result<()> {
        if cx.is_removed() {
            return Ok(());
        }
        self.channel.feed(bytes, |piece, channel| {
            let outcome = self.handler.received(piece, channel, cx);
            if cx.is_removed() {
                channel.close_when_done();
            }
            outcome
        })
    }

    /// Makes a call to the handler that is not about input, and carries out what follows from it.
    fn call(
        &mut self,
        cx: &mut Context<'_>,
        call: impl FnOnce(&mut H, &mut Channel, &mut Context<'_>) -> io::Result<()>,
    ) -> io::Result<Flow> {
        call(&mut self.handler, &mut self.channel, cx)?;
        // If the terminator was changed, the kept input may hold complete pieces.
        self.hand_over(&[], cx)?;
        self.flush(cx)
    }

    /// Sends as much output as possible, and sets the interest for the rest.
    fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<Flow> {
        let Some(socket) = self.stream.socket() else {
            return Ok(Flow::Close);
        };
        self.channel.flush(socket, cx)?;
        if self.channel.is_done() {
            return Ok(self.end(cx));
        }
        cx.set_interest(socket.id(), self.channel.interest());
        Ok(Flow::Continue)
    }

    /// Ends this side, once all its output is sent, and waits for the peer to end the other.
    fn end(&mut self, cx: &mut Context<'_>) -> Flow {
        match (self.stream.socket(), &self.peer) {
            (Some(socket), PeerSide::Open)
                if !cx.is_removed() && socket.get_ref().shutdown(Shutdown::Write).is_ok() =>
            {
                cx.set_interest(socket.id(), Interest::READ);
                self.peer = PeerSide::Unwanted {
                    timer: cx.start_timer_after(CLOSING_TIME),
                    left: CLOSING_BYTES,
                };
                Flow::Continue
            }
            _ => Flow::Close,
        }
    }

    /// Discards what the peer still sends.
    fn discard(&mut self, cx: &mut Context<'_>) -> Flow {
        let (Some(socket), PeerSide::Unwanted { left, .. }) =
            (self.stream.socket(), &mut self.peer)
        else {
            return Flow::Close;
        };
        let mut scratch = cx.take_scratch();
        let outcome = cx.read_out(socket, &mut scratch);
        cx.return_scratch(scratch);
        match outcome {
            Ok(count @ 1..) if count < *left => *left -= count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // The output has been sent, so how the peer ends its side does not matter to the chat.
            Ok(_) | Err(_) => return Flow::Close,
        }
        Flow::Continue
    }
}

/// How long a peer may take to end its side after the chat.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// How many bytes the peer may send until then.
const CLOSING_BYTES: usize = 1 << 20;

impl<H: fmt::Debug> fmt::Debug for AsyncChat<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncChat")
            .field("channel", &self.channel)
            .field("handler", &self.handler)
            .finish_non_exhaustive()
    }
}

impl<H: ChatHandler> Handler for AsyncChat<H> {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.stream.register(cx, Interest::NONE)?;
        // `closed` is called after a panic, too: the handler may have given others references to
        // itself.
        match cx.catch_panic(|cx| self.begin(cx)).unwrap_or_else(Err) {
            Ok(Flow::Continue) => return Ok(()),
            Ok(Flow::Close) => {}
            // Reported to the handler: an error returned here would go to the caller that adds the
            // chat.
            Err(error) => self.failed = Some(error),
        }
        cx.remove(cx.id());
        Ok(())
    }

    fn ready(&mut self, source: SourceId, ready: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        let is_peer = self.stream.socket().map(Socket::id) == Some(source);
        match self.peer {
            PeerSide::Unwanted { .. } if is_peer => return Ok(self.discard(cx)),
            PeerSide::Unwanted { .. } => {
                cx.set_interest(source, Interest::NONE);
                return Ok(Flow::Continue);
            }
            PeerSide::Open | PeerSide::Ended if !is_peer => {
                return self.call(cx, |handler, channel, cx| {
                    handler.ready(source, ready, channel, cx)
                });
            }
            PeerSide::Open | PeerSide::Ended => {}
        }
        if ready.readable() {
            self.read(cx)?;
        } else {
            // Pieces may have been held back until the peer takes output.
            self.hand_over(&[], cx)?;
        }
        self.flush(cx)
    }

    fn timeout(&mut self, timer: TimerId, cx: &mut Context<'_>) -> io::Result<Flow> {
        match self.peer {
            PeerSide::Unwanted { timer: end, .. } if end == timer => Ok(Flow::Close),
            PeerSide::Unwanted { .. } => Ok(Flow::Continue),
            PeerSide::Open | PeerSide::Ended => self.call(cx, |handler, channel, cx| {
                handler.timeout(timer, channel, cx)
            }),
        }
    }

    fn notified(&mut self, cx: &mut Context<'_>) -> io::Result<Flow> {
        match self.peer {
            PeerSide::Unwanted { .. } => Ok(Flow::Continue),
            PeerSide::Open | PeerSide::Ended => self.call(cx, H::notified),
        }
    }

    fn closed(&mut self, error: Option<io::Error>, cx: &mut Context<'_>) {
        self.handler
            .closed(error.or_else(|| self.failed.take()), cx);
    }
}

#[cfg(test)]
mod tests {
    use crate::IoLoop;

    use super::*;

    struct Brief;

    impl ChatHandler for Brief {
        fn connected(&mut self, peer: &mut Channel, _: &mut Context<'_>) -> io::Result<()> {
            peer.close_when_done();
            Ok(())
        }

        fn received(&mut self, _: &[u8], _: &mut Channel, _: &mut Context<'_>) -> io::Result<()> {
            unreachable!("the chat is over")
        }
    }

    /// A chat whose peer has no time at all to end its side.
    struct Hurried(AsyncChat<Brief>);

    impl Handler for Hurried {
        fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
            self.0.start(cx)?;
            match self.0.peer {
                PeerSide::Unwanted { timer, .. } => assert!(cx.move_timer(timer, cx.now())),
                PeerSide::Open | PeerSide::Ended => panic!("the peer is not waited for"),
            }
            Ok(())
        }

        fn ready(&mut self, id: SourceId, to: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
            self.0.ready(id, to, cx)
        }

        fn timeout(&mut self, timer: TimerId, cx: &mut Context<'_>) -> io::Result<Flow> {
            self.0.timeout(timer, cx)
        }
    }

    #[test]
    fn a_peer_that_does_not_end_its_side_is_not_waited_for_for_good() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let _peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let chat = AsyncChat::new(TcpStream::from_std(stream), Brief);
        let mut io_loop = IoLoop::new().unwrap();
        io_loop.add(Box::new(Hurried(chat))).unwrap();
        io_loop.run().unwrap();
    }
}
