//! Deadlines. Each has its own rule for when it counts; the driver sees only the earliest.

use std::time::{Duration, Instant};

use ftpdlib_proto::Reply;

use super::Session;
use super::ending::Ending;
use super::pending::Pending;
use crate::SessionEvent;

impl<P> Session<P> {
    /// Returns the earliest deadline.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [
            self.idle_deadline(),
            self.login_deadline(),
            self.handshake_deadline(),
            self.last_job_deadline(),
            self.data_deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Acts on every deadline that has passed.
    pub(super) fn act_on_timeouts(&mut self, now: Instant) {
        if is_past(self.login_deadline(), now)
            && let Pending::LoginDelay(delay) = std::mem::take(&mut self.pending)
        {
            self.active_at = now;
            self.await_transfer(now);
            self.answer_failed_login(*delay);
        }
        if is_past(self.handshake_deadline(), now) {
            // There is no way to tell the client.
            self.control_lost(now);
        }
        if is_past(self.last_job_deadline(), now) {
            self.pending = Pending::Nothing;
        }
        if is_past(self.data_deadline(), now) {
            if self.is_data_unused() {
                self.tell(SessionEvent::DataUnused);
            }
            self.give_up_data(now);
        }
        if is_past(self.idle_deadline(), now) {
            self.disconnect(Reply::new(421, "Control connection timed out."), now);
        }
    }

    /// The idle time counts only while the client has nothing in progress and nothing to wait for.
    fn idle_deadline(&self) -> Option<Instant> {
        let idle = matches!(self.pending, Pending::Nothing)
            && !self.data.is_occupied()
            && self.ending == Ending::Open;
        if idle {
            after(self.active_at, self.config.timeout)
        } else {
            None
        }
    }

    /// No transfer command can be expected while an answer is due or no line is taken.
    fn data_deadline(&self) -> Option<Instant> {
        let is_free = matches!(self.pending, Pending::Nothing) && self.wants_input();
        let counts = !self.is_data_unused() || is_free;
        self.data.deadline().filter(|_| counts)
    }

    fn login_deadline(&self) -> Option<Instant> {
        match &self.pending {
            Pending::LoginDelay(delay) => delay.until,
            Pending::Nothing
            | Pending::Handshake(_)
            | Pending::Job(_)
            | Pending::Work(_)
            | Pending::PassivePort(_)
            | Pending::StatListing(_)
            | Pending::Abort => None,
        }
    }

    fn handshake_deadline(&self) -> Option<Instant> {
        let is_waited_for = matches!(self.pending, Pending::Handshake(_));
        let timeout = self.config.handshake_timeout().filter(|_| is_waited_for);
        after(self.active_at, timeout)
    }
}

/// The moment `wait` after `start`; `None` if there is no limit or no such moment.
pub(super) fn after(start: Instant, wait: Option<Duration>) -> Option<Instant> {
    wait.and_then(|wait| start.checked_add(wait))
}

fn is_past(deadline: Option<Instant>, now: Instant) -> bool {
    deadline.is_some_and(|deadline| deadline <= now)
}
