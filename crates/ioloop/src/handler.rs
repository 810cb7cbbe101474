//! Handlers, which run on the loop.

use std::io;
use std::sync::Arc;

use crate::context::Context;
use crate::interest::Ready;
use crate::notify::NotifyFlag;
use crate::slab::Key;
use crate::sources::SourceId;
use crate::timers::TimerId;

/// Something that lives on a loop: a client, a listener, a whole service.
///
/// A handler owns its sockets, as many as it likes, and everything else it needs. The loop lends it
/// to one callback at a time, so it shares nothing and locks nothing. It never leaves its loop's
/// thread. No callback may wait: what blocks goes to a [`Pool`](crate::Pool).
///
/// After a callback that returns [`Flow::Close`], fails or panics, only [`closed`](Self::closed) is
/// called; then the loop drops the handler, with its sockets and timers. A panic is logged, and
/// ends that handler only.
///
/// # Examples
///
/// A handler for one peer that discards what it is sent:
///
/// ```
/// use std::io;
///
/// use ftpdlib_ioloop::{Context, Flow, Handler, Interest, Ready, Registration, SourceId};
/// use mio::net::TcpStream;
///
/// struct Discard {
///     stream: Registration<TcpStream>,
/// }
///
/// impl Handler for Discard {
///     fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
///         self.stream.register(cx, Interest::READ)
///     }
///
///     fn ready(&mut self, _: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
///         let Some(socket) = self.stream.socket() else { return Ok(Flow::Close) };
///         let mut scratch = cx.take_scratch();
///         let count = cx.read(socket, &mut scratch);
///         cx.return_scratch(scratch);
///         match count {
///             Ok(0) => Ok(Flow::Close),
///             Ok(_) => Ok(Flow::Continue),
///             Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Flow::Continue),
///             Err(error) => Err(error),
///         }
///     }
/// }
/// ```
pub trait Handler: 'static {
    /// Registers what the handler waits for. The first call, made once, when the handler is added.
    ///
    /// # Errors
    ///
    /// Whatever keeps the handler from working. The handler is dropped without a call to
    /// [`closed`](Self::closed), and the error is returned to the caller that added it.
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()>;

    /// Serves a source that is ready for what the handler is interested in.
    ///
    /// Called once per turn until an operation through [`Context::try_io`] fails with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock), or the interest changes; a source that takes long
    /// ([`Context::set_bulk`]) may have to wait for later turns. So a handler may stop early,
    /// to leave the loop to others, and is called again. A read at the end of a stream never
    /// blocks: a handler that keeps such a source has to clear its interest in reading.
    ///
    /// # Errors
    ///
    /// Whatever ends this handler.
    fn ready(&mut self, source: SourceId, ready: Ready, cx: &mut Context<'_>) -> io::Result<Flow>;

    /// Handles the expiry of one of this handler's timers, whose id is no longer valid.
    ///
    /// # Errors
    ///
    /// Whatever ends this handler.
    fn timeout(&mut self, timer: TimerId, cx: &mut Context<'_>) -> io::Result<Flow> {
        let _ = (timer, cx);
        Ok(Flow::Continue)
    }

    /// Called after one or more calls of [`Notifier::notify`](crate::Notifier::notify).
    ///
    /// # Errors
    ///
    /// Whatever ends this handler.
    fn notified(&mut self, cx: &mut Context<'_>) -> io::Result<Flow> {
        let _ = cx;
        Ok(Flow::Continue)
    }

    /// The last call. `error` is what ended the handler; `None` after [`Flow::Close`] and after a
    /// removal.
    fn closed(&mut self, error: Option<io::Error>, cx: &mut Context<'_>) {
        let _ = (error, cx);
    }
}

/// What becomes of a handler after a callback. Exhaustive: it stays or is closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flow {
    /// It stays.
    Continue,
    /// It is closed and dropped, with its sockets and timers.
    Close,
}

/// The id of a handler in its loop. Never reused.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct HandlerId(pub(crate) Key);

impl HandlerId {
    /// Stands for the owner of callbacks that belong to no handler.
    pub(crate) const NONE: Self = Self(Key::NONE);
}

/// A handler's slot in the loop, and what has to be freed with it.
pub(crate) struct HandlerSlot {
    pub(crate) state: SlotState,
    pub(crate) notify_flag: Option<Arc<NotifyFlag>>,
    pub(crate) timers: Vec<TimerId>,
}

impl HandlerSlot {
    /// The slot of a handler that is about to be started.
    pub(crate) const fn new() -> Self {
        Self {
            state: SlotState::Running,
            notify_flag: None,
            timers: Vec::new(),
        }
    }
}

/// Where the handler of a slot is.
pub(crate) enum SlotState {
    /// In its slot, between two callbacks.
    Idle(Box<dyn Handler>),
    /// In a callback.
    Running,
    /// In a callback, and to be closed after it.
    Removed,
}
