//! The loop as seen from a callback.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::event::Source;
use mio::net::{TcpListener, TcpStream};

use crate::dispatch::TimerTarget;
use crate::handler::{Handler, HandlerId, SlotState};
use crate::interest::{Direction, Interest};
use crate::io_loop::IoLoop;
use crate::notify::{LoopHandle, Notifier, NotifyFlag};
use crate::socket::Socket;
use crate::sources::SourceId;
use crate::timers::{TimerId, later};

/// No more costly work begins in a turn once it has taken this long.
const MOST_COSTLY: Duration = Duration::from_millis(5);

/// A callback's access to the loop it runs on.
///
/// Sources, timers and notifiers made here belong to the handler that is called. Callbacks of
/// [`call_later`](Self::call_later) and similar methods belong to no handler: in them, registering
/// a source is an error, and a notifier or a timer started with [`start_timer`](Self::start_timer)
/// calls nothing.
pub struct Context<'a> {
    io_loop: &'a mut IoLoop,
    owner: HandlerId,
}

impl<'a> Context<'a> {
    pub(crate) const fn new(io_loop: &'a mut IoLoop, owner: HandlerId) -> Self {
        Self { io_loop, owner }
    }

    /// Registers an I/O object of mio with this handler.
    ///
    /// The object is assumed to be writable, so that a write is tried without waiting, but not
    /// readable: if something can be read already, the system reports that in the next turn.
    ///
    /// # Errors
    ///
    /// The system refuses the object, or it is registered with a loop already.
    pub fn register<S: Source>(&mut self, io: S, interest: Interest) -> io::Result<Socket<S>> {
        self.register_as(io, Interest::WRITE, interest)
    }

    /// Makes an I/O object a source of this handler, but does not register it with the system yet.
    ///
    /// Its operations can be tried. The handler is called for it only after
    /// [`finish_registration`](Self::finish_registration). This saves system calls for an object
    /// whose work is usually done before the handler has to wait for it.
    ///
    /// # Errors
    ///
    /// There is no handler.
    pub fn register_deferred<S: Source>(
        &mut self,
        io: S,
        interest: Interest,
    ) -> io::Result<Socket<S>> {
        if self.io_loop.handlers.get(self.owner.0).is_none() {
            return Err(io::Error::other("no handler to register a source with"));
        }
        let slot = self.io_loop.sources.insert(self.owner, Interest::NONE);
        self.io_loop.sources.set_interest(slot.id, interest);
        Ok(Socket::new(io, slot))
    }

    /// Registers a source made by [`register_deferred`](Self::register_deferred) with the system,
    /// which then reports its current readiness and any later one. Does nothing for a source that
    /// is registered already.
    ///
    /// # Errors
    ///
    /// The system refuses the object, or it is registered with a loop already.
    pub fn finish_registration<S: Source>(&mut self, socket: &mut Socket<S>) -> io::Result<()> {
        let token = socket.id().token();
        if let Some(io) = socket.unregistered() {
            self.io_loop
                .poll
                .registry()
                .register(io, token, ALL_EVENTS)?;
            socket.note_registered();
        }
        Ok(())
    }

    /// Registers an I/O object that is not ready for anything until an event says so, such as a
    /// stream that is being connected; see [`finish_connect`](Self::finish_connect).
    ///
    /// # Errors
    ///
    /// The system refuses the object, or it is registered with a loop already.
    pub fn register_connecting<S: Source>(
        &mut self,
        io: S,
        interest: Interest,
    ) -> io::Result<Socket<S>> {
        self.register_as(io, Interest::NONE, interest)
    }

