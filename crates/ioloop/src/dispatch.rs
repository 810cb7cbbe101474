//! How the loop calls its handlers and callbacks, and survives their panics.

use std::io;
use std::mem;
use std::time::Instant;

use crate::context::Context;
use crate::handler::{Flow, Handler, HandlerId, HandlerSlot, SlotState};
use crate::interest::{Interest, Ready};
use crate::io_loop::IoLoop;
use crate::panics::{caught, drop_safely};
use crate::sources::SourceId;
use crate::timers::TimerId;

/// How many sources that take long are served in a turn at least.
const BULK_CALLS: usize = 2;

/// What a timer calls.
pub(crate) enum TimerTarget {
    Handler {
        owner: HandlerId,
        /// The timer's index in that handler's list of timers.
        place: u32,
    },
    Once(Box<dyn FnOnce(&mut Context<'_>)>),
    /// `None` while the callback runs.
    Every(Option<RepeatedCallback>),
}

type RepeatedCallback = Box<dyn FnMut(&mut Context<'_>)>;

impl IoLoop {
    /// Adds a handler and makes its first call.
    pub(crate) fn start(&mut self, mut handler: Box<dyn Handler>) -> io::Result<HandlerId> {
        if self.closing {
            return Err(io::Error::other("the loop is being closed"));
        }
        let id = HandlerId(self.handlers.insert(HandlerSlot::new()));
        let outcome = self
            .catch_panic(id, |cx| handler.start(cx))
            .unwrap_or_else(Err);
        if let Err(error) = outcome {
            self.free_slot(id);
            self.drop_handler(handler);
            return Err(error);
        }
        self.put_back(id, handler, Ok(Flow::Continue));
        Ok(id)
    }

    /// Closes a handler, now or, if it is running, after its callback. Returns `false` if it was
    /// removed before.
    pub(crate) fn remove_handler(&mut self, id: HandlerId) -> bool {
        let Some(slot) = self.handlers.get_mut(id.0) else {
            return false;
        };
        match mem::replace(&mut slot.state, SlotState::Removed) {
            SlotState::Idle(handler) => self.close_handler(id, handler, None),
            SlotState::Running => {}
            SlotState::Removed => return false,
        }
        true
    }

    /// Serves each source that is ready, but of those that take long only some: the others of
    /// these wait for the next turn, in which what has become ready meanwhile comes first.
    pub(crate) fn serve_sources(&mut self) {
        // What is queued again waits for the next turn, too.
        let (queued, bulk) = (self.sources.queued(), self.sources.queued_bulk());
        for _ in 0..queued {
            if let Some(next) = self.sources.dequeue() {
                self.serve(next);
            }
        }
        if bulk > 0 {
            self.serve_bulk(bulk);
        }
    }

    /// Serves up to `queued` of the sources that take long: a few, and more as long as they
    /// have not taken as much time as the turn had before. So neither kind takes more than about
    /// half of the time from the other.
    fn serve_bulk(&mut self, queued: usize) {
        let began = Instant::now();
        let others = began.saturating_duration_since(self.now);
        for served in 0..queued {
            if served >= BULK_CALLS && began.elapsed() >= others {
                break;
            }
            match self.sources.dequeue_bulk() {
                Some(next) => self.serve(next),
                None => break,
            }
        }
    }

    fn serve(&mut self, (source, owner, ready): (SourceId, HandlerId, Ready)) {
        if self.call_handler(owner, |handler, cx| handler.ready(source, ready, cx)) {
            self.sources.enqueue(source);
        } else {
            // The socket was kept elsewhere and has outlived its handler.
            self.sources.set_interest(source, Interest::NONE);
        }
    }

    pub(crate) fn fire_timers(&mut self) {
        // A timer that a callback arms waits for the next turn, even if it is due.
        let fence = self.timers.fence();
        while let Some(id) = self.timers.due(self.now, fence) {
            self.fire(id);
        }
    }

    pub(crate) fn call_notified(&mut self, id: HandlerId) {
        if let Some(flag) = self
            .handlers
            .get(id.0)
            .and_then(|slot| slot.notify_flag.as_ref())
        {
            flag.clear();
            self.call_handler(id, |handler, cx| handler.notified(cx));
        }
    }

    /// Runs a callback that belongs to no handler.
    pub(crate) fn run_callback(&mut self, callback: impl FnOnce(&mut Context<'_>)) {
        // The panic has been logged, and no handler needs to know of it.
        let _ = self.catch_panic(HandlerId::NONE, callback);
        self.sources.reap();
    }

    pub(crate) fn arm(&mut self, at: Instant, target: TimerTarget) -> TimerId {
        self.timers.arm(self.now, at, target)
    }

    /// Arms a timer of a handler.
    pub(crate) fn arm_for(&mut self, owner: HandlerId, at: Instant) -> TimerId {
        let place = self
            .handlers
            .get(owner.0)
            .map_or(0, |slot| slot.timers.len());
        // A loop has no more timers than `u32` keys, so the index fits.
        let place = place as u32;
        let timer = self.arm(at, TimerTarget::Handler { owner, place });
        if let Some(slot) = self.handlers.get_mut(owner.0) {
            slot.timers.push(timer);
        }
        timer
    }

    pub(crate) fn disarm(&mut self, id: TimerId) -> bool {
        match self.timers.cancel(id) {
            Some(TimerTarget::Handler { owner, place }) => self.forget_timer(owner, place),
            Some(TimerTarget::Once(_) | TimerTarget::Every(_)) => {}
            None => return false,
        }
        true
    }

    fn fire(&mut self, id: TimerId) {
        if let Some(TimerTarget::Every(callback)) = self.timers.get_mut(id) {
            let callback = callback.take();
            self.timers.repeat(id, self.now);
            if let Some(callback) = callback {
                self.call_repeatedly(id, callback);
            }
            return;
        }
        match self.timers.cancel(id) {
            Some(TimerTarget::Handler { owner, place }) => {
                self.forget_timer(owner, place);
                self.call_handler(owner, |handler, cx| handler.timeout(id, cx));
            }
            Some(TimerTarget::Once(callback)) => self.run_callback(callback),
            Some(TimerTarget::Every(_)) | None => {}
        }
    }

    fn call_repeatedly(&mut self, id: TimerId, mut callback: RepeatedCallback) {
        let outcome = self.catch_panic(HandlerId::NONE, &mut callback);
        self.sources.reap();
        if outcome.is_err() {
            self.timers.cancel(id);
        }
        if let Some(TimerTarget::Every(place)) = self.timers.get_mut(id) {
            *place = Some(callback);
        } else {
            drop_safely(callback);
        }
    }

    /// Takes a handler out of its slot for one callback. Returns `false` if the slot does not hold
    /// it.
    fn call_handler(
        &mut self,
        id: HandlerId,
        call: impl FnOnce(&mut dyn Handler, &mut Context<'_>) -> io::Result<Flow>,
    ) -> bool {
        let Some(slot) = self.handlers.get_mut(id.0) else {
            return false;
        };
        match mem::replace(&mut slot.state, SlotState::Running) {
            SlotState::Idle(mut handler) => {
                let outcome = self
                    .catch_panic(id, |cx| call(&mut *handler, cx))
                    .unwrap_or_else(Err);
                self.put_back(id, handler, outcome);
                true
            }
            other @ (SlotState::Running | SlotState::Removed) => {
                slot.state = other;
                false
            }
        }
    }

    /// Puts a handler back into its slot after a callback, or closes it.
    fn put_back(&mut self, id: HandlerId, handler: Box<dyn Handler>, outcome: io::Result<Flow>) {
        let Some(slot) = self.handlers.get_mut(id.0) else {
            return;
        };
        match (outcome, &slot.state) {
            (Ok(Flow::Continue), SlotState::Running) => {
                slot.state = SlotState::Idle(handler);
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
        if let Some(slot) = self.handlers.get_mut(id.0) {
            slot.state = SlotState::Removed;
        }
        // The panic has been logged, and the handler is dropped anyway.
        let _ = self.catch_panic(id, |cx| handler.closed(error, cx));
        self.free_slot(id);
        self.drop_handler(handler);
    }

    /// Frees a handler's slot and cancels its timers.
    fn free_slot(&mut self, id: HandlerId) {
        if let Some(slot) = self.handlers.remove(id.0) {
            for timer in slot.timers {
                self.timers.cancel(timer);
            }
        }
    }

    /// Drops a handler, and its sockets with it, even if that panics.
    fn drop_handler(&mut self, handler: Box<dyn Handler>) {
        let _ = self.catch_panic(HandlerId::NONE, |_| drop(handler));
        self.sources.reap();
    }

    /// Removes a timer that is gone from the list of its handler.
    fn forget_timer(&mut self, owner: HandlerId, place: u32) {
        let Some(slot) = self.handlers.get_mut(owner.0) else {
            return;
        };
        slot.timers.swap_remove(place as usize);
        // The last timer of the list has moved to this index.
        if let Some(&moved) = slot.timers.get(place as usize)
            && let Some(TimerTarget::Handler { place: former, .. }) = self.timers.get_mut(moved)
        {
            *former = place;
        }
    }

    /// Runs `call`, and turns a panic in it into an error.
    pub(crate) fn catch_panic<T>(
        &mut self,
        owner: HandlerId,
        call: impl FnOnce(&mut Context<'_>) -> T,
    ) -> io::Result<T> {
        let mut cx = Context::new(self, owner);
        // The loop's own state is consistent whenever it calls out. Only the callee uses what its
        // panic left broken, if it is called again at all.
        caught(|| call(&mut cx)).map_err(|message| {
            log::error!("code on the loop panicked: {message}");
            io::Error::other(format!("panicked: {message}"))
        })
    }
}
