//! The deadlines of a connection, all served by one timer.
//!
//! [`Connection::deadline`] and [`Connection::act_on_deadlines`] must agree on what has a deadline.
//! Only held replies are left to [`Connection::flush`], at the end of the turn.

use std::io;
use std::time::Instant;

use ftpdlib_ioloop::{Context, Flow};

use super::{Connection, log_lines};
use crate::data::{Linger, PassivePort};

impl Connection {
    /// The earliest deadline.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        let pump = self.pump.as_ref().and_then(|pump| pump.deadline());
        let linger = self.linger.as_deref();
        let replies = linger.and_then(|linger| linger.holds_replies_until(now));
        let securing = self.data_handshake_deadline();
        let data = self.data.passive_port().and_then(PassivePort::deadline);
        let watch = self.watch.as_ref();
        let observers = watch.and_then(|watch| watch.retry_at());
        [
            self.closing,
            linger.map(Linger::deadline),
            replies,
            pump,
            securing,
            observers,
            data,
            self.session.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Sets the timer for the earliest deadline. An armed timer is only ever moved to an earlier
    /// time: most deadlines are postponed before they come, and a timer that fires early is set
    /// again.
    pub(super) fn arm_timer(&mut self, cx: &mut Context<'_>) {
        let Some(deadline) = self.deadline(cx.now()) else {
            return;
        };
        match self.timer {
            Some((_, at)) if at <= deadline => {}
            Some((timer, _)) if cx.move_timer(timer, deadline) => {
                self.timer = Some((timer, deadline));
            }
            _ => self.timer = Some((cx.start_timer(deadline), deadline)),
        }
    }

    /// Acts on the deadlines that have come.
    pub(super) fn act_on_deadlines(&mut self, cx: &mut Context<'_>) -> Flow {
        let now = cx.now();
        self.timer = None;
        if self.closing.is_some_and(|at| at <= now) {
            return Flow::Close;
        }
        if self
            .linger
            .as_ref()
            .is_some_and(|linger| linger.deadline() <= now)
        {
            self.drain_linger(cx);
        }
        if let Some(pump) = &mut self.pump {
            if pump.may_resume(now) {
                self.run_pump(cx);
            } else if pump.is_stalled(now) {
                match pump.stream_id().is_some_and(|id| cx.is_due(id)) {
                    // What it waited for has come; only its turn has not.
                    true => self.run_pump(cx),
                    false => self.with_pump(cx, |pump, pcx| pump.give_up(pcx)),
                }
            }
        }
        self.check_data_handshake(cx);
        if let Some(watch) = &mut self.watch {
            watch.retry(now);
        }
        let port = self.data.passive_port().and_then(PassivePort::deadline);
        if port.is_some_and(|at| at <= now) {
            self.data_ready(cx);
        }
        if self.session.poll_timeout().is_some_and(|at| at <= now) {
            if self.waits_for_observers() {
                self.session.stay_active(now);
            }
            self.session.handle_timeout(now);
            if self.security.is_handshake() && self.session.is_ending() {
                let error = io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long");
                log_lines::tls_failed(&self.client.prefix(None), &error);
            }
        }
        self.finish_turn(cx)
    }
}
