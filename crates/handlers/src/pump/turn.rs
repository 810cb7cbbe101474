//! What a transfer has in one turn of the loop, and how it tells the log.

use std::fmt;
use std::io;
use std::sync::Arc;

use ftpdlib_ioloop::{Context, is_of_peer};
use ftpdlib_proto::TransferEnd;

use super::Step;
use super::meter::Meter;
use crate::jobs::Account;

/// Replies held for a client that does not read them; beyond that it is not listened to, and a
/// listing that goes there waits.
pub(crate) const REPLIES_WAITING: usize = 64 << 10;

/// What the pumps need of their connection.
pub(crate) struct PumpContext<'a, 'l> {
    pub(crate) cx: &'a mut Context<'l>,
    /// Replies waiting to be sent: where a listing goes that has no data connection.
    pub(crate) replies: &'a mut Vec<u8>,
}

/// Logs what went wrong on a data connection of `account`.
pub(super) fn warn(account: &Account, what: impl fmt::Display) {
    log::warn!("{account} data connection: {what}");
}

/// Logs what is remarkable about it.
pub(super) fn info(account: &Account, what: impl fmt::Display) {
    log::info!("{account} data connection: {what}");
}

/// How a transfer of `account` ends whose data connection had this `error`.
pub(super) fn end_by(error: &io::Error, account: &Account) -> TransferEnd {
    if is_lost(error) {
        return TransferEnd::Reset;
    }
    warn(account, error);
    TransferEnd::LocalError
}

/// Whether an error of the data connection is its client's doing, or the network's, or that of
/// whoever is in between. With any other it is our side that cannot go on, and whose log is to say
/// so.
pub(super) fn is_lost(error: &io::Error) -> bool {
    is_of_peer(error)
        || matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused
                // No TLS, or broken.
                | io::ErrorKind::InvalidData
                | io::ErrorKind::UnexpectedEof
        )
}

/// A turn of a transfer: who it is for, what it may move, and what it needs of its connection.
pub(super) struct Turn<'t, 'a, 'l> {
    pub(super) account: &'t Arc<Account>,
    pub(super) meter: &'t mut Meter,
    pub(super) pcx: &'t mut PumpContext<'a, 'l>,
}

impl Turn<'_, '_, '_> {
    /// Most bytes that may be moved now; `Err` with what to do if none may.
    pub(super) fn allowance(&mut self) -> Result<usize, Step> {
        self.meter.allowance(self.pcx.cx.now())
    }

    /// Counts what was moved.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.meter.moved(bytes, self.pcx.cx.now());
    }

    /// Notes that the transfer does not stand still.
    pub(super) fn advanced(&mut self) {
        self.meter.advanced(self.pcx.cx.now());
    }

    /// Logs what went wrong on the data connection.
    pub(super) fn warn(&self, what: impl fmt::Display) {
        warn(self.account, what);
    }

    /// How the transfer ends after this `error` of the data connection.
    pub(super) fn failed(&self, error: &io::Error) -> TransferEnd {
        end_by(error, self.account)
    }

    /// Logs that the system gave no thread.
    pub(super) fn no_thread(&self, error: &io::Error) {
        log::error!("{} no thread for a job: {error}", self.account);
    }
}
