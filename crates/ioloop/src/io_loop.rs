//! The loop itself.

use std::fmt;
use std::io;
use std::mem;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ftpdlib_sys::leave_sockets;
use mio::{Events, Poll, Token, Waker};

use crate::busy_poll::BusyPoll;
use crate::context::Context;
use crate::dispatch::TimerTarget;
use crate::handler::{Handler, HandlerId, HandlerSlot};
use crate::notify::{Inbox, LoopHandle, Remote};
use crate::panics::drop_safely;
use crate::slab::Slab;
use crate::sources::Sources;
use crate::timers::{TimerId, Timers};
use crate::turn::Turn;

/// A reactor: runs handlers, the sources they wait for, and timers on one thread.
///
/// A turn waits for the first event or deadline. It then runs what other threads have sent, serves
/// each ready source once, in the order in which they became ready, and fires the timers that are
/// due. Of sources that take long, some may have to wait for the next turn
/// ([`set_bulk`](Context::set_bulk)). Dropping the loop closes it; see [`close`](Self::close).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use ftpdlib_ioloop::IoLoop;
///
/// let mut io_loop = IoLoop::new()?;
/// io_loop.call_later(Duration::ZERO, |cx| {
///     cx.call_later(Duration::from_millis(1), |cx| cx.stop());
/// });
/// io_loop.run()?;
/// assert!(io_loop.is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct IoLoop {
    pub(crate) poll: Poll,
    /// The parent's poll, in a process that was just forked.
    parents_poll: Option<Poll>,
    events: Events,
    pub(crate) sources: Sources,
    pub(crate) handlers: Slab<HandlerSlot>,
    pub(crate) timers: Timers<TimerTarget>,
    pub(crate) remote: Arc<Remote>,
    /// Empty except while it is being read; kept for its capacity.
    inbox: Inbox,
    pub(crate) now: Instant,
    pub(crate) scratch: Option<Box<[u8]>>,
    pub(crate) scratch_size: usize,
    pub(crate) closing: bool,
    /// How long [costly work](Context::do_costly) has taken in this turn.
    pub(crate) costly: Duration,
    pub(crate) busy_poll: BusyPoll,
}

impl IoLoop {
    /// Makes a loop with a scratch buffer of 256 KiB.
    ///
    /// # Errors
    ///
    /// The system has no more descriptors or memory.
    pub fn new() -> io::Result<Self> {
        Self::with_scratch_size(256 * 1024)
    }

    /// Makes a loop whose scratch buffer ([`Context::take_scratch`]) has `bytes` bytes, but at
    /// least 1.
    ///
    /// The buffer is allocated when it is first used. A larger one saves system calls with bulk
    /// data.
    ///
    /// # Errors
    ///
    /// The system has no more descriptors or memory.
    pub fn with_scratch_size(bytes: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let now = Instant::now();
        Ok(Self {
            poll,
            parents_poll: None,
            events: Events::with_capacity(EVENTS),
            sources: Sources::new(),
            handlers: Slab::new(),
            timers: Timers::new(now),
            remote: Arc::new(Remote::new(waker)),
            inbox: Inbox::default(),
            now,
            scratch: None,
            scratch_size: bytes.max(1),
            closing: false,
            costly: Duration::ZERO,
            busy_poll: BusyPoll::new(),
        })
    }

    /// Adds a handler and starts it.
    ///
    /// # Errors
    ///
    /// The error of [`Handler::start`]; the handler is then dropped.
    pub fn add(&mut self, handler: Box<dyn Handler>) -> io::Result<HandlerId> {
        self.context().add(handler)
    }

    /// Closes a handler and drops it, with its sources and timers. Returns `false` if it is gone.
    pub fn remove(&mut self, id: HandlerId) -> bool {
        self.remove_handler(id)
    }

    /// In a process that was just forked: gives up the poll and the waker, which both processes
    /// could otherwise change since they are shared with the parent. This copy of the loop no
    /// longer waits for anything.
    pub(crate) fn leave_to_parent(&mut self) -> io::Result<()> {
        let poll = Poll::new()?;
        self.remote.set_waker(Waker::new(poll.registry(), WAKER)?);
        self.parents_poll = Some(mem::replace(&mut self.poll, poll));
        Turn::leave_to_parent();
        Ok(())
    }

