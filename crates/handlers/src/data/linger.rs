//! The end of a download's data connection.

use std::io;
use std::time::{Duration, Instant};

use ftpdlib_ioloop::{Context, Interest, Socket, SourceId};
use mio::net::TcpStream;

/// How long a client may take to close its side.
const TIME: Duration = Duration::from_secs(5);

/// How long replies wait for a client to close its side.
const REPLIES: Duration = Duration::from_millis(200);

/// Most bytes taken from a client that sends where it should only receive.
const BYTES: u32 = 1 << 20;

/// A data connection whose last byte was sent, held until the client has closed its side.
///
/// If it were closed at once, a single unread byte from the client would reset the connection, and
/// the end of the download would be lost on its way.
///
/// One that is not registered with the loop, since its download never had to wait, is not
/// registered for this either, unless somebody [waits](Self::wait) for it: it is closed at the next
/// download, or when the time is over.
pub(crate) struct Linger {
    stream: Socket<TcpStream>,
    until: Instant,
    left: u32,
    holds_replies: bool,
}

impl Linger {
    /// Holds `stream`, whose sending side has ended.
    pub(crate) fn start(stream: Socket<TcpStream>, cx: &mut Context<'_>) -> Self {
        cx.set_interest(stream.id(), Interest::READ);
        let until = cx.now() + TIME;
        Self {
            stream,
            until,
            left: BYTES,
            holds_replies: false,
        }
    }

    /// Has the replies wait for the client to close its side, or for a moment, so that it reads
    /// none of them together with what was sent before. Without effect where the system does not
    /// tell of that.
    pub(crate) fn hold_replies(&mut self, cx: &mut Context<'_>) {
        self.holds_replies = cx.finish_registration(&mut self.stream).is_ok();
    }

    /// Lets the replies go.
    pub(crate) fn release_replies(&mut self) {
        self.holds_replies = false;
    }

    /// Until when the replies wait, if they do at this time.
    pub(crate) fn holds_replies_until(&self, now: Instant) -> Option<Instant> {
        let begun = self.until.checked_sub(TIME)?;
        Some(begun + REPLIES).filter(|until| self.holds_replies && now < *until)
    }

    /// Gives up waiting: closes, after what the client has sent unasked.
    pub(crate) fn end(mut self, cx: &mut Context<'_>) {
        if !self.stream.is_registered() {
            self.drain(cx);
        }
        cx.close(self.stream);
    }

    /// Looks for the client's end, and has the loop tell of it if it is yet to come; whether the
    /// connection is still to be held.
    pub(crate) fn wait(&mut self, cx: &mut Context<'_>) -> bool {
        if self.stream.is_registered() {
            return true;
        }
        let is_held = self.drain(cx);
        if is_held {
            // Where that fails, the time is waited for.
            let _ = cx.finish_registration(&mut self.stream);
        }
        is_held
    }

    /// Throws away what came; whether the connection is still to be held.
    pub(crate) fn drain(&mut self, cx: &mut Context<'_>) -> bool {
        let mut scratch = cx.take_scratch();
        let outcome = cx.read(&self.stream, &mut scratch);
        cx.return_scratch(scratch);
        match outcome {
            Ok(0) => false,
            Ok(bytes) => {
                let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
                self.left = self.left.saturating_sub(bytes);
                self.left > 0
            }
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }

    pub(crate) fn id(&self) -> SourceId {
        self.stream.id()
    }

    pub(crate) fn until(&self) -> Instant {
        self.until
    }
}
