//! How a session comes to its end.

use std::time::{Duration, Instant};

use ftpdlib_proto::{Reply, TransferEnd};

use super::Session;
use super::pending::Pending;
use crate::{Effect, SessionEvent};

/// How long to wait for a job when the client is gone: logs and observers are to learn what it did.
/// One that takes longer may hang, and would hold up the client's place and the server's end.
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
/// Every state but `Closed` can also turn `Silent`: the client may go, or be kicked, at any time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// The session goes on.
    Open,
    /// QUIT came: a transfer in progress is waited for (RFC 959 §4.1.1).
    Quitting,
    /// A login failed or a command was unknown once too often, which was the last reply but that of
    /// a transfer in progress.
    Refused,
    /// The server is stopping: what is in progress is waited for, then `421`.
    Draining,
    /// Kicked inside a multi-line reply, which is to be ended before the `421` with this text.
    Kicked(&'static str),
    /// The client is gone or has had its last reply; only what is still open is waited for, and for
    /// jobs not for long.
    Silent,
    /// `Close` was queued: nothing more comes.
    Closed {
        /// Whether the last reply was that to QUIT.
        said_goodbye: bool,
    },
}

impl Ending {
    /// Whether commands are still answered.
    pub(super) fn takes_commands(self) -> bool {
        matches!(self, Self::Open | Self::Draining)
    }

    /// Whether the client still hears replies.
    pub(super) fn may_reply(self) -> bool {
        !matches!(self, Self::Silent | Self::Closed { .. })
    }

    /// Whether nothing more comes.
    pub(super) fn is_closed(self) -> bool {
        matches!(self, Self::Closed { .. })
    }
}

impl<P> Session<P> {
    /// Ends the session if it is to end and nothing is in progress any more.
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

    /// Ends the session with a last reply, now.
    pub(super) fn disconnect(&mut self, reply: Reply, now: Instant) {
        self.reply(reply);
        self.release(TransferEnd::Shutdown, now);
    }

    /// Gives a reply that is the owner's, as a greeting, or to a command of theirs or one that they
    /// do not want: by a 421 they end the session, and whatever is in progress.
    pub(super) fn reply_as_told(&mut self, reply: Reply, now: Instant) {
        if reply.code().value() == 421 {
            self.disconnect(reply, now);
        } else {
            self.reply(reply);
        }
    }

    /// Ends the session after a last failed login or unknown command. A transfer may still be going
    /// on, and has its own reply.
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

    /// The session is unwanted. Its last reply waits for nothing but the end of a multi-line one.
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

    /// When to stop waiting for a job whose client is gone.
    pub(super) fn last_job_deadline(&self) -> Option<Instant> {
        let has_job = matches!(self.pending, Pending::Job(_) | Pending::Work(_));
        (has_job && self.ending == Ending::Silent).then(|| self.active_at + LAST_JOB_TIME)
    }

    /// Gives up everything that can be given up at once; waits for the rest without another reply.
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

    /// Whether something is in progress that a reply or the end of the session has to wait for.
    ///
    /// The delay of a failed login is none of it: a server that stops does not serve penalties. Nor
    /// is a handshake: it may never end.
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
