//! The data connection's states, and what moves it from one to the next.

use std::net::SocketAddr;
use std::time::Instant;

use ftpdlib_proto::{Reply, TransferDirection};

use super::Session;
use super::held::Held;
use super::timers::after;
use super::transfer::{Queued, Running};
use crate::{Effect, SessionEvent};

/// The data connection as the protocol interpreter sees it.
///
/// ```text
///             PASV, EPSV                         PORT, EPRT
///      ┌───────────────────── Closed ─────────────────────┐
///      ▼                         ▲                        ▼
///  Listening ◄─┐ transfer        │                     Target
///   │  │   │   │ command: 150    │                        │ transfer command
///   │  │   └───┘ (queued)        │                        ▼
///   │  │                         │                    Connecting
///   │  │ accepted, none queued   │                        │
///   │  └─────────────► Open      │                        │ connected: 150
///   │                   │        │ ended: 226, 426 …      │
///   │ accepted, queued  │ transfer command: 150           │
///   └─────────────► Transferring ◄────────────────────────┘
/// ```
///
/// From every state but `Transferring` ABOR, a failure, a refused upload or a deadline leads back
/// to `Closed`, and so does an upload after a refused download, except from `Target`; a queued
/// transfer is then answered 425 (426 for ABOR). So does a new PASV, EPSV, PORT or EPRT, unless a
/// transfer is queued: then it is itself answered 425, as during a transfer.
#[derive(Debug, Default)]
pub(super) enum DataChannel<P> {
    /// No data connection is open or expected.
    #[default]
    Closed,
    /// The client was told where to connect.
    Listening {
        /// When it has to have done so.
        deadline: Option<Instant>,
        /// The transfer that waits for it, 150 given.
        queued: Option<Box<Queued<P>>>,
    },
    /// The client said where it listens; nothing is connected before a transfer command comes
    /// (RFC 959 §5.2).
    Target(SocketAddr),
    /// Connecting to the client.
    Connecting {
        /// When the connection has to stand.
        deadline: Option<Instant>,
        /// The transfer that waits for it, 150 not yet given.
        queued: Box<Queued<P>>,
        /// What came meanwhile: its reply must not come before the 150.
        held: Option<Box<Held>>,
    },
    /// Established; no transfer command has come.
    Open {
        /// When one has to have come.
        deadline: Option<Instant>,
    },
    /// Bytes are moving.
    Transferring(Box<Running>),
}

impl<P> DataChannel<P> {
    /// Whether a transfer is in progress or queued.
    pub(super) fn is_occupied(&self) -> bool {
        match self {
            Self::Listening { queued, .. } => queued.is_some(),
            Self::Connecting { .. } | Self::Transferring(_) => true,
            Self::Closed | Self::Target(_) | Self::Open { .. } => false,
        }
    }

    /// Whether the client may have connected, and no transfer uses that yet.
    pub(super) fn may_be_connected(&self) -> bool {
        match self {
            Self::Listening { queued, .. } => queued.is_none(),
            Self::Open { .. } => true,
            Self::Closed | Self::Target(_) | Self::Connecting { .. } | Self::Transferring(_) => {
                false
            }
        }
    }

    /// Keeps what has to wait for the reply to a transfer command, while connecting.
    pub(super) fn hold(&mut self, what: Held) {
        if let Self::Connecting { held, .. } = self {
            *held = Some(Box::new(what));
        }
    }

    /// Takes what was kept.
    fn take_held(&mut self) -> Option<Held> {
        match self {
            Self::Connecting { held, .. } => held.take().map(|held| *held),
            Self::Closed
            | Self::Listening { .. }
            | Self::Target(_)
            | Self::Open { .. }
            | Self::Transferring(_) => None,
        }
    }

    /// Whether the reply to a transfer command waits for the connection to the client.
    pub(super) fn is_connecting(&self) -> bool {
        matches!(self, Self::Connecting { .. })
    }

    /// Whether something waits for the reply to a transfer command.
    pub(super) fn is_holding(&self) -> bool {
        matches!(self, Self::Connecting { held: Some(_), .. })
    }

    /// When the client, the connection to it, or the transfer command has to be there.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Listening { deadline, .. }
            | Self::Connecting { deadline, .. }
            | Self::Open { deadline } => *deadline,
            Self::Closed | Self::Target(_) | Self::Transferring(_) => None,
        }
    }
}