    /// After [`leave_to_parent`](Self::leave_to_parent), closes this process's copies of the
    /// sockets that are still registered, and leaves their owners alone.
    pub(crate) fn leave_sources_to_parent(&mut self) -> io::Result<()> {
        self.sources.reap();
        match self.parents_poll.take() {
            Some(poll) if self.sources.has_any() => leave_sockets(poll.as_raw_fd(), |token| {
                self.sources.has_token(Token(token))
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Makes turns until stopped by [`LoopHandle::stop`] or [`Context::stop`], or until nothing is
    /// left to do.
    ///
    /// # Errors
    ///
    /// As [`turn`](Self::turn).
    pub fn run(&mut self) -> io::Result<()> {
        while !self.remote.take_stop() && !self.is_empty() {
            self.turn_once(None)?;
        }
        Ok(())
    }

    /// Makes turns until stopped, even while there is nothing to do: for a loop that is sent work
    /// through its [`handle`](Self::handle).
    ///
    /// # Errors
    ///
    /// As [`turn`](Self::turn).
    pub fn run_until_stopped(&mut self) -> io::Result<()> {
        while !self.remote.take_stop() {
            self.turn_once(None)?;
        }
        Ok(())
    }

    /// Makes one turn, for a program that has a loop of its own.
    ///
    /// Waits for something to happen, at most for `timeout` if one is given. Returns how long the
    /// next turn may be put off: until the next deadline if there is one, and not at all while a
    /// source is ready or work has been sent. The time may be shorter if very many timers were put
    /// off.
    ///
    /// # Errors
    ///
    /// The system cannot wait for events. A signal ends the waiting, but is no error.
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<Option<Duration>> {
        self.turn_once(timeout)?;
        Ok(self.next_wait())
    }

    /// Calls `callback` once, `delay` from now.
    pub fn call_later(
        &mut self,
        delay: Duration,
        callback: impl FnOnce(&mut Context<'_>) + 'static,
    ) -> TimerId {
        self.context().call_later(delay, callback)
    }

    /// Calls `callback` once, at `at`.
    pub fn call_at(
        &mut self,
        at: Instant,
        callback: impl FnOnce(&mut Context<'_>) + 'static,
    ) -> TimerId {
        self.context().call_at(at, callback)
    }

    /// Calls `callback` every `interval`, the first time one interval from now.
    ///
    /// The calls keep to multiples of the interval. Calls that the loop missed during a stall are
    /// skipped. A callback that panics is not called again.
    pub fn call_every(
        &mut self,
        interval: Duration,
        callback: impl FnMut(&mut Context<'_>) + 'static,
    ) -> TimerId {
        self.context().call_every(interval, callback)
    }

    /// Cancels a timer. Returns `false` if it has fired or was cancelled before.
    pub fn cancel(&mut self, timer: TimerId) -> bool {
        self.disarm(timer)
    }

    /// Restarts the delay of a timer, from now. Returns `false` if it is gone.
    pub fn reset(&mut self, timer: TimerId) -> bool {
        self.context().reset_timer(timer)
    }

    /// Closes and drops all handlers, then drops all timers. The loop may be used again afterwards.
    ///
    /// Handlers cannot add others while they are being closed.
    pub fn close(&mut self) {
        self.closing = true;
        let ids: Vec<_> = self.handlers.keys().map(HandlerId).collect();
        for id in ids {
            self.remove_handler(id);
        }
        while let Some(target) = self.timers.pop() {
            drop_safely(target);
        }
        self.closing = false;
    }

    /// Returns a handle to this loop for other threads.
    pub fn handle(&self) -> LoopHandle {
        LoopHandle::new(Arc::clone(&self.remote))
    }

    /// Whether the loop has nothing left to do: no handler, no timer, no work sent through a
    /// [`LoopHandle`].
    pub fn is_empty(&self) -> bool {
        self.handlers.len() == 0 && self.timers.is_empty() && !self.remote.has_messages()
    }

    /// The number of handlers.
    pub fn handler_count(&self) -> usize {
        self.handlers.len()
    }

    /// A context that belongs to no handler, at the present time.
    fn context(&mut self) -> Context<'_> {
        self.now = Instant::now();
        Context::new(self, HandlerId::NONE)
    }

    fn turn_once(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let wait = match (self.next_wait(), timeout) {
            (Some(next), Some(timeout)) => Some(next.min(timeout)),
            (next, timeout) => next.or(timeout),
        };
        self.wait(wait)?;
        let _turn = Turn::begin();
        self.costly = Duration::ZERO;
        self.read_inbox();
        self.serve_sources();
        self.fire_timers();
        Ok(())
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let wait = self
            .busy_poll
            .wait(&mut self.poll, &mut self.events, timeout);
        let waited = match wait {
            // This happens when a stopped process is continued. Events that arrived meanwhile come
            // before timers that are overdue.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.poll_at_once()?;
                None
            }
            waited => waited?,
        };
        let mut events = self.mark_ready();
        self.now = Instant::now();
        // Events also come before due timers if there were more events than fit.
        for _ in 0..MOST_POLLS {
            if events < EVENTS || self.timers.next().is_none_or(|at| at > self.now) {
                break;
            }
            self.poll_at_once()?;
            events = self.mark_ready();
        }
        if let Some(waited) = waited
            && self.sources.has_queued()
        {
            self.busy_poll.learn(self.sources.sole_owner(), waited);
        }
        Ok(())
    }

    /// Fetches the pending events without waiting.
    fn poll_at_once(&mut self) -> io::Result<()> {
        loop {
            match self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }

    /// Marks the sources of the events as ready, and returns the number of events.
    fn mark_ready(&mut self) -> usize {
        let mut count = 0;
        for event in &self.events {
            count += 1;
            if event.token() != WAKER {
                self.sources.mark(event);
            }
        }
        count
    }

    fn read_inbox(&mut self) {
        if !self.remote.has_messages() {
            return;
        }
        let mut inbox = mem::take(&mut self.inbox);
        if self.remote.collect(&mut inbox) {
            for call in inbox.calls.drain(..) {
                self.run_callback(call);
            }
            for id in inbox.notified.drain(..) {
                self.call_notified(id);
            }
        }
        self.inbox = inbox;
    }

    fn next_wait(&mut self) -> Option<Duration> {
        if self.remote.has_messages() || self.sources.anyone_ready() {
            return Some(Duration::ZERO);
        }
        self.timers
            .next()
            .map(|at| at.saturating_duration_since(Instant::now()))
    }
}

impl fmt::Debug for IoLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoLoop")
            .field("handlers", &self.handlers.len())
            .finish_non_exhaustive()
    }
}

impl Drop for IoLoop {
    fn drop(&mut self) {
        // Refused first, so that nothing is sent to a loop that only closes its handlers.
        self.remote.close();
        self.close();
    }
}

/// The token of the waker. It is the token of `Key::NONE`, so no source has it.
const WAKER: Token = Token(usize::MAX);

/// The most events taken at once.
const EVENTS: usize = 1024;

/// How many more times a turn polls while each poll is full and a timer is due.
const MOST_POLLS: usize = 64;
