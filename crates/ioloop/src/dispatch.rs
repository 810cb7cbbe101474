//! How the loop calls its handlers and callbacks, and survives them.

use std::any::Any;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::context::Context;
use crate::handler::{Flow, Handler, HandlerId, Occupant, Seat};
use crate::interest::Interest;
use crate::io_loop::IoLoop;
use crate::timers::TimerId;

/// Whom a timer calls.
pub(crate) enum Target {
    Handler(HandlerId),
    Once(Box<dyn FnOnce(&mut Context<'_>)>),
    /// `None` while the callback runs.
    Every(Option<Repeated>),
}

type Repeated = Box<dyn FnMut(&mut Context<'_>)>;

impl IoLoop {
    /// Seats a handler and makes its first call.
    pub(crate) fn start(&mut self, mut handler: Box<dyn Handler>) -> io::Result<HandlerId> {
        if self.closing {
            return Err(io::Error::other("the loop is being closed"));
        }
        let id = HandlerId(self.handlers.insert(Seat::new()));
        let outcome = self.guard(id, |cx| handler.start(cx)).unwrap_or_else(Err);
        if let Err(error) = outcome {
            self.vacate(id);
            self.bury(handler);
            return Err(error);
        }
        self.put_back(id, handler, Ok(Flow::Continue));
        Ok(id)
    }

    /// Closes a handler, now or, if it is running, after its callback. Answers `false` if it is
    /// gone or going.
    pub(crate) fn retire(&mut self, id: HandlerId) -> bool {
        let Some(seat) = self.handlers.get_mut(id.0) else {
            return false;
        };
        match mem::replace(&mut seat.occupant, Occupant::Removed) {
            Occupant::Resting(handler) => self.close_handler(id, handler, None),
            Occupant::Running => {}
            Occupant::Removed => return false,
        }
        true
    }

    pub(crate) fn serve_sources(&mut self) {
        for _ in 0..self.sources.queued() {
            let Some((source, owner, ready)) = self.sources.dequeue() else {
                continue;
            };
            if self.visit(owner, |handler, cx| handler.ready(source, ready, cx)) {
                self.sources.enqueue(source);
            } else {
                // Its socket outlives the handler, somewhere.
                self.sources.set_interest(source, Interest::NONE);
            }
        }
    }

    pub(crate) fn fire_timers(&mut self) {
        // A timer that a callback arms waits for the next turn, even if it is due.
        let fence = self.timers.fence();
        while let Some(id) = self.timers.due(self.now, fence) {
            self.fire(id);
        }
    }

    pub(crate) fn tell_notified(&mut self, id: HandlerId) {
        if let Some(bell) = self.handlers.get(id.0).and_then(|seat| seat.bell.as_ref()) {
            bell.answer();
            self.visit(id, |handler, cx| handler.notified(cx));
        }
    }

    /// Calls what belongs to no handler.
    pub(crate) fn call_back(&mut self, callback: impl FnOnce(&mut Context<'_>)) {
        // Logged already, and nobody else to tell.
        let _ = self.guard(HandlerId::NOBODY, callback);
        self.sources.reap();
    }

    pub(crate) fn arm(&mut self, at: Instant, target: Target) -> TimerId {
        self.timers.arm(self.now, at, target)
    }

    pub(crate) fn disarm(&mut self, id: TimerId) -> bool {
        match self.timers.cancel(id) {
            Some(Target::Handler(owner)) => self.forget_timer(owner, id),
            Some(Target::Once(_) | Target::Every(_)) => {}
            None => return false,
        }
        true
    }

    fn fire(&mut self, id: TimerId) {
        if let Some(Target::Every(callback)) = self.timers.get_mut(id) {
            let callback = callback.take();
            self.timers.repeat(id, self.now);
            if let Some(callback) = callback {
                self.call_repeatedly(id, callback);
            }
            return;
        }
        match self.timers.cancel(id) {
            Some(Target::Handler(owner)) => {
                self.forget_timer(owner, id);
                self.visit(owner, |handler, cx| handler.timeout(id, cx));
            }
            Some(Target::Once(callback)) => self.call_back(callback),
            Some(Target::Every(_)) | None => {}
        }
    }

    fn call_repeatedly(&mut self, id: TimerId, mut callback: Repeated) {
        let outcome = self.guard(HandlerId::NOBODY, &mut callback);
        self.sources.reap();
        if outcome.is_err() {
            self.timers.cancel(id);
        } else if let Some(Target::Every(place)) = self.timers.get_mut(id) {
            *place = Some(callback);
        }
    }

    /// Lends a handler to one callback. Answers `false` if it is not there.
    fn visit(
        &mut self,
        id: HandlerId,
        call: impl FnOnce(&mut dyn Handler, &mut Context<'_>) -> io::Result<Flow>,
    ) -> bool {
        let Some(seat) = self.handlers.get_mut(id.0) else {
            return false;
        };
        match mem::replace(&mut seat.occupant, Occupant::Running) {
            Occupant::Resting(mut handler) => {
                let outcome = self
                    .guard(id, |cx| call(&mut *handler, cx))
                    .unwrap_or_else(Err);
                self.put_back(id, handler, outcome);
                true
            }
            elsewhere @ (Occupant::Running | Occupant::Removed) => {
                seat.occupant = elsewhere;
                false
            }
        }
    }

    /// Ends the loan of a handler.
    fn put_back(&mut self, id: HandlerId, handler: Box<dyn Handler>, outcome: io::Result<Flow>) {
        let Some(seat) = self.handlers.get_mut(id.0) else {
            return;
        };
        match (outcome, &seat.occupant) {
            (Ok(Flow::Continue), Occupant::Running) => {
                seat.occupant = Occupant::Resting(handler);
                self.sources.reap();
            }
            (outcome, _) => self.close_handler(id, handler, outcome.err()),
        }
    }

    fn close_handler(
        &mut self,
        id: HandlerId,
        mut handler: Box<dyn Handler>,
        error: Option<io::Error>,
    ) {
        if let Some(seat) = self.handlers.get_mut(id.0) {
            seat.occupant = Occupant::Removed;
        }
        // Logged already, and the handler goes anyway.
        let _ = self.guard(id, |cx| handler.closed(error, cx));
        self.vacate(id);
        self.bury(handler);
    }

    /// Frees a seat and what belongs to it.
    fn vacate(&mut self, id: HandlerId) {
        if let Some(seat) = self.handlers.remove(id.0) {
            for timer in seat.timers {
                self.timers.cancel(timer);
            }
        }
    }

    /// Drops a handler, and its sockets with it.
    fn bury(&mut self, handler: Box<dyn Handler>) {
        let _ = self.guard(HandlerId::NOBODY, |_| drop(handler));
        self.sources.reap();
    }

    fn forget_timer(&mut self, owner: HandlerId, id: TimerId) {
        if let Some(seat) = self.handlers.get_mut(owner.0)
            && let Some(position) = seat.timers.iter().position(|&timer| timer == id)
        {
            seat.timers.swap_remove(position);
        }
    }

    /// Makes a call whose panic is its own end only, and an error for us.
    pub(crate) fn guard<T>(
        &mut self,
        owner: HandlerId,
        call: impl FnOnce(&mut Context<'_>) -> T,
    ) -> io::Result<T> {
        let mut cx = Context::new(self, owner);
        // The loop's own books are in order whenever it calls out; what the callee broke, only the
        // callee uses, if it is called again at all.
        catch_unwind(AssertUnwindSafe(|| call(&mut cx))).map_err(|panic| {
            let message = panic_message(&*panic);
            log::error!("a handler of the loop panicked: {message}");
            io::Error::other(format!("panicked: {message}"))
        })
    }
}

/// The text a panic came with.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "no message"
    }
}