impl<P> Session<P> {
    /// Somebody connected to the passive port.
    pub(super) fn accepted(&mut self, peer: SocketAddr, now: Instant) {
        let foreign = self.is_foreign(peer);
        self.data = match std::mem::take(&mut self.data) {
            DataChannel::Listening { queued, .. } if !foreign => {
                self.effects.push_back(Effect::AcceptData);
                match queued {
                    Some(queued) => self.start_transfer(*queued, now),
                    None => DataChannel::Open {
                        deadline: after(now, self.config.data_timeout),
                    },
                }
            }
            other @ (DataChannel::Closed
            | DataChannel::Listening { .. }
            | DataChannel::Target(_)
            | DataChannel::Connecting { .. }
            | DataChannel::Open { .. }
            | DataChannel::Transferring(_)) => {
                self.effects.push_back(Effect::RejectData);
                if foreign {
                    self.tell(SessionEvent::ForeignData { peer });
                }
                other
            }
        };
    }

    /// The active connection stands.
    pub(super) fn connected(&mut self, now: Instant) {
        let held = self.data.take_held();
        self.data = match std::mem::take(&mut self.data) {
            DataChannel::Connecting { queued, .. } => {
                self.reply(queued.preliminary());
                self.start_transfer(*queued, now)
            }
            other @ (DataChannel::Closed
            | DataChannel::Listening { .. }
            | DataChannel::Target(_)
            | DataChannel::Open { .. }
            | DataChannel::Transferring(_)) => other,
        };
        if let Some(held) = held {
            self.answer_held(held, now);
        }
    }

    /// The client's port was not reached, the passive port can accept none, or an idle data
    /// connection broke.
    pub(super) fn data_failed(&mut self, now: Instant) {
        match self.data {
            DataChannel::Listening { .. }
            | DataChannel::Connecting { .. }
            | DataChannel::Open { .. } => self.give_up_data(now),
            DataChannel::Closed | DataChannel::Target(_) | DataChannel::Transferring(_) => {}
        }
    }

    /// Gives up a data connection that was not made in time, or broke or got old before its
    /// transfer. A transfer that waits for it is answered 425.
    pub(super) fn give_up_data(&mut self, now: Instant) {
        self.give_up(Reply::new(425, "Can't open data connection."), now);
    }

    /// Gives up a connect because of an ABOR that was seen behind the line that is held.
    pub(super) fn abort_connecting(&mut self, now: Instant) {
        self.aborted_ahead = true;
        self.give_up(Reply::new(426, "Transfer aborted via ABOR."), now);
    }

    /// Gives the client the whole time again for the next transfer command, if there is a data
    /// connection that waits for one.
    pub(super) fn await_transfer(&mut self, now: Instant) {
        if let DataChannel::Open { deadline } = &mut self.data {
            *deadline = after(now, self.config.data_timeout);
        }
    }

    /// Decides what becomes of the data connection after a command that was to use it in this
    /// direction, unless a transfer has come of it or another one uses it.
    pub(super) fn settle_data(&mut self, direction: Option<TransferDirection>) {
        match direction {
            _ if self.is_transferring() => {}
            // lynx tries RETR, and after its refusal LIST, over the same connection.
            Some(TransferDirection::Download) => {
                self.kept_for_download = self.data.may_be_connected()
            }
            // Something of the upload may be on its way already.
            Some(TransferDirection::Upload) => {
                self.close_data();
            }
            None => {}
        }
    }

    /// Closes listener, pending connect or idle data connection; never that of a transfer in
    /// progress. Says whether a transfer waited for it: that has lost its file, and is owed a
    /// reply.
    pub(super) fn close_data(&mut self) -> bool {
        self.kept_for_download = false;
        let queued = match std::mem::take(&mut self.data) {
            DataChannel::Closed => return false,
            running @ DataChannel::Transferring(_) => {
                self.data = running;
                return false;
            }
            DataChannel::Listening { queued, .. } => queued,
            DataChannel::Connecting { queued, .. } => Some(queued),
            DataChannel::Target(_) | DataChannel::Open { .. } => None,
        };
        self.effects.push_back(Effect::CloseData);
        match queued {
            Some(queued) => {
                self.discard(queued.payload);
                true
            }
            None => false,
        }
    }

    /// Closes the data connection; a transfer that waited for it is answered with `reply`, and then
    /// what waited for that.
    fn give_up(&mut self, reply: Reply, now: Instant) {
        let held = self.data.take_held();
        if self.close_data() {
            self.active_at = now;
            self.end_transfer(reply);
        }
        if let Some(held) = held {
            self.answer_held(held, now);
        }
    }

    /// Whether an address is another one than the client's, and such are not permitted.
    pub(super) fn is_foreign(&self, address: SocketAddr) -> bool {
        !self.config.permit_foreign_addresses && address.ip().to_canonical() != self.peer.ip()
    }
}
