//! The states of the data connection, and the transitions between them.

use std::net::SocketAddr;
use std::time::Instant;

use ftpdlib_proto::{Reply, TransferDirection};

use super::Session;
use super::held::Held;
use super::running::{Queued, Running};
use super::timers::after;
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
/// ABOR leads back to `Closed` from every state but `Transferring`. So do a refused upload, and any
/// upload after a refused download, except that the latter keeps a `Target`. A failure or a
/// deadline leads back from `Listening`, `Connecting` and `Open`. A queued transfer is then
/// answered 425 (426 for ABOR).
///
/// A new PASV, EPSV, PORT or EPRT also closes the data connection, unless a transfer is queued:
/// then that command is answered 425, as during a transfer. Without a queued transfer, AUTH and the
/// end of a login close it, too, and a change of PROT closes `Listening` and `Open`.
#[derive(Debug, Default)]
pub(super) enum DataChannel<P> {
    /// No data connection is open or expected.
    #[default]
    Closed,
    /// The client was told where to connect, and has not connected yet.
    Listening {
        /// When the client must have connected.
        deadline: Option<Instant>,
        /// The transfer that waits for the connection; its 150 has been given.
        queued: Option<Box<Queued<P>>>,
    },
    /// The client said where it listens; the server does not connect before a transfer command
    /// (RFC 959 §5.2).
    Target(SocketAddr),
    /// Connecting to the client.
    Connecting {
        /// When the connection must be established.
        deadline: Option<Instant>,
        /// The transfer that waits for the connection; its 150 has not been given yet.
        queued: Box<Queued<P>>,
        /// What came in the meantime: its reply must not come before the 150.
        held: Option<Box<Held>>,
    },
    /// Established, without a transfer command so far.
    Open {
        /// When a transfer command must have come.
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

    /// Whether the client may have connected without a transfer that uses the connection.
    pub(super) fn may_be_connected(&self) -> bool {
        match self {
            Self::Listening { queued, .. } => queued.is_none(),
            Self::Open { .. } => true,
            Self::Closed | Self::Target(_) | Self::Connecting { .. } | Self::Transferring(_) => {
                false
            }
        }
    }

    /// Holds what has to wait for the reply to a transfer command, while connecting.
    pub(super) fn hold(&mut self, what: Held) {
        if let Self::Connecting { held, .. } = self {
            *held = Some(Box::new(what));
        }
    }

    /// Takes what is held.
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

    /// Whether something is held until the reply to a transfer command.
    pub(super) fn is_holding(&self) -> bool {
        matches!(self, Self::Connecting { held: Some(_), .. })
    }

    /// When the client must have connected, the connection to it be established, or the transfer
    /// command have come.
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
    /// Handles a connection to the passive port.
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

    /// The active data connection is established.
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

    /// Handles a failure: the client's port was not reached, the passive port can no longer accept,
    /// or an idle data connection broke.
    pub(super) fn data_failed(&mut self, now: Instant) {
        match self.data {
            DataChannel::Listening { .. }
            | DataChannel::Connecting { .. }
            | DataChannel::Open { .. } => self.give_up_data(now),
            DataChannel::Closed | DataChannel::Target(_) | DataChannel::Transferring(_) => {}
        }
    }

    /// Gives up a data connection that was not made in time, or that broke or expired before its
    /// transfer. A transfer that waits for it is answered 425.
    pub(super) fn give_up_data(&mut self, now: Instant) {
        self.give_up(Reply::new(425, "Can't open data connection."), now);
    }

    /// Gives up connecting because of an ABOR seen behind the line that is held.
    pub(super) fn abort_connecting(&mut self, now: Instant) {
        self.aborted_ahead = true;
        self.give_up(Reply::new(426, "Transfer aborted via ABOR."), now);
    }

    /// Restarts the time within which the next transfer command has to come, if a data connection
    /// waits for one.
    pub(super) fn await_transfer(&mut self, now: Instant) {
        if let DataChannel::Open { deadline } = &mut self.data {
            *deadline = after(now, self.config.data_timeout);
        }
    }

    /// Decides what happens to the data connection after a command that was to use it in this
    /// direction, unless a transfer uses it, by this command or an earlier one.
    pub(super) fn settle_data(&mut self, direction: Option<TransferDirection>) {
        match direction {
            _ if self.is_transferring() => {}
            // lynx tries RETR and, if it is refused, LIST over the same connection.
            Some(TransferDirection::Download) => {
                self.kept_for_download = self.data.may_be_connected()
            }
            // Some of the upload may already be on its way.
            Some(TransferDirection::Upload) => {
                self.close_data();
            }
            None => {}
        }
    }

    /// Closes the listener, the pending connect or the idle data connection; never the connection
    /// of a transfer in progress. Returns whether a transfer waited for it: its file is then
    /// discarded, and the caller owes it a reply.
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

    /// Closes the data connection. A transfer that waited for it is answered with `reply`; then
    /// comes what was held behind it.
    fn give_up(&mut self, reply: Reply, now: Instant) {
        let held = self.data.take_held();
        if self.close_data() {
            self.active_at = now;
            self.transfer_reply(reply);
        }
        if let Some(held) = held {
            self.answer_held(held, now);
        }
    }

    /// Whether an address is not the client's, though only the client's is permitted.
    pub(super) fn is_foreign(&self, address: SocketAddr) -> bool {
        !self.config.permit_foreign_addresses && address.ip().to_canonical() != self.peer.ip()
    }
}
