//! Closing a data connection whose client may still send.

use std::io;
use std::time::{Duration, Instant};

use ftpdlib_ioloop::{Context, Interest, Socket, SourceId};
use ftpdlib_proto::TransferDirection;
use mio::net::TcpStream;

use crate::Permit;
use crate::data_connection::DataConnection;
use crate::pump::{Debts, Meter, Step};

/// How long a client may take to close its side.
const TIME: Duration = Duration::from_secs(5);

/// How long replies wait for a client to close its side.
const REPLIES: Duration = Duration::from_millis(200);

/// Most bytes discarded from a client that sends although it should only receive.
const BYTES: u32 = 1 << 20;

/// A data connection whose transfer is over, held until the client has closed its side.
///
/// If it were closed at once, a single unread byte from the client would reset the connection. The
/// end of a download would be lost on its way, and the client of a failed upload would see a broken
/// connection, and try again, before it has read the reply that says why.
///
/// The socket of a download that never had to wait is not registered with the loop. It is not
/// registered for this either, unless replies are held for it or a closing session
/// [waits](Self::wait) for it: it is closed at the next download, or when the time is over.
pub(crate) struct Linger {
    stream: Socket<TcpStream>,
    until: Instant,
    after: After,
}

/// What the client may still send.
enum After {
    /// After a download: nothing. `left` bytes are tolerated.
    Download { left: u32, holds_replies: bool },
    /// After a failed upload: what the client sends until it has read the reply. It is discarded
    /// undecrypted, at the rate of the upload.
    Upload {
        meter: Meter,
        /// The time before which the rate allows nothing.
        resume_at: Option<Instant>,
        #[expect(dead_code, reason = "held, not read")]
        permit: Permit,
    },
}

impl Linger {
    /// Holds the `stream` of a download whose sending side has ended.
    pub(crate) fn after_download(stream: Socket<TcpStream>, cx: &mut Context<'_>) -> Self {
        let after = After::Download {
            left: BYTES,
            holds_replies: false,
        };
        Self::start(stream, after, cx)
    }

    /// Holds the `connection` of a failed upload, at the rate of its `meter`. It counts against the
    /// limits while it is held.
    pub(crate) fn after_upload(
        connection: DataConnection,
        meter: Meter,
        cx: &mut Context<'_>,
    ) -> Self {
        let DataConnection { stream, permit } = connection;
        let mut stream = stream.into_socket();
        // Where that fails, the time is waited for.
        let _ = cx.finish_registration(&mut stream);
        let after = After::Upload {
            meter,
            resume_at: None,
            permit,
        };
        Self::start(stream, after, cx)
    }

    fn start(stream: Socket<TcpStream>, after: After, cx: &mut Context<'_>) -> Self {
        cx.set_bulk(stream.id(), false);
        cx.set_interest(stream.id(), Interest::READ);
        let until = cx.now() + TIME;
        Self {
            stream,
            until,
            after,
        }
    }

    /// Holds the replies until the client has closed its side, or for a moment, so that it reads
    /// none of them together with earlier ones. Without effect if the system cannot report that.
    pub(crate) fn hold_replies(&mut self, cx: &mut Context<'_>) {
        if let After::Download { holds_replies, .. } = &mut self.after {
            *holds_replies = cx.finish_registration(&mut self.stream).is_ok();
        }
    }

    /// Stops holding the replies.
    pub(crate) fn release_replies(&mut self) {
        if let After::Download { holds_replies, .. } = &mut self.after {
            *holds_replies = false;
        }
    }

    /// Until when the replies are held, if they are held `now`.
    pub(crate) fn holds_replies_until(&self, now: Instant) -> Option<Instant> {
        let After::Download {
            holds_replies: true,
            ..
        } = self.after
        else {
            return None;
        };
        let begun = self.until.checked_sub(TIME)?;
        Some(begun + REPLIES).filter(|until| now < *until)
    }

