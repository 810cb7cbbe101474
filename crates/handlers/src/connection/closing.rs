//! Sending replies at the end of a turn, and closing the connection.

use std::time::Duration;

use ftpdlib_ioloop::{Context, Flow};
use ftpdlib_session::ControlEvent;

use super::{Connection, ControlSocket};
use crate::service::Phase;

/// How long a client may take to close its side after the last reply.
pub(super) const CLOSING_TIME: Duration = Duration::from_secs(2);

impl Connection {
    /// Tells the session that its client is gone; only the first call does something.
    pub(super) fn lose_control(&mut self, cx: &mut Context<'_>) -> bool {
        if self.closing.is_some() || matches!(self.socket, ControlSocket::Lost) {
            return false;
        }
        // The client may have ended its sending side only, and still wait for replies.
        if let ControlSocket::Open(control) = &mut self.socket {
            let is_sent = control.flush(cx).is_ok() && control.is_flushed();
            if is_sent && self.security.session().is_some() {
                // Some clients wait for the answer to their close_notify.
                control.finish(cx);
            }
        }
        self.socket = ControlSocket::Lost;
        self.session.handle_control(ControlEvent::Closed, cx.now());
        self.withdraw_job();
        true
    }

    /// Sends the replies and continues from there. Returns `Close` once the connection is over.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) -> Flow {
        let ControlSocket::Open(control) = &mut self.socket else {
            return self.end_if_closing();
        };
        let had_replies = !control.is_flushed();
        let linger = self.linger.as_deref().filter(|_| self.closing.is_none());
        let holds = linger.is_some_and(|linger| linger.holds_replies_until(cx.now()).is_some());
        if control.flush_unless(holds, cx).is_err() {
            control.end_input();
            self.lose_control(cx);
            self.carry_out_effects(cx);
            return self.end_if_closing();
        }
        let all_sent = had_replies && control.is_flushed();
        if self.closing.is_some() && self.may_close(cx) {
            return Flow::Close;
        }
        self.await_input(all_sent, holds, cx);
        Flow::Continue
    }

    /// Whether a closing connection has nothing left to wait for.
    ///
    /// Until the time in `closing` it waits for the client to end its side, since closing a socket
    /// with unread bytes resets it, and the last replies may be lost. It does not wait if
    ///
    /// - the client is in a handshake, and would understand no reply,
    /// - the client has ended its side or is gone, or the server ends,
    /// - the client has sent QUIT and nothing unread after it, so it only waits for the end. This
    ///   does not apply while a download's tail is still on its way, or after a failed upload: the
    ///   client may have sent QUIT before it knew. It never applies under TLS, where it is not
    ///   known whether anything is unread.
    fn may_close(&mut self, cx: &mut Context<'_>) -> bool {
        let ControlSocket::Open(control) = &mut self.socket else {
            return true;
        };
        control.discard_input();
        if self.security.is_handshake() {
            return true;
        }
        let said_goodbye = self.session.said_goodbye() && self.security.session().is_none();
        if said_goodbye && let Some(over) = self.linger.take_if(|linger| !linger.wait(cx)) {
            over.end(&mut self.debts, cx);
        }
        if !control.is_flushed() {
            return false;
        }
        let expects_end = said_goodbye && self.linger.is_none() && control.is_read_out();
        let is_over = control.has_ended() || self.phase == Phase::Ending;
        expects_end || !control.finish(cx) || is_over
    }

    /// Tells the loop what the connection waits for: the client's next command if replies were
    /// `all_sent`, or room for the remaining ones unless the last download `holds` them. What can
    /// go on without the client does so in the next turn, after the other clients.
    fn await_input(&self, all_sent: bool, holds: bool, cx: &mut Context<'_>) {
        let ControlSocket::Open(control) = &self.socket else {
            return;
        };
        if all_sent {
            cx.expect_answer(self.client.service.busy_poll);
        }
        let listing = self.pump.as_ref().filter(|pump| pump.adds_to_replies());
        let is_slow = listing.is_some_and(|it| it.has_used_much()) || self.line_budget.took_long();
        let goes_on = (listing.is_some() && control.is_flushed())
            || (all_sent && control.has_ended())
            || self.may_hand_over_line();
        cx.set_bulk(control.id(), is_slow);
        control.set_interest(self.session.is_working(), !holds, goes_on, cx);
    }

    /// Whether a connection without a control connection closes or continues.
    fn end_if_closing(&self) -> Flow {
        match self.closing {
            Some(_) => Flow::Close,
            None => Flow::Continue,
        }
    }
}