    /// Tries an operation that does not block, and keeps track of readiness: if it fails with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock), the handler is called again for `direction` only
    /// after an event. An operation that a signal interrupts is tried again.
    ///
    /// Every operation that moves bytes or accepts clients has to go through this method, and has
    /// to be one of mio's own or wrapped in mio's `try_io`.
    ///
    /// # Errors
    ///
    /// The operation's error.
    pub fn try_io<S, T>(
        &mut self,
        socket: &Socket<S>,
        direction: Direction,
        mut operation: impl FnMut(&S) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            let error = match operation(socket.get_ref()) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => {
                    self.io_loop.sources.clear(socket.id(), direction);
                    return Err(error);
                }
                _ => return Err(error),
            }
        }
    }

    /// Reads from a stream. `Ok(0)` is its end, unless `buffer` is empty.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing has arrived, else the stream's error.
    pub fn read(&mut self, socket: &Socket<TcpStream>, buffer: &mut [u8]) -> io::Result<usize> {
        self.try_io(socket, Direction::Read, |mut stream| stream.read(buffer))
    }

    /// Reads from a stream like [`read`](Self::read), and assumes that nothing is left if the
    /// buffer was not filled, which saves the read that would confirm it.
    ///
    /// Only for a caller that handles everything it has read at once: the handler may not be called
    /// again before more arrives.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_out(&mut self, socket: &Socket<TcpStream>, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.read(socket, buffer)?;
        if 0 < bytes && bytes < buffer.len() {
            self.note_short_read(socket.id());
        }
        Ok(bytes)
    }

    /// Assumes, as [`read_out`](Self::read_out) does, that nothing is left to read, after a
    /// [`read`](Self::read) that returned some bytes but did not fill its buffer.
    ///
    /// For a caller that knows only after the read that it has handled everything.
    pub fn note_short_read(&mut self, source: SourceId) {
        self.io_loop.sources.note_short_read(source);
    }

    /// Whether a read may stop, or fail with [`WouldBlock`](io::ErrorKind::WouldBlock), before the
    /// end of what has arrived, because an event reported urgent data or the end of the stream.
    /// Always `true` where the system reports neither.
    pub fn may_stop_short(&self, source: SourceId) -> bool {
        self.io_loop.sources.may_stop_short(source)
    }

    /// Marks the source as readable, whatever the system has reported.
    ///
    /// For a caller that keeps some of what it has read after a read in this turn has shown that
    /// nothing was left: no event may follow for bytes that have already arrived. Also for a caller
    /// whose read failed with [`WouldBlock`](io::ErrorKind::WouldBlock) on a source that [may stop
    /// short](Self::may_stop_short): the event has been reported already.
    pub fn note_unread(&mut self, source: SourceId) {
        self.io_loop.sources.note_unread(source);
    }

    /// Marks the source as not ready for `direction`, even if something is left: the handler is
    /// called again only after an event.
    ///
    /// For a caller that leaves the rest to others that read or accept from the same source.
    pub fn wait_for_event(&mut self, source: SourceId, direction: Direction) {
        self.io_loop.sources.clear(source, direction);
    }

    /// Whether an operation may succeed, judging by the system's events and by earlier operations.
    /// Events since the beginning of this turn are not known yet.
    pub fn is_ready(&self, source: SourceId, direction: Direction) -> bool {
        self.io_loop.sources.is_ready(source, direction)
    }

    /// Does `work` on what `source`, which is readable, has received: work that takes much longer
    /// than what is usually done in a turn, such as agreeing on keys. Once such work has taken 5 ms
    /// in a turn, no more of it begins; the rest waits for the next turn, in order.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if the work has to wait: nothing was done, and the
    /// handler is called again in the next turn, if it is interested in reading. Otherwise the
    /// error of `work`.
    pub fn do_costly<T>(
        &mut self,
        source: SourceId,
        work: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.io_loop.costly >= MOST_COSTLY {
            // The handler may have been called for another source.
            self.note_unread(source);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let began = Instant::now();
        let outcome = work(self);
        self.io_loop.costly += began.elapsed();
        outcome
    }

    /// Writes as many of `bytes` to a stream as it takes.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if it takes nothing, else the stream's error.
    pub fn write(&mut self, socket: &Socket<TcpStream>, bytes: &[u8]) -> io::Result<usize> {
        self.try_io(socket, Direction::Write, |mut stream| stream.write(bytes))
    }

    /// Writes as much of several pieces to a stream, in order, as it takes.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if it takes nothing, else the stream's error.
    pub fn write_vectored(
        &mut self,
        socket: &Socket<TcpStream>,
        pieces: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        self.try_io(socket, Direction::Write, |mut stream| {
            // Unlike the write of a single piece, this call has no flag that suppresses the signal.
            ftpdlib_sys::expect_broken_pipe(|| stream.write_vectored(pieces))
        })
    }

    /// Accepts the next client of a listener.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if none is waiting, else the system's error, which
    /// is rarely the listener's fault.
    pub fn accept(&mut self, socket: &Socket<TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
        self.try_io(socket, Direction::Read, TcpListener::accept)
    }

    /// Returns how a connection attempt ended, for a stream that was registered with
    /// [`register_connecting`](Self::register_connecting) and has become writable.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if the attempt has not ended, else the reason why
    /// it failed.
    pub fn finish_connect(&mut self, socket: &Socket<TcpStream>) -> io::Result<()> {
        self.try_io(socket, Direction::Write, |stream| {
            if let Some(error) = stream.take_error()? {
                return Err(error);
            }
            match stream.peer_addr() {
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    Err(io::ErrorKind::WouldBlock.into())
                }
                outcome => outcome.map(drop),
            }
        })
    }

    /// Announces that the peer was sent something that it may answer within `limit`.
    ///
    /// The loop may then poll for the answer for that long before it sleeps. It does so if no other
    /// handler expects an answer, this handler's peer has answered at once many times before, and
    /// polling has saved time so far. A limit of zero has no effect; a limit above
    /// [`LONGEST_BUSY_POLL`](crate::LONGEST_BUSY_POLL) is reduced to it. A signal does not end the
    /// polling.
    ///
    /// Meant for a dialogue that waits for each answer, not for a stream of bytes, which takes
    /// fewer calls if the loop sleeps.
    pub fn expect_answer(&mut self, limit: Duration) {
        if !limit.is_zero() {
            self.io_loop.busy_poll.expect(self.owner, limit);
        }
    }

    /// Sets the readiness for which [`Handler::ready`] is called. Costs no system call and loses no
    /// event.
    pub fn set_interest(&mut self, source: SourceId, interest: Interest) {
        self.io_loop.sources.set_interest(source, interest);
    }

    /// Whether `source` is ready for what its handler wants, as far as is known: the handler will
    /// be called for it.
    pub fn is_due(&self, source: SourceId) -> bool {
        self.io_loop.sources.is_due(source)
    }

    /// Sets whether `source` is served after the others in a turn, as one that takes long each time
    /// that its handler is called, such as a large transfer; it is not at first.
    ///
    /// A turn serves some of these sources, in order, and leaves the rest to the next turn, in
    /// which all others come first. So these wait for a few such calls, and not for all.
    pub fn set_bulk(&mut self, source: SourceId, is_bulk: bool) {
        self.io_loop.sources.set_bulk(source, is_bulk);
    }

    /// Closes a socket, which also removes it from the system's poll without a further system call.
    pub fn close<S: Source>(&mut self, socket: Socket<S>) {
        drop(socket);
        self.io_loop.sources.reap();
    }

    /// Removes a socket from the loop without closing it, for instance to give it to another loop.
    ///
    /// # Errors
    ///
    /// The system does not know the object; the object is then closed.
    pub fn detach<S: Source>(&mut self, socket: Socket<S>) -> io::Result<S> {
        let registered = socket.is_registered();
        let mut io = socket.into_inner();
        self.io_loop.sources.reap();
        if registered {
            self.io_loop.poll.registry().deregister(&mut io)?;
        }
        Ok(io)
    }

    /// Adds a handler and starts it at once, within this call.
    ///
    /// # Errors
    ///
    /// The error of [`Handler::start`]; the handler is then dropped.
    pub fn add(&mut self, handler: Box<dyn Handler>) -> io::Result<HandlerId> {
        self.io_loop.start(handler)
    }

    /// Closes a handler and drops it, with its sources and timers; if it is running, this happens
    /// after its callback. Returns `false` if it was removed before.
    pub fn remove(&mut self, id: HandlerId) -> bool {
        self.io_loop.remove_handler(id)
    }

    /// Starts a timer of this handler: [`Handler::timeout`] is called at the time `at`.
    pub fn start_timer(&mut self, at: Instant) -> TimerId {
        self.io_loop.arm_for(self.owner, at)
    }

    /// Starts a timer of this handler: [`Handler::timeout`] is called `delay` from
    /// [`now`](Self::now).
    pub fn start_timer_after(&mut self, delay: Duration) -> TimerId {
        self.start_timer(later(self.now(), delay))
    }

    /// Gives a timer another deadline. Returns `false` if it is gone.
    pub fn move_timer(&mut self, timer: TimerId, at: Instant) -> bool {
        self.io_loop.timers.move_to(timer, self.io_loop.now, at)
    }

    /// Restarts the delay of a timer, from [`now`](Self::now). Returns `false` if it is gone.
    pub fn reset_timer(&mut self, timer: TimerId) -> bool {
        self.io_loop.timers.reset(timer, self.io_loop.now)
    }

    /// Cancels a timer. Returns `false` if it has fired or was cancelled before.
    pub fn cancel_timer(&mut self, timer: TimerId) -> bool {
        self.io_loop.disarm(timer)
    }

    /// Calls `callback` once, `delay` from [`now`](Self::now), whatever becomes of this handler.
    pub fn call_later(
        &mut self,
        delay: Duration,
        callback: impl FnOnce(&mut Context<'_>) + 'static,
    ) -> TimerId {
        self.call_at(later(self.now(), delay), callback)
    }

    /// Calls `callback` once, at `at`, whatever becomes of this handler.
    pub fn call_at(
        &mut self,
        at: Instant,
        callback: impl FnOnce(&mut Context<'_>) + 'static,
    ) -> TimerId {
        self.io_loop.arm(at, TimerTarget::Once(Box::new(callback)))
    }

    /// Calls `callback` every `interval`, whatever becomes of this handler; see
    /// [`IoLoop::call_every`].
    pub fn call_every(
        &mut self,
        interval: Duration,
        callback: impl FnMut(&mut Context<'_>) + 'static,
    ) -> TimerId {
        let at = later(self.now(), interval);
        self.io_loop
            .arm(at, TimerTarget::Every(Some(Box::new(callback))))
    }

    /// Takes the loop's shared buffer, for the duration of a read.
    ///
    /// The buffer has the size given to [`IoLoop::with_scratch_size`], and holds what its last user
    /// left in it. While it is taken, this method makes a new one.
    pub fn take_scratch(&mut self) -> Box<[u8]> {
        self.io_loop
            .scratch
            .take()
            .unwrap_or_else(|| vec![0; self.io_loop.scratch_size].into_boxed_slice())
    }

    /// Gives the shared buffer back. If it is not given back, a new one is made when needed.
    pub fn return_scratch(&mut self, scratch: Box<[u8]>) {
        self.io_loop.scratch = Some(scratch);
    }

    /// Makes a handle by which other threads can wake this handler.
    pub fn notifier(&mut self) -> Notifier {
        let Self { io_loop, owner } = self;
        let remote = &io_loop.remote;
        let new_flag = || Arc::new(NotifyFlag::new(*owner, Arc::clone(remote)));
        let flag = match io_loop.handlers.get_mut(owner.0) {
            Some(slot) => Arc::clone(slot.notify_flag.get_or_insert_with(new_flag)),
            None => new_flag(),
        };
        Notifier::new(flag)
    }

    /// In a process that was just forked: separates this copy of the loop from the parent's, which
    /// still runs. Nothing done with the copy reaches the parent's loop any more; the copy itself
    /// becomes useless.
    ///
    /// # Errors
    ///
    /// The system has no more descriptors.
    pub fn leave_to_parent(&mut self) -> io::Result<()> {
        self.io_loop.leave_to_parent()
    }

    /// After [`leave_to_parent`](Self::leave_to_parent), closes this process's copies of the
    /// sockets that are still registered with the loop, whichever handler owns them, so that their
    /// peers see the end when the parent closes them. The handlers remain, but are not called, and
    /// their sockets are unusable. Sockets that were never registered stay open.
    ///
    /// # Errors
    ///
    /// `/proc` cannot be read, or the system has no more descriptors.
    pub fn leave_sources_to_parent(&mut self) -> io::Result<()> {
        self.io_loop.leave_sources_to_parent()
    }

    /// Makes the loop's `run` return after this turn, as [`LoopHandle::stop`] does.
    pub fn stop(&mut self) {
        self.io_loop.remote.request_stop();
    }

    /// A handle to this loop for other threads.
    pub fn handle(&self) -> LoopHandle {
        self.io_loop.handle()
    }

    /// The id of the handler being called.
    pub const fn id(&self) -> HandlerId {
        self.owner
    }

    /// The time at the beginning of this turn.
    pub const fn now(&self) -> Instant {
        self.io_loop.now
    }

    /// Whether there is no handler, or it is to be closed after its callback.
    pub(crate) fn is_removed(&self) -> bool {
        self.io_loop
            .handlers
            .get(self.owner.0)
            .is_none_or(|slot| matches!(slot.state, SlotState::Removed))
    }

    /// Makes a call in which a panic does not close this handler.
    pub(crate) fn catch_panic<T>(
        &mut self,
        call: impl FnOnce(&mut Context<'_>) -> T,
    ) -> io::Result<T> {
        self.io_loop.catch_panic(self.owner, call)
    }

    fn register_as<S: Source>(
        &mut self,
        io: S,
        ready: Interest,
        interest: Interest,
    ) -> io::Result<Socket<S>> {
        let mut socket = self.register_deferred(io, Interest::NONE)?;
        self.finish_registration(&mut socket)?;
        self.io_loop.sources.set_ready(socket.id(), ready);
        self.io_loop.sources.set_interest(socket.id(), interest);
        Ok(socket)
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// The events that the system is asked to report for every source.
const ALL_EVENTS: mio::Interest = {
    let both = mio::Interest::READABLE.add(mio::Interest::WRITABLE);
    #[cfg(target_os = "linux")]
    let both = both.add(mio::Interest::PRIORITY);
    both
};
