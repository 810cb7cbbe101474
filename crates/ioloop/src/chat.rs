//! A handler for one peer of a byte stream.

use std::fmt;
use std::io;

use mio::net::TcpStream;

use crate::channel::Channel;
use crate::context::Context;
use crate::handler::{Flow, Handler};
use crate::interest::{Interest, Ready};
use crate::socket::Registration;
use crate::sources::SourceId;

/// The application's side of a chat: sends to the peer and handles its input, within an
/// [`AsyncChat`].
///
/// # Examples
///
/// Takes lines up to an empty one, then everything as it comes:
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
    /// The first call, when the peer's handler is started. Whatever comes of it,
    /// [`closed`](Self::closed) follows in the end.
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

    /// Follows [`Notifier::notify`](crate::Notifier::notify); see [`Handler::notified`]. If it sets
    /// another terminator, the input that waits for one is cut at that.
    ///
    /// # Errors
    ///
    /// Whatever ends the chat.
    fn notified(&mut self, channel: &mut Channel, cx: &mut Context<'_>) -> io::Result<()> {
        let _ = (channel, cx);
        Ok(())
    }

    /// The last call; see [`Handler::closed`].
    fn closed(&mut self, error: Option<io::Error>, cx: &mut Context<'_>) {
        let _ = (error, cx);
    }
}

/// A handler for one peer: cuts its input into pieces, sends what is queued for it as it takes it,
/// and stops reading from a peer that does not take its output.
///
/// When the peer ends its side, the rest of the output is sent and the chat closed; an incomplete
/// last piece is dropped.
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
    /// What ended the chat when it had just begun.
    failed: Option<io::Error>,
}

impl<H: ChatHandler> AsyncChat<H> {
    /// Makes a chat with the peer of a connected stream.
    pub fn new(stream: TcpStream, handler: H) -> Self {
        Self {
            stream: Registration::new(stream),
            channel: Channel::new(),
            handler,
            failed: None,
        }
    }

    /// Cuts the input after each `terminator`. The default is an empty one, which cuts nowhere.
    #[must_use]
    pub fn terminator(mut self, terminator: &[u8]) -> Self {
        self.channel.set_terminator(terminator);
        self
    }

    /// Bounds the bytes of a piece that a terminator ends; the chat ends with
    /// [`InvalidData`](io::ErrorKind::InvalidData) when the peer sends more. The default is 64 KiB.
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

    /// Makes the first call of the handler, and sends what it has queued.
    fn begin(&mut self, cx: &mut Context<'_>) -> io::Result<Flow> {
        self.handler.connected(&mut self.channel, cx)?;
        self.flush(cx)
    }

    /// Reads once, and hands over what came.
    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(socket) = self.stream.socket() else {
            return Ok(());
        };
        let mut scratch = cx.take_scratch();
        let outcome = match cx.read_out(socket, &mut scratch) {
            Ok(0) => {
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

    /// Hands over the pieces that are complete with what was read.
    fn hand_over(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> io::Result<()> {
        self.channel.feed(bytes, |piece, channel| {
            self.handler.received(piece, channel, cx)
        })
    }

    /// Sends what it can, and sets the interest for the rest.
    fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<Flow> {
        let Some(socket) = self.stream.socket() else {
            return Ok(Flow::Close);
        };
        self.channel.flush(socket, cx)?;
        cx.set_interest(socket.id(), self.channel.interest());
        Ok(if self.channel.is_done() {
            Flow::Close
        } else {
            Flow::Continue
        })
    }
}

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
        match self.begin(cx) {
            Ok(Flow::Continue) => return Ok(()),
            Ok(Flow::Close) => {}
            // The handler is told: an error of this call would go to whoever adds the chat.
            Err(error) => self.failed = Some(error),
        }
        cx.remove(cx.id());
        Ok(())
    }

    fn ready(&mut self, _: SourceId, ready: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        if ready.readable() {
            self.read(cx)?;
        } else {
            // What was read may wait until the peer takes output.
            self.hand_over(&[], cx)?;
        }
        self.flush(cx)
    }

    fn notified(&mut self, cx: &mut Context<'_>) -> io::Result<Flow> {
        self.handler.notified(&mut self.channel, cx)?;
        // With another terminator, what is kept may hold pieces.
        self.hand_over(&[], cx)?;
        self.flush(cx)
    }

    fn closed(&mut self, error: Option<io::Error>, cx: &mut Context<'_>) {
        self.handler
            .closed(error.or_else(|| self.failed.take()), cx);
    }
}
