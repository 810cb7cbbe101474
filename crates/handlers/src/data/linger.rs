//! The end of a data connection whose client may still send.

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

/// Most bytes taken from a client that sends where it should only receive.
const BYTES: u32 = 1 << 20;

/// A data connection on which nothing more is to be moved, held until the client has closed its
/// side.
///
/// If it were closed at once, a single unread byte from the client would reset the connection. The
/// end of a download would be lost on its way; and the client of an upload that has failed would
/// see a broken connection, and try again, before it has read the reply that tells it why.
///
/// One that is not registered with the loop, since its download never had to wait, is not
/// registered for this either, unless somebody [waits](Self::wait) for it: it is closed at the next
/// download, or when the time is over.
pub(crate) struct Linger {
    stream: Socket<TcpStream>,
    until: Instant,
    after: After,
}

/// What the client may still send.
enum After {
    /// After a download, nothing: so many bytes are borne with.
    Download { left: u32, holds_replies: bool },
    /// After an upload that has failed, what it sends until it has read so: as fast as before, and
    /// as they come, since the bytes under TLS are of no use either.
    Upload {
        meter: Meter,
        /// The rate allows nothing before this.
        resume_at: Option<Instant>,
        #[expect(dead_code, reason = "held, not read")]
        permit: Permit,
    },
}

impl Linger {
    /// Holds the `stream` of a download, whose sending side has ended.
    pub(crate) fn after_download(stream: Socket<TcpStream>, cx: &mut Context<'_>) -> Self {
        let after = After::Download {
            left: BYTES,
            holds_replies: false,
        };
        Self::start(stream, after, cx)
    }

    /// Holds the `connection` of an upload that has failed, at the rate of its `meter`. It counts
    /// as one as long as it is held.
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
        cx.set_interest(stream.id(), Interest::READ);
        let until = cx.now() + TIME;
        Self {
            stream,
            until,
            after,
        }
    }

    /// Has the replies wait for the client to close its side, or for a moment, so that it reads
    /// none of them together with what was sent before. Without effect where the system does not
    /// tell of that.
    pub(crate) fn hold_replies(&mut self, cx: &mut Context<'_>) {
        if let After::Download { holds_replies, .. } = &mut self.after {
            *holds_replies = cx.finish_registration(&mut self.stream).is_ok();
        }
    }

    /// Lets the replies go.
    pub(crate) fn release_replies(&mut self) {
        if let After::Download { holds_replies, .. } = &mut self.after {
            *holds_replies = false;
        }
    }

    /// Until when the replies wait, if they do at this time.
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

    /// Gives up waiting: closes, after what the client has sent unasked. What an upload owes of its
    /// rate by now is left to the session's next one.
    pub(crate) fn end(mut self, debts: &mut Debts, cx: &mut Context<'_>) {
        if let After::Upload { meter, .. } = &mut self.after {
            meter.leave_debt(TransferDirection::Upload, debts, cx.now());
        } else if !self.stream.is_registered() {
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

    /// Throws away a piece of what came; whether the connection is still to be held.
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

    /// Most bytes that may be thrown away now; `None` if the rate, or this turn, allows none.
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

    /// Whether it is an upload's.
    pub(crate) fn is_after_upload(&self) -> bool {
        matches!(self.after, After::Upload { .. })
    }

    /// When it is to be closed, whatever the client does.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// When it is to be looked at, whatever happens: to go on, or to be closed.
    pub(crate) fn look_at(&self) -> Instant {
        match self.after {
            After::Upload {
                resume_at: Some(at),
                ..
            } => at.min(self.until),
            After::Upload { .. } | After::Download { .. } => self.until,
        }
    }
}
