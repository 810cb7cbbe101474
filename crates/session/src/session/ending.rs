//! How a session ends.

use std::time::{Duration, Instant};

use ftpdlib_proto::{Reply, TransferEnd};

use super::Session;
use super::pending::Pending;
use crate::{Effect, SessionEvent};

/// How long to wait for a job after the client has gone: logs and observers should learn what it
/// did. A job that takes longer may hang, and would hold up the client's place and the server's
/// end.
const LAST_JOB_TIME: Duration = Duration::from_secs(5);

/// Whether and how the session is about to end.
///
/// ```text
///                QUIT                 all is over: 221
///   Open ──┬────────────► Quitting ──────────────────────┐
///          │ drain           ▲        all is over: 421   │
///          ├────────────► Draining ──────────────────────┤
///          │ a login or line too many      all is over   │
///          ├────────────► Refused ───────────────────────┤
///          │ kick inside a 213        all is over: 421   ▼
///          ├────────────► Kicked ────────────────────► Closed
///          │ client gone, or told 421      all is over   ▲
///          └────────────► Silent ────────────────────────┘
/// ```
///
/// Every state but `Closed` can also turn `Silent`: the client may go or be kicked at any time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// The session goes on.
    Open,
    /// QUIT came: the session waits for a transfer in progress (RFC 959 §4.1.1).
    Quitting,
    /// One login too many failed, or one command too many was unknown. That was answered with the
    /// last reply, apart from the reply of a transfer in progress.
    Refused,
    /// The server is stopping: the session waits for what is in progress, then gives `421`.
    Draining,
    /// Kicked during a multi-line reply, which has to be completed before the `421` with this text.
    Kicked(&'static str),
    /// The client is gone or has had its last reply. The session waits only for what is still open,
    /// and not long for jobs.
    Silent,
    /// `Close` was queued: no effect follows.
    Closed {
        /// Whether the last reply was the one to QUIT.
        said_goodbye: bool,
    },
}

impl Ending {
    /// Whether commands are still answered.
    pub(super) fn takes_commands(self) -> bool {
        matches!(self, Self::Open | Self::Draining)
    }

    /// Whether the client may still get replies.
    pub(super) fn may_reply(self) -> bool {
        !matches!(self, Self::Silent | Self::Closed { .. })
    }

    /// Whether `Close` was queued.
    pub(super) fn is_closed(self) -> bool {
        matches!(self, Self::Closed { .. })
    }
}

impl<P> Session<P> {
    /// Ends the session if it is ending and nothing is in progress any more.
    pub(super) fn close_if_over(&mut self) {
        if self.is_busy() {
            return;
        }
        match self.ending {
            Ending::Open | Ending::Closed { .. } => return,
            Ending::Quitting => self.say_goodbye(),
            Ending::Draining => self.reply(Reply::new(421, "Server is shutting down.")),
            Ending::Kicked(text) => self.reply(Reply::new(421, text)),
            Ending::Refused | Ending::Silent => {}
        }
        self.pending = Pending::Nothing;
        self.close_data();
        self.effects.push_back(Effect::Close);
        let said_goodbye = self.ending == Ending::Quitting;
        self.ending = Ending::Closed { said_goodbye };
    }

    /// Ends the session at once with a last reply.
    pub(super) fn disconnect(&mut self, reply: Reply, now: Instant) {
        self.reply(reply);
        self.release(TransferEnd::Shutdown, now);
    }

    /// Gives a reply chosen by the server's owner: a greeting, the reply of a registered command or
    /// of a veto. A 421 ends the session, and whatever is in progress.
    pub(super) fn reply_as_told(&mut self, reply: Reply, now: Instant) {
        if reply.code().value() == 421 {
            self.disconnect(reply, now);
        } else {
            self.reply(reply);
        }
    }

    /// Stops taking commands after one failed login or unknown command too many. A transfer may
    /// still be in progress, and gets its own reply.
    pub(super) fn refuse_further_commands(&mut self, reply: Reply) {
        self.reply(reply);
        self.ending = Ending::Refused;
    }

    /// QUIT.
    pub(super) fn quit(&mut self) {
        self.ending = Ending::Quitting;
    }

    /// The control connection ended.
    pub(super) fn control_lost(&mut self, now: Instant) {
        self.release(TransferEnd::ControlLost, now);
    }

    /// The server is stopping.
    pub(super) fn drain(&mut self) {
        if self.ending == Ending::Open {
            self.ending = Ending::Draining;
        }
    }

    /// Ends the session on request. Its last reply comes at once, or after a multi-line reply that
    /// has begun.
    pub(super) fn kick(&mut self, text: &'static str, now: Instant) {
        if !self.ending.may_reply() {
            return;
        }
        if matches!(self.pending, Pending::StatListing(_)) {
            self.ending = Ending::Kicked(text);
            self.abort_transfer(TransferEnd::Shutdown);
        } else {
            self.disconnect(Reply::new(421, text), now);
        }
    }

    /// When to stop waiting for a job after the client has gone.
    pub(super) fn last_job_deadline(&self) -> Option<Instant> {
        let has_job = matches!(self.pending, Pending::Job(_) | Pending::Work(_));
        (has_job && self.ending == Ending::Silent).then(|| self.active_at + LAST_JOB_TIME)
    }

    /// Gives up everything that can be given up at once, and waits for the rest without another
    /// reply.
    fn release(&mut self, end: TransferEnd, now: Instant) {
        if self.ending.is_closed() {
            return;
        }
        if self.ending != Ending::Silent {
            self.active_at = now;
        }
        self.ending = Ending::Silent;
        self.abort_transfer(end);
        self.close_data();
        match self.pending {
            Pending::PassivePort(_) => {
                self.effects.push_back(Effect::CloseData);
                self.pending = Pending::Nothing;
            }
            Pending::LoginDelay(_) | Pending::Handshake(_) => self.pending = Pending::Nothing,
            Pending::Work(_) => self.cancel_work(),
            Pending::Nothing | Pending::Job(_) | Pending::StatListing(_) | Pending::Abort => {}
        }
    }

    /// Whether something is in progress that the end of the session has to wait for.
    ///
    /// The delay of a failed login does not count: a server that stops does not enforce penalties.
    /// Nor does a handshake: it may never end.
    fn is_busy(&self) -> bool {
        let waits = match self.pending {
            Pending::Nothing | Pending::LoginDelay(_) | Pending::Handshake(_) => false,
            Pending::Job(_)
            | Pending::Work(_)
            | Pending::PassivePort(_)
            | Pending::StatListing(_)
            | Pending::Abort => true,
        };
        waits || self.data.is_occupied()
    }

    fn say_goodbye(&mut self) {
        match self.login.take_user() {
            Some(user) => {
                self.reply(Reply::paragraph(221, &user.msg_quit));
                self.tell(SessionEvent::LoggedOut {
                    username: user.username,
                });
            }
            None => self.reply(Reply::new(221, "Goodbye.")),
        }
    }
}