    /// Stops waiting, and closes; after a download that was never registered, what the client has
    /// sent is discarded before. What an upload owes of its rate is left to the session's next one.
    pub(crate) fn end(mut self, debts: &mut Debts, cx: &mut Context<'_>) {
        if let After::Upload { meter, .. } = &mut self.after {
            meter.leave_debt(TransferDirection::Upload, debts, cx.now());
        } else if !self.stream.is_registered() {
            self.drain(cx);
        }
        cx.close(self.stream);
    }

    /// Looks whether the client has closed its side, and otherwise has the loop report it. Returns
    /// whether the connection must still be held.
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

    /// Discards a piece of what has come. Returns whether the connection must still be held.
    pub(crate) fn drain(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(allowed) = self.allowance(cx) else {
            return true;
        };
        let mut scratch = cx.take_scratch();
        let room = scratch.len().min(allowed);
        let outcome = cx.read(&self.stream, &mut scratch[..room]);
        cx.return_scratch(scratch);
        match outcome {
            Ok(0) => false,
            Ok(bytes) => match &mut self.after {
                After::Download { left, .. } => {
                    *left = left.saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX));
                    *left > 0
                }
                After::Upload { meter, .. } => {
                    meter.moved(bytes, cx.now());
                    true
                }
            },
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }

    /// Most bytes that may be discarded now; `None` if the rate or this turn allows none.
    fn allowance(&mut self, cx: &mut Context<'_>) -> Option<usize> {
        let After::Upload {
            meter, resume_at, ..
        } = &mut self.after
        else {
            return Some(usize::MAX);
        };
        meter.begin(cx.now());
        let allowed = meter.allowance(cx.now());
        *resume_at = match allowed {
            Err(Step::Pause(at)) => Some(at),
            Ok(_) | Err(_) => None,
        };
        let interest = match resume_at {
            Some(_) => Interest::NONE,
            None => Interest::READ,
        };
        cx.set_interest(self.stream.id(), interest);
        allowed.ok()
    }

    pub(crate) fn id(&self) -> SourceId {
        self.stream.id()
    }

    /// Whether this is the data connection of an upload.
    pub(crate) fn is_after_upload(&self) -> bool {
        matches!(self.after, After::Upload { .. })
    }

    /// When it is closed, whatever the client does.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// When to look at it again without an event: to continue, or to close it.
    pub(crate) fn deadline(&self) -> Instant {
        match self.after {
            After::Upload {
                resume_at: Some(at),
                ..
            } => at.min(self.until),
            After::Upload { .. } | After::Download { .. } => self.until,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::thread;

    use ftpdlib_ioloop::{Flow, Handler, IoLoop, Ready};

    use super::*;
    use crate::testing::sockets;

    /// What a closing session finds out about the data connection of a download that never had to
    /// wait: whether it must be held, and whether the loop reports its end.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    struct Found {
        held: bool,
        reported: bool,
    }

    struct Closing {
        stream: Option<TcpStream>,
        found: Rc<Cell<Option<Found>>>,
    }

    impl Handler for Closing {
        fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
            let stream = self.stream.take().ok_or(io::ErrorKind::NotConnected)?;
            let stream = cx.register_deferred(stream, Interest::NONE)?;
            let mut linger = Linger::after_download(stream, cx);
            self.found.set(Some(Found {
                held: linger.wait(cx),
                reported: linger.stream.is_registered(),
            }));
            Ok(())
        }

        fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
            Ok(Flow::Continue)
        }
    }

    fn find(stream: TcpStream) -> Option<Found> {
        let found = Rc::default();
        let closing = Closing {
            stream: Some(stream),
            found: Rc::clone(&found),
        };
        IoLoop::new().unwrap().add(Box::new(closing)).unwrap();
        found.get()
    }

    #[test]
    fn a_closing_session_waits_only_for_a_client_that_has_not_closed_its_side() {
        let (client, stream) = sockets();
        let waits = Found {
            held: true,
            reported: true,
        };
        assert_eq!(find(stream), Some(waits));
        drop(client);

        let (client, stream) = sockets();
        drop(client);
        while stream.peek(&mut [0]).is_err() {
            thread::yield_now();
        }
        let closes = Found {
            held: false,
            reported: false,
        };
        assert_eq!(find(stream), Some(closes));
    }
}
